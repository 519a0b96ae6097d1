"""What sheets promise: every pixel of every picture where it belongs, on white, the same each time."""

import numpy as np
import pytest
import torch
from skimage.color import lab2rgb

from tintype.batch import Batch
from tintype.color import into_gamut, lab_to_rgb, to_uint8
from tintype.report import sheets

GAP = 4


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 200, (height, width, 3), dtype=np.uint8)


def batch(count: int = 3) -> Batch:
    """Stored records of colours that sRGB can show, another grey than their lightness."""
    rng = np.random.default_rng(0)
    records = rng.integers(115, 141, (count, 4, 10, 14), dtype=np.uint8)
    return Batch.of_records(records)


def test_a_grid_has_each_picture_in_its_cell_and_white_elsewhere():
    rows = [[picture(5, 7, 1), picture(9, 3, 2)], [picture(6, 4, 3)], [picture(2, 8, 4), picture(2, 2, 5)]]
    sheet = sheets.grid(rows)
    assert sheet.dtype == np.uint8 and sheet.shape == (9 + 6 + 2 + 4 * GAP, 8 + 3 + 3 * GAP, 3)
    lefts, tops = (GAP, GAP + 8 + GAP), (GAP, GAP + 9 + GAP, GAP + 9 + GAP + 6 + GAP)
    expected = np.full_like(sheet, 255)
    for row, top in zip(rows, tops, strict=True):
        for one, left in zip(row, lefts, strict=False):
            expected[top : top + one.shape[0], left : left + one.shape[1]] = one
    np.testing.assert_array_equal(sheet, expected)


def test_a_labelled_grid_is_the_grid_below_a_line_of_names():
    rows = [[picture(20, 60, 1), picture(20, 50, 2)], [picture(10, 40, 3), picture(30, 70, 4)]]
    sheet, grid = sheets.labelled(rows, ["grey", "cnn"]), sheets.grid(rows)
    assert sheet.dtype == np.uint8 and sheet.shape[1:] == grid.shape[1:]
    np.testing.assert_array_equal(sheet[-len(grid) :], grid)
    head = sheet[: -len(grid)]
    written = (head < 255).any(axis=(0, 2))
    first, second = written[GAP : GAP + 60], written[GAP + 60 + GAP :]
    assert first[:20].any() and second[:20].any(), "a name starts where its column does"
    assert not written[:GAP].any() and not written[GAP + 50 : GAP + 60 + GAP].any()
    np.testing.assert_array_equal(sheet, sheets.labelled(rows, ["grey", "cnn"]))
    swapped = sheets.labelled(rows, ["cnn", "grey"])
    assert (swapped[: len(head)] != head).any()


def test_a_name_wider_than_its_column_is_broken_after_hyphens():
    rows = [[picture(40, 60), picture(40, 60)]]
    sheet, head = (
        sheets.labelled(rows, ["ebgan-after-colours", "cnn"]),
        len(sheets.labelled(rows, ["a", "b"])),
    )
    assert len(sheet) == head + 2 * 18, "three lines instead of one"
    assert not (sheet[: len(sheet) - 48, GAP + 60 : GAP + 60 + GAP] < 255).any(), (
        "no name enters the next column"
    )


def test_samples_are_grey_predicted_and_true_in_three_rows():
    some = batch()
    ab = torch.full_like(some.ab, 90.0)  # more than sRGB can show
    sheet = sheets.samples(some, torch.cat([some.L, ab], dim=1))
    assert sheet.dtype == np.uint8 and sheet.shape == (3 * 10 + 4 * GAP, 3 * 14 + 4 * GAP, 3)
    cells = sheet[GAP:, GAP:].reshape(3, 10 + GAP, 3, 14 + GAP, 3)[:, :10, :, :14].swapaxes(1, 2)
    planes = {name: getattr(some, name).double().permute(0, 2, 3, 1).numpy() for name in ("input", "lab")}
    grey = lab2rgb(planes["input"] * [1, 0, 0])
    np.testing.assert_allclose(cells[0], grey * 255, atol=0.51)
    np.testing.assert_allclose(cells[2], lab2rgb(planes["lab"]) * 255, atol=0.51)
    predicted = lab_to_rgb(into_gamut(torch.cat([some.L, ab], dim=1)))
    np.testing.assert_array_equal(cells[1], to_uint8(predicted))
    np.testing.assert_array_equal(sheet, sheets.samples(some, torch.cat([some.L, ab], dim=1)))
    np.testing.assert_array_equal(
        sheets.samples(some, some.lab)[GAP + 14 : GAP + 24], sheet[-GAP - 10 : -GAP]
    )


@pytest.mark.parametrize(
    ("size", "fitted"),
    [((300, 200), (100, 67)), ((200, 300), (67, 100)), ((1000, 2), (100, 1)), ((100, 100), (100, 100))],
)
def test_fit_shrinks_to_the_longer_side_and_keeps_the_shape(size, fitted):
    shrunk = sheets.fit(np.full((*size, 3), (250, 130, 40), np.uint8), 100)
    assert shrunk.dtype == np.uint8 and shrunk.shape == (*fitted, 3)
    assert (shrunk == (250, 130, 40)).all()


def test_fit_leaves_small_pictures_as_they_are():
    small = picture(40, 99)
    np.testing.assert_array_equal(sheets.fit(small, 100), small)
