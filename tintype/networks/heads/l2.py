"""Regression by the squared distance, whose best answer is the mean of what is plausible: often grey.

Zhang, Isola and Efros, "Colorful Image Colorization" (ECCV 2016), equation 1.
"""

from torch import Tensor

from tintype.networks.heads import head


def distance(x: Tensor, y: Tensor) -> Tensor:
    """1/2 (x - y)^2."""
    return (x - y).square() / 2


class Head(head.Head):
    """The planes are colours, drawn to the mean."""

    distance = staticmethod(distance)
