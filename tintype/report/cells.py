"""Tables of figures as the cells that the report's page shows, and that it can be sorted by."""

import math
from typing import Any

import numpy as np
import pandas as pd

from tintype.floors import FLOORS
from tintype.report import tables

TRUTH = "truth"
SIZES = {"parameters": "parameters", "gflops": "GFLOPs"}
PARTS = 60  # rows of a table: a data set may have a thousand labels
COUNTS = ("pictures", "photographs", "weights")
SIDES = ("real", "films", "truth", "training")  # of the gap between test photographs and real pictures


def better(name: str) -> dict[str, Any]:
    """A figure's `unit`, "" where it has none, and `better`: "up", "down", "truth", or the value to be near.

    Raises KeyError for what is no figure of `tables.BETTER`.
    """
    *unit, direction = tables.BETTER[tables.kind(name)].split(", ")
    target = direction.removeprefix("to ")
    if target == direction:
        return {"unit": ", ".join(unit), "better": direction}
    return {"unit": ", ".join(unit), "better": TRUTH if target == "the truth's" else float(target)}


def is_figure(name: str) -> bool:
    """Whether a column is a figure, and no other thing told of a picture, such as its place."""
    return tables.kind(name) in tables.BETTER


def cell(value: object, low: object = math.nan, high: object = math.nan) -> dict[str, Any]:
    """A table's cell: `text`, `range` in words, and `sort`, a number; each "" where there is none."""
    if isinstance(value, str):
        return {"text": value, "range": "", "sort": ""}
    if pd.isna(value):
        return {"text": "", "range": "", "sort": ""}
    between = "" if pd.isna(low) else f"{_number(low)} to {_number(high)}"
    return {"text": _number(value), "range": between, "sort": float(f"{value:.9g}")}


def comparison(table: pd.DataFrame) -> list[dict[str, Any]]:
    """A row for each of a comparison, with a cell for each figure and each fact that the table has."""
    return [_row(row, figures(table)) for row in table.to_dict("records")]


def figures(table: pd.DataFrame) -> list[str]:
    """The figures of a comparison: what has an interval."""
    return [name for name in table.columns if f"{name}_low" in table.columns]


def _row(row: dict[str, Any], figures: list[str]) -> dict[str, Any]:
    cells = [cell(row[name], row[f"{name}_low"], row[f"{name}_high"]) for name in figures]
    facts = {name: cell(row[name]) for name in (*SIZES, *COUNTS) if name in row}
    return {"model": row["model"], "floor": row["model"] in FLOORS, "cells": cells, "facts": facts}


def differences(table: pd.DataFrame) -> list[dict[str, Any]]:
    """By figure: the pairs, and how many of them differ beyond chance."""
    found = []
    for name, rows in table.groupby("figure", sort=False):
        pairs = [
            row | {"cell": cell(row["difference"], row["low"], row["high"])}
            for row in rows.to_dict("records")
        ]
        differ = int((rows["better"] != "").sum())
        found.append({"name": name, "pairs": pairs, "differ": differ} | better(name))
    return found


def grids(table: pd.DataFrame, part: str) -> list[dict[str, Any]]:
    """By figure: a row for each part, a cell for each model, with what is lost where that is told.

    Of more than PARTS parts, those with the most pictures; `left_out` counts the others.
    """
    found = []
    for name, rows in table.groupby("figure", sort=False):
        models = list(dict.fromkeys(rows["model"]))
        lines = []
        for head, some in rows.groupby(part, sort=False):
            by_model = {row["model"]: row for row in some.to_dict("records")}
            cells = [_grid_cell(by_model.get(model)) for model in models]
            counts = {name: int(some[name].iloc[0]) for name in ("pictures", "photographs")}
            lines.append({"head": head, "cells": cells} | counts)
        kept = sorted(range(len(lines)), key=lambda number: -lines[number]["pictures"])[:PARTS]
        shown = [lines[number] for number in sorted(kept)]
        found.append({"name": name, "models": models, "lines": shown, "left_out": len(lines) - len(shown)})
    return found


def gaps(table: pd.DataFrame) -> list[dict[str, Any]]:
    """By model: how many pictures and photographs each of SIDES has, and a line per figure.

    table: rows of `model`, `figure`, and by side and for the `gap` a value and its interval. A line has a
    cell for each side, and one for the gap, which is `sure` where its interval excludes zero.
    """
    found = []
    for model, rows in table.groupby("model", sort=False):
        records = rows.set_index("figure").to_dict("index")
        counts = {name: {side: int(records[name][side]) for side in SIDES} for name in COUNTS[:2]}
        lines = []
        for name, row in records.items():
            if name not in counts:
                ends = {
                    side: [row[f"{side}{end}"] for end in ("", "_low", "_high")] for side in (*SIDES, "gap")
                }
                sure = ends["gap"][1] > 0 or ends["gap"][2] < 0
                line = {side: cell(*values) for side, values in ends.items()}
                lines.append({"name": name} | line | {"sure": bool(sure)})
        found.append({"model": model, "lines": lines} | counts)
    return found


def _grid_cell(row: dict[str, Any] | None) -> dict[str, Any]:
    if row is None:
        return cell(math.nan) | {"loss": None}
    return cell(row["value"], row["low"], row["high"]) | {"loss": _loss(row)}


def _loss(row: dict[str, Any]) -> dict[str, Any] | None:
    """What a model loses, or gains, as a cell; `sure` where the interval excludes zero."""
    value, low, high = (row.get(f"loss{end}", math.nan) for end in ("", "_low", "_high"))
    if pd.isna(value):
        return None
    sure = bool(low > 0 or high < 0)
    if value < 0:
        return cell(-value, -high, -low) | {"word": "gains", "sure": sure}
    return cell(value, low, high) | {"word": "loses", "sure": sure}


def _number(value: float) -> str:
    text = f"{value:,}" if isinstance(value, int | np.integer) else f"{value:.4g}"
    if isinstance(value, float) and value.is_integer() and abs(value) >= 10_000:
        text = f"{value:,.0f}"  # a whole number in a column where another is missing
    return text.replace("-", "\N{MINUS SIGN}")
