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
NAMED = 6  # models that an error names
BEST = ("lpips_squeeze", "ciede2000")  # lower is better; models without the first are compared by the second


@dataclass(frozen=True)
class Known:
    """A model: its name, its folder, and its figures on the test split, as far as they are known."""

    name: str
    path: Path
    figures: dict[str, Any]


def known() -> list[Known]:
    """The models of the project: those with figures first, the best of them at the very top; then by name."""
    root = _root()
    found = []
    for file in sorted((root / FOLDER).rglob(FILE)):
        name = file.parent.relative_to(root / FOLDER).as_posix()
        found.append(Known(name, file.parent, _figures(root, name)))
    return sorted(found, key=_rank)


def find(wanted: str | None) -> Path:
    """The model of a name, a folder or a file; by default the best one of the pipeline's.

    Raises UserError where there is none, with those that are there.
    """
    here = known()
    if wanted is None:
        if here:
            return here[0].path
        raise UserError(
            f"no model below {(_root() / FOLDER).resolve()}: `make repro` trains some; or name one's folder"
        )
    for model in here:
        if model.name == wanted:
            return model.path
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


def _root() -> Path:
    """The folder one works in, where that is a project of models, else the one of this code."""
    return Path() if FOLDER.is_dir() else PROJECT


def _figures(root: Path, name: str) -> dict[str, Any]:
    file = root / FIGURES / f"{name}.json"
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise UserError(f"{file}: not the figures of a model ({error}); `dvc checkout` restores it") from None


def _rank(model: Known) -> tuple:
    values = [model.figures.get(key) for key in BEST]
    return (*(value if isinstance(value, float) else math.inf for value in values), model.name)
