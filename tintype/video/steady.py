"""Colours that stay as they are from frame to frame, and change at once where the film does.

A network that sees one frame at a time answers a little differently each time: colours flicker. Here each
pixel's colour is an exponential mean over time, which forgets where the lightness has changed, for there
something moved, and altogether at a cut. Lightness is (1, 1, h, w) in [0, 100] and colours are ab (1, 2, h,
w), both of the small picture that the network sees.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from tintype.guided import coefficients, enlarged

# A cut is where both are passed. Pans, even fast ones, keep the histogram; flicker of the exposure keeps the
# structure: between two frames of a film both are far below, between two photographs above.
CUT_STRUCTURE, CUT_HISTOGRAM = 0.7, 0.1
BLOCK = 4  # pixels of the blocks that are compared for a cut, so that small movements count little
BINS = 32
MOVED = 6.0  # a change of the lightness by which a colour is known to be of something else
RADIUS, EPSILON = 4, 10.0  # of the guided filter that carries colours over: pixels, lightness squared


def is_cut(before: Tensor, after: Tensor) -> bool:
    """Whether a new scene begins between two frames, by their lightness.

    By the mean absolute difference of blocks, each picture less its mean, as a share of what the pictures
    vary themselves; and by the share of pixels that change their place in the histogram.
    """
    blocks = [F.avg_pool2d(L, min(BLOCK, *L.shape[-2:])) for L in (before, after)]
    first, second = (block - block.mean() for block in blocks)
    spread = (first.abs().mean() + second.abs().mean()) / 2
    if (first - second).abs().mean() <= CUT_STRUCTURE * (spread + 1):
        return False
    shares = [torch.histc(L, BINS, 0, 100) / L.numel() for L in (before, after)]
    return float((shares[0] - shares[1]).abs().sum() / 2) > CUT_HISTOGRAM


def carried(key: Tensor, ab: Tensor, L: Tensor) -> Tensor:
    """The colours of a frame of lightness L, from those of a frame a little before of lightness `key`.

    They follow the lightness as they did in the key frame around each place (`tintype.guided`).
    """
    return enlarged(coefficients(key, ab, RADIUS, EPSILON), L)


@dataclass(frozen=True)
class Remembered:
    """What has been seen of the scene: means over time of lightness and colours."""

    L: Tensor
    ab: Tensor


def steadied(past: Remembered | None, L: Tensor, ab: Tensor, smoothing: float) -> Remembered:
    """A frame's colours, and lightness, as means with those of the frames before; `past` is None after a cut.

    smoothing: the weight of the past in [0, 1), where nothing moves; 0 leaves the colours as they are.
    """
    if past is None or smoothing == 0:
        return Remembered(L, ab)
    # The mean of neighbours, so that grain is not taken for movement.
    change = F.avg_pool2d(L - past.L, 3, stride=1, padding=1, count_include_pad=False)
    weight = smoothing * torch.exp(-((change / MOVED) ** 2))
    return Remembered(torch.lerp(L, past.L, weight), torch.lerp(ab, past.ab, weight))
