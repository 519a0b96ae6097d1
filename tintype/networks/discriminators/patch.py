"""PatchGAN: a discriminator that judges every patch of a picture by itself.

Isola et al., "Image-to-Image Translation with Conditional Adversarial Networks" (CVPR 2017), section
3.2.2, with spectral instead of batch normalisation (Miyato et al. 2018), so that the judgement of one
picture depends on no other.
"""

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm


class PatchDiscriminator(nn.Module):
    """(L, colours) -> a logit per patch of 34 x 34 pixels: positive where the colours look real."""

    def __init__(self, width: int, channels: int) -> None:
        super().__init__()

        def conv(inputs: int, outputs: int, stride: int) -> nn.Module:
            return spectral_norm(nn.Conv2d(inputs, outputs, 4, stride=stride, padding=1))

        self.layers = nn.Sequential(
            conv(1 + channels, width, 2),
            nn.LeakyReLU(0.2, inplace=True),
            conv(width, 2 * width, 2),
            nn.LeakyReLU(0.2, inplace=True),
            conv(2 * width, 4 * width, 1),
            nn.LeakyReLU(0.2, inplace=True),
            conv(4 * width, 1, 1),
        )

    def forward(self, L: Tensor, colours: Tensor) -> Tensor:
        """L (N, 1, H, W) in [0, 100] and scaled colours (N, channels, H, W) -> logits (N, 1, H', W')."""
        return self.layers(torch.cat([L / 50 - 1, colours], dim=1))


def build(*, width: int, channels: int) -> PatchDiscriminator:
    """The discriminator named `patch` in params.yaml."""
    return PatchDiscriminator(width, channels)
