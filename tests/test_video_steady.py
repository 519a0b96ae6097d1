"""Colours that do not flicker, that do not smear over a cut, and cuts that are found."""

import numpy as np
import pytest
import torch
from skimage import data

from tintype.color import lab_to_rgb
from tintype.video.steady import carried, is_cut, steadied
from tintype.video_metrics import color_consistency


def lightness(picture: np.ndarray, height: int = 96, width: int = 144) -> torch.Tensor:
    grey = torch.from_numpy(picture.astype(np.float32))
    grey = grey if grey.ndim == 2 else grey.mean(dim=2)
    return torch.nn.functional.interpolate(grey[None, None], (height, width), mode="area") * (100 / 255)


PICTURES = [
    lightness(getattr(data, name)()) for name in ("camera", "coins", "astronaut", "chelsea", "rocket")
]


def test_another_picture_is_a_cut():
    for i, first in enumerate(PICTURES):
        for second in PICTURES[:i]:
            assert is_cut(first, second) and is_cut(second, first)


@pytest.mark.parametrize("L", PICTURES)
def test_the_same_scene_is_none(L):
    grain = 4 * torch.randn(L.shape, generator=torch.Generator().manual_seed(0))
    assert not is_cut(L, L)
    assert not is_cut(L, (L + grain).clamp(0, 100))
    assert not is_cut(L, (1.15 * L).clamp(0, 100))  # the exposure flickers
    assert not is_cut(L[..., :140], L[..., 4:])  # a fast pan
    assert not is_cut(L, 0.8 * L)  # a fade


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (16, 16)])
def test_small_pictures_can_be_compared(size):
    black, white = torch.zeros(1, 1, *size), torch.full((1, 1, *size), 100.0)
    assert not is_cut(black, black)
    assert isinstance(is_cut(black, white), bool)


def flickering(number: int) -> list[torch.Tensor]:
    """Answers of a model that is of one mind on the whole, and changes it a little with each frame."""
    rng = np.random.default_rng(0)
    return [torch.tensor([25.0, 10.0]).reshape(1, 2, 1, 1) + float(rng.normal(0, 6)) for _ in range(number)]


def film(L: torch.Tensor, smoothing: float, number: int = 30) -> list[np.ndarray]:
    past, frames = None, []
    for ab in flickering(number):
        past = steadied(past, L, ab.expand(1, 2, *L.shape[2:]), smoothing)
        rgb = lab_to_rgb(torch.cat([L, past.ab], dim=1))[0].permute(1, 2, 0)
        frames.append((rgb * 255).round().byte().numpy())
    return frames


def test_smoothing_takes_flicker_away():
    L = PICTURES[2]
    flicker = [color_consistency(film(L, smoothing)) for smoothing in (0, 0.5, 0.9)]
    assert flicker[1] < 0.8 * flicker[0] and flicker[2] < 0.4 * flicker[0]


def test_what_stands_still_has_an_exponential_mean():
    L = torch.full((1, 1, 4, 4), 50.0)
    past = steadied(None, L, torch.full((1, 2, 4, 4), 10.0), 0.8)
    assert (past.ab == 10).all()  # the first frame is as it is
    assert torch.allclose(steadied(past, L, torch.full((1, 2, 4, 4), 20.0), 0.8).ab, torch.tensor(12.0))


def test_what_moved_has_its_own_colour_at_once():
    before, after = torch.full((1, 1, 8, 16), 30.0), torch.full((1, 1, 8, 16), 30.0)
    after[..., 8:] = 70
    past = steadied(None, before, torch.full((1, 2, 8, 16), 40.0), 0.9)
    ab = steadied(past, after, torch.full((1, 2, 8, 16), -40.0), 0.9).ab
    assert torch.allclose(ab[..., 10:], torch.tensor(-40.0))
    assert torch.allclose(ab[..., :6], torch.tensor(0.9 * 40 - 0.1 * 40))


def test_without_smoothing_every_frame_is_by_itself():
    L, ab = torch.full((1, 1, 4, 4), 50.0), torch.randn(1, 2, 4, 4)
    past = steadied(None, L, torch.zeros(1, 2, 4, 4), 0)
    assert steadied(past, L, ab, 0).ab is ab


def test_carried_colours_follow_the_lightness():
    key = torch.full((1, 1, 32, 64), 30.0)
    key[..., 32:] = 70
    ab = torch.where(key > 50, 20.0, -20.0).expand(1, 2, -1, -1)
    moved = key.roll(-2, dims=3)
    moved[..., -2:] = 70
    found = carried(key, ab, moved)
    expected = torch.where(moved > 50, 20.0, -20.0).expand(1, 2, -1, -1)
    away = torch.arange(64).sub(31).abs() > 2
    assert torch.allclose(found[..., away], expected[..., away], atol=1)
    assert (found * expected > 10 * 20).all()  # also where what is dark now was bright
