"""Writing outputs so that nothing half-written is ever seen under its final name."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, as 64 hex digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def folder_sha256(folder: Path) -> str:
    """One SHA-256 for all files below a folder: their relative paths and their bytes."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(f"{path.relative_to(folder).as_posix()} {sha256(path)}\n".encode())
    return digest.hexdigest()


def project_root() -> Path:
    """The project's folder, even where DVC runs an experiment in a copy: what no stage tracks is here."""
    return Path(os.environ.get("DVC_ROOT") or Path.cwd())


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Yield an empty folder to write into; it becomes `path`, replacing it, when the block succeeds.

    When the block raises, the unfinished folder is removed and `path` stays as it was.
    """
    unfinished = _unfinished(path)
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    try:
        yield unfinished
        if path.exists():
            shutil.rmtree(path)
        unfinished.rename(path)
    finally:
        if unfinished.exists():
            # Under another name, nothing is added while it is cleared: workers of a cluster may still write.
            unwanted = unfinished.with_name(f".unfinished-{os.getpid()}-unwanted-{path.name}")
            unfinished.rename(unwanted)
            shutil.rmtree(unwanted, ignore_errors=True)


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Yield a path to write to; it becomes `path`, replacing it, when the block succeeds."""
    unfinished = _unfinished(path)
    unfinished.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield unfinished
        os.umask(mask := os.umask(0))
        unfinished.chmod(0o666 & ~mask)  # safetensors makes files that only their owner may read
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def write_json(path: Path, value: object) -> None:
    """Write `value` as indented JSON with a final newline, atomically."""
    with new_file(path) as unfinished:
        unfinished.write_text(json.dumps(value, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def _unfinished(path: Path) -> Path:
    for left in path.parent.glob(f".unfinished-*-{path.name}"):
        if not _alive(int(left.name.split("-")[1])):  # what a killed process could not clear away
            shutil.rmtree(left) if left.is_dir() else left.unlink()
    # The suffix stays, because image writers choose their format by it.
    return path.with_name(f".unfinished-{os.getpid()}-{path.name}")


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # somebody else's
    return True
