"""Pictures side by side: grids of samples, contact sheets."""

import re
from collections.abc import Iterator

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from tintype.batch import Batch
from tintype.color import into_gamut, lab_to_rgb, to_uint8
from tintype.store import Split

REGIONS, LONGEST = 6, 96  # of a study's sheet: rows; pixels
_GAP, _TEXT, _LINE = 4, 16, 18  # pixels


def grid(rows: list[list[np.ndarray]]) -> np.ndarray:
    """Pictures, uint8 (H, W, 3), in rows on white; a cell fits the largest of its row and column."""
    heights = [max(picture.shape[0] for picture in row) for row in rows]
    columns = max(len(row) for row in rows)
    widths = [max(row[c].shape[1] for row in rows if c < len(row)) for c in range(columns)]
    sheet = np.full(
        (sum(heights) + _GAP * (len(rows) + 1), sum(widths) + _GAP * (columns + 1), 3), 255, np.uint8
    )
    top = _GAP
    for row, height in zip(rows, heights, strict=True):
        left = _GAP
        for picture, width in zip(row, widths, strict=False):
            sheet[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
            left += width + _GAP
        top += height + _GAP
    return sheet


def samples(batch: Batch, lab: Tensor) -> np.ndarray:
    """A sheet of three rows, grey, predicted (Lab) and true, with a column per picture; uint8 (H, W, 3)."""
    predicted = lab_to_rgb(into_gamut(lab))
    return grid([list(to_uint8(rgb)) for rgb in (lab_to_rgb(batch.grey), predicted, lab_to_rgb(batch.lab))])


def regions(split: Split) -> Iterator[tuple[int, Batch]]:
    """Number and picture of REGIONS pictures, or fewer, from all over a split."""
    for number in np.linspace(0, len(split) - 1, min(REGIONS, len(split))).round().astype(int):
        yield int(number), Batch.read(split, np.array([number]))


def shown(lab: Tensor) -> np.ndarray:
    """A picture in Lab (1, 3, H, W) as the cell of a study's sheet; uint8 (h, w, 3)."""
    return fit(to_uint8(lab_to_rgb(lab))[0], LONGEST)


def labelled(rows: list[list[np.ndarray]], names: list[str]) -> np.ndarray:
    """A grid with a name above each column, broken after a hyphen where it is wider; uint8 (H, W, 3)."""
    sheet = grid(rows)
    font = ImageFont.load_default(_TEXT)
    widths = [max(row[column].shape[1] for row in rows) for column in range(len(names))]
    heads = [_broken(name, font, width) for name, width in zip(names, widths, strict=True)]
    height = _LINE * max(map(len, heads)) + 2 * _GAP
    head = Image.new("RGB", (sheet.shape[1], height), "white")
    draw, left = ImageDraw.Draw(head), _GAP
    for lines, width in zip(heads, widths, strict=True):
        for number, line in enumerate(lines):
            draw.text((left, _GAP + _LINE * number), line, fill="black", font=font)
        left += width + _GAP
    return np.concatenate([np.asarray(head), sheet])


def _broken(name: str, font: ImageFont.FreeTypeFont, width: int) -> list[str]:
    """The lines of a name, none wider than `width` pixels if its parts are not."""
    lines = [""]
    for part in re.findall("[^-]+-?", name):
        if lines[-1] and font.getlength(lines[-1] + part) > width:
            lines.append("")
        lines[-1] += part
    return lines


def fit(picture: np.ndarray, longest: int) -> np.ndarray:
    """A picture shrunk, where it is larger, so that its longer side is `longest` pixels; uint8 (H, W, 3)."""
    image = Image.fromarray(picture)
    image.thumbnail((longest, longest), Image.Resampling.LANCZOS)
    return np.asarray(image)
