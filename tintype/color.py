"""sRGB and CIE Lab on tensors, Lab in 8 bits, and colours brought into gamut.

Lab is CIE 1976 L*a*b*, illuminant D65, 2 degree observer, with the constants that scikit-image uses, so
that both agree. Tensors are (..., 3, H, W) float: RGB in [0, 1], L in [0, 100], a and b in about [-110,
110].
"""

import numpy as np
import torch
from torch import Tensor

# IEC 61966-2-1 (sRGB) primaries; white point D65 for the 2 degree observer.
_XYZ_FROM_RGB = torch.tensor(
    [[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]],
    dtype=torch.float64,
)
_RGB_FROM_XYZ = torch.linalg.inv(_XYZ_FROM_RGB)
_WHITE = torch.tensor([0.95047, 1.0, 1.08883], dtype=torch.float64)
# CIE 15: below this ratio to white the cube root gives way to a straight line.
_LINEAR_BELOW = 0.008856


def linearise(rgb: Tensor) -> Tensor:
    """sRGB-encoded values in [0, 1] to linear light in [0, 1] (IEC 61966-2-1)."""
    # The base is clamped so that the branch `where` discards has a finite gradient too.
    return torch.where(rgb > 0.04045, ((rgb.clamp(min=0.04) + 0.055) / 1.055) ** 2.4, rgb / 12.92)


def encode(linear: Tensor) -> Tensor:
    """Linear light to sRGB-encoded values, the inverse of `linearise`; negative light stays negative."""
    curve = 1.055 * linear.clamp(min=0.003) ** (1 / 2.4) - 0.055
    return torch.where(linear > 0.0031308, curve, 12.92 * linear)


def rgb_to_lab(rgb: Tensor) -> Tensor:
    """sRGB (..., 3, H, W) in [0, 1] to CIE Lab of the same shape; gradients are finite everywhere."""
    ratio = _mix(_XYZ_FROM_RGB / _WHITE[:, None], linearise(rgb))
    root = ratio.clamp(min=_LINEAR_BELOW) ** (1 / 3)
    f = torch.where(ratio > _LINEAR_BELOW, root, 7.787 * ratio + 16 / 116)
    x, y, z = f.unbind(-3)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], dim=-3)


def lab_to_rgb(lab: Tensor, clip: bool = True) -> Tensor:
    """CIE Lab (..., 3, H, W) to sRGB of the same shape.

    With `clip`, colours that a screen can't show are cut to [0, 1] a channel, as scikit-image does;
    without, they keep values outside [0, 1], which is how to tell them.
    """
    L, a, b = lab.unbind(-3)
    y = (L + 16) / 116
    x, z = y + a / 500, y - b / 200
    f = torch.stack([x, y, z.clamp(min=0) if clip else z], dim=-3)
    ratio = torch.where(f > 0.2068966, f.clamp(min=0.2) ** 3, (f - 16 / 116) / 7.787)
    rgb = encode(_mix(_RGB_FROM_XYZ * _WHITE, ratio))
    return rgb.clamp(0, 1) if clip else rgb


def luminance_of(linear: Tensor) -> Tensor:
    """The luminance Y (..., 1, H, W) in [0, 1] of linear light R, G and B, (..., 3, H, W)."""
    return _mix(_XYZ_FROM_RGB[1:2], linear)


def luminance(L: Tensor) -> Tensor:
    """The linear light Y, in [0, 1], of lightness L in [0, 100]; any shape."""
    f = (L + 16) / 116
    return torch.where(f > 0.2068966, f**3, (f - 16 / 116) / 7.787)


def lightness(Y: Tensor) -> Tensor:
    """The inverse of `luminance`, with a finite gradient everywhere."""
    return 116 * torch.where(Y > _LINEAR_BELOW, Y.clamp(min=0.008) ** (1 / 3), 7.787 * Y + 16 / 116) - 16


def lab_to_bytes(lab: Tensor) -> Tensor:
    """Lab (..., 3, H, W) to 8 bits a channel: L * 255 / 100, a + 128, b + 128, rounded; uint8, same shape."""
    L, a, b = lab.unbind(-3)
    return torch.stack([L * 2.55, a + 128, b + 128], dim=-3).round().clamp(0, 255).to(torch.uint8)


def bytes_to_lab(stored: Tensor) -> Tensor:
    """The inverse of `lab_to_bytes` up to rounding: uint8 (..., 3, H, W) to float32 Lab."""
    L, a, b = stored.float().unbind(-3)
    return torch.stack([L / 2.55, a - 128, b - 128], dim=-3)


def to_uint8(rgb: Tensor) -> np.ndarray:
    """sRGB (N, 3, H, W) in [0, 1] to pictures, uint8 (N, H, W, 3)."""
    return (rgb * 255).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()


def into_gamut(lab: Tensor, halvings: int = 12) -> Tensor:
    """Lab (..., 3, H, W) with chroma reduced, hue and lightness kept, until sRGB can show each colour.

    Clipping RGB instead would change lightness, and lightness is the part of an old photograph that is
    true. Finds by bisection the largest share of (a, b) that is displayable, to 2^-halvings of it.
    """
    L, ab = lab[..., :1, :, :], lab[..., 1:, :, :]
    low = torch.zeros_like(L)
    high = torch.ones_like(L)
    for _ in range(halvings):
        middle = (low + high) / 2
        fits = displayable(torch.cat([L, ab * middle], dim=-3))
        low, high = torch.where(fits, middle, low), torch.where(fits, high, middle)
    share = torch.where(displayable(lab), torch.ones_like(low), low)
    return torch.cat([L, ab * share], dim=-3)


def displayable(lab: Tensor) -> Tensor:
    """Whether 8-bit sRGB shows each colour of (..., 3, H, W) Lab, half a code value of rounding allowed.

    Booleans (..., 1, H, W).
    """
    rgb = lab_to_rgb(lab, clip=False)
    return ((rgb >= -1 / 510) & (rgb <= 1 + 1 / 510)).all(dim=-3, keepdim=True)


def _mix(matrix: Tensor, planes: Tensor) -> Tensor:
    """Apply a 3 x 3 matrix to the channel axis."""
    return torch.einsum("ij,...jhw->...ihw", matrix.to(planes), planes)
