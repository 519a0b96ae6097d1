"""Pictures as an archive has them: 8 or 16 bits, with the EXIF data and colour profile they came with.

`images` decodes what has 8 bits, through Pillow, which reads every format but cuts 16-bit colour to 8 bits;
PNG and TIFF files of 16 bits are read by libvips. It writes those PNG files, and tifffile all TIFF files.
"""

import io
import tempfile
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import ExifTags, Image, ImageCms

from tintype import exif
from tintype.console import UserError
from tintype.files import new_file
from tintype.images import FORMATS, MAX_PIXELS, UnreadablePicture, decode, srgb
from tintype.tints import SIDE, off_tint

# How files are written, by their suffix: so that lightness is kept, by JPEG to 0.3 of L on average.
_JPEG = {"format": "JPEG", "quality": 100, "subsampling": 0}
_TIFF = {"format": "TIFF"}
WRITTEN = {
    **{suffix: _JPEG for suffix in (".jpg", ".jpeg", ".jpe", ".jfif")},
    **{suffix: _TIFF for suffix in (".tif", ".tiff")},
    **{suffix: {"format": "PPM"} for suffix in (".ppm", ".pnm")},
    ".webp": {"format": "WEBP", "lossless": True},
    ".png": {"format": "PNG"},
    ".bmp": {"format": "BMP"},
}
DEEP = {".png", ".tif", ".tiff"}  # kinds of files that hold 16 bits

LONGEST = {"JPEG": 65_500, "WEBP": 16_383}  # pixels of a side that a format holds; the others hold any
PROFILED = {"JPEG", "PNG", "TIFF", "WEBP"}  # formats that hold a colour profile

_Tag = ExifTags.Base
_PLAIN = {0, 1, 2}  # values of TIFF's PhotometricInterpretation: grey from white, grey from black, RGB


class UnwritablePicture(UserError):
    """A picture that does not fit the format of the name it is to have."""


@dataclass(frozen=True)
class Scan:
    """A picture and what its file said of it.

    pixels: (H, W) or (H, W, 3), upright, sRGB, uint8 or uint16. exif: what it said of the photograph. icc:
    the profile that its colours had, where that can describe a colour picture; its samples were converted
    from it, and are converted back when written.
    """

    pixels: np.ndarray
    exif: Image.Exif = field(default_factory=Image.Exif)
    icc: bytes | None = None


def samples(picture: Path | str | Image.Image | np.ndarray) -> np.ndarray:
    """A picture's upright sRGB samples, uint8 or uint16, (H, W) or (H, W, 3); an array as it is.

    Those of a Pillow image are uint8 (H, W, 3).
    """
    if isinstance(picture, np.ndarray):
        return picture
    if isinstance(picture, Image.Image):
        return srgb(picture)
    return read(Path(picture)).pixels


def read(path: Path, max_pixels: int = MAX_PIXELS) -> Scan:
    """Read a picture file. Raises `images.UnreadablePicture` and OSError as `images.decode` does."""
    said, icc, deep = Image.Exif(), None, False
    with open(path, "rb") as file:
        try:
            with warnings.catch_warnings(action="ignore"), Image.open(file, formats=FORMATS) as image:
                deep = image.width * image.height <= max_pixels and _is_deep(image)
                icc = image.info.get("icc_profile")
                said = exif.described(image)
        except Exception:  # noqa: BLE001  damaged files make Pillow raise anything; decode says what it is
            pass
        file.seek(0)
        pixels = _decode_deep(path) if deep else decode(file, max_pixels)
    return Scan(pixels, said, icc if _of_colours(icc) else None)


def write(path: Path, scan: Scan) -> None:
    """Write a colour picture atomically, in the format of the name's suffix; the same gives the same bytes.

    16 bits are rounded to 8 for formats that have no more; colours stay sRGB in those that hold no profile.
    Raises UserError for a suffix not in WRITTEN, UnwritablePicture where a side is too long for the format.
    """
    suffix = path.suffix.lower()
    if suffix not in WRITTEN:
        raise UserError(f"{path}: found the suffix {suffix!r}, allowed: {', '.join(WRITTEN)}")
    format = WRITTEN[suffix]["format"]
    height, width = scan.pixels.shape[:2]
    if max(height, width) > LONGEST.get(format, max(height, width)):
        raise UnwritablePicture(
            f"{path}: found {width} x {height} pixels, allowed in {suffix}: {LONGEST[format]} a side; "
            "a single picture can be written as .png or .tif, with -o"
        )
    deep = scan.pixels.dtype == np.uint16 and suffix in DEEP
    pixels = _profiled(scan, deep) if format in PROFILED else in_8_bits(scan.pixels)
    with new_file(path) as unfinished:
        if format == "TIFF":
            _write_tiff(unfinished, pixels, scan)
        elif deep:
            _write_deep_png(unfinished, pixels, scan)
        else:
            said = {"exif": scan.exif} if scan.exif else {}
            said |= {"dpi": dots} if (dots := exif.dpi(scan.exif)) else {}
            profile = scan.icc if format in PROFILED else None
            Image.fromarray(pixels).save(unfinished, **WRITTEN[suffix], icc_profile=profile, **said)


def in_8_bits(pixels: np.ndarray) -> np.ndarray:
    """A picture's samples as uint8 (H, W, 3)."""
    if pixels.dtype == np.uint16:
        pixels = ((pixels.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)
    return np.repeat(pixels[..., None], 3, axis=2) if pixels.ndim == 2 else pixels


def has_colours(pixels: np.ndarray) -> float:
    """`tints.off_tint` of a picture's samples: above `tints.COLOURFUL`, it is in colour already."""
    if pixels.ndim == 2:
        return 0.0
    step = max(1, min(pixels.shape[:2]) // (4 * SIDE))  # a few samples of each area do
    small = Image.fromarray(in_8_bits(np.ascontiguousarray(pixels[::step, ::step])))
    small.thumbnail((2 * SIDE, 2 * SIDE), Image.Resampling.BOX)
    return off_tint(*np.moveaxis(np.array(small.convert("YCbCr")), 2, 0))


_SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
_INTENT = {
    "renderingIntent": ImageCms.Intent.RELATIVE_COLORIMETRIC,
    "flags": ImageCms.Flags.BLACKPOINTCOMPENSATION,
}


def _of_colours(icc: bytes | None) -> bool:
    """Whether a profile is whole, and of RGB samples that can be written, too."""
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(icc or b""))
        ImageCms.buildTransform(_SRGB, profile, "RGB", "RGB", **_INTENT)
    except (OSError, ImageCms.PyCMSError):
        return False
    return True


def _is_deep(image: Image.Image) -> bool:
    """Whether a PNG or TIFF has unsigned samples of 16 bits."""
    if image.format == "TIFF":
        bits = set(image.tag_v2.get(_Tag.BitsPerSample, (1,)))
        plain = image.tag_v2.get(_Tag.PhotometricInterpretation) in _PLAIN
        return plain and bits == {16} and set(image.tag_v2.get(_Tag.SampleFormat, (1,))) == {1}
    return image.format == "PNG" and (image.mode.startswith("I") or "16" in str(image.tile[0][3]))


def _decode_deep(path: Path) -> np.ndarray:
    pyvips = _pyvips()
    try:
        image = pyvips.Image.new_from_file(str(path), fail_on="error").autorot()
        if image.hasalpha():
            image = image.flatten(background=65535)
        if image.get_typeof("icc-profile-data"):
            image = _converted(image, "srgb", embedded=True)
        pixels = image.numpy()
    except pyvips.Error as error:
        reason = str(error).strip().splitlines()
        raise UnreadablePicture(f"damaged: {reason[-1] if reason else 'libvips cannot read it'}") from error
    return pixels[..., 0] if pixels.ndim == 3 and pixels.shape[2] == 1 else pixels


def _converted(image: Any, target: str, **source: Any) -> Any:
    """A libvips image of 16 bits in the colours of another profile."""
    how = {"intent": "relative", "black_point_compensation": True}
    if image.bands == 1:  # by way of XYZ: straight, LittleCMS misses dark greys by up to five units of L
        return image.icc_import(pcs="xyz", **source, **how).icc_export(output_profile=target, depth=16, **how)
    return image.icc_transform(target, depth=16, **source, **how)


def _profiled(scan: Scan, deep: bool) -> np.ndarray:
    """A picture's samples in the colours of its profile: of 16 bits, or of 8."""
    if not scan.icc:
        return scan.pixels if deep else in_8_bits(scan.pixels)
    if not deep:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(scan.icc))
        image = Image.fromarray(in_8_bits(scan.pixels))
        return np.array(ImageCms.profileToProfile(image, _SRGB, profile, outputMode="RGB", **_INTENT))
    with tempfile.NamedTemporaryFile(suffix=".icc") as profile:
        profile.write(scan.icc)
        profile.flush()
        image = _pyvips().Image.new_from_array(scan.pixels, interpretation="rgb16")
        return _converted(image, profile.name, input_profile="srgb").numpy()


def _write_deep_png(path: Path, pixels: np.ndarray, scan: Scan) -> None:
    pyvips = _pyvips()
    image = pyvips.Image.new_from_array(pixels, interpretation="rgb16").copy()
    if scan.icc:
        image.set_type(pyvips.GValue.blob_type, "icc-profile-data", scan.icc)
    with open(
        path, "wb"
    ) as file:  # here, for libvips does not say that a disk is full in a way to tell it by
        file.writelines(exif.into_png(image.pngsave_buffer(keep="icc", compression=6), scan.exif))


def _write_tiff(path: Path, pixels: np.ndarray, scan: Scan) -> None:
    import tifffile  # here: only for this kind of file

    dots = exif.dpi(scan.exif)
    tifffile.imwrite(
        path,
        pixels,
        photometric="rgb",
        compression="zlib",
        predictor=True,
        iccprofile=scan.icc,
        metadata=None,
        software=scan.exif.get(_Tag.Software, False),
        resolution=dots,
        resolutionunit="INCH" if dots else None,
        extratags=exif.tiff_tags(scan.exif),
    )
    exif.into_tiff(path, scan.exif)


def _pyvips():
    import pyvips  # here: few pictures need it

    pyvips.block_untrusted_set(True)  # only libvips's own, fuzzed loaders
    pyvips.cache_set_max(0)  # it would take a file of the same name for the one that it has read before
    return pyvips
