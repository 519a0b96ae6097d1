"""Colour as classes, learned by cross-entropy in which rare classes weigh more.

Zhang, Isola and Efros, "Colorful Image Colorization" (ECCV 2016), section 2.
"""

from collections.abc import Callable
from typing import Any

from torch import Tensor

from tintype import ab_classes
from tintype.color_spaces import AB
from tintype.networks.heads import head


class Head(head.Head):
    """The planes are logits of the classes; the annealed mean of their distribution is the colour."""

    def __init__(self, channels: int, classes: dict[str, Any]) -> None:
        super().__init__(channels, classes)
        self.temperature = classes["temperature"]
        self.register_buffer("centres", ab_classes.displayable_centres(classes["grid"]))
        self.planes = len(self.centres)

    def forward(self, planes: Tensor) -> Tensor:
        """ab / 110 (N, 2, h, w) of the logits (N, Q, h, w)."""
        return ab_classes.annealed_mean(planes, self.centres, self.temperature) / AB

    def loss(self, histogram: Tensor, classes: Any) -> Callable[[Tensor, Tensor], Tensor]:
        """Equation 2, with the class weights of equation 4."""
        centres, device = self.centres.cpu(), self.centres.device
        nearest, shares = (
            table.to(device) for table in ab_classes.soft_encoding(centres, classes.neighbours, classes.sigma)
        )
        prior = ab_classes.prior(histogram, centres, classes.sigma)
        weights = ab_classes.class_weights(prior, classes.rebalance).to(device)

        def loss(logits: Tensor, colours: Tensor) -> Tensor:
            # The soft encoding is looked up, not computed.
            encoded = (ab_classes.look_up(table, colours * AB) for table in (nearest, shares))
            return ab_classes.cross_entropy(logits, *encoded, weights)

        return loss
