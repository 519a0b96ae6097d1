"""Pictures of 8 and 16 bits in and out: their samples, and what their files said of the photograph."""

import io
import struct
from pathlib import Path

import numpy as np
import pytest
import skimage
import torch
from PIL import Image
from test_images import grey_icc, icc, png, saved, tiff
from torch import Tensor

from tintype import scans
from tintype.color import rgb_to_lab
from tintype.console import UserError
from tintype.images import UnreadablePicture

GREY = np.linspace(0, 65535, 48 * 64).reshape(48, 64).astype(np.uint16)
RGB = np.stack([GREY, GREY[::-1], GREY[:, ::-1]], axis=2)


def profile(gamma: float) -> bytes:
    """The primaries of sRGB, and a gamma."""
    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256)) + bytes(2)
    colours = {b"wtpt": (0.9642, 1, 0.8249), b"rXYZ": (0.4361, 0.2225, 0.0139)}
    colours |= {b"gXYZ": (0.3851, 0.7169, 0.0971), b"bXYZ": (0.1431, 0.0606, 0.7142)}
    tags = {
        name: b"XYZ " + bytes(4) + struct.pack(">3i", *(round(65536 * value) for value in xyz))
        for name, xyz in colours.items()
    }
    return icc(b"RGB ", b"mntr", tags | dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve))


def adobe() -> bytes:
    with Image.open(Path(skimage.__file__).parent / "data/rocket.jpg") as rocket:
        return rocket.info["icc_profile"]


def one_way() -> bytes:
    """A profile of RGB samples that can be read with it and not written: tables to Lab, and none back."""
    lut = struct.pack(">4s4xBBBx9i", b"mft1", 3, 3, 2, *(65536 * np.eye(3, dtype=int)).ravel())
    lut += bytes(range(256)) * 3
    lut += b"".join(bytes([(255 * (n // 4 + n // 2 % 2 + n % 2)) // 3, 128, 128]) for n in range(8))
    lut += bytes(range(256)) * 3
    white = b"XYZ " + bytes(4) + struct.pack(">3i", 63190, 65536, 54061)
    return icc(b"RGB ", b"prtr", {b"wtpt": white, b"A2B0": lut})


def deep_png(pixels: np.ndarray, kind: int, *chunks: tuple[bytes, bytes]) -> io.BytesIO:
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    return png(16, kind, rows, pixels.shape[1::-1], *chunks)


def lightness(pixels: np.ndarray) -> Tensor:
    three = pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2)
    return rgb_to_lab(torch.from_numpy(three / np.iinfo(pixels.dtype).max).permute(2, 0, 1))[0]


def placed(path: Path, file: io.BytesIO) -> Path:
    path.write_bytes(file.getvalue())
    return path


OPAQUE = np.full((48, 64, 1), 65535, np.uint16)
SEPARATE = {"photometric": "rgb", "planarconfig": "separate"}


@pytest.mark.parametrize(
    ("name", "file", "expected"),
    [
        ("grey.png", saved(Image.fromarray(GREY), "PNG"), GREY),
        ("rgb.png", deep_png(RGB, 2), RGB),
        ("alpha.png", deep_png(np.concatenate([RGB, OPAQUE], axis=2), 6), RGB),
        ("grey-alpha.png", deep_png(np.concatenate([GREY[..., None], OPAQUE], axis=2), 4), GREY),
        ("clear.png", deep_png(np.concatenate([RGB, 0 * OPAQUE], axis=2), 6), np.full_like(RGB, 65535)),
        ("little.tif", tiff(GREY, byteorder="<"), GREY),
        ("big.tif", tiff(GREY, byteorder=">"), GREY),
        ("bigtiff.tif", tiff(GREY, bigtiff=True), GREY),
        ("white-is-zero.tif", tiff(65535 - GREY, photometric="miniswhite"), GREY),
        ("rgb.tif", tiff(RGB, photometric="rgb"), RGB),
        ("tiles.tif", tiff(RGB, photometric="rgb", tile=(16, 16)), RGB),
        ("zlib.tif", tiff(RGB, photometric="rgb", compression="zlib", predictor=True), RGB),
        ("lzw.tif", saved(Image.fromarray(GREY), "TIFF", compression="tiff_lzw"), GREY),
        ("planes.tif", tiff(np.ascontiguousarray(RGB.transpose(2, 0, 1)), **SEPARATE), RGB),
        ("pages.tif", tiff(np.stack([GREY, GREY[::-1]]), photometric="minisblack"), GREY),
        ("a-png-called.jpg", deep_png(RGB, 2), RGB),
    ],
)
def test_16_bits_are_read_whole(tmp_path, name, file, expected):
    pixels = scans.read(placed(tmp_path / name, file)).pixels
    assert pixels.dtype == np.uint16
    np.testing.assert_array_equal(pixels, expected)


INKS = np.concatenate([np.zeros((48, 64, 3), np.uint16), 65535 - GREY[..., None]], axis=2)
FEW_BITS = [
    ("float.tif", tiff((GREY / 65535).astype(np.float32))),
    ("32-bits.tif", tiff(GREY.astype(np.uint32))),
    ("inks-of-16-bits.tif", tiff(INKS, photometric="separated")),
    ("inks.tif", tiff((INKS // 257).astype(np.uint8), photometric="separated")),
    ("deep.ppm", io.BytesIO(b"P5 64 48 65535\n" + GREY.astype(">u2").tobytes())),
    (
        "moving.png",
        saved(
            Image.fromarray((GREY // 257).astype(np.uint8)),
            "PNG",
            save_all=True,
            append_images=[Image.new("L", (64, 48))],
        ),
    ),
]


@pytest.mark.parametrize(("name", "file"), FEW_BITS)
def test_other_kinds_are_read_as_8_bits(tmp_path, name, file):
    pixels = scans.read(placed(tmp_path / name, file)).pixels
    assert pixels.dtype == np.uint8 and pixels.shape == (48, 64, 3)
    assert (lightness(pixels) - lightness(GREY)).abs().max() < 0.6


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.png", deep_png(RGB, 2).getvalue()[:-500]),
        ("a.tif", tiff(GREY).getvalue()[:2000]),
        ("b.tif", tiff(RGB, photometric="rgb", compression="zlib").getvalue()[:-300]),
        ("bomb.png", png(16, 2, b"", (50_000, 50_000)).getvalue()),
        ("empty.tif", b""),
    ],
)
def test_a_damaged_deep_file_is_refused_with_a_short_reason(tmp_path, name, data):
    with pytest.raises(UnreadablePicture) as caught:
        scans.read(placed(tmp_path / name, io.BytesIO(data)))
    assert str(tmp_path) not in str(caught.value) and "\n" not in str(caught.value)


def test_a_file_that_was_replaced_is_read_anew(tmp_path):
    path = tmp_path / "a.tif"
    for pixels in (RGB, 65535 - RGB, RGB[::-1]):
        scans.write(path, scans.Scan(pixels))
        np.testing.assert_array_equal(scans.read(path).pixels, pixels)


# Writing


@pytest.mark.parametrize("suffix", [".png", ".tif", ".TIFF"])
def test_16_bits_are_written_whole(tmp_path, suffix):
    scans.write(tmp_path / f"a{suffix}", scans.Scan(RGB))
    np.testing.assert_array_equal(scans.read(tmp_path / f"a{suffix}").pixels, RGB)


@pytest.mark.parametrize("suffix", sorted(scans.WRITTEN))
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_every_format_keeps_the_lightness_and_has_the_same_bytes_every_time(tmp_path, suffix, dtype):
    picture = skimage.data.astronaut()[:128, 100:260].astype(dtype)
    picture = picture * dtype(257) if dtype == np.uint16 else picture
    said = Image.Exif()
    said[270] = "a pilot"
    for name in ("a", "b"):
        scans.write(tmp_path / f"{name}{suffix}", scans.Scan(picture, said, profile(2.2)))
    assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()
    again = scans.read(tmp_path / f"a{suffix}").pixels
    assert again.dtype == (dtype if suffix in scans.DEEP else np.uint8)
    change = (lightness(again) - lightness(picture)).abs()
    assert change.mean() < 0.3
    if suffix in (".png", ".tif", ".bmp", ".webp", ".ppm"):
        assert change.max() < 1


@pytest.mark.parametrize("suffix", [".gif", "", ".xyz"])
def test_another_suffix_is_a_mistake_that_names_those_allowed(tmp_path, suffix):
    with pytest.raises(UserError, match=r"found the suffix .*, allowed: \.jpg, .*\.png"):
        scans.write(tmp_path / f"a{suffix}", scans.Scan(RGB))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("suffix", "side"), [(".jpg", 65_501), (".webp", 16_384)])
def test_a_side_too_long_for_a_format_is_told_before_anything_is_written(tmp_path, suffix, side):
    with pytest.raises(
        scans.UnwritablePicture, match=rf"found {side} x 2 pixels, allowed in \{suffix}: .*\.tif"
    ):
        scans.write(tmp_path / f"a{suffix}", scans.Scan(np.zeros((2, side, 3), np.uint8)))
    assert not list(tmp_path.iterdir())
    scans.write(tmp_path / f"a{suffix}", scans.Scan(np.zeros((2, side - 1, 3), np.uint8)))


def test_16_bits_become_8_by_rounding():
    every = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    expected = np.round(every / 257).astype(np.uint8)
    np.testing.assert_array_equal(scans.in_8_bits(every), np.repeat(expected[..., None], 3, axis=2))


# Colour profiles


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize(("dtype", "most"), [(np.uint8, 1.0), (np.uint16, 0.7)])
@pytest.mark.parametrize(
    "made", [lambda: profile(1.8), lambda: profile(2.2), adobe], ids=["1.8", "2.2", "adobe"]
)
def test_through_a_profile_and_back_lightness_stays(tmp_path, suffix, dtype, most, made):
    rng = np.random.default_rng(0)
    for shape in [(60, 60, 3), (60, 60, 1)]:
        pixels = rng.integers(0, np.iinfo(dtype).max + 1, shape).astype(dtype)
        pixels = np.broadcast_to(pixels, (60, 60, 3)).copy()
        scans.write(tmp_path / f"a{suffix}", scans.Scan(pixels, icc=made()))
        again = scans.read(tmp_path / f"a{suffix}")
        assert again.icc == made() and again.pixels.dtype == dtype
        change = (lightness(again.pixels) - lightness(pixels)).abs()
        assert change.mean() < 0.1 and change.max() < most
    with Image.open(tmp_path / f"a{suffix}") as image:
        assert image.info["icc_profile"] == made()


@pytest.mark.parametrize("gamma", [1.0, 1.8])
def test_16_bit_grey_is_read_through_its_profile_which_colours_cannot_have(tmp_path, gamma):
    scan = scans.read(placed(tmp_path / "a.tif", tiff(GREY, iccprofile=grey_icc(gamma))))
    assert scan.pixels.dtype == np.uint16 and scan.icc is None
    expected = np.round(65535 * encoded((GREY / 65535) ** gamma))
    change = (lightness(scan.pixels) - lightness(expected.astype(np.uint16))).abs()
    assert change.mean() < 0.05 and change.max() < 0.5


def encoded(linear: np.ndarray) -> np.ndarray:
    """IEC 61966-2-1."""
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


@pytest.mark.parametrize("icc_profile", [b"rubbish" * 30, grey_icc(1.8), one_way(), adobe()[:200]])
@pytest.mark.parametrize("pixels", [RGB, (RGB // 257).astype(np.uint8)], ids=["16", "8"])
def test_a_profile_that_colours_cannot_be_written_with_is_left_out(tmp_path, icc_profile, pixels):
    scan = scans.read(placed(tmp_path / "a.tif", tiff(pixels, photometric="rgb", iccprofile=icc_profile)))
    assert scan.icc is None and scan.pixels.dtype == pixels.dtype
    if icc_profile != one_way():  # which can be read
        assert np.abs(scan.pixels.astype(int) - pixels).max() <= 2 * (pixels.dtype == np.uint16)
    scans.write(tmp_path / "b.tif", scan)


def test_a_format_without_profiles_is_written_in_srgb(tmp_path):
    for suffix in (".bmp", ".ppm"):
        scans.write(tmp_path / f"a{suffix}", scans.Scan(RGB, icc=profile(1.0)))
        again = scans.read(tmp_path / f"a{suffix}")
        np.testing.assert_array_equal(again.pixels, scans.in_8_bits(RGB))
        assert again.icc is None


# Samples


def test_samples_of_a_path_a_pillow_image_and_an_array(tmp_path):
    np.testing.assert_array_equal(scans.samples(RGB), RGB)
    path = placed(tmp_path / "a.png", saved(Image.fromarray(GREY), "PNG"))
    np.testing.assert_array_equal(scans.samples(path), GREY)
    np.testing.assert_array_equal(scans.samples(str(path)), GREY)
    turned = Image.fromarray(scans.in_8_bits(RGB))
    turned.getexif()[274] = 6
    np.testing.assert_array_equal(scans.samples(turned), np.rot90(scans.in_8_bits(RGB), -1))
    np.testing.assert_array_equal(scans.samples(Image.fromarray(GREY)), scans.in_8_bits(GREY))
    for mode in ("1", "L", "P", "LA", "RGBA", "CMYK", "F"):
        assert scans.samples(Image.new(mode, (5, 4))).shape == (4, 5, 3)
