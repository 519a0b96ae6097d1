"""What decoding promises: the pixels that were saved, upright, in sRGB; a reason for every file without."""

import io
import struct
import zlib
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from tintype.images import MAX_PIXELS, UnreadablePicture, decode, encode_png

RNG = np.random.default_rng(0)
NOISE = RNG.integers(0, 256, (24, 18, 3), dtype=np.uint8)
RAMP = np.arange(256, dtype=np.uint8).reshape(8, 32)


def saved(image: Image.Image, format: str, **options) -> io.BytesIO:
    file = io.BytesIO()
    image.save(file, format, **options)
    file.seek(0)
    return file


def tiff(array: np.ndarray, **options) -> io.BytesIO:
    file = io.BytesIO()
    tifffile.imwrite(file, array, **options)
    file.seek(0)
    return file


def png(bits: int, kind: int, rows: bytes, size: tuple[int, int], *chunks: tuple[bytes, bytes]) -> io.BytesIO:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = (b"IHDR", struct.pack(">IIBBBBB", *size, bits, kind, 0, 0, 0))
    body = [head, *chunks, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return io.BytesIO(b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in body))


def icc(space: bytes, kind: bytes, tags: dict[bytes, bytes]) -> bytes:
    """A minimal ICC v2 profile from `space` to Lab (kind prtr) or to XYZ (kind mntr)."""
    connection = b"Lab " if kind == b"prtr" else b"XYZ "
    d50 = struct.pack(">3i", 63190, 65536, 54061)
    table, data = struct.pack(">I", len(tags)), b""
    for name, value in tags.items():
        table += name + struct.pack(">2I", 128 + 4 + 12 * len(tags) + len(data), len(value))
        data += value
    size = struct.pack(">I", 128 + len(table) + len(data))
    head = size + bytes(4) + b"\2\x10\0\0" + kind + space + connection + bytes(12) + b"acsp" + bytes(28) + d50
    return head.ljust(128, b"\0") + table + data


def grey_icc(gamma: float) -> bytes:
    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256)) + bytes(2)
    white = b"XYZ " + bytes(4) + struct.pack(">3i", 63190, 65536, 54061)
    return icc(b"GRAY", b"mntr", {b"wtpt": white, b"kTRC": curve})


def to_srgb(linear: np.ndarray) -> np.ndarray:
    """IEC 61966-2-1, linear light in [0, 1] to 8-bit values, unrounded."""
    return 255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def as_grey(values: object) -> np.ndarray:
    return np.repeat(np.atleast_2d(np.asarray(values))[..., None], 3, axis=2)


# Whole pictures


@pytest.mark.parametrize(
    ("format", "options"),
    [
        ("PNG", {}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("BMP", {}),
        ("WEBP", {"lossless": True}),
        ("PPM", {}),
    ],
)
def test_lossless_formats_give_back_every_pixel(format, options):
    picture = decode(saved(Image.fromarray(NOISE), format, **options))
    assert picture.dtype == np.uint8
    assert picture.flags.writeable and picture.flags.c_contiguous
    np.testing.assert_array_equal(picture, NOISE)


def test_a_path_is_read_like_an_open_file(tmp_path):
    Image.fromarray(NOISE).save(tmp_path / "a.png")
    np.testing.assert_array_equal(decode(tmp_path / "a.png"), NOISE)


@pytest.mark.parametrize("format", ["JPEG", "WEBP"])
def test_lossy_formats_stay_close(format):
    smooth = np.stack([RAMP, RAMP[::-1], 255 - RAMP], axis=2)
    picture = decode(saved(Image.fromarray(smooth), format, quality=100))
    assert np.abs(picture.astype(int) - smooth).mean() < 4


def test_a_picture_of_12000_by_9000_pixels_is_allowed_and_a_larger_one_refused():
    assert MAX_PIXELS >= 12_000 * 9_000
    side = int(MAX_PIXELS**0.5) + 1
    for size in [(side, side), (60_000, 60_000)]:  # our own limit, and Pillow's against decompression bombs
        with pytest.raises(UnreadablePicture, match="160,000,000"):
            decode(png(8, 2, b"", size))
    with pytest.raises(UnreadablePicture, match="truncated"):  # not too large, only empty
        decode(png(8, 2, b"", (12_000, 9_000)))


# Orientation

UPRIGHT = np.stack([np.arange(6, dtype=np.uint8).reshape(2, 3) * 40] * 3, axis=2)
AS_STORED = {  # Exif 2.32, tag 274: where row 0 and column 0 of the stored picture lie in the upright one
    1: UPRIGHT,  # top, left
    2: UPRIGHT[:, ::-1],  # top, right
    3: UPRIGHT[::-1, ::-1],  # bottom, right
    4: UPRIGHT[::-1],  # bottom, left
    5: UPRIGHT.transpose(1, 0, 2),  # left, top
    6: UPRIGHT[:, ::-1].transpose(1, 0, 2),  # right, top
    7: UPRIGHT[::-1, ::-1].transpose(1, 0, 2),  # right, bottom
    8: UPRIGHT[::-1].transpose(1, 0, 2),  # left, bottom
}


@pytest.mark.parametrize("format", ["PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(format, orientation):
    exif = Image.Exif()
    exif[274] = orientation
    options = {"lossless": True} if format == "WEBP" else {}
    file = saved(Image.fromarray(np.ascontiguousarray(AS_STORED[orientation])), format, exif=exif, **options)
    np.testing.assert_array_equal(decode(file), UPRIGHT)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_of_a_jpeg_is_applied(orientation):
    exif = Image.Exif()
    exif[274] = orientation
    blocks = np.ones((16, 16, 1), np.uint8)  # as large as JPEG's own, which keeps each of one colour
    stored = np.kron(AS_STORED[orientation], blocks)
    picture = decode(saved(Image.fromarray(stored), "JPEG", exif=exif, quality=100))
    assert np.abs(picture[8::16, 8::16].astype(int) - UPRIGHT).max() <= 2


@pytest.mark.parametrize("exif", [b"Exif\0\0rubbish", b"Exif\0\0II*\0\x08\0\0\0\xff\xff", b"Exif\0\0"])
def test_broken_exif_does_not_cost_the_picture(exif):
    assert decode(saved(Image.new("RGB", (16, 8), "white"), "JPEG", exif=exif)).shape == (8, 16, 3)


# Grey, palettes, depth


def test_grey_and_one_bit_become_equal_channels():
    np.testing.assert_array_equal(decode(saved(Image.fromarray(RAMP), "PNG")), as_grey(RAMP))
    np.testing.assert_array_equal(decode(png(1, 0, b"\0\x40", (2, 1))), as_grey([0, 255]))
    np.testing.assert_array_equal(decode(png(2, 0, b"\0\x1b", (4, 1))), as_grey([0, 85, 170, 255]))
    np.testing.assert_array_equal(
        decode(tiff(np.array([[True, False]]), photometric="miniswhite")), as_grey([0, 255])
    )


def test_palette_is_looked_up():
    colours = (b"PLTE", bytes([10, 20, 30, 40, 50, 60]))
    np.testing.assert_array_equal(
        decode(png(8, 3, b"\0\1\0", (2, 1), colours)), [[[40, 50, 60], [10, 20, 30]]]
    )


EVERY_16_BIT = np.arange(65536, dtype=np.uint16).reshape(64, 1024)
EXACT = np.round(EVERY_16_BIT / 257).astype(int)


@pytest.mark.parametrize(
    "file",
    [
        saved(Image.fromarray(EVERY_16_BIT), "PNG"),
        saved(Image.fromarray(EVERY_16_BIT), "PPM"),
        tiff(EVERY_16_BIT, byteorder="<"),
        tiff(EVERY_16_BIT, byteorder=">"),
        tiff(EVERY_16_BIT, byteorder=">", compression="zlib"),
        tiff(65535 - EVERY_16_BIT, byteorder="<", photometric="miniswhite"),
        tiff(EVERY_16_BIT.astype(np.uint32), byteorder="<"),
        tiff((EVERY_16_BIT / 65535).astype(np.float32)),
    ],
    ids=["png", "pgm", "tiff-little", "tiff-big", "tiff-zlib", "white-is-zero", "tiff-32", "tiff-float"],
)
def test_16_bit_grey_is_scaled_and_rounded(file):
    file.seek(0)
    np.testing.assert_array_equal(decode(file), as_grey(EXACT))


def test_12_bit_tiff_is_scaled_by_its_own_white():
    values = [0, 2048, 4095, 16]
    data = bytes.fromhex("".join(f"{v:03x}" for v in values))
    tags = [(256, 4), (257, 1), (258, 12), (259, 1), (262, 1), (273, 8), (277, 1), (278, 1), (279, len(data))]
    directory = struct.pack("<H", len(tags))
    directory += b"".join(struct.pack("<HHII", tag, 4 if tag == 273 else 3, 1, value) for tag, value in tags)
    file = io.BytesIO(b"II*\0" + struct.pack("<I", 8 + len(data)) + data + directory + bytes(4))
    np.testing.assert_array_equal(decode(file), as_grey([0, 128, 255, 1]))


@pytest.mark.parametrize("planes", [False, True])
def test_16_bit_rgb_keeps_its_high_byte(planes):
    deep = RNG.integers(0, 65536, (20, 16, 3)).astype(np.uint16)
    array = np.ascontiguousarray(deep.transpose(2, 0, 1)) if planes else deep
    file = tiff(array, photometric="rgb", planarconfig="separate" if planes else "contig", compression="zlib")
    np.testing.assert_array_equal(decode(file), deep >> 8)


def test_16_bit_planes_that_pillow_would_misread_are_refused():
    with pytest.raises(UnreadablePicture, match="interleaved"):
        decode(tiff(np.zeros((3, 4, 5), np.uint16), photometric="rgb", planarconfig="separate"))


@pytest.mark.parametrize(
    "array",
    [np.float32([[0, np.nan]]), np.float32([[0, 255]]), np.float32([[-1, 0]]), np.uint32([[0, 65536]])],
)
def test_samples_without_a_known_white_are_refused(array):
    with pytest.raises(UnreadablePicture, match="grey values from"):
        decode(tiff(array))


# Transparency


def test_alpha_is_flattened_over_white():
    pixels = np.uint8([[[100, 50, 0, 255], [100, 50, 0, 0], [100, 50, 0, 51]]])  # 51 is a fifth
    flat = [[[100, 50, 0], [255, 255, 255], [224, 214, 204]]]
    for format, options in [("PNG", {}), ("TIFF", {}), ("WEBP", {"lossless": True, "exact": True})]:
        np.testing.assert_array_equal(decode(saved(Image.fromarray(pixels), format, **options)), flat)
    grey = Image.fromarray(np.uint8([[[100, 255], [100, 0], [100, 51]]]))
    np.testing.assert_array_equal(decode(saved(grey, "PNG")), as_grey([100, 255, 224]))


def test_a_transparent_colour_is_flattened_over_white():
    cases = [
        (png(8, 0, b"\0\1\2", (2, 1), (b"tRNS", b"\0\1")), as_grey([255, 2])),
        (png(1, 0, b"\0\x40", (2, 1), (b"tRNS", b"\0\0")), as_grey([255, 255])),
        (png(16, 0, b"\0\1\2\1\3", (2, 1), (b"tRNS", b"\1\2")), as_grey([255, 1])),
        (png(8, 2, b"\0\2\4\6\2\4\7", (2, 1), (b"tRNS", b"\0\2\0\4\0\6")), [[[255, 255, 255], [2, 4, 7]]]),
    ]
    for file, expected in cases:
        np.testing.assert_array_equal(decode(file), expected)


def test_a_transparent_palette_is_flattened_over_white():
    colours = (b"PLTE", bytes([10, 20, 30, 40, 50, 60, 70, 80, 90]))
    file = png(8, 3, b"\0\0\1\2", (3, 1), colours, (b"tRNS", bytes([0, 51])))
    np.testing.assert_array_equal(decode(file), [[[255, 255, 255], [212, 214, 216], [70, 80, 90]]])
    gif = Image.fromarray(np.uint8([[0, 1]]))
    gif.putpalette([255, 0, 0, 0, 255, 0])
    np.testing.assert_array_equal(decode(saved(gif, "GIF", transparency=1)), [[[255, 0, 0], [255, 255, 255]]])


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG", "TIFF", "MPO"])
def test_the_first_of_several_pictures_is_taken(format):
    options = {"lossless": True} if format == "WEBP" else {}
    file = saved(
        Image.new("RGB", (8, 8), "red"),
        format,
        save_all=True,
        append_images=[Image.new("RGB", (8, 8), "blue")],
        **options,
    )
    assert np.abs(decode(file).astype(int) - [255, 0, 0]).max() <= 1


# Colour spaces


def test_adobe_rgb_becomes_srgb():
    """Against the definition: gamma 563/256 and the primaries of Adobe RGB (1998)."""
    site = Path(find_spec("skimage").submodule_search_locations[0])
    with Image.open(site / "data" / "rocket.jpg") as rocket:
        profile = rocket.info["icc_profile"]
    adobe = np.random.default_rng(7).integers(80, 160, (8, 8, 3), dtype=np.uint8)
    adobe_to_xyz = [[0.57667, 0.18556, 0.18823], [0.29734, 0.62736, 0.07529], [0.02703, 0.07069, 0.99134]]
    xyz_to_srgb = [[3.24097, -1.53738, -0.49861], [-0.96924, 1.87597, 0.04156], [0.05563, -0.20398, 1.05697]]
    linear = (adobe / 255) ** (563 / 256) @ np.transpose(adobe_to_xyz) @ np.transpose(xyz_to_srgb)
    picture = decode(saved(Image.fromarray(adobe), "PNG", icc_profile=profile))
    assert np.abs(picture - to_srgb(linear.clip(0, 1))).max() < 1.6
    assert np.abs(picture.astype(int) - adobe).max() > 8  # so that ignoring the profile would fail


def test_an_srgb_profile_changes_nothing():
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    np.testing.assert_array_equal(decode(saved(Image.fromarray(NOISE), "PNG", icc_profile=profile)), NOISE)


def test_a_grey_profile_is_honoured_and_stays_grey():
    picture = decode(saved(Image.fromarray(RAMP), "PNG", icc_profile=grey_icc(1.0))).astype(int)
    assert np.ptp(picture, axis=2).max() == 0
    assert np.abs(picture[..., 0] - to_srgb(RAMP / 255)).max() < 0.6  # rounding, no more


def test_a_profile_applies_to_colour_and_not_to_alpha():
    pixels = Image.fromarray(np.uint8([[[55, 255], [55, 0], [55, 51]]]))
    lit = round(float(to_srgb(np.float64(55 / 255))))
    picture = decode(saved(pixels, "PNG", icc_profile=grey_icc(1.0))).astype(int)
    assert np.abs(picture - as_grey([lit, 255, 255 - (255 - lit) / 5])).max() <= 1


@pytest.mark.parametrize("profile", [b"no profile at all", grey_icc(1.0), grey_icc(1.0)[:150]])
def test_a_useless_profile_is_ignored(profile):
    np.testing.assert_array_equal(decode(saved(Image.fromarray(NOISE), "PNG", icc_profile=profile)), NOISE)


INKS = np.uint8([[[255, 0, 0, 0], [0, 0, 0, 255], [0, 0, 0, 0], [102, 51, 0, 51]]])


def test_cmyk_without_a_profile_follows_the_plain_formula():
    """R = 255 (1 - C)(1 - K), and so on."""
    share = INKS / 255
    expected = np.round(255 * (1 - share[..., :3]) * (1 - share[..., 3:]))
    assert np.abs(decode(tiff(INKS, photometric="separated")) - expected).max() <= 1
    jpeg = saved(Image.new("CMYK", (8, 8), (255, 0, 0, 0)), "JPEG", quality=100)
    assert np.abs(decode(jpeg).astype(int) - [0, 255, 255]).max() <= 2


def test_cmyk_goes_through_its_profile():
    """A press on which every ink is grey: L = 100 without ink, 53.585 (sRGB 128) with any."""
    lut = struct.pack(">4s4xBBBx9i", b"mft1", 4, 3, 2, *(65536 * np.eye(3, dtype=int)).ravel())
    lut += bytes(range(256)) * 4
    lut += b"".join(bytes([round(53.585 * 2.55) if node else 255, 128, 128]) for node in range(16))
    lut += bytes(range(256)) * 3
    white = b"XYZ " + bytes(4) + struct.pack(">3i", 63190, 65536, 54061)
    profile = icc(b"CMYK", b"prtr", {b"wtpt": white, b"A2B0": lut})
    picture = decode(saved(Image.new("CMYK", (2, 2), (255, 0, 0, 0)), "TIFF", icc_profile=profile))
    assert np.abs(picture.astype(int) - 128).max() <= 3


def test_lab_tiff_is_understood():
    lab = np.uint8([[[255, 0, 0], [137, 0, 0], [0, 0, 0]]])  # L of 100, 53.7 and 0; a and b are signed
    assert np.abs(decode(tiff(lab, photometric="cielab")).astype(int) - as_grey([255, 128, 0])).max() <= 1


# What is no picture

FILES = {
    "jpeg": saved(Image.fromarray(NOISE), "JPEG"),
    "png": saved(Image.fromarray(NOISE), "PNG"),
    "tiff": saved(Image.fromarray(NOISE), "TIFF"),
    "tiff-directory-first": tiff(NOISE),
    "bmp": saved(Image.fromarray(NOISE), "BMP"),
    "gif": saved(Image.fromarray(NOISE), "GIF"),
    "webp": saved(Image.fromarray(NOISE), "WEBP"),
    "ppm": saved(Image.fromarray(NOISE), "PPM"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_truncated_file_is_refused_or_whole(name):
    """Cut anywhere: only what follows the last pixel (a trailer, padding) may be missing."""
    data = FILES[name].getvalue()
    whole = decode(io.BytesIO(data))
    for length in range(0, len(data), 7):
        try:
            picture = decode(io.BytesIO(data[:length]))
        except UnreadablePicture:
            continue
        np.testing.assert_array_equal(picture, whole)
    with pytest.raises(UnreadablePicture):
        decode(io.BytesIO(data[: len(data) // 2]))


@pytest.mark.parametrize("name", FILES)
def test_scrambled_bytes_raise_nothing_but_unreadable_picture(name):
    data = np.frombuffer(FILES[name].getvalue(), np.uint8)
    rng = np.random.default_rng(1)
    for _ in range(100):
        scrambled = data.copy()
        places = rng.integers(0, min(len(data), 200), 6)
        scrambled[places] = rng.integers(0, 256, len(places))
        try:
            picture = decode(io.BytesIO(scrambled.tobytes()))
        except UnreadablePicture:
            continue
        assert picture.dtype == np.uint8 and picture.ndim == 3 and picture.shape[2] == 3


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"not a picture", "no picture"),
        (b"%PDF-1.7", "no picture"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "no picture"),
        (saved(Image.new("RGB", (4, 4)), "EPS").getvalue(), "formats read: JPEG"),
        (png(8, 2, b"", (0, 5)).getvalue(), "no picture|0 x 5"),
        (FILES["jpeg"].getvalue()[:-99], "truncated"),
    ],
)
def test_the_reason_is_short_and_holds_no_path(tmp_path, content, reason):
    path = tmp_path / "broken.jpg"
    path.write_bytes(content)
    with pytest.raises(UnreadablePicture, match=reason) as caught:
        decode(path)
    assert str(tmp_path) not in str(caught.value) and "object at" not in str(caught.value)
    assert len(str(caught.value)) < 150 and "\n" not in str(caught.value)


def test_a_missing_file_is_not_called_unreadable(tmp_path):
    with pytest.raises(FileNotFoundError):
        decode(tmp_path / "nowhere.png")


# Writing


@pytest.mark.parametrize("picture", [NOISE, RAMP, NOISE[::2, ::-1]])
def test_png_holds_the_pixels_and_nothing_else(tmp_path, picture):
    encode_png(tmp_path / "new" / "a.png", picture)
    encode_png(tmp_path / "new" / "b.png", picture)
    written = (tmp_path / "new" / "a.png").read_bytes()
    assert written == (tmp_path / "new" / "b.png").read_bytes()
    assert set(chunks(written)) == {b"IHDR", b"IDAT", b"IEND"}
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(written))), picture)
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["a.png", "b.png"]


def chunks(data: bytes) -> list[bytes]:
    names, at = [], 8
    while at < len(data):
        names.append(data[at + 4 : at + 8])
        at += 12 + int.from_bytes(data[at : at + 4], "big")
    return names


@pytest.mark.parametrize(
    "array",
    [NOISE.astype(np.float32), NOISE[..., :2], NOISE[None], NOISE[:0], np.zeros((4, 4, 4), np.uint8)],
)
def test_png_refuses_other_arrays(tmp_path, array):
    with pytest.raises(ValueError, match="uint8"):
        encode_png(tmp_path / "a.png", array)
    assert not list(tmp_path.iterdir())
