"""The models side by side in MLflow's pages.

    python -m tintype.dashboard [--port 5000]

marks the runs that made the present `models/`, prints the address that shows just them, and serves MLflow on
this machine only, until Ctrl-C. Where the runs are kept by a server, it prints that server's address instead.
"""

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlencode

from tintype import console, params, tracking
from tintype.console import UserError
from tintype.files import sha256
from tintype.tracking_queue import without_secrets

HOST = "127.0.0.1"
# Oldest first: charts of pictures begin with the last run, which is a trained model's, no floor's.
CURRENT = "orderByKey=attributes.start_time&orderByAsc=true&searchFilter=tags.pipeline%20%3D%20%27current%27"
LEGEND = """
  The page is MLflow's "Chart view" of the runs that the present models come from, one colour a model.
  Charts of pictures: "Full screen" sets the models side by side, the slider below walks through the steps.
  "Table view" lists the runs; its "Columns" adds parameters and figures. Empty the search field to see the
  runs of all times. The "MLflow Assistant" that opens on the right at first is not needed: close it.
"""
ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # eight processes that nothing here has work for
    "PYTHONWARNINGS": "ignore",
}


def main() -> None:
    parser = argparse.ArgumentParser(description="Show the models side by side in MLflow's pages.")
    parser.add_argument("--port", type=int, default=5000, help="where the pages are served (5000)")
    port = parser.parse_args().port
    values = params.load()
    settings = values.runtime.tracking
    # DVC leaves the folder of a model that params.yaml no longer names; that model's runs are not current.
    weights = {file.parent.name: file for file in Path("models").glob("*/model.safetensors")}
    tracked = {name: sha256(file) if name in values.evaluate.models else "" for name, file in weights.items()}
    uri = tracking.tracking_uri(settings)
    if tracking.on_a_server(uri):
        tracking.mark_current(settings, tracked)
        print(f"The runs are kept by a server: {without_secrets(uri)}")
        print(f"Open its experiment {settings.experiment}, and search for: tags.pipeline = 'current'")
        return
    os.environ.update(ENVIRONMENT)
    experiment = _experiment_with_runs(uri, settings.experiment, sorted(weights))
    _check_port(port)
    tracking.mark_current(settings, tracked)
    shown = _current_runs(uri, experiment)
    page = f"experiments/{experiment}/runs?workflowType=machine_learning&compareRunsMode=CHART&{CURRENT}"
    table = urlencode({"runs": json.dumps([*shown.values()]), "experiments": json.dumps([experiment])})
    print(f"In a few seconds, at\n  http://{HOST}:{port}/#/{page}\n{LEGEND}")
    print(f"All their settings and figures in one table:\n  http://{HOST}:{port}/#/compare-runs?{table}\n")
    if lacking := [name for name in values.evaluate.models if name not in shown]:
        print(f"There is no run of {', '.join(lacking)}. {_made_by(lacking)}\n")
    print("Ctrl-C ends it.", flush=True)
    options = {"backend-store-uri": uri, "host": HOST, "port": port, "workers": 1}
    options["uvicorn-opts"] = "--log-level warning"
    arguments = [f"--{name}={value}" for name, value in options.items()]
    serve([sys.executable, "-m", "mlflow", "server", *arguments])


def _experiment_with_runs(uri: str, name: str, models: list[str]) -> str:
    """The experiment's id. Raises UserError when there is nothing in it to show.

    models: those whose weights are here.
    """
    file = tracking.sqlite_file(uri)
    if file is None or file.exists():
        from mlflow import MlflowClient  # slow

        client = MlflowClient(uri)
        found = client.get_experiment_by_name(name)
        if found and client.search_runs([found.experiment_id], max_results=1):
            return found.experiment_id
    what = f'{file or "MLflow"} holds no runs of the experiment "{name}"'
    if models:
        raise UserError(f"{what}, though models/ has {', '.join(models)}. {_made_by()}")
    raise UserError(f"{what}; train first: make repro")


def _current_runs(uri: str, experiment: str) -> dict[str, str]:
    """The ids of the runs that are marked, by model."""
    from mlflow import MlflowClient  # slow

    runs = MlflowClient(uri).search_runs(
        [experiment], "tags.pipeline = 'current'", order_by=["start_time ASC"]
    )
    return {run.data.tags["model"]: run.info.run_id for run in runs}


def _made_by(models: Sequence[str] = ()) -> str:
    """How to get runs of models, or of all, whose results are there without them."""
    stages = " ".join(f"evaluate@{name}" for name in models) or "evaluate real-bw-test"
    return (
        "Results that DVC restored from its cache bring no runs along. This makes some, with scores and "
        f"pictures, but without curves, which only training makes: dvc repro --force --single-item {stages}"
    )


def _check_port(port: int) -> None:
    try:
        socket.create_server((HOST, port)).close()
    except (OSError, OverflowError) as error:
        raise UserError(
            f"cannot serve at port {port}: {getattr(error, 'strerror', None) or error}; "
            f"choose another one, from 1024 to 65535: python -m tintype.dashboard --port 5001"
        ) from error


def serve(command: list[str]) -> None:
    """Run a server until it ends or Ctrl-C ends it."""
    # In a session of its own, because MLflow hands a Ctrl-C on to its web server: with the terminal's, that
    # would be two, on which the web server breaks off with a traceback. A closed terminal has to end it, too.
    signal.signal(signal.SIGHUP, signal.default_int_handler)
    server = subprocess.Popen(command, start_new_session=True)
    try:
        status = server.wait()
    except KeyboardInterrupt:
        server.terminate()
        server.wait()
    else:
        sys.exit(status)


if __name__ == "__main__":
    console.run(main)
