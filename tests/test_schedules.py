"""Schedules: the learning rate of every step in closed form, and when pictures are small."""

import math
from types import SimpleNamespace

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import nn

from tintype.training.schedules import factor, set_rate, shrinking

DECAYS = ("constant", "cosine", "step")


def factors(steps: int, warm_up: float, decay: str) -> list[float]:
    return [factor(step, steps, warm_up, decay) for step in range(1, steps + 1)]


def test_without_warm_up_and_decay_the_rate_stays():
    assert factors(50, 0.0, "constant") == [1.0] * 50


@pytest.mark.parametrize("decay", DECAYS)
def test_the_rate_rises_evenly_from_a_first_part_to_the_whole(decay):
    assert factors(40, 0.25, decay)[:10] == pytest.approx([step / 10 for step in range(1, 11)])
    assert factors(40, 0.25, "constant")[10:] == [1.0] * 30


def test_cosine_is_half_a_wave_from_1_towards_0():
    wave = factors(8, 0.0, "cosine")
    assert wave == pytest.approx([(1 + math.cos(math.pi * k / 8)) / 2 for k in range(8)])
    assert wave[0] == 1 and wave[4] == pytest.approx(0.5)
    # Mirrored around the middle, the wave adds up: 1 + 7 / 2.
    assert sum(wave) == pytest.approx(4.5)


def test_cosine_starts_at_1_after_the_warm_up_and_ends_one_step_before_0():
    wave = factors(100, 0.2, "cosine")[20:]
    assert wave[0] == 1
    assert wave[-1] == pytest.approx(math.sin(math.pi / 160) ** 2)  # (1 - cos x) / 2, x one 80th of pi
    assert wave[40] == pytest.approx(0.5)


@pytest.mark.parametrize("warm_up", [0.0, 0.1])
def test_step_decay_divides_by_10_after_60_and_85_percent_of_all_steps(warm_up):
    expected = [1.0] * 50 + [0.1] * 25 + [0.01] * 15
    assert factors(100, warm_up, "step")[10:] == pytest.approx(expected)


@settings(derandomize=True, deadline=None, max_examples=200, database=None)
@example(5, 0.5, "cosine")
@example(5, 0.58, "cosine")  # the warm-up ends within a step
@given(st.integers(1, 200), st.floats(0, 0.99), st.sampled_from(DECAYS))
def test_the_rate_first_rises_then_falls_and_is_never_0(steps, warm_up, decay):
    rates = factors(steps, warm_up, decay)
    assert all(0 < rate <= 1 for rate in rates)
    top = rates.index(max(rates))
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)


def test_pictures_are_small_in_the_first_part_alone():
    smaller = SimpleNamespace(factor=4, until=0.3)
    assert [shrinking(step, 10, smaller) for step in range(1, 11)] == [4] * 3 + [1] * 7
    assert [shrinking(step, 10, None) for step in range(1, 11)] == [1] * 10


def test_a_rate_is_set_for_all_weights():
    weights = [nn.Parameter(torch.zeros(2)) for _ in range(2)]
    optimizer = torch.optim.SGD(
        [{"params": [weight], "lr": lr} for weight, lr in zip(weights, (1.0, 2.0), strict=True)]
    )
    set_rate(optimizer, 0.5)
    sum(weight.sum() for weight in weights).backward()
    optimizer.step()
    assert all((weight == -0.5).all() for weight in weights)
