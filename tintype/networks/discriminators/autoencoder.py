"""The discriminator of an energy-based GAN: an autoencoder of colours, given the lightness.

Zhao, Mathieu and LeCun, "Energy-based Generative Adversarial Network" (ICLR 2017), section 2.3. What it
reconstructs are the colours alone, and both halves see L: an autoencoder that had to reconstruct L too would
mostly measure texture.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tintype.networks.planes import scaled


class Energy(NamedTuple):
    """`energy` (N,): mean squared error of the reconstruction; `code` (N, D): the encoding."""

    energy: Tensor
    code: Tensor


class Autoencoder(nn.Module):
    """(known, colours) -> the energy of colours, low for such as it was trained to reconstruct.

    Three halvings to a code of `width / 2` planes, so that the code is a good deal smaller than the colours
    and the autoencoder cannot just copy.
    """

    def __init__(self, width: int, channels: int, known: int = 1) -> None:
        super().__init__()
        half, code = width // 2, width // 2
        self.encoder = nn.ModuleList(
            [
                nn.Conv2d(known + channels, half, 4, stride=2, padding=1),
                nn.Conv2d(half, width, 4, stride=2, padding=1),
                nn.Conv2d(width, code, 4, stride=2, padding=1),
            ]
        )
        self.decoder = nn.ModuleList(
            [
                nn.Conv2d(code + known, width, 3, padding=1),
                nn.Conv2d(width + known, half, 3, padding=1),
                nn.Conv2d(half + known, half, 3, padding=1),
            ]
        )
        self.last = nn.Conv2d(half, channels, 3, padding=1)

    def forward(self, known: Tensor, colours: Tensor) -> Energy:
        """known (N, known, H, W), L first, and scaled colours (N, channels, H, W); H and W multiples of 8."""
        known = scaled(known)
        x = torch.cat([known, colours], dim=1)
        for number, layer in enumerate(self.encoder):
            x = layer(x if number == 0 else F.leaky_relu(x, 0.2))
        code = x
        for layer in self.decoder:
            x = F.interpolate(F.leaky_relu(x, 0.2), scale_factor=2, mode="nearest")
            x = layer(torch.cat([x, F.adaptive_avg_pool2d(known, x.shape[-2:])], dim=1))
        error = (self.last(F.leaky_relu(x, 0.2)) - colours).float()
        return Energy((error**2).mean(dim=(1, 2, 3)), code.float().flatten(1))


def build(*, width: int, channels: int, known: int = 1) -> Autoencoder:
    """The discriminator named `autoencoder` in params.yaml."""
    return Autoencoder(width, channels, known)
