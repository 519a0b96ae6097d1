"""Clicks of colour: a few pixels whose ab a person gives, as planes beside the lightness.

Zhang et al., "Real-Time User-Guided Image Colorization with Learned Deep Priors" (SIGGRAPH 2017), section
3.2: while training, clicks are drawn at random from the true colours, and some pictures have none.
"""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

SIDE = 3  # pixels of the square that a click colours


def at(size: tuple[int, int], row: int, column: int, ab: tuple[float, float]) -> Tensor:
    """One click at a pixel of a picture of (height, width): (1, 3, H, W), a and b, and 1 where they hold."""
    planes = torch.zeros(1, 3, *size)
    planes[(0, slice(None), *_square(row, column))] = torch.tensor([*ab, 1.0])[:, None, None]
    return planes


def points(ab: Tensor, seeds: np.ndarray, number: int | np.ndarray) -> Tensor:
    """`number` clicks on each picture, each with the mean of the true colours below it: (N, 3, H, W).

    ab: (N, 2, H, W). seeds: (N,); of one seed, the first clicks are the same however many there are. number:
    one for all pictures, or (N,). Where two overlap, the later one holds.
    """
    count, _, height, width = ab.shape
    means = F.avg_pool2d(ab, SIDE, stride=1, padding=SIDE // 2, count_include_pad=False).cpu().numpy()
    planes = np.zeros((count, 3, height, width), np.float32)
    for picture, (seed, some) in enumerate(zip(seeds, np.broadcast_to(number, count), strict=True)):
        for place in np.random.default_rng(seed).integers(height * width, size=some):
            row, column = divmod(int(place), width)
            square = (picture, slice(None), *_square(row, column))
            planes[square] = [[[value]] for value in (*means[picture, :, row, column], 1.0)]
    return torch.from_numpy(planes).to(ab)


def drawn(ab: Tensor, seeds: np.ndarray, most: int, without: float) -> Tensor:
    """Clicks to train with: none for a share `without` of the pictures, from 1 to `most` for the others."""
    rngs = [np.random.default_rng([seed, 1]) for seed in seeds]
    numbers = [0 if rng.random() < without else rng.integers(1, most, endpoint=True) for rng in rngs]
    return points(ab, seeds, np.array(numbers))


def _square(row: int, column: int) -> tuple[slice, slice]:
    """The pixels around one; beyond the picture's edge there are none."""
    return tuple(slice(max(middle - SIDE // 2, 0), middle + SIDE // 2 + 1) for middle in (row, column))
