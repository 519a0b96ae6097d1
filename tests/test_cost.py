"""What a model costs: counted by hand for a network of one convolution."""

import pytest
import torch
from trainings import ROOT

from tintype import cost, params
from tintype.batch import Batch
from tintype.colorizer import Colorizer


def picture(side: int) -> Batch:
    L = torch.full((1, 1, side, side), 50.0)
    return Batch(L, L, torch.zeros(1, 2, side, side))


def test_operations_are_two_for_each_product_of_a_convolution():
    loaded = params.load(ROOT / "params.yaml")
    colorizer = Colorizer.of(loaded.generator, loaded.classes).eval()
    colorizer.network = torch.nn.Conv2d(1, 313, 3, padding=1)
    colorizer.network.multiple = 1
    found = cost.size(colorizer, picture(16))
    assert found["parameters"] == 313 * 9 + 313
    assert found["gflops"] == pytest.approx(2 * 16 * 16 * 313 * 9 / 1e9, abs=5e-4)


def test_a_real_network_costs_as_many_times_more_as_a_picture_is_larger():
    loaded = params.load(ROOT / "params.yaml")
    colorizer = Colorizer.of(loaded.generator, loaded.classes).eval()
    small, large = (cost.size(colorizer, picture(side)) for side in (64, 128))
    assert small["parameters"] == large["parameters"] > 1e6
    assert large["gflops"] == pytest.approx(4 * small["gflops"], rel=0.01)


def test_a_time_is_a_positive_number():
    assert cost.milliseconds(lambda batch: batch.lab, picture(8), times=3) > 0
