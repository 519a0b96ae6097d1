"""The sheets of doubt and of clicks: every column where its name says, and the same each time."""

import math

import numpy as np
import pytest
import torch
from PIL import Image

from tintype import hints_response
from tintype.batch import Batch
from tintype.color import lab_to_rgb, to_uint8
from tintype.colorizer import Colorizer
from tintype.report import click_sheet, doubt_sheet
from tintype.store import Split

GAP = 4


@pytest.fixture
def regions(tmp_path, make_store) -> Split:
    """Two pictures, of four flat colours and of noise, of sizes that no network likes."""
    rng = np.random.default_rng(0)
    flat = rng.integers(100, 156, (4, 2, 2)).repeat(20, axis=1).repeat(25, axis=2).astype(np.uint8)
    make_store(tmp_path, "test", [flat, rng.integers(115, 141, (4, 36, 43), dtype=np.uint8)])
    return Split(tmp_path, "test")


@pytest.fixture
def model() -> Colorizer:
    torch.manual_seed(0)
    generator = {"head": "classes", "color_space": "lab", "backbone": "unet"}
    settings = {"width": 4, "depth": 3, "output_stride": 2}
    return Colorizer(generator | settings, {"grid": 20, "temperature": 0.38}).eval()


def cells(sheet: np.ndarray, row: int) -> list[np.ndarray]:
    """The pictures of one of the two rows, all of the first row's width or less."""
    heights, widths = (40, 36), (50, 43)
    top = sheet.shape[0] - GAP - 36 if row else sheet.shape[0] - 2 * GAP - 76
    lefts = range(GAP, sheet.shape[1] - GAP, 50 + GAP)
    return [sheet[top : top + heights[row], left : left + widths[row]] for left in lefts]


def doubt(regions: Split, model: Colorizer, threshold: float, seed: int = 0) -> np.ndarray:
    with torch.no_grad():
        return doubt_sheet.doubt_sheet(regions, model, 2, threshold, seed)


def test_doubt_is_shown_between_the_colouring_and_others(regions, model):
    with torch.no_grad():
        logits = [model.planes(Batch.read(regions, np.array([number]))) for number in (0, 1)]
    assert all(part.shape[1] == model.head.planes for part in logits)
    sheet = doubt(regions, model, threshold=0.0)
    for number in (0, 1):
        grey, coloured, heat, first, second, truth = cells(sheet, number)
        record = Batch.read(regions, np.array([number]))
        np.testing.assert_array_equal(truth, to_uint8(lab_to_rgb(record.lab))[0])
        assert np.ptp(grey, axis=2).max() <= 1 and np.ptp(coloured, axis=2).max() > 1
        assert np.ptp(heat, axis=2).max() > 50
        assert (first != coloured).any() and (first != second).any()
    assert np.array_equal(doubt(regions, model, 0.0), sheet)
    assert not np.array_equal(doubt(regions, model, 0.0, seed=1), sheet)


def test_where_nothing_is_doubtful_enough_all_colourings_are_one(regions, model):
    for number in (0, 1):
        _, coloured, _, first, second, _ = cells(doubt(regions, model, threshold=1.0), number)
        np.testing.assert_array_equal(first, second)
        assert np.abs(first.astype(int) - coloured).max() <= 1


def obedient(batch: Batch) -> torch.Tensor:
    """Grey, and the colour of clicks at the clicks."""
    ab = torch.zeros_like(batch.ab) if batch.hints is None else batch.hints[:, :2]
    return torch.cat([batch.L, ab], dim=1)


def test_a_sheet_of_clicks_has_each_column_where_its_name_says(regions):
    sheet = click_sheet.click_sheet(regions, obedient, seed=3)
    for number in (0, 1):
        grey, none, one, five, twenty, truth = cells(sheet, number)
        record = Batch.read(regions, np.array([number]))
        np.testing.assert_array_equal(truth, to_uint8(lab_to_rgb(record.lab))[0])
        assert np.ptp(grey, axis=2).max() <= 1 and np.ptp(none, axis=2).max() <= 1
        colourful = [(np.ptp(shown, axis=2) > 1).sum() for shown in (five, twenty)]
        assert 0 < colourful[0] <= 5 * 9 and colourful[0] < colourful[1] <= 20 * 9
        (click,) = hints_response.clicks(record, torch.zeros_like(record.ab), np.array([3 + number]))
        rows, columns = np.nonzero((one != none).any(axis=2))
        assert (math.hypot(rows.mean() - click.row, columns.mean() - click.column)) < 1
    assert np.array_equal(click_sheet.click_sheet(regions, obedient, 3), sheet)
    assert not np.array_equal(click_sheet.click_sheet(regions, obedient, 4), sheet)


@pytest.mark.parametrize("size", [(60, 80), (30, 40), (120, 160)])
def test_a_circle_is_around_the_click_whatever_the_pictures_scale(size):
    shown = np.full((*size, 3), 128, np.uint8)
    click = hints_response.Click(row=30, column=40, ab=(50.0, 0.0), labels=torch.zeros(60, 80), label=0)
    found = click_sheet.circled(shown, click, (60, 80))
    rows, columns = np.nonzero((found != shown).any(axis=2))
    assert rows.mean() / size[0] == pytest.approx(30.5 / 60, abs=0.02)
    assert columns.mean() / size[1] == pytest.approx(40.5 / 80, abs=0.02)
    assert np.ptp(rows) == np.ptp(columns) <= 12
    reddest = found[np.ptp(found, axis=2) > 60]
    assert len(reddest) and (reddest[:, 0] > reddest[:, 1]).all()
    assert (shown == 128).all() and Image.fromarray(found).size == size[::-1]
