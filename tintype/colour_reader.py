"""Which hair, which shirt does a coloured icon have? Read from its pixels, with no model taking part.

An attribute's pixels are where the true icons of a character differ when that attribute alone has another
value; an attribute's value, the one whose true colour is nearest to what a picture has there.
"""

from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from tintype import conditions, store
from tintype.color import bytes_to_lab
from tintype.console import UserError

NOTICED = 2.3
"""CIE76 difference that is just noticeable (Mahy, Van Eycken & Oosterlinck 1994): less is no change."""

WHOLLY = 0.9
"""Share of the largest change (its 95 % quantile) from which on a pixel is wholly of an attribute.

A pixel at an edge is a mixture with what lies beside it, and changes by no more than its share in it.
"""


class Reader:
    """The colours of attributes, learned from the true icons in all splits of a store.

    folder: a store whose pictures have conditions, several of them for each group, such as a character.
    Attributes: `values`, by attribute its values, sorted; `colours`, by attribute float32 (values, 3), the
    Lab colour of each, a mean over groups of the medians in their masks; `masks`, by group and attribute bool
    (H, W), the pixels that are wholly of the attribute.

    Raises UserError where pictures have no conditions, where a group has no two pictures that differ in an
    attribute alone, or none of its pixels shows that they do.
    """

    def __init__(self, folder: Path) -> None:
        self.values: dict[str, list[str]] = store.read_summary(folder)["conditions"]
        if not self.values:
            raise UserError(
                f"{folder}: its pictures have no conditions to read; prepare icons (docs/sources.md: Icons)"
            )
        self.masks: dict[str, dict[str, Tensor]] = {}
        found: dict[str, dict[str, list[Tensor]]] = {
            name: {value: [] for value in values} for name, values in self.values.items()
        }
        for group, (attributes, lab) in _groups(folder).items():
            self.masks[group] = {name: _mask(f"{folder}: {group}", attributes, lab, name) for name in found}
            for name, mask in self.masks[group].items():
                for values, colour in zip(attributes, _medians(lab, mask), strict=True):
                    found[name][values[name]].append(colour)
        self.colours = {
            name: torch.stack([torch.stack(several).mean(dim=0) for several in of_value.values()])
            for name, of_value in found.items()
        }

    def read(self, lab: Tensor, groups: list[str]) -> dict[str, list[str]]:
        """By attribute, the value that each picture shows: the one of the nearest colour (CIE76).

        lab: (N, 3, H, W), coloured drawings, with their own L; groups: the group of each, of which the store
        has icons. A picture's colour is the median of L, a and b each over its group's mask. Raises UserError
        for another group, ValueError for pictures that are not as many or not of the icons' size.
        """
        if unknown := set(groups) - self.masks.keys():
            raise UserError(
                f"{min(unknown)}: no icons of it, by which to read; there are {_some(self.masks)}"
            )
        size = next(iter(self.masks[groups[0]].values())).shape
        if lab.shape != (len(groups), 3, *size):
            raise ValueError(
                f"pictures have shape {tuple(lab.shape)}; {len(groups)} groups need {(len(groups), 3, *size)}"
            )
        read = {}
        for name, values in self.values.items():
            masks = [self.masks[group][name] for group in groups]
            shown = [_medians(picture[None], mask)[0] for picture, mask in zip(lab, masks, strict=True)]
            distances = (torch.stack(shown)[:, None] - self.colours[name]).norm(dim=2)
            read[name] = [values[number] for number in distances.argmin(dim=1)]
        return read


def _groups(folder: Path) -> dict[str, tuple[list[dict[str, str]], Tensor]]:
    """By group, the attributes of its icons, and the icons in Lab, (N, 3, H, W); of all splits."""
    tables, records = [], []
    for name in store.read_summary(folder)["records"]:
        split = store.Split(folder, name)
        tables.append(split.index)
        records.append(split.batch(np.arange(len(split))))
    rows, planes = pd.concat(tables, ignore_index=True), torch.from_numpy(np.concatenate(records))
    return {
        str(group): (
            [conditions.read(text) for text in of_group["condition"]],
            bytes_to_lab(planes[of_group.index.tolist(), 1:]),
        )
        for group, of_group in rows.groupby("group")
    }


def _mask(where: str, attributes: list[dict[str, str]], lab: Tensor, name: str) -> Tensor:
    """The pixels, bool (H, W), of icons (N, 3, H, W) that are wholly of an attribute."""
    pairs = [
        (one, other)
        for one, other in combinations(range(len(attributes)), 2)
        if {key for key in attributes[one] if attributes[one][key] != attributes[other][key]} == {name}
    ]
    if not pairs:
        raise UserError(
            f"{where}: no two of its pictures differ in {name} alone, and nothing tells where it is"
        )
    change = sum((lab[one] - lab[other]).norm(dim=0) for one, other in pairs) / len(pairs)
    changed = change[change > NOTICED]
    if not len(changed):
        raise UserError(f"{where}: no pixel shows which {name} its pictures have")
    # Not the largest itself, for shrinking a picture overshoots at edges.
    return change >= WHOLLY * changed.quantile(0.95)


def _medians(lab: Tensor, mask: Tensor) -> Tensor:
    """The colour of pictures (N, 3, H, W) in a mask, (N, 3); a few wrong pixels do not change it."""
    return lab[:, :, mask].median(dim=2).values


def _some(names: dict[str, object]) -> str:
    shown = ", ".join(sorted(names)[:5])
    return shown if len(names) <= 5 else f"{shown} and {len(names) - 5} more"
