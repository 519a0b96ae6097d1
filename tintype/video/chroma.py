"""From a few colours to the chroma planes of a frame."""

import numpy as np
import torch
from torch import Tensor

from tintype.color import lab_to_rgb
from tintype.guided import coefficients, enlarged
from tintype.video.levels import Levels

RADIUS, EPSILON = 4, 1e-3  # of the guided filter: pixels of the small picture, luma squared


def halved(luma: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A Y plane, uint8 (H, W), at the size (h, w) of the chroma planes: means of the pixels that share one.

    Where a side is odd, the last pixel stands for two, as in the film.
    """
    height, width = luma.shape
    down, across = -(-height // size[0]), -(-width // size[1])
    if (down, across) == (1, 1):
        return luma
    more = (size[0] * down - height, size[1] * across - width)
    if any(more):
        luma = np.pad(luma, ((0, more[0]), (0, more[1])), mode="edge")
    total = np.zeros(size, dtype=np.uint16)
    for row in range(down):
        for column in range(across):
            total += luma[row::down, column::across]
    number = down * across
    return ((total + number // 2) // number).astype(np.uint8)


def planes(small: Tensor, ab: Tensor, luma: np.ndarray, levels: Levels) -> np.ndarray:
    """Cb and Cr, uint8 (2, H, W), of a frame.

    small: the Y plane made small, bytes (1, 1, h, w). ab: its colours (1, 2, h, w). luma: the Y plane at the
    size of the chroma planes, uint8 (H, W). Colours are found small and enlarged along the edges of the luma
    (`tintype.guided`), and lose saturation where the luma leaves them no room.
    """
    guide = levels.luma(small)
    rgb = lab_to_rgb(torch.cat([levels.lightness(small), ab], dim=1), clip=False)
    differences = levels.held(guide, levels.differences(rgb))
    line = coefficients(guide, differences, RADIUS, EPSILON)
    large = levels.luma(torch.from_numpy(luma)[None, None])
    return levels.stored(levels.held(large, enlarged(line, large)))[0].numpy()
