"""RGB to a record's bytes by look-up: each of the 2^24 colours is converted once, exactly, and then read."""

import functools
from pathlib import Path

import numpy as np
import torch

from tintype.color import lab_to_bytes, rgb_to_lab
from tintype.film import grey_plane

_STEP = 2**18  # colours converted at a time: few enough for the processor's cache
_WORD = np.dtype("<u4")


def write(path: Path, conversion: str) -> None:
    """Write the table of one grey conversion (`film.CONVERSIONS`): 2^24 times four bytes.

    The bytes are grey input plane, L, a, b, as `store` holds them. The colour r, g, b is at r + 256 g + 65536
    b.
    """
    np.save(path, _built(conversion), allow_pickle=False)


@functools.lru_cache(maxsize=1)
def _built(conversion: str) -> np.ndarray:
    table = np.empty((2**24, 4), np.uint8)
    for start in range(0, 2**24, _STEP):
        number = torch.arange(start, start + _STEP)
        rgb = torch.stack([number & 255, (number >> 8) & 255, number >> 16])[None, :, None].float() / 255
        lab = lab_to_bytes(rgb_to_lab(rgb))
        grey = (grey_plane(rgb, conversion) * 2.55).round().clamp(0, 255).to(torch.uint8)
        table[start : start + _STEP] = torch.cat([grey, lab], dim=1)[0, :, 0].T.numpy()
    return table.view(_WORD)[:, 0]


@functools.lru_cache(maxsize=4)
def read(path: Path) -> np.ndarray:
    """A table, mapped: all processes of a machine share its memory."""
    return np.load(path, mmap_mode="r")


def planes(rgb: np.ndarray, table: np.ndarray) -> np.ndarray:
    """A picture, uint8 (H, W, 3), as a record: uint8 (4, H, W), grey input plane and 8-bit Lab."""
    height, width, _ = rgb.shape
    words = np.zeros((height, width, 4), np.uint8)
    for channel in range(3):  # one by one, which NumPy does five times as fast as all three at once
        words[..., channel] = rgb[..., channel]
    found = table.take(words.view(_WORD).reshape(-1))
    return np.ascontiguousarray(found.view(np.uint8).reshape(height, width, 4).transpose(2, 0, 1))
