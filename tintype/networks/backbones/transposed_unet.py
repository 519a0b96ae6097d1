"""A U-Net of strided and transposed convolutions that answers at full size, between -1 and 1.

The generator of Isola, Zhu, Zhou and Efros, "Image-to-Image Translation with Conditional Adversarial
Networks" (CVPR 2017), appendix 6.1.1, without dropout.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tintype.networks.batch_norm import BatchNorm2d
from tintype.networks.planes import scaled


class TransposedUNet(nn.Module):
    """The generator: `known` planes in, lightness or a drawing first, `outputs` planes of the same size out.

    `width` channels after the first of `depth` halvings, doubled at each up to 8 times `width`; the decoder
    sees the encoder's features of the same scale.
    """

    stride = 1

    def __init__(self, outputs: int, width: int, depth: int, known: int = 1) -> None:
        super().__init__()
        self.multiple = 2**depth
        channels = [width * min(2**level, 8) for level in range(depth)]
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        for level, fine in enumerate(channels):
            inputs = channels[level - 1] if level else known
            # As in the paper, the first convolution is not normalised.
            layers = [nn.Conv2d(inputs, fine, 4, stride=2, padding=1, bias=level == 0)]
            self.down.append(nn.Sequential(*layers, *([BatchNorm2d(fine)] if level else [])))
        for level in range(depth - 1, 0, -1):
            inputs = channels[level] * (1 if level == depth - 1 else 2)
            layer = nn.ConvTranspose2d(inputs, channels[level - 1], 4, stride=2, padding=1, bias=False)
            self.up.append(nn.Sequential(layer, BatchNorm2d(channels[level - 1])))
        self.last = nn.ConvTranspose2d(channels[0] * (2 if depth > 1 else 1), outputs, 4, stride=2, padding=1)

    def forward(self, given: Tensor) -> Tensor:
        """(N, known, H, W), lightness in [0, 100] first -> (N, outputs, H, W) in (-1, 1).

        H and W must be multiples of `self.multiple`.
        """
        x, skips = scaled(given), []
        for level, down in enumerate(self.down):
            x = down(F.leaky_relu(x, 0.2) if level else x)
            skips.append(x)
        skips.pop()
        for up in self.up:
            x = torch.cat([up(F.relu(x)), skips.pop()], dim=1)
        return torch.tanh(self.last(F.relu(x)))


def build(outputs: int, *, width: int, depth: int, known: int = 1) -> TransposedUNet:
    """The generator named `transposed_unet` in params.yaml."""
    return TransposedUNet(outputs, width, depth, known)
