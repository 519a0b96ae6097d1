"""Regression by the absolute distance, whose best answer is the median of what is plausible."""

from torch import Tensor

from tintype.networks.heads import head


def distance(x: Tensor, y: Tensor) -> Tensor:
    """|x - y|."""
    return (x - y).abs()


class Head(head.Head):
    """The planes are colours, drawn to the median."""

    distance = staticmethod(distance)
