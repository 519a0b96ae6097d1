"""`params.yaml` as typed, checked objects: `params = load()`, then `params.pretrain.steps`.

    python -m tintype.params [PATH]

checks a file and lists every problem in it. The classes below are the schema: a class per section, a line per
key, and no defaults, for every value stands in `params.yaml`. What a message calls "allowed" is derived from
them, so a new key needs its line here and nothing else. A rule between keys goes into `_compare`.
"""

import argparse
import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.reader import ReaderError

from tintype import params_wording as wording
from tintype.console import UserError, run

PRETRAINED = "cnn"  # the generator that pretraining makes and adversarial training starts from
FLOORS = {"grey": "tintype/floors.py", "mean": "tintype/floors.py"}  # untrained models, and their makers

Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Unit = Annotated[float, Field(ge=0, le=1)]
Share = Annotated[float, Field(gt=0, lt=1)]
Decay = Annotated[float, Field(ge=0, lt=1)]  # of a running mean, which at 1 would never move
Zoom = Annotated[float, Field(ge=0.25, le=4)]  # further, and a tile shows specks or blur instead of a picture
Width = Annotated[int, Field(ge=4)]  # channels; fewer cannot carry lightness, two colours and an edge
Text = Annotated[str, Field(min_length=1)]
_from_list = BeforeValidator(lambda value: tuple(value) if isinstance(value, list) else value)
# Python has 1 == 1.0 == True, and so has a Literal of whole numbers.
_only_int = BeforeValidator(lambda value: value if type(value) is int else None)


class Section(BaseModel):
    """A mapping in `params.yaml` whose keys are all known and all required."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


class Pictures(Section):
    source: Literal["bundled"]
    pictures: Literal["colour", "grey"]


class Weights(Section):
    source: Literal["backbones"]
    net: Literal["squeeze", "alex", "vgg"]
    file: Text | None


class Download(Section):
    photos: Pictures
    bw: Pictures
    weights: Weights


class Split(Section):
    cell: Count
    val: Share
    test: Share
    margin: Annotated[int, Field(ge=0)]


class Augment(Section):
    copies: Annotated[int, Field(ge=0)]
    flip: bool
    scale: Annotated[tuple[Zoom, Zoom], _from_list]
    rotation: Annotated[float, Field(ge=0, le=45)]  # degrees; further, and another side of the picture is up
    exposure: Unit


class Tiles(Section):
    # Not `size`: DVC leaves keys of that name out when it looks for results in its run cache.
    side: Annotated[int, Field(ge=16)]
    stride: Count
    split: Split
    augment: Augment


class Prepare(Section):
    grey: Literal["lab", "luma601", "luma709", "average", "red", "green", "blue"]
    tiles: Tiles
    pictures_per_shard: Count


class Generator(Section):
    backbone: Literal["unet"]
    width: Width
    depth: Annotated[int, Field(ge=1, le=6)]
    output_stride: Annotated[Literal[1, 2, 4], _only_int]


class Classes(Section):
    grid: Annotated[int, Field(ge=5, le=50)]  # units of ab, of which sRGB spans about 200 each way
    neighbours: Annotated[int, Field(ge=1, le=32)]
    sigma: Positive
    rebalance: Unit  # lambda: at 0 a class weighs by its rarity alone, at 1 all weigh alike
    temperature: Annotated[float, Field(gt=0, le=1)]  # towards 0 the mode of the classes, at 1 their mean


class Training(Section):
    precision: Literal["auto", "float32", "bfloat16"]
    validate_every: Count
    flip: bool


class Pretrain(Section):
    steps: Count
    batch_size: Count
    lr: Positive
    betas: Annotated[tuple[Decay, Decay], _from_list]
    weight_decay: NotNegative
    ema: Decay


class Shared(Section):
    steps: Count
    batch_size: Annotated[int, Field(ge=2)]  # the pull-away term compares pairs within a batch
    lr: Positive
    discriminator_lr: Positive
    betas: Annotated[tuple[Decay, Decay], _from_list]
    ema: Decay


class Adversary(Section):
    init: Text
    width: Width
    pixel: NotNegative
    adversarial: NotNegative


class Vanilla(Adversary):
    objective: Literal["vanilla"]
    discriminator: Literal["patch"]


class Energy(Adversary):
    objective: Literal["energy"]
    discriminator: Literal["autoencoder"]
    margin: Annotated[float, Field(gt=1)]  # times the energy of real pictures, which fakes are to exceed
    pull_away: NotNegative


class Adversarial(Section):
    shared: Shared
    models: dict[str, Annotated[Vanilla | Energy, Field(discriminator="objective")]]


class Metrics(Section):
    lpips: Literal["squeeze", "alex", "vgg"]


class Evaluate(Section):
    models: Annotated[dict[str, Text], Field(min_length=1)]
    metrics: Metrics


class RealBW(Section):
    models: Annotated[tuple[str, ...], Field(min_length=1), _from_list]


class Tracking(Section):
    uri: Text
    experiment: Text


class Runtime(Section):
    accelerator: Literal["auto", "cpu", "cuda"]
    jobs: Count
    tracking: Tracking


class Params(Section):
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)]  # what NumPy's and torch's generators both accept
    download: Download
    prepare: Prepare
    generator: Generator
    classes: Classes
    training: Training
    pretrain: Pretrain
    adversarial: Adversarial
    evaluate: Evaluate
    real_bw: RealBW
    runtime: Runtime


def load(path: Path | str = "params.yaml") -> Params:
    """Read and check a params file, by YAML 1.2.

    Raises UserError when the file cannot be read (saying where), or else with one line for each key that is
    missing, unknown or impossible: its dotted path, what was found, what is allowed.
    """
    tree, params, problems = _parse(Path(path)), None, {}
    try:
        params = Params.model_validate(tree)
    except ValidationError as invalid:
        for error in invalid.errors(include_url=False):
            key, problem = wording.explain(error, tree, _SCHEMA)
            problems.setdefault(key, problem)  # a list is one key, however many of its items are wrong
    _compare(tree, problems)
    if problems:
        raise UserError("\n".join(f"{path}: {key}: {problem}" for key, problem in problems.items()))
    return params


def _parse(path: Path) -> dict:
    try:
        text = path.read_text(encoding="utf-8")
        tree = YAML(typ="safe", pure=True).load(text)  # as DVC does, so that both see the same values
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; run from the project's folder, or give the path") from None
    except MarkedYAMLError as error:
        where = f"line {error.problem_mark.line + 1}, column {error.problem_mark.column + 1}"
        tip = "is the indentation right (spaces, no tabs), is every bracket and quote closed?"
        tip = "keep one of the two" if isinstance(error, DuplicateKeyError) else tip
        raise UserError(f"{path}: {where}: not valid YAML: {error.problem}; {tip}") from None
    except ReaderError as error:
        before = text[: error.position].split("\n")
        where = f"line {len(before)}, column {len(before[-1]) + 1}"
        raise UserError(f"{path}: {where}: remove the character U+{error.character:04X}") from None
    except (OSError, ValueError, LookupError, RecursionError) as error:  # not UTF-8, a date 2001-99-99, ...
        raise UserError(f"{path}: cannot be read: {error}") from None
    if not isinstance(tree, dict):
        raise UserError(f"{path}: {wording.found(tree, wording.allowed(_SCHEMA, _SCHEMA))}")
    return tree


def _compare(tree: dict, problems: dict[str, str]) -> None:
    """Add to `problems` (dotted path: text) the values that are right alone, and wrong beside others."""

    def values(*paths: str) -> list | None:
        # None, which no case matches, where one of them is missing or already known to be wrong.
        found = [_at(tree, path) for path in paths]
        pairs = [(f"{path}.", f"{key}.") for path in paths for key in problems]
        wrong = any(path.startswith(key) or key.startswith(path) for path, key in pairs)
        return None if wrong or None in found else found

    match values("prepare.tiles.side", "generator.depth"):
        case side, depth if side % 2**depth:
            allowed = f"a multiple of {2**depth}, for generator.depth {depth} halves a tile that often"
            problems["prepare.tiles.side"] = wording.found(side, allowed)
    match values("prepare.tiles.side", "generator.output_stride"):
        case side, stride if side % (8 * stride) or side < 16 * stride:
            allowed = (
                f"a multiple of {8 * stride}, at least {16 * stride}, for generator.output_stride {stride}"
            )
            problems["prepare.tiles.side"] = wording.found(side, f"{allowed}: discriminators shrink it on")
    match values("download.weights.net", "evaluate.metrics.lpips"):
        case gathered, wanted if gathered != wanted:
            allowed = f"{gathered}, which download.weights.net gathers"
            problems["evaluate.metrics.lpips"] = wording.found(wanted, allowed)
    match values("prepare.tiles.split.cell", "prepare.tiles.side"):
        case cell, side if cell < side:
            allowed = f"at least {side}, for a cell is to hold a tile: prepare.tiles.side {side}"
            problems["prepare.tiles.split.cell"] = wording.found(cell, allowed)
    match values("generator.output_stride", "generator.depth"):
        case stride, depth if stride > 2**depth:
            allowed = f"at most {2**depth} with generator.depth {depth}, which halves a tile that often"
            problems["generator.output_stride"] = wording.found(stride, allowed)
    match values("prepare.tiles.split.val", "prepare.tiles.split.test"):
        case val, test if val + test >= 1:
            allowed = f"less than {1 - val:g}, for prepare.tiles.split.val {val} and training need the rest"
            problems["prepare.tiles.split.test"] = wording.found(test, allowed)
    match values("prepare.tiles.augment.scale"):
        case [[low, high]] if low > high:
            problems["prepare.tiles.augment.scale"] = wording.found([low, high], "the lower number first")

    adversaries, evaluated = _at(tree, "adversarial.models"), _at(tree, "evaluate.models")
    if not isinstance(adversaries, dict):
        return  # there is no telling which models there are
    taken = [PRETRAINED, *FLOORS]
    models = {PRETRAINED: f"models/{PRETRAINED}"}
    for name in adversaries:
        here = f"adversarial.models.{name}"
        if not re.fullmatch("[a-z0-9][a-z0-9_-]*", str(name)) or name in taken:
            problems[here] = f"found this name, allowed: {wording.NAME}, but not {', '.join(taken)}"
            continue
        models[name] = f"models/{name}"
        match values(f"{here}.init"):
            case [init] if init != PRETRAINED:
                allowed = f"{PRETRAINED}, the only model that is trained before this one"
                problems[f"{here}.init"] = wording.found(init, allowed)
        match values(f"{here}.pixel", f"{here}.adversarial"):
            case 0, 0:
                allowed = f"a number greater than 0, for {here}.adversarial is 0 too"
                problems[f"{here}.pixel"] = wording.found(0, allowed)
    match values("real_bw.models"):
        case [names] if len(set(names)) < len(names) or not set(names) <= set(models):
            problems["real_bw.models"] = wording.found(
                names, f"a list, without repeats, of {', '.join(models)}"
            )
    sources = FLOORS | models
    for name in evaluated if isinstance(evaluated, dict) else []:
        if name not in sources:
            problems[f"evaluate.models.{name}"] = wording.unknown(name, sources)
        elif evaluated[name] != sources[name]:
            problems[f"evaluate.models.{name}"] = wording.found(evaluated[name], sources[name])


def _at(tree: Any, path: str) -> Any:
    for key in path.split("."):
        tree = tree.get(key) if isinstance(tree, dict) else None
    return tree


_SCHEMA = Params.model_json_schema(mode="serialization")  # the classes as data, from which to describe them


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tintype.params", description="Check a params file.")
    parser.add_argument("path", nargs="?", default="params.yaml", help="the file (default: params.yaml)")
    path = parser.parse_args().path
    load(path)
    print(f"{path}: ok")


if __name__ == "__main__":
    run(main)
