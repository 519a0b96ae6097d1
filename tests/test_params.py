"""params.yaml: what is right loads as written; what is wrong is named, with its path and what is allowed."""

import copy
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import get_origin

import pytest
from dvc.utils.serialize import load_yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from tintype import params, params_schema
from tintype.console import UserError

ROOT = Path(__file__).parents[1]
TREE = load_yaml(ROOT / "params.yaml")
ADVERSARIES = TREE["adversarial"]["models"]
OBJECTIVES = ("energy", "vanilla")
ENERGY, VANILLA = (
    next(name for name, model in ADVERSARIES.items() if model["objective"] == objective)
    for objective in OBJECTIVES
)
# The user chooses the keys of these mappings.
NAMED = {("adversarial", "models"), ("evaluate", "models"), ("download", "weights", "nets")}
ABSENT = object()
NULL = type(None)
NULLABLE = {  # what each key whose value may be null allows instead
    "clip": {NULL, int, float},
    "fid": {NULL, str},
    "kid": {NULL, str},
    "near_duplicates": {NULL, int},
    "patience": {NULL, int},
    "smaller": {NULL, dict},
    "squeeze": {NULL, str},
    "top1": {NULL, dict},
}

quick = settings(derandomize=True, deadline=None, max_examples=150, database=None)


def edited(changes: dict) -> dict:
    """The committed values with some replaced; a path is dotted or a tuple, the value ABSENT deletes."""
    tree = copy.deepcopy(TREE)
    for path, value in changes.items():
        *above, key = path.split(".") if isinstance(path, str) else path
        section = tree
        for step in above:
            section = section[step]
        section[key] = value
        if value is ABSENT:
            del section[key]
    return tree


def problems(file: Path, changes: dict) -> list[str]:
    """The lines of the complaint about the committed values with `changes`, less the file's name."""
    file.write_text(json.dumps(edited(changes), ensure_ascii=False), encoding="utf-8")  # JSON is YAML 1.2
    with pytest.raises(UserError) as error:
        params.load(file)
    lines = str(error.value).splitlines()
    assert all(line.startswith(f"{file}: ") for line in lines)
    return [line.removeprefix(f"{file}: ") for line in lines]


def paths(tree: object, here: tuple = ()) -> list[tuple]:
    """The path of every key in a tree of mappings, and () for the tree itself."""
    children = tree.items() if isinstance(tree, dict) else []
    return [here, *(path for key, value in children for path in paths(value, (*here, key)))]


def at(path: tuple) -> object:
    value = TREE
    for key in path:
        value = value[key]
    return value


KEYS = paths(TREE)[1:]
MAPPINGS = [path for path in paths(TREE) if isinstance(at(path), dict)]
LEAVES = [path for path in KEYS if not isinstance(at(path), dict)]


def test_the_committed_file_loads_with_every_value_as_written():
    loaded = params.load(ROOT / "params.yaml")
    assert loaded.model_dump(mode="json") == TREE
    assert loaded.pretrain.steps == TREE["pretrain"]["steps"]


def test_the_schema_holds_no_defaults_and_names_the_free_mappings():
    free, sections = set(), [((), params_schema.Params)]
    while sections:
        path, section = sections.pop()
        for name, field in section.model_fields.items():
            assert field.is_required(), f"{section.__name__}.{name} has a default"
            if get_origin(field.annotation) is dict:
                free.add((*path, name))
            elif isinstance(field.annotation, type) and issubclass(field.annotation, params_schema.Section):
                sections.append(((*path, name), field.annotation))
    assert free == NAMED


def test_loaded_values_cannot_be_changed():
    loaded = params.load(ROOT / "params.yaml")
    with pytest.raises(ValidationError, match="frozen"):
        loaded.pretrain.steps = 1
    assert isinstance(loaded.pretrain.betas, tuple)


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        ("seed", -1, "found -1, allowed: a whole number from 0 to 4294967295"),
        ("pretrain.steps", 0, "found 0, allowed: a whole number of at least 1"),
        ("pretrain.steps", 10.0, "found 10.0, allowed: a whole number of at least 1"),
        ("pretrain.steps", True, "found true, allowed: a whole number of at least 1"),
        ("pretrain.lr", 0, "found 0, allowed: a number greater than 0"),
        ("pretrain.lr", False, "found false, allowed: a number greater than 0"),
        ("pretrain.lr", "0,1", 'found "0,1", allowed: a number greater than 0'),
        ("pretrain.ema", 1.0, "found 1.0, allowed: a number of at least 0 and less than 1"),
        ("pretrain.patience", 0, "found 0, allowed: a whole number of at least 1 or null"),
        ("pretrain.warm_up", 1.0, "found 1.0, allowed: a number of at least 0 and less than 1"),
        ("pretrain.decay", "linear", 'found "linear", allowed: one of constant, cosine, step'),
        ("pretrain.clip", 0, "found 0, allowed: a number greater than 0 or null"),
        ("pretrain.smaller", 2, "found 2, allowed: a mapping with the keys factor, until or null"),
        ("adversarial.shared.r1", -1, "found -1, allowed: a number of at least 0"),
        ("training.accumulate", 0, "found 0, allowed: a whole number of at least 1"),
        ("training.validate_every", {}, "found {}, allowed: a whole number of at least 1 or epoch"),
        ("pretrain.betas", [0.9], "found [0.9], allowed: a list of 2, each a number of at least 0 "),
        ("pretrain.betas", [0.9, 0.99, 0.999], "allowed: a list of 2, each"),
        ("pretrain.betas", [0.9, True], "found [0.9, True], allowed: a list of 2, each"),
        ("adversarial.shared.batch_size", 1, "found 1, allowed: a whole number of at least 2"),
        ("classes.temperature", 1.5, "allowed: a number greater than 0 and of at most 1"),
        ("prepare.photos.input.test", "lav", 'found "lav", allowed: one of lab, luma601, luma709, average, '),
        ("prepare.photos.augment.flip", 1, "found 1, allowed: true or false"),
        ("generator.output_stride", 3, "found 3, allowed: one of 1, 2, 4"),
        ("generator.output_stride", True, "found true, allowed: one of 1, 2, 4"),
        (
            "generator.backbone",
            "resnet",
            'found "resnet", allowed: one of ',
        ),
        ("download.weights.nets.squeeze", "", 'found "", allowed: non-empty text or null'),
        (
            "download.weights.nets.squeze",
            None,
            "unknown key, allowed here: squeeze, alex, vgg, inception, torchvision_inception "
            "(did you mean squeeze?)",
        ),
        ("download.weights.nets", {}, "found {}, allowed: a mapping from names, at least 1, to non-empty"),
        ("download.weights.net", "squeeze", "unknown key, allowed here: watch, source, nets (did you mean"),
        (
            "evaluate.metrics.fid",
            "vgg",
            'found "vgg", allowed: one of inception, torchvision_inception, squeeze or null',
        ),
        (
            "evaluate.metrics.top1",
            "squeeze",
            'found "squeeze", allowed: a mapping with the keys net, classes or null',
        ),
        ("pretrain", None, "found null, allowed: a mapping with the keys steps, patience, "),
        ("pretrain.steps", ABSENT, "missing, allowed: a whole number of at least 1"),
        ("generator", ABSENT, "missing, allowed: a mapping whose backbone is one of "),
        ("pretrain.lernrate", 1, "unknown key, allowed here: steps, patience, "),
        ("real_bw.models", [], "found [], allowed: a list of at least 1, each text"),
        ("real_bw.side", 7, "found 7, allowed: a whole number of at least 8"),
        ("real_bw.films", [], "found [], allowed: a list of at least 1, each one of lab, "),
        ("real_bw.films", ["canny"], "found ['canny'], allowed: a list of at least 1, each one of lab, "),
        ("real_bw.age", 1.5, "found 1.5, allowed: a number from 0 to 1"),
        ("real_bw.models", [params.PRETRAINED] * 2, "allowed: a list, without repeats, of cnn, "),
        ("real_bw.models", ["mean"], "found ['mean'], allowed: a list, without repeats, of cnn, "),
        ("evaluate.models", {}, "found {}, allowed: a mapping from names, at least 1, to non-empty text"),
        ("evaluate.models.grey", "models/grey", 'found "models/grey", allowed: tintype/floors.py'),
        (f"evaluate.models.{VANILLA}", "models/cnn", f'found "models/cnn", allowed: models/{VANILLA}'),
        ("evaluate.models.nobody", "models/nobody", "unknown key, allowed here: grey, mean, random, cnn, "),
        ("adversarial.models.cnn", ADVERSARIES[VANILLA], "found this name, allowed: small letters, "),
        ("adversarial.models.mean", ADVERSARIES[VANILLA], "but not cnn, grey, mean"),
        ("adversarial.models.Upper", ADVERSARIES[VANILLA], "found this name, allowed: small letters, "),
        ("adversarial.models.new", 5, "found 5, allowed: a mapping whose objective is one of "),
        (f"adversarial.models.{ENERGY}.margin", -1, "found -1, allowed: a number greater than 1"),
        (f"adversarial.models.{VANILLA}.margin", 2.0, "unknown key, allowed here: init, "),
        (f"adversarial.models.{VANILLA}.perceptual", 0, "found 0, allowed: a number greater than 0 or null"),
        (f"adversarial.models.{VANILLA}.objective", "tragic", 'found "tragic", allowed: one of '),
        (f"adversarial.models.{VANILLA}.discriminator", "autoencoder", "allowed: one of patch, plain, whole"),
        (
            f"adversarial.models.{VANILLA}.init",
            ENERGY,
            f'found "{ENERGY}", allowed: cnn: what is ',
        ),
    ],
)
def test_a_mistake_is_one_line_with_path_and_what_was_found_and_is_allowed(file, path, value, problem):
    (line,) = problems(file, {path: value})
    assert line.startswith(f"{path}: ")
    assert problem in line


@pytest.mark.parametrize(
    ("path", "changes", "other"),
    [
        ("prepare.photos.side", {"prepare.photos.side": 72, "generator.depth": 4}, "generator.depth"),
        ("generator.output_stride", {"generator.output_stride": 4, "generator.depth": 1}, "generator.depth"),
        ("prepare.photos.split.cell", {"prepare.photos.split.cell": 48}, "prepare.photos.side"),
        ("pretrain.batch_size", {"pretrain.batch_size": 15, "training.accumulate": 2}, "training.accumulate"),
        (
            "adversarial.shared.batch_size",
            {"adversarial.shared.batch_size": 4, "training.accumulate": 4},
            "training.accumulate",
        ),
        (
            "adversarial.shared.discriminator_first",
            {"adversarial.shared.discriminator_first": 300, "adversarial.shared.steps": 300},
            "adversarial.shared.steps",
        ),
        (
            "prepare.photos.side",
            {"prepare.photos.side": 16, "generator.output_stride": 2},
            "generator.output_stride",
        ),
        ("evaluate.metrics.lpips", {"evaluate.metrics.lpips": "vgg"}, "squeeze, which download.weights.nets"),
        (
            "evaluate.metrics.fid",
            {"evaluate.metrics.fid": "inception", "download.weights.nets.alex": None},
            "squeeze or alex, which download.weights.nets",
        ),
        ("evaluate.metrics.kid", {"evaluate.metrics.kid": "torchvision_inception"}, "download.weights.nets"),
        (
            "prepare.photos.split.test",
            {"prepare.photos.split.val": 0.5, "prepare.photos.split.test": 0.5},
            "prepare.photos.split.val",
        ),
        ("prepare.photos.augment.scale", {"prepare.photos.augment.scale": [1.5, 0.5]}, "lower number first"),
        (
            f"adversarial.models.{ENERGY}.pixel",
            {f"adversarial.models.{ENERGY}.{key}": 0 for key in ("pixel", "adversarial")},
            f"adversarial.models.{ENERGY}.adversarial",
        ),
    ],
)
def test_values_that_contradict_each_other_are_named_together(file, path, changes, other):
    (line,) = problems(file, changes)
    found = json.dumps(changes[path])
    assert line.startswith(f"{path}: found {found}, allowed: ")
    assert other in line


def test_a_model_learns_by_lpips_too_or_alone_where_it_says_so(file):
    here = f"adversarial.models.{VANILLA}"
    for changes in (
        {"perceptual": 0.5},
        {"perceptual": 0.5, "pixel": 0, "adversarial": 0},
        {"perceptual": None},
    ):
        file.write_text(json.dumps(edited({f"{here}.{key}": value for key, value in changes.items()})))
        model = params.load(file).adversarial.models[VANILLA]
        assert model.perceptual == changes["perceptual"]
        kept = {key: value for key, value in changes.items() if value is not None}
        assert model.model_dump() == TREE["adversarial"]["models"][VANILLA] | kept


def test_a_figures_network_is_one_that_is_gathered(file):
    wanted = {"fid": "inception", "kid": "squeeze", "top1": {"net": "alex", "classes": "classes.txt"}}
    metrics = {f"evaluate.metrics.{name}": value for name, value in wanted.items()}
    lines = problems(file, metrics)
    assert [line.split(": ")[0] for line in lines] == [
        "evaluate.metrics.fid",
        "evaluate.metrics.top1.net",
    ]
    nets = {"squeeze": None, "alex": "alex.pth", "inception": None}
    file.write_text(json.dumps(edited(metrics | {"download.weights.nets": nets})))
    loaded = params.load(file)
    assert loaded.download.weights.nets == nets
    assert loaded.evaluate.metrics.model_dump() == wanted | {"lpips": "squeeze"}


SMALLER = {"factor": 2, "until": 0.3}


@pytest.mark.parametrize("phase", ["pretrain", "adversarial.shared"])
@pytest.mark.parametrize(
    ("changes", "key", "problem"),
    [
        ({"factor": 3}, "factor", "found 3, allowed: one of 2, 4"),
        ({"factor": True}, "factor", "found true, allowed: one of 2, 4"),
        ({"until": 1.0}, "until", "found 1.0, allowed: a number greater than 0 and less than 1"),
        ({"untl": 0.5}, "untl", "unknown key, allowed here: factor, until (did you mean until?)"),
    ],
)
def test_a_mistake_in_a_mapping_that_may_be_null_is_named_like_any_other(file, phase, changes, key, problem):
    assert problems(file, {f"{phase}.smaller": SMALLER | changes}) == [f"{phase}.smaller.{key}: {problem}"]


def test_a_key_missing_in_a_mapping_that_may_be_null_is_missed(file):
    (line,) = problems(file, {"pretrain.smaller": {"factor": 2}})
    assert line.startswith("pretrain.smaller.until: missing, allowed: a number greater than 0 ")


def test_pictures_are_not_shrunk_below_what_the_networks_can_take(file):
    small = {"prepare.photos.side": 64, "generator.depth": 4, "generator.output_stride": 2}
    changes = small | {"adversarial.shared.smaller": SMALLER | {"factor": 4}, "pretrain.smaller": SMALLER}
    (line,) = problems(file, changes)  # 16 pixels are too few, 32 are not
    assert line.startswith("adversarial.shared.smaller.factor: found 4, allowed: ") and "16 pixels" in line


def test_a_misspelt_key_brings_the_right_spelling_to_mind(file):
    lines = problems(file, {"pretrain.steps": ABSENT, "pretrain.stepz": 10})
    assert [line.split(": ")[0] for line in lines] == ["pretrain.steps", "pretrain.stepz"]
    assert lines[1].endswith("(did you mean steps?)")


def test_all_problems_are_listed_at_once_contradictions_too(file):
    changes = {
        "seed": "one",
        "pretrain.lr": -1,
        "runtime.speed": 3,
        "classes.sigma": ABSENT,
        "prepare.photos.augment.scale": [2.0, 1.0],
        f"adversarial.models.{ENERGY}.init": "itself",
    }
    assert {line.split(": ")[0] for line in problems(file, changes)} == set(changes)


def test_a_value_that_is_wrong_already_is_not_compared_with_others(file):
    (line,) = problems(file, {"generator.depth": "deep"})
    assert line.startswith("generator.depth: ")


def test_a_model_that_is_gone_is_missed_wherever_it_is_used(file):
    lines = problems(file, {f"adversarial.models.{VANILLA}": ABSENT})
    assert {line.split(": ")[0] for line in lines} == {"real_bw.models", f"evaluate.models.{VANILLA}"}


def test_a_model_without_an_objective_is_asked_for_it(file):
    (line,) = problems(file, {"adversarial.models.new": {}})
    allowed = "energy, hinge, least_squares, vanilla, wasserstein_gp"
    assert line == f"adversarial.models.new.objective: missing, allowed: one of {allowed}"


@pytest.mark.parametrize("section", sorted(NAMED))
def test_a_name_that_yaml_reads_as_a_number_is_refused(file, section):
    named = next(iter(at(section).values()))
    file.write_text(json.dumps(edited({(*section, "7"): named})).replace('"7"', "7"))
    problem = rf"{'.'.join(section)}\.7: (found 7, allowed: small letters|unknown key, allowed here: )"
    with pytest.raises(UserError, match=problem):
        params.load(file)


@quick
@given(st.sampled_from([path for path in KEYS if path[:-1] not in NAMED]))
def test_every_key_is_required(file, path):
    assert any(line.startswith(f"{'.'.join(path)}: missing, ") for line in problems(file, {path: ABSENT}))


@quick
@given(
    st.sampled_from([path for path in MAPPINGS if path not in NAMED]),
    st.from_regex("[a-z_]{1,12}", fullmatch=True),
    st.sampled_from([None, True, 1, 0.5, "text", [], {}]),
)
def test_no_unknown_key_passes(file, section, key, value):
    path = (*section, key if key not in at(section) else f"{key}_")
    (line,) = problems(file, {path: value})
    assert line.startswith(f"{'.'.join(path)}: unknown key, allowed here: ")


@quick
@given(st.sampled_from(LEAVES), st.data())
def test_no_value_of_another_type_passes(file, path, data):
    right = at(path)
    kinds = {
        type(None): st.none(),
        bool: st.booleans(),
        int: st.integers(-9, 9),
        str: st.sampled_from(["", "1", "true", "null", "text"]),
        list: st.lists(st.booleans(), max_size=3),
        dict: st.dictionaries(st.sampled_from("ab"), st.integers(0, 9)),
    }
    # A whole number may stand for a number.
    taken = {type(right), int if type(right) is float else None} | NULLABLE.get(path[-1], set())
    value = data.draw(st.one_of([strategy for kind, strategy in kinds.items() if kind not in taken]))
    lines = problems(file, {path: value})
    assert any(line.startswith(f"{'.'.join(path)}: found ") for line in lines)


def run(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_command_says_ok_and_exits_with_0():
    ended = run("-m", "tintype.params")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "params.yaml: ok\n", "")


def test_the_command_lists_problems_and_exits_with_2(file):
    lines = problems(file, {"seed": -1, "pretrain.lr": 0})
    ended = run("-m", "tintype.params", str(file))
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.removeprefix("error: ").splitlines() == [f"{file}: {line}" for line in lines]


def test_reading_params_loads_neither_torch_nor_pandas():
    script = "import sys; from tintype import params; params.load(); print(*sys.modules)"
    loaded = run("-c", script).stdout.split()
    assert "pydantic" in loaded
    assert not {"torch", "pandas"} & set(loaded)


def test_no_key_has_a_name_that_dvc_leaves_out_of_its_run_cache():
    # DVC drops keys called size and nfiles, at any depth, from what it looks results up by: an edit of such a
    # value would bring back results of another one.
    def keys(node):
        for key, value in node.items() if isinstance(node, dict) else ():
            yield key
            yield from keys(value)

    assert {"size", "nfiles"}.isdisjoint(
        keys(params.load(Path(__file__).parents[1] / "params.yaml").model_dump())
    )


FOLDER = {"source": "folder", "path": "pictures/mine", "licence": "", "group": "picture", "held_out": None}


@pytest.mark.parametrize("watch", ["pictures/mine", "pictures", "."])
def test_a_folder_of_pictures_is_watched_itself_or_one_around_it(file, watch):
    file.write_text(json.dumps(edited({"download.photos": FOLDER | {"watch": watch}})))
    assert params.load(file).download.photos.watch == watch


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"watch": "requirements.txt"}, "watch"),
        ({"watch": "pictures/mine/more"}, "watch"),
        ({"path": "~/mine", "watch": "~/mine"}, "watch"),
        ({"path": 5, "watch": "pictures"}, "path"),
    ],
)
def test_pictures_whose_changes_nobody_would_notice_are_a_mistake(file, changes, path):
    (line,) = problems(file, {"download.photos": FOLDER | changes})
    assert line.startswith(f"download.photos.{path}: found ")


def test_drawings_to_be_coloured_do_not_go_with_tiles(file):
    sketches = {"source": "sketches", "path": "p", "watch": "p", "colour": "auto", "sketches": None}
    (line,) = problems(file, {"download.photos": sketches | {"licence": ""}})
    assert line.startswith('prepare.photos.layout: found "tiles", allowed: squares')


def test_as_a_program_it_names_what_would_stop_dvc_in_a_watched_folder(tmp_path):
    (tmp_path / "pictures").mkdir()
    os.mkfifo(tmp_path / "pictures/pipe.jpg")
    (tmp_path / "pictures/dead.jpg").symlink_to("nowhere")
    folder = FOLDER | {"path": str(tmp_path / "pictures"), "watch": str(tmp_path / "pictures")}
    (tmp_path / "params.yaml").write_text(json.dumps(edited({"download.photos": folder})))
    command = [sys.executable, "-m", "tintype.params", tmp_path / "params.yaml"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert "dead.jpg: a link that leads to no file" in done.stderr and "pipe.jpg" in done.stderr
