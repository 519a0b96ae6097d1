"""Clicks: squares of the true colours, nested, none beyond the edge, and none for some pictures."""

import itertools

import numpy as np
import pytest
import torch

from tintype import hints

SEEDS = np.arange(4)


def colours(count: int = 4, height: int = 16, width: int = 20) -> torch.Tensor:
    return torch.rand(count, 2, height, width, generator=torch.Generator().manual_seed(0)) * 100 - 50


def test_a_click_is_a_square_of_its_colour_and_nothing_else():
    planes = hints.at((8, 9), 3, 5, (12.0, -7.5))
    assert planes.shape == (1, 3, 8, 9)
    expected = torch.zeros(3, 8, 9)
    expected[:, 2:5, 4:7] = torch.tensor([12.0, -7.5, 1.0])[:, None, None]
    assert torch.equal(planes[0], expected)


@pytest.mark.parametrize(("row", "column", "pixels"), [(0, 0, 4), (0, 4, 6), (7, 8, 4), (3, 8, 6)])
def test_a_click_at_the_edge_ends_there(row, column, pixels):
    assert hints.at((8, 9), row, column, (1.0, 1.0))[0, 2].sum() == pixels


def test_a_drawn_click_has_the_mean_of_the_true_colours_below_it():
    ab = colours()
    planes = hints.points(ab, SEEDS, 1)
    for picture in range(4):
        inside = planes[picture, 2] > 0
        assert 4 <= inside.sum() <= hints.SIDE**2
        rows, columns = (inside.any(dim=axis) for axis in (1, 0))
        assert inside.sum() == rows.sum() * columns.sum(), "a rectangle"
        torch.testing.assert_close(planes[picture, :2, inside][:, 0], ab[picture, :, inside].mean(dim=1))
        assert not planes[picture, :, ~inside].any()


def test_the_first_clicks_are_the_same_however_many_follow():
    ab = colours()
    masks = [hints.points(ab, SEEDS, number)[:, 2] for number in range(6)]
    assert not masks[0].any()
    for fewer, more in itertools.pairwise(masks):
        assert ((more - fewer) >= 0).all() and (more.sum(dim=(1, 2)) >= fewer.sum(dim=(1, 2))).all()
    assert masks[-1].sum() > 4 * masks[1].sum() * 0.7


def test_a_picture_has_the_clicks_of_its_own_seed_and_number():
    ab = colours()
    together = hints.points(ab, SEEDS, np.array([0, 3, 1, 20]))
    for picture, number in enumerate([0, 3, 1, 20]):
        alone = hints.points(ab[picture : picture + 1], SEEDS[picture : picture + 1], number)
        assert torch.equal(together[picture : picture + 1], alone)
    assert not torch.equal(hints.points(ab, SEEDS, 3), hints.points(ab, SEEDS + 4, 3))


def test_while_training_a_share_has_none_and_the_others_from_one_to_most():
    seeds, ab = np.arange(400), torch.ones(1, 2, 64, 64).expand(400, -1, -1, -1)
    clicked = hints.drawn(ab, seeds, most=3, without=0.25)[:, 2].sum(dim=(1, 2))
    none = (clicked == 0).float().mean()
    assert 0.18 < none < 0.32
    assert clicked.max() <= 3 * hints.SIDE**2
    for low, high in ((1, 9), (10, 18), (19, 27)):  # one, two, three squares, mostly apart
        assert 0.15 < ((clicked >= low) & (clicked <= high)).float().mean() < 0.35


@pytest.mark.parametrize(("without", "some"), [(1.0, False), (0.0, True)])
def test_all_or_none_have_clicks_where_the_share_says_so(without, some):
    clicked = hints.drawn(colours(), SEEDS, most=2, without=without)[:, 2].flatten(1).any(dim=1)
    assert (clicked == some).all()
