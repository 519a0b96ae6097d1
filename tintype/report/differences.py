"""Who is better than whom: paired differences between models on the same pictures, and what follows."""

from collections.abc import Iterable, Mapping
from itertools import combinations

import numpy as np
import pandas as pd

from tintype.console import UserError
from tintype.report import tables

# Figures that have a better direction picture by picture, and few enough to read.
COMPARED = ["lpips", "ciede2000", "psnr", "ssim", "auc", "auc_rebalanced", "top1"]
COMPARED += ["delta_colorfulness_per_image"]
COLUMNS = ["model", "other", "figure", "difference", "low", "high", "pictures", "won", "lost", "better"]
FEW = 20  # photographs, under which bootstrap intervals are too narrow


def paired(models: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """A row per pair of models and figure of COMPARED: how far `model` is above `other`, picture by picture.

    models: rows per picture, as `tables.read` has them, or of several seeds (`seeds.pooled`). `difference` is
    that of the overall figures; `low` and `high` are the ends of its 95 % bootstrap interval over
    photographs, drawn together for both models, so that what makes a photograph hard for both cancels out;
    empty with one photograph. `won` and `lost` count the pictures on which `model` is better and worse.
    `better` names one of the two only where the interval excludes zero, and is empty elsewhere.

    Raises UserError where two models were scored on different pictures.
    """
    found, each = [], {model: _by_picture(rows) for model, rows in models.items()}
    for model, other in combinations(models, 2):
        ours, theirs = each[model], each[other]
        if not ours["ciede2000"][0].index.equals(theirs["ciede2000"][0].index):
            raise UserError(f"{model} and {other} were scored on different pictures; score both alike")
        # Both have the same weights, which depend on the truth alone.
        apart = {
            name: (top - theirs[name][0], weight) for name, (top, weight) in ours.items() if name in theirs
        }
        photographs = pd.Series(ours["ciede2000"][0].index.get_level_values("photograph"))
        bounds = tables.bootstrap(photographs, {name: _plain(columns) for name, columns in apart.items()})
        for name, (top, weight) in apart.items():
            upwards = _upwards(name)
            gain = top if upwards else -top
            low, high = bounds[name]
            row = {"model": model, "other": other, "figure": name, "low": low, "high": high}
            row["difference"] = round(float(top.sum() / weight.sum()), 6)
            row |= {"pictures": len(top), "won": int((gain > 0).sum()), "lost": int((gain < 0).sum())}
            row["better"] = ""
            if low > 0 or high < 0:
                row["better"] = model if (low > 0) == upwards else other
            found.append(row)
    return pd.DataFrame(found, columns=COLUMNS)


def _by_picture(rows: pd.DataFrame) -> dict[str, tuple[pd.Series, pd.Series]]:
    """The figures of COMPARED, as `tables.figures` has them, a value a picture: the mean over seeds."""
    places = [rows[column] for column in tables.TILE]
    return {
        name: tuple(column.groupby(places).mean() for column in columns)
        for name, columns in tables.figures(rows).items()
        if tables.kind(name) in COMPARED
    }


def _plain(columns: tuple[pd.Series, pd.Series]) -> tuple[pd.Series, pd.Series]:
    return tuple(column.reset_index(drop=True) for column in columns)


def of(differences: pd.DataFrame, model: str, figure: str) -> pd.DataFrame:
    """The rows of one model and figure, turned round where it is the `other`: one for each other model."""
    rows = differences[differences["figure"] == figure]
    turned = rows[rows["other"] == model]
    turned = turned.rename(columns={"model": "other", "other": "model", "won": "lost", "lost": "won"})
    turned = turned.assign(difference=-turned["difference"], low=-turned["high"], high=-turned["low"])
    return pd.concat([rows[rows["model"] == model], turned], ignore_index=True)[COLUMNS]


def verdict(table: pd.DataFrame, differences: pd.DataFrame, floors: Iterable[str]) -> list[str]:
    """Which model to use, by how much it is better, and whether that is more than chance: sentences.

    table: `tables.comparison`, of the models that `differences` compares; floors: those of them that learned
    nothing. First the choice, then a sentence a question: which is nearest the truth (by LPIPS, where it is
    there, else by CIEDE2000), which has rare colours right, whose colourfulness is the truth's.
    """
    values = table.set_index("model").drop(index="truth", errors="ignore")
    trained = [model for model in values.index if model not in set(floors)]
    if not trained:
        return ["There are only floors: nothing was trained that could be used."]
    compared = list(dict.fromkeys(differences["figure"])) or ["ciede2000"]
    nearest = next((name for name in compared if name.startswith("lpips_")), "ciede2000")
    questions = {
        nearest: "Nearest to the truth",
        "auc_rebalanced": "Best at rare colours",
        "delta_colorfulness_per_image": "Colourfulness nearest to each truth's",
    }
    said = []
    for figure, question in questions.items():
        numbers = pd.to_numeric(values.loc[trained, figure])
        best = numbers.idxmax() if _upwards(figure) else numbers.idxmin()
        rows = of(differences, best, figure).set_index("other")
        if not said:
            said.append(_choice(best, numbers, differences, figure, set(floors)))
        own = _interval(*values.loc[best, [figure, f"{figure}_low", f"{figure}_high"]])
        others = [name for name in trained if name in rows.index]
        others += [name for name in rows.index if name not in trained]
        beside = "; ".join(_beside(rows.loc[name], name) for name in others)
        said.append("; ".join(filter(None, [f"{question}: {best}, {figure} {own}", beside])) + ".")
    photographs = int(values["photographs"].iloc[0])
    if photographs < FEW:
        said.append(
            f"The test pictures come from {photographs} photographs. With so few, intervals are too narrow, "
            "and what is called significant here may not hold elsewhere."
        )
    return said


def _choice(best: str, numbers: pd.Series, differences: pd.DataFrame, figure: str, floors: set[str]) -> str:
    """What to use: the nearest to the truth, and whom no model surely excels; none where a floor is better.

    numbers: the figure of each trained model.
    """
    rows = of(differences, best, figure).set_index("other")
    if nearer := [name for name in rows.index if name in floors and rows.loc[name, "better"] == name]:
        alone = " and ".join(nearer)
        return f"Use none of them: {alone} alone is nearer to the truth than {best}, significantly so."
    excelled = {
        row.other if row.better == row.model else row.model
        for row in differences.itertuples()
        if row.figure == figure and row.better in numbers.index
    }
    order = numbers.sort_values(ascending=not _upwards(figure)).index
    unsure = [name for name in rows.index if rows.loc[name, "better"] != best]
    models, levels = ([name for name in unsure if (name in floors) == floor] for floor in (False, True))
    if len(numbers) == 1:
        said = f"Use {best}: it is the only model"
    elif models:
        choice = " or ".join(name for name in order if name not in excelled)
        said = f"Use {choice}: {best} is nearest to the truth, but not significantly nearer than "
        said += " and ".join(models)
    else:
        said = f"Use {best}: it is nearest to the truth, significantly nearer than every other model"
    return said + (f"; that it is nearer than {' and '.join(levels)} is not shown." if levels else ".")


def _beside(row: pd.Series, name: str) -> str:
    """By how much a model is better, or worse, than another: always a gain or a loss above zero."""
    ends = [row["difference"], row["low"], row["high"]]
    ahead = (ends[0] >= 0) == _upwards(row["figure"]) or ends[0] == 0
    if ends[0] < 0:
        ends = [-ends[0], -ends[2], -ends[1]]
    unsure = ", not significant" if row["better"] == "" else ""
    where = f"better on {row['won']} of {row['pictures']}{unsure}"
    return f"{'ahead of' if ahead else 'behind'} {name} by {_interval(*ends)} ({where})"


def _upwards(figure: str) -> bool:
    return tables.BETTER[tables.kind(figure)].endswith("up")


def _interval(value: float, low: float, high: float) -> str:
    value, low, high = value + 0.0, low + 0.0, high + 0.0  # no minus before a zero
    return f"{value:.3g}" if np.isnan(low) else f"{value:.3g} [{low:.3g}, {high:.3g}]"
