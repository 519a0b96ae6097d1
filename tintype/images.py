"""Decoding anything a camera or scanner wrote, safely; writing PNG files of the same bytes every time."""

import io
import struct
import warnings
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import ExifTags, Image, ImageCms, UnidentifiedImageError

from tintype.files import new_file

FORMATS = ("JPEG", "PNG", "TIFF", "BMP", "GIF", "WEBP", "PPM")
SUFFIXES = {  # what files of these formats are called, in any case; what a file is, its bytes say
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".tif", ".tiff"),
    *(".bmp", ".dib", ".gif", ".webp", ".ppm", ".pgm", ".pbm", ".pnm"),
}
MAX_PIXELS = 160_000_000  # room for the largest sensors and scans; 640 MB once decoded

# We limit pixels ourselves. Not with catch_warnings, which threads that decode would undo for one another.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)

_SRGB = ImageCms.createProfile("sRGB")
_UPRIGHT = {  # EXIF orientation -> what makes the picture upright (Exif 2.32, tag 274)
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_WHITE_IS_ZERO = 0  # a value of TIFF's PhotometricInterpretation
_PLANES = 2  # a value of TIFF's PlanarConfiguration


class UnreadablePicture(Exception):
    """A file that is no picture we can read. The message is a short reason, which holds no path."""


def decode(
    source: Path | BinaryIO, max_pixels: int = MAX_PIXELS, at_least: tuple[int, int] | None = None
) -> np.ndarray:
    """Decode a picture file to upright sRGB: a uint8 array (H, W, 3) that the caller may write to.

    - With `at_least` (width, height), a JPEG may come out at a half, a quarter or an eighth of its size, as
      long as neither side gets shorter than asked for: faster, where it is to be shrunk anyway.

    - EXIF orientation is applied. Of an animation or a file of many pages, the first is taken.
    - Transparency is flattened over white.
    - More than 8 bits: integer grey is scaled by its white level and rounded; 16-bit RGB is cut to 8 bits by
      Pillow; floating-point grey has its white at 1.
    - An embedded ICC profile is honoured: converted to sRGB, relative colorimetric with black point
      compensation, so that white stays white and black black. A profile that is broken, or made for another
      kind of pixels than the picture's, is ignored: the samples are whole, and reading them as sRGB is off by
      a tint at worst. CMYK without a profile is read by Pillow's plain formula.

    Raises UnreadablePicture for whatever cannot be read: an empty file, no picture, a format not in FORMATS,
    a damaged or truncated picture, more than `max_pixels`, samples without a known white. Errors of the file
    system (no such file, no permission) are not about the picture, and pass as they are.
    """
    if isinstance(source, Path):
        with open(source, "rb") as file:
            return decode(file, max_pixels, at_least)
    if not source.read(1):
        raise UnreadablePicture("the file is empty")
    source.seek(0)
    try:
        # Pillow warns about large pictures, which we limit ourselves, and about damage beside the pixels.
        with warnings.catch_warnings(action="ignore"), Image.open(source, formats=FORMATS) as image:
            width, height = image.size
            if width * height > max_pixels:
                raise UnreadablePicture(f"{width} x {height} pixels; at most {max_pixels:,} are read")
            if width * height == 0:
                raise UnreadablePicture(f"{width} x {height} pixels")
            if at_least:
                image.draft(None, at_least if _orientation(image) < 5 else at_least[::-1])
            return srgb(image)
    except UnreadablePicture:
        raise
    except UnidentifiedImageError:
        # Pillow's message names the file object: a path, or an address that differs each time.
        reason = f"no picture, or damaged, or of a rare kind; formats read: {', '.join(FORMATS)}"
        raise UnreadablePicture(reason) from None
    except Image.DecompressionBombError:
        raise UnreadablePicture(f"too large: at most {max_pixels:,} pixels are read") from None
    except Exception as error:  # a damaged file makes Pillow's decoders raise nearly anything
        raise UnreadablePicture(f"damaged: {str(error) or type(error).__name__}") from error


def srgb(image: Image.Image) -> np.ndarray:
    """A Pillow image of any mode as `decode` has it, uint8 (H, W, 3); errors of Pillow's decoders pass."""
    image.load()
    _refuse_misread(image)
    return np.array(_upright(_to_srgb(image), _orientation(image)))


def dimensions(source: BinaryIO) -> tuple[int, int]:
    """Width and height of the upright picture, from the file's head; (0, 0) where that cannot be read."""
    try:
        with Image.open(source, formats=FORMATS) as image:
            return image.size if _orientation(image) < 5 else image.size[::-1]
    except Exception:  # noqa: BLE001  a damaged file makes Pillow raise nearly anything; decode says what it is
        return 0, 0


def encode_png(path: Path, picture: np.ndarray) -> None:
    """Write a uint8 array, (H, W, 3) sRGB or (H, W) grey, as a PNG file: same pixels, same bytes; atomically.

    The file holds no metadata. Raises ValueError for any other array.
    """
    if picture.dtype != np.uint8 or not (picture.ndim == 2 or picture.shape[2:] == (3,)) or picture.size == 0:
        raise ValueError(f"uint8 (H, W, 3) or (H, W) is wanted, not {picture.dtype} {picture.shape}")
    with new_file(path) as unfinished:
        Image.fromarray(picture).save(unfinished, format="PNG", compress_level=6)


def _refuse_misread(image: Image.Image) -> None:
    tags = getattr(image, "tag_v2", {})  # a TIFF's own
    deep = tags.get(ExifTags.Base.BitsPerSample, (8,))[0] > 8
    in_planes = tags.get(ExifTags.Base.PlanarConfiguration) == _PLANES
    if deep and in_planes and image.info.get("compression") == "raw":
        # Pillow takes each byte of these for a sample, and says nothing.
        raise UnreadablePicture("uncompressed planes of 16 bits; save them interleaved or compressed")


def _to_srgb(image: Image.Image) -> Image.Image:
    """A loaded picture of any mode -> mode RGB, flattened over white."""
    icc = image.info.get("icc_profile")
    if image.mode.startswith("I") or image.mode == "F":
        image = _to_8_bits(image)
    alpha = image.convert("RGBA").getchannel("A") if image.has_transparency_data else None
    if image.mode in ("1", "L", "LA"):
        colour = _through_profile(_converted(image, "L"), icc)
    elif image.mode == "CMYK":
        colour = _through_profile(image, icc)
    else:
        colour = _through_profile(_converted(image, "RGB"), icc)
    if alpha is None:
        return colour
    return Image.composite(colour, Image.new("RGB", colour.size, "white"), alpha)


def _through_profile(image: Image.Image, icc: bytes | None) -> Image.Image:
    """A picture of mode L, RGB or CMYK -> sRGB of mode RGB, through its ICC profile if that fits."""
    if not icc:
        return _converted(image, "RGB")
    flags = ImageCms.Flags.BLACKPOINTCOMPENSATION
    if image.mode == "L":
        flags |= ImageCms.Flags.NOOPTIMIZE  # LittleCMS's short cut misses dark greys by up to ten levels
    try:
        return ImageCms.profileToProfile(
            image,
            ImageCms.ImageCmsProfile(io.BytesIO(icc)),
            _SRGB,
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            outputMode="RGB",
            flags=flags,
        )
    except (ImageCms.PyCMSError, OSError, TypeError):
        return _converted(image, "RGB")


def _to_8_bits(image: Image.Image) -> Image.Image:
    """Grey of modes I;16, I and F -> mode L, or LA where one value means transparent."""
    tags = getattr(image, "tag_v2", {})
    values = np.array(image)
    # A 12-bit TIFF arrives in 16 bits, unscaled. 32-bit integers name no white: they pass as 16-bit ones.
    bits = min(tags.get(ExifTags.Base.BitsPerSample, (16,))[0], 16)
    white = 1 if image.mode == "F" else 2**bits - 1
    darkest, lightest = values.min(), values.max()
    if not (darkest >= 0 and lightest <= white):  # so that NaN is caught, too
        raise UnreadablePicture(f"grey values from {darkest} to {lightest}; 0 to {white} can be read")
    scaled = np.round(values * np.float32(255 / white)).astype(np.uint8)
    if tags.get(ExifTags.Base.PhotometricInterpretation) == _WHITE_IS_ZERO:  # Pillow heeds it in 8 bits only
        scaled = 255 - scaled
    grey = Image.fromarray(scaled)
    transparent = image.info.get("transparency")
    if transparent is not None:
        grey.putalpha(Image.fromarray(np.where(values == transparent, 0, 255).astype(np.uint8)))
    return grey


def _orientation(image: Image.Image) -> int:
    try:
        return image.getexif().get(ExifTags.Base.Orientation, 1)
    except (SyntaxError, struct.error, ValueError, LookupError, OSError):  # broken EXIF of a whole picture
        return 1


def _upright(image: Image.Image, orientation: int) -> Image.Image:
    return image.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else image


def _converted(image: Image.Image, mode: str) -> Image.Image:
    return image if image.mode == mode else image.convert(mode)  # convert() copies even where nothing changes
