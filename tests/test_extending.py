"""docs/extending.md, followed to the letter: its files and lines, in a copy of the project, make a model."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from safetensors import safe_open
from trainings import ROOT, write_base

from tintype.colorizer import FILE

DOCUMENT = (ROOT / "docs/extending.md").read_text(encoding="utf-8")
SMALL = {"steps": 2, "batch_size": 4, "patience": None}


class Copy:
    """The project's code and params, without what makes them slow."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("stages", "studies", "tintype"):
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        self.params = YAML().load(ROOT / "params.yaml")
        self.params["training"]["validate_every"] = 2
        self.params["runtime"] |= {"accelerator": "cpu", "devices": 1}
        self.params["pretrain"] |= SMALL
        self.params["adversarial"]["shared"] |= SMALL

    def follow(self, heading: str) -> None:
        """Write the file of a section of the document, and put its lines into params.yaml."""
        (section,) = re.findall(rf"^## {heading}\n(.*?)(?=^## |\Z)", DOCUMENT, re.DOTALL | re.MULTILINE)
        (name,) = re.findall(r"`(tintype/\S+\.py)`:\n\n```python\n", section)
        (code,) = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
        (lines,) = re.findall(r"```yaml\n(.*?)```", section, re.DOTALL)
        with open(self.folder / name, "x", encoding="utf-8") as file:  # a new file: no other is touched
            file.write(code)
        changes = YAML().load(lines)
        self.params["generator"] = changes.get("generator", self.params["generator"])
        self.params["adversarial"]["models"] |= changes.get("adversarial", {}).get("models", {})
        YAML().dump(self.params, self.folder / "params.yaml")

    def train(self, stage: str, name: str, *more: str) -> dict:
        """Train a model with a stage; what its file says of it."""
        command = f"-m stages.{stage} --data data --out models/{name} --curve {name}.csv".split()
        self.run(*command, *more)
        with safe_open(self.folder / f"models/{name}" / FILE, framework="pt") as model:
            return json.loads(model.metadata()["tintype"])

    def load_study(self) -> dict[str, dict]:
        """Put the lines of the section on studies into one; what its models are then, by name."""
        (lines,) = re.findall(r"```yaml\n(.*?)```", DOCUMENT[DOCUMENT.index("## A study") :], re.DOTALL)
        file, models = self.folder / "studies/objectives/params.yaml", YAML().load(lines)
        study = YAML().load(file)
        study["models"]["adversarial"] |= models
        YAML().dump(study, file)
        for name in models:
            place = f"'studies/objectives/params.yaml', '{name}'"
            self.run("-c", f"from tintype import params; params.load({place})")
        return models

    def run(self, *arguments: str) -> None:
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        environment |= {"DVC_ROOT": str(self.folder)}
        command = [sys.executable, *arguments]
        done = subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> dict[str, dict]:
    """What the files of the trained models say, by the section that was followed."""
    folder = tmp_path_factory.mktemp("extended")
    write_base(folder)
    copy, made = Copy(folder), {}
    copy.follow("A backbone")
    made["A backbone"] = copy.train("pretrain_generator", "dilated")
    copy.follow("A head")
    made["A head"] = copy.train("pretrain_generator", "cnn")
    copy.follow("An objective")
    more = "--model smoothed --init models/cnn --weights weights"
    made["An objective"] = copy.train("adversarial_train", "smoothed", *more.split())
    made["A study"] = copy.load_study()
    return made


def test_a_backbone_is_a_file_and_a_line(made):
    expected = {"backbone": "dilated", "head": "classes", "color_space": "lab", "width": 32, "layers": 5}
    assert made["A backbone"]["generator"] == expected
    assert made["A backbone"]["training"]["steps"] == 2


def test_a_head_is_a_file_and_a_line(made):
    generator = made["A head"]["generator"]
    assert (generator["backbone"], generator["head"]) == ("unet", "charbonnier")


def test_an_objective_is_a_file_and_a_line(made):
    assert made["An objective"]["training"]["objective"] == "smoothed"
    assert made["An objective"]["generator"] == made["A head"]["generator"]


def test_a_model_of_a_study_is_a_line_for_each_seed(made):
    assert [model["seed"] for model in made["A study"].values()] == [1, 2]
    assert {model["model"]["objective"] for model in made["A study"].values()} == {"smoothed"}


NEW = re.findall(r"`(tintype/\S+\.py)`:\n\n```python\n", DOCUMENT)
NAMED = set(re.findall(r"\b(?:tintype|tests)/[\w./]+\.py", DOCUMENT)) - set(NEW)


@pytest.mark.parametrize("name", sorted(name for name in NAMED if "NAME" not in name))
def test_a_file_that_the_document_names_is_there(name):
    assert (ROOT / name).is_file()


@pytest.mark.parametrize("name", NEW)
def test_a_file_that_the_document_adds_would_pass_for_one_of_the_projects(name, tmp_path):
    (code,) = re.findall(rf"`{name}`:\n\n```python\n(.*?)```", DOCUMENT, re.DOTALL)
    assert not (ROOT / name).exists()
    (tmp_path / "new.py").write_text(code)
    for check in ("check", "format --check"):
        command = [sys.executable, "-m", "ruff", *check.split(), "--config", ROOT / "pyproject.toml"]
        done = subprocess.run([*command, tmp_path], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout
