"""U-Net: an encoder, and a decoder that sees the encoder's features of the same scale.

Ronneberger, Fischer and Brox, "U-Net: Convolutional Networks for Biomedical Image Segmentation" (MICCAI
2015), with batch normalisation, strided convolutions instead of pooling, and bilinear upsampling.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tintype.networks.batch_norm import BatchNorm2d
from tintype.networks.planes import scaled


def conv(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    """A convolution that keeps the size (or divides it by `stride`), batch normalisation and ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2, bias=False),
        BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


class Up(nn.Module):
    """One step of the decoder: fewer channels while small, twice the size, the encoder's features beside."""

    def __init__(self, coarse: int, fine: int) -> None:
        super().__init__()
        self.narrow = conv(coarse, fine, kernel=1)
        self.join = conv(2 * fine, fine)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        x = F.interpolate(self.narrow(x), scale_factor=2, mode="bilinear", align_corners=False)
        return self.join(torch.cat([x, skip], dim=1))


class UNet(nn.Module):
    """The generator: lightness in, `outputs` planes at 1/`output_stride` of the size out.

    `width` channels at full size, doubled at each of `depth` halvings up to 8 times `width`. The decoder
    stops at the output's scale: colour is smoother than lightness, and the largest scales cost most. `known`:
    planes that it is given, the lightness among them.
    """

    def __init__(self, outputs: int, width: int, depth: int, output_stride: int, known: int = 1) -> None:
        super().__init__()
        self.multiple, self.stride = 2**depth, output_stride
        channels = [width * min(2**level, 8) for level in range(depth + 1)]
        levels = [level for level in reversed(range(depth)) if 2**level >= output_stride]
        self.stem = conv(known, channels[0])
        self.down = nn.ModuleList(
            nn.Sequential(conv(fine, coarse, stride=2), conv(coarse, coarse))
            for fine, coarse in pairwise(channels)
        )
        self.up = nn.ModuleList(Up(channels[level + 1], channels[level]) for level in levels)
        self.head = nn.Conv2d(channels[levels[-1] if levels else depth], outputs, 1)

    def forward(self, given: Tensor) -> Tensor:
        """(N, known, H, W), L in [0, 100] first -> (N, outputs, H / output_stride, W / output_stride).

        H and W must be multiples of `self.multiple`.
        """
        x = self.stem(scaled(given))
        skips = []
        for down in self.down:
            skips.append(x)
            x = down(x)
        for up in self.up:
            x = up(x, skips.pop())
        return self.head(x)


def build(outputs: int, *, width: int, depth: int, output_stride: int, known: int = 1) -> UNet:
    """The generator named `unet` in params.yaml."""
    return UNet(outputs, width, depth, output_stride, known)
