"""The comparison as a page that a browser opens from the disk: one file, with no server and no network.

Its words and its order are in `page.html`, a jinja2 template; `page.css` and `page.js` are put into it.
"""

import hashlib
import io
import math
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
from PIL import Image

from tintype.files import new_file, new_folder
from tintype.floors import FLOORS
from tintype.report import cells, charts, plots, tables

PER_PAGE = 200
FURTHER = "pages"  # the folder of further pages
# Characters of test pictures, and of all pictures, on a page, which stays under 25 MB with what is around.
PICTURES, ALL = 22_000_000, 24_000_000
CAPTIONS = ("lpips", "ciede2000", "auc_rebalanced", "colorfulness")  # figures told below each picture
_HERE = Path(__file__).parent


@dataclass(frozen=True)
class Picture:
    """A test picture in the gallery.

    name: of the picture, and where it was cut from. group: its label or group, "" where it has none. grey,
    truth: WebP. coloured: by model, WebP. figures: by model, by figure; those of "truth", where it has some,
    are what figures that should be near the truth's are compared with.
    """

    name: str
    group: str
    grey: bytes
    truth: bytes
    coloured: dict[str, bytes]
    figures: dict[str, dict[str, float]]


@dataclass(frozen=True)
class Old:
    """A real black-and-white picture: WebP, and as each model coloured it."""

    name: str
    grey: bytes
    coloured: dict[str, bytes]


@dataclass(frozen=True)
class Page:
    """All that the page says.

    verdict: sentences: which model, by how much, is it significant. table: as `tables.comparison` makes
    it, and `parameters` and `gflops` where they are known. notes: what one has to know to read it.
    differences: rows of `model`, `other`, `figure`, `difference` (of the first less the second), `low`,
    `high`, `pictures`, `won`, `lost`, `better` (a model, or ""). breakdowns: rows of `breakdown`, `part`,
    `pictures`, `model`, `figure`, `value`, `low`, `high`. films: rows of `model`, `film`, `figure`,
    `value`, `low`, `high`, `pictures`, and `loss`, `loss_low`, `loss_high`: how much worse than with the
    film it was trained on, NaN for that film. gaps: rows of `model` and the columns of `real_bw.gap`.
    more: a sentence where not all test pictures are shown, else "". curves: by model, `step` and figures.
    params: YAML. digests: of data and weights, by what they are of. commands: how to rebuild it.
    """

    verdict: list[str]
    table: pd.DataFrame
    notes: list[str]
    differences: pd.DataFrame
    breakdowns: pd.DataFrame
    films: pd.DataFrame
    gaps: pd.DataFrame
    pictures: list[Picture]
    more: str
    old: list[Old]
    curves: dict[str, pd.DataFrame]
    params: str
    digests: dict[str, str]
    commands: list[str]


def write(folder: Path, page: Page) -> list[Path]:
    """Write `index.html`, with everything and the first pictures; the others go to `pages/2.html` and on.

    A page holds at most PER_PAGE pictures, fewer where they would be too large. The folder `pages` is always
    there, and holds nothing else. Returns the paths of the pages.
    """
    parts = _parts(page.pictures, page.old)
    template, shared, first = _template(), _shared(page), 0
    texts = []
    for number, (pictures, old) in enumerate(parts, start=1):
        own = {"number": number, "first": first, "pictures": pictures, "old": old}
        own |= {"links": _links(len(parts), number)}
        own |= _data(page, shared["swatches"], pictures, old) | (_report(page) if number == 1 else {})
        texts.append(template.render(page=page, **shared, **own))
        first += len(pictures)
    with new_folder(folder / FURTHER) as further:
        for number, text in enumerate(texts[1:], start=2):
            (further / f"{number}.html").write_text(text, encoding="utf-8", newline="\n")
    with new_file(folder / "index.html") as file:
        file.write_text(texts[0], encoding="utf-8", newline="\n")
    return [folder / name for name in _links(len(parts), 1)]


def _links(count: int, number: int) -> list[str]:
    """The addresses of all pages, as page `number` has them."""
    home, others = ("index.html", f"{FURTHER}/") if number == 1 else ("../index.html", "")
    return [home, *(f"{others}{other}.html" for other in range(2, count + 1))]


def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["kind"] = tables.kind
    return environment.get_template("page.html")


def _shared(page: Page) -> dict[str, Any]:
    """What every page needs: style and script, with the hashes by which the browser lets them through."""
    css, js = ((_HERE / f"page.{kind}").read_text(encoding="utf-8") for kind in ("css", "js"))
    hashes = {kind: _hash(text) for kind, text in (("css", css), ("js", js))}
    models = [model for model in page.table["model"] if model != cells.TRUTH]
    places = {colour: place for place, colour in enumerate(plots.COLOURS)}
    swatches = {model: places.get(colour) for model, colour in plots.model_colours(models).items()}
    return {"css": css, "js": js, "hashes": hashes, "swatches": swatches}


def _report(page: Page) -> dict[str, Any]:
    """What the first page says before and after the pictures."""
    rows = cells.comparison(page.table)
    validation, losses = charts.curves(page.table, page.curves)
    return {
        "figures": [{"name": name} | cells.better(name) for name in cells.figures(page.table)],
        "facts": [name for name in (*cells.SIZES, *cells.COUNTS) if name in page.table],
        "models": [row for row in rows if row["model"] != cells.TRUTH],
        "truths": [row for row in rows if row["model"] == cells.TRUTH],
        "differences": cells.differences(page.differences),
        "breakdowns": {
            name: cells.grids(rows, "part") for name, rows in page.breakdowns.groupby("breakdown", sort=False)
        },
        "films": cells.grids(page.films, "film"),
        "gaps": cells.gaps(page.gaps),
        "bars": charts.bars(page.table),
        "scatters": charts.scatters(page.table),
        "validation": validation,
        "losses": losses,
    }


def _data(page: Page, swatches: dict, pictures: Sequence[Picture], old: Sequence[Old]) -> dict[str, Any]:
    """What the script reads: the index of the galleries, and the pictures, each by itself."""
    models = list(dict.fromkeys(model for picture in pictures for model in picture.coloured))
    figures = dict.fromkeys(
        name for picture in pictures for values in picture.figures.values() for name in values
    )
    shown = [{"name": name} | cells.better(name) for name in figures if cells.is_figure(name)]
    index = {
        "figures": shown,
        "captions": [one["name"] for kind in CAPTIONS for one in shown if tables.kind(one["name"]) == kind],
        "models": models,
        "old_models": list(dict.fromkeys(model for picture in old for model in picture.coloured)),
        "floors": [model for model in models if model in FLOORS],
        "swatches": swatches,
        "pictures": [
            {"name": picture.name, "group": picture.group, "figures": _numbers(picture.figures)}
            for picture in pictures
        ],
        "old": [{"name": picture.name} for picture in old],
    }
    shots = [_shots(picture.grey, picture.coloured, picture.truth) for picture in pictures]
    return {"index": index, "shots": shots, "old_shots": [_shots(one.grey, one.coloured) for one in old]}


def _shots(grey: bytes, coloured: dict[str, bytes], truth: bytes | None = None) -> dict[str, Any]:
    with Image.open(io.BytesIO(grey)) as image:
        found = {"size": image.size, "grey": _text(grey)}
    found["coloured"] = {model: _text(picture) for model, picture in coloured.items()}
    return found if truth is None else found | {"truth": _text(truth)}


def _numbers(figures: dict[str, dict[str, float]]) -> dict[str, dict[str, float | None]]:
    """Six digits, as many as the CSVs have; None for what is no number, which JSON does not know."""
    return {
        model: {name: float(f"{value:.6g}") if math.isfinite(value) else None for name, value in of.items()}
        for model, of in figures.items()
    }


def _parts(pictures: list[Picture], old: list[Old]) -> list[tuple[list[Picture], list[Old]]]:
    """The pictures of each page; old ones take the room that test pictures leave."""
    parts = []
    while pictures or old or not parts:
        some, used = _fitting(pictures, PICTURES)
        others, _ = _fitting(old, ALL - used)
        parts.append((some, others))
        pictures, old = pictures[len(some) :], old[len(others) :]
    return parts


def _fitting(pictures: list, most: int) -> tuple[list, int]:
    """The first pictures, PER_PAGE or fewer, that `most` characters hold, but at least one; their length."""
    some, used = [], 0
    for picture in pictures[:PER_PAGE]:
        images = [picture.grey, *picture.coloured.values(), getattr(picture, "truth", b"")]
        length = sum(len(image) * 4 // 3 for image in images)
        if some and used + length > most:
            break
        some.append(picture)
        used += length
    return some, used


def _text(data: bytes) -> str:
    return b64encode(data).decode("ascii")


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode('ascii')}'"
