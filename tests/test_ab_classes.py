"""Colour classes by independent sampling of sRGB, and each equation by values worked out on paper."""

import math

import numpy as np
import pytest
import torch
from scipy.spatial import KDTree
from skimage.color import rgb2lab
from torch.nn import functional as F

from tintype.ab_classes import (
    annealed_mean,
    class_weights,
    cross_entropy,
    displayable_centres,
    look_up,
    prior,
    soft_encoding,
)


@pytest.fixture(scope="module")
def centres() -> torch.Tensor:
    return displayable_centres()


@pytest.fixture(scope="module")
def encoding(centres) -> tuple[torch.Tensor, torch.Tensor]:
    return soft_encoding(centres)


def classes_by_sampling(code_step: int, grid: int) -> set[tuple[int, int]]:
    """Grid points within 1.35 steps of the ab of an 8-bit colour, every `code_step`-th of each channel."""
    codes = np.arange(0, 256, code_step) / 255
    shown = [
        rgb2lab(np.stack(np.meshgrid(red, codes, codes, indexing="ij"), -1).reshape(-1, 3))[:, 1:]
        for red in codes
    ]
    axis = np.arange(-200 // grid * grid, 201, grid)
    points = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)
    distance, _ = KDTree(np.concatenate(shown)).query(points)
    return {(int(a), int(b)) for a, b in points[distance <= 1.35 * grid]}


def as_set(centres: torch.Tensor) -> set[tuple[int, int]]:
    return {(int(a), int(b)) for a, b in centres.tolist()}


def test_there_are_the_papers_313_classes(centres):
    assert centres.shape == (313, 2) and centres.dtype == torch.float32
    assert (centres % 10 == 0).all() and len(as_set(centres)) == 313


def test_the_classes_are_the_grid_points_near_displayable_colours(centres):
    assert as_set(centres) == classes_by_sampling(3, grid=10)


@pytest.mark.slow
def test_the_classes_are_the_grid_points_near_any_8_bit_colour(centres):
    assert as_set(centres) == classes_by_sampling(1, grid=10)


@pytest.mark.parametrize("grid", [5, 7, 20, 50])
def test_other_grids_leave_out_next_to_no_point_near_a_displayable_colour(grid):
    centres = displayable_centres(grid)
    inside = {point for point in classes_by_sampling(3, grid) if max(map(abs, point)) <= 127}
    assert len(inside - as_set(centres)) < 0.005 * len(inside) and (centres % grid == 0).all()


def test_soft_encoding_at_a_class_centre_is_the_one_on_paper(centres, encoding):
    # The class itself at distance 0, four neighbours at 10: exp(-100 / 50) = e^-2 each.
    classes, shares = encoding
    total = 1 + 4 * math.exp(-2)
    expected = torch.tensor([1, *[math.exp(-2)] * 4]) / total
    for a, b in [(0, 0), (20, -30), (-40, 40)]:
        nearest = centres[classes[a + 128, b + 128]]
        assert nearest[0].tolist() == [a, b]
        assert as_set(nearest[1:]) == {(a - 10, b), (a + 10, b), (a, b - 10), (a, b + 10)}
        torch.testing.assert_close(shares[a + 128, b + 128], expected)


def test_ties_between_classes_go_to_the_first_ones(centres, encoding):
    # ab (5, 0): two classes at distance 5, then four at sqrt(125) for three places.
    classes, shares = encoding
    nearest = centres[classes[133, 128]].tolist()
    assert nearest == [[0, 0], [10, 0], [0, -10], [0, 10], [10, -10]]
    near, far = math.exp(-25 / 50), math.exp(-125 / 50)
    expected = torch.tensor([near, near, far, far, far]) / (2 * near + 3 * far)
    torch.testing.assert_close(shares[133, 128], expected)


def test_soft_encoding_is_the_literal_one_everywhere(centres, encoding):
    classes, shares = encoding
    assert classes.shape == shares.shape == (256, 256, 5)
    assert classes.dtype == torch.int64 and shares.dtype == torch.float32
    torch.testing.assert_close(shares.sum(dim=-1), torch.ones(256, 256))
    points = centres.double().numpy()
    corners = [(0, 0), (0, 255), (255, 0), (255, 255)]
    for a, b in [*corners, *np.random.default_rng(0).integers(0, 256, (200, 2))]:
        distance = np.hypot(points[:, 0] - (a - 128), points[:, 1] - (b - 128))
        order = np.lexsort((np.arange(len(points)), distance.round(9)))[:5]
        weight = np.exp(-(distance[order] ** 2 - distance[order[0]] ** 2) / (2 * 5.0**2))
        assert classes[a, b].tolist() == order.tolist()
        np.testing.assert_allclose(shares[a, b], weight / weight.sum(), atol=1e-6)


def test_neighbours_and_sigma_shape_the_encoding():
    line = torch.tensor([[0.0, 0.0], [3.0, 0.0], [9.0, 0.0]])
    classes, shares = soft_encoding(line, neighbours=2, sigma=3.0)
    assert classes[128, 128].tolist() == [0, 1] and classes[128 + 8, 128].tolist() == [2, 1]
    expected = torch.tensor([1, math.exp(-0.5)]) / (1 + math.exp(-0.5))
    torch.testing.assert_close(shares[128, 128], expected)


def test_look_up_rounds_and_clamps():
    rows = torch.arange(256)
    table = torch.stack(torch.meshgrid(rows, rows, indexing="ij"), dim=-1)  # each entry is its own index
    ab = torch.tensor([[[[3.4, 3.6, 500.0, -128.4]], [[-7.6, 0.0, -500.0, 127.4]]]]).expand(2, 2, 1, 4)
    found = look_up(table, ab)
    assert found.shape == (2, 2, 1, 4)
    assert found[1, 0, 0].tolist() == [131, 132, 255, 0] and found[1, 1, 0].tolist() == [120, 128, 0, 255]


def histogram(pixels: dict[tuple[int, int], int]) -> torch.Tensor:
    counts = torch.zeros(256, 256, dtype=torch.int64)
    for (a, b), number in pixels.items():
        counts[a + 128, b + 128] = number
    return counts


def test_prior_of_one_value_is_a_gaussian_around_its_class(centres):
    smooth = prior(histogram({(2, -3): 7}), centres)
    kernel = torch.exp(
        -(centres.double() ** 2).sum(dim=1) / (2 * 5.0**2)
    )  # around (0, 0), the nearest to (2, -3)
    torch.testing.assert_close(smooth, kernel / kernel.sum())
    assert smooth.dtype == torch.float64 and smooth.sum().item() == pytest.approx(1)


def test_prior_spreads_each_class_without_loss():
    # Three quarters of the pixels at the end of a line of three classes, a quarter in its middle.
    line = torch.tensor([[0.0, 0.0], [10.0, 0.0], [20.0, 0.0]])
    near, far = math.exp(-100 / 50), math.exp(-400 / 50)
    end, middle = 0.75 / (1 + near + far), 0.25 / (1 + 2 * near)
    expected = [end + middle * near, end * near + middle, end * far + middle * near]
    smooth = prior(histogram({(-3, 90): 300, (9, 104): 100}), line)
    torch.testing.assert_close(smooth, torch.tensor(expected, dtype=torch.float64))


def test_class_weights_are_the_ones_on_paper():
    # 1 / (p / 2 + 1 / 6) = 12/5, 24/7, 24/7; divided by their mean under p, 102/35.
    probabilities = torch.tensor([0.5, 0.25, 0.25], dtype=torch.float64)
    weights = class_weights(probabilities, rebalance=0.5)
    torch.testing.assert_close(weights, torch.tensor([14 / 17, 20 / 17, 20 / 17]))
    torch.testing.assert_close(class_weights(probabilities, 0.0), torch.tensor([2 / 3, 4 / 3, 4 / 3]))
    torch.testing.assert_close(class_weights(probabilities, 1.0), torch.ones(3))


@pytest.mark.parametrize("rebalance", [0.0, 0.3, 0.5, 1.0])
def test_class_weights_average_to_one(rebalance):
    probabilities = torch.rand(313, generator=torch.Generator().manual_seed(0), dtype=torch.float64) ** 3
    probabilities /= probabilities.sum()
    weights = class_weights(probabilities, rebalance)
    assert weights.dtype == torch.float32 and (probabilities * weights).sum().item() == pytest.approx(
        1, abs=1e-6
    )
    rarest_first = weights[probabilities.argsort()]
    assert (rarest_first.diff() <= 1e-6).all()


@pytest.mark.parametrize("rebalance", [0.0, 0.5, 1.0])
def test_a_class_that_never_occurs_leaves_all_weights_finite(rebalance):
    weights = class_weights(torch.tensor([0.75, 0.25, 0.0], dtype=torch.float64), rebalance)
    assert weights.isfinite().all() and (weights > 0).all()


def pixel(*values: float) -> torch.Tensor:
    """One pixel (1, n, 1, 1)."""
    return torch.tensor(values)[None, :, None, None]


def test_cross_entropy_of_one_pixel_is_the_one_on_paper():
    # Logits log 3, 0, -inf are probabilities 3/4, 1/4, 0; the class without a share has no say.
    logits = pixel(math.log(3), 0.0, -1e9)
    classes, shares = pixel(1, 0), pixel(0.7, 0.3)
    loss = 0.7 * math.log(4) + 0.3 * math.log(4 / 3)
    assert cross_entropy(logits, classes, shares).item() == pytest.approx(loss)
    # The weight is the one of the nearest class, which is class 1 here, for the whole pixel.
    weights = torch.tensor([0.5, 2.0, 9.0])
    assert cross_entropy(logits, classes, shares, weights).item() == pytest.approx(2 * loss)


def test_cross_entropy_is_a_mean_over_the_pixels_of_each_picture_not_over_weights():
    logits = torch.zeros(2, 2, 1, 2)  # log 2 in every pixel
    classes, shares = torch.tensor([0, 0, 0, 1]).reshape(2, 1, 1, 2), torch.ones(2, 1, 1, 2)
    loss = cross_entropy(logits, classes, shares, torch.tensor([1.0, 5.0]))
    torch.testing.assert_close(loss, math.log(2) * torch.tensor([1.0, (1 + 5) / 2]))


def test_cross_entropy_of_one_class_is_torchs():
    logits = torch.randn(2, 7, 4, 5, generator=torch.Generator().manual_seed(0))
    target = torch.randint(7, (2, 4, 5), generator=torch.Generator().manual_seed(1))
    loss = cross_entropy(logits, target[:, None], torch.ones(2, 1, 4, 5))
    assert loss.shape == (2,)
    torch.testing.assert_close(loss, F.cross_entropy(logits, target, reduction="none").mean(dim=(1, 2)))


def test_the_gradient_of_cross_entropy_is_prediction_less_target():
    logits = torch.randn(2, 5, 3, 3, generator=torch.Generator().manual_seed(2)).requires_grad_()
    classes = torch.stack([torch.full((2, 3, 3), 4), torch.full((2, 3, 3), 1)], dim=1)
    shares = torch.tensor([0.8, 0.2])[None, :, None, None].expand(2, 2, 3, 3)
    weights = torch.tensor([1.0, 1.0, 1.0, 1.0, 3.0])
    cross_entropy(logits, classes, shares, weights).mean().backward()
    target = torch.tensor([0, 0.2, 0, 0, 0.8])[None, :, None, None]
    torch.testing.assert_close(logits.grad, 3 * (logits.detach().softmax(dim=1) - target) / 18)


def test_annealed_mean_of_two_classes_is_the_one_on_paper():
    # Equation 5: f_T(z) = exp(log(z) / T) / sum exp(log(z) / T), here for z = (0.8, 0.2) and T = 0.38.
    z, temperature = (0.8, 0.2), 0.38
    raised = [math.exp(math.log(share) / temperature) for share in z]
    first = raised[0] / sum(raised)
    assert first == pytest.approx(0.9746, abs=1e-4)
    two = torch.tensor([[10.0, -20.0], [-30.0, 40.0]])
    ab = annealed_mean(pixel(*map(math.log, z)) + 3.0, two, temperature)  # a constant changes no softmax
    assert ab.shape == (1, 2, 1, 1)
    expected = [10 * first - 30 * (1 - first), -20 * first + 40 * (1 - first)]
    torch.testing.assert_close(ab.flatten(), torch.tensor(expected), atol=1e-4, rtol=0)


def test_annealed_mean_goes_from_the_mean_to_the_mode(centres):
    logits = torch.randn(2, 313, 3, 4, generator=torch.Generator().manual_seed(3))
    mean = (logits.softmax(dim=1)[:, :, None] * centres[None, :, :, None, None]).sum(dim=1)
    torch.testing.assert_close(annealed_mean(logits, centres, 1.0), mean, atol=1e-3, rtol=1e-4)
    mode = centres[logits.argmax(dim=1)].movedim(-1, 1)
    torch.testing.assert_close(annealed_mean(logits, centres, 1e-4), mode, atol=1e-3, rtol=0)


def test_annealed_mean_passes_the_true_gradient():
    # d/dlogit_q of the mean is share_q (centre_q - mean) / T.
    points = torch.tensor([[10.0, 0.0], [0.0, 50.0], [-80.0, 20.0]])
    logits = pixel(0.3, -0.2, 0.1).requires_grad_()
    ab = annealed_mean(logits, points, 0.38)
    ab[0, 0].sum().backward()
    shares = torch.softmax(logits.detach().flatten() / 0.38, dim=0)
    expected = shares * (points[:, 0] - ab[0, 0].detach().flatten()) / 0.38
    torch.testing.assert_close(logits.grad.flatten(), expected, atol=1e-4, rtol=1e-4)
