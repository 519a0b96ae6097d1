"""Regression by the smooth L1 distance: squared where small, absolute where large.

Girshick, "Fast R-CNN" (ICCV 2015), equation 3; Zhang et al., "Real-Time User-Guided Image Colorization with
Learned Deep Priors" (SIGGRAPH 2017), section 3.1, who colour by it.
"""

from torch import Tensor
from torch.nn import functional as F

from tintype.networks.heads import head

DELTA = 0.1  # from where on the distance is absolute: 11 units of ab


def distance(x: Tensor, y: Tensor) -> Tensor:
    """(x - y)^2 / (2 delta) below delta, |x - y| - delta / 2 above."""
    return F.smooth_l1_loss(x, y, beta=DELTA, reduction="none")


class Head(head.Head):
    """The planes are colours, drawn to somewhere between median and mean."""

    distance = staticmethod(distance)
