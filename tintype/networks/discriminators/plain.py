"""Plain strided convolutions, a leaky ReLU after each but the last, and no normalisation.

As in Isola et al., "Image-to-Image Translation with Conditional Adversarial Networks" (CVPR 2017), section
3.2.2, without batch normalisation, so that the judgement of one picture depends on no other.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn

from tintype.networks.planes import scaled


class PlainDiscriminator(nn.Module):
    """(known, colours) -> a logit per patch of 46 x 46 pixels: positive where the colours look real."""

    def __init__(self, width: int, channels: int, known: int = 1) -> None:
        super().__init__()
        planes, layers = [known + channels, width, 2 * width, 4 * width], []
        for inputs, outputs in pairwise(planes):
            layers += [nn.Conv2d(inputs, outputs, 4, stride=2, padding=1), nn.LeakyReLU(0.2, inplace=True)]
        self.layers = nn.Sequential(*layers, nn.Conv2d(planes[-1], 1, 4, padding=1))

    def forward(self, known: Tensor, colours: Tensor) -> Tensor:
        """known (N, known, H, W), L first, and scaled colours (N, channels, H, W) -> logits (N, 1, H', W').

        H and W at least 16.
        """
        return self.layers(torch.cat([scaled(known), colours], dim=1))


def build(*, width: int, channels: int, known: int = 1) -> PlainDiscriminator:
    """The discriminator named `plain` in params.yaml."""
    return PlainDiscriminator(width, channels, known)
