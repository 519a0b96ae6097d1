"""Ten drawn characters whose hair and shirt take any colour: icons to try attributes with, made in seconds.

`draw` makes the finished icon, `outline` the drawing to be coloured: the same ink on white paper.
"""

from typing import NamedTuple

import numpy as np
from PIL import ImageColor

from tintype.sources.icon_parts import FACES, PARTS
from tintype.sources.icon_pen import Pen

SIDE = 128  # pixels
HAIR = {"black": "#4a4656", "blond": "#efc75e", "blue": "#4f86c6", "brown": "#8a5a3a", "red": "#d1582f"}
SHIRT = {"blue": "#4a6fb8", "green": "#5aa469", "red": "#c8433f", "white": "#f4f1ea", "yellow": "#f2c53d"}

_INK, _PAPER = "#2a2530", "#ffffff"
_COLOURS = {"ink": _INK, "white": "#ffffff", "mouth": "#a8404a", "pollen": "#f7d774"}


class Character(NamedTuple):
    """What is the same in all icons of a character: parts of `icon_parts`, and colours."""

    face: str
    hair: str
    shirt: str
    eyes: str
    mouth: str
    extra: str  # beard, hat, ...
    skin: str
    background: str
    accent: str  # of hats, ribbons, ties, jewels


CHARACTERS = [
    Character("round", "spikes", "tee", "dots", "grin", "freckles", "#f3c9a5", "#a9d8d3", "#4f7d5c"),
    Character("heart", "bob", "scoop", "lashes", "smile", "earrings", "#e0a878", "#f3dca0", "#e9b949"),
    Character("oval", "afro", "hood", "dots", "smile", "square glasses", "#8d5a3b", "#f2c6b4", "#5f4b8b"),
    Character("square", "tufts", "collar", "dots", "flat", "beard", "#eebd9a", "#b9c9e6", "#8c5e3c"),
    Character("heart", "long", "scoop", "lashes", "open", "flower", "#f6d5bb", "#cfe3b4", "#e5738a"),
    Character("oval", "mohawk", "vee", "sly", "smirk", "stud", "#c68c5f", "#d9c4e8", "#e9b949"),
    Character("round", "bun", "collar", "closed", "smile", "round glasses", "#efc4a4", "#f3d6b3", "#a34d5e"),
    Character("oval", "tails", "tee", "dots", "grin", "cap", "#a86f48", "#bfe0ee", "#e07a3f"),
    Character("round", "curls", "bib", "wide", "open", "nothing", "#f5cdb0", "#f6cfc7", "#5b7fa8"),
    Character("long", "parting", "tie", "sly", "flat", "moustache", "#dba27a", "#c5d3c0", "#5a3f5f"),
]


def draw(character: Character, hair: str, shirt: str) -> np.ndarray:
    """An icon in colour, uint8 (SIDE, SIDE, 3) sRGB. hair, shirt: keys of HAIR and SHIRT."""
    colours = {
        **_COLOURS,
        "hair": HAIR[hair],
        "shirt": SHIRT[shirt],
        "skin": character.skin,
        "cheek": _mix(character.skin, "#e8746a", 0.28),
        "freckle": _mix(character.skin, "#8a4a2a", 0.6),
        "accent": character.accent,
    }
    return np.array(_drawn(character, Pen(SIDE, character.background, colours)).picture())


def outline(character: Character) -> np.ndarray:
    """The drawing to be coloured, uint8 (SIDE, SIDE) grey: ink on white, whatever hair and shirt will be."""
    names = [*_COLOURS, "hair", "shirt", "skin", "cheek", "freckle", "accent"]
    pen = Pen(SIDE, _PAPER, dict.fromkeys(names, _PAPER) | {"ink": _INK})
    return np.array(_drawn(character, pen).picture().convert("L"))


def _drawn(character: Character, pen: Pen) -> Pen:
    face = FACES[character.face]
    parts = [
        *PARTS.get(f"{character.hair} behind", []),
        (Pen.whole, [(0, 62), (7.5, 62), (7.5, 62), (8, 76), (12, 80), (12, 98), (0, 98)], "skin"),
        *PARTS[character.shirt],
        (Pen.pair, max(dx for dx, _ in face), 49, 4.5, "skin"),
        (Pen.whole, face, "skin"),
        (Pen.pair, 13, 57, 3.4, "cheek", 0),
        (Pen.line, [(49.3, 51), (48, 55), (51, 55.8)], 1.3),
        *PARTS[character.eyes],
        *PARTS[character.mouth],
        *PARTS[character.hair],
        *PARTS[character.extra],
    ]
    for stroke, *what in parts:
        stroke(pen, *what)
    return pen


def _mix(one: str, other: str, share: float) -> str:
    rgb = [np.array(ImageColor.getrgb(colour)) for colour in (one, other)]
    return "#" + bytes(np.round(rgb[0] + share * (rgb[1] - rgb[0])).astype(np.uint8)).hex()
