"""U-Net: an encoder, and a decoder that sees the encoder's features of the same scale.

Ronneberger, Fischer and Brox, "U-Net: Convolutional Networks for Biomedical Image Segmentation" (MICCAI
2015), with batch normalisation, strided convolutions instead of pooling, and bilinear upsampling.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def block(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    """Two 3 x 3 convolutions with batch normalisation; the first may stride."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
        nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


class UNet(nn.Module):
    """The generator: lightness in, `outputs` planes at 1/`output_stride` of the size out.

    `width` channels at full size, doubled at each of `depth` halvings up to 8 times `width`. The
    decoder stops at the output's scale: colour is smoother than lightness, and the last, largest scale
    costs most.
    """

    def __init__(self, outputs: int, width: int, depth: int, output_stride: int) -> None:
        super().__init__()
        self.multiple = 2**depth
        channels = [width * min(2**level, 8) for level in range(depth + 1)]
        self.stem = block(1, channels[0])
        self.down = nn.ModuleList(block(fine, coarse, stride=2) for fine, coarse in pairwise(channels))
        levels = [level for level in reversed(range(depth)) if 2**level >= output_stride]
        self.up = nn.ModuleList(
            block(channels[level + 1] + channels[level], channels[level]) for level in levels
        )
        self.head = nn.Conv2d(channels[levels[-1] if levels else depth], outputs, 1)

    def forward(self, L: Tensor) -> Tensor:
        """(N, 1, H, W) in [0, 100] -> (N, outputs, H / output_stride, W / output_stride).

        H and W must be multiples of `self.multiple`.
        """
        x = self.stem(L / 50 - 1)
        skips = []
        for down in self.down:
            skips.append(x)
            x = down(x)
        for up in self.up:
            x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
            x = up(torch.cat([x, skips.pop()], dim=1))
        return self.head(x)


def build(outputs: int, *, width: int, depth: int, output_stride: int) -> UNet:
    """The U-Net that `generator` in params.yaml describes."""
    return UNet(outputs, width, depth, output_stride)
