"""Studies: what their params change of the project's, and whether their stages list what shapes results."""

import json
import re
import subprocess
import sys
from copy import deepcopy
from functools import cache
from pathlib import Path

import pytest
from dvc.utils.serialize import load_yaml
from ruamel.yaml import YAML

from stages import pretrain_generator
from tintype import params, studies
from tintype.console import UserError

ROOT = Path(__file__).parents[1]
BASE = load_yaml(ROOT / "params.yaml")
FILES = sorted(path.relative_to(ROOT) for path in (ROOT / "studies").glob("*/params.yaml"))
NAMES = [path.parent.name for path in FILES]
STUDY = {
    "base": str(ROOT / "params.yaml"),
    "experiment": "tintype-trial",
    "values": "small",
    "small": {
        "backbones": {
            "unet": {"width": 8, "depth": 2, "output_stride": 2},
            "unet_per_channel": {"width": 4, "depth": 3, "output_stride": 1},
        },
        "model": {"width": 16, "adversaries": "joint", "pixel": 1.0, "adversarial": 0.2},
        "training": {"film": 0.25},
        "pretrain": {"steps": 11, "smaller": {"factor": 2, "until": 0.3}},
    },
    "large": {
        "backbones": {"unet": {"width": 64, "depth": 4, "output_stride": 2}},
        "model": {"width": 32, "adversaries": "joint", "pixel": 1.0, "adversarial": 0.2},
        "adversarial": {"shared": {"steps": 77}},
    },
    "models": {
        "pretrained": {
            "plain-1": {"seed": 1, "generator": {"backbone": "unet", "head": "l1", "color_space": "rgb"}},
            "apart-7": {
                "seed": 7,
                "generator": {"backbone": "unet_per_channel", "head": "l2", "color_space": "lab"},
                "pretrain": {"steps": 12, "smaller": {"factor": 4}},
            },
        },
        "adversarial": {
            "gan-1": {
                "seed": 1,
                "model": {"init": "plain-1", "objective": "vanilla", "discriminator": "patch"},
            },
            "wide-1": {
                "seed": 1,
                "model": {"init": "plain-1", "objective": "vanilla", "discriminator": "patch", "width": 20},
                "adversarial": {"shared": {"lr": 0.5}},
            },
        },
    },
}


def written(folder: Path, *changes: tuple[str, object]) -> Path:
    """STUDY in a file, with values replaced; paths have slashes."""
    study = deepcopy(STUDY)
    for path, value in changes:
        *above, key = path.split("/")
        section = study
        for step in above:
            section = section[step]
        section[key] = value
    file = folder / "params.yaml"
    file.write_text(json.dumps(study))  # JSON is YAML 1.2
    return file


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Path:
    return written(tmp_path_factory.mktemp("study"))


def test_a_studys_values_go_over_the_bases_and_the_bases_hold_elsewhere(study):
    expected = deepcopy(BASE)
    expected["pretrain"] |= STUDY["small"]["pretrain"]
    expected["training"] |= STUDY["small"]["training"]
    expected["runtime"]["tracking"]["experiment"] = "tintype-trial"
    assert params.load(study).model_dump(mode="json") == expected


def test_a_models_own_values_go_over_the_studys(study):
    assert params.load(study, "plain-1").pretrain.steps == 11
    own = params.load(study, "apart-7")
    assert (own.pretrain.steps, own.pretrain.lr) == (12, BASE["pretrain"]["lr"])
    assert own.pretrain.smaller.model_dump() == {"factor": 4, "until": 0.3}
    of_wide = params.load(study, "wide-1").adversarial
    assert (of_wide.models["wide-1"].width, of_wide.shared.lr) == (20, 0.5)
    of_gan = params.load(study, "gan-1").adversarial
    assert (of_gan.models["gan-1"].width, of_gan.shared.lr) == (16, BASE["adversarial"]["shared"]["lr"])


def test_large_values_stand_in_for_small_ones_and_never_join_them(tmp_path):
    large = params.load(written(tmp_path, ("values", "large")), "plain-1")
    assert large.generator.width == 64 and large.adversarial.shared.steps == 77
    assert large.pretrain.steps == BASE["pretrain"]["steps"]
    assert large.training.film == BASE["training"]["film"]


def test_other_pictures_are_prepared_as_the_study_says_and_else_as_the_base_does(tmp_path):
    photos = {
        **{"layout": "squares", "side": 64, "fit": "crop", "input": {"training": "lab", "test": "luma601"}},
        **{"filters": {"min_side": 32, "min_chroma": 2.0, "near_duplicates": None}},
        "split": {"val": 0.1, "test": 0.0, "conditions": 0.0},
    }
    shared = {"pictures_per_shard": 999}
    for model in (None, "plain-1"):
        file = written(tmp_path, ("small/photos", photos), ("small/shared", shared))
        prepare = params.load(file, model).prepare.model_dump(mode="json")
        assert prepare["photos"] == photos
        assert prepare["shared"] == BASE["prepare"]["shared"] | shared != BASE["prepare"]["shared"]
        assert prepare["bw"] == BASE["prepare"]["bw"]


def test_a_model_has_its_backbones_settings_its_seed_and_its_experiment(study):
    loaded = params.load(study, "apart-7")
    expected = {"backbone": "unet_per_channel", "head": "l2", "color_space": "lab"}
    assert loaded.generator.model_dump() == expected | STUDY["small"]["backbones"]["unet_per_channel"]
    assert loaded.seed == 7
    assert loaded.runtime.tracking.experiment == "tintype-trial"
    # It has none of its own: that of the model it starts from.
    assert params.load(study, "gan-1").generator == params.load(study, "plain-1").generator


def test_merging_changes_neither_the_base_nor_the_study(study):
    checked, base = studies.checked(deepcopy(STUDY), study), deepcopy(BASE)
    for name in checked.all_models:
        studies.merged(base, checked, study, name)
    assert base == BASE
    assert checked == studies.checked(deepcopy(STUDY), study)


VANILLA = {"init": "plain-1", "objective": "vanilla", "discriminator": "patch"}


@pytest.mark.parametrize(
    ("change", "model", "says"),
    [
        (None, "nobody-1", "found model nobody-1, allowed: plain-1, apart-7, gan-1, wide-1"),
        (("models/more", {"plain": {"seed": 1}}), None, "models.more.plain: allowed: small letters, "),
        (("models/more", {"plain-2": {"seed": 1}}), None, "in the end its seed: ...-1"),
        (("models/more", {"plain-1": {"seed": 1}}), None, "plain-1: there are two models of this name"),
        (
            ("models/more", {"grey-1": {"seed": 1}}),
            None,
            "grey-1: found the name of a row that every table",
        ),
        (
            ("sampling", {"model": "no-1", "colourings": 2, "share": 0.5}),
            None,
            'sampling.model: found "no-1"',
        ),
        (("values", "large"), "apart-7", "large.backbones: no settings of unet_per_channel, for apart-7"),
        (("values", "medium"), None, 'values: found "medium", allowed: one of small, large'),
        (("smal", {}), None, "smal: unknown key, allowed here: base, experiment, "),
        (("small/pretrian", {}), None, "small.pretrian: unknown key, "),
        (("models/adversarial/gan-1/sed", 1), None, "gan-1.sed: unknown key, allowed here: model, "),
        (("models/adversarial/gan-1/seed", "1"), None, 'gan-1.seed: found "1", allowed: a whole number'),
        (("small/pretrain/steps", 0), None, "pretrain.steps: found 0, allowed: a whole number of at least 1"),
        (("small/training/flim", 1), None, "training.flim: unknown key, allowed here: precision, "),
        (("small/backbones/unet/wdth", 8), "plain-1", "generator.wdth: unknown key, allowed here: head, "),
        (("small/model/width", 1), "gan-1", "adversarial.models.gan-1.width: found 1, allowed: "),
        (("small/shared", {"max_pixel": 1}), None, "prepare.shared.max_pixel: unknown key, allowed here: "),
        (
            ("models/adversarial/gan-1/model", VANILLA | {"init": "plain-9"}),
            "gan-1",
            'adversarial.models.gan-1.init: found "plain-9", allowed: cnn, plain-1, apart-7, ',
        ),
    ],
)
def test_a_mistake_in_a_study_is_named_with_its_file_its_place_and_what_is_allowed(
    tmp_path, change, model, says
):
    file = written(tmp_path, *([change] if change else []))
    with pytest.raises(UserError) as error:
        params.load(file, model)
    assert any(line.startswith(f"{file}: ") and says in line for line in str(error.value).splitlines())


NETWORK = {"source": "backbones", "net": "alexnet", "file": None, "watch": "requirements.txt"}
NETWORKS = {"source": "backbones", "nets": {"squeeze": None}, "watch": "requirements.txt"}
ARCHIVE = {
    **{
        "url": "https://example.org/a.zip",
        "checksum": None,
        "bytes": None,
        "licence": "",
        "group": "picture",
    },
    **{"held_out": None, "max_files": 9, "max_bytes": 9, "only": None, "without": None},
}
ARCHIVES = {
    **{"source": "archives", "use": "few", "watch": "checksums.csv"},
    "sets": {"few": {"one": ARCHIVE}},
}
SOURCES = {
    "alexnet": NETWORK,
    "judges": NETWORKS,
    "icons": {"source": "icons", "path": None, "licence": "", "watch": "requirements.txt"},
    "several": ARCHIVES,
}


def without(mapping: dict, key: str) -> dict:
    return {other: value for other, value in mapping.items() if other != key}


def test_a_study_gathers_pictures_and_networks_of_either_kind(tmp_path):
    gathered = params.sets(written(tmp_path, ("download", SOURCES)))
    assert {name: one.model_dump(mode="json") for name, one in gathered.items()} == SOURCES


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("alexnet", without(NETWORK, "file"), "alexnet.file: missing, allowed: non-empty text or null"),
        ("alexnet", without(NETWORK, "net"), "alexnet.net: missing, allowed: one of alexnet, vgg16, "),
        ("alexnet", NETWORK | {"net": "alex"}, 'alexnet.net: found "alex", allowed: one of alexnet, '),
        (
            "alexnet",
            NETWORK | {"flie": None},
            "alexnet.flie: unknown key, allowed here: watch, source, net, ",
        ),
        ("other", NETWORK, 'other.net: found "alexnet", allowed: other, its name'),
        ("judges", without(NETWORKS, "watch"), "judges.watch: missing, allowed: non-empty text"),
        ("judges", NETWORKS | {"nets": {}}, "judges.nets: found {}, allowed: a mapping from names, "),
        (
            "judges",
            NETWORKS | {"nets": {"sqeeze": None}},
            "judges.nets.sqeeze: unknown key, allowed here: squeeze, alex, vgg, ",
        ),
        ("judges", NETWORKS | {"nets": {"squeeze": 5}}, "judges.nets.squeeze: found 5, allowed: non-empty "),
        (
            "judges",
            NETWORKS | {"net": "alexnet"},
            "judges.net: unknown key, allowed here: watch, source, nets",
        ),
        ("drawn", without(SOURCES["icons"], "path"), "drawn.path: missing, allowed: non-empty text or null"),
        ("drawn", SOURCES["icons"] | {"watch": ""}, 'drawn.watch: found "", allowed: non-empty text'),
        ("drawn", {"watch": "a"}, "drawn.source: missing, allowed: one of "),
        ("drawn", {"source": "icnos"}, 'drawn.source: found "icnos", allowed: one of '),
        ("drawn", 5, "drawn: found 5, allowed: a mapping whose source is one of "),
        ("drawn", None, "drawn: found null, allowed: a mapping whose source is one of "),
        ("several", ARCHIVES | {"sets": {}}, "several.sets: found {}, allowed: a mapping from names, "),
        (
            "several",
            ARCHIVES | {"sets": {"few": {"one": without(ARCHIVE, "url")}}},
            "several.sets.few.one.url: missing, allowed: text",
        ),
        (
            "several",
            ARCHIVES | {"sets": {"few": {"one": ARCHIVE | {"max_files": 0}}}},
            "several.sets.few.one.max_files: found 0, allowed: a whole number of at least 1",
        ),
        (
            "several",
            ARCHIVES | {"sets": {"few": {"No One": ARCHIVE}}},
            'several.sets.few.No One: found "No One", allowed: small letters, ',
        ),
    ],
)
def test_a_mistake_in_what_a_study_gathers_is_named_with_its_place_and_what_is_allowed(
    tmp_path, name, value, says
):
    file = written(tmp_path, ("download", {name: value}))
    for read in (params.study, params.load, params.sets):
        with pytest.raises(UserError) as error:
            read(file)
        (line,) = str(error.value).splitlines()
        assert line.startswith(f"{file}: download.{says}")


@pytest.mark.parametrize(
    "change",
    [
        ("base", str(ROOT / "studies/objectives/params.yaml")),
        ("models/pretrained/plain-1/generator/backbone", ["unet"]),
    ],
)
def test_a_base_or_a_backbone_that_is_none_is_a_mistake_like_any_other(tmp_path, change):
    file = written(tmp_path, change)
    with pytest.raises(UserError, match=f"^{file}: "):
        params.load(file, "plain-1")


def test_a_base_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UserError, match=r"elsewhere\.yaml: no such file; run from the project's folder"):
        params.load(written(tmp_path, ("base", "elsewhere.yaml")))


def test_a_stage_that_is_asked_for_a_model_of_no_study_says_so_before_any_work(study, tmp_path):
    places = f"--params {study} --data {tmp_path} --curve {tmp_path}/curve.csv --out {tmp_path}/nobody-1"
    with pytest.raises(UserError, match="found model nobody-1, allowed: plain-1, "):
        pretrain_generator.main(places.split())
    assert list(tmp_path.iterdir()) == []


def test_a_stage_with_a_wrong_study_exits_with_2(tmp_path):
    file = written(tmp_path, ("small/training/film", 2))
    command = f"-m stages.download --params {file} --set photos --out {tmp_path}/out"
    command = [sys.executable, *command.split()]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {file}: training.film: found 2, allowed: ")


# The committed studies


@cache
def committed(name: str) -> studies.Study:
    return params.study(ROOT / f"studies/{name}/params.yaml")


@pytest.mark.parametrize("values", ["small", "large"])
@pytest.mark.parametrize("name", NAMES)
def test_a_committed_study_is_valid_for_every_model(name, values, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    tree = load_yaml(ROOT / f"studies/{name}/params.yaml") | {"values": values}
    (tmp_path / "params.yaml").write_text(json.dumps(tree))
    for model in committed(name).all_models:
        assert params.load(tmp_path / "params.yaml", model).seed == committed(name).seeds[model]


@pytest.mark.parametrize("name", NAMES)
def test_a_study_says_for_small_and_large_values_of_the_same_things(name):
    # A stage lists those sections of `values`; one that is missing would stop it.
    small, large = committed(name).small, committed(name).large
    assert small.model_fields_set == large.model_fields_set
    assert small.backbones.keys() == large.backbones.keys()


def test_each_study_has_an_mlflow_experiment_of_its_own():
    experiments = [committed(name).experiment for name in NAMES]
    assert len({BASE["runtime"]["tracking"]["experiment"], *experiments}) == 1 + len(NAMES)


def test_the_sketches_readme_says_how_to_take_pairs_of_ones_own(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    text = (ROOT / "studies/sketches/README.md").read_text()
    pairs, photos = (YAML(typ="safe").load(block) for block in re.findall(r"```yaml\n(.*?)```", text, re.S))
    tree = load_yaml(ROOT / "studies/sketches/params.yaml")
    tree["download"] = pairs
    tree["small"] |= photos
    (tmp_path / "params.yaml").write_text(json.dumps(tree))
    loaded = params.load(tmp_path / "params.yaml", "gan-1")
    assert loaded.prepare.photos.layout == "squares" and loaded.generator.color_space == "drawing"
    assert params.sets(tmp_path / "params.yaml")["pairs"].source == "sketches"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("shown", {"sheet": "plain-1,gone-1"}), 'shown.sheet: found "gone-1", allowed: plain-1'),
        (("shown", {"sheet": "plain-1", "colourings": 1}), "shown.colourings: found 1, allowed: "),
    ],
)
def test_what_a_study_shows_is_checked_before_any_work(tmp_path, change, said):
    with pytest.raises(UserError, match=re.escape(said)):
        params.study(written(tmp_path, change))


def test_a_model_without_its_seed_and_two_trainings_can_be_shown(tmp_path):
    for sheet in ("plain", "plain-1,gan-1"):
        assert params.study(written(tmp_path, ("shown", {"sheet": sheet}))).shown.sheet == sheet


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "generator.given: found nothing, allowed: some of condition, hints, z"),
        ({"z": {"whole": 0, "spatial": 0, "diversity": 0.0, "most": 0.1, "others": 0.5}}, "found no numbers"),
        ({"hints": {"most": 0, "without": 0.1}}, "generator.given.hints.most: found 0, allowed: "),
        ({"hints": {"most": 3, "without": 1.0}}, "generator.given.hints.without: found 1.0, allowed: "),
        ({"condition": False}, "generator.given.condition: found false, allowed: "),
    ],
)
def test_what_a_generator_cannot_be_told_is_said_before_any_work(tmp_path, given, said):
    generator = {"backbone": "unet", "head": "l1", "color_space": "rgb", "given": given}
    file = written(tmp_path, ("models/pretrained/plain-1/generator", generator))
    with pytest.raises(UserError, match=re.escape(said)):
        params.load(file, "plain-1")


def test_a_backbone_that_takes_the_lightness_alone_can_be_told_nothing(tmp_path):
    told = {"hints": {"most": 3, "without": 0.1}}
    generator = {"backbone": "unet_per_channel", "head": "l2", "color_space": "lab", "given": told}
    file = written(tmp_path, ("models/pretrained/apart-7/generator", generator))
    with pytest.raises(UserError, match="found hints, allowed: left out, for unet_per_channel"):
        params.load(file, "apart-7")
