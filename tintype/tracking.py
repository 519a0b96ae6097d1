"""MLflow, which observes: how a model was trained, how it did, which runs belong to the present pipeline.

Nothing else knows MLflow. A tracking server that is down, slow or full costs one warning and at most
`tracking_queue.CLOSING_SECONDS`, never a training run: a thread does all the talking (`tracking_queue`), and
its first failure ends tracking for the rest of the process; every call stays allowed, and does nothing.

MLFLOW_TRACKING_URI goes before `settings.uri`. A relative sqlite path starts at DVC_ROOT (which names
the real repository also under `dvc exp run --temp`), else at the working folder; artifacts lie beside
it in `mlartifacts`.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tintype.files import project_root
from tintype.tracking_queue import Queue

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from tintype.params import Tracking

# All that the runs hold, of training, evaluation and real pictures together, whatever else is measured:
# MLflow draws a chart for each name, and its page stalls on many. The other figures are in reports/curves
# and reports/metrics.
METRICS = {
    *("loss", "val_loss", "D_loss", "D_accuracy", "G_adversarial"),
    *("val_score", "val_lpips", "val_ab_error", "val_chroma_ratio"),
    *("test_psnr", "test_ssim", "test_lpips_squeeze", "test_lpips_alex", "test_lpips_vgg", "test_ciede2000"),
    *("test_auc", "test_auc_rebalanced", "test_colorfulness", "test_ms_per_picture"),
    *("parameters", "gflops", "real_bw_colorfulness"),
}
# The settings that MLflow shows as parameters: it prints all of them above each picture of a run, and more
# than a short line pushes the pictures out of sight. The other settings are tags.
PARAMS = {"seed", "steps", "lr", "margin"}
# Okabe and Ito (2008), "Color Universal Design": told apart with any colour vision.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442", "#000000")

_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "CRITICAL",  # its errors reach us as exceptions
    # MLflow's own values keep asking a dead server for many minutes.
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
}


class Run:
    """One MLflow run. Its methods return at once, and raise only for a mistake in the calling code."""

    def __init__(self, queue: Queue):
        self._queue = queue
        self._began = time.time_ns() // 10**6
        self._id = ""  # known, like `_made_here`, once the thread has done the first job
        self._made_here = False

    @property
    def id(self) -> str:
        """MLflow's id of the run; empty as long as it has none, or when tracking stopped before it had."""
        return self._id

    def metrics(self, step: int, values: dict[str, float]) -> None:
        """Log those of the numbers whose names are in METRICS; NaN and infinity are logged as they are."""
        now = time.time_ns() // 10**6
        values = {name: float(value) for name, value in values.items() if name in METRICS}

        def log(client: MlflowClient, _: str) -> None:
            from mlflow.entities import Metric

            client.log_batch(self._id, [Metric(name, value, now, step) for name, value in values.items()])

        self._queue.do(log)

    def image(self, key: str, step: int, picture: np.ndarray) -> None:
        """Log a picture for the dashboard's image grid: uint8 of shape (height, width, 3) or (height, width).

        Raises TypeError for another dtype: MLflow would stretch such values to the full range.
        """
        if picture.dtype != np.uint8:
            raise TypeError(f"picture {key!r} is {picture.dtype}; MLflow gets uint8, 0 to 255")
        copy = picture.copy()
        self._queue.do(lambda client, _: client.log_image(self._id, copy, key=key, step=step), copy.nbytes)

    def artifact(self, path: Path, folder: str | None = None) -> None:
        """Log a file, which has to stay as it is until the run ends, into `folder` of the run's artifacts."""
        path = path.resolve()
        self._queue.do(lambda client, _: client.log_artifact(self._id, str(path), folder))

    def dataset(self, name: str, digest: str, used_for: str) -> None:
        """Say which pictures the run has used; a name stands for one use of them in a run.

        digest: their sha256, of which the dashboard shows 12 digits beside the name. used_for: training, ...
        """

        def log(client: MlflowClient, _: str) -> None:
            from mlflow.entities import Dataset, DatasetInput, InputTag

            source = json.dumps({"sha256": digest})
            dataset = Dataset(name, digest[:12], source_type="prepared", source=source)
            tags = [InputTag("mlflow.data.context", used_for)]
            client.log_inputs(self._id, [DatasetInput(dataset, tags)])

        self._queue.do(log)

    def tag(self, key: str, value: str) -> None:
        """Set a tag, by which the dashboard's search finds the run."""
        self._queue.do(lambda client, _: client.set_tag(self._id, key, value))

    def weights(self, sha256: str) -> None:
        """Say which weights this run made, so that their evaluation lands in it."""
        self.tag("weights.sha256", sha256)

    def _create(self, client: MlflowClient, experiment: str, tags: dict[str, str]) -> None:
        tags = tags | _source_tags()
        self._id = client.create_run(experiment, self._began, tags, run_name=tags["model"]).info.run_id
        self._made_here = True


def training_run(
    settings: Tracking, *, model: str, params: dict[str, object], data_digest: str, goes_on: str = ""
) -> AbstractContextManager[Run]:
    """A run for the training of `model`, which ends as the `with` block does: FINISHED, FAILED or KILLED.

    params: the settings, flat: those of PARAMS as parameters, the others as tags `settings.NAME`.
    data_digest: sha256 of the training data, as hex digits. goes_on: the id of an interrupted run of the same
    training, which is taken up again where it is still there; else the run is a new one.
    """
    params = dict(params)

    def create(run: Run, client: MlflowClient, experiment: str) -> None:
        from mlflow.entities import Param, RunTag

        if goes_on and client.search_runs([experiment], f"attributes.run_id = '{goes_on}'"):
            client.update_run(goes_on, status="RUNNING")
            run._id, run._made_here = goes_on, True
            return
        run._create(client, experiment, {"model": model, "data.sha256": data_digest})
        shown = [Param(key, str(value)) for key, value in params.items() if key in PARAMS]
        tags = [RunTag(f"settings.{key}", str(value)) for key, value in params.items() if key not in PARAMS]
        client.log_batch(run._id, params=shown, tags=tags)
        run.dataset("training pictures", data_digest, "training")

    return _run(settings, create)


def evaluation_run(settings: Tracking, *, model: str, identity: str) -> AbstractContextManager[Run]:
    """The newest run that made these weights, whose status and times stay as they are; else a new run.

    identity: sha256 of the weights, or any other text that stands for a model without weights.
    """

    def find_or_create(run: Run, client: MlflowClient, experiment: str) -> None:
        run._id = _newest(client, experiment, model, identity)
        if not run._id:
            run._create(client, experiment, {"model": model, "weights.sha256": identity})

    return _run(settings, find_or_create)


@contextmanager
def _run(settings: Tracking, begin: Callable[[Run, MlflowClient, str], None]) -> Iterator[Run]:
    queue = _queue(settings)
    run = Run(queue)
    queue.do(lambda client, experiment: begin(run, client, experiment))
    status = "FAILED"
    try:
        yield run
        status = "FINISHED"
    except (KeyboardInterrupt, SystemExit):
        status = "KILLED"
        raise
    finally:
        now = time.time_ns() // 10**6
        queue.do(lambda client, _: run._made_here and client.set_terminated(run._id, status, now))
        queue.wait()


def mark_current(settings: Tracking, identities: dict[str, str]) -> None:
    """Tag the newest run of each model and identity `pipeline=current`, and no other run of these models.

    identities: by model, what `evaluation_run` finds its run by. Runs of models not named keep their tag.
    The current runs also get colours that differ: those that MLflow picks may be the same for two models.
    Nothing is marked by an experiment that DVC runs in a copy of the project, before it is applied.
    """
    if project_root().resolve() != Path.cwd().resolve():
        return

    def mark(client: MlflowClient, experiment: str) -> None:
        current = "tags.pipeline = 'current'"
        for model, identity in identities.items():
            newest = _newest(client, experiment, model, identity)
            if newest:
                client.set_tag(newest, "pipeline", "current")
            for run in client.search_runs([experiment], f"{current} and tags.model = '{model}'"):
                if run.info.run_id != newest:
                    client.delete_tag(run.info.run_id, "pipeline")
        by_model = sorted(client.search_runs([experiment], current), key=lambda run: run.data.tags["model"])
        for run, colour in zip(by_model, cycle(COLOURS), strict=False):
            client.set_tag(run.info.run_id, "mlflow.runColor", colour)

    queue = _queue(settings)
    queue.do(mark)
    queue.wait()


def tracking_uri(settings: Tracking) -> str:
    """MLFLOW_TRACKING_URI, else `settings.uri`, with an absolute path where it names an sqlite file."""
    uri = os.environ.get("MLFLOW_TRACKING_URI") or settings.uri
    file = sqlite_file(uri)
    return f"sqlite:///{(project_root() / file).as_posix()}" if file else uri


def on_a_server(uri: str) -> bool:
    """Whether a tracking URI leads to an MLflow server, which keeps pictures and files, too."""
    return uri.startswith(("http://", "https://"))


def sqlite_file(uri: str) -> Path | None:
    """The database file that a tracking URI names; None when MLflow keeps its runs elsewhere."""
    return Path(uri.removeprefix("sqlite:///")) if uri.startswith("sqlite:///") else None


def _queue(settings: Tracking) -> Queue:
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    return _one_queue(tracking_uri(settings), settings.experiment)


@cache
def _one_queue(uri: str, experiment: str) -> Queue:
    """One for all runs of a process, so that a dead server is waited for, and warned about, once."""
    return Queue(lambda: _open(uri, experiment), uri)


def _open(uri: str, experiment: str) -> tuple[MlflowClient, str]:
    """A client, and the id of the experiment, which is made when it is not there yet."""
    # Imported here, by the thread, because it takes seconds.
    from filelock import FileLock
    from mlflow import MlflowClient

    if on_a_server(uri):
        client = MlflowClient(uri)
        return client, _experiment(client, experiment, None)
    file = sqlite_file(uri)
    folder = file.parent if file else project_root()
    folder.mkdir(parents=True, exist_ok=True)
    # Processes that create the same database at the same time would all fail.
    with FileLock(folder / ".mlflow.lock"):
        client = MlflowClient(uri)
        return client, _experiment(client, experiment, (folder / "mlartifacts").as_uri() if file else None)


def _experiment(client: MlflowClient, name: str, artifacts: str | None) -> str:
    """An experiment's id. artifacts: where those of a new one go; None: as the server likes it."""
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    try:
        return found.experiment_id if found else client.create_experiment(name, artifacts)
    except MlflowException:
        if found := client.get_experiment_by_name(name):  # another machine was faster
            return found.experiment_id
        raise


def _newest(client: MlflowClient, experiment: str, model: str, identity: str) -> str:
    """The id of the newest run of a model and identity; empty when there is none."""
    wanted = f"tags.model = '{model}' and tags.`weights.sha256` = '{identity}'"
    runs = client.search_runs([experiment], wanted, max_results=1, order_by=["start_time DESC"])
    return runs[0].info.run_id if runs else ""


def _source_tags() -> dict[str, str]:
    """The DVC stage and experiment, and the git commit, with whether files differ from it."""
    tags = {"dvc.stage": os.environ.get("DVC_STAGE"), "dvc.exp": os.environ.get("DVC_EXP_NAME")}
    # What the pipeline itself writes and git keeps is no difference.
    files = [":/", ":(top,exclude,glob)**/dvc.lock", ":(top,exclude,glob)**/reports/**"]
    files.append(":(top,exclude,glob)studies/*/results/**")
    command = ["git", "--no-optional-locks", "status", "--porcelain=v2", "--branch", "--", *files]
    try:
        lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
        tags["git.commit"] = next(line.split()[-1] for line in lines if line.startswith("# branch.oid"))
        tags["git.dirty"] = str(any(not line.startswith("#") for line in lines)).lower()
    except (subprocess.CalledProcessError, FileNotFoundError):
        tags["git.commit"] = "not a git repository"
    return {key: value for key, value in tags.items() if value}
