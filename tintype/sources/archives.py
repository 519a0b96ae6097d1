"""Pictures of several archives, in one manifest: a set of archives, which `use` chooses."""

import heapq
import tempfile
from collections import Counter
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any

from tintype.console import UserError
from tintype.sources import archive, manifest

LeftOut = list[tuple[str, str]]
Named = tuple[str, manifest.Picture]  # the archive's name, and a picture in it


def gather(settings: Any, out: Path) -> str:
    """List the pictures of `settings.sets[settings.use]` in `out/manifest.csv`; return the counts in words.

    - Each archive of the set is listed as the source `archive` lists it, whose settings it has, and:
    - `only`: a folder; pictures elsewhere are left out. `without`: a pattern of file names, such as
      "copy_*"; pictures named like it are left out. Neither concerns what is below `held_out`. null: all.
    - In `left_out.csv`, an archive's name goes before its paths.

    Raises UserError for a `use` that is no key of `sets`, where `archive` does, for `only` or `without` that
    fit no picture, and for a path that two archives have.
    """
    if settings.use not in settings.sets:
        raise UserError(
            f"use: found {settings.use!r}, allowed: {', '.join(settings.sets)}, the keys of `sets`; choose "
            f"one of them, or add it there"
        )
    chosen = settings.sets[settings.use]
    left_out: LeftOut = []
    counts: Counter[str] = Counter()

    def pictures(listed: Path) -> Iterator[manifest.Picture]:
        taken = [_taken(name, one, listed / name, left_out) for name, one in chosen.items()]
        for name, picture in _merged(taken):
            counts[name] += 1
            yield picture

    with tempfile.TemporaryDirectory(dir=out) as listed:
        for name, one in chosen.items():
            _list(name, one, Path(listed) / name, left_out)
        line = manifest.write(out, pictures(Path(listed)), left_out)
    return f"{line}: {', '.join(f'{counts[name]} of {name}' for name in chosen)}"


def _list(name: str, one: Any, folder: Path, left_out: LeftOut) -> None:
    folder.mkdir()
    try:
        archive.gather(one, folder)
    except UserError as error:
        raise UserError(f"{name}: {error}") from None
    left_out += [(f"{name}/{path}", reason) for path, reason in manifest.left_out(folder)]


def _taken(name: str, one: Any, folder: Path, left_out: LeftOut) -> Iterator[Named]:
    """The listed pictures that `only` and `without` leave; raises UserError where one of these fits none."""
    idle = {"only": one.only, "without": one.without}  # those that fit no picture yet
    for picture in manifest.read(folder):
        path = PurePosixPath(picture.path)
        inside = one.only is None or PurePosixPath(one.only) in path.parents
        unwanted = one.without is not None and fnmatchcase(path.name, one.without)
        if inside:
            idle["only"] = None
        if unwanted:
            idle["without"] = None
        if picture.split == "test" or (inside and not unwanted):
            yield name, picture
        else:
            reason = f"named like without: {one.without}" if inside else f"not in only: {one.only}"
            left_out.append((f"{name}/{picture.path}", reason))
    for key, value in idle.items():
        if value is not None:
            raise UserError(
                f"{name}: {key}: {value!r} fits no picture in it, one of which is {picture.path}; correct "
                f"it, or put null"
            )


def _merged(archives: list[Iterator[Named]]) -> Iterator[Named]:
    """The pictures of all in the order of their paths; raises UserError for a path that is there twice."""
    before, last = "", ""
    for name, picture in heapq.merge(*archives, key=lambda named: named[1].path):
        if picture.path == last:
            raise UserError(
                f"{last}: a path in {before} and in {name}, which have to differ in one set; leave it out of "
                f"one by `only` or `without`, or take one of them out of the set"
            )
        yield name, picture
        before, last = name, picture.path
