"""Tables of figures with confidence intervals, all made from the per-picture CSVs that evaluation writes."""

from collections.abc import Mapping, Sequence
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
    "colorfulness": "to the truth's",
    "colorfulness_abs": "to the truth's",
    "delta_colorfulness_mean": "to 0",
    "colorfulness_ratio": "to 1",
}


def read(file: Path) -> pd.DataFrame:
    """The rows of one model: a row per test picture. Raises UserError where the file is missing."""
    try:
        rows = pd.read_csv(file, dtype={"photograph": str, "weights": str}, keep_default_na=False)
    except FileNotFoundError:
        raise UserError(f"{file}: no such file; `dvc repro evaluate` writes it") from None
    if holes := list(
        rows.columns.drop(["photograph", "weights"]).difference(rows.select_dtypes("number").columns)
    ):
        raise UserError(
            f"{file}: not a number in every row: {', '.join(holes)}; `dvc repro -f evaluate` writes it anew"
        )
    return rows


def figures(rows: pd.DataFrame) -> dict[str, tuple[pd.Series, pd.Series]]:
    """Each figure of a model as two columns: the sum of one over the sum of the other is the overall figure.

    Most are plain means. The rebalanced AuC is that of all pixels together; `delta_colorfulness_mean`
    is the mean colourfulness less the truth's, and `colorfulness_ratio` the one over the other, both of
    the signed variant.
    """
    one = pd.Series(1.0, index=rows.index)
    parts = {
        name: (rows[name], one) for name in rows.columns if name.split("_")[0] == "lpips" or name in BETTER
    }
    weight = rows["auc_rebalanced_weight"]
    parts["auc_rebalanced"] = (rows["auc_rebalanced"] * weight, weight)
    parts["delta_colorfulness_mean"] = (rows["colorfulness"] - rows["true_colorfulness"], one)
    parts["colorfulness_ratio"] = (rows["colorfulness"], rows["true_colorfulness"])
    order = list(BETTER)
    return dict(sorted(parts.items(), key=lambda item: order.index(_kind(item[0]))))


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
    photograph resemble each other, and drawing them one by one would make the intervals far too narrow.
    """
    number = photographs.nunique()
    rng = np.random.default_rng(0)
    drawn = rng.multinomial(number, np.full(number, 1 / number), size=RESAMPLES)
    bounds = {}
    for name, (top, bottom) in parts.items():
        sums = [column.groupby(photographs).sum().to_numpy() for column in (top, bottom)]
        values = (drawn @ sums[0]) / (drawn @ sums[1])
        low, high = np.percentile(values, [2.5, 97.5])
        bounds[name] = (round(float(low), 6), round(float(high), 6))
    return bounds


def comparison(models: Mapping[str, pd.DataFrame], missing: Sequence[str] = ()) -> pd.DataFrame:
    """A row per model, and one for the truth's colourfulness: each figure with the ends of its interval.

    `weights` tells which weights were scored: the first 12 digits of their sha256, of each seed where the
    rows are those of several (`seeds.pooled`). `missing` names figures that could not be computed: they say
    so in every row.
    """
    table = []
    for model, rows in models.items():
        bounds = intervals(rows)
        row: dict = {"model": model, "weights": ", ".join(rows["weights"].unique())}
        row |= {"pictures": len(rows[TILE].drop_duplicates()), "photographs": rows["photograph"].nunique()}
        for name, value in summary(rows).items():
            row |= {name: value, f"{name}_low": bounds[name][0], f"{name}_high": bounds[name][1]}
        row |= {f"{name}{end}": "not available" for name in missing for end in ("", "_low", "_high")}
        table.append(row)
    rows = next(iter(models.values()))
    variants = ("colorfulness", "colorfulness_abs")
    table.append(
        {"model": "truth"} | {name: round(float(rows[f"true_{name}"].mean()), 6) for name in variants}
    )
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


def heading(name: str) -> str:
    """A figure's name with its unit and the direction of better."""
    return f"{name} ({BETTER[_kind(name)]})"


def cells(table: pd.DataFrame, name: str) -> list[str]:
    """A figure of each row of a comparison, `value [low, high]`; empty where there is none."""
    columns = [table[f"{name}{end}"] for end in ("", "_low", "_high")]
    return [_cell(*row) for row in zip(*columns, strict=True)]


def _kind(name: str) -> str:
    """The figure that a column holds: `lpips` for every net's LPIPS, else its own name."""
    return "lpips" if name.startswith("lpips_") else name


def _cell(value: float | str, low: float, high: float) -> str:
    if isinstance(value, str):
        return value
    if pd.isna(value):
        return ""
    return f"{value:.4g}" if pd.isna(low) else f"{value:.4g} [{low:.4g}, {high:.4g}]"
