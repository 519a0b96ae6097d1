"""Trainings that are killed, stopped or failing: the stages themselves, very small, with MLflow beside."""

import functools
import multiprocessing
import os
import re
import runpy
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from trainings import DONE, KEPT, NEVER, ROOT, STEPS, TIMEOUT, Training, write_base

from tintype import tracking
from tintype.colorizer import Colorizer
from tintype.files import project_root
from tintype.training import checkpoint, journal, loop

MODELS = ["cnn", "gan", "ebgan"]
EACH_STEP = 0.001  # seconds between two saved states
# A program that is forked from one that has imported everything starts at once.
FORKED = multiprocessing.get_context("forkserver")
FORKED.set_forkserver_preload(["tintype.training.pretraining", "tintype.training.adversarial", "mlflow"])


def inject(fault: str) -> None:
    """In a training's process: "kill" it, or have it "pause" until the file `paused` is gone, at a point.

    fault: such as "kill step 3": in that step; "state 3": with the state after it half written; "model": with
    the model written; "curve": with the curve written too; "end": with only the state left to be removed.
    """
    action, point, *at = fault.split()
    owner, name = {
        "step": (loop.Average, "update"),
        "state": (torch, "save"),
        "model": (Colorizer, "save"),
        "curve": (journal.Journal, "write"),
        "end": (checkpoint.Checkpoint, "forget"),
    }[point]
    original, run_id, paused = getattr(owner, name), tracking.Run.id.fget, project_root() / "paused"

    def struck(subject, *arguments):
        result = None if point == "end" else original(subject, *arguments)
        step = {"step": lambda: subject.state_dict()["steps"], "state": lambda: subject["step"]}.get(point)
        if step and step() != int(at[0]):
            return result
        if point == "state":
            os.truncate(arguments[0], arguments[0].stat().st_size // 2)
        if action == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        paused.touch()
        while paused.exists():
            time.sleep(0.01)
        return result

    def known(run):  # MLflow, which works beside the training, is slower than these few steps
        while not run_id(run):
            time.sleep(0.01)
        return run_id(run)

    setattr(owner, name, struck)
    tracking.Run.id = property(known)


def program(arguments: list[str], environment: dict[str, str], said: Path) -> None:
    """`python -m ARGUMENTS` in a forked process, with all that it says in a file."""
    os.environ.update(environment)
    with open(said, "wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    torch.set_num_threads(1)
    if fault := environment.get("FAULT"):
        inject(fault)
    sys.argv = arguments
    runpy.run_module(arguments[0], run_name="__main__")


class Forked(Training):
    """A training that can be started again and again, soon."""

    def start(self, fault: str = "") -> multiprocessing.Process:
        """Start it; with a fault that pauses it, wait until it is there."""
        environment = self.environment | {"FAULT": fault}
        process = FORKED.Process(target=program, args=(self.arguments, environment, self.folder / "said"))
        process.start()
        while fault.startswith("pause") and not (self.folder / "paused").exists():
            assert process.is_alive(), (self.folder / "said").read_text()
            time.sleep(0.01)
        return process

    def ended(self, process: multiprocessing.Process) -> tuple[int, str]:
        """Its exit status, and what it said, once it has ended."""
        (self.folder / "paused").unlink(missing_ok=True)
        process.join(TIMEOUT)
        process.kill()
        return process.exitcode, (self.folder / "said").read_text()

    def run(self, fault: str = "") -> tuple[int, str]:
        """Start it, and wait for its end."""
        return self.ended(self.start(fault))


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Path:
    """Two stores, no LPIPS, and a pretrained generator."""
    base = tmp_path_factory.mktemp("base")
    write_base(base)
    status, said = Forked(base / "cnn", "cnn", base).run()
    assert status == 0, said
    return base


@pytest.fixture(scope="module")
def whole(base):
    """`whole(model, **settings)`: the result of a training that nothing interrupts."""

    @functools.cache
    def whole(model: str, **settings) -> tuple[str, bytes]:
        training = Forked(base / f"whole{len(list(base.iterdir()))}", model, base, **settings)
        status, said = training.run()
        assert status == 0 and training.files() == DONE, said
        return training.result()

    return whole


@pytest.mark.parametrize("model", MODELS)
def test_killed_again_and_again_it_ends_with_the_bytes_of_an_uninterrupted_one(base, whole, tmp_path, model):
    training = Forked(tmp_path, model, base, checkpoint_every=EACH_STEP)
    rng = np.random.default_rng(MODELS.index(model))
    first, second = sorted(rng.choice(range(2, STEPS), 2, replace=False))
    faults = {f"kill step {first}": first - 1, f"kill state {second}": second - 1}
    if model == "cnn":
        faults |= {f"kill {point}": STEPS for point in ("model", "curve", "end")}
    before = 0
    for fault, saved in faults.items():
        status, said = training.run(fault)
        assert status == -signal.SIGKILL, said
        assert not before or f"goes on after step {before}, from" in said, "more than a step was lost"
        before = saved
    assert training.run()[0] == 0
    assert training.result() == whole(model)
    assert training.files() == DONE, "nothing half-written, and no state, is left"
    assert training.statuses() == ["FINISHED"], "the run of MLflow is taken up again"
    assert (
        "1 x CPU, 1 threads; precision: float32 (set in params.yaml)"
        in training.runs()[0].data.tags["device"]
    )


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS)
def test_real_programs_that_are_killed_at_any_moment_end_with_the_same_bytes(base, whole, tmp_path, model):
    training = Forked(tmp_path, model, base, steps=60, checkpoint_every=0.2)
    environment = os.environ | training.environment | {"OMP_NUM_THREADS": "1"}
    rng, status = np.random.default_rng(MODELS.index(model)), None
    for kills in range(6):
        process = subprocess.Popen([sys.executable, "-m", *training.arguments], cwd=ROOT, env=environment)
        while (
            kills < 5 and process.poll() is None and not list(tmp_path.glob(f".unfinished-{process.pid}-*"))
        ):
            time.sleep(0.01)
        try:  # at any moment after the training has begun; the last one is left alone
            status = process.wait(rng.uniform(0, 3) if kills < 5 else TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            status = process.wait()
        if status == 0:
            break
        assert status == -signal.SIGKILL
    assert status == 0 and kills > 0
    assert training.result() == whole(model, steps=60) and training.files() == DONE


def test_killed_before_any_state_was_kept_it_starts_from_the_beginning(base, whole, tmp_path):
    training = Forked(tmp_path, "cnn", base)
    assert training.run("kill step 5")[0] == -signal.SIGKILL
    status, said = training.run()
    assert status == 0 and "goes on" not in said
    assert training.result() == whole("cnn") and training.files() == DONE


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stopped_it_keeps_its_state_and_goes_on_to_the_same_bytes(base, whole, tmp_path, number):
    training = Forked(tmp_path, "cnn", base)
    process = training.start("pause step 4")
    os.kill(process.pid, number)
    status, said = training.ended(process)
    assert status == 130 and "stopping after this step; its state is kept\n" in said, said
    assert training.files() == KEPT and training.statuses() == ["KILLED"]
    status, said = training.run()
    assert status == 0 and "goes on after step 4, from" in said
    assert training.result() == whole("cnn")
    assert training.files() == DONE and training.statuses() == ["FINISHED"]


def test_another_setting_or_other_data_do_not_go_on_from_it(base, tmp_path):
    training = Forked(tmp_path, "cnn", base, checkpoint_every=EACH_STEP)
    assert training.run("kill step 4")[0] == -signal.SIGKILL
    for other in ({"lr": 0.002}, {"seed": 2}, {"data": "other"}):
        status, said = Forked(tmp_path, "cnn", base, **other).run()
        assert status == 0 and "goes on" not in said, other
    status, said = Forked(tmp_path, "cnn", base).run()  # how often the state is saved decides nothing
    assert status == 0 and "goes on after step 3, from" in said


def test_a_second_process_for_the_same_training_is_refused_and_the_first_goes_on(base, whole, tmp_path):
    training = Forked(tmp_path, "cnn", base)
    first = training.start("pause step 2")
    second = training.start()
    second.join(TIMEOUT)
    said = (tmp_path / "said").read_text()
    assert second.exitcode == 2
    assert re.search(
        r"error: .*/\.resume/[0-9a-f]{16}\.pt: another process is doing this very training", said
    )
    assert training.ended(first)[0] == 0
    assert training.result() == whole("cnn") and training.files() == DONE


@pytest.mark.parametrize("every", [EACH_STEP, NEVER])
def test_numbers_that_are_none_end_it_with_the_step_and_its_figures(base, tmp_path, every):
    training = Forked(tmp_path, "cnn", base, lr=1e30, checkpoint_every=every)
    status, said = training.run()
    assert status == 1 and "error: training diverged at step 2: loss nan, grad_norm nan" in said, said
    assert ("The state after step 1 is kept in" if every == EACH_STEP else "No state was kept yet") in said
    assert "Traceback" not in said and training.statuses() == ["FAILED"]
    assert training.files() == (KEPT if every == EACH_STEP else KEPT - {".resume/*.pt"})


def test_a_last_step_that_breaks_the_weights_makes_no_model(base, tmp_path):
    training = Forked(tmp_path, "cnn", base, lr=1e30, steps=1)
    status, said = training.run()
    assert status == 1 and "training diverged at step 1: val_loss nan" in said, said
    assert not training.out.exists() and not training.curve.exists()
