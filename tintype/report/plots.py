"""Plots of a study as PNG: figures with their intervals, curves of training, calibration, what clicks do.

The same inputs make the same bytes: matplotlib's own fonts and defaults, whatever the user has set, and no
metadata.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path

import matplotlib.style
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, StrMethodFormatter

from tintype.console import UserError
from tintype.files import new_file
from tintype.floors import FLOORS
from tintype.report import seeds as of_seeds
from tintype.report import tables
from tintype.tracking import COLOURS

DPI = 144  # pixels an inch; text is 10 points, so that it can still be read where a page halves the picture
FEWEST = 100  # pixels in a bin, for the means over fewer are chance
_MARKERS = ("", "o", "s", "^")  # of the curves of the first models, of as many after them, and so on
_SEEDS = (("-", 1.8), ("--", 0.9), (":", 0.9), ("-.", 0.9))  # line style and width, by the seed's place


def bars(
    path: Path, table: pd.DataFrame, figures: Sequence[str], floor: str = "grey", truth: str = "truth"
) -> None:
    """A panel for each figure, a row for each model: a dot at the figure, a line over its 95 % interval.

    table: as `tables.comparison` or `seeds.comparison` makes it. The row `truth` is no row of the plot: in a
    panel whose figure it has, it is a dashed line; in the others, the row `floor` is a dotted one.
    """
    rows = table.set_index("model")
    models = [model for model in rows.index if model != truth]
    places = range(len(models))
    colours = ["0.45" if model in FLOORS else COLOURS[0] for model in models]
    with _drawn(path, 2 + 2.6 * len(figures), 1.3 + 0.27 * len(models)) as figure:
        panels = figure.subplots(1, len(figures), sharey=True, squeeze=False)[0]
        for panel, name in zip(panels, figures, strict=True):
            columns = rows.reindex(columns=[name, f"{name}_low", f"{name}_high"])
            columns = columns.apply(pd.to_numeric, errors="coerce")  # a figure may be "not available"
            value, low, high = (columns.loc[models, column] for column in columns)
            panel.hlines(places, low, high, colors=colours, linewidth=2.2)
            panel.scatter(value, places, c=colours, s=22, zorder=3)
            if truth in rows.index and pd.notna(columns.loc[truth, name]):
                panel.axvline(
                    columns.loc[truth, name], color=COLOURS[1], linestyle="--", zorder=1, label=truth
                )
            elif floor in rows.index and pd.notna(columns.loc[floor, name]):
                panel.axvline(
                    columns.loc[floor, name], color="0.45", linestyle=":", zorder=1, label=f"{floor} floor"
                )
            panel.set_title(tables.heading(name), size=10)
            panel.grid(alpha=0.3)
            panel.set_axisbelow(True)
            panel.tick_params(length=0)
            panel.spines[["top", "right", "left"]].set_visible(False)
            panel.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
        panels[0].set_yticks(places, models)
        panels[0].set_ylim(len(models) - 0.5, -0.5)  # the first model on top
        handles = list({line.get_label(): line for panel in panels for line in panel.get_lines()}.values())
        interval = Line2D([], [], color=COLOURS[0], marker="o", markersize=5, label="95 % interval")
        figure.legend(handles=[interval, *handles], loc="outside lower center", ncols=3, frameon=False)


def curves(
    path: Path, curves: Mapping[str, pd.DataFrame], seeds: Mapping[str, int], figure: str, label: str
) -> None:
    """A figure of every training against its step, a colour for each model, and `label` on the axis.

    curves: by training, the rows of its curve: `step` and figures. Rows and curves without the figure are
    skipped. Further seeds of a model are thinner and dashed. Raises UserError where no curve has the figure.
    """
    with _drawn(path, 9.5, 4.6) as drawing:
        axis = drawing.subplots()
        handles = _lines(axis, curves, seeds, "step", figure)
        if not handles:
            raise UserError(f"{path.name}: no curve has the figure {figure}")
        axis.set_xlabel("step")
        axis.set_ylabel(label)
        axis.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        drawing.legend(handles=handles, loc="outside right upper", frameon=False)


def calibration(path: Path, bins: Mapping[str, pd.DataFrame], seeds: Mapping[str, int]) -> None:
    """How right (%) pixels are, and how far off (units of ab), against how sure (%) they are.

    bins: by training, rows of `pixels` and the means over these: `confidence` and `accuracy` in %, and
    `error`; one of fewer than FEWEST pixels is no point of a line. On the dotted diagonal, one would be right
    as often as one is sure.
    """
    shown = {name: rows[rows["pixels"] >= FEWEST] for name, rows in bins.items()}
    with _drawn(path, 11, 4.4) as drawing:
        panels = drawing.subplots(1, 2)
        labels = ("right (%)", "mean distance to the true colours, units of ab")
        for panel, figure, label in zip(panels, ("accuracy", "error"), labels, strict=True):
            handles = _lines(panel, shown, seeds, "confidence", figure, points=True)
            panel.set_xlabel("probability of the most probable class (%)")
            panel.set_ylabel(label)
            panel.set_ylim(bottom=0)
        panels[0].axline((0, 0), slope=1, color="0.45", linestyle=":", zorder=1)
        handles.append(Line2D([], [], color="0.45", linestyle=":", label="as right as sure"))
        drawing.legend(handles=handles, loc="outside right upper", frameon=False)


def hints(
    path: Path, errors: Mapping[str, pd.DataFrame], seeds: Mapping[str, int], floor: str = "grey"
) -> None:
    """Mean distance to the true colours against the number of clicks, a line for each model.

    errors: by training, rows of `hints`, how many, and `ab_error`. The one named `floor` is dotted.
    """
    trainings = {name: rows for name, rows in errors.items() if name != floor}
    with _drawn(path, 8.5, 4.4) as drawing:
        axis = drawing.subplots()
        handles = _lines(axis, trainings, seeds, "hints", "ab_error", points=True)
        line = {"color": "0.45", "linestyle": ":", "label": f"{floor} floor"}
        handles += axis.plot(errors[floor]["hints"], errors[floor]["ab_error"], **line)
        axis.set_xticks(errors[floor]["hints"])
        axis.set_xlabel("clicks with the true colours")
        axis.set_ylabel("mean distance to the true colours, units of ab")
        axis.set_ylim(bottom=0)
        drawing.legend(handles=handles, loc="outside right upper", frameon=False)


def _lines(
    axis: Axes,
    trainings: Mapping[str, pd.DataFrame],
    seeds: Mapping[str, int],
    x: str,
    y: str,
    points: bool = False,
) -> list[Line2D]:
    """Draw the column `y` of every training against `x`, a colour for each model; returns the legend's lines.

    Rows and trainings without either are skipped. Further seeds of a model are thinner and dashed. points:
    whether there are so few rows that each is marked.
    """
    models, markers = of_seeds.grouped(trainings, seeds), _MARKERS[1:] if points else _MARKERS
    for place, (model, names) in enumerate(models.items()):
        colour, marker = COLOURS[place % len(COLOURS)], markers[place // len(COLOURS) % len(markers)]
        told = model
        for name, (style, width) in zip(names, cycle(_SEEDS), strict=False):
            rows = trainings[name].reindex(columns=[x, y]).dropna()
            if rows.empty:
                continue
            line = {"color": colour, "linestyle": style, "linewidth": width, "label": told}
            axis.plot(rows[x], rows[y], marker=marker, markersize=4, markevery=1 if points else 0.1, **line)
            told = None  # so that the legend has each model once
    handles, _ = axis.get_legend_handles_labels()
    if handles and any(len(names) > 1 for names in models.values()):
        style, width = _SEEDS[1]
        handles.append(Line2D([], [], color="0.3", linestyle=style, linewidth=width, label="another seed"))
    axis.grid(alpha=0.3)
    axis.spines[["top", "right"]].set_visible(False)
    return handles


@contextmanager
def _drawn(path: Path, width: float, height: float) -> Iterator[Figure]:
    """Yield a figure, sizes in inches, to draw on; it becomes the PNG `path` when the block succeeds."""
    with matplotlib.style.context("default"):
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(figure)
        figure.get_layout_engine().set(w_pad=0.1, h_pad=0.1)  # inches: room for a number at a panel's end
        yield figure
        with new_file(path) as file:
            figure.savefig(file, dpi=DPI, format="png", metadata={"Software": None})
