"""Tables of a study's own figures, which no other study has, from rows per picture that its stage makes."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from tintype.console import UserError
from tintype.files import new_file
from tintype.report import seeds as of_seeds
from tintype.report import tables


def comparison(
    trainings: Mapping[str, pd.DataFrame],
    seeds: Mapping[str, int],
    better: Mapping[str, str],
    missing: Sequence[str] = (),
) -> pd.DataFrame:
    """A row per model: each figure, the ends of its interval, and how far the model's seeds differ.

    trainings: by name, rows with the column `photograph` and one for each figure in `better`, NaN where a
    figure is not defined; a picture may have several. seeds: of the trainings, NAME-SEED, that have one; the
    others are models by themselves. better: by figure, the direction of better.

    FIGURE is the mean over all rows of all seeds that have a value, six decimals; FIGURE_low and FIGURE_high
    are the ends of its 95 % bootstrap interval over photographs, in which the rows of one photograph stay
    together, whatever their seed. FIGURE_spread is the largest less the smallest of the seeds' means, NaN
    with one. `seeds` is how many there are, empty for what has none. All is empty where a model has no value;
    `missing` names figures that could not be computed, and need no column: they say so in every row.

    Raises UserError where the seeds of a model have rows of different photographs.
    """
    table = []
    for model, names in of_seeds.grouped(trainings, seeds).items():
        photographs = sorted(trainings[names[0]]["photograph"])
        for name in names[1:]:
            if sorted(trainings[name]["photograph"]) != photographs:
                raise UserError(f"{name}: not the test pictures of {names[0]}; score both alike")
        rows = pd.concat([trainings[name] for name in names], ignore_index=True)
        row: dict = {"model": model, "seeds": len(names) if names[0] in seeds else None}
        for figure in better:
            if figure in missing:
                row |= {f"{figure}{end}": "not available" for end in ("", "_low", "_high")}
                continue
            low, high = _interval(rows, figure)
            means = [trainings[name][figure].mean() for name in names]
            row |= {figure: round(rows[figure].mean(), 6), f"{figure}_low": low, f"{figure}_high": high}
            row[f"{figure}_spread"] = round(float(np.ptp(means)), 6) if len(names) > 1 else np.nan
        table.append(row)
    return pd.DataFrame(table).astype({"seeds": "Int64"})


def markdown(table: pd.DataFrame, better: Mapping[str, str], notes: Sequence[str]) -> str:
    """The figures named in `better` as a Markdown table, with notes below it.

    In each cell `value [low, high] ±d`: two seeds lie d above and below their mean.
    """
    columns = {name: of_seeds.fact_cells(table, name) for name in ("model", "seeds")}
    columns |= {f"{name} ({direction})": of_seeds.cells(table, name) for name, direction in better.items()}
    return tables.laid_out(columns, notes)


def write(out: Path, name: str, table: pd.DataFrame, better: Mapping[str, str], notes: Sequence[str]) -> None:
    """Write a comparison into a folder, as `NAME.csv` and, with notes, `NAME.md`."""
    with new_file(out / f"{name}.csv") as file:
        table.to_csv(file, index=False, lineterminator="\n", float_format="%.6g")
    with new_file(out / f"{name}.md") as file:
        file.write_text(markdown(table, better, notes), encoding="utf-8")


def _interval(rows: pd.DataFrame, figure: str) -> tuple[float, float]:
    # Of those photographs alone that have a value: a draw of others would have no mean.
    rows = rows[rows[figure].notna()]
    if rows.empty:
        return np.nan, np.nan
    one = pd.Series(1.0, index=rows.index)
    return tables.bootstrap(rows["photograph"], {figure: (rows[figure], one)})[figure]
