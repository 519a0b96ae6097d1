"""How a model does when the black and white is not of the kind that it was trained on."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from tintype import film, scoring
from tintype.batch import Batch
from tintype.color import lab_to_rgb
from tintype.progress import progress
from tintype.store import Split

FILMS = film.CONVERSIONS
PICTURES = 200  # of the test split at most, from all over it: each is coloured once for every film
COLUMNS = ["photograph", "left", "top", "film"]


@torch.no_grad()
def rows(
    predict: Callable[[Batch], Tensor],
    test: Split,
    weigh: Callable[[Tensor], Tensor],
    name: str,
    device: torch.device | str = "cpu",
) -> pd.DataFrame:
    """A row of figures (`scoring.colour_figures`) per test picture and conversion of FILMS.

    Each conversion is made of the true colours; what the model answers keeps the true lightness, as always,
    so that the figures tell the colours alone.
    """
    numbers = np.linspace(0, len(test) - 1, min(PICTURES, len(test))).round().astype(int)
    parts = np.array_split(numbers, -(-len(numbers) // scoring.BATCH))
    found = []
    for conversion in progress(FILMS, f"films {name}", "films"):
        for part in parts:
            batch = Batch.read(test, part, device)
            # To 8 bits, as a scan, and the store, have it.
            plane = (film.grey_plane(lab_to_rgb(batch.lab), conversion) * 2.55).round() / 2.55
            predicted = predict(replace(batch, input=plane))
            figures = scoring.colour_figures(batch, predicted, weigh(batch.ab))
            places = test.index.iloc[part][COLUMNS[:3]].reset_index(drop=True).assign(film=conversion)
            found.append(pd.concat([places, pd.DataFrame(scoring.as_arrays(figures))], axis=1))
    return pd.concat(found, ignore_index=True)
