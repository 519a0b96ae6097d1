"""Sepia, toning and stains are no colours; a photograph in colour is."""

from pathlib import Path

import numpy as np
import pytest
from skimage import data

from tintype import scans, tints

PHOTOGRAPHS = Path(__file__).parents[2] / "shared/data/bw_photos"
COLOURS = {"astronaut": data.astronaut, "cat": data.chelsea, "coffee": data.coffee, "rocket": data.rocket}


def grey_of(picture: np.ndarray) -> np.ndarray:
    return (picture @ [0.2126, 0.7152, 0.0722]) / 255


def toned(grey: np.ndarray, exponents: tuple[float, float, float], seed: int = 0) -> np.ndarray:
    """A print of that tone with grain, scanned in colour: its greys to three powers."""
    grain = np.random.default_rng(seed).normal(0, 0.01, (*grey.shape, 3))
    return np.round((grey[..., None] ** exponents + grain).clip(0, 1) * 255).astype(np.uint8)


@pytest.mark.parametrize("name", COLOURS)
def test_photographs_have_colours(name):
    assert scans.has_colours(COLOURS[name]()) > tints.COLOURFUL


@pytest.mark.parametrize("name", COLOURS)
@pytest.mark.parametrize(
    "exponents", [(1, 1, 1), (0.75, 1, 1.4), (0.6, 1, 2.0), (1.2, 1, 0.8), (1, 1.1, 0.9)], ids=str
)
def test_sepia_and_other_tones_are_no_colours(name, exponents):
    assert scans.has_colours(toned(grey_of(COLOURS[name]()), exponents)) < tints.COLOURFUL


def test_grey_has_none_whatever_its_depth():
    grey = (65535 * grey_of(data.astronaut())).astype(np.uint16)
    assert scans.has_colours(grey) == 0
    assert scans.has_colours(np.repeat(grey[..., None], 3, axis=2)) < 0.5
    deep = data.astronaut().astype(np.uint16) * 257
    assert scans.has_colours(deep) == pytest.approx(scans.has_colours(data.astronaut()), rel=0.02)


def test_the_size_of_a_picture_makes_little_difference():
    picture = data.astronaut()
    large = picture.repeat(5, axis=0).repeat(5, axis=1)
    assert scans.has_colours(large) == pytest.approx(scans.has_colours(picture), rel=0.1)


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (8, 8), (3000, 2)])
def test_any_size_can_be_judged(size):
    grey = np.full((*size, 3), 90, np.uint8)
    assert scans.has_colours(grey) == 0


def test_the_measure_is_the_root_mean_square_about_the_mean_of_each_brightness():
    luma = np.array([10, 10, 200, 200])
    assert tints.off_tint(luma, np.array([100, 104, 50, 50])) == pytest.approx(np.sqrt((4 + 4 + 0 + 0) / 4))
    assert tints.off_tint(luma, np.array([7, 7, 90, 90]), np.array([1, 3, 5, 5])) == pytest.approx(0.5)


@pytest.mark.skipif(
    not PHOTOGRAPHS.is_dir(), reason="the folder of real black-and-white photographs is not here"
)
def test_hardly_any_real_black_and_white_photograph_is_taken_for_one_in_colour():
    found = [scans.has_colours(scans.samples(path)) for path in sorted(PHOTOGRAPHS.glob("*.jpg"))]
    assert len(found) > 50
    assert np.mean(np.array(found) > tints.COLOURFUL) < 0.1
