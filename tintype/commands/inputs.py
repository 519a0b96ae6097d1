"""Which pictures a command is to colour, and where each answer goes."""

import errno
import glob
import os
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tintype.console import UserError
from tintype.images import SUFFIXES
from tintype.scans import WRITTEN


@dataclass(frozen=True)
class Job:
    """A picture to colour, and the file to write."""

    source: Path
    target: Path


@dataclass
class Found:
    """What there is to do; which folders can't be read, with the reason; and what was passed over.

    others: how many files of other suffixes the folders have, by suffix.
    """

    jobs: list[Job] = field(default_factory=list)
    unreadable: dict[str, str] = field(default_factory=dict)
    others: Counter[str] = field(default_factory=Counter)


def find(paths: list[str], out: Path) -> Found:
    """What to do for files, folders and glob patterns.

    A folder's pictures, by their suffix, keep their places below `out`, or below a folder there of its name
    where there are several. A single file may have a file for `out`. Raises UserError for paths that are not
    there or hold no picture, one file for several, two pictures with one target, and a target among the
    pictures to be coloured.
    """
    named = list(dict.fromkeys(Path(path) for pattern in paths for path in _matches(pattern)))
    if len(named) > 1:  # a pattern finds the folder of an earlier run as well
        named = [path for path in named if path.resolve() != out.resolve()]
    found = Found()
    if len(named) == 1 and named[0].is_file() and names_file(out):
        if out.suffix.lower() not in WRITTEN:
            raise UserError(f"-o {out}: found the suffix {out.suffix}, allowed: {', '.join(WRITTEN)}")
        found.jobs.append(Job(named[0], out))
    else:
        if out.exists() and not out.is_dir():
            raise UserError(f"-o {out}: found a file, allowed: a folder to write into, which may be new")
        if out.suffix.lower() in WRITTEN and not out.exists():
            raise UserError(f"-o {out}: found a file's name, allowed: a folder's, for several pictures")
        for path in named:
            if path.is_dir():
                if path.resolve() == out.resolve():
                    raise UserError(f"-o {out}: the originals are there, and stay; name another folder")
                base = out if len(named) == 1 else out / path.resolve().name
                for picture in _pictures(path, out, found):
                    found.jobs.append(Job(picture, _target(base / picture.relative_to(path))))
            else:
                found.jobs.append(Job(path, _target(out / path.name)))
    _refuse_conflicts(found.jobs)
    if not found.jobs and not found.unreadable:
        raise UserError(
            f"{', '.join(paths)}: no picture there (files ending in {', '.join(sorted(SUFFIXES))})"
        )
    return found


def names_file(out: Path) -> bool:
    """Whether -o names a file to write, where one picture is to be coloured; else it names a folder."""
    return bool(out.suffix) and not out.is_dir()


def refuse_unwritable(out: Path) -> None:
    """Raise UserError where no file can be written into a folder, or the folder not be made."""
    place = next(place for place in (out, *out.absolute().parents) if place.exists())
    try:
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        raise UserError(f"-o {out}: {error.strerror}; name a folder that you may write in") from None


def _matches(pattern: str) -> list[str]:
    if os.path.lexists(pattern):
        return [pattern]
    found = sorted(glob.glob(pattern, recursive=True))
    if not found:
        missing = os.strerror(errno.ENOENT)
        raise UserError(f"{pattern or repr(pattern)}: {missing}; name files, folders, or patterns with *")
    return found


def _pictures(folder: Path, out: Path, found: Found) -> list[Path]:
    """The pictures below a folder, but for hidden ones and those below `out`, in order of their paths.

    Notes in `found` what cannot be read and what is no picture by its suffix.
    """
    pictures, entered = [], {out.resolve(), folder.resolve()}

    def refused(error: OSError) -> None:
        found.unreadable[str(error.filename)] = error.strerror or str(error)

    def enter(path: Path) -> bool:  # each folder once, however many links lead there
        new = not path.name.startswith(".") and path.resolve() not in entered
        entered.add(path.resolve())
        return new

    for place, folders, files in os.walk(folder, onerror=refused, followlinks=True):
        folders[:] = [name for name in sorted(folders) if enter(Path(place, name))]
        for file in (Path(place, name) for name in sorted(files) if not name.startswith(".")):
            if file.suffix.lower() not in SUFFIXES:
                found.others[file.suffix.lower() or "no suffix"] += 1
            elif file.is_file() or not file.exists():  # pipes and devices would be waited for without end
                pictures.append(file)
    return pictures


def _target(path: Path) -> Path:
    """A name in a format that can be written: .png goes behind others."""
    return path if path.suffix.lower() in WRITTEN else path.with_name(path.name + ".png")


def _refuse_conflicts(found: list[Job]) -> None:
    sources = {job.source.resolve() for job in found}
    for job in found:
        if job.target.resolve() in sources:
            raise UserError(f"-o: {job.target} is one of the originals, which stay; name another folder")
    twice = [target for target, number in Counter(job.target for job in found).items() if number > 1]
    if twice:
        pair = ", ".join(str(job.source) for job in found if job.target == twice[0])
        raise UserError(f"{pair}: both would become {twice[0]}; colour them into folders of their own")
