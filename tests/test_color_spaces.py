"""Colour spaces: what a generator may answer in, scaled alike, and ab in the end."""

import numpy as np
import pytest
import torch
from skimage import color as reference
from torch import Tensor

from tintype.color_spaces import SPACES


@pytest.fixture(scope="module")
def displayable() -> tuple[np.ndarray, Tensor, Tensor]:
    """Colours from all over the RGB cube (68, 68, 3), and their L and ab as scikit-image has them."""
    steps = np.linspace(0, 1, 17)
    rgb = np.stack(np.meshgrid(steps, steps, steps[::-1]), axis=-1).reshape(-1, 17**2, 3)
    lab = torch.from_numpy(reference.rgb2lab(rgb)).float().movedim(-1, 0)[None]
    return rgb, lab[:, :1], lab[:, 1:]


@pytest.mark.parametrize(("name", "channels"), [("lab", 2), ("rgb", 3), ("lightness", 1)])
def test_true_colours_are_about_from_minus_1_to_1(displayable, name, channels):
    _, L, ab = displayable
    scaled = SPACES[name].scaled(L, ab)
    assert scaled.shape == (1, channels, *L.shape[-2:]) and channels == SPACES[name].channels
    assert scaled.abs().max() <= 1 + 1e-5
    assert scaled.amin() < -0.97 and scaled.amax() > 0.85


@pytest.mark.parametrize(("name", "tolerance"), [("lab", 1e-4), ("rgb", 0.02)])
def test_displayable_colours_come_back_as_they_were(displayable, name, tolerance):
    _, L, ab = displayable
    space = SPACES[name]
    assert space.coloured
    assert (space.ab(space.scaled(L, ab)) - ab).abs().max() < tolerance


def test_lab_is_in_units_of_110():
    L, ab = torch.full((1, 1, 1, 1), 20.0), torch.tensor([55.0, -110.0])[None, :, None, None]
    assert SPACES["lab"].scaled(L, ab).flatten().tolist() == [0.5, -1]
    assert SPACES["lab"].ab(torch.ones(1, 2, 1, 1)).flatten().tolist() == [110, 110]


def test_rgb_agrees_with_scikit_image(displayable):
    rgb, L, ab = displayable
    encoded = torch.from_numpy(rgb).float().movedim(-1, 0)[None] * 2 - 1
    assert (SPACES["rgb"].scaled(L, ab) - encoded).abs().max() < 2e-3
    assert (SPACES["rgb"].ab(encoded) - ab).abs().max() < 2e-3


def test_rgb_beyond_what_a_screen_shows_is_cut():
    beyond = torch.tensor([1.7, -3.0, 0.2])[None, :, None, None].requires_grad_()
    cut = torch.tensor([1.0, -1.0, 0.2])[None, :, None, None]
    ab = SPACES["rgb"].ab(beyond)
    torch.testing.assert_close(ab.detach(), SPACES["rgb"].ab(cut))
    ab.sum().backward()
    assert beyond.grad.isfinite().all()


def test_lightness_has_no_colour():
    L = torch.tensor([0.0, 25.0, 50.0, 100.0])[None, None, None]
    scaled = SPACES["lightness"].scaled(L, 80 * torch.ones(1, 2, 1, 4))
    assert scaled.flatten().tolist() == [-1, -0.5, 0, 1]
    assert not SPACES["lightness"].coloured
    assert torch.equal(SPACES["lightness"].ab(scaled), torch.zeros(1, 2, 1, 4))
