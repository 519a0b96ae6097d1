"""What a contact sheet promises: every conversion, effect and drawing in its place and under its name."""

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data
from skimage.color import lab2rgb

from tintype.ageing import EFFECTS, toned
from tintype.color import to_uint8
from tintype.film import CONVERSIONS, grey_plane
from tintype.outlines import METHODS, outlines
from tintype.report.film_sheet import film_sheet

GAP, WIDTH, CAPTION = 4, 224, 32


def photograph(height: int, width: int) -> np.ndarray:
    return np.asarray(Image.fromarray(data.astronaut()).resize((width, height)))


def cells(sheet: np.ndarray, height: int, width: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Pictures and captions of a sheet of pictures of one size, row by row."""
    tops = range(GAP, len(sheet) - 1, height + CAPTION + GAP)
    corners = [(top, left) for top in tops for left in range(GAP, sheet.shape[1], WIDTH + GAP)]
    margin = (WIDTH - width) // 2
    whole = [sheet[top : top + height + CAPTION, left : left + WIDTH] for top, left in corners]
    return [cell[:height, margin : margin + width] for cell in whole], [cell[height:] for cell in whole]


def planes(small: np.ndarray, conversion: str) -> torch.Tensor:
    return grey_plane(torch.from_numpy(small.astype(np.float32) / 255).permute(2, 0, 1)[None], conversion)


def shown(L: np.ndarray) -> np.ndarray:
    return lab2rgb(np.stack([L, np.zeros_like(L), np.zeros_like(L)], axis=-1).astype(np.float64)) * 255


def test_every_cell_shows_what_it_should():
    small = photograph(160, 120)
    pictures, _ = cells(film_sheet(small), 160, 120)
    assert len(pictures) == 1 + len(CONVERSIONS) + len(METHODS) + 2 * len(EFFECTS)
    np.testing.assert_array_equal(pictures[0], small)
    for cell, conversion in zip(pictures[1:], CONVERSIONS, strict=False):
        np.testing.assert_allclose(cell, shown(planes(small, conversion)[0, 0].numpy()), atol=0.6)
    for cell, method in zip(pictures[1 + len(CONVERSIONS) :], METHODS, strict=False):
        drawing = outlines(planes(small, "lab")[0, 0].numpy(), method)
        np.testing.assert_allclose(cell, shown(drawing), atol=0.6)
    L = planes(small, "panchromatic")
    aged = iter(pictures[-2 * len(EFFECTS) :])
    for strength in (0.5, 1.0):
        for (name, effect), cell in zip(EFFECTS.items(), aged, strict=False):
            if name == "toning":
                np.testing.assert_array_equal(cell, to_uint8(toned(L, strength))[0])
            else:
                expected = effect(L, strength, np.random.default_rng(0))[0, 0].numpy()
                np.testing.assert_allclose(cell, shown(expected), atol=0.6)


def test_every_cell_has_a_name_of_its_own_in_the_middle_under_it():
    _, captions = cells(film_sheet(photograph(160, 120)), 160, 120)
    assert len({caption.tobytes() for caption in captions}) == len(captions)
    for caption in captions:
        written = np.flatnonzero((caption < 128).any(axis=(0, 2)))
        assert 15 < np.ptp(written) < WIDTH - 20
        assert abs((written[0] + written[-1]) / 2 - WIDTH / 2) < 4
        rows = np.flatnonzero((caption < 128).any(axis=(1, 2)))
        assert rows[0] > 0 and rows[-1] < CAPTION - 1, "no letter is cut off"


@pytest.mark.parametrize(
    ("size", "fitted"), [((448, 300), (224, 150)), ((300, 900), (75, 224)), ((50, 40), (50, 40))]
)
def test_a_sheet_is_as_wide_for_every_photograph(size, fitted):
    rgb = photograph(*size)
    before = rgb.copy()
    sheet = film_sheet(rgb)
    assert sheet.dtype == np.uint8 and sheet.shape == (GAP + 4 * (fitted[0] + CAPTION + GAP), 1372, 3)
    np.testing.assert_array_equal(rgb, before)
    np.testing.assert_array_equal(sheet, film_sheet(rgb))


def test_a_photograph_of_hardly_any_pixels_has_a_sheet_too():
    for size in ((1, 1), (2, 700), (700, 2)):
        assert film_sheet(np.full((*size, 3), (200, 60, 30), np.uint8)).shape[1] == 1372
