"""PatchGAN: a discriminator that judges every patch of a picture by itself.

Isola et al., "Image-to-Image Translation with Conditional Adversarial Networks" (CVPR 2017), section
3.2.2, with spectral instead of batch normalisation (Miyato et al. 2018), so that the judgement of one
picture depends on no other.
"""

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from tintype.networks.planes import scaled


class PatchDiscriminator(nn.Module):
    """(known, colours) -> a logit per patch of 34 x 34 pixels: positive where the colours look real."""

    def __init__(self, width: int, channels: int, known: int = 1) -> None:
        super().__init__()

        def conv(inputs: int, outputs: int, stride: int) -> nn.Module:
            return spectral_norm(nn.Conv2d(inputs, outputs, 4, stride=stride, padding=1))

        self.layers = nn.Sequential(
            conv(known + channels, width, 2),
            nn.LeakyReLU(0.2, inplace=True),
            conv(width, 2 * width, 2),
            nn.LeakyReLU(0.2, inplace=True),
            conv(2 * width, 4 * width, 1),
            nn.LeakyReLU(0.2, inplace=True),
            conv(4 * width, 1, 1),
        )

    def forward(self, known: Tensor, colours: Tensor) -> Tensor:
        """known (N, known, H, W), L first, scaled colours (N, channels, H, W) -> logits (N, 1, H', W')."""
        return self.layers(torch.cat([scaled(known), colours], dim=1))


def build(*, width: int, channels: int, known: int = 1) -> PatchDiscriminator:
    """The discriminator named `patch` in params.yaml."""
    return PatchDiscriminator(width, channels, known)
