"""What heads have in common."""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn


class Head(nn.Module):
    """Regression: the planes are the colours. A subclass names the `distance` that it learns by.

    channels: of the colour space. classes: `grid` and `temperature`, for the head that has classes.
    """

    distance: Callable[[Tensor, Tensor], Tensor]  # of each value; planes and colours (N, C, h, w)

    def __init__(self, channels: int, classes: dict[str, Any] | None) -> None:
        super().__init__()
        self.planes = channels  # that the network has to give

    def forward(self, planes: Tensor) -> Tensor:
        """Colours (N, C, h, w), scaled (`color_spaces`), of the network's planes; differentiable."""
        return planes.float()

    def loss(self, histogram: Tensor, classes: Any) -> Callable[[Tensor, Tensor], Tensor]:
        """The loss (N,) of planes, given the true colours at their scale.

        histogram: pixels of the training split by 8-bit ab value, int64 (256, 256). classes: the section of
        params.yaml.
        """
        return lambda planes, colours: self.distance(planes.float(), colours).mean(dim=(1, 2, 3))
