"""Where a colorizer of classes doubts, and which other colours it holds for plausible there."""

import matplotlib
import numpy as np
import torch
from torch import Tensor

from tintype import uncertainty
from tintype.batch import Batch
from tintype.color import into_gamut
from tintype.colorizer import Colorizer
from tintype.regions import merged, superpixels
from tintype.report import sheets
from tintype.store import Split

PARTS = 40  # superpixels of a picture, about
ALIKE = 7.0  # units of L, by which those that are recoloured together may differ


def doubt_sheet(regions: Split, model: Colorizer, colourings: int, threshold: float, seed: int) -> np.ndarray:
    """A row per test picture: grey, coloured, its entropy, coloured again some times, true.

    Entropy is dark where it is least and bright where it is most, of all that is shown; the ends are in the
    column's name. Where it is above `threshold`, regions change their colour (`uncertainty.resampled`):
    superpixels of the lightness, those that are alike together. uint8 (H, W, 3).
    """
    pictures = [picture for _, picture in sheets.regions(regions)]
    answers = [model.planes(picture) for picture in pictures]
    doubts = [
        _enlarged(model, uncertainty.entropy(logits)[None], picture)[0, 0].cpu().numpy()
        for picture, logits in zip(pictures, answers, strict=True)
    ]
    low, high = min(doubt.min() for doubt in doubts), max(doubt.max() for doubt in doubts)
    rows = []
    for picture, logits, doubt in zip(pictures, answers, doubts, strict=True):
        again = _again(model, picture, logits, colourings, threshold, seed)
        coloured = map(into_gamut, (model.colours(picture), *again))
        row = [sheets.shown(lab) for lab in (picture.grey, *coloured, picture.lab)]
        share = (doubt - low) / max(high - low, 1e-6)
        heat = matplotlib.colormaps["inferno"](share, bytes=True)[..., :3]
        row.insert(2, sheets.fit(heat, sheets.LONGEST))
        rows.append(row)
    again = [f"again {number}" for number in range(1, colourings + 1)]
    return sheets.labelled(rows, ["grey", "coloured", f"doubt {low:.2f}-{high:.2f}", *again, "truth"])


def _again(
    model: Colorizer, picture: Batch, logits: Tensor, colourings: int, threshold: float, seed: int
) -> list[Tensor]:
    """Lab (1, 3, H, W) of other colourings of one picture, whose logits are (1, Q, h, w)."""
    size, generator = logits.shape[2:], torch.Generator().manual_seed(seed)
    lightness = uncertainty.at_scale(picture.input, model.network.multiple, size)[0]
    labels = merged(superpixels(lightness, max(1, lightness[0].numel() // PARTS)), lightness, ALIKE)
    classes = (model.head.centres, model.head.temperature)
    drawn = (
        uncertainty.resampled(logits[0], *classes, labels, threshold, generator) for _ in range(colourings)
    )
    return [torch.cat([picture.L, _enlarged(model, ab[None], picture)], dim=1) for ab in drawn]


def _enlarged(model: Colorizer, planes: Tensor, picture: Batch) -> Tensor:
    return uncertainty.enlarged(planes, model.network.multiple, picture.L.shape[2:])
