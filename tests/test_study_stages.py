"""The stages of studies, as DVC resolves them: do they list what shapes results, and write where they say?"""

import ast
import re
import shlex
import subprocess
import sys
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
from dvc.repo import Repo
from dvc.utils.serialize import load_yaml

from tintype import params, studies

ROOT = Path(__file__).parents[1]
BASE = load_yaml(ROOT / "params.yaml")
NAMES = sorted(path.parent.name for path in (ROOT / "studies").glob("*/params.yaml"))
OBSERVERS = {  # whose change changes no result
    f"tintype/{name}.py"
    for name in (
        "console",
        "files",
        "params",
        "progress",
        "protocols",
        "studies",
        "tracking",
        "tracking_queue",
        "__init__",
        "report/__init__",
    )
}
# The stage of one study alone; it works on whatever models the study has.
OWN = ("stages.diversity", "stages.uncertainty", "stages.hint_response", "stages.read_icons")
# Of one study alone, too; each works on the models that its command names.
SHIPPING = ("stages.ship", "stages.model_card", "stages.contact_sheet")
# What the root's `evaluate` does that the `compare` of a study does not: films, sets, other systems, costs.
EVALUATE_ALONE = {
    "stages/evaluate.py",
    "tintype/report/gallery.py",
    *(
        f"tintype/{name}.py"
        for name in ("cost", "external", "feature_networks", "film", "film_scoring", "judges", "set_metrics")
    ),
}
SECTIONS = {  # of a study's values, that a stage reads
    "stages.pretrain_generator": ["training", "pretrain"],
    "stages.adversarial_train": ["training", "adversarial", "model"],
    "stages.compare": ["classes"],
    "stages.evaluate": ["photos"],
    "stages.real_bw_test": [],
    "stages.sample": [],
    "stages.download": [],
    "stages.prepare": ["photos", "shared"],
    **{script: [] for script in (*OWN, *SHIPPING)},
}
REPLACED = re.compile(
    r"seed|generator|(adversarial\.models|download)\..*|prepare\.\$\{key\}|\$\{item\..*\}"
)  # by what the study has of a model
OF_PHOTOS = re.compile(r"prepare\.photos(\..*)?")  # replaced where the study has other pictures
WRITTEN = ("--out", "--curve", "--pictures", "--films", "--metrics", "--samples", "--sheet", "--figures")
WRITTEN += ("--store", "--failures")
READ = {  # what some read, that others write
    **dict.fromkeys(OWN, ("--sheet",)),  # whose colourings are to be shown
    "stages.model_card": ("--pictures", "--figures"),
}
# By which option each of the stages that every shipped model has names it.
USES = {
    "stages.evaluate": "--made-from",
    "stages.real_bw_test": "--made-from",
    "stages.model_card": "--model",
}


def committed(name: str) -> studies.Study:
    return params.study(ROOT / f"studies/{name}/params.yaml")


class Instance:
    """A stage as DVC resolves it; all paths from the project's folder."""

    def __init__(self, stage) -> None:
        def path(file: str) -> str:
            return Path(file).relative_to(ROOT).as_posix()

        self.address, self.file = stage.addressing, Path(path(stage.path))
        words = shlex.split(stage.cmd)
        self.script = words[2]
        self.options: dict[str, list[str]] = {}
        for word in words[3:]:
            if word.startswith("--"):
                values = self.options.setdefault(word, [])
            else:
                values.append(word)
        # A model's name, its folder or, once it is shipped, its file.
        self.models = [*self.options.get("--model", []), *self.options.get("--models", [])]
        self.deps = {path(dep.fs_path) for dep in stage.deps if not hasattr(dep, "params")}
        self.params = {path(dep.fs_path): set(dep.params) for dep in stage.deps if hasattr(dep, "params")}
        self.outs = [path(out.fs_path) for out in stage.outs]

    @property
    def study(self) -> str:
        return self.file.parent.name

    @property
    def name(self) -> str:
        """That of the model that it works on, or else of what it makes."""
        return Path(self.models[0] if "--model" in self.options else self.option("--out") or "").name

    @property
    def trains(self) -> bool:
        return "--curve" in self.options

    def option(self, name: str) -> str | None:
        """The only value of an option; None where the command has no such option."""
        found = self.options.get(name, [None])
        assert len(found) == 1, (self.address, name)
        return found[0]


@pytest.fixture(scope="module")
def instances() -> list[Instance]:
    with Repo(ROOT, config={"core": {"no_scm": True}}) as repo:  # an unpacked archive too
        found = [Instance(stage) for stage in repo.index.stages]
    shipped = {out: one.name for one in found if one.script == "stages.ship" for out in one.outs}
    for one in found:
        one.models = [shipped.get(model, Path(model).name) for model in one.models]
    return found


@pytest.fixture(scope="module")
def of_studies(instances) -> list[Instance]:
    return [instance for instance in instances if instance.file != Path("dvc.yaml")]


@cache
def of_root(script: str) -> dict:
    """The root's stage of a script, as it is written."""
    stages = (stage.get("do", stage) for stage in load_yaml(ROOT / "dvc.yaml")["stages"].values())
    return next(stage for stage in stages if f"-m {script} " in stage["cmd"])


def generators(study: studies.Study, name: str) -> set[tuple[str, str]]:
    """Backbone and head of a model, and of those that it starts from."""
    if name not in study.all_models:
        return {(BASE["generator"]["backbone"], BASE["generator"]["head"])}
    model = study.all_models[name]
    own = {(model.generator["backbone"], model.generator["head"])} if model.generator else set()
    init = model.model.get("init")
    return own | (generators(study, init) if init else set())


@cache
def imported(file: str, package: str) -> frozenset[str]:
    """A file, the files of a package that it imports at its top, and those that they import."""
    found = {file}
    for node in ast.parse((ROOT / file).read_text()).body:
        if isinstance(node, ast.ImportFrom) and node.module.startswith(package):
            places = [node.module, *(f"{node.module}.{name.name}" for name in node.names)]
            files = [place.replace(".", "/") + ".py" for place in places]
            found |= {other for file in files if (ROOT / file).is_file() for other in imported(file, package)}
    return frozenset(found)


def needed(instance: Instance) -> set[str]:
    """The Python files that shape a stage's results, after the root's stage of the same script."""
    study, script = committed(instance.study), instance.script
    own = script.replace(".", "/") + ".py"
    if script == "stages.download":
        source = study.download[instance.option("--set")].source
        return {own, *source_code(source)}
    if script == "stages.prepare":
        return {dep for dep in of_root(script)["deps"] if dep.endswith(".py")}
    values = {}
    if script == "stages.compare":  # which scores as `evaluate` does
        pairs = set().union(*(generators(study, name) for name in study.all_models))
        listed = {own, *of_root("stages.evaluate")["deps"]} - EVALUATE_ALONE
    elif script in (*OWN, *SHIPPING):
        names = instance.models if script in SHIPPING else study.all_models
        assert {*names} <= {*study.all_models}, instance.address
        pairs = set().union(*(generators(study, name) for name in names))
        listed = {
            file for file in imported(own, "tintype") if not file.startswith("tintype/params")
        } - OBSERVERS
        listed |= {"tintype/networks/backbones/${generator.backbone}.py"}
        listed |= {"tintype/networks/heads/${generator.head}.py"}
    elif script == "stages.sample":
        pairs = generators(study, study.sampling.model)
        listed = {own, "tintype/colorizer.py", "tintype/store.py", "tintype/report/sheets.py"}
        listed |= {dep for dep in of_root("stages.evaluate")["deps"] if "tintype/networks/" in dep}
    else:
        pairs, values = generators(study, instance.name), study.all_models[instance.name].model
        listed = of_root(script)["deps"]
        if "--encoder" in instance.options:
            listed = {*listed, *source_code("backbones")}
    known = {f"item.{key}": str(value) for key, value in values.items()}
    return {
        file
        for backbone, head in pairs
        for dep in listed
        if dep.endswith(".py") and dep != "tintype/networks/planes.py"  # listed for those that import it
        for file in imported(
            resolved(dep, known | {"generator.backbone": backbone, "generator.head": head}),
            "tintype.networks",
        )
    }


def made(path: str) -> bool:
    """Whether a file or folder is where nothing is that stages do not make."""
    return path.split("/")[0] in ("data", "models", "reports")


def within(path: str, folder: str) -> bool:
    return f"{path}/".startswith(f"{folder}/")


def source_code(name: str) -> set[str]:
    return set(imported(f"tintype/sources/{name}.py", "tintype")) - OBSERVERS


def resolved(dep: str, known: dict[str, str]) -> str:
    return re.sub(r"\$\{([a-z.]+)\}", lambda match: known[match[1]], dep)


def test_the_stages_of_every_study_list_the_code_that_the_roots_stage_of_the_script_lists(of_studies):
    missing = {one.address: needed(one) - one.deps for one in of_studies}
    assert {address: files for address, files in missing.items() if files} == {}


def test_every_file_that_a_stage_lists_exists_and_the_rest_is_made_by_stages(instances):
    outs = [out for instance in instances for out in instance.outs]
    for instance in instances:
        for dep in instance.deps:
            if not any(within(out, dep) for out in outs):
                assert not made(dep) and (ROOT / dep).is_file(), (instance.address, dep)


def test_no_two_stages_write_to_the_same_place(instances):
    outs = sorted((f"{out}/", instance.address) for instance in instances for out in instance.outs)
    for (one, by), (other, also_by) in pairwise(outs):
        assert not other.startswith(one), (by, also_by)


def test_what_a_stage_writes_is_where_its_command_says(of_studies):
    for instance in of_studies:
        for option in WRITTEN:
            place = instance.option(option)
            if place and option not in READ.get(instance.script, ()):
                assert any(within(out, place) for out in instance.outs), (instance.address, option)


def test_what_a_command_names_is_listed_and_it_names_the_data_that_is_listed(instances):
    for instance in instances:
        options = {option: named for option, named in instance.options.items() if option != "--params"}
        places = {one for named in options.values() for one in named if "/" in one}
        listed = {*instance.deps, *instance.outs}
        unlisted = {place for place in places if not any(within(one, place) for one in listed)}
        read = {dep for dep in instance.deps if made(dep) or Path(dep).suffix == ".safetensors"}
        unnamed = {dep for dep in read if not any(within(dep, place) for place in places)}
        assert (unlisted, unnamed) == (set(), set()), instance.address


def test_a_set_is_gathered_again_when_what_it_watches_changes(of_studies):
    for instance in of_studies:
        if instance.script == "stages.download":
            gathered = committed(instance.study).download[instance.option("--set")]
            assert gathered.watch in instance.deps, instance.address


def test_what_is_shipped_is_one_of_the_studys_models_and_scored_and_tested_as_it_is_shipped(of_studies):
    shipped = {out: one for one in of_studies if one.script == "stages.ship" for out in one.outs}
    for file, ship in shipped.items():
        assert ship.name in committed(ship.study).all_models, ship.address
        scored, tested, told = (
            [one for one in of_studies if one.script == script and one.option(option) == file]
            for script, option in USES.items()
        )
        for (one,) in (scored, tested, told):
            assert one.name == ship.name, one.address
        assert scored[0].option("--metrics") == str(Path(file).with_suffix(".json")), "as models are listed"
        assert told[0].option("--pictures") == scored[0].option("--pictures"), told[0].address


def test_the_stages_of_every_study_list_the_values_that_they_read(of_studies):
    for instance in of_studies:
        study, own = (
            committed(instance.study),
            instance.params.get(instance.file.parent.as_posix() + "/params.yaml"),
        )
        values, read = getattr(study, study.values), set()
        sections = [name for name in SECTIONS[instance.script] if getattr(values, name, None)]
        if instance.trains:
            groups = [group for group, models in study.models.items() if instance.name in models]
            read |= {"values", f"models.{groups[0]}.{instance.name}"}
            if generator := study.all_models[instance.name].generator:
                read.add(f"{study.values}.backbones.{generator['backbone']}")
        read |= {"values"} if sections else set()
        read |= {f"{study.values}.{section}" for section in sections}
        read |= {"models"} if instance.script in ("stages.compare", *OWN) else set()
        read |= {"shown"} if instance.script in OWN else set()
        assert read <= (own or set()), instance.address


def test_the_stages_of_every_study_list_the_values_of_the_base_that_the_roots_list(of_studies):
    for instance in of_studies:
        if instance.script in ("stages.compare", "stages.sample", *OWN, *SHIPPING):
            continue
        listed = {name for name in of_root(instance.script)["params"] if not REPLACED.fullmatch(name)}
        study = committed(instance.study)
        if getattr(study, study.values).photos:
            listed = {name for name in listed if not OF_PHOTOS.fullmatch(name)}
        assert listed <= instance.params.get("params.yaml", set()), instance.address


def test_a_study_depends_on_its_own_params_and_the_root_on_no_studys(instances):
    for instance in instances:
        allowed = {Path("params.yaml"), instance.file.parent / "params.yaml"}
        assert {Path(file) for file in instance.params} <= allowed, instance.address
        own = f"{instance.file.parent.as_posix()}/"
        others = [dep for dep in instance.deps if dep.startswith("studies/") and not dep.startswith(own)]
        assert others == [], instance.address


def test_every_model_of_every_study_is_trained_by_one_stage_and_compared(of_studies):
    for name in NAMES:
        stages = [instance for instance in of_studies if instance.study == name]
        trained = [instance for instance in stages if instance.trains]
        assert sorted(one.name for one in trained) == sorted(committed(name).all_models)
        (compare,) = [instance for instance in stages if instance.script == "stages.compare"]
        for one in trained:
            assert Path(one.option("--out")).parent == Path(compare.option("--models"))
            assert Path(one.option("--curve")).parent == Path(compare.option("--curves"))


def test_dvc_lists_the_stages_of_the_root_and_of_every_study():
    command = [sys.executable, "-m", "dvc", "stage", "list", "--all", "--name-only"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    listed = done.stdout.split()
    assert {"report", *(f"studies/{name}/dvc.yaml:compare" for name in NAMES)} <= set(listed)
    assert len(NAMES) >= 11
