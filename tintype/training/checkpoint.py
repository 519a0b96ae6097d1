"""The state of a training, kept outside of its outputs, so that whatever stops it costs little.

It lies in `.resume/FINGERPRINT.pt`, named by all that decides the result: only the same training goes on
from it, and ends with the bytes that it would have had without a stop.
"""

import hashlib
import json
import os
import random
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

import numpy as np
import torch
from filelock import FileLock, Timeout

from tintype.console import Failure, UserError
from tintype.files import new_file, project_root, sha256

FOLDER = ".resume"
# What only watches or carries changes no result.
_OBSERVERS = (
    *(
        "console",
        "files",
        "params",
        "params_download",
        "params_generator",
        "params_schema",
        "params_types",
        "params_wording",
    ),
    *("progress", "protocols", "studies", "tracking", "tracking_queue"),
)


def fingerprint(about: dict[str, Any]) -> str:
    """16 hex digits of all that decides what a training makes.

    about: its settings, digests of its inputs, its kind of device, as JSON values. The project's code that is
    loaded, the versions of torch and NumPy, and the number of threads are added.
    """
    root = Path(__file__).parents[2]
    observers = {root / "tintype" / f"{name}.py" for name in _OBSERVERS}
    files = {
        Path(module.__file__) for module in list(sys.modules.values()) if getattr(module, "__file__", None)
    }
    code = {
        path.relative_to(root).as_posix(): sha256(path)
        for path in files
        if path not in observers and any(path.is_relative_to(root / top) for top in ("tintype", "stages"))
    }
    versions = {"torch": torch.__version__, "numpy": np.__version__, "threads": torch.get_num_threads()}
    text = json.dumps([about, code, versions], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class Checkpoint:
    """The saved state of one training. Use as `with checkpoint.held():`.

    every: seconds of work after which it is `due`.
    """

    def __init__(self, name: str, every: float) -> None:
        self.path = project_root() / FOLDER / f"{name}.pt"
        self.every = every
        self.stopped = False  # by SIGINT or SIGTERM
        self.step = 0  # of the saved state
        self._saved = time.monotonic()

    @contextmanager
    def held(self, writes: bool = True) -> Iterator[None]:
        """Take SIGINT and SIGTERM as a request to stop after the step; the second of them stops at once.

        writes: whether this rank saves the state, and so locks it. Raises UserError when another process
        holds it, or it cannot be locked.
        """
        with self._lock() if writes else nullcontext():
            before = {number: signal.signal(number, self._stop) for number in (signal.SIGINT, signal.SIGTERM)}
            try:
                yield
            finally:
                for number, handler in before.items():
                    signal.signal(number, handler)

    def _lock(self) -> AbstractContextManager:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            return FileLock(self.path.with_suffix(".lock"), timeout=0).acquire()
        except Timeout:
            raise UserError(
                f"{self.path}: another process is doing this very training; wait for it, or stop it"
            ) from None
        except OSError as error:
            raise UserError(
                f"{self.path.parent}: unfinished trainings cannot be kept here ({error}); make it a folder "
                f"that can be written to"
            ) from None

    def _stop(self, number: int, frame: Any) -> None:
        if self.stopped:
            raise KeyboardInterrupt
        self.stopped = True
        # No print, which is not safe in a handler.
        os.write(2, b"stopping after this step; its state is kept\n")

    @property
    def due(self) -> bool:
        """Whether it is time to save."""
        return time.monotonic() - self._saved >= self.every

    def load(self) -> dict[str, Any] | None:
        """The saved state; None where there is none. Raises UserError for a damaged one."""
        if not self.path.exists():
            return None
        try:
            with ZipFile(self.path) as file:
                if broken := file.testzip():  # torch checks no checksum
                    raise BadZipFile(f"{broken} has another checksum")
            state = torch.load(self.path, map_location="cpu", weights_only=True)
            self.step = state["step"]
        except Exception as error:  # noqa: BLE001  damaged bytes raise whatever they happen to
            raise UserError(f"{self.path}: damaged ({error}); delete it, and training starts anew") from None
        return state

    @staticmethod
    def restore_generators(state: dict[str, Any]) -> None:
        """Have this process draw the random numbers that follow those before the state was saved.

        On each rank: those that all draw for the whole batch, and take their share, would differ otherwise.
        """
        _set_generators(state["generators"])

    def save(self, state: dict[str, Any]) -> None:
        """Save a state: tensors, numbers, texts, in dicts and lists; `step` among it. Atomic.

        Raises Failure where it cannot be written.
        """
        try:
            with new_file(self.path) as file:
                torch.save(state | {"generators": _generators()}, file)
        except (OSError, RuntimeError) as error:  # RuntimeError: torch's own, for a full disk
            raise Failure(f"{self.path}: cannot be written ({error}). {self.kept()}. Make room") from error
        self.step = state["step"]
        self._saved = time.monotonic()

    def kept(self) -> str:
        """Where the last good state is, in words."""
        return (
            f"The state after step {self.step} is kept in {self.path}"
            if self.step
            else "No state was kept yet"
        )

    def forget(self) -> None:
        """Remove the state, once the training is done."""
        self.path.unlink(missing_ok=True)
        self.path.with_suffix(".lock").unlink(missing_ok=True)


def _generators() -> dict[str, Any]:
    """The random generators of torch, NumPy and Python as they are."""
    _, numbers, *rest = np.random.get_state()
    kind, python, gauss = random.getstate()
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "numpy": torch.from_numpy(numbers.astype(np.int64)),
        "numpy_rest": rest,
        "python": [kind, list(python), gauss],
    }


def _set_generators(state: dict[str, Any]) -> None:
    torch.set_rng_state(state["torch"])
    if torch.cuda.is_available():
        torch.cuda.set_rng_state_all(state["cuda"])
    np.random.set_state(("MT19937", state["numpy"].numpy().astype(np.uint32), *state["numpy_rest"]))
    kind, numbers, gauss = state["python"]
    random.setstate((kind, tuple(numbers), gauss))
