"""Promises of tintype.tracking: what lands in MLflow, and that MLflow's troubles cost one warning."""

import json
import math
import os
import socket
import sqlite3
import subprocess
import sys
import threading
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from mlflow import MlflowClient
from PIL import Image

from tintype import tracking, tracking_queue
from tintype.tracking import evaluation_run, mark_current, tracking_uri, training_run

GREY = np.full((4, 6, 3), 128, dtype=np.uint8)


@pytest.fixture(autouse=True)
def own_surroundings(tmp_path, monkeypatch):
    """No repository, no DVC and no server but the test's own; no second try at a dead server."""
    for name in ("MLFLOW_TRACKING_URI", "DVC_ROOT", "DVC_STAGE", "DVC_EXP_NAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def empty_database(tmp_path_factory):
    """A database with MLflow's tables, which take a second to make."""
    path = tmp_path_factory.mktemp("database") / "mlflow.db"
    MlflowClient(f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture
def settings(tmp_path, empty_database):
    (tmp_path / "mlflow.db").write_bytes(empty_database.read_bytes())
    return SimpleNamespace(uri="sqlite:///mlflow.db", experiment="tintype")


@pytest.fixture
def runs(settings, tmp_path):
    """All runs of the experiment, oldest first, read by a client of the test's own."""

    def read():
        client = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
        experiment = client.get_experiment_by_name("tintype").experiment_id
        return client.search_runs([experiment], order_by=["start_time ASC"])

    return read


def train(settings, model="gan", weights="a" * 64, **params):
    with training_run(settings, model=model, params=params, data_digest="d" * 64) as run:
        run.weights(weights)


def history(name, run):
    return MlflowClient(tracking_uri(SimpleNamespace(uri="sqlite:///mlflow.db"))).get_metric_history(
        run.info.run_id, name
    )


def warnings(capsys):
    return [line for line in capsys.readouterr().err.splitlines() if line]


# What lands in MLflow


def test_a_training_run_holds_params_metrics_and_where_it_comes_from(settings, runs, monkeypatch, capsys):
    monkeypatch.setenv("DVC_STAGE", "adversarial-train@gan")
    monkeypatch.setenv("DVC_EXP_NAME", "tipsy-owl")
    with training_run(
        settings, model="gan", params={"lr": 2e-4, "objective": "vanilla"}, data_digest="d" * 64
    ) as run:
        run.metrics(1, {"loss": 2.5})
        run.metrics(2, {"loss": 1.5})
        run.tag("note", "first")
        run.weights("a" * 64)
    (found,) = runs()
    assert found.info.status == "FINISHED"
    assert found.info.run_name == "gan"
    assert found.data.params == {"lr": "0.0002"}, "the few that fit above a picture; the others are tags"
    assert [(metric.step, metric.value) for metric in history("loss", found)] == [(1, 2.5), (2, 1.5)]
    expected = {
        "model": "gan",
        "data.sha256": "d" * 64,
        "weights.sha256": "a" * 64,
        "dvc.stage": "adversarial-train@gan",
        "dvc.exp": "tipsy-owl",
        "git.commit": "not a git repository",
        "settings.objective": "vanilla",
        "note": "first",
    }
    assert expected.items() <= found.data.tags.items()
    assert warnings(capsys) == []


def test_a_run_names_the_git_commit_and_whether_files_differ_from_it(settings, runs, tmp_path):
    def git(*arguments):
        identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
        command = ["git", "-C", tmp_path, *identity, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    (tmp_path / ".gitignore").write_text("mlflow.db\nmlartifacts\n.mlflow.lock\n")
    (tmp_path / "params.yaml").write_text("seed: 1\n")
    (tmp_path / "dvc.lock").write_text("a: 1\n")
    git("init", "-q")
    git("add", ".")
    git("commit", "-q", "-m", "first")
    (tmp_path / "dvc.lock").write_text("a: 2\n")  # dvc repro writes this one after every stage
    train(settings)
    (tmp_path / "params.yaml").write_text("seed: 2\n")
    train(settings)
    clean, dirty = (run.data.tags for run in runs())
    assert clean["git.commit"] == dirty["git.commit"] == git("rev-parse", "HEAD")
    assert (clean["git.dirty"], dirty["git.dirty"]) == ("false", "true")


@pytest.mark.parametrize(
    ("error", "status"),
    [(ValueError("diverged"), "FAILED"), (KeyboardInterrupt(), "KILLED"), (SystemExit(0), "KILLED")],
)
def test_a_block_that_raises_marks_its_run_and_the_exception_goes_on(settings, runs, error, status):
    with pytest.raises(type(error)), training_run(settings, model="gan", params={}, data_digest="d"):
        raise error
    assert [run.info.status for run in runs()] == [status]


def test_a_training_that_goes_on_does_so_in_its_run(settings, runs):
    with (
        pytest.raises(KeyboardInterrupt),
        training_run(settings, model="gan", params={"lr": 1}, data_digest="d") as first,
    ):
        first.metrics(1, {"loss": 2.0})
        raise KeyboardInterrupt
    train(settings, model="cnn")
    identity = first.id
    again = training_run(settings, model="gan", params={"lr": 1}, data_digest="d", goes_on=identity)
    with again as second:
        second.metrics(2, {"loss": 1.0})
    found, other = runs()
    assert (found.info.run_id, found.info.status, second.id) == (identity, "FINISHED", identity)
    assert [(metric.step, metric.value) for metric in history("loss", found)] == [(1, 2.0), (2, 1.0)]
    assert other.data.tags["model"] == "cnn"


def test_a_training_whose_run_is_gone_goes_on_in_a_new_one(settings, runs):
    with training_run(settings, model="gan", params={"lr": 1}, data_digest="d", goes_on="0" * 32) as run:
        run.metrics(2, {"loss": 1.0})
    (found,) = runs()
    assert (found.info.run_id, found.info.status) == (run.id, "FINISHED") and run.id != "0" * 32
    assert found.data.params == {"lr": "1"}


def test_the_pictures_that_a_run_has_used_are_inputs_with_their_digests(settings, runs):
    with training_run(settings, model="gan", params={}, data_digest="d" * 64) as run:
        run.weights("a" * 64)
    for _ in range(2):  # the second evaluation says nothing new
        with evaluation_run(settings, model="gan", identity="a" * 64) as run:
            run.dataset("test pictures", "d" * 64, "test")
    (found,) = runs()
    inputs = {
        (one.dataset.name, one.dataset.digest, one.tags[0].value) for one in found.inputs.dataset_inputs
    }
    assert inputs == {("training pictures", "d" * 12, "training"), ("test pictures", "d" * 12, "test")}
    assert len(found.inputs.dataset_inputs) == 2
    assert json.loads(found.inputs.dataset_inputs[0].dataset.source) == {"sha256": "d" * 64}


def test_nan_and_infinity_are_logged_as_they_are(settings, runs):
    with training_run(settings, model="gan", params={}, data_digest="d") as run:
        run.metrics(1, {"loss": math.nan, "val_loss": math.inf})
    (found,) = runs()
    assert math.isnan(found.data.metrics["loss"])
    assert found.data.metrics["val_loss"] > 1e308


PRETRAINING = ["loss", "val_loss", "grad_norm"]
FURTHER = ["D_loss", "D_real", "D_fake", "margin", "D_accuracy", "D_grad_norm", "pull_away", "G_adversarial"]
FURTHER += ["G_pixel", "G_grad_norm", "val_lpips", "val_score"]
VALIDATION = ["val_ab_error", "val_chroma_ratio", "val_spread_ratio", "val_roughness_ratio"]
SCORES = ["test_psnr", "test_ssim", "test_ciede2000", "test_auc", "test_auc_rebalanced", "test_colorfulness"]
SCORES += ["test_colorfulness_abs", "test_hue_entropy", "test_ms_per_picture", "parameters", "gflops"]


@pytest.mark.parametrize("own", [PRETRAINING, FURTHER], ids=["cnn", "ebgan"])
def test_a_run_holds_at_most_20_names_of_all_stages_together(settings, runs, own):
    nets = [f"test_lpips_{net}" for net in ("squeeze", "alex", "vgg")]
    with training_run(settings, model="gan", params={}, data_digest="d") as run:
        run.metrics(1, dict.fromkeys([*own, *VALIDATION], 1.0))
        run.weights("a" * 64)
    for names in ([*SCORES, *nets], ["real_bw_colorfulness", "real_bw_grey_share"]):
        with evaluation_run(settings, model="gan", identity="a" * 64) as run:
            run.metrics(0, dict.fromkeys(names, 1.0))
    (found,) = runs()
    held = found.data.metrics.keys()
    assert {"val_ab_error", "test_psnr", "test_lpips_vgg", "parameters", "real_bw_colorfulness"} <= held
    assert "val_score" in held or "val_loss" in held
    assert len(held) <= 20 and held <= tracking.METRICS


def test_the_models_side_by_side_make_at_most_20_charts():
    assert len(tracking.METRICS - {"test_lpips_alex", "test_lpips_vgg"}) <= 20, "with one net for LPIPS"


def test_an_image_is_kept_as_it_was_when_it_was_logged(settings, runs, tmp_path):
    picture = GREY.copy()
    with training_run(settings, model="gan", params={}, data_digest="d") as run:
        run.image("val", 300, picture)
        picture[:] = 0
    (found,) = runs()
    assert found.data.tags["mlflow.loggedImages"] == "True"  # by which the dashboard offers its image grid
    (file,) = (tmp_path / "mlartifacts").glob(f"{found.info.run_id}/artifacts/images/val+step+300+*.png")
    assert np.array_equal(np.asarray(Image.open(file)), GREY)


def test_images_are_uint8_only(settings):
    with (
        training_run(settings, model="gan", params={}, data_digest="d") as run,
        pytest.raises(TypeError, match="float32"),
    ):
        run.image("val", 1, GREY.astype(np.float32))


def test_an_artifact_lies_in_its_folder(settings, runs, tmp_path):
    (tmp_path / "gan.csv").write_text("step,loss\n")
    with training_run(settings, model="gan", params={}, data_digest="d") as run:
        run.artifact(Path("gan.csv"), "curves")
    (found,) = runs()
    assert (
        tmp_path / "mlartifacts" / found.info.run_id / "artifacts/curves/gan.csv"
    ).read_text() == "step,loss\n"


# Evaluation finds the run of the weights


def test_evaluation_lands_in_the_newest_run_of_its_weights_and_changes_no_status_or_time(settings, runs):
    train(settings, weights="a" * 64)
    train(settings, weights="a" * 64)
    train(settings, weights="b" * 64)
    train(settings, model="ebgan", weights="a" * 64)
    before = [run.info for run in runs()]
    with evaluation_run(settings, model="gan", identity="a" * 64) as run:
        run.metrics(0, {"test_psnr": 24.0})
        run.image("test", 0, GREY)
    with pytest.raises(ValueError), evaluation_run(settings, model="gan", identity="a" * 64):
        raise ValueError("broken picture")
    after = runs()
    assert [run.data.metrics for run in after] == [{}, {"test_psnr": 24.0}, {}, {}]
    for old, new in zip(before, (run.info for run in after), strict=True):
        assert (old.run_id, old.status, old.start_time, old.end_time) == (
            new.run_id,
            new.status,
            new.start_time,
            new.end_time,
        )


def test_evaluation_of_weights_from_elsewhere_makes_a_run_and_finds_it_again(settings, runs):
    for value in (24.0, 25.0):
        with evaluation_run(settings, model="grey", identity="floor 1") as run:
            run.metrics(0, {"test_psnr": value})
    (found,) = runs()
    assert (found.info.run_name, found.info.status) == ("grey", "FINISHED")
    assert [metric.value for metric in history("test_psnr", found)] == [24.0, 25.0]


def test_only_the_newest_run_of_the_present_weights_is_current_and_each_has_its_colour(settings, runs):
    train(settings, weights="a" * 64)
    train(settings, weights="b" * 64)
    train(settings, weights="b" * 64)
    train(settings, model="cnn", weights="c" * 64)
    with evaluation_run(settings, model="grey", identity="floor 1"):
        pass

    def current():
        return ["pipeline" in run.data.tags for run in runs()]

    mark_current(settings, {"gan": "a" * 64, "cnn": "c" * 64})
    mark_current(settings, {"grey": "floor 1"})
    assert current() == [True, False, False, True, True]
    mark_current(settings, {"gan": "b" * 64, "cnn": "unknown"})
    assert current() == [False, False, True, False, True]
    colours = {run.data.tags["mlflow.runColor"] for run in runs() if "pipeline" in run.data.tags}
    assert len(colours) == 2


def test_an_experiment_in_a_copy_of_the_project_is_not_its_present_state(
    settings, runs, tmp_path, monkeypatch
):
    train(settings, weights="a" * 64)
    mark_current(settings, {"gan": "a" * 64})
    (tmp_path / "copy").mkdir()
    with monkeypatch.context() as patched:
        patched.setenv("DVC_ROOT", str(tmp_path))
        patched.chdir(tmp_path / "copy")
        train(settings, weights="b" * 64)
        mark_current(settings, {"gan": "b" * 64})
    assert ["pipeline" in run.data.tags for run in runs()] == [True, False]


# Where the runs are kept


def test_a_relative_database_starts_at_dvc_root_else_at_the_working_folder(tmp_path, monkeypatch):
    settings = SimpleNamespace(uri="sqlite:///mlflow.db", experiment="tintype")
    assert tracking_uri(settings) == f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.setenv("DVC_ROOT", str(tmp_path / "repository"))
    assert tracking_uri(settings) == f"sqlite:///{tmp_path}/repository/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://tracking:5000")
    assert tracking_uri(settings) == "http://tracking:5000"
    settings.uri = f"sqlite:///{tmp_path}/elsewhere.db"
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert tracking_uri(settings) == f"sqlite:///{tmp_path}/elsewhere.db"


@pytest.mark.slow
def test_two_processes_make_a_new_database_together_beside_dvc_root(tmp_path):
    root = tmp_path / "repository"
    root.mkdir()
    both = [start(SCRIPT.format(uri="sqlite:///mlflow.db", closing=60), DVC_ROOT=str(root)) for _ in range(2)]
    assert [process.communicate(timeout=60)[1] for process in both] == ["", ""]
    client = MlflowClient(f"sqlite:///{root}/mlflow.db")
    experiment = client.get_experiment_by_name("tintype")
    assert experiment.artifact_location == (root / "mlartifacts").as_uri()
    found = client.search_runs([experiment.experiment_id])
    assert [(run.info.status, run.data.metrics) for run in found] == [("FINISHED", {"loss": 1.0})] * 2
    assert list(tmp_path.iterdir()) == [root]


# MLflow's troubles


def test_a_server_that_is_down_costs_one_warning_however_many_runs_ask(capsys):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    settings = SimpleNamespace(
        uri=f"http://anna:p%40ssword@127.0.0.1:{port}?key=hidden", experiment="tintype"
    )
    train(settings)
    with evaluation_run(settings, model="gan", identity="a" * 64) as run:
        run.metrics(1, {"test_psnr": 24.0})
        run.image("test", 1, GREY)
    mark_current(settings, {"gan": "a" * 64})
    (warning,) = warnings(capsys)
    assert "tracking stops, the work goes on without it" in warning
    assert f"127.0.0.1:{port}" in warning
    assert not any(secret in warning for secret in ("anna", "ssword", "hidden"))


def test_an_exception_of_the_work_goes_on_when_tracking_has_stopped(tmp_path, capsys):
    settings = SimpleNamespace(uri=f"sqlite:///{a_file(tmp_path)}/mlflow.db", experiment="tintype")
    with (
        pytest.raises(ValueError, match="diverged"),
        training_run(settings, model="gan", params={}, data_digest="d"),
    ):
        raise ValueError("diverged")
    assert len(warnings(capsys)) == 1


def test_a_server_that_never_answers_is_given_up_while_its_thread_still_hangs(
    silent_server, monkeypatch, capsys
):
    monkeypatch.setattr(tracking_queue, "CLOSING_SECONDS", 0.3)
    before = set(threading.enumerate())
    train(silent_server)
    assert [thread.name for thread in set(threading.enumerate()) - before if thread.daemon] == ["tracking"]
    train(silent_server)
    (warning,) = warnings(capsys)
    assert "too slow" in warning


def test_waiting_adds_up_over_the_runs_of_a_process(settings, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(tracking_queue, "CLOSING_SECONDS", 1000)
    clock = count(step=1000)  # every look at it is 1000 seconds later
    with monkeypatch.context() as patched:
        patched.setattr(tracking_queue.time, "monotonic", lambda: next(clock))
        train(settings)
    with sqlite3.connect(tmp_path / "mlflow.db", isolation_level=None) as database:
        database.execute("BEGIN EXCLUSIVE")  # nobody else can write, and SQLite tries for seconds
        train(settings)
    database.close()
    (warning,) = warnings(capsys)
    assert "too slow" in warning


def test_a_queue_that_outgrows_its_memory_is_given_up_without_waiting(silent_server, monkeypatch, capsys):
    monkeypatch.setattr(tracking_queue, "WAITING_BYTES", 5 * GREY.nbytes + 5000)
    monkeypatch.setattr(tracking_queue, "CLOSING_SECONDS", 1e6)
    with training_run(silent_server, model="gan", params={}, data_digest="d") as run:
        for step in range(100):
            run.image("val", step, np.zeros((50, 50, 3), dtype=np.uint8))
    (warning,) = warnings(capsys)
    assert "too slow" in warning


def test_a_hanging_call_does_not_keep_the_process_from_ending(silent_server):
    process = start(SCRIPT.format(uri=silent_server.uri, closing=1))
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert len(err.splitlines()) == 1


def test_a_full_disk_costs_one_warning(settings):
    # A file may not grow beyond 1000 bytes: to SQLite the same as a disk with no more room.
    limit = "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
    process = start(limit + SCRIPT.format(uri=settings.uri, closing=60))
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0
    (warning,) = err.splitlines()
    assert "OperationalError" in warning


# Helpers

SCRIPT = """
from types import SimpleNamespace
import mlflow
from tintype import tracking_queue
from tintype.tracking import training_run

tracking_queue.CLOSING_SECONDS = {closing}
settings = SimpleNamespace(uri="{uri}", experiment="tintype")
with training_run(settings, model="gan", params={{}}, data_digest="d") as run:
    run.metrics(1, {{"loss": 1.0}})
"""


def start(script, **environment):
    """A process of its own that runs `script` with this repository's tintype."""
    # The scripts import MLflow first, to be quick; tracking does so with its log turned off.
    quiet = {"MLFLOW_LOGGING_LEVEL": "CRITICAL", "PYTHONPATH": str(Path(tracking.__file__).parents[1])}
    environment = os.environ | quiet | environment
    return subprocess.Popen(
        [sys.executable, "-c", script], env=environment, stderr=subprocess.PIPE, text=True
    )


def a_file(folder):
    (folder / "file").touch()
    return folder / "file"


@pytest.fixture
def silent_server():
    """Settings that lead to a server which takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield SimpleNamespace(uri=f"http://127.0.0.1:{server.getsockname()[1]}", experiment="tintype")
