"""The coloured pictures that the report's gallery shows: one archive a model, written as it is scored."""

import io
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor

from tintype.batch import Batch
from tintype.color import into_gamut, lab_to_rgb, to_uint8
from tintype.report.sheets import fit
from tintype.store import Split

FILE = "gallery.zip"
LIMIT = 1000  # pictures of a gallery
LONGEST = 256  # pixels
_QUALITIES = (90, 80, 70, 60, 45, 30, 15, 5, 0)  # of WebP, tried in this order
_BITS, _LEAST = 1.36, 11_136  # bits a pixel; bytes: a picture may take whichever is more


def chosen(split: Split) -> np.ndarray:
    """The numbers of the pictures that a gallery shows: all, or LIMIT from all over the split."""
    return np.linspace(0, len(split) - 1, min(LIMIT, len(split))).round().astype(int)


def kept(
    answers: Iterable[tuple[Batch, Tensor]], numbers: np.ndarray, path: Path
) -> Iterator[tuple[Batch, Tensor]]:
    """Hand answers on, and keep the pictures of these numbers in an archive; equal ones, equal bytes."""
    wanted, start = set(numbers.tolist()), 0
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for batch, lab in answers:
            places = [place for place in range(len(lab)) if start + place in wanted]
            for place, picture in zip(places, to_uint8(lab_to_rgb(into_gamut(lab[places]))), strict=True):
                # An entry of no date but the format's first.
                archive.writestr(zipfile.ZipInfo(_name(start + place)), encoded(picture))
            start += len(lab)
            yield batch, lab


def read(path: Path, numbers: np.ndarray) -> Iterator[bytes]:
    """The kept pictures of these numbers, as WebP."""
    with zipfile.ZipFile(path) as archive:
        for number in numbers:
            yield archive.read(_name(number))


def encoded(picture: np.ndarray, longest: int = LONGEST) -> bytes:
    """A picture, uint8 (H, W, 3), as WebP, shrunk so that its longer side is at most `longest` pixels.

    Small ones without loss, for WebP halves the resolution of colours; others of the highest quality that
    fits into _BITS a pixel, so that a page of pictures has a largest size.
    """
    image = Image.fromarray(fit(picture, longest))
    most = max(_LEAST, image.width * image.height * _BITS / 8)
    for settings in ({"lossless": True}, *({"quality": quality} for quality in _QUALITIES)):
        file = io.BytesIO()
        image.save(file, "WEBP", method=4, **settings)
        if file.tell() <= most:
            break
    return file.getvalue()


def _name(number: int) -> str:
    return f"{number:07d}.webp"
