"""How sure a colorizer of classes is, whether it is right to be so, and other colours where it is not.

What it gives are logits (N, Q, h, w), at the scale of its answer, mostly smaller than the picture; their
softmax is its distribution over the Q classes (`ab_classes.py`). Classes learned with rebalancing weights are
not as likely as their shares say, and soft targets spread even a sure answer over neighbouring classes:
`calibration` measures what comes of both.
"""

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd
import torch
from scipy import stats
from torch import Tensor
from torch.nn import functional as F

from tintype import ab_classes
from tintype.regions import means

RAMP = 0.1  # of the entropy's range: this far above the threshold, a drawn class counts in full
_ROUNDING = 1e-6  # figures that differ by less than that differ through rounding alone


def entropy(logits: Tensor) -> Tensor:
    """The entropy (N, h, w) of each pixel's distribution over log Q: 0 for one sure class, 1 for none."""
    return torch.special.entr(logits.float().softmax(dim=1)).sum(dim=1) / math.log(logits.shape[1])


def confidence(logits: Tensor) -> Tensor:
    """The probability (N, h, w), in [1 / Q, 1], of each pixel's most probable class."""
    return logits.float().softmax(dim=1).amax(dim=1)


def judged(
    logits: Tensor, centres: Tensor, temperature: float, nearest: Tensor, truth: Tensor
) -> dict[str, Tensor]:
    """What is told of each pixel, (N, h, w): `confidence`, `right`, `entropy` and `error`.

    nearest: the table (256, 256, 1) of the nearest class that `ab_classes.soft_encoding` makes; truth: true
    ab (N, 2, h, w). A pixel is right whose most probable class is the nearest to the truth; its error is the
    distance of the annealed mean to the truth, in units of ab.
    """
    ab = ab_classes.annealed_mean(logits, centres, temperature)
    return {
        "confidence": confidence(logits),
        "right": logits.argmax(dim=1) == ab_classes.look_up(nearest, truth)[:, 0],
        "entropy": entropy(logits),
        "error": (ab - truth).norm(dim=1),
    }


def figures(pixels: Mapping[str, Tensor]) -> pd.DataFrame:
    """A row of figures per picture, from what `judged` tells of its pixels.

    Means: `confidence`, `accuracy` (the share that is right) and `overconfidence` (the first less the second)
    in %, `entropy` in [0, 1], `ab_error` in units of ab. And `rank_correlation`, that of entropy with error:
    1 where a picture's pixels are the more doubtful, the more wrong they are.
    """
    sure, right, doubt, error = (
        pixels[name].double().mean(dim=(1, 2)).cpu() for name in ("confidence", "right", "entropy", "error")
    )
    found = {
        "confidence": 100 * sure,
        "accuracy": 100 * right,
        "overconfidence": 100 * (sure - right),
        "entropy": doubt,
        "rank_correlation": rank_correlation(pixels["entropy"], pixels["error"]),
        "ab_error": error,
    }
    return pd.DataFrame({name: values.numpy() for name, values in found.items()})


def calibration(confidence: Tensor, right: Tensor, error: Tensor, bins: int = 10) -> pd.DataFrame:
    """A row per bin of confidence, from 0 to 1 in equal widths: how sure pixels are, and how right.

    confidence in [0, 1], right (booleans) and error are of one shape. Columns: `low` and `high`, the bin's
    ends, of which the upper one belongs to it (Guo et al. 2017, section 2; 0 belongs to the first); `pixels`,
    how many; and the means over these, NaN where there is none: `confidence`, `accuracy` (the share that is
    right) and `error`. Raises ValueError for other shapes or a confidence outside [0, 1].
    """
    sure, right, error = (values.double().flatten().cpu() for values in (confidence, right, error))
    if not len(sure) == len(right) == len(error):
        raise ValueError(f"of {len(sure)}, {len(right)} and {len(error)} pixels")
    if not ((sure >= 0) & (sure <= 1 + _ROUNDING)).all():
        raise ValueError("confidence outside [0, 1]")
    ends = torch.linspace(0, 1, bins + 1, dtype=torch.float64)
    place = torch.bucketize(sure, ends[1:-1])
    counts = place.bincount(minlength=bins)
    found = [place.bincount(values, minlength=bins) / counts for values in (sure, right, error)]
    columns = ["low", "high", "pixels", "confidence", "accuracy", "error"]
    table = zip(columns, [ends[:-1], ends[1:], counts, *found], strict=True)
    return pd.DataFrame({name: values.numpy() for name, values in table})


def expected_calibration_error(table: pd.DataFrame) -> float:
    """The mean over pixels of |accuracy - confidence| of their bins, in [0, 1].

    table: as `calibration` makes it. Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural
    Networks" (ICML 2017), equation 3.
    """
    gaps = (table["accuracy"] - table["confidence"]).abs()
    return float((gaps * table["pixels"]).sum() / table["pixels"].sum())


def rank_correlation(x: Tensor, y: Tensor) -> Tensor:
    """Spearman's rank correlation (N,), in [-1, 1], of the pixels of x and y, both (N, h, w).

    The correlation of ranks, ties sharing their mean rank. NaN where either hardly differs at all.
    """
    flat = [values.double().flatten(1).cpu() for values in (x, y)]
    ranks = torch.stack([torch.from_numpy(stats.rankdata(values, axis=1)) for values in flat])
    ranks = ranks - ranks.mean(dim=2, keepdim=True)
    found = (ranks[0] * ranks[1]).sum(dim=1) / ranks.square().sum(dim=2).prod(dim=0).sqrt()
    constant = torch.stack([values.amax(dim=1) - values.amin(dim=1) < _ROUNDING for values in flat]).any(0)
    return torch.where(constant, np.nan, found)


def resampled(
    logits: Tensor,
    centres: Tensor,
    temperature: float,
    labels: Tensor,
    threshold: float,
    generator: torch.Generator,
) -> Tensor:
    """ab (2, h, w) of one picture, logits (Q, h, w), with other plausible colours where it is doubtful.

    labels: regions (h, w), 0 to R - 1. For each region a class is drawn from its mean distribution, and all
    of the region's annealed mean is moved by the drawn class's colour less the region's mean annealed colour:
    what differs within a region stays, as far as it is a difference of colour at all. The move counts in
    full where the region's mean entropy is `threshold` + RAMP or more, and in proportion between; a
    region with a mean entropy of at most `threshold` is exactly the annealed mean. Regions are drawn
    independently of each other, and with equal generators the same classes whatever the threshold.
    """
    ab = ab_classes.annealed_mean(logits[None], centres, temperature)[0]
    shares = means(logits.float().softmax(dim=0), labels)  # (Q, R)
    drawn = torch.multinomial(shares.T.cpu(), 1, generator=generator)[:, 0].to(labels.device)
    amount = ((means(entropy(logits[None]), labels)[0] - threshold) / RAMP).clamp(0, 1)  # (R,)
    return ab + (amount * (centres[drawn].T - means(ab, labels)))[:, labels]


def at_scale(planes: Tensor, multiple: int, size: tuple[int, int]) -> Tensor:
    """Planes (N, C, H, W) at the scale of an answer of a size (h, w), each pixel a mean.

    The answer covers a picture whose edges go on until its sides are multiples of `multiple` pixels.
    """
    height, width = planes.shape[-2:]
    padded = F.pad(planes, (0, -width % multiple, 0, -height % multiple), mode="replicate")
    return F.adaptive_avg_pool2d(padded, size)


def enlarged(planes: Tensor, multiple: int, size: tuple[int, int]) -> Tensor:
    """The inverse of `at_scale`: planes (N, C, h, w) of an answer at the size (H, W) of its picture."""
    height, width = size
    whole = (height + -height % multiple, width + -width % multiple)
    return F.interpolate(planes, whole, mode="bilinear", align_corners=False)[..., :height, :width]
