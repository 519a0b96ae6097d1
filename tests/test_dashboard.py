"""Promises of tintype.dashboard: it shows the present models' runs, or says what is in the way."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from urllib.parse import parse_qs, urlencode

import numpy as np
import pytest
from mlflow import MlflowClient

from tintype import dashboard, params, tracking
from tintype.console import UserError
from tintype.files import sha256

REPOSITORY = Path(tracking.__file__).parents[1]


@pytest.fixture
def project(tmp_path, monkeypatch):
    """An empty project, which is the working folder, with runs in a database of its own."""
    for name in ("MLFLOW_TRACKING_URI", "DVC_ROOT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "environ", os.environ.copy())
    shutil.copy(REPOSITORY / "params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def empty_database(tmp_path_factory):
    """A database with MLflow's tables, which take a second to make."""
    path = tmp_path_factory.mktemp("database") / "mlflow.db"
    MlflowClient(f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture
def trained(project, empty_database):
    """The project after two trainings of gan, of which the first made the weights that are there now."""
    shutil.copy(empty_database, project)
    settings = params.load().runtime.tracking
    (project / "models/gan").mkdir(parents=True)
    file = project / "models/gan/model.safetensors"
    file.write_bytes(b"weights")
    for digest in (sha256(file), "0" * 64):
        with tracking.training_run(settings, model="gan", params={}, data_digest="d") as run:
            run.image("val", 100, np.full((8, 8, 3), 128, dtype=np.uint8))
            run.weights(digest)
    return project


@pytest.fixture
def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@pytest.fixture
def served(monkeypatch):
    """The commands that would have been run as servers."""
    commands = []
    monkeypatch.setattr(dashboard, "serve", commands.append)
    return commands


def show(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["dashboard", *map(str, arguments)])
    dashboard.main()


def runs_of_gan():
    """(status, tags) of the runs, oldest first, and the experiment's id."""
    settings = params.load().runtime.tracking
    client = MlflowClient(tracking.tracking_uri(settings))
    experiment = client.get_experiment_by_name(settings.experiment).experiment_id
    return client.search_runs([experiment], order_by=["start_time ASC"]), experiment


def test_the_runs_of_the_present_models_are_marked_and_served_on_this_machine_only(
    trained, free_port, served, monkeypatch, capsys
):
    show(monkeypatch, "--port", free_port)
    (first, second), experiment = runs_of_gan()
    assert first.data.tags["pipeline"] == "current"
    assert "pipeline" not in second.data.tags
    out = capsys.readouterr().out
    assert f"http://127.0.0.1:{free_port}/#/experiments/{experiment}/runs?" in out
    (command,) = served
    assert {f"--backend-store-uri=sqlite:///{trained}/mlflow.db", "--host=127.0.0.1"} < set(command)
    assert f"--port={free_port}" in command
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"


def test_before_the_first_training_it_says_what_to_do_and_makes_no_database(project, served, monkeypatch):
    with pytest.raises(UserError, match="make repro"):
        show(monkeypatch)
    assert sorted(path.name for path in project.iterdir()) == ["params.yaml"]
    assert served == []


def test_an_experiment_of_another_name_has_nothing_to_show(trained, served, monkeypatch):
    text = (trained / "params.yaml").read_text()
    assert "experiment: tintype}" in text
    (trained / "params.yaml").write_text(text.replace("experiment: tintype}", "experiment: other}"))
    with pytest.raises(UserError, match=r'no runs of the experiment "other"'):
        show(monkeypatch)


def test_results_that_came_without_runs_are_told_from_no_results(project, served, monkeypatch):
    (project / "models/gan").mkdir(parents=True)
    (project / "models/gan/model.safetensors").write_bytes(b"weights")
    expected = r"though models/ has gan\. .*cache.*dvc repro --force --single-item evaluate real-bw-test"
    with pytest.raises(UserError, match=expected):
        show(monkeypatch)
    assert not (project / "mlflow.db").exists()
    assert served == []


def test_models_without_a_present_run_are_named_with_how_to_make_one(
    trained, free_port, served, monkeypatch, capsys
):
    show(monkeypatch, "--port", free_port)
    out = capsys.readouterr().out
    lacking = [name for name in params.load().evaluate.models if name != "gan"]
    assert f"There is no run of {', '.join(lacking)}." in out
    assert f"dvc repro --force --single-item {' '.join(f'evaluate@{name}' for name in lacking)}\n" in out


def test_the_current_runs_are_in_the_address_of_one_table(trained, free_port, served, monkeypatch, capsys):
    show(monkeypatch, "--port", free_port)
    (first, _), experiment = runs_of_gan()
    (address,) = [line for line in capsys.readouterr().out.splitlines() if "/#/compare-runs?" in line]
    query = parse_qs(address.split("?")[1])
    assert json.loads(query["runs"][0]) == [first.info.run_id]
    assert json.loads(query["experiments"][0]) == [experiment]


def test_a_port_in_use_is_named_together_with_how_to_choose_another(trained, served, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(UserError, match=rf"port {port}: Address already in use.*--port 5001"):
            show(monkeypatch, "--port", port)
    with pytest.raises(UserError, match=r"port 70000: .*--port 5001"):
        show(monkeypatch, "--port", 70000)
    assert served == []


def test_runs_kept_by_a_server_are_looked_at_there(project, served, monkeypatch, capsys):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://anna:secret@tracking.example:8443")
    show(monkeypatch)
    out = capsys.readouterr().out
    assert "tracking.example:8443" in out
    assert "secret" not in out
    assert served == []


@pytest.mark.slow
def test_the_pages_the_runs_and_the_pictures_are_served_until_ctrl_c(trained, free_port):
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-m", "tintype.dashboard", "--port", str(free_port)]
    process = subprocess.Popen(
        command, env=environment, start_new_session=True, stderr=subprocess.PIPE, text=True
    )
    address = f"http://127.0.0.1:{free_port}"
    try:
        _wait_until_it_answers(f"{address}/health", process)
        assert b"<title>MLflow</title>" in _get(address)
        found, experiment = runs_of_gan()
        about = json.loads(_get(f"{address}/ajax-api/2.0/mlflow/experiments/get?experiment_id={experiment}"))
        assert about["experiment"]["name"] == params.load().runtime.tracking.experiment
        picture = next(trained.glob(f"mlartifacts/{found[0].info.run_id}/artifacts/images/*.png"))
        query = urlencode({"path": f"images/{picture.name}", "run_uuid": found[0].info.run_id})
        assert _get(f"{address}/get-artifact?{query}") == picture.read_bytes()
    finally:
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does it
        _, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "Traceback" not in err
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", free_port))


def _get(url):
    with urllib.request.urlopen(url, timeout=30) as answer:
        return answer.read()


def _wait_until_it_answers(url, process):
    while process.poll() is None:
        try:
            return _get(url)
        except OSError:
            time.sleep(0.2)
    raise AssertionError(process.communicate()[1])
