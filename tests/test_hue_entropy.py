"""What the entropy of hues promises: closed forms, and indifference to saturation and to greys."""

import numpy as np
import pytest
import torch

from tintype import metrics


def wheel(hues: int, chroma: float = 30.0) -> torch.Tensor:
    """A picture (1, 2, 6, hues) whose columns are so many hues, evenly around the circle."""
    angle = torch.arange(hues).double() * 2 * np.pi / hues + 0.01
    ab = chroma * torch.stack([torch.cos(angle), torch.sin(angle)])
    return ab.view(1, 2, 1, hues).expand(1, 2, 6, hues)


@pytest.mark.parametrize("hues", [1, 2, 4, 9, 36])
def test_so_many_hues_alike_have_the_logarithm_of_their_number(hues):
    assert metrics.hue_entropy(wheel(hues)).item() == pytest.approx(np.log2(hues), abs=1e-9)


def test_saturation_does_not_change_it_and_grey_has_none():
    assert metrics.hue_entropy(wheel(9, 5.0)).item() == pytest.approx(
        metrics.hue_entropy(wheel(9, 90.0)).item()
    )
    grey = torch.zeros(2, 2, 5, 5)
    assert metrics.hue_entropy(grey).tolist() == [0, 0]
    noise = torch.from_numpy(np.random.default_rng(0).normal(0, 0.8, (2, 2, 50, 50)))
    assert metrics.hue_entropy(noise).tolist() == [0, 0], "what passes for grey has no hue"


def test_a_hue_weighs_by_its_chroma_not_by_its_pixels():
    ab = torch.zeros(1, 2, 1, 4)
    ab[0, 0, 0, 0], ab[0, 1, 0, 1:] = 30.0, 10.0  # one strong red pixel, three weak yellow ones
    assert metrics.hue_entropy(ab).item() == pytest.approx(1.0)


def test_it_is_what_numpy_counts_and_each_picture_by_itself():
    ab = torch.from_numpy(np.random.default_rng(0).normal(0, 20, (3, 2, 9, 11)))
    found = metrics.hue_entropy(ab)
    for picture, value in zip(ab.numpy(), found.tolist(), strict=True):
        angle, chroma = np.degrees(np.arctan2(picture[1], picture[0])) % 360, np.hypot(*picture)
        chroma[chroma < metrics.GREY_CHROMA] = 0
        sums, _ = np.histogram(angle, bins=36, range=(0, 360), weights=chroma)
        share = sums / sums.sum()
        assert value == pytest.approx(-(share[share > 0] * np.log2(share[share > 0])).sum())
