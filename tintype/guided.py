"""The fast guided filter: colours found small, enlarged along the edges of the full-size lightness.

He, Sun and Tang, "Guided Image Filtering" (PAMI 2013), equations 5, 6 and 8; He and Sun, "Fast Guided
Filter" (2015). In each small window the colours are taken for a straight line of the lightness,
    planes = slope * guide + offset,
and it is that line, not the colour, that is enlarged: where the full-size lightness jumps, the colour does.
"""

import torch
from torch import Tensor
from torch.nn import functional as F


def coefficients(guide: Tensor, planes: Tensor, radius: int, epsilon: float) -> tuple[Tensor, Tensor]:
    """The slope and offset, (N, C, h, w) each, of `planes` (N, C, h, w) along `guide` (N, 1, h, w).

    radius: of the square windows, in pixels. epsilon: below this variance of the guide (in its units,
    squared) a window counts as flat, and the planes are only smoothed. Raises ValueError where sizes differ.
    """
    if guide.shape[-2:] != planes.shape[-2:]:
        raise ValueError(f"found a guide of {tuple(guide.shape)} and planes of {tuple(planes.shape)}")
    mean, means = _box(guide, radius), _box(planes, radius)
    variance = (_box(guide * guide, radius) - mean * mean).clamp(min=0)  # rounding can make it negative
    slope = (_box(guide * planes, radius) - mean * means) / (variance + epsilon)
    offset = means - slope * mean
    return _box(slope, radius), _box(offset, radius)


def enlarged(
    line: tuple[Tensor, Tensor], guide: Tensor, first_row: int = 0, height: int | None = None
) -> Tensor:
    """Planes (N, C, H, W) of a small slope and offset (N, C, h, w) along a large guide (N, 1, H, W).

    The guide may be a strip of a picture of `height` rows, from `first_row` on: strips one by one give the
    same as the whole.
    """
    slope, offset = (stretched(plane, guide.shape[-2:], first_row, height) for plane in line)
    return torch.addcmul(offset, slope, guide)


def stretched(plane: Tensor, size: tuple[int, int], first_row: int = 0, height: int | None = None) -> Tensor:
    """Planes (N, C, h, w) enlarged bilinearly, pixels taken as areas: `size` of them from `first_row` on.

    size: rows and columns, of a picture of that width and of `height` rows (left out: all of it).
    """
    rows, columns = size
    small = plane.shape[-2]
    centres = (torch.arange(first_row, first_row + rows, dtype=torch.float64) + 0.5) * (
        small / (height or rows)
    ) - 0.5
    centres = centres.clamp(0, small - 1)
    above = centres.floor().long()
    below = (above + 1).clamp(max=small - 1)
    wide = F.interpolate(plane, size=(small, columns), mode="bilinear", align_corners=False)
    return torch.lerp(wide[..., above, :], wide[..., below, :], (centres - above).to(plane)[:, None])


def _box(x: Tensor, radius: int) -> Tensor:
    """The mean over windows of 2 radius + 1 pixels, or over what of them is inside the picture."""
    radius = min(radius, min(x.shape[-2:]) - 1)
    window, how = 2 * radius + 1, {"stride": 1, "count_include_pad": False}
    # A row and then a column of it: the mean of means, for a window's rows are all of one length.
    x = F.avg_pool2d(x, (window, 1), padding=(radius, 0), **how)
    return F.avg_pool2d(x, (1, window), padding=(0, radius), **how)
