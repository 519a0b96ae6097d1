"""A pen for cartoons: flat colours, dark outlines, smooth curves, and shapes on both sides of a face."""

import numpy as np
from PIL import Image, ImageDraw

Points = list[tuple[float, float]]  # (x, y) from 0 to 100 over the picture, y downwards

FINER = 4  # drawn so many times larger and then reduced, so that lines have smooth edges


class Pen:
    """Draws on a square picture.

    Where a method takes `half`, its points are (distance from the middle, y). A curve goes through all its
    points; one that comes twice in a row is a corner. Widths are in the units of the points.
    """

    def __init__(self, side: int, background: str, colours: dict[str, str]) -> None:
        """side: of the picture, pixels. colours: what methods call by name; "ink" is for lines."""
        self.canvas = Image.new("RGB", (side * FINER, side * FINER), background)
        self.pen = ImageDraw.Draw(self.canvas)
        self.colours = colours

    def picture(self) -> Image.Image:
        """What is drawn, at its final size."""
        return self.canvas.reduce(FINER)

    def line(self, points: Points, width: float = 1.7) -> None:
        """A curve of ink."""
        self._ink([self._pixel(point) for point in _curve(points, closed=False)], width)

    def lines(self, half: Points, width: float = 1.7) -> None:
        """A curve of ink on either side."""
        for points in _both_sides(half):
            self.line(points, width)

    def shape(self, points: Points, colour: str, outline: float = 1.7) -> None:
        """What a closed curve surrounds."""
        path = [self._pixel(point) for point in _curve(points, closed=True)]
        self.pen.polygon(path, self.colours[colour])
        if outline:
            self._ink(path, outline)

    def shapes(self, half: Points, colour: str, outline: float = 1.7) -> None:
        """A shape on either side."""
        for points in _both_sides(half):
            self.shape(points, colour, outline)

    def whole(self, half: Points, colour: str, outline: float = 1.7) -> None:
        """A shape across the middle, from its right half, top to bottom."""
        right, left = _both_sides(half)
        self.shape(right + [point for point in left[::-1] if point[0] != 50], colour, outline)

    def discs(self, discs: list[tuple[float, float, float]], colour: str, outline: float = 1.7) -> None:
        """Discs (x, y, radius) that melt into one shape."""
        for more, fill in ((outline / 2, "ink"), (-outline / 2, colour)):
            for x, y, radius in discs:
                self.pen.circle(self._pixel((x, y)), self._pixels(radius + more), self.colours[fill])

    def pair(self, dx: float, y: float, radius: float, colour: str, outline: float = 1.7) -> None:
        """A disc on either side."""
        self.discs([(50 - dx, y, radius), (50 + dx, y, radius)], colour, outline)

    def _ink(self, path: Points, width: float) -> None:
        thick = round(self._pixels(width))
        self.pen.line(path, self.colours["ink"], thick)
        for point in path:  # round ends and joints, however sharp the corner
            self.pen.circle(point, (thick - 1) / 2, self.colours["ink"])

    def _pixels(self, length: float) -> float:
        return length * self.canvas.width / 100

    def _pixel(self, point: tuple[float, float]) -> tuple[float, float]:
        return self._pixels(point[0]), self._pixels(point[1])


def _both_sides(half: Points) -> tuple[Points, Points]:
    return [(50 + dx, y) for dx, y in half], [(50 - dx, y) for dx, y in half]


def _curve(points: Points, closed: bool, steps: int = 12) -> Points:
    """A uniform Catmull-Rom spline, as points close to each other."""
    p = np.array(points if not closed else [points[-1], *points, *points[:2]], dtype=float)
    if not closed:
        p = np.concatenate([p[:1], p, p[-1:]])
    t = np.linspace(0, 1, steps)[:, None]
    parts = [p[1:2]]
    for a, b, c, d in zip(p, p[1:], p[2:], p[3:], strict=False):
        if (b != c).any():  # not within a corner, where it would turn a loop
            parts.append(b + t / 2 * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a))))
    return [(float(x), float(y)) for x, y in np.concatenate(parts)]
