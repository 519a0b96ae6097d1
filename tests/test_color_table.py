"""What the colour table promises: for every colour the bytes that converting it would give."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from tintype import color_table
from tintype.color import lab_to_bytes, rgb_to_lab
from tintype.film import CONVERSIONS, grey_plane

FAST = ("lab", "luma601", "orthochromatic")  # of every kind one, for a table takes a second or two
SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in CONVERSIONS if name not in FAST]
SIDE = 256
RED, GREEN, BLUE = 3, 130, 250
# By scikit-image, of the greys that a conversion's share of red gives; orthochromatic film is blind to red.
LIGHTNESS_OF_RED = {"lab": 136, "luma601": 83, "luma709": 58, "average": 92, "red": 255}
LIGHTNESS_OF_RED |= {"green": 0, "blue": 0, "panchromatic": 146, "orthochromatic": 0}


@pytest.fixture(scope="module", params=[*FAST, *SLOW])
def written(request, tmp_path_factory) -> Iterator[tuple[str, Path]]:
    path = tmp_path_factory.mktemp("tables") / "table.npy"
    color_table.write(path, request.param)
    yield request.param, path
    path.unlink()  # 64 MB, which pytest would keep for days


@pytest.fixture
def numbered() -> np.ndarray:
    """A table whose four bytes for the colour r, g, b are r, g, b and r + g."""
    number = np.arange(2**24, dtype=np.uint32)
    return number | ((number + (number >> 8)) & 255) << 24


def converted(rgb: np.ndarray, conversion: str) -> np.ndarray:
    """The record of a picture, uint8 (H, W, 3), by converting each of its pixels."""
    picture = torch.from_numpy(rgb).permute(2, 0, 1)[None].contiguous() / 255
    grey = (grey_plane(picture, conversion) * 2.55).round().clamp(0, 255).to(torch.uint8)
    return torch.cat([grey, lab_to_bytes(rgb_to_lab(picture))], dim=1)[0].numpy()


def test_a_table_gives_every_colour_the_bytes_that_converting_it_gives(written):
    conversion, path = written
    colours = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    colours[0] = np.arange(256)[:, None]  # all greys
    for channel in range(3):
        colours[1 + channel] = 0
        colours[1 + channel, :, channel] = np.arange(256)
        colours[4 + channel] = 255
        colours[4 + channel, :, channel] = np.arange(256)
    record = color_table.planes(colours, color_table.read(path))
    np.testing.assert_array_equal(record, converted(colours, conversion))


def test_a_table_read_from_its_file_is_four_bytes_for_each_colour_and_mapped(written):
    _, path = written
    table = color_table.read(path)
    assert isinstance(table, np.memmap) and not table.flags.writeable
    assert (table.shape, table.dtype.str) == ((2**24,), "<u4")
    assert 4 * 2**24 <= path.stat().st_size < 4 * 2**24 + 1000


def test_white_black_and_red_have_the_lab_of_the_text_books(written):
    conversion, path = written
    colours = np.array([[[255, 255, 255], [0, 0, 0], [255, 0, 0]]], np.uint8)
    record = color_table.planes(colours, color_table.read(path))
    assert record[:, 0, 0].tolist() == [255, 255, 128, 128]
    assert record[:, 0, 1].tolist() == [0, 0, 128, 128]
    assert record[1:, 0, 2].tolist() == [136, 208, 195]
    assert record[0, 0, 2] == LIGHTNESS_OF_RED[conversion]


def test_planes_are_grey_then_L_then_a_then_b(numbered):
    colours = np.zeros((2, 3, 3), np.uint8)
    colours[1, 2] = RED, GREEN, BLUE
    record = color_table.planes(colours, numbered)
    assert record.shape == (4, 2, 3) and record.dtype == np.uint8
    assert record.flags.c_contiguous and record.flags.writeable
    assert record[:, 1, 2].tolist() == [RED, GREEN, BLUE, RED + GREEN]
    record[:, 1, 2] = 0
    assert not record.any()


@pytest.mark.parametrize(
    "view",
    [
        lambda rgb: rgb[::-1, ::-1],
        lambda rgb: rgb[..., ::-1],
        lambda rgb: rgb.transpose(1, 0, 2),
        lambda rgb: rgb[1::2, 2:-1:3],
        lambda rgb: np.asfortranarray(rgb),
        lambda rgb: np.broadcast_to(rgb[:1], rgb.shape),
        lambda rgb: rgb[:0],
    ],
    ids=["turned", "channels", "transposed", "strided", "fortran", "broadcast", "empty"],
)
def test_planes_of_a_view_are_those_of_its_copy(numbered, view):
    rgb = view(np.random.default_rng(1).integers(0, 256, (11, 16, 3), dtype=np.uint8))
    before = rgb.copy()
    record = color_table.planes(rgb, numbered)
    np.testing.assert_array_equal(record[:3], before.transpose(2, 0, 1))
    np.testing.assert_array_equal(record[3], before[..., 0] + before[..., 1])  # modulo 256
    np.testing.assert_array_equal(rgb, before)
