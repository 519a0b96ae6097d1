"""What one click does: where it is put, which colour it asks for, and how far its colour spreads."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch
from scipy import ndimage
from torch import Tensor

from tintype import hints
from tintype.batch import Batch
from tintype.regions import superpixels

PARTS = 12  # superpixels of a picture, about
ASKED = 40.0  # units of ab between the model's own colour and the one that is asked for
MOST = 60.0  # units of ab: beyond, few lightnesses have a displayable colour


def central(labels: Tensor) -> int:
    """The region, of labels (H, W), whose middle is nearest the picture's; the first of several."""
    places = np.indices(labels.shape).reshape(2, -1)
    numbers = labels.unique().cpu().numpy()
    middles = ndimage.center_of_mass(np.ones(labels.shape), labels.cpu().numpy(), numbers)
    return int(numbers[np.linalg.norm(np.array(middles) - places.mean(axis=1), axis=1).argmin()])


def innermost(inside: Tensor) -> tuple[int, int]:
    """Row and column of the pixel of a region, booleans (H, W), that is farthest from its border.

    The picture's edge is a border too. Of several, the first in reading order.
    """
    distance = ndimage.distance_transform_edt(np.pad(inside.cpu().numpy(), 1))[1:-1, 1:-1]
    row, column = np.unravel_index(distance.argmax(), distance.shape)
    return int(row), int(column)


def around(labels: Tensor, label: int) -> Tensor:
    """Which pixels, booleans (H, W), belong to regions that share a side of a pixel with region `label`."""
    found = labels.cpu().numpy()
    inside = found == label
    touched = np.unique(found[ndimage.binary_dilation(inside) & ~inside])
    return torch.from_numpy(np.isin(found, touched)).to(labels.device)


def counterfactual(ab: tuple[float, float], seed: int) -> tuple[float, float]:
    """A colour ASKED units from `ab`, in a direction drawn by the seed from those that keep within MOST.

    Where `ab` itself is so far out that none does, the direction is towards grey.
    """
    chroma = math.hypot(*ab)
    # |ab + ASKED u| <= MOST holds from this angle on between u and ab, by the law of cosines.
    cosine = (MOST**2 - ASKED**2 - chroma**2) / (2 * ASKED * max(chroma, 1e-9))
    first = math.acos(min(max(cosine, -1.0), 1.0))
    angle = math.atan2(ab[1], ab[0]) + np.random.default_rng(seed).uniform(first, 2 * math.pi - first)
    return ab[0] + ASKED * math.cos(angle), ab[1] + ASKED * math.sin(angle)


def spread(change: Tensor, asked: Tensor, labels: Tensor, label: int) -> dict[str, float]:
    """How much of what a click asks for is answered where, in % of it.

    change: of ab, (2, H, W), through the click; asked: (2,), the click's colour less the one before. Of the
    change, the part along what is asked counts. The means over the clicked region, `inside`; over the regions
    that touch it, `around`; over all others, whatever its sign, `beyond`: NaN where there are none.
    """
    share = torch.einsum("chw,c->hw", change.double(), asked.double()) / asked.double().square().sum()
    inside, near = labels == label, around(labels, label)
    far = share[~inside & ~near].abs()
    shares = {"inside": share[inside], "around": share[near], "beyond": far}
    return {name: 100 * float(values.mean()) for name, values in shares.items()}


@dataclass(frozen=True)
class Click:
    """One click on a picture of a batch: where, in which of its regions, and which ab it asks for."""

    row: int
    column: int
    ab: tuple[float, float]
    labels: Tensor  # (H, W)
    label: int


def clicks(batch: Batch, own: Tensor, seeds: np.ndarray) -> list[Click]:
    """A click for each picture, in the middle of its central region, for another colour than the model's.

    Regions are superpixels of the true Lab. own: ab (N, 2, H, W) without clicks; seeds: (N,).
    """
    found = []
    for lab, ab, seed in zip(batch.lab, own, seeds, strict=True):
        labels = superpixels(lab, max(1, lab[0].numel() // PARTS))
        label = central(labels)
        row, column = innermost(labels == label)
        asked = counterfactual(tuple(ab[:, row, column].tolist()), int(seed))
        found.append(Click(row, column, asked, labels, label))
    return found


def clicked(batch: Batch, clicks: list[Click]) -> Batch:
    """The batch with one click on each picture."""
    size = batch.L.shape[2:]
    planes = [hints.at(size, click.row, click.column, click.ab) for click in clicks]
    return replace(batch, hints=torch.cat(planes).to(batch.L))


def nearest_click(batch: Batch) -> Tensor:
    """Lab (N, 3, H, W) with the colour of the nearest click everywhere, and grey without clicks.

    What a model of clicks has to beat.
    """
    ab = torch.zeros_like(batch.ab)
    for picture, (*colours, mask) in enumerate([] if batch.hints is None else batch.hints):
        if mask.any():
            rows, columns = ndimage.distance_transform_edt(
                mask.cpu().numpy() == 0, return_distances=False, return_indices=True
            )
            ab[picture] = torch.stack(colours)[:, rows, columns]
    return torch.cat([batch.L, ab], dim=1)


def spreads(colours: Callable[[Batch], Tensor], batch: Batch, seeds: np.ndarray) -> pd.DataFrame:
    """The `spread` of one click on each picture of a batch, a row each.

    colours: from a batch to Lab (N, 3, H, W), as the model colours it.
    """
    own = colours(batch)[:, 1:]
    chosen = clicks(batch, own, seeds)
    change = colours(clicked(batch, chosen))[:, 1:] - own
    rows = []
    for number, click in enumerate(chosen):
        asked = torch.tensor(click.ab).to(own) - own[number, :, click.row, click.column]
        rows.append(spread(change[number], asked, click.labels, click.label))
    return pd.DataFrame(rows)
