"""The marks of age and apparatus on a black-and-white picture, as augmentation of a model's input."""

import io
import math
from collections.abc import Callable
from functools import wraps

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor
from torch.nn import functional as F

from tintype.color import encode, lightness, linearise, luminance

Effect = Callable[[Tensor, float, np.random.Generator], Tensor]

# A sepia toner turns neutral silver into a brown compound: the density that red, green and blue light meet
# in it, relative to the silver's, and the share of each that old paper reflects. Chosen by eye.
_SEPIA_DENSITY = (0.75, 1.0, 1.3)
_SEPIA_PAPER = (1.0, 0.95, 0.85)


def _effect(change: Effect) -> Effect:
    """What all effects promise: a strength in [0, 1], nothing done at 0, and a lightness in [0, 100]."""

    @wraps(change)
    def effect(L: Tensor, strength: float, rng: np.random.Generator) -> Tensor:
        if not 0 <= strength <= 1:
            raise ValueError(f"strength {strength}; from 0 (no {change.__name__}) to 1 is allowed")
        return change(L, strength, rng).clamp(0, 100) if strength else L

    return effect


@_effect
def vignette(L: Tensor, strength: float, rng: np.random.Generator) -> Tensor:
    """Corners darkened as by a simple lens: light times cos^4 of the angle to its axis; draws no number.

    The axis meets the picture's centre; the corners of the picture (not the centres of its corner pixels)
    lie at `strength` times 60 degrees.
    """
    height, width = L.shape[-2:]
    y, x = ((torch.arange(size, device=L.device) + 0.5) * 2 - size for size in (height, width))
    from_centre = (y[:, None] ** 2 + x**2) / (height**2 + width**2)  # squared; 1 in the corners
    tangent = math.tan(math.radians(60 * strength))
    return lightness(luminance(L) / (1 + from_centre * tangent**2) ** 2)


@_effect
def grain(L: Tensor, strength: float, rng: np.random.Generator) -> Tensor:
    """Clumps of silver: noise on the density D of the picture, with standard deviation 0.1 strength sqrt(D).

    The variance grows with D because D is proportional to the number of silver particles (Nutting 1913),
    which lie at random. Seen as lightness, mid-tones are the grainiest; white paper has no grain. Clumps:
    white noise blurred by a Gaussian of 1/800 of the shorter side, but at least 0.6 pixels.
    """
    count, _, height, width = L.shape
    noise = _clumps((count, 1, height, width), max(0.6, min(height, width) / 800), rng).to(L)
    density = _density(L)
    return _of_density(density + 0.1 * strength * density.clamp(min=0).sqrt() * noise)


@_effect
def toning(L: Tensor, strength: float, rng: np.random.Generator) -> Tensor:
    """The lightness of a print toned brown, as a scan of it is reduced to grey again; draws no number."""
    red, green, blue = _toned_light(L, strength).split(1, dim=1)
    return lightness(0.2126 * red + 0.7152 * green + 0.0722 * blue)  # the luminance of sRGB light


@_effect
def fading(L: Tensor, strength: float, rng: np.random.Generator) -> Tensor:
    """Low contrast: blacks lift as silver is lost, whites dull as the paper yellows; draws no number.

    Density D becomes (1 - 0.6 strength) D + 0.25 strength.
    """
    return _of_density((1 - 0.6 * strength) * _density(L) + 0.25 * strength)


@_effect
def scratches(L: Tensor, strength: float, rng: np.random.Generator) -> Tensor:
    """Scratches along the film, dust and fibres, light (of a negative) or dark (of a print).

    On average, 8 scratches, 40 specks and 4 fibres times `strength`, in sizes relative to the picture's.
    """
    shape = L.shape[-2:]
    marks = torch.from_numpy(np.stack([_marks(*shape, strength, rng) for _ in L]))[:, None].to(L)
    return L + marks.clamp(min=0) * (100 - L) + marks.clamp(max=0) * L


@_effect
def jpeg(L: Tensor, strength: float, rng: np.random.Generator) -> Tensor:
    """Each picture as it comes back from an 8-bit grey JPEG of quality 90 - 70 strength; draws no number."""
    quality = round(90 - 70 * strength)
    decoded = []
    for grey in (encode(luminance(L)) * 255).round().to(torch.uint8)[:, 0].cpu().numpy():
        file = io.BytesIO()
        Image.fromarray(grey).save(file, format="JPEG", quality=quality)
        decoded.append(np.asarray(Image.open(file, formats=["JPEG"])))
    return lightness(linearise(torch.from_numpy(np.stack(decoded))[:, None].to(L) / 255))


# In the order of a photograph's life: lens, film, print, years, handling, file.
EFFECTS: dict[str, Effect] = {
    effect.__name__: effect for effect in (vignette, grain, toning, fading, scratches, jpeg)
}


def toned(L: Tensor, strength: float) -> Tensor:
    """sRGB (N, 3, H, W) in [0, 1] of a print of lightness L (N, 1, H, W), toned brown on yellowed paper.

    At strength 0 the print is grey, at 1 a full sepia. Red, green and blue light each meet a density of
    their own: they come back as paper * light ^ density, with both as far from 1 as `strength` says.
    """
    return encode(_toned_light(L, strength)).clamp(0, 1)


def _toned_light(L: Tensor, strength: float) -> Tensor:
    density, paper = (
        1 + strength * (torch.tensor(values).to(L).view(3, 1, 1) - 1)
        for values in (_SEPIA_DENSITY, _SEPIA_PAPER)
    )
    return paper * luminance(L).clamp(min=0) ** density  # L of a black pixel may be a hair below 0


def aged(L: Tensor, strength: float, seeds: np.ndarray) -> Tensor:
    """Pictures (N, 1, H, W) as if old, each in its own way: an augmentation of a model's input, not of truth.

    Each picture gets each of the EFFECTS with probability one half, at a strength drawn evenly from 0 to
    `strength`. What happens to a picture depends on its own seed, int64 (N,), alone. At strength 0, L itself
    comes back.
    """
    if not strength:
        return L
    pictures = []
    for picture, seed in zip(L.split(1), seeds, strict=True):
        own = np.random.default_rng(seed)
        for effect in EFFECTS.values():
            if own.random() < 0.5:
                picture = effect(picture, own.uniform(0, strength), own)
        pictures.append(picture)
    return torch.cat(pictures)


def _density(L: Tensor) -> Tensor:
    """Optical density -log10 Y by L's cube law alone, so that black (2.58) stays finite, as on paper."""
    return -3 * torch.log10((L + 16) / 116)


def _of_density(D: Tensor) -> Tensor:
    """Lightness of an optical density, the inverse of `_density`."""
    return 116 * 10 ** (-D / 3) - 16


def _clumps(shape: tuple[int, int, int, int], sigma: float, rng: np.random.Generator) -> Tensor:
    """Gaussian noise (N, 1, H, W) of mean 0 and variance 1 everywhere, blurred by `sigma` pixels."""
    reach = math.ceil(3 * sigma)
    kernel = torch.exp(-(torch.arange(-reach, reach + 1) ** 2) / (2 * sigma**2))
    kernel = kernel / kernel.norm()  # which leaves the variance of white noise as it is
    count, planes, height, width = shape
    white = rng.standard_normal((count, planes, height + 2 * reach, width + 2 * reach), dtype=np.float32)
    return F.conv2d(F.conv2d(torch.from_numpy(white), kernel.view(1, 1, -1, 1)), kernel.view(1, 1, 1, -1))


def _marks(height: int, width: int, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Scratches and dust, float32 (H, W): from -1, wholly black, through 0, none, to 1, wholly white."""
    # Drawn large and shrunk, for Pillow's lines have hard edges; a large picture needs it less.
    zoom = min(4, max(1, 2048 // max(height, width)))
    size = np.array([width, height]) * zoom
    unit = max(size) / 300
    sheet = Image.new("L", tuple(size.tolist()), 127)
    draw = ImageDraw.Draw(sheet)

    count = rng.poisson(8 * strength)
    ends = rng.uniform((0, -0.5), (1, 1.5), (count, 2, 2)) * size
    ends[:, 1, 0] = ends[:, 0, 0] + rng.normal(0, 0.01, count) * size[1]  # nearly upright
    widths = np.ceil(rng.uniform(0.3, 1, count) * unit).astype(int)
    for line, thick, tone in zip(ends, widths.tolist(), _tones(count, rng), strict=True):
        draw.line(line.ravel().tolist(), fill=tone, width=thick)

    count = rng.poisson(40 * strength)
    angles = np.linspace(0, 2 * np.pi, 10, endpoint=False)
    radii = rng.lognormal(0, 0.5, (count, 1)) * rng.uniform(0.6, 1.2, (count, 10)) * unit
    rims = np.stack([np.cos(angles), np.sin(angles)], axis=-1) * radii[..., None]
    rims += rng.uniform(0, size, (count, 1, 2))
    for rim, tone in zip(rims, _tones(count, rng), strict=True):
        draw.polygon(rim.ravel().tolist(), fill=tone)

    count = rng.poisson(4 * strength)
    corners = rng.uniform(0, size, (count, 1, 2)) + rng.uniform(-20, 20, (count, 3, 2)) * unit
    t = np.linspace(0, 1, 12)
    bezier = np.stack([(1 - t) ** 2, 2 * t * (1 - t), t**2], axis=1)
    for fibre, tone in zip(bezier @ corners, _tones(count, rng), strict=True):
        draw.line(fibre.ravel().tolist(), fill=tone, width=math.ceil(0.6 * unit))

    return (np.asarray(sheet.reduce(zoom), np.float32) - 127) / 128


def _tones(count: int, rng: np.random.Generator) -> list[int]:
    """Tones of marks, where 127 is no mark: seven in ten light, the rest dark, none faint."""
    light, dark = rng.integers(190, 256, count), rng.integers(0, 60, count)
    return np.where(rng.random(count) < 0.7, light, dark).tolist()
