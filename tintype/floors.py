"""The trivial answers that a model has to beat before its figures mean anything."""

import zlib
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from tintype.batch import Batch
from tintype.color import lab_to_bytes
from tintype.store import Split, read_summary


def grey(data: Path, drawings: bool = False) -> Callable[[Batch], Tensor]:
    """No colour at all: ab = 0 everywhere. drawings: whether they, and not photographs, are coloured.

    Returns a function from a batch to Lab (N, 3, H, W): a photograph with its lightness, a drawing as it is.
    """
    return lambda batch: batch.grey if drawings else _joined(batch.L, torch.zeros(2))


def mean(data: Path, drawings: bool = False) -> Callable[[Batch], Tensor]:
    """The mean colour of the training split, everywhere; a drawing becomes one even surface of it."""
    L, *ab = read_summary(data)["mean_lab"]
    return lambda batch: _joined(torch.full_like(batch.L, L) if drawings else batch.L, torch.tensor(ab))


def random(data: Path, drawings: bool = False) -> Callable[[Batch], Tensor]:
    """The ab of a training picture drawn at random; a drawing becomes that picture.

    It has the colours and the colourfulness of photographs, in the wrong places: what figures of colour
    alone cannot tell from good work. The floor "random" of Zhang et al. 2016, section 3.1. The draw depends
    on the picture alone, by a checksum of it.
    """
    train = Split(data, "train")

    def drawn(batch: Batch) -> Tensor:
        stored = lab_to_bytes(batch.lab).cpu().numpy()
        numbers = [zlib.crc32(picture.tobytes()) % len(train) for picture in stored]
        others = (Batch.of_records(train[number][None], batch.L.device).lab for number in numbers)
        size = batch.L.shape[-2:]
        lab = torch.cat([F.interpolate(other, size, mode="bilinear") for other in others])
        return lab if drawings else torch.cat([batch.L, lab[:, 1:]], dim=1)

    return drawn


def _joined(L: Tensor, ab: Tensor) -> Tensor:
    return torch.cat([L, ab.to(L).view(1, 2, 1, 1).expand(len(L), 2, *L.shape[-2:])], dim=1)


FLOORS = {"grey": grey, "mean": mean, "random": random}
