"""Chroma of films: closed forms, libswscale's own conversion, and what luma leaves room for."""

import av
import numpy as np
import pytest
import torch
from films import frame_of, plane

from tintype.color import lab_to_rgb, rgb_to_lab
from tintype.video import chroma
from tintype.video.levels import FULL, LIMITED, Levels, usual_matrix

ALL = [Levels(matrix, range) for matrix in (1, 6) for range in (LIMITED, FULL)]


def flat(rgb: tuple[float, float, float]) -> torch.Tensor:
    return torch.tensor(rgb).reshape(1, 3, 1, 1)


@pytest.mark.parametrize("levels", ALL)
def test_grey_has_the_lightness_that_it_has_as_srgb(levels):
    greys = torch.linspace(0, 1, 256)
    low, span = (0, 255) if levels.range == FULL else (16, 219)
    stored = (greys * span + low).round()
    L = levels.lightness(stored.to(torch.uint8))
    expected = rgb_to_lab(((stored - low) / span).expand(3, 1, -1))[0, 0]
    assert torch.allclose(L, expected, atol=0.01)


@pytest.mark.parametrize(
    ("levels", "red", "blue"),
    [  # the bytes of Cb and Cr that BT.601 and BT.709 give for colour bars
        (Levels(6, LIMITED), (90, 240), (240, 110)),
        (Levels(1, LIMITED), (102, 240), (240, 118)),
    ],
)
def test_red_and_blue_are_what_the_standards_say(levels, red, blue):
    for rgb, expected in (((1.0, 0.0, 0.0), red), ((0.0, 0.0, 1.0), blue)):
        assert tuple(levels.stored(levels.differences(flat(rgb))).flatten().tolist()) == expected


@pytest.mark.parametrize("levels", ALL)
def test_colours_are_those_that_players_show(levels):
    rgb = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    red, blue = (0.2126, 0.0722) if levels.matrix == 1 else (0.299, 0.114)
    luma = (rgb * torch.tensor([red, 1 - red - blue, blue])[:, None, None]).sum(dim=1)[0]
    low, span = (0, 255) if levels.range == FULL else (16, 219)
    frame = frame_of((luma * span + low).round().numpy().astype(np.uint8), "yuv444p")
    for number, values in enumerate(levels.stored(levels.differences(rgb))[0].numpy(), start=1):
        plane(frame, number)[:] = values
    frame.colorspace, frame.color_range = levels.matrix, levels.range
    shown = frame.to_ndarray(format="rgb24").astype(int)
    assert np.abs(shown - rgb[0].permute(1, 2, 0).numpy() * 255).max() <= 3


@pytest.mark.parametrize("levels", ALL)
def test_colours_lose_just_as_much_as_their_luma_has_no_room_for(levels):
    random = torch.Generator().manual_seed(1)
    luma = torch.rand(1, 1, 30, 30, generator=random)
    wanted = torch.rand(1, 2, 30, 30, generator=random) - 0.5
    held = levels.held(luma, wanted)
    share = held[:, :1] / wanted[:, :1]
    assert torch.allclose(held, wanted * share, atol=1e-5)  # the hue is the same
    red, blue = (0.2126, 0.0722) if levels.matrix == 1 else (0.299, 0.114)
    r, b = luma + 2 * (1 - red) * held[:, 1:], luma + 2 * (1 - blue) * held[:, :1]
    rgb = torch.cat([r, (luma - red * r - blue * b) / (1 - red - blue), b], dim=1)
    assert rgb.min() >= -1e-5 and rgb.max() <= 1 + 1e-5
    room = torch.minimum(rgb.amin(dim=1), 1 - rgb.amax(dim=1))
    assert (room[share[:, 0] < 0.999].abs() < 1e-5).all()  # no more than it has to
    assert (share > 0.999).any() and (share < 0.999).any()


def test_black_and_white_have_no_colour():
    levels = Levels(1, LIMITED)
    stored = levels.stored(
        levels.held(torch.tensor([0.0, 1.0]).reshape(1, 1, 1, 2), torch.full((1, 2, 1, 2), 0.2))
    )
    assert (stored == 128).all()


@pytest.mark.parametrize("levels", ALL)
def test_one_colour_on_one_grey_has_the_chroma_that_it_should(levels):
    small = torch.full((1, 1, 16, 32), 120, dtype=torch.uint8)
    ab = torch.tensor([20.0, -15.0]).reshape(1, 2, 1, 1).expand(1, 2, 16, 32)
    found = chroma.planes(small, ab, np.full((90, 170), 120, np.uint8), levels)
    rgb = lab_to_rgb(torch.cat([levels.lightness(small), ab], dim=1))
    expected = levels.stored(levels.differences(rgb))[0, :, 0, 0].numpy()
    assert found.shape == (2, 90, 170)
    assert np.abs(found.astype(int) - expected[:, None, None]).max() <= 1
    assert (np.abs(expected.astype(int) - 128) > 5).all()


def test_colours_end_where_the_luma_does():
    # Left dark and red, right bright and blue; the edge lies between two of the small pixels' centres.
    luma = np.full((160, 320), 80, np.uint8)
    luma[:, 167:] = 180
    levels = Levels(6, LIMITED)
    frame = av.VideoFrame.from_ndarray(luma, "gray").reformat(32, 16, interpolation="AREA")
    small = torch.from_numpy(plane(frame).copy())[None, None]
    ab = torch.zeros(1, 2, 16, 32)
    ab[:, 0, :, :16], ab[:, 1, :, 16:], ab[:, 1, :, 17:] = 30, -15, -30
    _, cr = chroma.planes(small, ab, luma, levels).astype(int)
    left, right = cr[80, 100], cr[80, 230]
    assert left - right > 15
    assert abs(cr[80, 164] - left) <= 0.25 * (left - right)
    assert abs(cr[80, 170] - right) <= 0.25 * (left - right)


@pytest.mark.parametrize(
    ("size", "small"),
    [((48, 64), (24, 32)), ((241, 321), (121, 161)), ((48, 64), (48, 32)), ((5, 7), (5, 7))],
)
def test_luma_at_the_size_of_chroma_is_a_mean(size, small):
    luma = np.random.default_rng(0).integers(0, 256, size, dtype=np.uint8)
    found = chroma.halved(luma, small)
    assert found.shape == small
    down, across = -(-size[0] // small[0]), -(-size[1] // small[1])
    assert found[1, 1] == round(luma[down : 2 * down, across : 2 * across].mean() + 1e-9)


def test_films_without_a_matrix_have_the_one_that_players_take():
    assert [usual_matrix(height) for height in (240, 480, 576, 720, 1080)] == [6, 6, 5, 1, 1]
