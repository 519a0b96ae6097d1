"""A contact sheet of one photograph: how each film would have seen it, how it ages, how a pen draws it."""

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from tintype.ageing import EFFECTS, toned
from tintype.color import lab_to_rgb, to_uint8
from tintype.film import CONVERSIONS, grey_plane
from tintype.outlines import METHODS, outlines
from tintype.report.sheets import fit, grid

_COLUMNS = len(EFFECTS)
STRENGTHS = (0.5, 1.0)
_LONGEST = 224
_TEXT = 16


def film_sheet(rgb: np.ndarray) -> np.ndarray:
    """A grid of small pictures, each with its name under it; uint8 (H2, W2, 3), at most 1372 pixels wide.

    rgb: uint8 (H, W, 3), shrunk to 224 pixels where it is larger. First the colour picture, every
    conversion and both outlines; then a row of every effect of age for each of STRENGTHS, on the
    panchromatic conversion, toning as the brown print before it is reduced to grey. Always the same for
    the same picture.
    """
    small = fit(rgb, _LONGEST)
    picture = torch.from_numpy(small.astype(np.float32) / 255).permute(2, 0, 1)[None]
    L = grey_plane(picture, "panchromatic")
    cells = [_cell(small, "colour")]
    cells += [_cell(_grey(grey_plane(picture, conversion)), conversion) for conversion in CONVERSIONS]
    for method in METHODS:
        drawing = torch.from_numpy(outlines(grey_plane(picture, "lab")[0, 0].numpy(), method))
        cells.append(_cell(_grey(drawing[None, None]), f"outlines: {method}"))
    rows = [cells[start : start + _COLUMNS] for start in range(0, len(cells), _COLUMNS)]
    for strength in STRENGTHS:
        rows.append([_cell(_aged(L, name, strength), f"{name} {strength}") for name in EFFECTS])
    return grid(rows)


def _aged(L: Tensor, effect: str, strength: float) -> np.ndarray:
    if effect == "toning":
        return to_uint8(toned(L, strength))[0]
    return _grey(EFFECTS[effect](L, strength, np.random.default_rng(0)))


def _grey(L: Tensor) -> np.ndarray:
    """Lightness (1, 1, H, W) as a picture, uint8 (H, W, 3)."""
    return to_uint8(lab_to_rgb(torch.cat([L, torch.zeros_like(L), torch.zeros_like(L)], dim=1)))[0]


def _cell(picture: np.ndarray, name: str) -> np.ndarray:
    """The picture in the middle of a line's width, its name under it; uint8 (H, 224, 3)."""
    height, width = picture.shape[:2]
    cell = Image.new("RGB", (_LONGEST, height + 2 * _TEXT), "white")
    cell.paste(Image.fromarray(picture), ((_LONGEST - width) // 2, 0))
    middle = (_LONGEST // 2, height + _TEXT // 4)
    ImageDraw.Draw(cell).text(middle, name, fill="black", font=ImageFont.load_default(_TEXT), anchor="ma")
    return np.asarray(cell)
