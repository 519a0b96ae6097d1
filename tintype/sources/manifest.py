"""What every source of pictures has in common: `manifest.csv`, a row for each picture, and `left_out.csv`."""

import csv
import hashlib
import io
import re
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple, Protocol

import pandas as pd

from tintype import images
from tintype.console import UserError

NAME = "manifest.csv"
LEFT_OUT = "left_out.csv"  # path, reason: what a source found and did not list as a picture


class Picture(NamedTuple):
    """A row of the manifest. Paths have forward slashes and stay below `place`."""

    path: str  # in `place`, and the picture's name from here on: no two are the same
    sha256: str  # of the file's bytes
    width: int  # pixels, of the upright picture; 0 where the file's head cannot be read
    height: int
    source: str  # where the file came from
    licence: str  # what its publisher says about using it
    group: str  # pictures of one scene, video or character share it: they never part into training and test
    label: str = ""  # its class, where the source has classes
    split: str = ""  # "test" where its publisher holds it out; else prepare divides
    condition: str = ""  # attributes that the colours depend on, such as "hair=red shirt=blue"
    input: str = ""  # the drawing to be coloured, a path in `place`; else the input is made from the picture
    input_sha256: str = ""
    colour_side: str = ""  # "left" or "right" half, where the other half is the drawing to be coloured
    place: str = ""  # the folder, zip or tar with the file: absolute, or from the project; "": the manifest's
    offset: int = 0  # of the file's first byte, where `place` is a tar
    bytes: int = 0  # of the file, where `place` is a tar


COLUMNS = list(Picture._fields)
_NUMBERS = [name for name, kind in Picture.__annotations__.items() if kind is int]


class Source(Protocol):
    """A module in `tintype.sources` that can stand under `source:` in `params.yaml`."""

    def gather(self, settings: Any, out: Path) -> str:
        """Fill the empty folder `out` and write its `manifest.csv`; return a line that says what was found.

        settings: the section of `params.yaml` that names this source, such as `download.photos`.
        The same settings give the same bytes. Raises UserError for what the user can mend.
        """


def write(folder: Path, pictures: Iterable[Picture], left_out: Iterable[tuple[str, str]] = ()) -> str:
    """Write `manifest.csv`, a picture at a time, and `left_out.csv` (path, reason); return counts in words.

    `left_out` is read when all pictures are written. Raises ValueError for pictures that are not in the
    order of their paths, or are listed twice, and for paths that leave `place`.
    """
    count, last = 0, ""
    with open(folder / NAME, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for picture in pictures:
            if wrong := _wrong_path(picture.path) or (picture.input and _wrong_path(picture.input)):
                raise ValueError(wrong)
            if picture.path <= last:
                raise ValueError(f"{picture.path!r} after {last!r}: pictures are listed once, in their order")
            writer.writerow(picture)
            count, last = count + 1, picture.path
    reasons = sorted(left_out)
    save_csv(folder / LEFT_OUT, pd.DataFrame(reasons, columns=["path", "reason"], dtype="str"))
    return f"{count} pictures in {NAME}" + (f", {len(reasons)} files in {LEFT_OUT}" if reasons else "")


def read(folder: Path) -> Iterator[Picture]:
    """The rows of `folder/manifest.csv`, one at a time, so that any number fits into memory.

    Raises UserError when the file is not there, or is not what `write` writes.
    """
    last = ""
    for number, row in enumerate(_rows(folder / NAME, COLUMNS), start=1):
        values = dict(zip(COLUMNS, row, strict=True))
        for name in _NUMBERS:
            if not re.fullmatch("[0-9]{1,15}", values[name]):
                raise UserError(f"{folder / NAME}: {name} is {values[name]!r} in row {number}; {_AGAIN}")
            values[name] = int(values[name])
        picture = Picture(**values)
        if wrong := _wrong_path(picture.path) or (picture.input and _wrong_path(picture.input)):
            raise UserError(f"{folder / NAME}: row {number}: {wrong}; {_AGAIN}")
        if picture.path <= last:
            raise UserError(f"{folder / NAME}: {picture.path!r} is listed twice, or out of order; {_AGAIN}")
        last = picture.path
        yield picture


def left_out(folder: Path) -> list[tuple[str, str]]:
    """The rows (path, reason) of `left_out.csv`."""
    return [(path, reason) for path, reason in _rows(folder / LEFT_OUT, ["path", "reason"])]


def printable(path: str) -> str:
    """A path as it can be shown and listed, whatever its bytes."""
    text = path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return re.sub(r"[\x00-\x1f\x7f]", lambda found: f"\\x{ord(found[0]):02x}", text)


def about(data: bytes) -> dict[str, Any]:
    """The manifest's `sha256`, `width` and `height` of a picture file, from its bytes."""
    width, height = images.dimensions(io.BytesIO(data))
    return {"sha256": hashlib.sha256(data).hexdigest(), "width": width, "height": height}


def role(path: str, group: str, held_out: str | None) -> dict[str, str]:
    """The manifest's `group`, `label` and `split` of a picture in a tree of folders.

    group: "picture", each for itself, or "folder", such as the frames of a film. The label is the name of the
    picture's folder, or of the one above where it is just called images. held_out: a folder, below which
    everything is the publisher's test split.
    """
    folder = PurePosixPath(path).parent
    named = folder.parent if folder.name == "images" else folder
    test = held_out is not None and PurePosixPath(held_out) in PurePosixPath(path).parents
    return {
        "group": path if group == "picture" else folder.as_posix(),
        "label": named.name,
        "split": "test" if test else "",
    }


def save_csv(path: Path, table: pd.DataFrame) -> None:
    """Write a table so that equal tables make equal bytes on every system."""
    table.to_csv(path, index=False, lineterminator="\n", encoding="utf-8")


def load_csv(path: Path, columns: list[str]) -> pd.DataFrame:
    """Read a table of strings; nothing is taken for a number, or for missing.

    Raises UserError when the file is missing, or is no table with these columns.
    """
    return pd.DataFrame(list(_rows(path, columns)), columns=columns, dtype="str")


_AGAIN = "run its download stage again with `dvc repro -f`"


def _rows(path: Path, columns: list[str]) -> Iterator[list[str]]:
    try:
        # Not by pandas, which makes up for missing fields and takes surplus ones for an index.
        with open(path, encoding="utf-8", newline="") as file:
            rows = csv.reader(file, strict=True)
            head = next(rows, [])
            if head != columns:
                problem = f"columns are {', '.join(head)}; they must be {', '.join(columns)}"
                raise UserError(f"{path}: {problem}; {_AGAIN}")
            for number, row in enumerate(rows, start=1):
                if len(row) != len(columns):
                    raise UserError(
                        f"{path}: row {number} has {len(row)} fields, not {len(columns)}; {_AGAIN}"
                    )
                yield row
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; the download stage makes it: `dvc repro`") from None
    except (csv.Error, UnicodeError) as error:
        raise UserError(f"{path}: not a table of comma-separated values ({error}); {_AGAIN}") from None


def _wrong_path(path: str) -> str | None:
    pure = PurePosixPath(path)
    if path in ("", ".") or pure.is_absolute() or ".." in pure.parts or set(path) & set("\\\r\n"):
        return f"{path!r} is no path inside the manifest's folder"
    return None
