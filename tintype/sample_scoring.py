"""Scoring the several colourings that a model draws of each test picture: a row of figures per picture."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from tintype.batch import Batch
from tintype.color import into_gamut, lab_to_rgb
from tintype.colorizer import Colorizer
from tintype.progress import progress
from tintype.sample_metrics import ab_distance, ab_spread, best_of, explained, pairwise, shifted
from tintype.store import Split

# From a batch and a seed: its colourings, Lab (K, N, 3, H, W), and the one of the mean z (N, 3, H, W).
Draw = Callable[[Batch, int], tuple[Tensor, Tensor]]
_BATCH = 32


def draws(model: Colorizer) -> bool:
    """Whether a model knows several colourings of a picture: it is told z, or its network makes its own."""
    return bool(model.told.get("z")) or hasattr(model.network, "sample")


def of_model(model: Colorizer, number: int) -> Draw:
    """Drawn colourings, and the one of the mean z; of a model that does not draw, that one alone."""
    if not draws(model):
        return of_one(model.colours)
    return lambda batch, seed: (model.sample(batch, number, seed), model.colours(batch))


def of_one(predict: Callable[[Batch], Tensor]) -> Draw:
    """One colouring, twice: two that are alike have the figures of any number.

    predict: from a batch to Lab (N, 3, H, W).
    """

    def draw(batch: Batch, seed: int) -> tuple[Tensor, Tensor]:
        lab = predict(batch)
        return torch.stack([lab, lab]), lab

    return draw


def rows(
    draw: Draw, test: Split, perceptual: Callable[[Tensor, Tensor], Tensor] | None, seed: int, name: str
) -> pd.DataFrame:
    """A row of figures (`score`) per picture of the test split, and where it lies in which photograph."""
    figures = []
    for start in progress(range(0, len(test), _BATCH), f"draw {name}", "batches"):
        batch = Batch.read(test, np.arange(start, min(start + _BATCH, len(test))))
        samples, one = draw(batch, seed + start)
        figures.append(pd.DataFrame(score(samples, one, batch, perceptual, seed + start)))
    where = test.index[["photograph", "left", "top"]]
    return pd.concat([where, pd.concat(figures, ignore_index=True)], axis=1)


def score(
    samples: Tensor,
    one: Tensor,
    batch: Batch,
    perceptual: Callable[[Tensor, Tensor], Tensor] | None,
    seed: int,
) -> dict[str, np.ndarray]:
    """Every figure of a batch's colourings, each an array (N,).

    samples: drawn Lab (K, N, 3, H, W). one: that of the mean z (N, 3, H, W).

    `ab_error` is the distance to the truth of one drawn colouring, the mean over all; `best_ab_error` that of
    the best of them, `mean_ab_error` that of their mean. `noise_best_ab_error` is the best of `one`, moved
    at random as far as the samples vary (`shifted`, with `seed`). `perceptual` is LPIPS, where its backbone
    is there; it compares pictures brought into gamut, and its figure goes under `lpips_diversity`.
    """
    lab, samples, one = samples, samples[:, :, 1:], one[:, 1:]
    errors, noise_errors = (
        torch.stack([ab_distance(ab, batch.ab) for ab in colourings])
        for colourings in (samples, shifted(one, samples, seed))
    )
    figures = {
        "ab_diversity": ab_spread(samples),
        "explained": explained(samples),
        "ab_error": errors.mean(dim=0),
        "best_ab_error": best_of(errors),
        "noise_best_ab_error": best_of(noise_errors),
        "mean_ab_error": ab_distance(samples.double().mean(dim=0), batch.ab),
    }
    if perceptual:
        rgb = [lab_to_rgb(into_gamut(colouring)) for colouring in lab]
        figures["lpips_diversity"] = pairwise(torch.stack(rgb), perceptual)
    return {name: values.cpu().numpy() for name, values in figures.items()}
