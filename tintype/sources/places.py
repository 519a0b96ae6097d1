"""Where a manifest's pictures are: beside it, in a user's folder, or in an archive that stays whole."""

import functools
import lzma
import os
import struct
import zipfile
import zlib
from pathlib import Path

from tintype.console import UserError
from tintype.files import project_root
from tintype.images import UnreadablePicture

MAX_BYTES = 2**30  # of one picture file; more is no picture that can be decoded in reasonable memory
# What a damaged zip raises. RuntimeError: encrypted, or packed in a way that Python does not know.
_DAMAGE = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, RuntimeError, struct.error, ValueError),
    OSError,  # from bz2
)


def find(raw: Path, place: str) -> Path:
    """The folder or archive that a manifest in `raw` names `place`.

    Raises UserError when it is gone: then no picture in it can be read.
    """
    path = project_root() / place if place else raw
    if not path.exists():
        raise UserError(
            f"{path}: not there, though {raw} names it; put it back, or run the download stage again with "
            f"`dvc repro -f`"
        )
    return path


def name(path: Path) -> str:
    """The `place` of a manifest that leads to a folder or an archive: within the project, from there."""
    root, path = os.path.abspath(project_root()), Path(os.path.abspath(path))
    return (path.relative_to(root) if path.is_relative_to(root) else path).as_posix()


def read(place: Path, path: str, offset: int = 0, size: int = 0) -> bytes:
    """The bytes of one file in a folder, in a zip, or in a tar that holds `size` bytes of it at `offset`.

    In a tar, a header goes before each file, so that `offset` is never 0.
    Raises UnreadablePicture for what is missing, damaged, or larger than MAX_BYTES.
    """
    if place.is_dir():
        return _read_file(place / path)
    if offset:
        return _read_slice(place, offset, size)
    return _read_member(place, path)


def _read_file(path: Path) -> bytes:
    try:
        if not path.is_file():  # a pipe or a device would be read for ever
            raise FileNotFoundError
        _refuse_large(path.stat().st_size)
        return path.read_bytes()
    except FileNotFoundError:
        raise UnreadablePicture("the file is missing") from None
    except OSError as error:
        raise UnreadablePicture(f"the file cannot be read: {error.strerror}") from None


def _read_slice(tar: Path, offset: int, size: int) -> bytes:
    _refuse_large(size)
    with open(tar, "rb") as file:
        file.seek(offset)
        data = file.read(size)
    if len(data) < size:
        raise UnreadablePicture(f"{tar.name} ends before it")
    return data


def _read_member(place: Path, path: str) -> bytes:
    try:
        archive = _zip(place, os.stat(place).st_mtime_ns)
        member = _member(archive, path)
        _refuse_large(member.file_size)
        with archive.open(member) as file:
            # Never more than is declared, which read() without a number would unpack before it cuts it off.
            data = file.read(member.file_size)
    except KeyError:
        raise UnreadablePicture("missing in the archive") from None
    except _DAMAGE as error:
        reason = getattr(error, "strerror", None) or error  # a system error's text would hold a path
        raise UnreadablePicture(f"damaged in the archive, or not to be unpacked: {reason}") from None
    if len(data) < member.file_size:
        raise UnreadablePicture("damaged in the archive: it is shorter there than declared")
    return data


def _member(archive: zipfile.ZipFile, path: str) -> zipfile.ZipInfo:
    try:
        return archive.getinfo(path)
    except KeyError:
        return archive.getinfo(f"./{path}")  # as some programs begin each name


def _refuse_large(size: int) -> None:
    if size > MAX_BYTES:
        raise UnreadablePicture(f"{size:,} bytes; at most {MAX_BYTES:,} are read")


@functools.lru_cache(maxsize=4)
def _zip(path: Path, changed: int) -> zipfile.ZipFile:
    return zipfile.ZipFile(path)  # kept open: its list of members is read once in a process, not per picture
