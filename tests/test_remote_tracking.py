"""Promises to a team: runs go to a server, which alone keeps them, and their pictures and files."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from mlflow import MlflowClient
from PIL import Image

from tintype import dashboard, tracking

PICTURE = np.random.default_rng(0).integers(0, 256, (8, 12, 3), dtype=np.uint8)
HOST = "tracking.example:5000"  # as the team calls it
SETTINGS = SimpleNamespace(uri="sqlite:///mlflow.db", experiment="tintype")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server as docs/tracking.md starts it, but with SQLite and a folder: its address, its folder."""
    folder = tmp_path_factory.mktemp("server")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    options = {"host": "127.0.0.1", "port": port, "workers": 1, "allowed-hosts": f"127.0.0.1:{port},{HOST}"}
    options |= {"cors-allowed-origins": f"http://{HOST}"}
    options |= {"backend-store-uri": f"sqlite:///{folder}/runs.db", "artifacts-destination": folder / "files"}
    command = [
        sys.executable,
        "-m",
        "mlflow",
        "server",
        *(f"--{key}={value}" for key, value in options.items()),
    ]
    with open(folder / "log", "w") as log:
        environment = os.environ | dashboard.ENVIRONMENT
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True
        )
    try:
        wait_until_it_answers(f"{address}/health", process, folder / "log")
        yield address, folder
    finally:
        os.killpg(process.pid, signal.SIGTERM)  # and its children
        process.wait(timeout=60)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))


def wait_until_it_answers(url, process, log):
    end = time.monotonic() + 90
    while process.poll() is None and time.monotonic() < end:
        try:
            return urllib.request.urlopen(url, timeout=5).close()
        except OSError:
            time.sleep(0.2)
    raise AssertionError(log.read_text())


@pytest.fixture
def elsewhere(server, tmp_path, monkeypatch):
    """An empty working folder, from which the environment leads to the server."""
    address, _ = server
    monkeypatch.setattr(os, "environ", os.environ.copy())
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    return tmp_path / "project"


def test_the_server_gets_runs_pictures_and_files_and_nothing_stays_here(server, elsewhere, tmp_path, capsys):
    address, folder = server
    (tmp_path / "gan.csv").write_text("picture,psnr\n")
    with tracking.training_run(SETTINGS, model="gan", params={"lr": 1e-3}, data_digest="d" * 64) as run:
        run.metrics(50, {"loss": 2.5})
        run.image("val", 50, PICTURE)
        run.weights("a" * 64)
    with tracking.evaluation_run(SETTINGS, model="gan", identity="a" * 64) as run:
        run.metrics(0, {"test_psnr": 24.5})
        run.artifact(tmp_path / "gan.csv", "evaluation")
    tracking.mark_current(SETTINGS, {"gan": "a" * 64})
    assert capsys.readouterr().err == ""

    client = MlflowClient(address)
    experiment = client.get_experiment_by_name("tintype")
    (found,) = client.search_runs([experiment.experiment_id], "tags.pipeline = 'current'")
    assert (found.info.status, found.data.metrics) == ("FINISHED", {"loss": 2.5, "test_psnr": 24.5})
    assert found.info.artifact_uri.startswith("mlflow-artifacts:/"), "through the server, not beside it"
    (picture,) = (folder / "files").rglob("val+step+50+*.png")
    assert np.array_equal(np.asarray(Image.open(picture)), PICTURE)
    csv = client.download_artifacts(found.info.run_id, "evaluation/gan.csv", str(tmp_path))
    assert Path(csv).read_text() == "picture,psnr\n"
    assert list(elsewhere.iterdir()) == []


def test_machines_that_make_the_same_experiment_at_once_both_get_it(server, elsewhere, monkeypatch):
    address, _ = server
    first, second = MlflowClient(address), MlflowClient(address)
    both, made = threading.Barrier(2), []
    for client in (first, second):
        create = client.create_experiment

        def together(*arguments, create=create):
            both.wait(30)  # until each knows that there is none
            return create(*arguments)

        monkeypatch.setattr(client, "create_experiment", together)

    def make(client):
        made.append(tracking._experiment(client, "new", None))

    threads = [threading.Thread(target=make, args=(client,)) for client in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(made) == 2 and made[0] == made[1]


@pytest.mark.parametrize(
    ("host", "origin", "status"),
    [
        (HOST, f"http://{HOST}", 200),
        ("stranger.example", f"http://{HOST}", 403),
        (HOST, "http://stranger.example", 403),
    ],
)
def test_the_teams_browsers_are_answered_and_no_page_of_a_stranger(server, host, origin, status):
    address, _ = server
    request = urllib.request.Request(
        f"{address}/ajax-api/2.0/mlflow/runs/search", b'{"experiment_ids": ["0"]}'
    )
    for name, value in (("Host", host), ("Origin", origin), ("Content-Type", "application/json")):
        request.add_header(name, value)
    try:
        found = urllib.request.urlopen(request, timeout=30).status
    except urllib.error.HTTPError as error:
        found = error.code
    assert found == status
