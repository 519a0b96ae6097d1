"""Where a photograph's border ends, and that a photograph without one is left whole."""

import numpy as np
import pytest
import torch
from pages import photograph
from torch import Tensor

from tintype import borders
from tintype.color import rgb_to_lab

HEIGHT, WIDTH = 120, 150
WHOLE = (slice(0, HEIGHT), slice(0, WIDTH))


def picture(seed: int = 0) -> Tensor:
    """A photograph's lightness, (1, 1, HEIGHT, WIDTH)."""
    rgb = torch.from_numpy(photograph(seed, HEIGHT, WIDTH) / 255).permute(2, 0, 1)
    return rgb_to_lab(rgb)[None, :1]


def framed(tone: float, top: int, bottom: int, left: int, right: int, grain: float = 1.0) -> Tensor:
    L = picture()
    paper = tone + grain * torch.randn(L.shape, generator=torch.Generator().manual_seed(0))
    inside = torch.zeros(HEIGHT, WIDTH, dtype=torch.bool)
    inside[top : HEIGHT - bottom, left : WIDTH - right] = True
    return torch.where(inside, L, paper).clamp(0, 100)


@pytest.mark.parametrize("tone", [97.0, 88.0, 75.0, 3.0, 14.0])
@pytest.mark.parametrize(
    "widths", [(6, 6, 6, 6), (5, 20, 7, 9), (3, 3, 0, 3), (0, 12, 8, 8), (9, 27, 12, 20)]
)
def test_a_border_on_several_sides_ends_where_the_picture_begins(tone, widths):
    top, bottom, left, right = widths
    found = borders.inside(framed(tone, *widths))
    assert found == (slice(top, HEIGHT - bottom), slice(left, WIDTH - right))


def test_a_caption_and_scratches_belong_to_the_border():
    L = framed(92.0, 8, 30, 8, 8)
    L[..., 100:108, 30:120:4] = 15.0  # letters
    L[..., :, 3] = torch.where(torch.arange(HEIGHT) % 5 == 0, 40.0, 92.0)
    assert borders.inside(L) == (slice(8, HEIGHT - 30), slice(8, WIDTH - 8))


def test_a_strip_below_is_a_caption_and_one_above_or_beside_is_none():
    assert borders.inside(framed(92.0, 0, 18, 0, 0)) == (slice(0, HEIGHT - 18), slice(0, WIDTH))
    for widths in [(18, 0, 0, 0), (0, 0, 18, 0), (0, 0, 0, 18), (18, 0, 18, 0)]:
        assert borders.inside(framed(92.0, *widths)) == WHOLE


def test_a_sky_without_clouds_is_no_border():
    L = picture()
    L[..., : HEIGHT // 4, :] = 90.0
    assert borders.inside(L) == WHOLE
    L[..., :, :10] = 90.0  # and a white wall at its side
    assert borders.inside(L) == WHOLE


@pytest.mark.parametrize("tone", [30.0, 50.0, 65.0])
def test_a_frame_of_a_middle_grey_is_part_of_the_picture(tone):
    assert borders.inside(framed(tone, 8, 8, 8, 8)) == WHOLE


@pytest.mark.parametrize("seed", range(5))
def test_a_photograph_without_a_border_is_left_whole(seed):
    assert borders.inside(picture(seed)) == WHOLE


@pytest.mark.parametrize("L", [0.0, 5.0, 50.0, 100.0])
@pytest.mark.parametrize("size", [(1, 1), (1, 500), (8, 8), (40, 60)])
def test_a_picture_of_one_tone_is_left_whole(L, size):
    assert borders.inside(torch.full((1, 1, *size), L)) == (slice(0, size[0]), slice(0, size[1]))


def test_a_bright_object_on_white_is_not_cut_to_nothing():
    L = torch.full((1, 1, HEIGHT, WIDTH), 96.0)
    L[..., 55:65, 70:80] = 20.0
    rows, columns = borders.inside(L)
    assert np.prod([len(range(*part.indices(size))) for part, size in ((rows, HEIGHT), (columns, WIDTH))]) > 0
    assert (rows, columns) == WHOLE
