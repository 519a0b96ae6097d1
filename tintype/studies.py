"""A study: what its `params.yaml` changes of the project's, for all its models and for each.

    base: params.yaml                  # whose values hold where this file says nothing
    experiment: tintype-objectives     # in MLflow
    values: small                      # or large
    small:
      backbones: {unet: {width: 16, depth: 4, output_stride: 2}}   # settings of each that the models name
      model: {width: 32, pixel: 1.0, adversarial: 0.2}             # of each adversarial model
      pretrain: {steps: 400}                                       # and other sections of `base`
      shared: {pictures_per_shard: 1000}                           # of prepare.shared
      photos: {layout: squares, ...}                               # all of prepare.photos, for other pictures
    large: ...
    download: {}                       # sets besides those of `base`: pictures, or weights of networks
    models:
      pretrained:                      # any name: DVC runs a stage for each model of a group
        unet-l2-1: {seed: 1, generator: {backbone: unet, head: l2, color_space: lab}}
      adversarial:
        hinge-1: {seed: 1, model: {init: cnn, objective: hinge, discriminator: patch}}

A model is named after its seed, NAME-SEED, and may have values of its own for sections, `classes` too. Its
generator is that of the model that it starts from, where it names none.
"""

import re
from copy import deepcopy
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tintype import params_wording as wording
from tintype.console import UserError
from tintype.params_download import EncoderWeights, PicturesOrNetworks

# Untrained models, and what makes them.
FLOORS = dict.fromkeys(("grey", "mean", "random"), "tintype/floors.py")
_SECTIONS = ("training", "pretrain", "adversarial")


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class _Changes(_Strict):
    """Sections, as far as they differ from the base's; and `model`, a part of each adversarial model."""

    model: dict[str, Any] = {}
    training: dict[str, Any] = {}
    pretrain: dict[str, Any] = {}
    adversarial: dict[str, Any] = {}


class Values(_Changes):
    """What all models of a study share."""

    backbones: dict[str, dict[str, Any]] = {}
    shared: dict[str, Any] = {}
    photos: dict[str, Any] = {}


class Model(_Changes):
    """What one model has of its own."""

    seed: Annotated[int, Field(ge=0, le=2**32 - 1)]
    generator: dict[str, Any] = {}
    classes: dict[str, Any] = {}


class Sampling(_Strict):
    """What is drawn from a model that knows several colourings: on the sheet, and for training."""

    model: str
    colourings: Annotated[int, Field(ge=2)]  # of each picture
    share: Annotated[float, Field(gt=0, le=1)]  # of the training pictures, that become one picture more


class Shown(_Strict):
    """What the study's own stage shows."""

    sheet: str  # whose colourings: a training; two, joined by a comma; or a model, without its seed
    colourings: Annotated[int, Field(ge=2)] | None = None  # of each picture
    threshold: Annotated[float, Field(ge=0, lt=1)] | None = None  # doubt from which colours may change


class Study(_Strict):
    """A study's params file. What its values mean is checked once they are merged with the base's."""

    base: str
    experiment: str
    values: Literal["small", "large"]
    small: Values
    large: Values
    download: dict[str, PicturesOrNetworks] = {}
    sampling: Sampling | None = None
    shown: Shown | None = None
    models: dict[str, dict[str, Model]]

    @property
    def all_models(self) -> dict[str, Model]:
        """The models of all groups, by name."""
        return {name: model for group in self.models.values() for name, model in group.items()}

    @property
    def seeds(self) -> dict[str, int]:
        """The seed of each model, by name."""
        return {name: model.seed for name, model in self.all_models.items()}


def checked(tree: dict, path: Path | str) -> Study:
    """A study's params file, read from YAML, as an object.

    Raises UserError for a key that is missing, unknown or of the wrong type, a model that is not named after
    its seed or is named like a floor, two of one name, and samples of a model that is not there.
    """
    try:
        study = Study.model_validate(tree)
    except ValidationError as invalid:
        problems = [wording.explain(error, tree, _SCHEMA) for error in invalid.errors(include_url=False)]
        raise UserError("\n".join(f"{path}: {key}: {problem}" for key, problem in problems)) from None
    names = [name for group in study.models.values() for name in group]
    for group, models in study.models.items():
        for name, model in models.items():
            here = f"{path}: models.{group}.{name}"
            if not re.fullmatch(f"[a-z0-9][a-z0-9-]*-{model.seed}", name):
                raise UserError(f"{here}: allowed: {wording.NAME}, and in the end its seed: ...-{model.seed}")
            if name.removesuffix(f"-{model.seed}") in [*FLOORS, "truth"]:
                raise UserError(f"{here}: found the name of a row that every table has, allowed: another one")
            if names.count(name) > 1:
                raise UserError(f"{here}: there are two models of this name")
    for name, gathered in study.download.items():
        if isinstance(gathered, EncoderWeights) and name != gathered.net:
            raise UserError(f"{path}: download.{name}.net: {wording.found(gathered.net, name)}, its name")
    models = {name: name.removesuffix(f"-{model.seed}") for name, model in study.all_models.items()}
    for shown in study.shown.sheet.split(",") if study.shown else []:
        if shown not in {*models, *models.values()}:
            raise UserError(f"{path}: shown.sheet: {wording.found(shown, ', '.join(names))}")
    if study.sampling and study.sampling.model not in names:
        raise UserError(f"{path}: sampling.model: {wording.found(study.sampling.model, ', '.join(names))}")
    return study


def merged(base: dict, study: Study, path: Path | str, name: str | None) -> dict:
    """The tree of `base` with a study's values, and those of its model `name`, in it.

    Raises UserError where `base` is a study itself, there is no such model, or no settings for its backbone.
    """
    if "runtime" not in base:
        raise UserError(f"{path}: base: found {study.base}, allowed: the params file of a project")
    tree, values = deepcopy(base), getattr(study, study.values)
    if name is not None and name not in study.all_models:
        raise UserError(f"{path}: found model {name}, allowed: {', '.join(study.all_models)}")
    tree["runtime"]["tracking"]["experiment"] = study.experiment
    _update(tree, {section: getattr(values, section) for section in _SECTIONS})
    _update(tree["prepare"], {"shared": values.shared})
    if values.photos:
        tree["prepare"]["photos"] = deepcopy(values.photos)
    if name is None:
        return tree
    model = study.all_models[name]
    tree["seed"] = model.seed
    _update(tree, {section: getattr(model, section) for section in ("classes", *_SECTIONS)})
    if generator := _generator(study, model):
        backbone = generator.get("backbone")
        if not isinstance(backbone, str) or backbone not in values.backbones:
            raise UserError(f"{path}: {study.values}.backbones: no settings of {backbone}, for {name}")
        tree["generator"] = values.backbones[backbone] | generator
    if model.model:
        tree["adversarial"]["models"][name] = values.model | model.model
    return tree


def _generator(study: Study, model: Model) -> dict[str, Any]:
    """A model's generator: its own, or that of the model it starts from; empty where the base says."""
    chain = [model]
    while not chain[-1].generator:
        before = study.all_models.get(chain[-1].model.get("init"))
        if before is None or before in chain:
            return {}
        chain.append(before)
    return chain[-1].generator


def _update(tree: dict, changes: dict) -> None:
    """Put each value of `changes` into the tree; what is a mapping in both is merged."""
    for key, value in changes.items():
        if isinstance(value, dict) and isinstance(tree.get(key), dict):
            _update(tree[key], value)
        else:
            tree[key] = deepcopy(value)


_SCHEMA = Study.model_json_schema(mode="serialization")  # from which messages say what is allowed
