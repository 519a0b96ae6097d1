"""A sheet of characters in all combinations of attributes, as a model colours them, and true."""

import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
from torch import Tensor

from tintype import conditions
from tintype.batch import Batch
from tintype.color import lab_to_rgb, to_uint8
from tintype.colour_reader import Reader
from tintype.report import sheets
from tintype.store import Split, read_summary

_FRAME, _PATCH = 2, 32  # pixels
Colours = Callable[[Batch], Tensor]  # Lab (N, 3, H, W) of a batch's pictures


def wheel(data: Path, reader: Reader, colours: Colours) -> np.ndarray:
    """A character of the training split and, below, one of the test split; uint8 (H, W, 3).

    data: a store with both. Columns are the values of the last attribute, first as `colours` gives them, then
    true; rows are those of the other attributes, whose true colours are the patches in front. What the
    training split has none of, for it is held out as a combination, has a frame. A combination that the store
    has not is left white.
    """
    *down, across = reader.values
    parts = []
    for split, head in (("train", "trained"), ("test", "held-out")):
        cells, lines = _cells(data, Split(data, split).index["group"].min(), colours), []
        missing = tuple(np.full_like(picture, 255) for picture in next(iter(cells.values())))
        for values in itertools.product(*(reader.values[name] for name in down)):
            asked = dict(zip(down, values, strict=True))
            texts = [conditions.write(asked | {across: value}) for value in reader.values[across]]
            drawings, coloured, true = zip(*(cells.get(text, missing) for text in texts), strict=True)
            patches = [_patch(reader, name, value, len(drawings[0])) for name, value in asked.items()]
            lines.append([*patches, drawings[0], *coloured, *true])
        heads = [f"{kind}-{value}" for kind in ("model", "truth") for value in reader.values[across]]
        parts.append(sheets.labelled(lines, [*down, head, *heads]))
    return np.concatenate(parts)


def _cells(data: Path, group: str, colours: Colours) -> dict[str, tuple[np.ndarray, ...]]:
    """By condition, a character's drawing, what `colours` makes of it, and the truth."""
    cells = {}
    for name in read_summary(data)["records"]:
        split = Split(data, name)
        numbers = np.flatnonzero(split.index["group"] == group)
        if not len(numbers):
            continue
        batch = Batch.read(split, numbers)
        pictures = [to_uint8(lab_to_rgb(lab)) for lab in (batch.grey, colours(batch), batch.lab)]
        if name == "test_conditions":
            for some in pictures[1:]:
                some[:, :_FRAME] = some[:, -_FRAME:] = some[:, :, :_FRAME] = some[:, :, -_FRAME:] = 0
        cells |= zip(split.index["condition"][numbers], zip(*pictures, strict=True), strict=True)
    return cells


def _patch(reader: Reader, name: str, value: str, height: int) -> np.ndarray:
    lab = reader.colours[name][reader.values[name].index(value)]
    return to_uint8(lab_to_rgb(lab[None, :, None, None].expand(1, 3, height, _PATCH)))[0]
