"""Trainings that differ in nothing but their seed, as one model: mean figures, and how far the seeds differ.

A training is named NAME-SEED, its model NAME. What has no seed, such as a floor, is a model by itself.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from tintype.console import UserError
from tintype.report import tables

SPREAD = ("psnr", "ciede2000", "auc_rebalanced", "colorfulness")  # and LPIPS: figures that tell their spread


def grouped(trainings: Iterable[str], seeds: Mapping[str, int]) -> dict[str, list[str]]:
    """The trainings of each model, by rising seed; models in order of first appearance."""
    models: dict[str, list[str]] = {}
    for name in trainings:
        model = name.removesuffix(f"-{seeds[name]}") if name in seeds else name
        models.setdefault(model, []).append(name)
    return {model: sorted(names, key=lambda name: seeds.get(name, 0)) for model, names in models.items()}


def pooled(trainings: Mapping[str, pd.DataFrame], seeds: Mapping[str, int]) -> dict[str, pd.DataFrame]:
    """The per-picture rows of each model: those of all its seeds, joined.

    As every seed has the same tiles, a figure of the joined rows is the mean over seeds; and as
    `tables.intervals` draws whole photographs, the seeds' rows of one photograph stay together, so that the
    interval is over photographs, no narrower for there being twice the rows. Raises UserError where the
    seeds of a model were scored on different tiles, or with different figures.
    """
    models = {}
    for model, names in grouped(trainings, seeds).items():
        first = trainings[names[0]]
        for name in names[1:]:
            rows = trainings[name]
            if not _tiles(rows).equals(_tiles(first)) or set(rows.columns) != set(first.columns):
                raise UserError(f"{name}: not the test tiles and figures of {names[0]}; score both alike")
        models[model] = pd.concat([trainings[name] for name in names], ignore_index=True)
    return models


def spread(trainings: Mapping[str, pd.DataFrame], seeds: Mapping[str, int], figure: str) -> dict[str, float]:
    """By model, the largest less the smallest of its seeds' overall figures; NaN with one seed, or none."""
    spreads = {}
    for model, names in grouped(trainings, seeds).items():
        values = [tables.summary(trainings[name]).get(figure, float("nan")) for name in names]
        spreads[model] = round(float(np.ptp(values)), 6) if len(names) > 1 else float("nan")
    return spreads


def comparison(
    trainings: Mapping[str, pd.DataFrame],
    seeds: Mapping[str, int],
    facts: Mapping[str, Mapping[str, object]],
    missing: Sequence[str] = (),
) -> pd.DataFrame:
    """`tables.comparison` of the pooled rows, with what else is known of a model, and its spreads.

    facts: by model, values by column; these columns follow `model`, empty where a model lacks the fact.
    Then comes `seeds`, how many there are, empty for what has none. The spread of each figure of SPREAD is
    in `FIGURE_spread`, in the figure's unit.
    """
    table = tables.comparison(pooled(trainings, seeds), missing)
    names = grouped(trainings, seeds)
    known = list(dict.fromkeys(column for values in facts.values() for column in values))
    for place, column in enumerate(known, start=1):
        values = [facts.get(model, {}).get(column) for model in table["model"]]
        # As objects, whole numbers stay whole beside what is empty.
        table.insert(place, column, pd.Series(values, dtype=object))
    counts = [sum(name in seeds for name in names.get(model, [])) or None for model in table["model"]]
    table.insert(len(known) + 1, "seeds", pd.array(counts, dtype="Int64"))
    for figure in [name[: -len("_low")] for name in table.columns if name.endswith("_low")]:
        if figure not in missing and (figure in SPREAD or figure.startswith("lpips_")):
            spreads = table["model"].map(spread(trainings, seeds, figure))
            table.insert(table.columns.get_loc(f"{figure}_high") + 1, f"{figure}_spread", spreads)
    return table


def markdown(table: pd.DataFrame, shown: Sequence[str], facts: Sequence[str], notes: Sequence[str]) -> str:
    """Some columns of a comparison as a Markdown table, with notes below it.

    The columns named in `facts` (`seeds` may be among them) follow the model; then comes each figure named
    in `shown`, `value [low, high] ±d`: two seeds lie d above and below their mean.
    """
    columns = {name: fact_cells(table, name) for name in ("model", *facts)}
    columns |= {tables.heading(name): cells(table, name) for name in shown}
    return tables.laid_out(columns, notes)


def fact_cells(table: pd.DataFrame, name: str) -> list[str]:
    """What is known of each row of a comparison, or its model; empty where there is nothing."""
    return [_fact(value) for value in table[name]]


def cells(table: pd.DataFrame, name: str) -> list[str]:
    """A figure of each row of a comparison, `value [low, high] ±d`; empty where there is none."""
    plain, column = tables.cells(table, name), f"{name}_spread"
    if column not in table.columns:
        return plain
    return [cell + _plus_minus(spread) for cell, spread in zip(plain, table[column], strict=True)]


def _tiles(rows: pd.DataFrame) -> pd.MultiIndex:
    return pd.MultiIndex.from_frame(rows[tables.TILE]).sort_values()


def _fact(value: object) -> str:
    if pd.isna(value):
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _plus_minus(spread: float) -> str:
    return "" if pd.isna(spread) else f" ±{spread / 2:.2g}"
