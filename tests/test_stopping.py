"""Stopping: the lowest figure is remembered, and patience ends after validations that set no new low."""

import math

import pytest
import torch

from tintype.training.stopping import Stopping


def told(stopping: Stopping, figures: list[float], first: int = 1) -> list[tuple[bool, bool]]:
    """Of each figure whether it was the best, and whether it was the last."""
    return [(stopping.update(step, figure), stopping.over) for step, figure in enumerate(figures, first)]


def test_training_is_over_after_as_many_validations_without_a_new_low_as_patience_says():
    stopping = Stopping(patience=2)
    assert not stopping.over
    found = told(stopping, [3.0, 2.0, 2.5, 1.0, 1.5, 4.0])
    assert [best for best, _ in found] == [True, True, False, True, False, False]
    assert [over for _, over in found] == [False] * 5 + [True]
    assert (stopping.best, stopping.best_step) == (1.0, 4)


def test_an_equal_figure_is_no_new_low():
    stopping = Stopping(patience=1)
    assert told(stopping, [2.0, 2.0]) == [(True, False), (False, True)]
    assert stopping.best_step == 1


def test_without_patience_training_is_never_over_and_the_best_is_known_all_the_same():
    stopping = Stopping(None)
    assert not any(over for _, over in told(stopping, [1.0, *map(float, range(2, 500))]))
    assert (stopping.best, stopping.best_step) == (1.0, 1)


@pytest.mark.parametrize("figure", [math.nan, math.inf])
def test_a_figure_that_is_no_number_is_never_the_best(figure):
    stopping = Stopping(patience=2)
    assert told(stopping, [figure, figure]) == [(False, False), (False, True)]
    assert (stopping.best, stopping.best_step) == (math.inf, 0)


@pytest.mark.parametrize("taken", range(7))
def test_its_state_goes_through_a_file_and_goes_on_as_if_nothing_had_happened(tmp_path, taken):
    figures = [3.0, 2.0, 2.5, 1.0, 1.5, 4.0, 0.5]
    whole, before, after = (Stopping(patience=2) for _ in range(3))
    expected = told(whole, figures)
    told(before, figures[:taken])
    torch.save(before.state_dict(), tmp_path / "state.pt")
    after.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    assert told(after, figures[taken:], first=taken + 1) == expected[taken:]
    assert (after.best, after.best_step) == (whole.best, whole.best_step)
