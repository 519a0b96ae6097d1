"""MLflow, which observes: how a model was trained, how it did, which runs belong to the present pipeline.

Nothing else knows MLflow. A tracking server that is down, slow or full costs one warning and at most
`CLOSING_SECONDS`, never a training run: one daemon thread does all the talking, in order, and the
caller only puts jobs into its queue. The first failure ends tracking for the rest of the process; every
call stays allowed, and does nothing.

MLFLOW_TRACKING_URI goes before `settings.uri`. A relative sqlite path starts at DVC_ROOT (which names
the real repository also under `dvc exp run --temp`), else at the working folder; artifacts lie beside
it in `mlartifacts`.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tintype.files import project_root

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from tintype.params import Tracking

CLOSING_SECONDS = 20.0  # that a process waits, in all, for what is still queued when its runs end
WAITING_BYTES = 256 * 2**20  # in the queue: a server that far behind will not catch up
METRICS_PER_RUN = 20  # names, from one stage: MLflow draws a chart for each, and its page stalls on many
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

    def __init__(self, tracker: _Tracker):
        self._tracker = tracker
        self._began = time.time_ns() // 10**6
        self._names: set[str] = set()
        self._id = ""  # known, like `_made_here`, once the tracker's thread has done the first job
        self._made_here = False

    @property
    def id(self) -> str:
        """MLflow's id of the run; empty as long as it has none, or when tracking stopped before it had."""
        return self._id

    def metrics(self, step: int, values: dict[str, float]) -> None:
        """Log numbers by name; NaN and infinity are logged as they are.

        Raises ValueError when there are more than METRICS_PER_RUN names.
        """
        self._names.update(values)
        if len(self._names) > METRICS_PER_RUN:
            raise ValueError(f"a run gets at most {METRICS_PER_RUN} metrics, not {sorted(self._names)}")
        now = time.time_ns() // 10**6
        values = {name: float(value) for name, value in values.items()}

        def log(client: MlflowClient, _: str) -> None:
            from mlflow.entities import Metric

            client.log_batch(self._id, [Metric(name, value, now, step) for name, value in values.items()])

        self._tracker.do(log)

    def image(self, key: str, step: int, picture: np.ndarray) -> None:
        """Log a picture for the dashboard's image grid: uint8 of shape (height, width, 3) or (height, width).

        Raises TypeError for another dtype: MLflow would stretch such values to the full range.
        """
        if picture.dtype != np.uint8:
            raise TypeError(f"picture {key!r} is {picture.dtype}; MLflow gets uint8, 0 to 255")
        copy = picture.copy()
        self._tracker.do(lambda client, _: client.log_image(self._id, copy, key=key, step=step), copy.nbytes)

    def artifact(self, path: Path, folder: str | None = None) -> None:
        """Log a file, which has to stay as it is until the run ends, into `folder` of the run's artifacts."""
        path = path.resolve()
        self._tracker.do(lambda client, _: client.log_artifact(self._id, str(path), folder))

    def tag(self, key: str, value: str) -> None:
        """Set a tag, by which the dashboard's search finds the run."""
        self._tracker.do(lambda client, _: client.set_tag(self._id, key, value))

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

    params: the few (about 8) values that tell runs apart, flat; the dashboard shows each one as a column.
    data_digest: sha256 of the training data, as hex digits. goes_on: the id of an interrupted run of the same
    training, which is taken up again where it is still there; else the run is a new one.
    """
    params = dict(params)

    def create(run: Run, client: MlflowClient, experiment: str) -> None:
        if goes_on and client.search_runs([experiment], f"attributes.run_id = '{goes_on}'"):
            client.update_run(goes_on, status="RUNNING")
            run._id, run._made_here = goes_on, True
            return
        run._create(client, experiment, {"model": model, "data.sha256": data_digest})
        for name, value in params.items():
            client.log_param(run._id, name, value)

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
    tracker = _tracker(settings)
    run = Run(tracker)
    tracker.do(lambda client, experiment: begin(run, client, experiment))
    status = "FAILED"
    try:
        yield run
        status = "FINISHED"
    except (KeyboardInterrupt, SystemExit):
        status = "KILLED"
        raise
    finally:
        now = time.time_ns() // 10**6
        tracker.do(lambda client, _: run._made_here and client.set_terminated(run._id, status, now))
        tracker.wait()


def mark_current(settings: Tracking, identities: dict[str, str]) -> None:
    """Tag the newest run of each model and identity `pipeline=current`, and no other run of these models.

    identities: by model, what `evaluation_run` finds its run by. Runs of models not named keep their tag.
    The current runs also get colours that differ: those that MLflow picks may be the same for two models.
    """

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

    tracker = _tracker(settings)
    tracker.do(mark)
    tracker.wait()


def tracking_uri(settings: Tracking) -> str:
    """MLFLOW_TRACKING_URI, else `settings.uri`, with an absolute path where it names an sqlite file."""
    uri = os.environ.get("MLFLOW_TRACKING_URI") or settings.uri
    file = sqlite_file(uri)
    return f"sqlite:///{(project_root() / file).as_posix()}" if file else uri


def sqlite_file(uri: str) -> Path | None:
    """The database file that a tracking URI names; None when MLflow keeps its runs elsewhere."""
    return Path(uri.removeprefix("sqlite:///")) if uri.startswith("sqlite:///") else None


def without_secrets(text: str) -> str:
    """`text`, less what its addresses hold before the @ and behind the ?: names, passwords, keys."""
    return re.sub(r"\?\S+", "?...", re.sub(r"://\S*@", "://...@", text))


class _Tracker:
    """The thread that talks to MLflow, and its queue."""

    def __init__(self, uri: str, experiment: str):
        self._uri = uri
        self._experiment = experiment
        self._jobs: deque[tuple[Callable, int]] = deque()  # the one being done is the first
        self._bytes = 0  # that they hold
        self._patience = CLOSING_SECONDS
        self._stopped = False
        self._changed = threading.Condition()
        # A daemon: Python does not wait for it at exit, should it hang in a call.
        threading.Thread(target=self._work, name="tracking", daemon=True).start()

    def do(self, job: Callable[[MlflowClient, str], object], size: int = 1000) -> None:
        """Queue a job, which is called with the client and the experiment's id; size: bytes that it holds."""
        with self._changed:
            if self._stopped:
                return
            self._jobs.append((job, size))
            self._bytes += size
            self._changed.notify_all()
            if self._bytes > WAITING_BYTES:
                self._stop(f"too slow, {len(self._jobs)} calls are waiting")

    def wait(self) -> None:
        """Wait until the queue is empty, or tracking has stopped, or the process has waited long enough."""
        began = time.monotonic()
        with self._changed:
            if not self._changed.wait_for(lambda: self._stopped or not self._jobs, max(self._patience, 0)):
                self._stop(f"too slow, not done after waiting {CLOSING_SECONDS:.0f} s")
        self._patience -= time.monotonic() - began

    def _work(self) -> None:
        try:
            client, experiment = _open(self._uri, self._experiment)
            while True:
                with self._changed:
                    self._changed.wait_for(lambda: self._stopped or self._jobs)
                    if self._stopped:
                        return
                    job, size = self._jobs[0]
                job(client, experiment)
                with self._changed:
                    if not self._stopped:
                        self._jobs.popleft()
                        self._bytes -= size
                        self._changed.notify_all()
        except Exception as error:  # noqa: BLE001
            self._stop(f"{type(error).__name__}: {error}".splitlines()[0])

    def _stop(self, reason: str) -> None:
        with self._changed:
            if self._stopped:
                return
            self._stopped = True
            self._jobs.clear()
            self._changed.notify_all()
        what = f"{without_secrets(reason)[:250]} (MLflow: {without_secrets(self._uri)})"
        print(f"warning: tracking stops, the work goes on without it: {what}", file=sys.stderr)


def _tracker(settings: Tracking) -> _Tracker:
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    return _one_tracker(tracking_uri(settings), settings.experiment)


# One for all runs of a process, so that a dead server is waited for, and warned about, once.
_one_tracker = cache(_Tracker)


def _open(uri: str, experiment: str) -> tuple[MlflowClient, str]:
    """A client, and the id of the experiment, which is made when it is not there yet."""
    # Imported here, by the thread, because it takes seconds.
    from filelock import FileLock
    from mlflow import MlflowClient

    file = sqlite_file(uri)
    folder = file.parent if file else project_root()
    artifacts = (folder / "mlartifacts").as_uri() if file else None  # None: as the server likes it
    folder.mkdir(parents=True, exist_ok=True)
    # Processes that create the same database at the same time would all fail.
    with FileLock(folder / ".mlflow.lock"):
        client = MlflowClient(uri)
        found = client.get_experiment_by_name(experiment)
        return client, found.experiment_id if found else client.create_experiment(experiment, artifacts)


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
