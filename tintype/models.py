"""The trained models that are here, what is known of them, and which one is used where none is named."""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tintype.console import UserError

FOLDER = Path("models")  # where the pipeline puts them, below the folder that one works in
FILE = "model.safetensors"
FIGURES = Path("reports/metrics")
BEST = ("lpips_squeeze", "ciede2000")  # lower is better; models without the first are compared by the second


@dataclass(frozen=True)
class Known:
    """A model: its name, its folder, and its figures on the test split, as far as they are known."""

    name: str
    path: Path
    figures: dict[str, Any]


def known() -> list[Known]:
    """The models below FOLDER: those with figures first, the best of them at the very top; then by name."""
    found = []
    for file in sorted(FOLDER.rglob(FILE)):
        name = file.parent.relative_to(FOLDER).as_posix()
        found.append(Known(name, file.parent, _figures(name)))
    return sorted(found, key=_rank)


def find(wanted: str | None) -> Path:
    """The model of a name, a folder or a file; by default the best one of the pipeline's.

    Raises UserError where there is none, with those that are there.
    """
    here = known()
    if wanted is None:
        if here:
            return here[0].path
        raise UserError(f"no model below {FOLDER.resolve()}: `make repro` trains some; or name one's folder")
    for model in here:
        if model.name == wanted:
            return model.path
    if Path(wanted).exists():
        return Path(wanted)
    names = ", ".join(model.name for model in here) or "none: `make repro` trains some"
    raise UserError(f"--model: found {wanted!r}, allowed: a model's folder, or one of these: {names}")


def _figures(name: str) -> dict[str, Any]:
    file = FIGURES / f"{name}.json"
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise UserError(f"{file}: not the figures of a model ({error}); `dvc checkout` restores it") from None


def _rank(model: Known) -> tuple:
    values = [model.figures.get(key) for key in BEST]
    return (*(value if isinstance(value, float) else math.inf for value in values), model.name)
