"""`tintype colorize` on a folder as archives have them, broken pictures and all."""

# ruff: noqa: F811  fixtures are imported

import json
from pathlib import Path

import numpy as np
import pytest
from colouring import GREY, colour, coloured, plain, put, written  # noqa: F401
from PIL import Image
from skimage import data
from test_images import grey_icc, png, saved, tiff
from test_scans import adobe, deep_png
from test_tints import toned

from tintype import scans
from tintype.console import Failure


def turned() -> Image.Exif:
    said = Image.Exif()
    said[274], said[315], said[306] = 6, "somebody", "1931:05:06 07:08:09"
    return said


def kinds() -> dict[str, bytes]:
    """Pictures as archives have them, by the end of their name."""
    image, deep = Image.fromarray(GREY), (GREY.astype(np.uint16) * 257)
    sepia = Image.fromarray(toned(GREY / 255, (0.75, 1, 1.4)))
    alpha = Image.merge("LA", [image, Image.new("L", image.size, 200)])
    made = {
        "plain.jpg": saved(image, "JPEG"),
        "plain.PNG": saved(image, "PNG"),
        "deep.png": saved(Image.fromarray(deep), "PNG"),
        "deep-rgb.png": deep_png(np.repeat(deep[..., None], 3, axis=2), 2),
        "deep.tif": tiff(deep),
        "white-is-zero.tif": tiff(255 - GREY, photometric="miniswhite"),
        "palette.png": saved(image.convert("P"), "PNG"),
        "bits.tif": saved(image.convert("1"), "TIFF", compression="group4"),
        "ink.jpg": saved(image.convert("CMYK"), "JPEG"),
        "alpha.png": saved(alpha, "PNG"),
        "turned.jpg": saved(image, "JPEG", exif=turned()),
        "sepia.jpg": saved(sepia, "JPEG"),
        "grey-profile.png": saved(image, "PNG", icc_profile=grey_icc(1.8)),
        "profile.jpg": saved(image.convert("RGB"), "JPEG", icc_profile=adobe()),
        "a-png-called.jpg": saved(image, "PNG"),
        "moving.gif": saved(image, "GIF", save_all=True, append_images=[Image.new("L", (56, 40))]),
        "print.webp": saved(image, "WEBP"),
        "print.bmp": saved(image, "BMP"),
        "print.pgm": saved(image, "PPM"),
        "tiny.png": saved(Image.new("L", (1, 1), 99), "PNG"),
    }
    return {name: file.getvalue() for name, file in made.items()}


def broken() -> dict[str, tuple[bytes, str]]:
    """Files that are no pictures to colour, and what is to be said of them."""
    jpeg = saved(Image.fromarray(GREY), "JPEG").getvalue()
    deep = deep_png(np.repeat(GREY.astype(np.uint16)[..., None], 3, axis=2), 2).getvalue()
    colours = Image.fromarray(data.astronaut()[::8, ::8])
    return {
        "empty.jpg": (b"", "empty"),
        "truncated.jpg": (jpeg[: len(jpeg) // 2], "truncated"),
        "text.jpg": (b"not a picture", "no picture"),
        "bomb.png": (png(8, 2, b"", (50_000, 50_000)).getvalue(), "at most 160,000,000 pixels"),
        "deep-bomb.png": (png(16, 2, b"", (50_000, 50_000)).getvalue(), "at most 160,000,000 pixels"),
        "large.png": (png(8, 0, b"", (13_000, 13_000)).getvalue(), "13000 x 13000"),
        "frameless.gif": (b"GIF89a\x08\0\x08\0\x80\0\0\0\0\0\xff\xff\xff;", "no picture|damaged"),
        "colours.jpg": (saved(colours, "JPEG").getvalue(), "has colours already; --force"),
        "truncated.png": (deep[:-60], "damaged"),
        "truncated.tif": (tiff(GREY.astype(np.uint16)).getvalue()[:1000], "damaged|no picture"),
    }


def test_of_200_mixed_pictures_with_20_broken_ones_180_are_coloured_and_20_named(colour, capsys):
    for number, (name, content) in enumerate(list(kinds().items()) * 9):
        path = Path(f"scans/{number % 7}/{number}-{name}")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    for number, (name, (content, _)) in enumerate(list(broken().items()) * 2):
        Path(f"scans/{number % 7}/{number}-{name}").write_bytes(content)
    Path("scans/0/notes.txt").write_text("no picture, and not asked for")
    with pytest.raises(Failure) as caught:
        colour("scans", "-o", "out", "--json")
    done = json.loads(capsys.readouterr().out)
    assert (len(done["coloured"]), len(done["failed"]), done["skipped"]) == (180, 20, [])
    assert str(caught.value).startswith("20 could not be coloured; mend or leave them, all others are done:")
    for number, (name, (_, said)) in enumerate(list(broken().items()) * 2):
        (line,) = [one for one in str(caught.value).splitlines() if f"/{number}-{name}:" in one]
        assert any(part in line for part in said.split("|")), line
    files = written("out")
    assert len(files) == 180
    for number, name in enumerate(list(kinds()) * 9):
        suffix = ".png" if Path(name).suffix not in scans.WRITTEN and "PNG" not in name else ""
        path, source = (
            Path(f"out/{number % 7}/{number}-{name}{suffix}"),
            Path(f"scans/{number % 7}/{number}-{name}"),
        )
        if number < len(kinds()):
            before, after = scans.read(source).pixels, scans.read(path).pixels
            assert after.shape == (*before.shape[:2], 3)
            assert after.dtype == before.dtype or "called" in name
            assert name in ("tiny.png", "bits.tif") or coloured(path), name
            lightness = [scans.in_8_bits(pixels).mean(axis=2) for pixels in (before, after)]
            assert np.abs(lightness[0].mean() - lightness[1].mean()) < 6
        assert path.name.removesuffix(suffix) == source.name


def test_exif_and_profile_stay_and_the_picture_is_upright(colour):
    put("in/turned.jpg", exif=turned(), icc_profile=adobe())
    colour("in", "-o", "out")
    with Image.open("out/turned.jpg") as image:
        assert image.size == (40, 56) and image.info["icc_profile"] == adobe()
        found = image.getexif()
        assert 274 not in found and found[315] == "somebody" and found[306] == "1931:05:06 07:08:09"
