"""The trivial answers that a model has to beat before its figures mean anything."""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from tintype.batch import Batch
from tintype.store import read_summary


def grey(data: Path, drawings: bool = False) -> Callable[[Batch], Tensor]:
    """No colour at all: ab = 0 everywhere. drawings: whether they, and not photographs, are coloured.

    Returns a function from a batch to Lab (N, 3, H, W): a photograph with its lightness, a drawing as it is.
    """
    return lambda batch: batch.grey if drawings else _joined(batch.L, torch.zeros(2))


def mean(data: Path, drawings: bool = False) -> Callable[[Batch], Tensor]:
    """The mean colour of the training split, everywhere; a drawing becomes one even surface of it."""
    L, *ab = read_summary(data)["mean_lab"]
    return lambda batch: _joined(torch.full_like(batch.L, L) if drawings else batch.L, torch.tensor(ab))


def _joined(L: Tensor, ab: Tensor) -> Tensor:
    return torch.cat([L, ab.to(L).view(1, 2, 1, 1).expand(len(L), 2, *L.shape[-2:])], dim=1)


FLOORS = {"grey": grey, "mean": mean}
