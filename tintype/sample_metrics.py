"""Figures of several colourings of one picture: how far they differ, how good the best and the mean are.

Unless said otherwise a function takes K colourings of each of N pictures, (K, N, C, H, W), and returns one
value per picture: a float64 tensor of shape (N,). ab is shape (K, N, 2, H, W), in about [-110, 110], and
distances are Euclidean, in its units. All raise TypeError for integer tensors, whose differences wrap around,
and ValueError for a wrong shape, fewer than two colourings, and values that are not finite.
"""

import math
from collections.abc import Callable
from itertools import combinations

import torch
from torch import Tensor


def pairwise(samples: Tensor, distance: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """The mean of a distance over all K (K - 1) / 2 pairs of colourings; 0 where they are all the same.

    distance: from two batches (N, C, H, W) to (N,). With LPIPS, of sRGB in [0, 1], this is the diversity of
    Zhu et al., "Toward Multimodal Image-to-Image Translation" (NeurIPS 2017), section 5, who draw pairs at
    random where we take all. Higher is not better: noise is diverse, too.
    """
    pairs = [distance(first, second).double() for first, second in combinations(_checked(samples), 2)]
    return torch.stack(pairs).mean(dim=0)


def ab_distance(ab: Tensor, other: Tensor) -> Tensor:
    """The mean over pixels of the distance between two colourings (N, 2, H, W) of each picture."""
    return (ab.double() - other.double()).norm(dim=1).mean(dim=(1, 2))


def ab_spread(samples: Tensor) -> Tensor:
    """The mean distance between two colourings, over pixels and all pairs, of ab (K, N, 2, H, W)."""
    return pairwise(_checked(samples, channels=2), ab_distance)


def best_of(errors: Tensor) -> Tensor:
    """The smallest error of each picture, of errors (K, N).

    An oracle's, who knows the truth and picks: it falls with K for whatever varies, were it noise, so that it
    says something only beside the same of other noise (`shifted`).
    """
    if errors.ndim != 2 or len(errors) == 0 or not errors.isfinite().all():
        raise ValueError(f"found errors of shape {tuple(errors.shape)}; finite ones (K, N) are needed")
    return errors.double().min(dim=0).values


def explained(samples: Tensor) -> Tensor:
    """The share of a picture's colour variance that z decides, in [0, 1], of ab (K, N, 2, H, W).

    By the law of total variance, the variance over all pixels and colourings is the mean over pixels of that
    over colourings, plus that over pixels of the colourings' mean; the first over the whole is the share.
    Variances are of a and b together (summed), with a divisor of K, not K - 1, which makes the share of few
    colourings too small, by up to 1/K of it. 0 where the whole is 0 (a standard deviation below 0.001, which
    only rounding leaves): one colour that never changes.
    """
    samples = _checked(samples, channels=2)
    within = samples.var(dim=0, correction=0).sum(dim=1).mean(dim=(1, 2))
    total = samples.var(dim=(0, 3, 4), correction=0).sum(dim=1)
    return torch.where(total.sqrt() < 1e-3, 0.0, (within / total).clamp(0, 1))


def shifted(ab: Tensor, samples: Tensor, seed: int) -> Tensor:
    """One colouring (N, 2, H, W) of each picture, moved as a whole K times, as far as `samples` vary.

    Each picture and time has an offset of its own, one for all pixels, in a direction that the seed draws.
    Its length is the root of the samples' variance, of a and b together with a divisor of K - 1, averaged
    over pixels; so the mean square of both around their means is expected to be the same. Float64, in the
    shape of `samples`, (K, N, 2, H, W).
    """
    samples = _checked(samples, channels=2)
    if ab.shape != samples.shape[1:]:
        raise ValueError(f"found ab of shape {tuple(ab.shape)}; {tuple(samples.shape[1:])} is needed")
    length = samples.var(dim=0).sum(dim=1).mean(dim=(1, 2)).sqrt()
    angle = torch.rand(
        samples.shape[:2], dtype=torch.float64, generator=torch.Generator().manual_seed(seed)
    ) * (2 * math.pi)
    offsets = length.unsqueeze(-1) * torch.stack([angle.cos(), angle.sin()], dim=-1).to(length)
    return ab.double() + offsets[..., None, None]


def _checked(samples: Tensor, channels: int | None = None) -> Tensor:
    """The colourings in float64, after the checks that the module's docstring promises."""
    if not samples.is_floating_point():
        raise TypeError(
            f"found {samples.dtype} colourings, where differences wrap around: convert them first"
        )
    wanted = f"(K, N, {channels or 'C'}, H, W) with K of at least 2"
    if samples.ndim != 5 or len(samples) < 2 or channels not in (None, samples.shape[2]):
        raise ValueError(f"found colourings of shape {tuple(samples.shape)}; {wanted} is needed")
    if not samples.isfinite().all():
        raise ValueError("found values that are not finite (NaN or infinite) in a colouring")
    return samples.double()
