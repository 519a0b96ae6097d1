"""The real pipeline, small, in a copy of the project of its own: what `dvc repro` promises."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch
import torchvision
from mlflow import MlflowClient
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
MODELS = ["grey", "mean", "cnn", "gan", "ebgan"]
# What only watches or carries: a change there changes no output, so no stage lists it.
OBSERVERS = {
    "stages/__init__.py",
    *(
        f"tintype/{name}.py"
        for name in ("console", "files", "params", "params_schema", "params_wording", "progress", "tracking")
    ),
    *(
        f"tintype/{folder}__init__.py"
        for folder in ("", "adversaries/", "networks/", "report/", "sources/", "training/")
    ),
}
# What sources share. DVC cannot list by source who imports which.
SHARED_BY_SOURCES = {
    "tintype/conditions.py",
    *(f"tintype/sources/{name}.py" for name in ("checksums", "members", "places", "transfer", "user_folder")),
}
# Outside the report, sheets of pictures go to MLflow alone.
OBSERVERS_OUTSIDE_REPORT = {"tintype/report/sheets.py"}


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

    def edit(self, change) -> None:
        yaml = YAML()
        file = self.folder / "params.yaml"
        params = yaml.load(file)
        change(params)
        yaml.dump(params, file)


def make_small(params) -> None:
    params["prepare"]["photos"]["stride"] = 128
    params["prepare"]["photos"]["augment"]["copies"] = 1
    params["generator"] |= {"width": 8, "depth": 2}
    params["training"]["validate_every"] = 2
    params["pretrain"] |= {"steps": 4, "batch_size": 8}
    params["adversarial"]["shared"] |= {"steps": 4, "batch_size": 8}
    for model in params["adversarial"]["models"].values():
        model["width"] = 8


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Project:
    folder = tmp_path_factory.mktemp("pipeline") / "tintype"
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    names = listed.stdout.splitlines()
    if listed.returncode:  # an unpacked archive
        names = [
            path.relative_to(ROOT).as_posix()
            for top in (
                "stages",
                "tintype",
                "params.yaml",
                "requirements.txt",
                "checksums.csv",
                "dvc.yaml",
                ".dvc/config",
                ".dvcignore",
                ".gitignore",
            )
            for path in ([ROOT / top] if (ROOT / top).is_file() else (ROOT / top).rglob("*.py"))
        ]
    for name in names:
        if (ROOT / name).is_file() and name not in ("dvc.lock",):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    # Random weights do for LPIPS here: what is tested is that the figure goes all the way.
    torch.manual_seed(0)
    torch.save(torchvision.models.squeezenet1_1(weights=None).state_dict(), folder.parent / "squeeze.pth")
    project = Project(folder)
    project.edit(make_small)
    project.edit(lambda params: params["download"]["weights"].update(file=str(folder.parent / "squeeze.pth")))
    for command in ("init -q", "add -A", "-c user.name=a -c user.email=a@b commit -qm start"):
        subprocess.run(["git", *command.split()], cwd=folder, check=True)
    project.ran = project.repro()
    return project


def test_every_stage_ran_and_wrote_its_results(project):
    instances = [f"{stage}@{model}" for model in MODELS[2:] for stage in ("evaluate", "real-bw-test")]
    assert {"download@photos", "prepare@bw", "pretrain-generator", "report", *instances} <= project.ran
    table = pd.read_csv(project.folder / "reports/comparison.csv")
    assert list(table["model"]) == [*MODELS, "truth"]
    assert table["psnr"][:5].between(5, 60).all()
    grey = table.set_index("model").loc["grey"]
    assert grey["colorfulness"] < 0.1 and grey["auc"] > 50 and grey["lpips_squeeze"] > 0
    for name in ("comparison.md", "comparison.png", "film.png", "real_bw.csv", "real_bw.png"):
        assert (project.folder / "reports" / name).stat().st_size > 100
    assert len(list((project.folder / "reports/real_bw/gan").glob("*.png"))) == 7


def test_every_stage_lists_the_files_it_imports_and_no_others(project):
    stages = YAML(typ="safe").load(project.folder / "dvc.lock")["stages"]
    imported = {file.name: set(file.read_text().split()) for file in project.imports.iterdir()}
    assert imported.keys() == stages.keys()
    used_by_stage: dict[str, set[str]] = {}
    for name, files in imported.items():
        listed = {dep["path"] for dep in stages[name]["deps"]}
        observers = OBSERVERS | (OBSERVERS_OUTSIDE_REPORT if name != "report" else set())
        assert files - listed - observers == set(), f"{name} imports files that dvc.yaml does not list"
        used_by_stage.setdefault(name.split("@")[0], set()).update(files)
    for name, stage in stages.items():
        listed = {dep["path"] for dep in stage["deps"] if dep["path"].endswith(".py")}
        listed -= SHARED_BY_SOURCES if name.startswith("download@") else set()
        assert listed <= used_by_stage[name.split("@")[0]], f"{name} lists files that no such stage imports"


def test_nothing_runs_when_nothing_changed(project):
    assert project.repro() == set()


def test_a_comment_in_an_observer_runs_nothing(project):
    file = project.folder / "tintype/tracking.py"
    file.write_text(file.read_text() + "# A remark.\n")
    assert project.repro() == set()


def test_a_value_of_runtime_runs_nothing(project):
    project.edit(lambda params: params["runtime"].update(jobs=1))
    assert project.repro() == set()


def test_one_models_edit_runs_that_model_alone_and_going_back_trains_nothing(project):
    lock = (project.folder / "dvc.lock").read_bytes()
    project.edit(lambda params: params["adversarial"]["models"]["ebgan"].update(margin=3.0))
    assert project.repro() == {"adversarial-train@ebgan", "evaluate@ebgan", "real-bw-test@ebgan", "report"}
    assert (project.folder / "dvc.lock").read_bytes() != lock
    project.edit(lambda params: params["adversarial"]["models"]["ebgan"].update(margin=2.0))
    assert project.repro() == set()
    assert (project.folder / "dvc.lock").read_bytes() == lock


def test_every_model_has_one_current_run_with_its_whole_story(project):
    client = MlflowClient(f"sqlite:///{project.folder}/mlflow.db")
    experiment = client.get_experiment_by_name("tintype").experiment_id
    runs = client.search_runs([experiment], "tags.pipeline = 'current'")
    assert sorted(run.data.tags["model"] for run in runs) == sorted(MODELS)
    shown = {}
    for run in runs:
        model = run.data.tags["model"]
        assert run.info.status == "FINISHED"
        assert {"test_psnr", "test_auc_rebalanced", "test_colorfulness"} <= run.data.metrics.keys()
        if model in ("grey", "mean"):
            continue
        assert {"val_ab_error", "real_bw_colorfulness"} <= run.data.metrics.keys()
        assert {
            "git.commit",
            "git.dirty",
            "dvc.stage",
            "data.sha256",
            "weights.sha256",
        } <= run.data.tags.keys()
        assert run.data.params["steps"] == "4"
        images = [file.path for file in client.list_artifacts(run.info.run_id, "images")]
        assert any("real_bw" in path for path in images)
        shown[model] = {re.search(r"val\+step\+(\d+)", path)[1] for path in images if "/val" in path}
    assert shown["cnn"] == shown["gan"] == shown["ebgan"] == {"2", "4"}


def test_a_stage_finishes_when_the_tracking_server_is_out_of_reach(project, tmp_path):
    command = (
        "-m stages.evaluate --model grey --made-from tintype/floors.py --data data/prepared/photos"
        f" --weights data/raw/weights --pictures {tmp_path}/a.csv --metrics {tmp_path}/a.json"
        f" --samples {tmp_path}/s"
    )
    done = project.run(sys.executable, *command.split(), MLFLOW_TRACKING_URI="http://127.0.0.1:9")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("warning: tracking stops") == 1
    assert (tmp_path / "a.csv").exists()


def test_a_mistake_in_the_params_ends_with_status_2_before_any_work(project, tmp_path):
    file = tmp_path / "params.yaml"
    file.write_text(
        re.sub(r"margin: (?=[\d.]+, pull)", "margni: ", (project.folder / "params.yaml").read_text())
    )
    command = f"-m stages.prepare --set photos --raw data/raw/photos --out {tmp_path}/out --params {file}"
    done = project.run(sys.executable, *command.split())
    assert done.returncode == 2
    assert "adversarial.models.ebgan.margni" in done.stderr and "did you mean margin" in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_forcing_every_stage_gives_the_same_bytes(project):
    lock = (project.folder / "dvc.lock").read_bytes()
    project.repro("--force")
    assert (project.folder / "dvc.lock").read_bytes() == lock
