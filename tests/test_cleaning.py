"""What is done to the model's copy of an old picture: grain off, contrast up, nothing made up."""

import pytest
import torch
from skimage import data
from torch import Tensor

from tintype import cleaning


def lightness() -> Tensor:
    """Of a photograph, (1, 1, 256, 256)."""
    return torch.from_numpy(data.camera()[:256, :256] / 2.55)[None, None].float()


def grain(L: Tensor, strength: float) -> Tensor:
    return (L + strength * torch.randn(L.shape, generator=torch.Generator().manual_seed(0))).clamp(0, 100)


@pytest.mark.parametrize("strength", [3.0, 8.0])
def test_noise_is_measured_and_most_of_it_taken(strength):
    clean = lightness()
    noisy = grain(clean, strength)
    assert cleaning.noise(noisy) == pytest.approx(strength, rel=0.2)
    taken = cleaning.denoised(noisy)
    assert taken.shape == noisy.shape and taken.dtype == noisy.dtype
    assert (taken - clean).std() < 0.7 * (noisy - clean).std()
    assert taken.min() >= 0 and taken.max() <= 100


def test_what_has_no_noise_stays_as_it_is():
    L = torch.linspace(0, 100, 60).expand(1, 1, 40, 60).contiguous()
    assert torch.equal(cleaning.denoised(L), L)


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (2, 9), (3, 3), (8, 8)])
@pytest.mark.parametrize("clean", [cleaning.denoised, cleaning.contrasted])
def test_the_smallest_pictures_are_allowed(size, clean):
    L = 100 * torch.rand(1, 1, *size, generator=torch.Generator().manual_seed(0))
    cleaned = clean(L)
    assert cleaned.shape == L.shape and cleaned.isfinite().all()
    assert cleaned.min() >= 0 and cleaned.max() <= 100


def test_a_faded_picture_is_stretched_in_order():
    faded = 40 + 0.2 * lightness()
    full = cleaning.contrasted(faded)
    low, high = torch.quantile(full, torch.tensor([0.01, 0.99]))
    assert (low.item(), high.item()) == pytest.approx((2, 98), abs=0.5)
    order = faded.flatten().argsort()
    assert (full.flatten()[order].diff() >= 0).all()


@pytest.mark.parametrize("L", [0.0, 50.0, 100.0])
def test_a_single_grey_stays(L):
    plane = torch.full((1, 1, 9, 9), L)
    assert torch.equal(cleaning.contrasted(plane), plane) and torch.equal(cleaning.denoised(plane), plane)


def test_the_largest_copy_that_a_model_may_see_can_be_stretched():
    L = torch.linspace(10, 60, 2048 * 4 * 2048).reshape(1, 1, 2048, 4 * 2048)
    assert cleaning.contrasted(L).max() == pytest.approx(99, abs=1.1)
