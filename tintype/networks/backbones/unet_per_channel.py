"""A U-Net for each plane of the answer: colour channels that are generated separately, and share no weight.

It costs as many U-Nets as there are planes.
"""

import torch
from torch import Tensor, nn

from tintype.networks.backbones import unet


class UNetPerChannel(nn.Module):
    """`outputs` U-Nets side by side, each of which sees the lightness and answers with one plane."""

    def __init__(self, outputs: int, width: int, depth: int, output_stride: int) -> None:
        super().__init__()
        self.multiple, self.stride = 2**depth, output_stride
        self.planes = nn.ModuleList(
            unet.build(1, width=width, depth=depth, output_stride=output_stride) for _ in range(outputs)
        )

    def forward(self, L: Tensor) -> Tensor:
        """(N, 1, H, W) in [0, 100] -> (N, outputs, H / output_stride, W / output_stride).

        H and W must be multiples of `self.multiple`.
        """
        return torch.cat([plane(L) for plane in self.planes], dim=1)


def build(outputs: int, *, width: int, depth: int, output_stride: int) -> UNetPerChannel:
    """One U-Net of these settings (those of `unet`) for each of `outputs` planes."""
    return UNetPerChannel(outputs, width, depth, output_stride)
