"""What EXIF says of a photograph, taken from one file and put into another; not how its samples are stored.

Pillow writes it into JPEG, PNG and WebP files. Into those that other libraries write, it goes from here: as a
chunk of a PNG file (PNG 3rd edition, 11.3.4.5), as directories of a TIFF file (TIFF 6.0; Exif 2.32, 4.6.3).
"""

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import ExifTags, Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

_Tag = ExifTags.Base
DESCRIPTIVE = (
    *(_Tag.DocumentName, _Tag.ImageDescription, _Tag.Make, _Tag.Model, _Tag.PageName, _Tag.Software),
    *(_Tag.XResolution, _Tag.YResolution, _Tag.ResolutionUnit, _Tag.DateTime, _Tag.Artist, _Tag.HostComputer),
    *(_Tag.Copyright, _Tag.XPTitle, _Tag.XPComment, _Tag.XPAuthor, _Tag.XPKeywords, _Tag.XPSubject),
)
PARTS = (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo)
# In these parts, too: of the samples, or of where something lies in a file that is no more.
_STORAGE = {
    *(_Tag.ColorSpace, _Tag.ExifImageWidth, _Tag.ExifImageHeight, _Tag.ComponentsConfiguration),
    *(_Tag.CompressedBitsPerPixel, _Tag.ExifInteroperabilityOffset),
}
_INCH, _SEGMENT = 2, 65_000  # a value of ResolutionUnit; bytes of EXIF data that a JPEG has room for
_SIGNATURE_AND_HEAD = 33  # bytes of a PNG file
_PLACEHOLDER = -1  # from a part's tag to one that tifffile writes in its place, for it writes no such parts
_LONG = 4  # a type of TIFF's tags


def described(image: Image.Image) -> Image.Exif:
    """What a picture's file says of the photograph; nothing where that is broken or more than a JPEG holds.

    The resolution is that of the file's head, where EXIF has none.
    """
    try:
        found, kept = image.getexif(), Image.Exif()
        for tag in DESCRIPTIVE:
            if tag in found:
                kept[tag] = _kept(found[tag])
        for part in PARTS:
            values = {tag: _kept(value) for tag, value in found.get_ifd(part).items() if tag not in _STORAGE}
            if values:
                kept[part] = values
        if _Tag.XResolution not in kept and (resolution := _resolution(image)):
            kept[_Tag.XResolution], kept[_Tag.YResolution] = resolution
            kept[_Tag.ResolutionUnit] = _INCH
        return kept if len(kept.tobytes()) <= _SEGMENT else Image.Exif()
    except Exception:  # noqa: BLE001  broken EXIF makes Pillow raise anything, and is not worth a picture
        return Image.Exif()


def into_png(data: bytes, exif: Image.Exif) -> Iterator[bytes | memoryview]:
    """The bytes of a PNG file with EXIF data, and with the resolution that this tells and no other."""
    at = _SIGNATURE_AND_HEAD
    yield data[:at]
    if exif:
        yield _chunk(b"eXIf", exif.tobytes()[6:])  # without the mark that a JPEG wants
    if dots := dpi(exif):
        yield _chunk(b"pHYs", struct.pack(">IIB", *(round(value / 0.0254) for value in dots), 1))
    while at < len(data):
        (length,) = struct.unpack_from(">I", data, at)
        if data[at + 4 : at + 8] != b"pHYs":
            yield memoryview(data)[at : at + 12 + length]
        at += 12 + length


def tiff_tags(exif: Image.Exif) -> list[tuple]:
    """EXIF data as tifffile takes `extratags`, but for resolution and software, without its parts."""
    apart = {_Tag.XResolution, _Tag.YResolution, _Tag.ResolutionUnit, _Tag.Software}
    tags = []
    for tag in DESCRIPTIVE:
        if tag in exif and tag not in apart and isinstance(value := exif[tag], bytes | str):
            text = not tag.name.startswith("XP")  # those are UTF-16, in bytes
            tags.append((int(tag), "s" if text else "B", 0 if text else len(value), value, True))
    return tags + [(part + _PLACEHOLDER, "I", 1, 0, True) for part in PARTS if part in exif]


def into_tiff(path: Path, exif: Image.Exif) -> None:
    """Put the parts of EXIF data behind a TIFF file that was just written with `tiff_tags`."""
    import tifffile  # here: only for this kind of file

    with open(path, "r+b") as file, tifffile.TiffFile(file) as tiff:
        for part in PARTS:
            if part not in exif:
                continue
            directory = ImageFileDirectory_v2(prefix=b"II" if tiff.byteorder == "<" else b"MM", group=part)
            for tag, value in exif[part].items():
                directory[tag] = value
            offset = file.seek(0, 2)
            offset += file.write(bytes(offset % 2))
            file.write(directory.tobytes(offset))
            file.seek(tiff.pages.first.tags[part + _PLACEHOLDER].offset)
            file.write(struct.pack(f"{tiff.byteorder}HHII", part, _LONG, 1, offset))


def dpi(exif: Image.Exif) -> tuple[float, float] | None:
    """Pixels per inch, across and down; None where EXIF data does not say."""
    try:
        values = float(exif[_Tag.XResolution]), float(exif[_Tag.YResolution])
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    unit = {_INCH: 1.0, 3: 2.54}.get(exif.get(_Tag.ResolutionUnit, _INCH))
    if unit is None or not all(0.1 < value < 65_000 for value in values):
        return None
    return values[0] * unit, values[1] * unit


def _kept(value: Any) -> Any:
    """Text beyond ASCII as the bytes it was: Pillow takes it for Latin-1, and would write ASCII."""
    return value.encode("latin-1") if isinstance(value, str) and not value.isascii() else value


def _resolution(image: Image.Image) -> tuple[float, float] | None:
    """Dots per inch that a file's head tells, which Pillow makes up for some JPEGs."""
    told = image.format != "JPEG" or image.info.get("jfif_unit")
    found = image.info.get("dpi") if told else None
    return tuple(map(float, found)) if found and all(value > 1 for value in found) else None


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
