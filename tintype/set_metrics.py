"""Distances between two sets of pictures, from the features (N, D) that a network makes of them.

Work is done in float64, on the device of the features. Figures depend on the network, on how it resizes
pictures (`feature_networks.py`) and on the number of pictures, so all three belong beside them; they compare
with no others. All raise TypeError for features that are not floating-point, and ValueError for fewer than
two pictures in a set, for another shape, for two sets of another D, and for values that are not finite.
"""

from collections.abc import Hashable, Sequence

import torch
from scipy import special
from torch import Tensor

_ROWS = 1024  # of a kernel matrix that are there at a time


def frechet_distance(features: Tensor, truth_features: Tensor) -> float:
    """FID, >= 0, lower is better (Heusel et al. 2017, equation 6): that of Gaussians fitted to two sets.

    |m1 - m2|^2 + Tr(C1 + C2 - 2 (C1 C2)^(1/2)), with means m and unbiased covariances C. The sets need not
    have the same number of pictures.

    It is biased upwards, the more the fewer pictures there are (Binkowski et al. 2018, section 4), so only
    figures of equal numbers compare. There is no interval: drawing with replacement repeats pictures, which
    raises FID by itself, so that a bootstrap interval need not hold the figure; leaving pictures out raises
    it too. Where an interval is needed, `kernel_distance` has one.
    """
    x, y = _pair(features, truth_features)
    shift = (x.mean(dim=0) - y.mean(dim=0)).square().sum()
    # With C1 = A^T A and C2 = B^T B, the eigenvalues of C1 C2 are the squared singular values of A B^T. No
    # root of a matrix is taken, which fails for the singular ones that fewer pictures than features give.
    a, b = _factor(x), _factor(y)
    overlap = torch.linalg.svdvals(a @ b.T).sum()
    return max(0.0, (shift + a.square().sum() + b.square().sum() - 2 * overlap).item())


def kernel_distance(
    features: Tensor, truth_features: Tensor, groups: Sequence[Hashable] | None = None
) -> float:
    """KID, lower is better (Binkowski et al. 2018): squared MMD with k(x, y) = (x.y / D + 1)^3.

    The unbiased estimate, of all pictures at once: the mean of k over pairs of two of one set, plus that of
    the other, less twice the mean over pairs of one of each. Around 0 for two sets of one kind, hence below
    it about as often as above. Tables often have it times 1,000, or averaged over random subsets, which says
    the same less exactly.

    Without `groups` it is what others report, and unbiased for pictures drawn independently. Colourings and
    truths of the same photographs are not: a picture resembles its own truth, and tiles of one photograph
    each other, more than others do, which lowers or raises the figure by terms in 1 / N, and leaves a perfect
    colouring below 0. With `groups` (N,), naming the photograph that picture i of both sets belongs to, all
    pairs within one photograph are left out of the three means. That is unbiased for photographs drawn
    independently (with one picture each, Gretton et al. 2012, equation 4), and 0 for a perfect colouring.

    Raises ValueError where there are groups and their number is not that of the pictures of both sets, or
    they are all the same.
    """
    x, y = _pair(features, truth_features)
    if groups is None:
        alone = (torch.arange(len(one), device=one.device) for one in (x, y))
        own, truths = (_kernel(one, one, codes)[0].sum() for one, codes in zip((x, y), alone, strict=True))
        crossing = _kernel(x, y, None)[0].sum()
        m, n = len(x), len(y)
        return (own / (m * (m - 1)) + truths / (n * (n - 1)) - 2 * crossing / (m * n)).item()
    codes = _codes(x, y, groups, least=2)
    pairs = len(x) ** 2 - torch.bincount(codes).square().sum()
    return (_contrast(x, y, codes).sum() / 2 / pairs).item()


def kernel_distance_interval(
    features: Tensor, truth_features: Tensor, groups: Sequence[Hashable]
) -> tuple[float, float]:
    """A 95 % interval around `kernel_distance` with `groups`, from photographs left out one at a time.

    The jackknife for groups of unequal size (Busing, Meijer & van der Leeden 1999) gives the standard error;
    Student's t, with one degree of freedom less than there are photographs, how many of them the interval
    reaches to either side, for photographs may be few. It costs what the kernels cost, once.

    Raises ValueError as `kernel_distance` does, and for fewer than three photographs: one of them left out,
    there have to be two.
    """
    x, y = _pair(features, truth_features)
    codes = _codes(x, y, groups, least=3)
    size = torch.bincount(codes).double()
    of_group = torch.zeros_like(size).index_add(0, codes, _contrast(x, y, codes))
    total, pairs = of_group.sum() / 2, len(x) ** 2 - size.square().sum()
    whole = total / pairs
    without = (total - of_group) / (pairs - 2 * size * (len(x) - size))
    share = len(x) / size  # 1 / the share of the pictures that a photograph has
    centre = len(size) * whole - ((1 - 1 / share) * without).sum()
    pseudo = share * whole - (share - 1) * without
    error = ((pseudo - centre).square() / (share - 1)).mean().sqrt()
    reach = float(special.stdtrit(len(size) - 1, 0.975)) * error.item()
    return whole.item() - reach, whole.item() + reach


def _contrast(x: Tensor, y: Tensor, codes: Tensor) -> Tensor:
    """k(x, x') + k(y, y') - k(x, y') - k(y, x') (N,), summed over pairs of two groups that a picture is in.

    Each pair counts in either order, and for both of its pictures: the sum is twice that over ordered pairs.
    """
    own, truths, crossing = (_kernel(*pair, codes) for pair in ((x, x), (y, y), (x, y)))
    return sum(own) + sum(truths) - 2 * sum(crossing)


def _kernel(x: Tensor, y: Tensor, codes: Tensor | None) -> tuple[Tensor, Tensor]:
    """Sums of k(x, y) over columns and over rows, where pairs of the same code, if there are any, count 0."""
    columns, rows = x.new_zeros(len(y)), []
    for start in range(0, len(x), _ROWS):
        kernel = (x[start : start + _ROWS] @ y.T / x.shape[1] + 1) ** 3
        if codes is not None:
            kernel.masked_fill_(codes[start : start + _ROWS, None] == codes, 0)
        rows.append(kernel.sum(dim=1))
        columns += kernel.sum(dim=0)
    return torch.cat(rows), columns


def _codes(x: Tensor, y: Tensor, groups: Sequence[Hashable], least: int) -> Tensor:
    """The groups (N,) as numbers from 0."""
    if not len(x) == len(y) == len(groups):
        raise ValueError(f"found {len(x)} and {len(y)} pictures in {len(groups)} groups; one each is needed")
    names = {name: number for number, name in enumerate(dict.fromkeys(groups))}
    if len(names) < least:
        raise ValueError(f"found too few groups ({', '.join(map(str, names))}); at least {least} are needed")
    return torch.tensor([names[name] for name in groups], device=x.device)


def _factor(features: Tensor) -> Tensor:
    """A, of at most D rows, such that A^T A is the unbiased covariance (D, D)."""
    centred = (features - features.mean(dim=0)) / (len(features) - 1) ** 0.5
    return torch.linalg.qr(centred, mode="r").R if len(features) > features.shape[1] else centred


def _pair(features: Tensor, truth_features: Tensor) -> tuple[Tensor, Tensor]:
    for found in (features, truth_features):
        if not found.is_floating_point():
            raise TypeError(f"found {found.dtype} features; floating-point ones are needed")
        if found.ndim != 2 or found.shape[1] < 1:
            raise ValueError(f"found features of shape {tuple(found.shape)}; (N, D) is needed")
        if len(found) < 2:
            raise ValueError(f"found {len(found)} picture in a set; at least two are needed")
        if not found.isfinite().all():
            raise ValueError("found features that are not finite (NaN or infinite)")
    if features.shape[1] != truth_features.shape[1]:
        raise ValueError(
            f"found {features.shape[1]} and {truth_features.shape[1]} features; one network's are needed"
        )
    return features.double(), truth_features.double()
