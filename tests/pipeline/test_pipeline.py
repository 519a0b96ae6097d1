"""The real pipeline, small, in a copy of the project of its own: what `dvc repro` promises."""

import re
import sys

import pandas as pd
import pytest
from mlflow import MlflowClient

FLOORS = ["grey", "mean", "random"]
MODELS = [*FLOORS, "cnn", "gan", "ebgan"]


@pytest.fixture(scope="module")
def project(copied):
    project = copied("pipeline")
    project.ran = project.repro()
    return project


def test_every_stage_ran_and_wrote_its_results(project):
    instances = [f"{stage}@{model}" for model in MODELS[3:] for stage in ("evaluate", "real-bw-test")]
    assert {"download@photos", "prepare@bw", "pretrain-generator", "report", *instances} <= project.ran
    table = pd.read_csv(project.folder / "reports/comparison.csv")
    assert list(table["model"]) == [*MODELS, "truth"]
    assert table["psnr"][:6].between(5, 60).all()
    assert table["parameters"][3:6].nunique() == 1 and table["gflops"][3:6].gt(0).all()
    grey = table.set_index("model").loc["grey"]
    assert grey["colorfulness"] < 0.1 and grey["auc"] > 50 and grey["lpips_squeeze"] > 0
    for name in ("comparison.md", "comparison.png", "film.png", "real_bw.csv", "real_bw.png", "index.html"):
        assert (project.folder / "reports" / name).stat().st_size > 100
    films, pairs = (pd.read_csv(project.folder / f"reports/{name}.csv") for name in ("films", "differences"))
    assert set(films["model"]) == set(MODELS[3:]) and films["film"].nunique() == 9
    assert len(pairs[pairs["figure"] == "ciede2000"]) == 15, "each of six with each"
    assert len(list((project.folder / "reports/real_bw/gan").glob("*.png"))) == 7


def test_every_stage_lists_the_files_it_imports_and_no_others(project):
    project.check_imports("")


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
        assert len(run.data.metrics) <= 20, "more, and MLflow's page stalls"
        if model in FLOORS:
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
    assert shown["cnn"] == shown["gan"] == shown["ebgan"] == {"0", "2", "4"}, "0: before the first step"


def test_a_stage_finishes_when_the_tracking_server_is_out_of_reach(project, tmp_path):
    command = (
        "-m stages.evaluate --model grey --made-from tintype/floors.py --data data/prepared/photos"
        f" --weights data/raw/weights --pictures {tmp_path}/a.csv --films {tmp_path}/f.csv"
        f" --metrics {tmp_path}/a.json --samples {tmp_path}/s"
    )
    done = project.run(sys.executable, *command.split(), MLFLOW_TRACKING_URI="http://127.0.0.1:9")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("warning: tracking stops") == 1
    assert (tmp_path / "a.csv").exists()


def test_pictures_of_another_system_stand_in_the_same_table(project, tmp_path):
    command = f"-m tintype.external --data data/prepared/photos --out {tmp_path}/theirs"
    done = project.run(sys.executable, *command.split())
    assert done.returncode == 0, done.stderr
    project.edit(lambda params: params["evaluate"]["models"].update(other=f"{tmp_path}/theirs"))
    assert project.repro() == {"evaluate@other", "report"}
    table = pd.read_csv(project.folder / "reports/comparison.csv").set_index("model")
    for figure in ("psnr", "ciede2000", "auc_rebalanced", "lpips_squeeze"):
        other, grey = (float(table.loc[model, figure]) for model in ("other", "grey"))
        assert other == pytest.approx(grey, rel=0.01), "uncoloured, they are the grey floor"
    (tmp_path / "theirs/shown").rename(tmp_path / "theirs/elsewhere")
    failed = project.run("dvc", "repro", "evaluate@other")
    assert failed.returncode != 0 and "shown: no such folder" in failed.stderr + failed.stdout
    project.edit(lambda params: params["evaluate"]["models"].pop("other"))
    assert project.repro() <= {"report"}


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
