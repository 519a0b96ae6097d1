"""The card of a model: its figures beside the floors', the test pictures on which it fails, and its words."""

from collections.abc import Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import pandas as pd

from tintype.batch import Batch
from tintype.color import into_gamut
from tintype.colorizer import Colorizer
from tintype.console import UserError
from tintype.floors import FLOORS
from tintype.report import sheets, tables
from tintype.store import Split

FIGURES = ("lpips", "ciede2000", "auc_rebalanced", "psnr", "colorfulness_abs")
TRUTH = "truth"
SAME = 1e-4  # by which numbers of one thing may differ, relatively: tables have six digits
SHOWN = 5  # pictures of each kind of failure: the sheet is kept in git, and stays below some 600 kB
COLOURED = 0.75  # of the truth's colourfulness, from which on a failure is not one of too little colour
_APART = 12  # pixels between the kinds of failures


def beside_floors(name: str, rows: pd.DataFrame, others: Path) -> pd.DataFrame:
    """The floors' rows of the comparison `others`, that of a model, made from its rows, and the truth's.

    rows: as `tables.read` has them. Raises UserError where `others` is missing, lacks such a row, or is of
    other test pictures.
    """
    try:
        found = pd.read_csv(others).set_index("model", drop=False)
    except FileNotFoundError:
        raise UserError(f"{others}: no such file; `dvc repro compare`, of the study, writes it") from None
    if lacking := [row for row in (*FLOORS, TRUTH) if row not in found.index]:
        raise UserError(f"{others}: found no {', '.join(lacking)}, allowed: a comparison with the floors")
    unknown = [of for of in _figures(found) if of not in rows]
    own = tables.comparison({name: rows}, unknown)
    counts = ["pictures", "photographs"]
    same = (found.loc[[*FLOORS], counts] == own.loc[0, counts]).all(axis=None)
    for of, true in own.set_index("model").loc[TRUTH].dropna().items():
        same = same and (of not in found or np.isclose(found[of][TRUTH], true, rtol=SAME))
    if not same:
        raise UserError(f"{others}: not of the test pictures on which {name} was scored; score both alike")
    return pd.concat([found.loc[[*FLOORS]], own], ignore_index=True)


def figures(table: pd.DataFrame) -> str:
    """FIGURES of a comparison as a Markdown table, `value [low, high]` in each cell."""
    shown = {tables.heading(name): tables.cells(table, name) for name in _figures(table)}
    return tables.laid_out({"": list(table["model"])} | shown, []).strip()


def failures(rows: pd.DataFrame) -> dict[str, list[int]]:
    """Numbers of the test pictures that show best how a model fails, SHOWN of each kind at most.

    `wrong`: those of the largest CIEDE2000 that are about as colourful as the truth, or more. `pale`: of the
    other photographs, those that lack most of the truth's colourfulness. Each photograph is there once.
    """
    found, true = rows["colorfulness_abs"], rows["true_colorfulness_abs"]
    wrong = _worst(rows[found >= COLOURED * true], rows["ciede2000"])
    others = ~rows["photograph"].isin(rows.loc[wrong, "photograph"])
    return {"wrong": wrong, "pale": _worst(rows[others & (found < true)], true - found)}


def _worst(rows: pd.DataFrame, by: pd.Series) -> list[int]:
    order = by[rows.index].sort_values(ascending=False, kind="stable").index
    return list(rows.loc[order].drop_duplicates("photograph").index[:SHOWN])


def sheet(colorizer: Colorizer, test: Split, kinds: Sequence[list[int]], name: str) -> np.ndarray:
    """Pictures of a split: grey, as the model `name` colours them, true; uint8 (H, W, 3).

    kinds: the numbers of each kind's pictures, which go below each other. The kinds stand side by side.
    """
    gap = np.full((1, _APART, 3), 255, np.uint8)
    columns, heads = [], []
    for numbers in filter(None, kinds):
        columns += [[gap]] if columns else []
        columns += zip(*(_cells(colorizer, Batch.read(test, np.array([n]))) for n in numbers), strict=True)
        heads += [""] if heads else []
        heads += ["grey", name, TRUTH]
    rows = zip_longest(*columns, fillvalue=gap[:, :1])
    return sheets.labelled([list(row) for row in rows], heads)


def _cells(colorizer: Colorizer, picture: Batch) -> list[np.ndarray]:
    return [sheets.shown(lab) for lab in (picture.grey, into_gamut(colorizer.colours(picture)), picture.lab)]


def rendered(words: Path, facts: Mapping[str, Any]) -> str:
    """A card: a jinja2 template with its blanks filled in. The filter `told` writes a value of params.yaml.

    Raises UserError where the template is missing or wrong, or asks for what is not among the facts.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(words.parent),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["told"] = told
    try:
        return environment.get_template(words.name).render(facts)
    except jinja2.TemplateNotFound:
        raise UserError(f"{words}: no such file; name the template of the cards") from None
    except jinja2.TemplateSyntaxError as error:
        raise UserError(f"{words}: line {error.lineno}: {error.message}") from None
    except jinja2.UndefinedError as error:
        raise UserError(f"{words}: {error.message}; allowed: {', '.join(facts)}, and what it sets") from None


def told(value: Any) -> str:
    """A value of params.yaml in a sentence: `factor 2, until 0.5`; `0.5, 0.999`."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {told(of)}" for key, of in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(map(told, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _figures(table: pd.DataFrame) -> list[str]:
    """The columns of FIGURES, in this order."""
    shown = [name for name in table.columns if f"{name}_low" in table.columns]
    return [name for kind in FIGURES for name in shown if tables.kind(name) == kind]
