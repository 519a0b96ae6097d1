"""Figures that belong to a whole batch, where several processes (ranks) hold equal parts of it.

With a single process each function gives back what it was given, and nothing is communicated.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, distributed


class _Sum(torch.autograd.Function):
    """The sum of all ranks' tensors. What each rank makes of it has a gradient with respect to every part."""

    @staticmethod
    def forward(context: Any, x: Tensor) -> Tensor:
        total = x.clone(memory_format=torch.contiguous_format)
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Tensor:
        return _Sum.apply(gradient)


def count() -> int:
    """How many processes train together."""
    return distributed.get_world_size() if distributed.is_available() and distributed.is_initialized() else 1


def gathered(x: Tensor) -> Tensor:
    """The parts (N, ...) of all ranks, in their order, as one tensor; the gradient reaches every part."""
    if count() == 1:
        return x
    mine = distributed.get_rank()
    parts = [x if rank == mine else torch.zeros_like(x) for rank in range(count())]
    return _Sum.apply(torch.cat(parts))


def drawn(number: int, *shape: int, draw: Callable[..., Tensor] = torch.rand) -> Tensor:
    """This rank's (number, *shape) of the values that one process would draw for the whole batch.

    They are in [0, 1) unless `draw` is another of torch's functions of a shape; on the CPU.
    """
    if count() == 1:
        return draw(number, *shape)
    return draw(number * count(), *shape).split(number)[distributed.get_rank()]


def mean(x: Tensor) -> Tensor:
    """The mean of all ranks' tensors; differentiable."""
    return x if count() == 1 else _Sum.apply(x) / count()
