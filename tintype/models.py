"""The trained models that are here, what is known of them, and which one is used where none is named."""

import json
import math
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from tintype.console import UserError

FOLDER = Path("models")  # where the pipeline puts them, below the project's folder
PROJECT = Path(__file__).resolve().parents[1]  # that of this code, for who works in another folder
FILE = "model.safetensors"
FIGURES = Path("reports/metrics")
SHIPPED = Path(__file__).with_name("weights")  # NAME.safetensors and NAME.json, which come with this code
PREFIX = "shipped/"  # of their names, for a project may have models called the same
DEFAULT = "ebgan"  # the shipped one that is used where none is named
NAMED = 6  # models that an error names
BEST = ("lpips_squeeze", "ciede2000")  # lower is better; models without the first are compared by the second


@dataclass(frozen=True)
class Known:
    """A model: its name, its folder or its file, and its figures, as far as they are known.

    shipped: whether it came with Tintype; then its figures are of other pictures than the project's.
    """

    name: str
    path: Path
    figures: dict[str, Any]
    shipped: bool = False


def known() -> list[Known]:
    """All models; the first is used where none is named.

    The shipped ones, DEFAULT first, then the project's: those with figures, the best on top; then by name.
    Shipped ones learned from far more pictures than most projects have, and figures of different pictures
    do not compare. Where DEFAULT is missing, the project's come first.
    """
    shipped = sorted(_shipped(), key=lambda model: (model.path.stem != DEFAULT, model.name))
    own = sorted(_own(), key=_rank)
    return shipped + own if shipped and shipped[0].path.stem == DEFAULT else own + shipped


def find(wanted: str | None) -> Path:
    """The model of a name, a folder or a file; by default the first that is `known`.

    A name is the project's, where that has one of it, else that of a shipped model, with PREFIX or without.
    Raises UserError where there is none, with those that are there.
    """
    here = known()
    if wanted is None:
        if here:
            return here[0].path
        raise UserError(
            f"no model below {(_root() / FOLDER).resolve()}, and none came with Tintype: install it again, "
            "name a model's folder, or train some by `make repro`"
        )
    # Shipped ones last: a project's folder may be called like their prefix, which is theirs.
    paths = {model.name: model.path for model in sorted(here, key=lambda model: model.shipped)}
    for name in (wanted, PREFIX + wanted):
        if name in paths:
            return paths[name]
    if Path(wanted).exists():
        return Path(wanted)
    names = [model.name for model in here]
    near = dict.fromkeys(get_close_matches(wanted, names) + names)
    listed = ", ".join(list(near)[:NAMED]) + (
        ", ... (`tintype models` lists all)" if len(near) > NAMED else ""
    )
    raise UserError(
        f"--model: found {wanted!r}, allowed: a model's folder, or one of these: "
        f"{listed or 'none: `make repro` trains some'}"
    )


def called(path: Path) -> str:
    """How a message names the model of a path that `find` gave: a shipped one by its name."""
    return f"{PREFIX}{path.stem}" if path.parent == SHIPPED else str(path)


def _shipped() -> list[Known]:
    files = SHIPPED.glob("[!.]*.safetensors")  # those with a dot are still being written
    return [
        Known(
            f"{PREFIX}{file.stem}",
            file,
            _figures(file.with_suffix(".json"), "install Tintype again to restore it"),
            shipped=True,
        )
        for file in files
    ]


def _own() -> list[Known]:
    root, found = _root(), []
    for file in (root / FOLDER).rglob(FILE):
        name = file.parent.relative_to(root / FOLDER).as_posix()
        figures = _figures(root / FIGURES / f"{name}.json", "`dvc checkout` restores it")
        found.append(Known(name, file.parent, figures))
    return found


def _root() -> Path:
    """The folder one works in, where that is a project of models, else the one of this code."""
    return Path() if FOLDER.is_dir() else PROJECT


def _figures(file: Path, remedy: str) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(found, dict):
            raise ValueError(f"found {type(found).__name__}, allowed: names and numbers")
        return found
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise UserError(f"{file}: not the figures of a model ({error}); {remedy}") from None


def _rank(model: Known) -> tuple:
    values = [model.figures.get(key) for key in BEST]
    return (*(value if isinstance(value, float) else math.inf for value in values), model.name)
