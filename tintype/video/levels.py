"""What the bytes of a film's planes mean: Y'CbCr of a range and a matrix, and the colours it can hold.

Here luma is in [0, 1], 0 black and 1 white, and a difference (Pb or Pr) in [-0.5, 0.5]; in the bytes the
range is either full, or limited to 16..235 and 16..240 (ITU-R BT.601-7, BT.709-6).
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from tintype.color import lightness, linearise

# ITU-T H.273, table 4: the shares of red and blue in luma, by the number of the matrix.
MATRICES = {
    1: (0.2126, 0.0722),  # BT.709
    4: (0.30, 0.11),  # FCC
    5: (0.299, 0.114),  # BT.601, 625 lines
    6: (0.299, 0.114),  # BT.601, 525 lines
    7: (0.212, 0.087),  # SMPTE 240M
    9: (0.2627, 0.0593),  # BT.2020
}
LIMITED, FULL = 1, 2  # numbers of the ranges, as libavutil has them


def usual_matrix(height: int) -> int:
    """The matrix that players take for a film that names none: BT.601 up to 576 lines, BT.709 above."""
    if height > 576:
        return 1
    return 5 if height > 486 else 6


@dataclass(frozen=True)
class Levels:
    """The matrix (a key of MATRICES) and the range (LIMITED or FULL) of a film."""

    matrix: int
    range: int

    def luma(self, stored: Tensor) -> Tensor:
        """Luma in [0, 1] of bytes of a Y plane, any shape, float32; beyond black and white there is none."""
        if self.range == FULL:
            return stored.float() / 255
        return ((stored.float() - 16) / 219).clamp_(0, 1)

    def lightness(self, stored: Tensor) -> Tensor:
        """L in [0, 100] of bytes of a Y plane as grey, which is sRGB; any shape, float32."""
        table = lightness(linearise(self.luma(torch.arange(256)))).clamp(0, 100)
        return table[stored.long()]

    def differences(self, rgb: Tensor) -> Tensor:
        """Pb and Pr (N, 2, H, W) of sRGB-encoded colours (N, 3, H, W)."""
        red, blue = MATRICES[self.matrix]
        weights = rgb.new_tensor([red, 1 - red - blue, blue])
        luma = torch.einsum("c,nchw->nhw", weights, rgb)
        return torch.stack(
            [(rgb[:, 2] - luma) / (2 * (1 - blue)), (rgb[:, 0] - luma) / (2 * (1 - red))], dim=1
        )

    def held(self, luma: Tensor, differences: Tensor) -> Tensor:
        """Pb and Pr (N, 2, H, W), less saturated where red, green or blue would leave [0, 1].

        luma: (N, 1, H, W). Both differences are scaled by the largest share in [0, 1] that fits, so the hue
        is kept: R, G and B less the luma are linear in them.
        """
        red, blue = MATRICES[self.matrix]
        green = 1 - red - blue
        to_blue = differences[:, :1] * (2 * (1 - blue))
        to_red = differences[:, 1:] * (2 * (1 - red))
        to_green = (to_blue * blue + to_red * red).div_(-green)
        up = torch.maximum(torch.maximum(to_blue, to_red), to_green)
        down = torch.minimum(torch.minimum(to_blue, to_red), to_green).neg_()
        # Of the three one is never below 0 and one never above, so both ratios are at least 0.
        ratio = torch.maximum(up.div_((1 - luma).clamp_(min=1e-6)), down.div_(luma.clamp(min=1e-6)))
        return differences / ratio.clamp_(min=1)

    def stored(self, differences: Tensor) -> Tensor:
        """Bytes of Cb and Cr planes, uint8, of Pb and Pr in [-0.5, 0.5]; any shape."""
        scale, low, high = (255, 0, 255) if self.range == FULL else (224, 16, 240)
        return (differences * scale).add_(128.5).clamp_(low, high + 0.5).to(torch.uint8)
