"""What a colorizer makes of clicks: of one that asks for another colour, and of some with the true ones."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from tintype import hints, hints_response
from tintype.batch import Batch
from tintype.color import into_gamut, lab_to_rgb, to_uint8
from tintype.report import sheets
from tintype.store import Split

NUMBERS = (5, 20)  # of clicks with the true colours
_RADIUS = 4  # pixels, of the circle around a click


def click_sheet(regions: Split, colours: Callable[[Batch], Tensor], seed: int) -> np.ndarray:
    """A row per test picture: grey, coloured without clicks, after one, after some true ones, true.

    colours: from a batch to Lab (N, 3, H, W). The one click asks for another colour than the model's own
    (`hints_response.clicks`), and a circle of that colour is around it. uint8 (H, W, 3).
    """
    rows = []
    for number, picture in sheets.regions(regions):
        seeds = np.array([seed + number])
        own = colours(picture)
        (click,) = chosen = hints_response.clicks(picture, own[:, 1:], seeds)
        pictures = [hints_response.clicked(picture, chosen)]
        pictures += [replace(picture, hints=hints.points(picture.ab, seeds, some)) for some in NUMBERS]
        coloured = map(into_gamut, (own, *map(colours, pictures)))
        row = [sheets.shown(lab) for lab in (picture.grey, *coloured, picture.lab)]
        row[2] = circled(row[2], click, tuple(picture.L.shape[2:]))
        rows.append(row)
    told = [f"{number} true clicks" for number in NUMBERS]
    return sheets.labelled(rows, ["grey", "no click", "one click", *told, "truth"])


def circled(shown: np.ndarray, click: hints_response.Click, size: tuple[int, int]) -> np.ndarray:
    """A picture, uint8 (h, w, 3), shrunk from `size` (H, W), with a circle around a click, of its colour."""
    lab = into_gamut(torch.tensor([65.0, *click.ab]).view(1, 3, 1, 1))
    fill = tuple(int(value) for value in to_uint8(lab_to_rgb(lab))[0, 0, 0])
    y, x = (
        (place + 0.5) * short / long
        for place, short, long in zip((click.row, click.column), shown.shape, size, strict=False)
    )
    image = Image.fromarray(shown)
    draw = ImageDraw.Draw(image)
    for radius, colour in ((_RADIUS + 1, "black"), (_RADIUS, "white"), (_RADIUS - 1, fill)):
        draw.ellipse([x - radius, y - radius, x + radius, y + radius], outline=colour)
    return np.asarray(image)
