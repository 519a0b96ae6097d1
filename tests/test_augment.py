"""What augmentation promises: the changes asked for and no others, never a pixel from a held-out region."""

import numpy as np
import pytest
import torch

from tintype.augment import changed_tile, flipped, masked
from tintype.tiling import Box

SAME = {"flip": False, "scale": (1.0, 1.0), "rotation": 0.0, "exposure": 0.0}
ALL = {"flip": True, "scale": (0.7, 1.4), "rotation": 10.0, "exposure": 0.15}
TILE = Box(96, 80, 128, 112)

# Red tells the column and green the row, so that a tile shows where each of its pixels comes from.
PLACES = np.zeros((200, 240, 3), np.uint8)
PLACES[..., 0], PLACES[..., 1] = np.arange(240), np.arange(200)[:, None]


def changed(picture: np.ndarray, seed: int, tile: Box = TILE, away: tuple[Box, ...] = (), **settings):
    return changed_tile(picture, tile, list(away), np.random.default_rng(seed), **(SAME | settings))


def slopes(tile: np.ndarray) -> np.ndarray:
    """How red and green grow (rows) along x and y (columns) of a tile cut from PLACES: its linear map."""
    y, x = np.mgrid[: tile.shape[0], : tile.shape[1]]
    known = np.stack([x.ravel(), y.ravel(), np.ones(x.size)], axis=1)
    return np.linalg.lstsq(known, tile[..., :2].reshape(-1, 2).astype(float), rcond=None)[0][:2].T


def test_with_nothing_to_change_a_copy_is_the_picture_moved_by_up_to_half_a_tile():
    corners = set()
    for seed in range(60):
        tile = changed(PLACES, seed)
        left, top = tile[0, 0, :2].tolist()
        np.testing.assert_array_equal(tile, PLACES[top : top + 32, left : left + 32])
        corners.add((left, top))
    corners = np.array(sorted(corners))
    assert len(corners) > 50
    assert np.abs(corners - [TILE.left, TILE.top]).max() == 16


@pytest.mark.parametrize("settings", [SAME, ALL])
def test_the_generator_alone_decides(settings):
    first, again, other = (changed(PLACES, seed, **settings) for seed in (3, 3, 4))
    assert first.dtype == np.uint8 and first.shape == (32, 32, 3)
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_about_half_of_the_copies_are_mirrored_and_otherwise_unchanged():
    mirrored = 0
    for seed in range(100):
        tile = changed(PLACES, seed, flip=True)
        turned = tile[0, 0, 0] > tile[0, 1, 0]
        tile = tile[:, ::-1] if turned else tile
        left, top = tile[0, 0, :2].tolist()
        np.testing.assert_array_equal(tile, PLACES[top : top + 32, left : left + 32])
        mirrored += turned
    assert 35 <= mirrored <= 65


def test_scale_is_spread_evenly_in_its_logarithm():
    scales = [np.linalg.det(slopes(changed(PLACES, seed, scale=(0.5, 2.0)))) ** 0.5 for seed in range(200)]
    logs = np.log2(scales)
    assert -1.03 < logs.min() < -0.95 and 0.95 < logs.max() < 1.03
    np.testing.assert_allclose(np.percentile(logs, [25, 50, 75]), [-0.5, 0, 0.5], atol=0.2)


def test_rotation_turns_both_ways_up_to_its_limit_and_keeps_the_scale():
    angles = []
    for seed in range(100):
        (xx, xy), (yx, yy) = slopes(changed(PLACES, seed, rotation=20.0))
        angles.append(np.degrees(np.arctan2(xy - yx, xx + yy)))
        np.testing.assert_allclose([np.hypot(xx, yx), np.hypot(xy, yy)], 1, atol=0.02)
    assert -20.5 < min(angles) < -18 and 18 < max(angles) < 20.5
    assert abs(np.mean(angles)) < 4


def test_exposure_multiplies_light():
    def light(value):
        value = np.asarray(value) / 255
        return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)

    stops = []
    for seed in range(80):
        tile = changed(np.full((64, 64, 3), (60, 120, 160), np.uint8), seed, Box(0, 0, 32, 32), exposure=0.5)
        assert np.ptp(tile, axis=(0, 1)).max() == 0
        gains = np.log2(light(tile[0, 0]) / light([60, 120, 160]))
        assert np.ptp(gains) < 0.06, "one gain for all channels, up to rounding"
        stops.append(gains[2])
    assert -0.52 < min(stops) < -0.42 and 0.42 < max(stops) < 0.52
    black_and_white = np.zeros((64, 64, 3), np.uint8)
    black_and_white[:, 32:] = 255
    brighter = [changed(black_and_white, seed, Box(16, 16, 48, 48), exposure=1.0) for seed in range(20)]
    assert all(tile.min() == 0 for tile in brighter) and max(tile.max() for tile in brighter) == 255


@pytest.mark.parametrize("scale", [(0.25, 0.25), (0.7, 1.4), (4.0, 4.0)])
@pytest.mark.parametrize("rotation", [0.0, 10.0, 45.0])
def test_a_picture_of_one_colour_stays_that_colour(scale, rotation):
    # Whatever comes from outside the picture, such as the black corners of a turned square, would show.
    picture = np.full((200, 240, 3), (250, 130, 40), np.uint8)
    for seed in range(25):
        for tile in (TILE, Box(0, 0, 32, 32), Box(208, 168, 240, 200)):
            copy = changed(picture, seed, tile, flip=True, scale=scale, rotation=rotation)
            assert (copy == (250, 130, 40)).all()


@pytest.mark.parametrize("seed", range(40))
def test_no_pixel_comes_from_a_box_that_is_kept_away(seed):
    rng = np.random.default_rng(seed)
    width, height = rng.integers(32, 160, 2).tolist()
    left, top = (int(rng.integers(0, room - 31)) for room in (width, height))
    tile, away = Box(left, top, left + 32, top + 32), []
    while len(away) < 40:
        x, y = rng.integers(-20, [width, height]).tolist()
        box = Box(x, y, x + int(rng.integers(1, 60)), y + int(rng.integers(1, 60)))
        if not box.touches(tile):
            away.append(box)
    settings = {"flip": True, "scale": (0.5, 2.0), "rotation": 45.0, "exposure": 0.5}
    for copy in range(10):
        some = tuple(away[: 3 * copy])  # few, so that copies leave their tile; many, so that they can't
        picture = np.zeros((height, width, 3), np.uint8)
        for box in some:
            picture[max(box.top, 0) : max(box.bottom, 0), max(box.left, 0) : max(box.right, 0)] = (255, 0, 0)
        assert not changed(picture, 100 * seed + copy, tile, some, **settings).any()


def test_where_everything_around_is_kept_away_a_copy_stays_inside_its_tile():
    frame = (Box(0, 0, 240, 80), Box(0, 112, 240, 200), Box(0, 0, 96, 200), Box(128, 0, 240, 200))
    copies = [changed(PLACES, seed, TILE, frame, scale=(1.0, 2.0), rotation=10.0) for seed in range(40)]
    places = np.stack(copies)[..., :2]
    assert places[..., 0].min() >= 96 and places[..., 0].max() <= 127
    assert places[..., 1].min() >= 80 and places[..., 1].max() <= 111


def test_a_tile_as_large_as_its_picture_can_be_changed():
    picture = np.full((32, 32, 3), 77, np.uint8)
    assert (changed(picture, 0, Box(0, 0, 32, 32), scale=(0.7, 1.4), rotation=10.0) == 77).all()


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_the_marked_pictures_of_a_batch_are_mirrored_and_no_others(dtype):
    pictures = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (4, 3, 5, 6))).to(dtype)
    before = pictures.clone()
    found = flipped(pictures, np.array([True, False, False, True]), -1)
    assert found.dtype == dtype and torch.equal(pictures, before)
    assert torch.equal(found[1:3], before[1:3])
    np.testing.assert_array_equal(found[[0, 3]], before.numpy()[[0, 3], ..., ::-1])


# Masks


def planes(number: int, height: int, width: int) -> torch.Tensor:
    """Lightness that is never mid-grey."""
    values = torch.rand(number, 1, height, width, generator=torch.Generator().manual_seed(0))
    return 60 + 40 * values


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_about_the_share_asked_for_is_hidden_behind_mid_grey_in_squares(share):
    input = planes(60, 64, 32)
    before = input.clone()
    found = masked(input, share, np.arange(60))
    hidden = found != before
    assert torch.equal(input, before), "a new tensor"
    assert (found[hidden] == 50).all()
    squares = hidden.unflatten(3, (8, 4)).unflatten(2, (8, 8)).float().mean(dim=(3, 5))
    assert set(squares.unique().tolist()) == {0.0, 1.0}, "wholly hidden or not at all, 8 a side"
    assert squares.mean().item() == pytest.approx(share, abs=0.03)
    # Any of them may be: each is hidden in about that share of the pictures.
    assert (squares.mean(dim=0) - share).abs().max() < 0.3


def test_a_pictures_seed_alone_decides_what_is_hidden():
    input, seeds = planes(5, 32, 32), np.array([7, 1, 7, 2**62, 3])
    hidden = masked(input, 0.5, seeds) == 50
    assert torch.equal(hidden[0], hidden[2])
    assert len({mask.numpy().tobytes() for mask in hidden}) == 4
    assert torch.equal(masked(input[3:], 0.5, seeds[3:]) == 50, hidden[3:])
    assert torch.equal(masked(planes(5, 64, 64), 0.5, seeds)[..., ::2, ::2] == 50, hidden)


def test_with_nothing_to_hide_the_input_stays_what_it_is():
    input = planes(2, 16, 16)
    assert masked(input, 0.0, np.arange(2)) is input
