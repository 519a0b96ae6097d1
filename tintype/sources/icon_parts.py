"""What the characters of `icon_drawing` are made up of: faces, hair, shirts, eyes, mouths and the rest."""

import numpy as np

from tintype.sources.icon_pen import Pen, Points


def _sharp(points: Points) -> Points:
    """With a corner at each point."""
    return [point for point in points for _ in range(2)]


def _ring(x: float, y: float, radius: float, count: int, start: float = 0, end: float = 360) -> np.ndarray:
    """Points on a circle, counterclockwise from the angle `start` to `end`, degrees: (count, 2)."""
    angle = np.radians(np.linspace(start, end, count))
    return np.stack([x + radius * np.cos(angle), y - radius * np.sin(angle)], axis=1)


def _beads(points: np.ndarray, radius: float) -> list[tuple[float, float, float]]:
    return [(x, y, radius) for x, y in points]


FACES = {  # the right half: (distance from the middle, y)
    "round": [(0, 24), (15, 27), (23, 43), (20, 60), (10, 69), (0, 71)],
    "oval": [(0, 23), (14, 26), (21, 43), (19, 59), (10, 71), (0, 74)],
    "heart": [(0, 24), (16, 27), (22, 42), (18, 59), (7, 71), (0, 74)],
    "square": [(0, 23), (16, 25), (21.5, 40), (21, 58), (15, 71), (0, 74)],
    "long": [(0, 20), (13, 23), (19, 40), (18, 60), (10, 74), (0, 77)],
}
_BODY = [(11, 77), (11, 77), (27, 82), (36, 90), (39, 108), (0, 108)]
_SHIRT = [(Pen.whole, [(0, 84), (8, 81), *_BODY], "shirt"), (Pen.lines, [(26, 95), (27, 101)], 1.3)]
_COLLAR = (Pen.shapes, _sharp([(10.5, 76), (0, 86), (6, 93), (15, 81)]), "shirt")
_SPIKES = [(0, 8), (5, 15), (13, 10), (15, 18), (23, 16), (23, 25), (30, 27), (26, 33), (25, 47)]
_SPIKES += [(20, 38), (15, 34), (10, 39), (5, 33), (0, 39)]
_PARTING = [(30, 50), (27, 32), (35, 17), (54, 11), (70, 18), (74, 34), (70, 50), (70, 50), (67, 37)]
_PARTING += [(54, 33), (39, 23), (39, 23), (36, 34), (33, 38), (30, 50)]
_BROWS = (Pen.lines, [(5.5, 40.5), (9, 39.3), (12.5, 40.5)], 1.5)
_PUPILS = [
    (Pen.pair, 9, 47.5, 2.2, "ink", 0),
    (Pen.discs, [(41.7, 46.7, 0.8), (59.7, 46.7, 0.8)], "white", 0),
]

# Strokes, from back to front: a method of Pen, then what it is given.
PARTS = {
    "nothing": [],
    # Shirts
    "tee": [*_SHIRT, (Pen.line, [(36.5, 80), (41, 86.5), (50, 89), (59, 86.5), (63.5, 80)], 1.2)],
    "scoop": [(Pen.whole, [(0, 91), (8, 87), *_BODY], "shirt"), _SHIRT[1]],
    "vee": [(Pen.whole, [(0, 97), (0, 97), *_BODY], "shirt"), _SHIRT[1]],
    "collar": [*_SHIRT, (Pen.line, [(50, 86), (50, 102)], 1.2), _COLLAR],
    "tie": [
        *_SHIRT,
        (Pen.whole, _sharp([(0, 84), (4, 86), (2, 91), (4.5, 108), (0, 108)]), "accent"),
        _COLLAR,
    ],
    "hood": [
        *_SHIRT,
        (Pen.whole, [(0, 70), (12, 73), (22, 77), (22, 85), (11, 92), (0, 93.5)], "shirt"),
        (Pen.whole, [(0, 64), (8, 66), (9.5, 78), (5, 83.5), (0, 84.5)], "skin"),
        (Pen.lines, [(6, 93), (6.5, 101)], 1.3),
    ],
    "bib": [
        *_SHIRT,
        (Pen.shapes, _sharp([(11, 94), (16, 94), (23, 80), (18, 78)]), "accent"),
        (Pen.whole, _sharp([(0, 92), (17, 92), (18, 108), (0, 108)]), "accent"),
    ],
    # Eyes
    "dots": [_BROWS, *_PUPILS],
    "lashes": [
        *(_BROWS, *_PUPILS),
        (Pen.lines, [(6.2, 46), (9, 44.4), (12.6, 45)], 1.2),
        (Pen.lines, [(11.5, 47), (13.6, 46.2)], 1),
    ],
    "wide": [(Pen.pair, 9, 47.3, 4.6, "white", 1.3), _BROWS, *_PUPILS],
    "sly": [
        (Pen.lines, [(5.5, 42), (9, 40), (12.8, 39.5)], 1.5),
        (Pen.pair, 9, 48, 2.2, "ink", 0),
        (Pen.lines, [(5.5, 46.3), (12.8, 45.7)], 1.5),
    ],
    "closed": [_BROWS, (Pen.lines, [(5.5, 48.5), (9, 46), (12.5, 48.5)], 1.5)],
    # Mouths
    "smile": [(Pen.line, [(43.5, 62), (46.5, 64.3), (50, 65), (53.5, 64.3), (56.5, 62)], 1.5)],
    "smirk": [(Pen.line, [(45, 64), (51, 64.3), (57, 61)], 1.5)],
    "flat": [(Pen.line, [(46, 65), (54, 65)], 1.5)],
    "open": [(Pen.whole, [(0, 61.5), (6.5, 61), (6.5, 61), (4.5, 66), (0, 67.5)], "mouth", 1.3)],
    "grin": [(Pen.whole, [(0, 61.5), (7.5, 61), (7.5, 61), (5, 65.5), (0, 66.5)], "white", 1.3)],
    # Hair; what belongs behind the head is drawn first
    "spikes": [(Pen.whole, _sharp(_SPIKES), "hair")],
    "bob behind": [(Pen.whole, [(0, 14), (19, 18), (28, 36), (29, 58), (27, 74), (27, 74), (0, 75)], "hair")],
    "bob": [
        (
            Pen.whole,
            [(0, 16), (17, 19), (26.5, 36), (27.5, 58), (22, 62), (19, 39), (19, 39), (0, 37.5)],
            "hair",
            0,
        ),
        (Pen.lines, [(22, 64), (20, 55), (19, 39), (19, 39), (10, 38), (0, 37.5)]),
        (Pen.lines, [(6, 32), (7, 38)], 1.2),
    ],
    "afro behind": [(Pen.discs, [*_beads(_ring(50, 40, 26, 11, -30, 210), 9), (50, 38, 27)], "hair")],
    "afro": [
        (Pen.whole, [(0, 20), (16, 22), (23, 34), (22, 44), (18, 36), (9, 31), (0, 30)], "hair", 0),
        (Pen.lines, [(21, 44), (18, 36), (9, 31), (0, 30)]),
    ],
    "tufts": [(Pen.shapes, [(20, 32), (26, 37), (26, 49), (26, 49), (20.5, 47), (19, 40)], "hair")],
    "long behind": [
        (Pen.whole, [(0, 15), (20, 19), (28, 42), (30, 70), (35, 96), (35, 96), (0, 98)], "hair")
    ],
    "long": [
        (
            Pen.whole,
            [(0, 17), (18, 20), (27, 42), (27.5, 66), (22, 62), (18, 40), (8, 31), (0, 26)],
            "hair",
            0,
        ),
        (Pen.lines, [(24, 72), (21, 58), (18, 40), (8, 31), (0, 25)]),
        (Pen.line, [(50, 25), (50, 15)], 1.3),
    ],
    "mohawk": [
        (Pen.whole, _sharp([(0, 9), (9, 4), (7, 14), (14, 14), (8, 22), (12, 25), (7, 32), (0, 36)]), "hair"),
    ],
    "bun behind": [(Pen.discs, [(50, 14, 10.5)], "hair")],
    "bun": [
        (Pen.whole, [(0, 19), (17, 22), (26, 38), (25, 50), (25, 50), (18, 40), (8, 33), (0, 31)], "hair"),
        (Pen.lines, [(6, 31), (4, 25)], 1.2),
    ],
    "tails behind": [
        (Pen.shapes, [(20, 50), (31, 47), (39, 60), (38, 74), (32, 84), (32, 84), (27, 72)], "hair"),
    ],
    "tails": [
        (Pen.pair, 24.5, 54, 2.8, "accent"),
        (Pen.whole, [(0, 18), (18, 22), (24, 38), (22, 50), (22, 50), (17, 40), (0, 36)], "hair"),
    ],
    "curls": [
        (
            Pen.discs,
            [*_beads(_ring(50, 42, 24, 9, -8, 188), 6.5), *_beads(_ring(50, 41, 14, 4, 35, 145), 9)],
            "hair",
        ),
    ],
    "parting": [(Pen.shape, _PARTING, "hair"), (Pen.line, [(39, 23), (45, 16)], 1.2)],
    # What some wear besides
    "freckles": [(Pen.pair, dx, y, 0.7, "freckle", 0) for dx, y in ((10, 54.5), (12.5, 57), (15, 54.5))],
    "earrings": [(Pen.pair, 23.5, 60, 2.6, "accent", 1.3)],
    "stud": [(Pen.discs, [(72, 54, 1.9)], "accent", 1.2)],
    "round glasses": [
        (Pen.lines, [(x, y) for x, y in _ring(9, 47, 7, 17)], 1.5),
        (Pen.lines, [(16, 46), (22, 44)], 1.5),
        (Pen.line, [(48, 46), (50, 45), (52, 46)], 1.5),
    ],
    "square glasses": [
        (Pen.lines, _sharp([(3, 43), (16, 42), (15, 52), (4, 52), (3, 43)]), 2),
        (Pen.lines, [(16, 44), (21, 43)], 2),
        (Pen.line, [(47, 44.5), (50, 43.5), (53, 44.5)], 2),
    ],
    "beard": [
        (Pen.whole, [(0, 59), (9, 60), (16, 56), (21, 47), (24, 62), (18, 77), (8, 83), (0, 84)], "hair"),
        (Pen.whole, [(0, 63), (5, 63), (6.5, 65.5), (3, 67.5), (0, 68)], "skin", 1.3),
        (Pen.line, [(45.5, 65.5), (54.5, 65.5)], 1.2),
    ],
    "moustache": [
        (Pen.shapes, [(0, 59), (5, 58.5), (10, 61.5), (14, 60), (14, 60), (10, 65), (0, 62.5)], "hair"),
    ],
    "flower": [
        (Pen.discs, _beads(_ring(70, 27, 4.2, 6), 3.2), "accent", 1.4),
        (Pen.discs, [(70, 27, 2.3)], "pollen", 1.2),
    ],
    "cap": [
        (Pen.whole, [(0, 11), (17, 15), (25, 28), (25.5, 36), (25.5, 36), (0, 33)], "accent"),
        (Pen.whole, [(0, 30), (17, 31.5), (31, 38), (31, 38), (15, 37), (0, 36.5)], "accent"),
        (Pen.discs, [(50, 11, 1.8)], "accent", 1.3),
        (Pen.line, [(50, 13), (50, 30)], 1.2),
    ],
}
