"""Colour at full size: predicted small, enlarged along the edges of the picture, joined with its lightness.

A network sees a small copy, for colour is smoother than lightness and a network knows things of the size that
it learned them at. Its colours are enlarged by the guided filter (`tintype.guided`), strip by strip, so that
memory is bounded, and the lightness is the picture's own throughout. What a screen can't show loses chroma.
"""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from tintype import borders
from tintype.batch import Batch
from tintype.color import displayable, into_gamut, lab_to_rgb, lightness, linearise, luminance_of
from tintype.guided import coefficients, enlarged

SIZE = 256  # pixels of the shorter side of the small copy
ELONGATED = 4  # of longer pictures, the longer side of the small copy has so many times SIZE at most
RADIUS, EPSILON = 3, 20.0  # of the guided filter: pixels of the small copy, and L squared
STRIP = 2**20  # pixels that are joined at a time

Predict = Callable[[Batch], Tensor]  # ab (1, 2, h, w) of a picture's `input` (1, 1, h, w)


def colorize(
    picture: np.ndarray,
    predict: Predict,
    size: int = SIZE,
    saturation: float = 1.0,
    clean: Callable[[Tensor], Tensor] | None = None,
) -> np.ndarray:
    """Colour a picture: (H, W, 3) sRGB of the same size and depth, with the picture's own lightness.

    picture: uint8 or uint16, (H, W) grey or (H, W, 3) sRGB, of which only the lightness is used. predict:
    the model. size: pixels of the shorter side of what it sees; a picture is never enlarged for it.
    saturation: what chroma is multiplied by. clean: what changes the small lightness (1, 1, h, w) before the
    model sees it, and nothing else. Raises TypeError for other values, ValueError for other shapes.
    """
    L = lightness_of(picture)
    line = _line(L, predict, size, clean)
    colours = np.empty((*L.shape[-2:], 3), picture.dtype)
    levels = np.iinfo(picture.dtype).max
    for first, last in _strips(L):
        strip = L[..., first:last, :]
        ab = enlarged(line, strip, first, L.shape[-2]) * saturation
        rgb = lab_to_rgb(_shown(torch.cat([strip, ab], dim=1)))
        values = (rgb[0].permute(1, 2, 0) * levels).round_()
        colours[first:last] = values.numpy().astype(picture.dtype)
    return colours


def predicted(L: Tensor, predict: Predict, size: int = SIZE) -> Tensor:
    """ab (1, 2, H, W) at full size, as predicted: whatever a screen can show. L: (H, W) in [0, 100]."""
    return enlarged(_line(L[None, None], predict, size, None), L[None, None])


def small(L: Tensor, size: int) -> Tensor:
    """Lightness (1, 1, H, W) as a model sees it: means over areas, the shorter side of `size` pixels."""
    height, width = L.shape[-2:]
    scale = min(1.0, size / min(height, width), ELONGATED * size / max(height, width))
    shape = [max(1, round(side * scale)) for side in (height, width)]
    return L if scale == 1 else F.adaptive_avg_pool2d(L, shape)


def _line(
    L: Tensor, predict: Predict, size: int, clean: Callable[[Tensor], Tensor] | None
) -> tuple[Tensor, Tensor]:
    """Slope and offset of ab along L, (1, 2, h, w) each: 0 on borders, which stay as they are."""
    guide = small(L, size)
    inside = borders.inside(guide)
    seen = guide[(..., *inside)]
    clean_seen = seen if clean is None else clean(seen)
    ab = predict(Batch(clean_seen, clean_seen, seen.new_zeros(1, 2, *seen.shape[-2:])))
    line = []
    for part in coefficients(seen, ab, RADIUS, EPSILON):
        plane = guide.new_zeros(1, 2, *guide.shape[-2:])
        plane[(..., *inside)] = part
        line.append(plane)
    return line[0], line[1]


def lightness_of(picture: np.ndarray) -> Tensor:
    """L (1, 1, H, W) in [0, 100] of a picture's samples."""
    if picture.dtype not in (np.uint8, np.uint16):
        raise TypeError(f"found samples of {picture.dtype}; uint8 and uint16 can be coloured")
    if not (picture.ndim == 2 or picture.shape[2:] == (3,)) or not picture.size:
        raise ValueError(f"found a picture of shape {picture.shape}; (H, W) and (H, W, 3) can be coloured")
    levels = np.iinfo(picture.dtype).max + 1
    linear = linearise(torch.arange(levels, dtype=torch.float64) / (levels - 1))
    if picture.ndim == 2:
        table = lightness(linear).float().clamp(0, 100).numpy()
        return torch.from_numpy(table[picture])[None, None]
    L = torch.empty(picture.shape[:2])
    for first, last in _strips(L):
        strip = torch.from_numpy(linear.float().numpy()[picture[first:last]])
        L[first:last] = lightness(luminance_of(strip.permute(2, 0, 1))).clamp(0, 100)[0]
    return L[None, None]


def _shown(lab: Tensor) -> Tensor:
    """`into_gamut` of the pixels that need it, which are few."""
    outside = ~displayable(lab)[0, 0]
    if outside.any():
        lab[0, :, outside] = into_gamut(lab[0, :, outside][..., None])[..., 0]
    return lab


def _strips(plane: Tensor) -> Iterator[tuple[int, int]]:
    height, width = plane.shape[-2:]
    rows = max(1, STRIP // width)
    return ((first, min(first + rows, height)) for first in range(0, height, rows))
