"""Plots as PNG or SVG: figures with their intervals, curves of training, calibration, what clicks do.

The same inputs make the same bytes: matplotlib's own fonts and defaults, whatever the user has set, and no
metadata. The text of an SVG is text, its background transparent.
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
from matplotlib.ticker import EngFormatter, MaxNLocator, StrMethodFormatter

from tintype.console import UserError
from tintype.files import new_file
from tintype.floors import FLOORS
from tintype.report import seeds as of_seeds
from tintype.report import tables
from tintype.tracking import COLOURS

DPI = 144  # pixels an inch; text is 10 points, so that it can still be read where a page halves the picture
FEWEST = 100  # pixels in a bin, for the means over fewer are chance
_MUTED = "0.45"  # of floors, and of lines to compare with
_SHAPES = ("o", "s", "^", "D", "v", "P", "X", "p")
_MARKERS = ("", "o", "s", "^")  # of the curves of the first models, of as many after them, and so on
_SEEDS = (("-", 1.8), ("--", 0.9), (":", 0.9), ("-.", 0.9))  # line style and width, by the seed's place


def bars(
    path: Path,
    table: pd.DataFrame,
    figures: Sequence[str],
    floor: str = "grey",
    truth: str = "truth",
    told_apart: bool = False,
) -> None:
    """A panel for each figure, a row for each model: a dot at the figure, a line over its 95 % interval.

    table: as `tables.comparison` or `seeds.comparison` makes it. The row `truth` is no row of the plot: in a
    panel whose figure it has, it is a dashed line; in the others, the row `floor` is a dotted one.
    told_apart: whether each model has the colour that `scatter` gives it, and the truth none.
    """
    rows = table.set_index("model")
    models = [model for model in rows.index if model != truth]
    places = range(len(models))
    own = model_colours(models)
    colours = [own[model] if told_apart or model in FLOORS else COLOURS[0] for model in models]
    of_truth, mark = ("black", _MUTED) if told_apart else (COLOURS[1], COLOURS[0])
    with _drawn(path, 2 + 2.6 * len(figures), 1.3 + 0.27 * len(models)) as figure:
        panels = figure.subplots(1, len(figures), sharey=True, squeeze=False)[0]
        for panel, name in zip(panels, figures, strict=True):
            columns = rows.reindex(columns=[name, f"{name}_low", f"{name}_high"])
            columns = columns.apply(pd.to_numeric, errors="coerce")  # a figure may be "not available"
            value, low, high = (columns.loc[models, column] for column in columns)
            panel.hlines(places, low, high, colors=colours, linewidth=2.2)
            panel.scatter(value, places, c=colours, s=22, zorder=3)
            if truth in rows.index and pd.notna(columns.loc[truth, name]):
                panel.axvline(columns.loc[truth, name], color=of_truth, linestyle="--", zorder=1, label=truth)
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
        interval = Line2D([], [], color=mark, marker="o", markersize=5, label="95 % interval")
        figure.legend(handles=[interval, *handles], loc="outside lower center", ncols=3, frameon=False)


def scatter(path: Path, table: pd.DataFrame, x: str, y: str, label: str, truth: str = "truth") -> None:
    """A point for each model at its figures `x` and `y`, better upwards, with lines over their intervals.

    table: as `tables.comparison` makes it. x: a figure, or a size, which has no interval: its axis begins at
    0, or is logarithmic where sizes are of several magnitudes. label: of that axis. The row `truth` is a
    dashed line where it has `x`. Models without either are left out; raises UserError where none is left.
    """
    rows = table.set_index("model")
    wanted = [f"{name}{end}" for name in (x, y) for end in ("", "_low", "_high")]
    rows = rows.reindex(columns=wanted).apply(pd.to_numeric, errors="coerce")
    own = model_colours([model for model in rows.index if model != truth])
    points = rows.drop(index=truth, errors="ignore").dropna(subset=[x, y])
    if points.empty:
        raise UserError(f"{path.name}: no model has both {x} and {y}")
    with _drawn(path, 4.6, 3.8) as drawing:
        axis = drawing.subplots()
        for model, point in points.iterrows():
            colour, marker = own[model], _SHAPES[list(own).index(model) % len(_SHAPES)]
            axis.hlines(point[y], point[f"{x}_low"], point[f"{x}_high"], color=colour, alpha=0.5)
            axis.vlines(point[x], point[f"{y}_low"], point[f"{y}_high"], color=colour, alpha=0.5)
            axis.scatter(point[x], point[y], color=colour, marker=marker, s=42, zorder=3, label=model)
        if truth in rows.index and pd.notna(rows.loc[truth, x]):
            axis.axvline(rows.loc[truth, x], color="black", linestyle="--", zorder=1, label=truth)
        if f"{x}_low" not in table.columns:
            _of_sizes(axis, points[x])
        if tables.heading(y).endswith("down)"):
            axis.invert_yaxis()
        axis.set_xlabel(label)
        axis.set_ylabel(tables.heading(y))
        axis.grid(alpha=0.3)
        axis.set_axisbelow(True)
        axis.spines[["top", "right"]].set_visible(False)
        drawing.legend(loc="outside lower center", ncols=3, frameon=False)


def _of_sizes(axis: Axes, sizes: pd.Series) -> None:
    if 0 < 50 * sizes.min() < sizes.max():
        axis.set_xscale("log")
        return
    axis.set_xlim(0, 1.25 * sizes.max() or 1)
    axis.xaxis.set_major_locator(MaxNLocator(5))
    if sizes.max() >= 1000:
        axis.xaxis.set_major_formatter(EngFormatter(sep=""))


def model_colours(models: Sequence[str]) -> dict[str, str]:
    """The colour of each model, by its place among those that are no floors, and a grey for floors."""
    trained = [model for model in models if model not in FLOORS]
    return dict.fromkeys(models, _MUTED) | dict(zip(trained, cycle(COLOURS), strict=False))


def curves(
    path: Path,
    curves: Mapping[str, pd.DataFrame],
    seeds: Mapping[str, int],
    figure: str,
    label: str,
    narrow: bool = False,
) -> None:
    """A figure of every training against its step, a colour for each model, and `label` on the axis.

    curves: by training, the rows of its curve: `step` and figures. Rows and curves without the figure are
    skipped. Further seeds of a model are thinner and dashed. narrow: half as wide, the legend below.
    Raises UserError where no curve has the figure.
    """
    size, legend = (9.5, 4.6), {"loc": "outside right upper"}
    if narrow:
        size, legend = (4.6, 3.6), {"loc": "outside lower center", "ncols": 3}
    with _drawn(path, *size) as drawing:
        axis = drawing.subplots()
        handles = _lines(axis, curves, seeds, "step", figure)
        if not handles:
            raise UserError(f"{path.name}: no curve has the figure {figure}")
        axis.set_xlabel("step")
        axis.set_ylabel(label)
        axis.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        drawing.legend(handles=handles, frameon=False, **legend)


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
    """Yield a figure, sizes in inches, to draw on; it becomes `path` when the block succeeds.

    The path's ending, .png or .svg, chooses the format.
    """
    svg = path.suffix == ".svg"
    metadata = dict.fromkeys(("Creator", "Date", "Format", "Type") if svg else ("Software",))
    of_svg = {"svg.fonttype": "none", "svg.hashsalt": path.name}
    with matplotlib.style.context("default"), matplotlib.rc_context(of_svg):
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(figure)
        figure.get_layout_engine().set(w_pad=0.1, h_pad=0.1)  # inches: room for a number at a panel's end
        yield figure
        with new_file(path) as file:
            figure.savefig(file, dpi=DPI, format=path.suffix[1:], metadata=metadata, transparent=svg)
