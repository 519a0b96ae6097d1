"""The models that the page offers, and what it says of each of them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from tintype import models
from tintype.color_spaces import SPACES
from tintype.colorizer import Colorizer, file_of
from tintype.console import UserError
from tintype.runtimes import Predictor

BEST = 3  # models that are compared where none is named
TOLD = ("hints", "z")  # what the page can tell a model besides the lightness
JUDGED = {"patch": "judged small parts of pictures", "autoencoder": "tried to redraw the pictures"}


@dataclass(frozen=True)
class Offered:
    """A model on the page.

    compared: whether it stands beside the others from the start. shipped: as `models.Known` has it.
    """

    name: str
    colorizer: Colorizer
    predict: Predictor
    figures: dict[str, Any]
    compared: bool
    shipped: bool

    @property
    def takes_hints(self) -> bool:
        return bool(self.colorizer.told.get("hints"))

    @property
    def takes_z(self) -> bool:
        return bool(self.colorizer.told.get("z"))

    @property
    def words(self) -> str:
        """A sentence on how it learned, and one with its figure."""
        return f"{_learning(self.colorizer.about)} {_figure(self.figures, self.shipped)}"


def offered(names: Sequence[str], runtime: str = "torch") -> list[Offered]:
    """The models of these names; by default those of `_default`, the shipped ones first.

    Raises UserError for a model that isn't there, is named twice, or can't colour any photograph.
    """
    known = {model.path: model for model in models.known()}
    if names:
        paths = [models.find(name) for name in names]
        compared = set(paths)
    else:
        plain, told = _default(list(known.values()))
        paths = [model.path for model in sorted(plain + told, key=lambda model: not model.shipped)]
        compared = {model.path for model in (plain or told)[:BEST]}
    found = []
    for name, path in zip(names or map(str, paths), paths, strict=True):
        colorizer = Colorizer.load(path)
        if reason := _unsuitable(colorizer.about):
            raise UserError(f"--model: found {name}, which {reason}; allowed: models of photographs")
        model = known.get(path) or models.Known(path.name, path, {})
        if model.name in {other.name for other in found}:
            raise UserError(f"--model: found two that are called {model.name!r}, allowed: each once")
        predict = Predictor(colorizer, runtime)
        found.append(Offered(model.name, colorizer, predict, model.figures, path in compared, model.shipped))
    return found


def _default(known: list[models.Known]) -> tuple[list[models.Known], list[models.Known]]:
    """Of models, best first: those that are told nothing, and the first one of each kind of TOLD.

    Of the former, at most BEST of the shipped ones and BEST of the project's.
    """
    plain, told = [], {}
    for model in known:
        about = _about(model.path)
        if about is None or _unsuitable(about):
            continue
        given = about["generator"].get("given") or {}
        kind = next((kind for kind in TOLD if given.get(kind)), None)
        if kind:
            told.setdefault(kind, model)
        elif sum(other.shipped == model.shipped for other in plain) < BEST:
            plain.append(model)
    if not plain and not told:
        models.find(None)  # says what to do
        raise UserError(f"none of the models below {models.FOLDER.resolve()} colours photographs; name one")
    return plain, [told[kind] for kind in TOLD if kind in told]


def _about(path: Path) -> dict[str, Any] | None:
    """What a model's file says of it, without its weights; None where it can't be read."""
    try:
        with safe_open(file_of(path), framework="pt") as stored:
            about = json.loads((stored.metadata() or {})["tintype"])
        return about if about["generator"]["color_space"] in SPACES else None
    except (OSError, SafetensorError, KeyError, TypeError, ValueError):
        return None  # where it is named, Colorizer.load says what is wrong with it


def _unsuitable(about: dict[str, Any]) -> str:
    """Why a model can't colour any photograph; nothing, if it can."""
    space = SPACES[about["generator"]["color_space"]]
    if space.whole:
        return "colours drawings"
    if not space.coloured:
        return "knows no colours"
    return "has to be told a condition" if (about["generator"].get("given") or {}).get("condition") else ""


def _learning(about: dict[str, Any]) -> str:
    training = about.get("training") or {}
    given = about["generator"].get("given") or {}
    if given.get("hints"):
        return "Learned to follow clicks of colour."
    if given.get("z"):
        return "Knows many colourings of a picture; here, its middle one."
    if "objective" in training:
        how = JUDGED.get(training.get("discriminator"), "judged whole pictures")
        return f"Learned against a second network, which {how}."
    if about["generator"]["head"] == "classes":
        return "Learned to choose among colours, rare ones too."
    return "Learned to come near the true colours."


def _figure(figures: dict[str, Any], shipped: bool) -> str:
    error = figures.get("ciede2000")
    if not isinstance(error, float):
        return "How far off its colours are was not measured here."
    pictures = "test photographs of its own" if shipped else "test photographs"
    return f"On {pictures} its colours are off by {error:.1f} on average (CIEDE2000; 0 is perfect)."
