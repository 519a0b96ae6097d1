"""Coloured seconds of a film, kept in a folder beside the film to be, so that a stopped run can go on.

A segment is one file: the packets of some seconds, which begin with a key frame, and what the colours of the
frames after it depend on. It is written whole or not at all, so all that a stopped run loses is the segment
it was in.
"""

import fcntl
import io
import json
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from tintype.console import UserError
from tintype.files import new_file, write_json
from tintype.video.colouring import Memory
from tintype.video.encoding import Packet
from tintype.video.reading import Missing, Place
from tintype.video.steady import Remembered

_ABOUT = "settings.json"


def folder_for(out: Path) -> Path:
    """Where the segments of a film are kept until it is whole."""
    return out.with_name(f".{out.name}.segments")


class Segments:
    """The segments of one film. Attributes: `frames`, how many they hold; `memory`, of the last of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.frames, self.memory = 0, None
        self._number = 0

    def add(self, packets: list[Packet], memory: Memory) -> None:
        """Write the next segment."""
        frames = self.frames + len(packets)
        about = {"frames": frames, "place": asdict(memory.place), "age": memory.age}
        arrays = {
            "about": np.frombuffer(json.dumps(about).encode(), np.uint8),
            "data": np.frombuffer(b"".join(packet.data for packet in packets), np.uint8),
            "packets": np.array([(p.pts, p.duration, p.key, len(p.data)) for p in packets], np.int64),
            "small": memory.small.numpy(),
            "key": memory.key.numpy(),
            "answer": memory.answer.numpy(),
            "L": memory.past.L.numpy(),
            "ab": memory.past.ab.numpy(),
        }
        with new_file(self._file(self._number)) as file, open(file, "wb") as stream:
            np.savez(stream, **arrays)
        self.frames, self.memory = frames, memory
        self._number += 1

    def packets(self) -> Iterator[Packet]:
        """The packets of all segments, in their order."""
        for number in range(self._number):
            with np.load(self._file(number)) as stored:
                data, table = io.BytesIO(stored["data"]), stored["packets"].tolist()
            for pts, duration, key, length in table:
                yield Packet(data.read(length), pts, duration, bool(key))

    def find(self) -> None:
        """Take up the segments that are there, up to the first that is missing or not whole."""
        while (known := _read(self._file(self._number))) is not None:
            self.frames, self.memory = known
            self._number += 1

    def _file(self, number: int) -> Path:
        return self.folder / f"{number:06}.npz"


@contextmanager
def kept(out: Path, about: dict) -> Iterator[Segments]:
    """The segments for a film `out`: those that a stopped run left, if it was the same work, else none yet.

    about: what the bytes depend on, JSON values. When the block succeeds the folder is removed; when it
    raises, it stays if there is a segment in it. Raises UserError where another process is at work in it.
    """
    folder = folder_for(out)
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(f"{out}: another process is writing it; wait for it, or name another") from None
        segments = Segments(folder)
        if _about(folder) == about:
            segments.find()
        else:
            for file in folder.glob("*.npz"):
                file.unlink()
            write_json(folder / _ABOUT, about)
        try:
            yield segments
        except BaseException:
            if not segments.frames:
                shutil.rmtree(folder, ignore_errors=True)
            raise
        shutil.rmtree(folder)


def _about(folder: Path) -> dict | None:
    try:
        return json.loads((folder / _ABOUT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _read(file: Path) -> tuple[int, Memory] | None:
    """How many frames there are up to a segment's end, and what those after it depend on."""
    try:
        with np.load(file) as stored:
            arrays = {name: stored[name] for name in stored.files}  # all, to see that all can be read
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):
        return None
    about = json.loads(arrays["about"].tobytes())
    small, key, answer, L, ab = (
        torch.from_numpy(arrays[name]) for name in ("small", "key", "answer", "L", "ab")
    )
    place = Place(about["place"]["pts"], about["place"]["checksum"], Missing(**about["place"]["missing"]))
    return about["frames"], Memory(place, small, about["age"], key, answer, Remembered(L, ab))
