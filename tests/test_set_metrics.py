"""What distances between sets of pictures promise: closed forms, brute force, torchmetrics and scipy."""

import numpy as np
import pytest
import torch
from scipy import linalg, stats
from torch import Tensor, nn
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.kid import KernelInceptionDistance

from tintype import set_metrics
from tintype.set_metrics import frechet_distance, kernel_distance, kernel_distance_interval


def drawn(number: int, size: int, seed: int, shift: float = 0.0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(number, size, generator=generator, dtype=torch.float64) + shift


def exactly(mean: list[float], covariance: np.ndarray, number: int, seed: int) -> Tensor:
    """Points (number, D) whose sample mean and unbiased sample covariance are these."""
    x = drawn(number, len(mean), seed).numpy()
    x -= x.mean(axis=0)
    white = x @ linalg.inv(linalg.cholesky(np.cov(x, rowvar=False)))
    return torch.from_numpy(white @ linalg.cholesky(covariance) + mean)


class Passed(nn.Module):
    """Features that are given as pictures, for torchmetrics."""

    num_features = 6

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1)


def test_one_set_has_no_distance_from_itself():
    for x in (drawn(50, 8, 0), drawn(8, 50, 0)):
        assert frechet_distance(x, x) == pytest.approx(0, abs=1e-10)
        assert frechet_distance(x, x[torch.randperm(len(x))]) == pytest.approx(0, abs=1e-10)
        assert frechet_distance(x, x) >= 0


@pytest.mark.parametrize(("number", "size"), [(40, 5), (5, 40)])
def test_a_shift_costs_its_square(number, size):
    x, shift = drawn(number, size, 1), torch.linspace(-1, 2, size, dtype=torch.float64)
    assert frechet_distance(x + shift, x) == pytest.approx(float(shift.square().sum()), rel=1e-10)
    # Twice as wide: Tr(4 C + C - 2 * 2 C) is Tr(C).
    centred = x - x.mean(dim=0)
    expected = float(centred.square().sum()) / (number - 1)
    assert frechet_distance(2 * centred, centred) == pytest.approx(expected, rel=1e-10)


def test_it_is_that_of_two_gaussians():
    # Diagonal covariances commute: |m1 - m2|^2 + sum of (s1 - s2)^2.
    x = exactly([1, 2, 3], np.diag([1.0, 4.0, 9.0]), 30, 2)
    y = exactly([1, 0, 4], np.diag([4.0, 4.0, 1.0]), 17, 3)
    assert frechet_distance(x, y) == pytest.approx((0 + 4 + 1) + (1 + 0 + 4), rel=1e-10)
    assert frechet_distance(y, x) == pytest.approx(frechet_distance(x, y), rel=1e-12)
    # [[2, 1], [1, 2]] and [[2, -1], [-1, 2]] have the product 3 I, of which the root has the trace 2 sqrt(3).
    x = exactly([0, 0], np.array([[2.0, 1.0], [1.0, 2.0]]), 30, 2)
    y = exactly([0, 0], np.array([[2.0, -1.0], [-1.0, 2.0]]), 30, 3)
    assert frechet_distance(x, y) == pytest.approx(8 - 4 * 3**0.5, rel=1e-10)


def test_scipys_root_of_the_product_agrees():
    x, y = drawn(60, 12, 4) @ drawn(12, 12, 5), drawn(45, 12, 6, 0.5) @ drawn(12, 12, 7)
    first, second = (np.cov(one, rowvar=False) for one in (x, y))
    root = linalg.sqrtm(first @ second).real
    expected = float((x.mean(dim=0) - y.mean(dim=0)).square().sum()) + np.trace(first + second - 2 * root)
    assert frechet_distance(x, y) == pytest.approx(expected, rel=1e-9)


def test_torchmetrics_agrees():
    x, y = drawn(40, 6, 8) * 2, drawn(33, 6, 9, 0.7)
    theirs = FrechetInceptionDistance(feature=Passed(), input_img_size=(1, 1, 6)).set_dtype(torch.float64)
    for features, real in ((x, False), (y, True)):
        theirs.update(features.view(-1, 1, 1, 6), real=real)
    assert frechet_distance(x, y) == pytest.approx(float(theirs.compute()), rel=1e-9)
    x = x[:33]
    theirs = KernelInceptionDistance(feature=Passed(), subsets=1, subset_size=33)
    for features, real in ((x, False), (y, True)):
        theirs.update(features.view(-1, 1, 1, 6), real=real)
    assert kernel_distance(x, y) == pytest.approx(float(theirs.compute()[0]), rel=1e-5)


def test_fewer_pictures_than_features_still_tell_more_from_less():
    y = drawn(20, 300, 10)
    figures = [frechet_distance(drawn(20, 300, 11) * width, y) for width in (1.0, 1.5, 3.0)]
    assert figures == sorted(figures) and np.isfinite(figures).all()


def by_hand(x: Tensor, y: Tensor) -> float:
    def k(a: Tensor, b: Tensor) -> float:
        return (float(a @ b) / x.shape[1] + 1) ** 3

    same = [np.mean([k(z[i], z[j]) for i in range(len(z)) for j in range(len(z)) if i != j]) for z in (x, y)]
    return sum(same) - 2 * np.mean([k(a, b) for a in x for b in y])


def test_the_kernel_distance_is_that_of_its_definition():
    x, y = drawn(7, 3, 12), drawn(5, 3, 13, 1.0)
    assert kernel_distance(x, y) == pytest.approx(by_hand(x, y), rel=1e-12)
    assert kernel_distance(y, x) == pytest.approx(kernel_distance(x, y), rel=1e-12)
    # Two numbers each, worked out: (8 + 8 - 2 (1 + 1 + 8 + 8) / 4) / 1 for 1 and 1 against 0 and 1.
    one, other = torch.tensor([[1.0], [1.0]]), torch.tensor([[0.0], [1.0]])
    assert kernel_distance(one, other) == pytest.approx(8 + 1 - 2 * (1 + 8 + 1 + 8) / 4)


def test_groups_leave_out_pairs_within_one_photograph():
    x, y, groups = drawn(7, 3, 12), drawn(7, 3, 13, 1.0), "aabcaab"
    apart = [(i, j) for i in range(7) for j in range(7) if groups[i] != groups[j]]

    def mean(first: Tensor, second: Tensor) -> float:
        return float(np.mean([(float(first[i] @ second[j]) / 3 + 1) ** 3 for i, j in apart]))

    expected = mean(x, x) + mean(y, y) - 2 * mean(x, y)
    assert kernel_distance(x, y, groups) == pytest.approx(expected, rel=1e-12)


def test_a_perfect_colouring_is_no_distance_away_where_groups_say_so():
    x = drawn(30, 4, 14)
    assert kernel_distance(x, x) < -0.1
    assert kernel_distance(x, x, range(30)) == pytest.approx(0, abs=1e-12)
    assert kernel_distance_interval(x, x, [i // 4 for i in range(30)]) == pytest.approx((0, 0), abs=1e-12)


def true_distance(shift: float, size: int = 1) -> float:
    """Of N(0, I) from N(shift, I) in D dimensions.

    With s = x.y / D: where both are centred, E (s + 1)^3 = 1 + 3 / D; where one is, 1 + 3 (shift^2 + 1) / D;
    where none is, a^3 + 3 a E v^2 + E v^3 for a = 1 + shift^2 and the v by which s + 1 differs from it.
    """
    a = 1 + shift**2
    none = a**3 + 3 * a * (2 * shift**2 + 1) / size + 6 * shift**2 / size**2
    return 1 + 3 / size + none - 2 * (1 + 3 * a / size)


def test_it_is_unbiased():
    for shift in (0.0, 0.5):
        figures = [kernel_distance(drawn(20, 1, 2 * s), drawn(30, 1, 2 * s + 1, shift)) for s in range(2000)]
        error = np.std(figures) / len(figures) ** 0.5
        assert abs(np.mean(figures) - true_distance(shift)) < 3 * error


PHOTOGRAPHS = [g for g in range(24) for _ in range(g % 3 + 1)]  # of one to three tiles


def alike(seed: int, shift: float) -> tuple[Tensor, Tensor]:
    """Tiles of 24 photographs, which have most in common, and colourings, which have most of their truths."""
    codes, number = torch.tensor(PHOTOGRAPHS), len(PHOTOGRAPHS)
    x, more = (
        0.8**0.5 * drawn(24, 20, 4 * seed + i)[codes] + 0.2**0.5 * drawn(number, 20, 4 * seed + i + 2)
        for i in range(2)
    )
    return x, 0.8**0.5 * x + 0.2**0.5 * more + shift


def test_with_groups_it_is_unbiased_for_tiles_and_their_truths():
    pairs = [alike(seed, 0.3) for seed in range(300)]
    figures = [kernel_distance(*pair, PHOTOGRAPHS) for pair in pairs]
    error = np.std(figures) / len(figures) ** 0.5
    assert abs(np.mean(figures) - true_distance(0.3, 20)) < 3 * error
    without = [kernel_distance(*pair) for pair in pairs]
    assert abs(np.mean(without) - true_distance(0.3, 20)) > 9 * error


def test_rows_of_the_kernel_are_taken_in_parts(monkeypatch):
    x, y, groups = drawn(23, 5, 15), drawn(23, 5, 16, 0.5), [i // 4 for i in range(23)]
    whole = kernel_distance(x, y), *kernel_distance_interval(x, y, groups)
    monkeypatch.setattr(set_metrics, "_ROWS", 7)
    assert (kernel_distance(x, y), *kernel_distance_interval(x, y, groups)) == pytest.approx(whole, rel=1e-9)


def leaving_out(x: Tensor, y: Tensor, groups: list) -> np.ndarray:
    """The distance without each group in turn."""
    kept = [[i for i, group in enumerate(groups) if group != name] for name in dict.fromkeys(groups)]
    return np.array([kernel_distance(x[one], y[one], [groups[i] for i in one]) for one in kept])


@pytest.mark.parametrize("sizes", [[1] * 9, [3, 3, 3], [1, 2, 6], [2, 4, 1, 1]])
def test_the_interval_is_that_of_leaving_out_each_group_in_turn(sizes):
    groups = [f"photograph {g}" for g, size in enumerate(sizes) for _ in range(size)]
    order = np.random.default_rng(0).permutation(len(groups))
    groups = [groups[i] for i in order]  # a photograph's tiles need not lie beside each other
    x, y = drawn(len(groups), 3, 17), drawn(len(groups), 3, 18, 0.8)
    whole, without = kernel_distance(x, y, groups), leaving_out(x, y, groups)
    share = len(groups) / np.array([groups.count(name) for name in dict.fromkeys(groups)])
    centre = len(sizes) * whole - ((1 - 1 / share) * without).sum()
    pseudo = share * whole - (share - 1) * without
    error = np.mean((pseudo - centre) ** 2 / (share - 1)) ** 0.5
    low, high = kernel_distance_interval(x, y, groups)
    assert (low + high) / 2 == pytest.approx(whole, rel=1e-9)
    reach = stats.t.ppf(0.975, len(sizes) - 1) * error
    assert (high - low) / 2 == pytest.approx(reach, rel=1e-9) and reach > 0


def test_groups_of_equal_size_give_the_textbooks_jackknife():
    x, y, groups = drawn(12, 2, 19), drawn(12, 2, 20, 1.0), [i % 4 for i in range(12)]
    without = leaving_out(x, y, groups)
    error = (3 / 4 * ((without - without.mean()) ** 2).sum()) ** 0.5
    low, high = kernel_distance_interval(x, y, groups)
    assert high - low == pytest.approx(2 * stats.t.ppf(0.975, 3) * error, rel=1e-9)


def test_nineteen_of_twenty_intervals_hold_the_true_distance():
    trials, true, held, tiles = 300, true_distance(0.3, 20), 0, 0
    for seed in range(trials):
        pair = alike(seed, 0.3)
        low, high = kernel_distance_interval(*pair, PHOTOGRAPHS)
        held += low <= true <= high
        low, high = kernel_distance_interval(*pair, range(len(PHOTOGRAPHS)))
        tiles += low <= true <= high
    assert 0.9 * trials < held < 0.99 * trials
    assert tiles < 0.8 * trials, "tiles taken for photographs promise too much"


@pytest.mark.parametrize("distance", [frechet_distance, kernel_distance])
def test_other_features_are_refused(distance):
    x = drawn(6, 4, 0)
    for other, problem in [
        (x[:1], "found 1 picture in a set; at least two"),
        (x[:, :3], "found 4 and 3 features"),
        (x[0], r"found features of shape \(4,\)"),
        (x * torch.inf, "not finite"),
    ]:
        with pytest.raises(ValueError, match=problem):
            distance(x, other)
    with pytest.raises(TypeError, match=r"found torch.int64 features"):
        distance(x, x.long())


def test_too_few_groups_are_refused():
    x, y = drawn(6, 4, 0), drawn(6, 4, 1)
    with pytest.raises(ValueError, match=r"found too few groups \(a\); at least 2"):
        kernel_distance(x, y, "aaaaaa")
    with pytest.raises(ValueError, match=r"found too few groups \(a, b\); at least 3"):
        kernel_distance_interval(x, y, "aabbab")
    for distance in (kernel_distance, kernel_distance_interval):
        with pytest.raises(ValueError, match="found 6 and 6 pictures in 5 groups"):
            distance(x, y, "aabbc")
        with pytest.raises(ValueError, match="found 5 and 6 pictures in 6 groups"):
            distance(x[:5], y, "aabbcc")
