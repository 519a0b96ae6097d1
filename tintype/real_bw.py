"""How real black-and-white pictures come out: figures that need no true colours, and the domain gap.

The gap is what becomes of each figure on the way from test photographs, made to look like old ones by film
and age, to pictures that are old: where the two agree, the test tells something about real ones.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy.stats import wasserstein_distance
from torch import Tensor
from torch.nn import functional as F

from tintype import ageing, film, metrics
from tintype.batch import Batch
from tintype.color import encode, lab_to_rgb, luminance, rgb_to_lab
from tintype.colorizer import Colorizer
from tintype.report import sheets, tables

LONGEST = 1024
"""Pixels at which a picture's colours are judged, at most: those of its longer side. So scans of any size
compare, and are as large as one sees them."""

MOSTLY = 0.95  # share of its pixels that is grey in a picture that counts as grey
AGREED = 0.98
"""`hue_agreement` from which a picture counts as one of a single colour: hues spread by 11.5 degrees (their
circular standard deviation). One natural photograph in twelve is such a one; a model that makes more of them
tints."""

BLOCKY = 1 / 3  # `blockiness` from which a picture counts as blocky: twice as much change across the grid

PICTURES = 200  # test photographs that are seen through films, at most, from all over the test split
TRAINING = 1000  # training pictures that outputs are compared with, at most, likewise

Statistic = Callable[[np.ndarray, np.ndarray], np.ndarray]  # of values (n,) and weights (R, n), (R,)


def lightness_shift(rgb: Tensor, L: Tensor) -> Tensor:
    """How far a picture's lightness is from what it should have kept: |dL| of each pixel, (N, 1, H, W).

    rgb: sRGB (N, 3, H, W) in [0, 1]; L: (N, 1, H, W), in [0, 100]. 0 is best.
    """
    return (rgb_to_lab(rgb)[:, :1] - L).abs()


def hue_agreement(ab: Tensor) -> Tensor:
    """Do all colours share one hue? (N,), in [0, 1]; of ab (N, 2, H, W).

    The length of the sum of (a, b) over the sum of its lengths: the mean resultant length of directional
    statistics (Mardia & Jupp 2000, section 2.3), each pixel's hue weighted by its chroma. Pixels that pass
    for grey do not count (`metrics.GREY_CHROMA`). 1: one hue; hues spread evenly over an arc of t radians
    have 2 sin(t / 2) / t; two opposite ones in equal parts, or no colour at all, 0. The nearer to the truth's
    the better.
    """
    ab = ab.double()
    chroma = torch.linalg.vector_norm(ab, dim=1, keepdim=True)
    coloured = chroma >= metrics.GREY_CHROMA
    total = (chroma * coloured).sum(dim=(1, 2, 3))
    together = torch.linalg.vector_norm((ab * coloured).sum(dim=(2, 3)), dim=1)
    return torch.where(total > 0, together / total.clamp(min=metrics.GREY_CHROMA), 0.0)


def blockiness(ab: Tensor, period: int) -> Tensor:
    """Do colours change on the lines of a grid? (N,), in [-1, 1]; of ab (N, 2, H, W). About 0 is good.

    (on - off) / (on + off), where on is the mean change of colour between neighbours on both sides of a line
    of the grid, which lies at multiples of `period` pixels from the top and from the left, and off that
    between all others: the two means whose ratio is the block-edge impairment metric of Wu & Yuen (1997),
    without its weights for what masks them in lightness. 1: colours are constant within the grid's cells.
    0 where colours change by less than 0.001 in the mean, and where a side has no two cells.
    """
    changes = []
    for dim in (2, 3):
        size = ab.shape[dim]
        if size < 2 * period:
            return ab.new_zeros(len(ab), dtype=torch.float64)
        change = (ab.narrow(dim, 1, size - 1) - ab.narrow(dim, 0, size - 1)).double()
        along = torch.linalg.vector_norm(change, dim=1).mean(dim=4 - dim)  # (N, size - 1), a mean a line
        changes.append((along, torch.arange(1, size, device=ab.device) % period == 0))
    on, off = (
        torch.cat([along[:, on == wanted] for along, on in changes], dim=1).mean(dim=1)
        for wanted in (True, False)
    )
    return torch.where(on + off < 1e-3, 0.0, (on - off) / (on + off).clamp(min=1e-3))


def grids(colorizer: Colorizer) -> list[int]:
    """The periods, in pixels that the network sees, of the grids on which it works.

    Its planes' own pixels, where they are larger than the input's, and those of each coarser level.
    """
    side = 2 * colorizer.network.multiple
    empty = torch.zeros(1, 1, side, side)
    with torch.no_grad():
        planes = colorizer.planes(Batch(empty, empty, empty.expand(-1, 2, -1, -1)))
    stride = max(2, side // planes.shape[-1])
    levels = max(1, (colorizer.network.multiple // stride).bit_length())
    return [stride * 2**level for level in range(levels)]


def figures(
    rgb: np.ndarray,
    small: tuple[int, int],
    grids: Sequence[int],
    inside: tuple[slice, slice] = (slice(None), slice(None)),
) -> dict[str, float]:
    """The figures of a picture's colours, uint8 (H, W, 3), that need no truth.

    small: height and width of the copy that the network saw; inside: the rows and columns of it that are
    within a border; grids: their periods there (`grids`). `grey`, `one_colour` and `blocky` are 1 for a
    picture that is so, else 0; `blockiness` is that of its worst grid.
    """
    picture = torch.tensor(sheets.fit(rgb, LONGEST)).permute(2, 0, 1)[None] / 255
    lab = rgb_to_lab(picture)
    ab = lab[:, 1:]
    seen = F.interpolate(ab, size=small, mode="area")[(..., *inside)]
    grey = metrics.grey_share(ab).item()
    agreement = hue_agreement(ab).item()
    worst = max(blockiness(seen, period).item() for period in grids)
    return {
        "colorfulness": metrics.colorfulness(picture).item(),
        "colorfulness_abs": metrics.colorfulness_abs(picture).item(),
        "mean_chroma": ab.norm(dim=1).mean().item(),
        "hue_entropy": metrics.hue_entropy(ab).item(),
        "edge_alignment": metrics.edge_alignment(lab[:, :1], ab).item(),
        "grey_share": grey,
        "hue_agreement": agreement,
        "blockiness": worst,
        "grey": float(grey >= MOSTLY),
        "one_colour": float(grey < MOSTLY and agreement >= AGREED),
        "blocky": float(grey < MOSTLY and worst >= BLOCKY),
    }


def as_old(lab: Tensor, conversion: str, age: float, seed: int) -> Tensor:
    """The lightness (1, 1, H, W) of a colour photograph, Lab (1, 3, H, W), as an old print of it has it.

    conversion: the film, one of `film.CONVERSIONS`; age: how worn, from 0 (not at all) to 1, as
    `ageing.aged` has it; the same seed wears it alike.
    """
    return ageing.aged(film.grey_plane(lab_to_rgb(lab), conversion), age, np.array([seed]))


def grey_values(L: Tensor) -> np.ndarray:
    """The grey picture, uint8 (H, W), of a lightness (1, 1, H, W)."""
    return (encode(luminance(L)) * 255).round().clamp(0, 255).to(torch.uint8)[0, 0].cpu().numpy()


def spread(number: int, most: int) -> np.ndarray:
    """Numbers from 0 to `number` - 1: all of them, or `most` from all over."""
    return np.linspace(0, number - 1, min(most, number)).round().astype(int)


def mean(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted means, by each row of weights."""
    return weights @ values / weights.sum(axis=1)


def quantile(share: float) -> Statistic:
    """The statistic that has `share` of the weight at or below it: one of the values."""

    def statistic(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
        order = np.argsort(values, kind="stable")
        reached = weights[:, order].cumsum(axis=1)
        # A share of the whole that rounding leaves a hair above is reached, too.
        return values[order][(reached >= share * reached[:, -1:] * (1 - 1e-12)).argmax(axis=1)]

    return statistic


def largest(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The largest value, alone: drawing pictures again makes it smaller, so that there is no interval."""
    return values.max(keepdims=True)


def distance_to(others: np.ndarray) -> Statistic:
    """The first Wasserstein distance to other values: how far values have to be moved, in the mean.

    Alone: drawing pictures again makes it larger.
    """
    return lambda values, weights: np.array([wasserstein_distance(values, others)])


def statistics(training: pd.DataFrame) -> dict[str, tuple[str, Statistic]]:
    """The figures of the gap's table: of which column, and how each is made of the pictures' values."""
    means = ("colorfulness_abs", "mean_chroma", "hue_entropy", "edge_alignment", "grey_share", "grey")
    means += ("one_colour", "blocky", "out_of_gamut_share", "lightness_shift")
    shares = {f"colorfulness_q{share}": ("colorfulness", quantile(share / 100)) for share in (10, 50, 90)}
    distance = ("colorfulness", distance_to(training["colorfulness"].to_numpy()))
    return {
        "colorfulness": ("colorfulness", mean),
        **shares,
        "colorfulness_distance": distance,
        **{name: (name, mean) for name in means},
        "lightness_shift_max": ("lightness_shift_max", largest),
    }


SIDES = ("real", "films", "truth", "training")


def gap(real: pd.DataFrame, films: pd.DataFrame, truth: pd.DataFrame, training: pd.DataFrame) -> pd.DataFrame:
    """A row per figure of `statistics`: what it is on real pictures, and on what they are compared with.

    Each of the SIDES is a row per picture with its `photograph` and its figures (`figures`, and what else is
    known of it): real pictures, and test photographs as old ones, as the model coloured both; the truth of
    the latter; training pictures. Columns: `figure`; by side its value and the ends of its 95 % interval, NaN
    where a side does not have the figure; `gap`, real less films, with its interval. Whole photographs are
    drawn, as in `tables.bootstrap`; of a single one there is no interval. The first two rows are the numbers
    of pictures and of photographs.
    """
    sides = dict(zip(SIDES, (real, films, truth, training), strict=True))
    # Draws of one side must know nothing of another's.
    drawn = {side: _drawn(rows["photograph"], seed) for seed, (side, rows) in enumerate(sides.items())}
    counts = {"pictures": len, "photographs": lambda rows: rows["photograph"].nunique()}
    found = [
        {"figure": name} | {side: count(rows) for side, rows in sides.items()}
        for name, count in counts.items()
    ]
    for name, (column, statistic) in statistics(training).items():
        estimates = {
            side: statistic(rows[column].to_numpy(float), drawn[side])
            for side, rows in sides.items()
            if column in rows
        }
        row: dict[str, Any] = {"figure": name}
        for side, values in estimates.items():
            row |= _with_interval(side, values)
        alone = min(len(estimates["real"]), len(estimates["films"]))  # 1: without an interval
        row |= _with_interval("gap", estimates["real"][:alone] - estimates["films"][:alone])
        found.append(row)
    ends = [f"{side}{end}" for side in (*SIDES[:2], "gap", *SIDES[2:]) for end in ("", "_low", "_high")]
    return pd.DataFrame(found).reindex(columns=["figure", *ends])


def _drawn(photographs: pd.Series, seed: int) -> np.ndarray:
    """Weights of rows: 1 each, then how often each row's photograph is drawn, in each resample."""
    codes, names = pd.factorize(photographs)
    once = np.ones((1, len(codes)))
    return once if len(names) == 1 else np.concatenate([once, tables.drawn(len(names), seed)[:, codes]])


def _with_interval(name: str, values: np.ndarray) -> dict[str, float]:
    """A figure and the ends of its interval, from its value and, where there are such, those of resamples."""
    low, high = np.percentile(values[1:], [2.5, 97.5]) if len(values) > 1 else (np.nan, np.nan)
    return {name: float(values[0]), f"{name}_low": float(low), f"{name}_high": float(high)}
