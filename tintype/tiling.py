"""Dividing photographs into training, validation and test, and cutting tiles from them."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np


class Box(NamedTuple):
    """A rectangle of pixels; `right` and `bottom` are just outside it."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        return self.right - self.left

    @property
    def height(self) -> int:
        return self.bottom - self.top

    def cut(self, picture: np.ndarray) -> np.ndarray:
        """The part of a picture (H, W, ...) inside the box, as a view."""
        return picture[self.top : self.bottom, self.left : self.right]

    def grown(self, margin: int) -> "Box":
        """The box with `margin` pixels more on each side."""
        return Box(self.left - margin, self.top - margin, self.right + margin, self.bottom + margin)

    def touches(self, other: "Box") -> bool:
        """Whether the two boxes share a pixel."""
        return (
            self.left < other.right
            and other.left < self.right
            and self.top < other.bottom
            and other.top < self.bottom
        )


def held_out(
    width: int, height: int, cell: int, val: float, test: float, rng: np.random.Generator
) -> dict[str, list[Box]]:
    """The regions of a photograph that are kept from training: boxes for `val` and for `test`.

    The photograph is divided into a grid of cells of at least `cell` pixels a side (or the picture's
    whole side, where that is less); `val` and `test` are the shares of cells drawn for each, at least
    one. A photograph of fewer than three cells holds nothing out: it is all training.
    """
    columns, rows = max(width // cell, 1), max(height // cell, 1)
    if columns * rows < 3:
        return {"val": [], "test": []}
    x = np.linspace(0, width, columns + 1).round().astype(int).tolist()
    y = np.linspace(0, height, rows + 1).round().astype(int).tolist()
    cells = [Box(x[c], y[r], x[c + 1], y[r + 1]) for r in range(rows) for c in range(columns)]
    drawn = [cells[number] for number in rng.permutation(len(cells))]
    tests = min(max(1, round(test * len(cells))), len(cells) - 2)
    vals = min(max(1, round(val * len(cells))), len(cells) - 1 - tests)
    return {"val": sorted(drawn[tests : tests + vals]), "test": sorted(drawn[:tests])}


def tiles(region: Box, size: int, stride: int) -> Iterator[Box]:
    """The size x size boxes inside a region, `stride` pixels apart, row by row from its top left corner."""
    for top in range(region.top, region.bottom - size + 1, stride):
        for left in range(region.left, region.right - size + 1, stride):
            yield Box(left, top, left + size, top + size)
