"""A photograph that was dropped on the page: read within limits, coloured as asked for, written in full."""

import re
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from tintype import borders, full_size, hints, scans, tints
from tintype.batch import Batch
from tintype.color import rgb_to_lab
from tintype.images import UnreadablePicture, encode_png
from tintype.page.choice import Offered

MAX_BYTES = 100 * 2**20
MAX_PIXELS = 60_000_000
MIN_SIDE = 8  # pixels, which networks need
SHOWN = 1024  # pixels of the longer side of what the page shows
MOST_CLICKS = 100
_NUMBER = r"\s*(\d+(?:\.\d+)?)\s*"
_RGB = re.compile(rf"rgba?\({_NUMBER},{_NUMBER},{_NUMBER}(?:,{_NUMBER})?\)")


@dataclass(frozen=True, eq=False)
class Photograph:
    """An upload: its file; what the page shows of it, uint8 (h, w, 3), and as a file; its full size; has it
    colours?

    Two are equal only if they are the same, for Gradio compares what it remembers.
    """

    file: Path
    shown: np.ndarray
    before: Path
    width: int
    height: int
    coloured: bool


@dataclass(frozen=True)
class Click:
    """A hint: how far down and across the picture, both in [0, 1); and its colour, (R, G, B) in 0..255."""

    down: float
    across: float
    rgb: tuple[int, int, int]


@dataclass(frozen=True)
class Wish:
    """How a photograph is to be coloured.

    seed: of a colouring of a model with z; None is its middle one. size: pixels of the shorter side of what
    the model sees; the smaller, the farther the colour of a click spreads.
    """

    saturation: float = 1.0
    seed: int | None = None
    clicks: tuple[Click, ...] = ()
    size: int = full_size.SIZE


def opened(file: Path, folder: Path) -> Photograph:
    """Read an upload. folder: where a file of what is shown is written, in one of its own.

    Raises UnreadablePicture for what is no picture, or too large or too small.
    """
    if file.stat().st_size > MAX_BYTES:
        raise UnreadablePicture(f"more than {MAX_BYTES >> 20} MB")
    pixels = scans.read(file, MAX_PIXELS).pixels
    height, width = pixels.shape[:2]
    if min(height, width) < MIN_SIDE:
        raise UnreadablePicture(f"{width} x {height} pixels; at least {MIN_SIDE} a side are needed")
    shown = reduced(scans.in_8_bits(pixels), SHOWN)
    coloured = scans.has_colours(pixels) > tints.COLOURFUL
    return Photograph(file, shown, to_file(shown, folder), width, height, coloured)


def reduced(picture: np.ndarray, side: int) -> np.ndarray:
    """A picture, uint8 (H, W, 3), with the longer side of at most so many pixels."""
    image = Image.fromarray(picture)
    image.thumbnail((side, side), Image.Resampling.LANCZOS, reducing_gap=3)
    return np.array(image)


def to_file(picture: np.ndarray, folder: Path) -> Path:
    """Write a picture as PNG to a new folder below `folder`: a file being sent must not be written again."""
    path = Path(tempfile.mkdtemp(dir=folder)) / "picture.png"
    encode_png(path, picture)
    return path


def coloured(pixels: np.ndarray, model: Offered, wish: Wish) -> np.ndarray:
    """A picture in colour, as `full_size.colorize` has it. Clicks count for models that take hints."""

    def predict(batch: Batch) -> Tensor:
        batch = model.colorizer.with_noise(batch, wish.seed)
        if model.takes_hints:
            batch = replace(batch, hints=planes(pixels, wish, batch.input.shape[-2:]))
        return model.predict(batch)

    return full_size.colorize(pixels, predict, wish.size, wish.saturation)


def planes(pixels: np.ndarray, wish: Wish, size: tuple[int, int]) -> Tensor:
    """The wish's clicks as the network sees them, (1, 3, *size); where they overlap, the latest holds.

    pixels: the picture. size: that of its small copy within the border, on which clicks do not count.
    """
    guide = full_size.small(full_size.lightness_of(pixels), wish.size)
    rows, columns = borders.inside(guide)
    found = torch.zeros(1, 3, *size)
    for click in wish.clicks:
        row = int(click.down * guide.shape[-2]) - rows.start
        column = int(click.across * guide.shape[-1]) - columns.start
        if 0 <= row < size[0] and 0 <= column < size[1]:
            one = hints.at(size, row, column, ab_of(click.rgb))
            found = torch.where(one[:, 2:] > 0, one, found)
    return found


def ab_of(rgb: tuple[int, int, int]) -> tuple[float, float]:
    """Hue and chroma of an sRGB colour, 0..255, as a and b."""
    lab = rgb_to_lab(torch.tensor(rgb, dtype=torch.float64)[:, None, None] / 255)
    return float(lab[1]), float(lab[2])


def rgb_of(text: str) -> tuple[int, int, int]:
    """The colour that a colour picker gives: "#rrggbb", or "rgba(r, g, b, a)". Raises ValueError."""
    if match := _RGB.fullmatch(text.strip()):
        values = [float(value) for value in match.groups()[:3]]
    elif re.fullmatch(r"#[0-9a-fA-F]{6}", text.strip()):
        values = list(bytes.fromhex(text.strip()[1:]))
    else:
        raise ValueError(f"found {text!r}, allowed: a colour such as #80a040")
    return tuple(min(255, round(value)) for value in values)


def written(photograph: Photograph, model: Offered, wish: Wish, folder: Path) -> Path:
    """Colour a photograph at its full size and write it to a new folder below `folder`, under its name.

    In its own format, where that can be written, with its EXIF data and its colour profile; else as PNG.
    """
    scan = scans.read(photograph.file, MAX_PIXELS)
    suffix = photograph.file.suffix.lower()
    suffix = suffix if suffix in scans.WRITTEN else ".png"
    names = [photograph.file.stem, model.name.replace("/", "-")]
    names += [] if wish.seed is None else [str(wish.seed)]
    path = Path(tempfile.mkdtemp(dir=folder)) / ("-".join(names) + suffix)
    scans.write(path, scans.Scan(coloured(scan.pixels, model, wish), scan.exif, scan.icc))
    return path


def marked(pixels: np.ndarray, clicks: tuple[Click, ...]) -> np.ndarray:
    """A picture on which rings show where clicks are, filled with their colours."""
    image = Image.fromarray(pixels)
    draw = ImageDraw.Draw(image)
    radius = max(3, max(image.size) // 90)
    for click in clicks:
        x, y = click.across * image.width, click.down * image.height
        for more, fill in ((3, "black"), (2, "white"), (0, click.rgb)):
            reach = radius + more * radius / 6
            draw.ellipse((x - reach, y - reach, x + reach, y + reach), fill=fill)
    return np.array(image)
