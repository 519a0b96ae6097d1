"""A discriminator that judges a picture as a whole.

Strided convolutions as in Radford, Metz and Chintala, "Unsupervised Representation Learning with Deep
Convolutional Generative Adversarial Networks" (ICLR 2016), with spectral instead of batch normalisation.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from tintype.networks.planes import scaled

_LAYOUT = 4  # the last features a side, whatever the picture's size


class WholeDiscriminator(nn.Module):
    """(known, colours) -> one answer per picture: higher where the colours look real."""

    def __init__(self, width: int, channels: int, known: int = 1) -> None:
        super().__init__()
        planes = [known + channels, width, 2 * width, 4 * width]
        self.layers = nn.ModuleList(
            spectral_norm(nn.Conv2d(inputs, outputs, 4, stride=2, padding=1))
            for inputs, outputs in pairwise(planes)
        )
        self.last = spectral_norm(nn.Linear(planes[-1] * _LAYOUT**2, 1))

    def forward(self, known: Tensor, colours: Tensor) -> Tensor:
        """known (N, known, H, W), L first, scaled colours (N, channels, H, W) -> (N, 1); H, W at least 8."""
        x = torch.cat([scaled(known), colours], dim=1)
        for layer in self.layers:
            x = F.leaky_relu(layer(x), 0.2)
        return self.last(F.adaptive_avg_pool2d(x, _LAYOUT).flatten(1))


def build(*, width: int, channels: int, known: int = 1) -> WholeDiscriminator:
    """The discriminator named `whole` in params.yaml."""
    return WholeDiscriminator(width, channels, known)
