"""One set of augmentations: changed copies of training tiles on disk, and flips while training."""

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from tintype.color import encode, linearise
from tintype.tiling import Box

_TRIES = 8


def changed_tile(
    picture: np.ndarray,
    tile: Box,
    kept_away: list[Box],
    rng: np.random.Generator,
    *,
    flip: bool,
    scale: tuple[float, float],
    rotation: float,
    exposure: float,
) -> np.ndarray:
    """A changed copy of one tile of a picture (H, W, 3): uint8 RGB of the tile's size.

    A square of `scale` times the tile's side (log-uniform) is drawn around the tile's centre, moved by
    up to half a tile, turned by up to `rotation` degrees, mirrored in half of the copies (`flip`), and
    its light multiplied by 2^(+-exposure). No pixel comes from outside the picture or from a box
    `kept_away`: after a few tries that do, the square is drawn inside the tile itself.
    """
    size = tile.width
    whole = Box(0, 0, picture.shape[1], picture.shape[0])
    for _ in range(_TRIES):
        side = size * float(np.exp(rng.uniform(*np.log(scale))))
        angle = float(rng.uniform(-rotation, rotation))
        shift = rng.uniform(-0.5, 0.5, 2) * size
        outer, inner = _around(tile, whole, side, angle, shift)
        if not any(map(outer.touches, kept_away)):
            break
    else:
        outer, inner = _around(tile, tile, side, angle, shift)

    patch = Image.fromarray(np.ascontiguousarray(outer.cut(picture))).rotate(angle, Image.Resampling.BICUBIC)
    # Turning leaves black corners, which no filter is to reach: cut to whole pixels around the inner square.
    rest = (outer.width - inner) / 2
    ring, rest = int(rest), rest % 1
    patch = patch.crop((ring, ring, outer.width - ring, outer.height - ring))
    patch = patch.resize((size, size), Image.Resampling.LANCZOS, box=(rest, rest, rest + inner, rest + inner))
    if flip and rng.random() < 0.5:
        patch = patch.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return _exposed(2.0 ** float(rng.uniform(-exposure, exposure)))[np.asarray(patch)]


def _around(tile: Box, region: Box, side: float, angle: float, shift: np.ndarray) -> tuple[Box, float]:
    """The upright square inside `region` that holds a turned one, and the side of the turned one.

    Shrunk and moved inwards as far as it takes; a pixel more on each side feeds the interpolation.
    """
    grown = abs(np.cos(np.radians(angle))) + abs(np.sin(np.radians(angle)))
    outer = min(int(np.ceil(side * grown)) + 2, region.width, region.height)
    left, top = (
        round(min(max(start + (tile.width - outer) / 2 + moved, first), last - outer))
        for start, moved, first, last in (
            (tile.left, shift[0], region.left, region.right),
            (tile.top, shift[1], region.top, region.bottom),
        )
    )
    return Box(left, top, left + outer, top + outer), min(side, (outer - 2) / grown)


def _exposed(gain: float) -> np.ndarray:
    """A table over 8-bit sRGB values of the same values under `gain` times the light."""
    values = torch.arange(256, dtype=torch.float64) / 255
    return (encode((linearise(values) * gain).clamp(max=1)) * 255).round().to(torch.uint8).numpy()


def flipped(pictures: Tensor, mirrored: np.ndarray, axis: int) -> Tensor:
    """A batch (N, C, H, W) with those pictures mirrored that `mirrored`, bool (N,), marks.

    axis: -1, left to right; -2, upside down.
    """
    chosen = torch.from_numpy(mirrored).to(pictures.device)
    return torch.where(chosen[:, None, None, None], pictures.flip(axis), pictures)


def masked(input: Tensor, share: float, seeds: np.ndarray) -> Tensor:
    """Input planes (N, 1, H, W), that share of them behind mid-grey, in squares of 1/8 of the side.

    seeds: (N,), one for each picture. He et al., "Masked Autoencoders Are Scalable Vision Learners" (CVPR
    2022).
    """
    if not share:
        return input
    hidden = np.stack([np.random.default_rng(seed).random((1, 8, 8)) < share for seed in seeds])
    squares = F.interpolate(torch.from_numpy(hidden).to(input), size=input.shape[-2:], mode="nearest")
    return torch.where(squares > 0, 50.0, input)
