"""A folder of the user's, whose pictures are read where they are."""

import os
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from tintype.console import UserError
from tintype.files import project_root
from tintype.images import SUFFIXES
from tintype.sources import manifest, places

_NOT_UTF8 = "its name is not UTF-8; rename it"
_NO_FILE = "a link that leads to no file"
_ODD = "no regular file"
_UNREADABLE = "the folder cannot be read"
_DVC_FAILS = (_NOT_UTF8, _NO_FILE, _ODD, _UNREADABLE)


def locate(path: str) -> tuple[Path, str]:
    """The folder that `path` names, absolute, and the manifest's `place` for it.

    A relative path starts at the project's folder; `~` is the user's home. Raises UserError for what is no
    folder, or may not be read.
    """
    root = Path(os.path.abspath(project_root() / os.path.expanduser(path)))
    if not os.path.isdir(root) or not os.access(root, os.R_OK | os.X_OK):
        found = "a folder that may not be read" if os.path.isdir(root) else "no folder"
        raise UserError(f"path: {root}: {found}; name the folder that holds the pictures")
    return root, places.name(root)


def walk(root: Path, left_out: list[tuple[str, str]], start: str = "") -> Iterator[str]:
    """The paths, from `root`, of the files below its subfolder `start` that are named like pictures.

    All other files get a row (path, reason) in `left_out`. Linked folders are not entered, so there is no way
    out of the folder, and no loop; a linked file counts where the link ends at a file inside `root`.
    """
    below = [start]
    while below:
        folder = below.pop()
        try:
            entries = list(os.scandir(root / folder))
        except OSError as error:
            left_out.append((folder or ".", f"{_UNREADABLE}: {error.strerror}"))
            continue
        for entry in entries:
            path = f"{folder}/{entry.name}" if folder else entry.name
            is_folder = entry.is_dir(follow_symlinks=False)
            reason = _unfit_name(entry.name) or (None if is_folder else _unfit_file(entry, root))
            if reason:
                left_out.append((manifest.printable(path), reason))
            elif is_folder:
                below.append(path)
            else:
                yield path


def refuse_unwatchable(folder: Path) -> None:
    """Raise UserError for what stops DVC in a folder that it watches, and `walk` would only leave out."""
    left_out: list[tuple[str, str]] = []
    deque(walk(folder, left_out), maxlen=0)
    bad = [f"{path}: {reason}" for path, reason in left_out if any(word in reason for word in _DVC_FAILS)]
    if bad:
        raise UserError(
            f"{folder}: DVC cannot watch it: {'; '.join(bad[:3])}. Mend or move what is named here"
        )


def leads_out(root: Path, path: str) -> bool:
    """Whether links on the way lead to a place outside of `root`."""
    return not Path(os.path.realpath(root / path)).is_relative_to(os.path.realpath(root))


def _unfit_name(name: str) -> str | None:
    try:
        name.encode()
    except UnicodeEncodeError:
        return _NOT_UTF8
    if any(mark in name for mark in "\\\r\n"):  # a table has no way to tell these from its own
        return "a backslash or a line break is in its name; rename it"
    if name.startswith("."):
        return "hidden: its name starts with a dot"
    return None


def _unfit_file(entry: os.DirEntry, root: Path) -> str | None:
    if entry.is_symlink():
        if os.path.isdir(entry.path):
            return "a link to a folder; copy the folder here, or name it as the path of a set"
        if not os.path.isfile(entry.path):
            return _NO_FILE
        if leads_out(root, entry.path):
            return "a link that leads out of the folder; copy the file here"
    elif not entry.is_file():
        return _ODD
    return None if Path(entry.name).suffix.lower() in SUFFIXES else "not named like a picture"
