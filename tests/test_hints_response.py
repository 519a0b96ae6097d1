"""What is measured of a click: its place, the colour that it asks for, and the spread, by values on paper."""

import math

import numpy as np
import pytest
import torch

from tintype.batch import Batch
from tintype.hints_response import (
    ASKED,
    MOST,
    around,
    central,
    clicked,
    clicks,
    counterfactual,
    innermost,
    spread,
    spreads,
)


def nine() -> torch.Tensor:
    """Labels (9, 12) of nine blocks of 3 x 4 pixels, in reading order."""
    return torch.arange(9).view(3, 3).repeat_interleave(3, dim=0).repeat_interleave(4, dim=1)


def test_the_central_region_is_the_one_in_the_middle():
    assert central(nine()) == 4
    assert central(nine()[:, :5]) == 3
    assert central(torch.zeros(4, 4, dtype=torch.int64)) == 0
    assert central(nine()[:3, :8] + 5) == 5, "the first of two that are as near; labels need not start at 0"


def test_innermost_is_farthest_from_the_border_and_from_the_pictures_edge():
    assert innermost(nine() == 4) == (4, 5)
    assert innermost(torch.ones(5, 7, dtype=torch.bool)) == (2, 2)
    ring = torch.ones(9, 9, dtype=torch.bool)
    ring[3:, 3:] = False
    row, column = innermost(ring)
    assert ring[row, column] and (row, column) == (1, 1)


def test_around_are_the_regions_that_share_a_side():
    found = around(nine(), 4)
    assert nine()[found].unique().tolist() == [1, 3, 5, 7]
    assert found.sum() == 4 * 12
    assert nine()[around(nine(), 0)].unique().tolist() == [1, 3]
    assert not around(torch.zeros(3, 3, dtype=torch.int64), 0).any()


@pytest.mark.parametrize("ab", [(0.0, 0.0), (3.0, -4.0), (-30.0, 20.0), (55.0, 10.0), (0.0, -99.0)])
def test_a_counterfactual_colour_is_as_far_as_asked_and_not_too_strong(ab):
    angles = set()
    for seed in range(200):
        colour = counterfactual(ab, seed)
        assert math.dist(ab, colour) == pytest.approx(ASKED)
        assert math.hypot(*colour) <= MOST + 1e-6
        assert colour == counterfactual(ab, seed)
        angles.add(round(math.degrees(math.atan2(colour[1] - ab[1], colour[0] - ab[0])) / 10))
    assert len(angles) > (30 if math.hypot(*ab) < MOST - ASKED else 1), "all directions that are allowed"


def test_the_directions_are_all_those_that_are_allowed():
    # At chroma 40, the allowed angle starts where the three sides 40, 40 and 60 close: cos = 1/8 from grey.
    angles = [math.atan2(b, a - 40) for a, b in (counterfactual((40.0, 0.0), seed) for seed in range(2000))]
    away = [abs(angle) for angle in angles]
    assert min(away) == pytest.approx(math.acos(1 / 8), abs=0.01) and max(away) > math.pi - 0.01


def test_a_colour_that_is_too_strong_is_moved_towards_grey():
    assert counterfactual((0.0, 110.0), 5) == pytest.approx((0, 70))
    a, b = counterfactual((-90.0, -90.0), 6)
    assert a == pytest.approx(b) and a > -90


def test_the_spread_is_the_part_of_the_change_along_what_was_asked():
    labels, asked = nine(), torch.tensor([0.0, 40.0])
    change = torch.zeros(2, 9, 12)
    change[:, labels == 4] = torch.tensor([17.0, 30.0])[:, None]  # 17 is across
    change[1, labels == 1] = 20
    change[1, labels == 0] = -8  # away from what was asked: beyond, that is no better
    found = spread(change, asked, labels, 4)
    assert found == pytest.approx({"inside": 75, "around": 50 / 4, "beyond": 20 / 4})


def test_the_spread_where_there_is_nothing_is_undefined():
    one = spread(torch.ones(2, 3, 3), torch.tensor([1.0, 0]), torch.zeros(3, 3, dtype=torch.int64), 0)
    assert one["inside"] == pytest.approx(100) and math.isnan(one["around"]) and math.isnan(one["beyond"])
    halves = (torch.arange(4) // 2).expand(3, 4)
    two = spread(torch.ones(2, 3, 4), torch.tensor([2.0, 0]), halves, 1)
    assert two["around"] == pytest.approx(50) and math.isnan(two["beyond"])


def batch(number: int = 3, height: int = 24, width: int = 36) -> Batch:
    """Pictures of four flat colours each."""
    corners = 60 * torch.rand(number, 3, 2, 2, generator=torch.Generator().manual_seed(0))
    lab = torch.nn.functional.interpolate(corners, size=(height, width))
    return Batch(lab[:, :1], lab[:, :1], lab[:, 1:])


def colouring(reach: int):
    """One that is grey but for clicks, whose colour it gives to all pixels up to so far away, in rows."""

    def colours(batch: Batch) -> torch.Tensor:
        ab = torch.zeros_like(batch.ab)
        for picture, planes in enumerate(() if batch.hints is None else batch.hints):
            rows, columns = planes[2].nonzero().T
            middle = planes[:2, rows[len(rows) // 2], columns[len(columns) // 2]]
            near = (torch.arange(planes.shape[1]) - rows.float().mean()).abs() <= reach
            ab[picture, :, near] = middle[:, None, None]
        return torch.cat([batch.L, ab], dim=1)

    return colours


def test_clicks_are_within_their_regions_and_ask_for_another_colour():
    pictures = batch()
    own = torch.full((3, 2, 24, 36), 10.0)
    found = clicks(pictures, own, np.array([5, 6, 7]))
    planes = clicked(pictures, found).hints
    for click, plane in zip(found, planes, strict=True):
        assert click.labels[click.row, click.column] == click.label == central(click.labels)
        assert math.dist(click.ab, (10, 10)) == pytest.approx(ASKED)
        assert plane[:, click.row, click.column].tolist() == pytest.approx([*click.ab, 1], rel=1e-6)
    assert len({click.ab for click in found}) == 3
    assert found[1].ab == clicks(pictures, own, np.array([9, 6, 9]))[1].ab


def test_a_click_that_changes_all_or_nothing_has_that_spread():
    everywhere, nowhere = (spreads(colouring(reach), batch(), np.arange(3)) for reach in (100, -1))
    assert list(everywhere) == ["inside", "around", "beyond"] and len(everywhere) == 3
    assert everywhere.to_numpy() == pytest.approx(100, abs=1e-3)
    assert (nowhere.to_numpy() == 0).all()


def test_a_click_that_changes_little_around_it_has_its_spread_there():
    found = spreads(colouring(reach=1), batch(), np.arange(3))
    assert (found["inside"] > found["around"]).all() and (found["around"] > found["beyond"]).all()
    assert (found["inside"] < 100).all()
