"""Where a model is good and where not: its figures on parts of the test pictures, and under each film."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from tintype.report import tables

FIGURES = ["lpips", "ciede2000", "auc_rebalanced", "top1", "colorfulness"]
# What people call pictures of so high an M3, from "not" to "extremely colourful" (Hasler & Suesstrunk 2003,
# table 2).
LEVELS = {0: "not", 15: "slightly", 33: "moderately", 45: "averagely", 59: "quite", 82: "highly"}
LEVELS[109] = "extremely colourful"
FILM_FIGURES = ["ciede2000", "auc_rebalanced", "delta_colorfulness_per_image"]
LEAST = 5  # photographs that an interval needs: of fewer it is hardly more than their smallest and largest


def parts(index: pd.DataFrame, rows: pd.DataFrame) -> dict[str, pd.Series]:
    """The part that each test picture belongs to, by breakdown: `label` or `group`, and `colourfulness`.

    index: of the test split; rows: of any model, for what is true of its pictures, in the same order.
    """
    first = "label" if (index["label"] != "").any() else "group"
    steps = [*LEVELS, np.inf]
    names = [f"{name} ({low} to {high})" for (low, name), high in zip(LEVELS.items(), steps[1:], strict=True)]
    names[-1] = f"{LEVELS[steps[-2]]} (from {steps[-2]})"
    levels = pd.cut(rows["true_colorfulness"], steps, right=False, labels=names)
    return {first: index[first].reset_index(drop=True), "colourfulness": levels.reset_index(drop=True)}


def by_part(models: Mapping[str, pd.DataFrame], parts: Mapping[str, pd.Series]) -> pd.DataFrame:
    """A row per breakdown, part, model and figure: the figure of that part's pictures, and its interval.

    models: rows per picture, each in the order of `parts`. Parts without pictures have no row; a part of
    fewer than LEAST photographs has no interval.
    """
    found = []
    for breakdown, belongs in parts.items():
        ordered = belongs.cat.categories if hasattr(belongs, "cat") else sorted(belongs.unique())
        for part in ordered:
            here = (belongs == part).to_numpy()
            for model, rows in models.items() if here.any() else ():
                first = {"breakdown": breakdown, "part": part, "model": model} | _counts(rows[here])
                found += [first | row for row in _figures(rows[here], FIGURES)]
    return pd.DataFrame(found)


def by_film(models: Mapping[str, pd.DataFrame], trained: str) -> pd.DataFrame:
    """A row per model, film and figure, and how much worse it is than under the film it was trained with.

    models: rows per picture and film, as `film_scoring.rows` gives them. trained: that film. `loss` is the
    paired difference, positive where the model is worse, with its 95 % interval. Empty for `trained` itself.
    """
    found = []
    for model, rows in models.items():
        own = rows[rows["film"] == trained].reset_index(drop=True)
        for film, some in rows.groupby("film", sort=False):
            some = some.reset_index(drop=True)
            first = {"model": model, "film": film} | _counts(some)
            losses = {} if film == trained or own.empty else _losses(own, some)
            for row in _figures(some, FILM_FIGURES):
                found.append(first | row | losses.get(row["figure"], {}))
    columns = ["model", "film", "pictures", "photographs", "figure", "value", "low", "high"]
    return pd.DataFrame(found, columns=[*columns, "loss", "loss_low", "loss_high"])


def _counts(rows: pd.DataFrame) -> dict[str, int]:
    return {"pictures": len(rows), "photographs": rows["photograph"].nunique()}


def _figures(rows: pd.DataFrame, wanted: list[str]) -> list[dict[str, object]]:
    parts = {name: part for name, part in tables.figures(rows).items() if tables.kind(name) in wanted}
    bounds = tables.bootstrap(rows["photograph"], parts)
    if rows["photograph"].nunique() < LEAST:
        bounds = dict.fromkeys(parts, (np.nan, np.nan))
    return [
        {"figure": name, "value": round(float(top.sum() / bottom.sum()), 6)}
        | dict(zip(("low", "high"), bounds[name], strict=True))
        for name, (top, bottom) in parts.items()
    ]


def _losses(own: pd.DataFrame, other: pd.DataFrame) -> dict[str, dict[str, float]]:
    before, after = tables.figures(own), tables.figures(other)
    parts = {}
    for name in FILM_FIGURES:
        worse = after[name][0] - before[name][0]
        parts[name] = (worse if tables.BETTER[name] == "down" else -worse, before[name][1])
    bounds = tables.bootstrap(own["photograph"], parts)
    return {
        name: {"loss": round(float(top.sum() / bottom.sum()), 6), "loss_low": low, "loss_high": high}
        for (name, (top, bottom)), (low, high) in zip(parts.items(), bounds.values(), strict=True)
    }
