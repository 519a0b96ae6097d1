"""A thread that talks to a server, and the queue of what it is to say; troubles cost one warning."""

import re
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

CLOSING_SECONDS = 20.0  # that a process waits, in all, for what is still queued when its runs end
WAITING_BYTES = 256 * 2**20  # in the queue: a server that far behind will not catch up


class Queue:
    """One daemon thread, which does jobs in order; the caller only puts them here.

    begin: called by the thread, before the first job; every job is called with what it returns, a tuple.
    address: the server's, for the warning. The first failure, also of `begin`, ends all work for good: it is
    printed once, as a warning, and every call stays allowed, and does nothing.
    """

    def __init__(self, begin: Callable[[], tuple[Any, ...]], address: str):
        self._begin = begin
        self._address = address
        self._jobs: deque[tuple[Callable, int]] = deque()  # the one being done is the first
        self._bytes = 0  # that they hold
        self._patience = CLOSING_SECONDS
        self._stopped = False
        self._changed = threading.Condition()
        # A daemon: Python does not wait for it at exit, should it hang in a call.
        threading.Thread(target=self._work, name="tracking", daemon=True).start()

    def do(self, job: Callable[..., object], size: int = 1000) -> None:
        """Queue a job; size: bytes that it holds."""
        with self._changed:
            if self._stopped:
                return
            self._jobs.append((job, size))
            self._bytes += size
            self._changed.notify_all()
            if self._bytes > WAITING_BYTES:
                self._stop(f"too slow, {len(self._jobs)} calls are waiting")

    def wait(self) -> None:
        """Wait until the queue is empty, or work has stopped, or the process has waited long enough."""
        began = time.monotonic()
        with self._changed:
            if not self._changed.wait_for(lambda: self._stopped or not self._jobs, max(self._patience, 0)):
                self._stop(f"too slow, not done after waiting {CLOSING_SECONDS:.0f} s")
        self._patience -= time.monotonic() - began

    def _work(self) -> None:
        try:
            given = self._begin()
            while True:
                with self._changed:
                    self._changed.wait_for(lambda: self._stopped or self._jobs)
                    if self._stopped:
                        return
                    job, size = self._jobs[0]
                job(*given)
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
        what = f"{without_secrets(reason)[:250]} (MLflow: {without_secrets(self._address)})"
        print(f"warning: tracking stops, the work goes on without it: {what}", file=sys.stderr)


def without_secrets(text: str) -> str:
    """`text`, less what its addresses hold before the @ and behind the ?: names, passwords, keys."""
    return re.sub(r"\?\S+", "?...", re.sub(r"://\S*@", "://...@", text))
