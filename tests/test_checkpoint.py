"""The saved state of a training: what comes back, what is never half-written, who may go on from it."""

import math
import os
import random
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from tintype import color, console, tracking
from tintype.console import Failure, UserError
from tintype.files import sha256
from tintype.training import checkpoint, loop
from tintype.training.checkpoint import Checkpoint, fingerprint

ROOT = Path(__file__).parents[1]


@pytest.fixture
def saved(tmp_path, monkeypatch) -> Checkpoint:
    """A checkpoint below `tmp_path`, of the training "abc"."""
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    return Checkpoint("abc", every=60)


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def draws() -> list[float]:
    """Random numbers of every generator; an odd count of normal ones, which are made in pairs."""
    torchs, numpys = torch.rand(3).tolist(), [*np.random.rand(3), np.random.standard_normal()]
    return [*torchs, *numpys, random.random(), random.gauss(0, 1)]


def test_a_state_comes_back_as_it_was_saved(saved, tmp_path):
    state = {
        "step": 7,
        "network": {
            "weight": torch.randn(3, 2),
            "half": torch.ones(2, dtype=torch.bfloat16),
            "n": torch.tensor(5),
        },
        "journal": {"rows": [{"step": 5, "loss": 0.1, "bad": math.nan}], "steps": []},
        "stopping": {"best": math.inf, "best_step": 0},
        "objective": {"unit": None},
        "best": {},
        "run": "0123",
    }
    saved.save(state)
    assert files(tmp_path) == [".resume/abc.pt"], "it lies in the project that DVC_ROOT names"
    again = Checkpoint("abc", every=60)
    found = again.load()
    assert found.pop("generators")
    assert found.keys() == state.keys() and again.step == 7
    for name, value in state["network"].items():
        assert found["network"][name].dtype == value.dtype and torch.equal(found["network"][name], value)
    assert math.isnan(found["journal"]["rows"][0].pop("bad")) and state["journal"]["rows"][0].pop("bad")
    names = state.keys() - {"network"}
    assert {name: found[name] for name in names} == {name: state[name] for name in names}


def test_random_generators_go_on_where_they_were_when_it_was_saved(saved):
    torch.manual_seed(1), np.random.seed(2), random.seed(3)
    draws()  # each of the generators has half a pair of normal numbers left
    saved.save({"step": 1})
    expected = [draws(), draws()]
    torch.manual_seed(9), np.random.seed(9), random.seed(9)
    assert draws() != expected[0]
    Checkpoint.restore_generators(Checkpoint("abc", every=60).load())
    assert [draws(), draws()] == expected


def test_where_there_is_no_state_nothing_is_loaded_and_no_generator_moves(saved):
    torch.manual_seed(1), np.random.seed(2), random.seed(3)
    expected = draws()
    torch.manual_seed(1), np.random.seed(2), random.seed(3)
    assert saved.load() is None and draws() == expected
    assert saved.kept() == "No state was kept yet"


def test_a_state_that_cannot_be_written_whole_leaves_the_one_before(saved, tmp_path, monkeypatch):
    saved.save({"step": 3})

    def full(state, file):
        file.write_bytes(b"half of it")
        raise OSError("No space left on device")

    with monkeypatch.context() as patch, pytest.raises(Failure, match=r"No space.*after step 3 is kept in"):
        patch.setattr(torch, "save", full)
        saved.save({"step": 4})
    assert files(tmp_path) == [".resume/abc.pt"]
    assert Checkpoint("abc", every=60).load()["step"] == 3
    assert saved.kept() == f"The state after step 3 is kept in {tmp_path}/.resume/abc.pt"


def test_a_damaged_state_is_a_mistake_that_is_explained_and_runs_no_code(saved, tmp_path):
    class Trap:
        def __reduce__(self):
            return Path.touch, (tmp_path / "sprung",)

    saved.save({"step": 1})
    whole = saved.path.read_bytes()
    torch.save({"step": 1, "trap": Trap()}, saved.path)
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1  # among the weights, where torch would not notice
    for damaged in (
        bytes(flipped),
        saved.path.read_bytes(),
        b"",
        b"no state",
        whole[: len(whole) // 2],
        whole[:-9],
    ):
        saved.path.write_bytes(damaged)
        with pytest.raises(UserError, match=f"(?s)^{saved.path}: damaged .*; delete it, and training"):
            saved.load()
    assert not (tmp_path / "sprung").exists()


def test_it_is_due_after_so_many_seconds_and_no_sooner(monkeypatch, saved):
    now = 1000.0
    monkeypatch.setattr(checkpoint.time, "monotonic", lambda: now)
    one = Checkpoint("abc", every=60)
    for _ in range(3):
        now += 59.9
        assert not one.due
        now += 0.1
        assert one.due
        one.save({"step": 1})
        assert not one.due


def test_the_state_and_its_lock_are_gone_once_it_is_forgotten(saved, tmp_path):
    with saved.held():
        saved.save({"step": 1})
    saved.forget()
    assert files(tmp_path) == [] and saved.load() is None
    saved.forget()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_first_signal_asks_for_a_stop_and_a_second_one_stops(saved, capfd, number):
    before = [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)]
    with pytest.raises(KeyboardInterrupt), saved.held():
        assert not saved.stopped
        signal.raise_signal(number)
        assert saved.stopped
        assert capfd.readouterr().err == "stopping after this step; its state is kept\n"
        signal.raise_signal(signal.SIGINT)
    assert [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)] == before


def test_one_process_at_a_time_holds_a_training(saved, tmp_path):
    other = Checkpoint("def", every=60)
    with saved.held():
        with pytest.raises(UserError, match=f"{tmp_path}/.resume/abc.pt: another process is doing this very"):
            Checkpoint("abc", every=60).held().__enter__()
        with other.held(), Checkpoint("abc", every=60).held(writes=False):
            pass  # another training, and the ranks of this one that do not write
    with Checkpoint("abc", every=60).held():
        pass  # it was let go


def test_where_a_state_cannot_be_kept_is_said_before_any_work(saved, tmp_path):
    (tmp_path / ".resume").write_text("in the way")
    with pytest.raises(UserError, match=f"{tmp_path}/.resume: unfinished trainings cannot be kept here"):
        saved.held().__enter__()


def test_a_lock_ends_with_the_process_that_held_it(saved):
    child = os.fork()
    if child == 0:
        with saved.held():
            os.kill(os.getpid(), signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL and saved.path.with_suffix(".lock").exists()
    with saved.held():
        pass


def test_the_fingerprint_is_of_settings_in_any_order():
    about = {"lr": 0.001, "betas": (0.9, 0.99), "smaller": None, "device": ["avx2", 1, "32-true"]}
    assert fingerprint(about) == fingerprint(dict(reversed(about.items())))
    assert len(fingerprint(about)) == 16
    changed = [
        about | {"lr": 0.0010000001},
        about | {"betas": (0.9, 0.999)},
        about | {"smaller": {"factor": 2, "until": 0.3}},
        about | {"device": ["avx2", 2, "32-true"]},
        about | {"film": 0.0},
    ]
    assert len({fingerprint(one) for one in (about, *changed)}) == 6


def test_the_fingerprint_changes_with_the_code_that_computes_and_with_the_threads(monkeypatch):
    def with_another(file: str) -> str:
        with monkeypatch.context() as patch:
            patch.setattr(
                checkpoint, "sha256", lambda path: "another" if path == Path(file) else sha256(path)
            )
            return fingerprint({})

    now = fingerprint({})
    computing = [with_another(module.__file__) for module in (color, loop, checkpoint)]
    assert len({now, *computing}) == 4
    watching = [with_another(module.__file__) for module in (console, tracking)]
    assert watching == [now, now], "what only watches decides nothing"
    monkeypatch.delitem(sys.modules, "tintype.floors", raising=False)
    assert fingerprint({}) == with_another(f"{ROOT}/tintype/floors.py"), "nor does what is not loaded"
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(threads + 1)
        assert fingerprint({}) not in {now, *computing}
    finally:
        torch.set_num_threads(threads)
