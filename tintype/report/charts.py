"""Charts of the report's page: SVG to stand in HTML, that follows the page's colours, light or dark."""

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from xml.etree import ElementTree

import pandas as pd

from tintype.floors import FLOORS
from tintype.report import cells, plots, tables
from tintype.tracking import COLOURS

# Quality, as far as one figure can tell it, to be drawn against colourfulness and size.
QUALITY = ("lpips", "ciede2000", "auc_rebalanced")
# What matplotlib was told, as it writes it -> what the page's style sheet says.
_SERIES = {colour.lower(): f"var(--series-{place})" for place, colour in enumerate(COLOURS)}
_REFERRING = ("href", "clip-path")  # attributes that name another element
_PAINTS = {"#737373": "var(--muted)", "#b0b0b0": "var(--muted)"} | _SERIES


@dataclass(frozen=True)
class Chart:
    """A chart with what it shows, in words: its caption, and its name for those who do not see it."""

    caption: str
    svg: str


def bars(table: pd.DataFrame) -> list[Chart]:
    """A chart for each figure of a comparison that any model has."""
    return [
        Chart(f"{name} of each model", inline(plots.bars, table, [name], told_apart=True))
        for name in cells.figures(table)
        if _numbers(table, name).any()
    ]


def scatters(table: pd.DataFrame) -> list[Chart]:
    """Each figure of QUALITY against colourfulness, then parameters, as far as models have both."""
    shown = [name for kind in QUALITY for name in cells.figures(table) if tables.kind(name) == kind]
    against = {"colorfulness": tables.heading("colorfulness")} | {"parameters": "parameters"}
    charts = []
    for x, label in against.items():
        for y in shown:
            if (_numbers(table, x) & _numbers(table, y)).any():
                drawn = inline(plots.scatter, table, x, y, label)
                charts.append(Chart(f"{y} against {x}; better is up", drawn))
    return charts


def curves(table: pd.DataFrame, found: Mapping[str, pd.DataFrame]) -> tuple[list[Chart], list[Chart]]:
    """A chart for each figure of trainings: those of validation (val_...), and the others.

    A model has the colour that `scatter` gives it.
    """
    models = [model for model in table["model"] if model not in FLOORS and model != "truth"]
    # A model without a curve keeps its place, and with it the others' colours.
    by_place = dict.fromkeys(models, pd.DataFrame()) | dict(found)
    names = dict.fromkeys(name for rows in by_place.values() for name in rows.columns if name != "step")
    drawn: tuple[list[Chart], list[Chart]] = ([], [])
    for name in names:
        if any(rows[name].notna().any() for rows in found.values() if name in rows):
            svg = inline(plots.curves, by_place, {}, name, name, narrow=True)
            drawn[not name.startswith("val_")].append(Chart(f"{name} while training", svg))
    return drawn


def inline(draw: Callable[..., None], *args: object, **kwargs: object) -> str:
    """What `draw(path, ...)` of `plots` draws, as an SVG element for HTML.

    Its colours are variables of the page, `currentColor` for black; it has no style attribute, which the
    page's Content-Security-Policy would ignore, and no name that another chart of other content has.
    """
    with TemporaryDirectory() as folder:
        path = Path(folder) / "chart.svg"
        draw(path, *args, **kwargs)
        root = ElementTree.parse(path).getroot()
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
        _of_the_page(element)
    _name_apart(root)
    for name in ("width", "height", "version"):
        root.attrib.pop(name, None)
    root.attrib |= {"class": "chart", "aria-hidden": "true", "focusable": "false"}
    return ElementTree.tostring(root, encoding="unicode")  # which escapes texts


def _of_the_page(element: ElementTree.Element) -> None:
    """Turn an element's style into attributes, and its paints into those of the page."""
    style = dict(part.split(":", 1) for part in element.attrib.pop("style", "").split(";") if ":" in part)
    for name, value in ((name.strip(), value.strip()) for name, value in style.items()):
        if name != "font-family":  # the page has its own
            element.set(name, value)
    for name in ("fill", "stroke"):
        if paint := element.get(name):
            element.set(name, "currentColor" if paint == "#000000" else _PAINTS.get(paint, paint))
    for name in list(element.attrib):
        if name.endswith("}href"):
            element.set("href", element.attrib.pop(name))


def _name_apart(root: ElementTree.Element) -> None:
    """Drop matplotlib's style sheet, which is in the page's, and names that nothing refers to.

    The others begin with a digest of the chart, as charts that share a part would share its name.
    """
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in ("style", "metadata"):
                parent.remove(child)
    digest = hashlib.sha256(ElementTree.tostring(root)).hexdigest()[:8]
    used = set()
    for element in root.iter():
        for name, value in element.items():
            if found := re.fullmatch(r"(?:url\()?#([\w-]+)\)?", value) if name in _REFERRING else None:
                used.add(found[1])
                element.set(name, value.replace("#", f"#c{digest}-"))
    for element in root.iter():
        if name := element.attrib.pop("id", None):
            element.attrib |= {"id": f"c{digest}-{name}"} if name in used else {}


def _numbers(table: pd.DataFrame, name: str) -> pd.Series:
    """In which rows of models a column holds a number."""
    models = table[table["model"] != "truth"]
    return pd.to_numeric(models.reindex(columns=[name])[name], errors="coerce").notna()
