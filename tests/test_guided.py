"""The guided filter: colours that follow the edges of the lightness, however small they were found."""

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from tintype.guided import coefficients, enlarged, stretched

RADIUS, EPSILON = 3, 20.0


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def test_planes_that_are_a_line_of_the_guide_are_found_again():
    guide = 100 * noise(2, 1, 20, 30)
    planes = torch.cat([0.5 * guide - 10, -0.2 * guide + 3], dim=1)
    slope, offset = coefficients(guide, planes, RADIUS, epsilon=1e-6)
    assert slope.shape == offset.shape == (2, 2, 20, 30)
    torch.testing.assert_close(slope * guide + offset, planes, atol=1e-3, rtol=0)


def test_against_the_papers_equations_pixel_by_pixel():
    guide, planes = 100 * noise(1, 1, 9, 12), 50 * noise(1, 2, 9, 12, seed=1)
    slope, offset = coefficients(guide, planes, 2, EPSILON)

    def window(x: np.ndarray, row: int, column: int) -> np.ndarray:
        return x[..., max(0, row - 2) : row + 3, max(0, column - 2) : column + 3]

    p, i = planes[0].double().numpy(), guide[0, 0].double().numpy()
    a, b = np.empty((2, 9, 12)), np.empty((2, 9, 12))
    for row in range(9):
        for column in range(12):
            seen, colours = window(i, row, column), window(p, row, column)
            covariance = (seen * colours).mean(axis=(1, 2)) - seen.mean() * colours.mean(axis=(1, 2))
            a[:, row, column] = covariance / (seen.var() + EPSILON)
            b[:, row, column] = colours.mean(axis=(1, 2)) - a[:, row, column] * seen.mean()
    for found, expected in ((slope, a), (offset, b)):
        means = [
            [window(expected, row, column).mean(axis=(1, 2)) for column in range(12)] for row in range(9)
        ]
        np.testing.assert_allclose(found[0], np.moveaxis(means, 2, 0), atol=1e-3)


def test_where_the_guide_is_flat_the_planes_are_only_smoothed():
    planes = noise(1, 2, 16, 16)
    slope, offset = coefficients(torch.full((1, 1, 16, 16), 70.0), planes, 1, EPSILON)
    assert slope.abs().max() < 1e-3
    mean = F.avg_pool2d(planes[..., 4:9, 4:9], 5).flatten()  # of a window of windows, weighted in the middle
    assert offset[0, :, 6, 6].sub(mean).abs().max() < 0.15
    assert offset.std() < planes.std() / 2


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (2, 3), (8, 8)])
def test_pictures_smaller_than_a_window_are_allowed(size):
    guide, planes = 100 * noise(1, 1, *size), noise(1, 2, *size)
    slope, offset = coefficients(guide, planes, 10, EPSILON)
    assert slope.shape == planes.shape and (slope * guide + offset).isfinite().all()


def test_a_guide_of_another_size_is_a_mistake_of_ours():
    with pytest.raises(ValueError, match="guide of"):
        coefficients(noise(1, 1, 8, 8), noise(1, 2, 8, 9), 1, 1.0)


@pytest.mark.parametrize(("small", "large"), [((5, 7), (23, 40)), ((1, 1), (9, 4)), ((6, 6), (6, 6))])
def test_stretching_is_bilinear_with_pixels_as_areas(small, large):
    plane = noise(1, 2, *small)
    expected = F.interpolate(plane, size=large, mode="bilinear", align_corners=False)
    torch.testing.assert_close(stretched(plane, large), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("rows", [1, 7, 16])
def test_strips_are_the_whole_bit_for_bit(rows):
    guide, small = 100 * noise(1, 1, 61, 83), 100 * noise(1, 1, 7, 9)
    line = coefficients(small, 50 * noise(1, 2, 7, 9, seed=2), 2, EPSILON)
    strips = [enlarged(line, guide[..., first : first + rows, :], first, 61) for first in range(0, 61, rows)]
    assert torch.equal(torch.cat(strips, dim=2), enlarged(line, guide))


@pytest.mark.parametrize("edge", [101.0, 107.0, 111.0])
def test_colours_do_not_bleed_over_an_edge_that_lies_between_small_pixels(edge):
    """Two tones, each of its colour; 8 x 8 pixels become a small one, and the edge is inside of some."""
    rows, columns = torch.meshgrid(torch.arange(200.0), torch.arange(240.0), indexing="ij")
    right = (columns + 0.3 * rows > edge + 30).float()[None, None]  # slanting
    L, truth = 40 + 35 * right, torch.cat([-20 + 60 * right, 30 - 70 * right], dim=1)
    small, colours = F.avg_pool2d(L, 8), F.avg_pool2d(truth, 8)
    guided = enlarged(coefficients(small, colours, RADIUS, EPSILON), L)
    bilinear = F.interpolate(colours, size=(200, 240), mode="bilinear", align_corners=False)
    near = (columns + 0.3 * rows - edge - 30).abs() < 12
    errors = [(ab - truth).norm(dim=1)[0][near].mean().item() for ab in (guided, bilinear)]
    assert errors[0] < 0.4 * errors[1], errors
    assert errors[1] > 5, "there is something to see"
