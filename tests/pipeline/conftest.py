"""A small copy of the project, in which the tests of its pipelines run DVC."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torchvision
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
# What only watches or carries: a change there changes no output, so no stage lists it.
OBSERVERS = {
    "stages/__init__.py",
    *(
        f"tintype/{name}.py"
        for name in (
            "console",
            "files",
            "params",
            "params_download",
            "params_generator",
            "params_schema",
            "params_types",
            "params_wording",
            "progress",
            "protocols",
            "studies",
            "tracking",
            "tracking_queue",
        )
    ),
    *(f"tintype/{folder}__init__.py" for folder in ("", "adversaries/", "report/", "sources/", "training/")),
    *(f"tintype/networks/{folder}__init__.py" for folder in ("", "backbones/", "discriminators/", "heads/")),
}
# What sources share. DVC cannot list by source who imports which.
SHARED_BY_SOURCES = {
    "tintype/conditions.py",
    *(f"tintype/sources/{name}.py" for name in ("checksums", "members", "places", "transfer", "user_folder")),
}
# What the head `classes` uses. DVC cannot list by head who imports it.
SHARED_BY_HEADS = {"tintype/ab_classes.py"}
# Sheets of pictures go to MLflow alone, but for those of these stages.
SHEETS = {"tintype/report/sheets.py"}
DRAWING = ("report", "compare", "sample", "diversity", "hint-response", "read-icons", "uncertainty")


class Project:
    """A small copy of the project, and how to run DVC in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.imports = folder.parent / "imports"
        self.imports.mkdir()
        self.environment = {
            **{
                key: value
                for key, value in os.environ.items()
                if not key.startswith(("DVC_", "MLFLOW_", "GIT_"))
            },
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT / "tests/pipeline/recorder"),
            "RECORD_ROOT": str(folder),
            "RECORD_INTO": str(self.imports),
            "DVC_SITE_CACHE_DIR": str(folder.parent / "site-cache"),
            "OMP_WAIT_POLICY": "PASSIVE",
        }

    def run(self, *command: str, **more: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            command, cwd=self.folder, env=self.environment | more, capture_output=True, text=True, check=False
        )

    def repro(self, *arguments: str) -> set[str]:
        """Run `dvc repro`; the names of the stages that ran."""
        done = self.run("dvc", "repro", *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return set(re.findall(r"Running stage '(.*)'", done.stdout))

    def edit(self, change, name: str = "params.yaml") -> None:
        yaml = YAML()
        yaml.width = 1000  # a line stays a line
        file = self.folder / name
        params = yaml.load(file)
        change(params)
        yaml.dump(params, file)

    def check_imports(self, folder: str) -> None:
        """Compare what a folder's stages, which have all run, imported with what its `dvc.yaml` lists."""
        stages = YAML(typ="safe").load(self.folder / folder / "dvc.lock")["stages"]
        records = [file for file in (self.imports / folder).iterdir() if file.is_file()]
        imported = {file.name.split(":")[-1]: set(file.read_text().split()) for file in records}
        assert imported.keys() == stages.keys()
        used_by_stage: dict[str, set[str]] = {}
        for name, files in imported.items():
            listed = {dep["path"] for dep in stages[name]["deps"]}
            observers = OBSERVERS | (SHEETS if name not in DRAWING else set())
            assert files - listed - observers == set(), f"{name} imports files that dvc.yaml does not list"
            used_by_stage.setdefault(name.split("@")[0], set()).update(files)
        for name, stage in stages.items():
            listed = {dep["path"] for dep in stage["deps"] if dep["path"].endswith(".py")}
            listed -= SHARED_BY_SOURCES if name.startswith("download@") else SHARED_BY_HEADS
            unused = listed - used_by_stage[name.split("@")[0]]
            assert unused == set(), f"{name} lists files that no such stage imports"


def make_small(params) -> None:
    params["prepare"]["photos"]["stride"] = 128
    params["prepare"]["photos"]["augment"]["copies"] = 1
    params["generator"] |= {"width": 8, "depth": 2}
    params["training"]["validate_every"] = 2
    params["pretrain"] |= {"steps": 4, "batch_size": 8}
    params["adversarial"]["shared"] |= {"steps": 4, "batch_size": 8}
    for model in params["adversarial"]["models"].values():
        model["width"] = 8


@pytest.fixture(scope="session")
def copied(tmp_path_factory) -> Callable[[str], Project]:
    """A function that makes a copy of the project, of a name, small and committed."""

    def copy(name: str) -> Project:
        folder = tmp_path_factory.mktemp(name) / "tintype"
        listed = subprocess.run(
            ["git", "ls-files", "-co", "--exclude-standard"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        names = listed.stdout.splitlines()
        if listed.returncode:  # an unpacked archive
            patterns = (
                "stages/**/*.py",
                "tintype/**/*.py",
                "studies/*/*.yaml",
                "*.yaml",
                ".dvc/config",
                "tintype/report/page*",
            )
            patterns += ("requirements.txt", "checksums.csv", ".dvcignore", ".gitignore")
            names = [file.relative_to(ROOT).as_posix() for pattern in patterns for file in ROOT.glob(pattern)]
        for file in map(Path, names):
            if (ROOT / file).is_file() and file.name != "dvc.lock":
                (folder / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / file, folder / file)
        # Random weights do for LPIPS here: what is tested is that the figure goes all the way.
        torch.manual_seed(0)
        torch.save(torchvision.models.squeezenet1_1(weights=None).state_dict(), folder.parent / "squeeze.pth")
        project = Project(folder)
        project.edit(make_small)
        project.edit(
            lambda params: params["download"]["weights"]["nets"].update(
                squeeze=str(folder.parent / "squeeze.pth")
            )
        )
        for command in ("init -q", "add -A", "-c user.name=a -c user.email=a@b commit -qm start"):
            subprocess.run(["git", *command.split()], cwd=folder, check=True)
        return project

    return copy
