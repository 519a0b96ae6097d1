"""Trainings on two devices, here two processes on the CPU: the stages themselves, as programs, very small."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from ruamel.yaml import YAML
from trainings import DONE, KEPT, ROOT, TIMEOUT, Training, write_base

# Runs in every process of a training: the one of rank 0 pauses in a step, or is slow to save its state.
HOOK = """
import os, time
if os.environ.get("LOCAL_RANK", "0") == "0" and "PAUSE" in os.environ:
    from tintype.files import project_root
    from tintype.tracking import Run
    from tintype.training import checkpoint, loop
    update, save, run_id = loop.Average.update, checkpoint.Checkpoint.save, Run.id.fget
    paused = project_root() / "paused"
    def wait(average, model):
        update(average, model)
        if average.state_dict()["steps"] == 5:
            paused.touch()
            while paused.exists():
                time.sleep(0.01)
    def save_slowly(self, state):
        time.sleep(float(os.environ["PAUSE"]))
        save(self, state)
    def known(run):  # MLflow, which works beside the training, is slower than these few steps
        while not run_id(run):
            time.sleep(0.01)
        return run_id(run)
    loop.Average.update, checkpoint.Checkpoint.save, Run.id = wait, save_slowly, property(known)
"""
# The settings that the small trainings leave out.
REST = {
    "accumulate": 2,
    "clip": 0.2,
    "smaller": {"factor": 2, "until": 0.3},
    "r1": 2.0,
    "discriminator_first": 3,
    "warm_up": 0.2,
    "decay": "cosine",
}


class Program(Training):
    """A training on two devices unless it is said otherwise, as a program."""

    def __init__(self, folder: Path, base: Path, model: str = "cnn", **settings) -> None:
        super().__init__(folder, model, base, **{"steps": 20, "devices": 2, "validate_every": 1, **settings})

    def start(self, pause: float | None = None) -> subprocess.Popen:
        """Start it in a process group of its own; with a pause, wait until it is in step 5.

        pause: seconds by which it is slower to save its state.
        """
        more = self.environment | {"OMP_NUM_THREADS": "1", "PYTHONPATH": f"{self.base}/hook:{ROOT}"}
        more |= {"PAUSE": str(pause)} if pause is not None else {}
        command = [sys.executable, "-m", *self.arguments]
        pipes = {
            "stdout": subprocess.PIPE,
            "stderr": subprocess.STDOUT,
            "text": True,
            "start_new_session": True,
        }
        process = subprocess.Popen(command, cwd=ROOT, env=os.environ | more, **pipes)
        while pause is not None and not (self.folder / "paused").exists():
            assert process.poll() is None, process.communicate()
            time.sleep(0.01)
        return process

    def ended(self, process: subprocess.Popen) -> tuple[int, str]:
        """Exit status, and what was said by all its processes, once all are gone: they share a pipe."""
        (self.folder / "paused").unlink(missing_ok=True)
        try:
            said, _ = process.communicate(timeout=TIMEOUT)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        return process.returncode, said

    def run(self) -> "Program":
        status, said = self.ended(self.start())
        assert status == 0 and self.files() == DONE, said
        assert "Traceback" not in said and said.count("device: ") == said.count("trained for") == 1, said
        return self


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Path:
    """A store of pictures in two colours each, no LPIPS, and `cnn`, trained on one device."""
    base = tmp_path_factory.mktemp("base")
    write_base(base)
    (base / "hook").mkdir()
    (base / "hook/sitecustomize.py").write_text(HOOK)
    Program(base / "cnn", base, devices=1).run()
    return base


def assert_same_losses(one: Training, two: Training, rtol: float = 1e-3) -> None:
    one, two = (pd.read_csv(training.curve).drop(columns="step") for training in (one, two))
    assert len(one) == 20 and list(one) == list(two)
    losses = [
        name
        for name in one
        if "loss" in name or name.startswith(("G_ad", "G_pi", "pull", "val_ab", "val_sc"))
    ]
    assert len(losses) >= 3
    np.testing.assert_allclose(two[losses], one[losses], rtol=rtol)
    np.testing.assert_allclose(two.iloc[0], one.iloc[0], rtol=1e-4, atol=1e-5)  # before rounding has grown


def test_two_devices_make_the_losses_of_one_and_stopped_go_on_to_the_same_bytes(base, tmp_path):
    whole = Program(base / "two", base).run()
    assert_same_losses(Program(base / "cnn", base), whole)
    training = Program(tmp_path, base)
    process = training.start(pause=0)
    process.send_signal(signal.SIGTERM)  # to the process that was started: it tells the other one
    status, said = training.ended(process)
    assert status == 130 and "stopping after this step; its state is kept" in said, said
    assert "Traceback" not in said and training.files() == KEPT
    assert training.run().result() == whole.result()
    assert training.statuses() == ["FINISHED"], "only one rank writes"


@pytest.mark.slow
@pytest.mark.parametrize("model", ["gan", "ebgan"])
@pytest.mark.parametrize("more", [{}, REST], ids=["plain", "all settings"])
def test_two_devices_make_the_losses_of_one_against_a_discriminator(base, tmp_path, model, more):
    one, two = (
        Program(tmp_path / f"{devices}", base, model, devices=devices, **more).run() for devices in (1, 2)
    )
    assert_same_losses(one, two)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_of_all_processes_waits_for_a_state_that_takes_long_to_save(base, tmp_path, number):
    training = Program(tmp_path, base, "ebgan")
    process = training.start(pause=8)
    os.killpg(process.pid, number)  # as Ctrl-C in a terminal
    status, said = training.ended(process)
    assert status == 130 and "Traceback" not in said, said
    assert training.files() == KEPT
    again = training.run()
    assert again.result() == Program(tmp_path / "whole", base, "ebgan").run().result()


@pytest.mark.slow
def test_a_failure_is_told_once_and_ends_all_processes(base, tmp_path):
    training = Program(tmp_path, base, lr=1e30, validate_every=5)
    status, said = training.ended(training.start())
    assert status == 1 and said.count("error: training diverged at step 2: loss nan") == 1, said
    assert "Traceback" not in said and training.files() == KEPT - {".resume/*.pt"}


@pytest.mark.slow
def test_a_second_training_on_two_devices_is_refused_in_a_sentence(base, tmp_path):
    training = Program(tmp_path, base)
    first = training.start(pause=0)
    second = training.start()
    said, _ = second.communicate(timeout=TIMEOUT)
    assert second.returncode == 2 and said.count("another process is doing this very training") == 1
    assert "Traceback" not in said, said
    assert training.ended(first)[0] == 0


@pytest.mark.slow
def test_stopped_on_two_devices_both_go_on_with_the_random_numbers_of_one_draw(base, tmp_path):
    def critic(folder: Path) -> Program:
        """A training that draws where its gradient penalty is taken."""
        training, yaml = Program(folder, base, "gan"), YAML()
        params = yaml.load(folder / "params.yaml")
        params["adversarial"]["models"]["gan"] |= {"objective": "wasserstein_gp", "gradient_penalty": 10.0}
        yaml.dump(params, folder / "params.yaml")
        return training

    training = critic(tmp_path)
    process = training.start(pause=0)
    process.send_signal(signal.SIGTERM)
    assert training.ended(process)[0] == 130
    assert training.run().result() == critic(tmp_path / "whole").run().result()
