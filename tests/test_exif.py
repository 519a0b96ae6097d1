"""What a file says of the photograph: kept from format to format, nothing made up, nothing broken by it."""

import numpy as np
import pytest
from PIL import Image
from test_images import saved
from test_scans import RGB, adobe, placed

from tintype import exif, scans

EXIF, GPS = 34665, 34853
SAID = {
    270: "Stra\u00dfe".encode(),
    315: "Zo\u00eb".encode("latin-1"),
    306: "1931:05:06 07:08:09",
    33432: "nobody",
}
RESOLUTION = {282: 600.0, 283: 600.0, 296: 2}
TAKEN = {36867: "1931:05:06 07:08:09", 33434: 0.005, 37510: b"UNICODE\0abc", 34855: 200}
WHERE = {1: "N", 2: (50.0, 30.0, 1.5)}
STORED = {274: 6, 34665: TAKEN | {40962: 64, 40963: 48, 40961: 1}, 34853: WHERE}


def full() -> Image.Exif:
    found = Image.Exif()
    for tag, value in (SAID | RESOLUTION | STORED).items():
        found[tag] = value
    return found


def text(value: object) -> object:
    return value.encode("latin-1") if isinstance(value, str) else value


@pytest.mark.parametrize("source", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif", ".tiff"])
@pytest.mark.parametrize("deep", [False, True])
def test_exif_goes_from_every_format_to_every_format_but_for_how_samples_are_stored(
    tmp_path, source, suffix, deep
):
    file = saved(Image.fromarray((RGB // 257).astype(np.uint8)), source, exif=full())
    scan = scans.read(placed(tmp_path / "a", file))
    assert scan.pixels.shape == (64, 48, 3), "turned upright"
    pixels = scan.pixels.astype(np.uint16) * 257 if deep else scan.pixels
    out = tmp_path / f"b{suffix}"
    scans.write(out, scans.Scan(pixels, scan.exif))
    with Image.open(out) as image:
        found = image.getexif()
        assert found.get(274, 1) == 1
        for tag, value in SAID.items():
            assert text(found[tag]) == text(value), tag
        assert (found[282], found[283], found[296]) == (600, 600, 2)
        parts = found.get_ifd(EXIF), found.get_ifd(GPS)
        assert image.info.get("dpi", (600, 600)) == pytest.approx((600, 600), abs=0.1)
    assert parts == (TAKEN, WHERE)
    again = scans.read(out)
    assert again.pixels.shape == pixels.shape
    assert dict(again.exif) == dict(scan.exif), "and on from there"


@pytest.mark.parametrize("suffix", [".png", ".tif", ".jpg"])
@pytest.mark.parametrize("deep", [False, True])
def test_where_nothing_is_said_nothing_is_made_up(tmp_path, suffix, deep):
    scans.write(tmp_path / f"a{suffix}", scans.Scan(RGB if deep else scans.in_8_bits(RGB)))
    with Image.open(tmp_path / f"a{suffix}") as image:
        assert not {270, 305, 306, 271, 36867} & set(image.getexif()) and "dpi" not in image.info


@pytest.mark.parametrize("format", ["JPEG", "PNG", "BMP", "TIFF"])
def test_the_resolution_of_a_files_head_is_kept(tmp_path, format):
    file = saved(Image.new("L", (9, 9)), format, dpi=(1200, 1200))
    scan = scans.read(placed(tmp_path / "a", file))
    for suffix in (".jpg", ".png", ".tif", ".bmp"):
        scans.write(tmp_path / f"b{suffix}", scan)
        with Image.open(tmp_path / f"b{suffix}") as image:
            assert image.info["dpi"] == pytest.approx((1200, 1200), abs=0.1)


BROKEN = [
    b"Exif\0\0rubbish",
    b"Exif\0\0II*\0\x08\0\0\0\xff\xff",
    b"Exif\0\0",
    b"Exif\0\0MM\0*\0\0\0\x08\0\1\x87\x69\0\4\0\0\0\1\xff\xff\0\0",
]


@pytest.mark.parametrize("said", BROKEN)
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif"])
def test_broken_exif_costs_neither_the_picture_nor_its_profile(tmp_path, recwarn, said, suffix):
    file = saved(Image.new("RGB", (16, 8), "white"), "JPEG", exif=said, icc_profile=adobe())
    scan = scans.read(placed(tmp_path / "a.jpg", file))
    assert scan.pixels.shape == (8, 16, 3) and scan.icc == adobe()
    scans.write(tmp_path / f"b{suffix}", scan)
    assert not [one for one in recwarn if "EXIF" in str(one.message)]


@pytest.mark.parametrize(("length", "kept"), [(60_000, True), (200_000, False)])
def test_exif_of_many_bytes_is_kept_as_far_as_a_jpeg_holds_it(tmp_path, length, kept):
    said = Image.Exif()
    said[EXIF] = {37500: bytes(length)}  # a maker's notes
    scan = scans.read(placed(tmp_path / "a.png", saved(Image.new("L", (9, 9)), "PNG", exif=said)))
    scans.write(tmp_path / "b.jpg", scan)
    with Image.open(tmp_path / "b.jpg") as image:
        assert (len(image.getexif().get_ifd(EXIF).get(37500, b"")) == length) == kept


def test_odd_resolutions_are_left_out():
    for values in [{282: 0.0, 283: 0.0}, {282: 300.0}, {282: 1e9, 283: 1e9}, {282: 72.0, 283: 72.0, 296: 1}]:
        said = Image.Exif()
        for tag, value in values.items():
            said[tag] = value
        assert exif.dpi(said) is None
    said = Image.Exif()
    said[282], said[283], said[296] = 100.0, 200.0, 3  # per centimetre
    assert exif.dpi(said) == pytest.approx((254, 508))
