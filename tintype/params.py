"""`params.yaml` as typed, checked objects: `params = load()`, then `params.pretrain.steps`.

    python -m tintype.params [PATH]

checks a file and lists every problem in it, and looks for what would stop DVC in the folders that it watches.
The schema is in `params_schema.py`; a rule between keys goes into `_compare`.
"""

import argparse
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.reader import ReaderError

from tintype import params_wording as wording
from tintype import studies
from tintype.console import UserError, run
from tintype.params_schema import Params
from tintype.protocols import PROTOCOLS
from tintype.studies import FLOORS

# Backbones that take one plane.
LIGHTNESS_ALONE = ("unet_per_channel", "zhang16", "bottleneck", "variational")
PRETRAINED = "cnn"  # the generator that pretraining makes and adversarial training starts from


def load(path: Path | str = "params.yaml", model: str | None = None) -> Params:
    """Read and check a params file, by YAML 1.2.

    path: the project's, or a study's (`studies.py`), which changes some of its values; model: a key of the
    study's models, whose own values hold then.

    Raises UserError when the file cannot be read (saying where), or else with one line for each key that is
    missing, unknown or impossible: its dotted path, what was found, what is allowed.
    """
    tree, inits, goes_on = _parse(Path(path)), [PRETRAINED], False
    if _is_study(tree):
        found = studies.checked(tree, path)
        tree = studies.merged(_parse(Path(found.base)), found, path, model)
        inits += [*(name for name in found.seeds if name != model), None]
        goes_on = model is not None and not found.all_models[model].model
    params, problems = None, {}
    try:
        params = Params.model_validate(tree)
    except ValidationError as invalid:
        for error in invalid.errors(include_url=False):
            key, problem = wording.explain(error, tree, _SCHEMA)
            problems.setdefault(key, problem)  # a list is one key, however many of its items are wrong
    _compare(tree, problems, inits)
    if _at(tree, "generator.color_space") == "lightness" and not goes_on:
        allowed = "lab, rgb or drawing: lightness is for a study's generator, from which others start"
        problems["generator.color_space"] = wording.found("lightness", allowed)
    if problems:
        raise UserError("\n".join(f"{path}: {key}: {problem}" for key, problem in problems.items()))
    return params


def study(path: Path | str) -> studies.Study:
    """A study's params file by itself: its models and their seeds. Raises UserError as `load` does."""
    return studies.checked(_parse(Path(path)), path)


def sets(path: Path | str) -> dict[str, Any]:
    """What a params file has under `download`, by name. Raises UserError as `load` does."""
    checked = load(path)
    return dict(study(path).download if _is_study(_parse(Path(path))) else checked.download)


def _is_study(tree: dict) -> bool:
    return "base" in tree or "experiment" in tree


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


def _compare(tree: dict, problems: dict[str, str], inits: list[str | None]) -> None:
    """Add to `problems` (dotted path: text) the values that are right alone, and wrong beside others.

    inits: the models that an adversarial training may start from; None: from scratch.
    """

    def values(*paths: str) -> list | None:
        # None, which no case matches, where one of them is missing or already known to be wrong.
        found = [_at(tree, path) for path in paths]
        pairs = [(f"{path}.", f"{key}.") for path in paths for key in problems]
        wrong = any(path.startswith(key) or key.startswith(path) for path, key in pairs)
        return None if wrong or None in found else found

    # Other backbones say what they can take once they are built (training/loop.py).
    unet = _at(tree, "generator.backbone") in ("unet", "unet_per_channel")
    match values("prepare.photos.side", "generator.depth"):
        case side, depth if unet and _is_uneven(side, depth):
            allowed = f"a multiple of {2**depth}, for generator.depth {depth} halves a tile that often"
            problems["prepare.photos.side"] = wording.found(side, allowed)
    match values("prepare.photos.side", "generator.output_stride"):
        case side, stride if unet and _is_small(side, stride):
            allowed = (
                f"a multiple of {8 * stride}, at least {16 * stride}, for generator.output_stride {stride}"
            )
            problems["prepare.photos.side"] = wording.found(side, f"{allowed}: discriminators shrink it on")
    for phase in ("pretrain", "adversarial.shared"):
        match values(f"{phase}.batch_size", "training.accumulate"):
            case batch_size, parts if batch_size % parts or batch_size // parts < 2:
                allowed = f"a multiple of {parts} from {2 * parts} on: training.accumulate {parts} divides it"
                problems[f"{phase}.batch_size"] = wording.found(batch_size, allowed)
        match values(f"{phase}.smaller.factor", "prepare.photos.side", "generator"):
            case factor, side, {"depth": depth, "output_stride": stride} if unet and (
                _is_uneven(side // factor, depth) or _is_small(side // factor, stride)
            ):
                allowed = f"null: pictures of {side // factor} pixels are too small for this generator"
                problems[f"{phase}.smaller.factor"] = wording.found(factor, allowed)
    match values("generator.given.z.whole", "generator.given.z.spatial"):
        case 0, 0:
            problems["generator.given.z"] = "found no numbers, allowed: at least 1, whole or spatial"
    match values("generator.given", "generator.backbone"):
        case {}, _ if not _at(tree, "generator.given"):
            allowed = "some of condition, hints, z; or left out"
            problems["generator.given"] = f"found nothing, allowed: {allowed}"
        case _, backbone if backbone in LIGHTNESS_ALONE:
            told = ", ".join(_at(tree, "generator.given"))
            allowed = f"left out, for {backbone} takes the lightness alone; unet, torchvision_unet take more"
            problems["generator.given"] = f"found {told}, allowed: {allowed}"
    match values("adversarial.shared.discriminator_first", "adversarial.shared.steps"):
        case first, steps if first >= steps:
            allowed = f"less than {steps}, adversarial.shared.steps, for the generator is to learn too"
            problems["adversarial.shared.discriminator_first"] = wording.found(first, allowed)
    for figure in ("lpips", "fid", "kid", "top1.net"):
        match values("download.weights.nets", f"evaluate.metrics.{figure}"):
            case gathered, wanted if wanted not in gathered:
                allowed = f"{' or '.join(gathered)}, which download.weights.nets gathers"
                problems[f"evaluate.metrics.{figure}"] = wording.found(wanted, allowed)
    match values("prepare.photos.split.cell", "prepare.photos.side"):
        case cell, side if cell < side:
            allowed = f"at least {side}, for a cell is to hold a tile: prepare.photos.side {side}"
            problems["prepare.photos.split.cell"] = wording.found(cell, allowed)
    match values("generator.output_stride", "generator.depth"):
        case stride, depth if unet and stride > 2**depth:
            allowed = f"at most {2**depth} with generator.depth {depth}, which halves a tile that often"
            problems["generator.output_stride"] = wording.found(stride, allowed)
    match values("generator.head", "generator.color_space"):
        case "classes", space if space != "lab":
            allowed = "l1, l2 or smooth_l1, for classes are colours of generator.color_space lab"
            problems["generator.head"] = wording.found("classes", allowed)
    match values("generator.head", "generator.backbone"):
        case "classes", "unet_per_channel":
            allowed = (
                "l1, l2 or smooth_l1: unet_per_channel has a network for each plane, and classes are many"
            )
            problems["generator.head"] = wording.found("classes", allowed)
    match values("prepare.photos.split.val", "prepare.photos.split.test"):
        case val, test if val + test >= 1:
            allowed = f"less than {1 - val:g}, for prepare.photos.split.val {val} and training need the rest"
            problems["prepare.photos.split.test"] = wording.found(test, allowed)
    for here in ("download.photos", "download.bw"):
        path = _at(tree, f"{here}.path") or _local_file(_at(tree, f"{here}.url"))
        match values(f"{here}.source", f"{here}.watch"):
            case "folder" | "archive" | "icons" | "sketches", watch if isinstance(path, str):
                whole = Path(path).expanduser()  # DVC itself knows no ~
                if Path(watch) not in [whole, *whole.parents]:
                    allowed = f"{whole}, or a folder around it; else nobody notices when pictures change"
                    problems[f"{here}.watch"] = wording.found(watch, allowed)
        match values(f"{here}.test"):
            case ["ctest10k"] if _at(tree, f"{here}.names") is None:
                problems[f"{here}.names"] = wording.found(None, "the file that lists the ctest10k pictures")
    match values("download.photos.source", "prepare.photos.layout"):
        case "icons" | "sketches" as source, "tiles":
            allowed = f"squares, for download.photos.source {source}: tiles are cut from photographs alone"
            problems["prepare.photos.layout"] = wording.found("tiles", allowed)
    match values("prepare.photos.augment.scale"):
        case [[low, high]] if low > high:
            problems["prepare.photos.augment.scale"] = wording.found([low, high], "the lower number first")

    adversaries, evaluated = _at(tree, "adversarial.models"), _at(tree, "evaluate.models")
    if not isinstance(adversaries, dict):
        return  # there is no telling which models there are
    taken = [PRETRAINED, *FLOORS, "truth"]
    models = {PRETRAINED: f"models/{PRETRAINED}"}
    for name in adversaries:
        here = f"adversarial.models.{name}"
        if not re.fullmatch("[a-z0-9][a-z0-9_-]*", str(name)) or name in taken:
            problems[here] = f"found this name, allowed: {wording.NAME}, but not {', '.join(taken)}"
            continue
        models[name] = f"models/{name}"
        init = _at(tree, here).get("init", inits[0]) if isinstance(_at(tree, here), dict) else inits[0]
        if isinstance(init, str | None) and init not in inits:
            allowed = f"{', '.join(str(one or 'null') for one in inits)}: what is trained before this one"
            problems.setdefault(f"{here}.init", wording.found(init, allowed))
        match values(f"{here}.pixel", f"{here}.adversarial"):
            case 0, 0 if not _at(tree, f"{here}.perceptual"):
                allowed = f"a number greater than 0, for {here}.adversarial is 0 too"
                problems[f"{here}.pixel"] = wording.found(0, allowed)
    match values("real_bw.models"):
        case [names] if len(set(names)) < len(names) or not set(names) <= set(models):
            problems["real_bw.models"] = wording.found(
                names, f"a list, without repeats, of {', '.join(models)}"
            )
    sources = FLOORS | models
    for name, made_from in evaluated.items() if isinstance(evaluated, dict) else ():
        if name not in sources:
            if not _is_external(name, made_from):
                other = "or a name of its own for a folder of pictures that another system coloured"
                problems[f"evaluate.models.{name}"] = f"{wording.unknown(name, sources)}; {other}"
        elif made_from != sources[name]:
            problems[f"evaluate.models.{name}"] = wording.found(made_from, sources[name])
    match values("evaluate.protocol"):
        case [str(protocol)]:
            for key, value in PROTOCOLS[protocol].values.items():
                if (found := _at(tree, key)) != value:
                    allowed = f"{json.dumps(value)} with evaluate.protocol {protocol}, or the protocol native"
                    problems.setdefault(key, wording.found(found, allowed))


def _is_external(name: Any, made_from: Any) -> bool:
    """Whether an entry of evaluate.models may be a folder of pictures that another system coloured."""
    if not (isinstance(made_from, str) and re.fullmatch("[a-z0-9][a-z0-9_-]*", str(name))):
        return False
    return name != "truth" and made_from.split("/")[0] not in ("models", "tintype")


def _is_uneven(side: int, depth: int) -> bool:
    """Whether the generator cannot halve pictures of this side as often as it does."""
    return side % 2**depth != 0


def _is_small(side: int, stride: int) -> bool:
    """Whether a discriminator, which shrinks the generator's answer on, cannot take pictures of this side."""
    return side % (8 * stride) != 0 or side < 16 * stride


def _local_file(url: Any) -> str | None:
    return unquote(urlsplit(url).path) if isinstance(url, str) and url.startswith("file:") else None


def _at(tree: Any, path: str) -> Any:
    for key in path.split("."):
        tree = tree.get(key) if isinstance(tree, dict) else None
    return tree


_SCHEMA = Params.model_json_schema(mode="serialization")  # the classes as data, from which to describe them


def main() -> None:
    # Only here: stages that load their params depend on no source.
    from tintype.sources.user_folder import refuse_unwatchable

    parser = argparse.ArgumentParser(prog="python -m tintype.params", description="Check a params file.")
    parser.add_argument("path", nargs="?", default="params.yaml", help="the file (default: params.yaml)")
    path = parser.parse_args().path
    for model in study(path).all_models if _is_study(_parse(Path(path))) else ():
        load(path, model)
    for watched in {Path(gathered.watch) for _, gathered in load(path).download}:
        if watched.is_dir():
            refuse_unwatchable(watched)
    print(f"{path}: ok")


if __name__ == "__main__":
    run(main)
