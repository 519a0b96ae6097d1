"""The numbers z: Gaussian, each picture's own; and the term that keeps a generator from ignoring them."""

import numpy as np
import pytest
import torch

from tintype import noise


def test_z_is_standard_gaussian_and_depends_on_the_seed_alone():
    z = noise.drawn(np.arange(400), whole=1, spatial=2)
    assert z.shape == (400, 3, noise.CELLS, noise.CELLS) and z.dtype == torch.float32
    assert torch.equal(z[7:9], noise.drawn(np.array([7, 8]), whole=1, spatial=2))
    assert z.mean().abs() < 0.05 and abs(z[:, 1:].std() - 1) < 0.03 and abs(z[:, 0].std() - 1) < 0.1


def test_whole_numbers_are_the_same_in_all_cells_and_spatial_ones_are_not():
    z = noise.drawn(np.arange(5), whole=2, spatial=3).flatten(2)
    assert (z[:, :2].std(dim=2) == 0).all() and (z[:, 2:].std(dim=2) > 0.3).all()
    assert z[:, :2, 0].unique().numel() == 10


def test_diversity_is_the_ratio_of_differences_up_to_the_most():
    colours, others = torch.zeros(2, 2, 4, 4), torch.zeros(2, 2, 4, 4)
    others[0], others[1] = 0.3, 0.05
    z, other_z = torch.zeros(2, 1, 4, 4), torch.full((2, 1, 4, 4), 0.5)
    found = noise.diversity(colours, others, z, other_z, most=0.2)
    assert found.tolist() == pytest.approx([0.2, 0.1])


def test_diversity_pulls_colours_apart_until_they_are_far_enough():
    colours = torch.full((2, 1, 2, 2), 0.1, requires_grad=True)
    others = torch.tensor([0.0, -1.0]).view(2, 1, 1, 1).expand(2, 1, 2, 2)
    z, other_z = torch.zeros(2, 1, 4, 4), torch.ones(2, 1, 4, 4)
    noise.diversity(colours, others, z, other_z, most=0.5).sum().backward()
    assert (colours.grad[0] > 0).all() and not colours.grad[1].any()
