"""What dividing photographs promises: regions that never meet, fair shares, tiles that stay inside."""

import numpy as np
import pytest

from tintype.tiling import Box, held_out, tiles


def sizes(count: int) -> list[tuple[int, int, int, int]]:
    """Random (width, height, cell, seed), of at least three cells."""
    rng = np.random.default_rng(0)
    drawn = []
    while len(drawn) < count:
        width, height, cell = rng.integers([40, 40, 16], [400, 400, 90]).tolist()
        if max(width // cell, 1) * max(height // cell, 1) >= 3:
            drawn.append((width, height, cell, len(drawn)))
    return drawn


def test_a_box_cuts_grows_and_touches_as_its_pixels_do():
    picture = np.arange(20 * 30 * 3).reshape(20, 30, 3)
    box = Box(4, 3, 10, 8)
    assert (box.width, box.height) == (6, 5)
    np.testing.assert_array_equal(box.cut(picture), picture[3:8, 4:10])
    assert box.cut(picture).base is not None, "a view, no copy"
    assert box.grown(2) == Box(2, 1, 12, 10) and box.grown(0) == box
    rng = np.random.default_rng(1)
    for _ in range(500):
        masks, boxes = np.zeros((2, 20, 30), bool), []
        for mask in masks:
            left, top = rng.integers([0, 0], [24, 14])
            right, bottom = rng.integers([left + 1, top + 1], [31, 21])
            boxes.append(Box(left, top, right, bottom))
            boxes[-1].cut(mask)[:] = True
        assert boxes[0].touches(boxes[1]) == boxes[1].touches(boxes[0]) == masks.all(axis=0).any()


@pytest.mark.parametrize(("width", "height", "cell", "seed"), sizes(60))
def test_held_out_regions_are_apart_inside_and_no_smaller_than_a_cell(width, height, cell, seed):
    out = held_out(width, height, cell, 0.12, 0.2, np.random.default_rng(seed))
    covered = np.zeros((height, width), int)
    for box in out["val"] + out["test"]:
        assert min(box.left, box.top) >= 0 and box.right <= width and box.bottom <= height
        assert box.width >= min(cell, width) and box.height >= min(cell, height)
        box.cut(covered)[:] += 1
    assert covered.max() == 1


@pytest.mark.parametrize(("width", "height", "cell", "seed"), sizes(20))
@pytest.mark.parametrize(("val", "test"), [(0.12, 0.2), (0.3, 0.3), (0.01, 0.01)])
def test_the_shares_of_cells_are_kept(width, height, cell, seed, val, test):
    cells = max(width // cell, 1) * max(height // cell, 1)
    out = held_out(width, height, cell, val, test, np.random.default_rng(seed))
    assert len(out["val"]) == max(1, round(val * cells))
    assert len(out["test"]) == max(1, round(test * cells))


@pytest.mark.parametrize(("val", "test"), [(0.05, 0.9), (0.9, 0.05), (0.4, 0.5)])
@pytest.mark.parametrize("cells", [3, 4, 5])
def test_large_shares_still_leave_a_cell_for_each_split(val, test, cells):
    out = held_out(100 * cells, 100, 100, val, test, np.random.default_rng(0))
    assert out["val"] and out["test"]
    assert len(out["val"]) + len(out["test"]) < cells, "nothing is left for training"


@pytest.mark.parametrize(("width", "height"), [(50, 50), (199, 199), (299, 150), (150, 299), (299, 99)])
def test_fewer_than_three_cells_hold_nothing_out(width, height):
    assert held_out(width, height, 100, 0.2, 0.2, np.random.default_rng(0)) == {"val": [], "test": []}


def test_the_generator_alone_decides_and_every_cell_has_the_same_chance():
    drawn = [held_out(400, 500, 100, 0.1, 0.2, np.random.default_rng(seed)) for seed in range(1000)]
    assert drawn[7] == held_out(400, 500, 100, 0.1, 0.2, np.random.default_rng(7))
    for split, share in (("val", 0.1), ("test", 0.2)):
        boxes = [box for out in drawn for box in out[split]]
        counts = [boxes.count(box) for box in set(boxes)]
        assert len(counts) == 20
        # Five standard deviations of a binomial count.
        spread = 5 * np.sqrt(1000 * share * (1 - share))
        np.testing.assert_allclose(counts, 1000 * share, atol=spread)


def test_tiles_stand_a_stride_apart_row_by_row():
    assert list(tiles(Box(5, 7, 30, 23), size=10, stride=5)) == [
        Box(left, top, left + 10, top + 10) for top in (7, 12) for left in (5, 10, 15, 20)
    ]
    assert list(tiles(Box(5, 7, 15, 17), 10, 3)) == [Box(5, 7, 15, 17)]
    assert list(tiles(Box(0, 0, 9, 100), 10, 5)) == []


def test_tiles_a_size_apart_never_share_a_pixel_and_leave_less_than_a_tile():
    region = Box(11, 3, 110, 77)
    covered = np.zeros((100, 120), int)
    for tile in tiles(region, 16, 16):
        tile.cut(covered)[:] += 1
    assert covered.max() == 1 and covered.sum() == (99 // 16) * (74 // 16) * 16**2
    assert region.cut(covered).sum() == covered.sum()
