"""Tables of figures with confidence intervals, all made from the per-picture CSVs that evaluation writes."""

import math
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from tintype.console import UserError

RESAMPLES = 2000
TILE = ["photograph", "left", "top"]  # tells the test tiles apart
# Direction of better of each figure that a table may show, in the table's order: up, down, or towards a
# value.
BETTER = {
    "psnr": "dB, up",
    "ssim": "up",
    "lpips": "down",
    "ciede2000": "down",
    "auc": "%, up",
    "auc_rebalanced": "%, up",
    "top1": "%, up",
    "colorfulness": "to the truth's",
    "colorfulness_abs": "to the truth's",
    "delta_colorfulness_mean": "to 0",
    "delta_colorfulness_per_image": "down",
    "colorfulness_ratio": "to 1",
    "hue_entropy": "bits, to the truth's",
    "fid": "down",
    "kid": "down",
}
MISSING = "not available"
NETS = ("lpips", "top1", "fid", "kid")  # figures made by a network, whose name follows: lpips_squeeze


def read(file: Path) -> pd.DataFrame:
    """The rows of one model: a row per test picture. Raises UserError where the file is missing."""
    rows = read_rows(file)
    if holes := list(
        rows.columns.drop(["photograph", "weights"]).difference(rows.select_dtypes("number").columns)
    ):
        raise UserError(
            f"{file}: not a number in every row: {', '.join(holes)}; `dvc repro -f evaluate` writes it anew"
        )
    return rows


def read_rows(file: Path) -> pd.DataFrame:
    """Rows of pictures, whatever they are called (NA, 007). Raises UserError where the file is missing."""
    try:
        return pd.read_csv(file, dtype={"photograph": str, "weights": str}, keep_default_na=False)
    except FileNotFoundError:
        raise UserError(f"{file}: no such file; `dvc repro evaluate` writes it") from None


def figures(rows: pd.DataFrame) -> dict[str, tuple[pd.Series, pd.Series]]:
    """Each figure of a model as two columns: the sum of one over the sum of the other is the overall figure.

    Most are plain means. The rebalanced AuC is that of all pixels together; `delta_colorfulness_mean`
    is the mean colourfulness less the truth's, `delta_colorfulness_per_image` the mean distance of a
    picture's from its truth's, and `colorfulness_ratio` the one over the other, all of the signed variant.
    """
    one = pd.Series(1.0, index=rows.index)
    parts = {name: (rows[name], one) for name in rows.columns if kind(name) in BETTER}
    weight = rows["auc_rebalanced_weight"]
    parts["auc_rebalanced"] = (rows["auc_rebalanced"] * weight, weight)
    more = rows["colorfulness"] - rows["true_colorfulness"]
    parts["delta_colorfulness_mean"] = (more, one)
    parts["delta_colorfulness_per_image"] = (more.abs(), one)
    parts["colorfulness_ratio"] = (rows["colorfulness"], rows["true_colorfulness"])
    order = list(BETTER)
    return dict(sorted(parts.items(), key=lambda item: order.index(kind(item[0]))))


def summary(rows: pd.DataFrame) -> dict[str, float]:
    """The figures of a model over all its pictures, six decimals."""
    return {name: round(float(top.sum() / bottom.sum()), 6) for name, (top, bottom) in figures(rows).items()}


def intervals(rows: pd.DataFrame) -> dict[str, tuple[float, float]]:
    """95 % bootstrap intervals of the figures; the same rows give the same intervals."""
    return bootstrap(rows["photograph"], figures(rows))


def bootstrap(
    photographs: pd.Series, parts: Mapping[str, tuple[pd.Series, pd.Series]]
) -> dict[str, tuple[float, float]]:
    """95 % bootstrap intervals, six decimals, of figures that are two columns each, as in `figures`.

    photographs: of each row. Whole photographs are drawn with replacement, not tiles: tiles of one
    photograph resemble each other, and drawing them one by one would make the intervals far too narrow. Of
    one photograph there is no interval: NaN.
    """
    number = photographs.nunique()
    if number == 1:
        return dict.fromkeys(parts, (math.nan, math.nan))
    weights, bounds = drawn(number), {}
    for name, (top, bottom) in parts.items():
        sums = [column.groupby(photographs).sum().to_numpy() for column in (top, bottom)]
        values = (weights @ sums[0]) / (weights @ sums[1])
        low, high = np.percentile(values, [2.5, 97.5])
        bounds[name] = (round(float(low), 6), round(float(high), 6))
    return bounds


@cache
def drawn(number: int, seed: int = 0) -> np.ndarray:
    """How often each of so many photographs is drawn, in each resample: (RESAMPLES, number)."""
    return np.random.default_rng(seed).multinomial(number, np.full(number, 1 / number), size=RESAMPLES)


def comparison(
    models: Mapping[str, pd.DataFrame],
    missing: Sequence[str] = (),
    more: Mapping[str, Mapping[str, float]] | None = None,
) -> pd.DataFrame:
    """A row per model, and one for the truth's own figures: each figure with the ends of its interval.

    `weights` tells which weights were scored: the first 12 digits of their sha256, of each seed where the
    rows are those of several (`seeds.pooled`). `missing` names figures that could not be computed: they say
    so in every row. more: by model, further columns.
    """
    table = []
    for model, rows in models.items():
        bounds = intervals(rows)
        row: dict = {"model": model, "weights": ", ".join(rows["weights"].unique())}
        row |= {"pictures": len(rows[TILE].drop_duplicates()), "photographs": rows["photograph"].nunique()}
        for name, value in summary(rows).items():
            row |= {name: value, f"{name}_low": bounds[name][0], f"{name}_high": bounds[name][1]}
        row |= {f"{name}{end}": MISSING for name in missing for end in ("", "_low", "_high")}
        table.append(row | dict((more or {}).get(model, {})))
    true = next(iter(models.values())).filter(regex="^true_").mean().round(6)
    table.append({"model": "truth"} | {name.removeprefix("true_"): value for name, value in true.items()})
    return pd.DataFrame(table)


def markdown(table: pd.DataFrame, notes: Sequence[str]) -> str:
    """A comparison as a Markdown table, `value [low, high]` in each cell, with notes below it."""
    shown = [name for name in table.columns if f"{name}_low" in table.columns]
    columns = {"model": list(table["model"])} | {heading(name): cells(table, name) for name in shown}
    return laid_out(columns, notes)


def laid_out(columns: Mapping[str, Sequence[str]], notes: Sequence[str]) -> str:
    """A Markdown table of the cells of each column, by its heading, with notes below it."""
    lines = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    lines += [f"| {' | '.join(row)} |" for row in zip(*columns.values(), strict=True)]
    return "\n".join([*lines, "", *(f"- {note}" for note in notes), ""])


def kind(name: str) -> str:
    """The figure that a column holds: `lpips` for every net's LPIPS, and so on, else its own name."""
    first, _, net = name.partition("_")
    return first if first in NETS and net else name


def heading(name: str) -> str:
    """A figure's name with its unit and the direction of better."""
    return f"{name} ({BETTER[kind(name)]})"


def cells(table: pd.DataFrame, name: str) -> list[str]:
    """A figure of each row of a comparison, `value [low, high]`; empty where there is none."""
    columns = [table[f"{name}{end}"] for end in ("", "_low", "_high")]
    return [_cell(*row) for row in zip(*columns, strict=True)]


def _cell(value: float | str, low: float, high: float) -> str:
    if isinstance(value, str):
        return value
    if pd.isna(value):
        return ""
    return f"{value:.4g}" if pd.isna(low) else f"{value:.4g} [{low:.4g}, {high:.4g}]"
