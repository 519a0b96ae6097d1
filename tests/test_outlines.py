"""What line drawings promise: ink where lightness changes and nowhere else, at any size."""

import numpy as np
import pytest
from skimage import data, filters
from skimage.color import rgb2lab
from skimage.transform import resize

from tintype.outlines import METHODS, outlines


def step(dark: float, light: float, side: int = 64) -> np.ndarray:
    """Dark on the left half, light on the right."""
    L = np.full((side, side), dark, np.float32)
    L[:, side // 2 :] = light
    return L


def disc(side: int) -> np.ndarray:
    """A dark disc on a light ground, with a soft rim of the same share of the picture at any size."""
    y, x = (np.mgrid[:side, :side] + 0.5) / side - 0.5
    return (80 - 60 / (1 + np.exp((np.hypot(x, y) - 0.3) * 250))).astype(np.float32)


def photograph(side: int) -> np.ndarray:
    return resize(rgb2lab(data.astronaut())[..., 0], (side, side), anti_aliasing=True).astype(np.float32)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("lightness", [0, 3, 50, 100])
def test_an_area_of_one_lightness_stays_white_paper(method, lightness):
    drawing = outlines(np.full((40, 60), lightness, np.float32), method)
    assert drawing.dtype == np.float32 and drawing.shape == (40, 60)
    np.testing.assert_allclose(drawing, 100, atol=1e-4)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("side", [64, 128, 512])
def test_a_photograph_becomes_dark_lines_on_mostly_white_paper(method, side):
    L = photograph(side)
    before = L.copy()
    drawing = outlines(L, method)
    assert drawing.dtype == np.float32 and drawing.shape == L.shape
    assert drawing.min() < 1 and drawing.max() == 100
    assert 0.6 < (drawing > 90).mean() < 0.95
    np.testing.assert_array_equal(L, before)
    np.testing.assert_array_equal(drawing, outlines(L, method))


@pytest.mark.parametrize("method", METHODS)
def test_a_step_is_one_line_from_border_to_border(method):
    ink = outlines(step(30, 70), method) < 50
    columns = np.flatnonzero(ink.any(axis=0))
    assert ink[:, columns].all() and 1 <= len(columns) <= 3
    assert set(columns) <= {30, 31, 32, 33}


def test_xdog_draws_on_the_dark_side_of_an_edge():
    for L in (step(30, 70), step(70, 30)):
        assert (L[outlines(L, "xdog") < 99] == 30).all()


def test_xdog_is_equations_5_and_7_of_the_paper_on_white_paper():
    L = photograph(600)
    fine, coarse = (filters.gaussian(L.astype(np.float64) / 100, sigma, mode="nearest") for sigma in (2, 3.2))
    sharpened = 1 + 20 * (fine - coarse)
    expected = np.where(sharpened >= 0.75, 1, 1 + np.tanh(4 * (sharpened - 0.75)))
    np.testing.assert_allclose(outlines(L, "xdog"), 100 * expected, atol=0.05)


@pytest.mark.parametrize("side", [64, 150, 512])
def test_canny_takes_steps_above_a_share_of_black_to_white_at_any_size(side):
    assert (outlines(step(45, 57, side), "canny") == 100).all()
    assert (outlines(step(45, 75, side), "canny") < 50).any(axis=1).all()


@pytest.mark.parametrize("method", METHODS)
def test_a_drawing_has_as_much_ink_at_every_size(method):
    small, large = (100 - outlines(disc(side), method).mean() for side in (400, 800))
    assert small > 0.5 and small == pytest.approx(large, rel=0.1)


@pytest.mark.parametrize("method", METHODS)
def test_a_disc_is_a_ring(method):
    drawing = outlines(disc(200), method)
    y, x = (np.mgrid[:200, :200] + 0.5) / 200 - 0.5
    inked = np.hypot(x, y)[drawing < 50]
    assert len(inked) > 200 and abs(inked - 0.3).max() < 0.03


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("size", [(1, 1), (1, 90), (5, 3)])
def test_the_smallest_pictures_are_drawn_too(method, size):
    drawing = outlines(np.linspace(0, 100, size[0] * size[1], dtype=np.float32).reshape(size), method)
    assert drawing.shape == size and drawing.min() >= 0 and drawing.max() <= 100


def test_an_unknown_method_is_named_with_those_there_are():
    with pytest.raises(ValueError, match=r"'sobel'.*canny, xdog"):
        outlines(step(30, 70), "sobel")
