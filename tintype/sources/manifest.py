"""What every source of pictures has in common: a folder with `manifest.csv`, a row for each picture in it."""

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

import pandas as pd

from tintype.console import UserError

NAME = "manifest.csv"
COLUMNS = [
    "path",  # of the picture, from the manifest's folder, with forward slashes
    "sha256",  # of the file's bytes
    "width",  # pixels, of the upright picture
    "height",
    "source",  # where the file came from
    "licence",  # what its publisher says about using it
    "group",  # pictures of one scene share it: they never part into training and test
]
_TYPES = dict.fromkeys(COLUMNS, "str") | {"width": "int64", "height": "int64"}


class Source(Protocol):
    """A module in `tintype.sources` that can stand under `source:` in `params.yaml`."""

    def gather(self, settings: Any, out: Path) -> pd.DataFrame:
        """Fill the empty folder `out` and write its `manifest.csv`; return what that holds.

        settings: the section of `params.yaml` that names this source, such as `download.photos`.
        The same settings give the same bytes. Raises UserError for what the user can mend.
        """


def write(folder: Path, rows: Iterable[Mapping[str, object]]) -> pd.DataFrame:
    """Write `folder/manifest.csv` from one mapping a picture; return the table, sorted by path.

    Raises ValueError for rows without exactly the COLUMNS, and for paths that occur twice or leave `folder`.
    """
    rows = list(rows)
    for row in rows:
        if row.keys() != set(COLUMNS):
            raise ValueError(f"a manifest's row holds {', '.join(COLUMNS)}, not {', '.join(row)}")
    table = pd.DataFrame(rows, columns=COLUMNS).astype(_TYPES)
    if wrong := _wrong_path(table["path"]):
        raise ValueError(wrong)
    table = table.sort_values("path", ignore_index=True)
    save_csv(folder / NAME, table)
    return table


def read(folder: Path) -> pd.DataFrame:
    """Read `folder/manifest.csv`: the COLUMNS; width and height are int64, the others strings.

    Raises UserError when it is not there, or is not what `write` writes.
    """
    table = load_csv(folder / NAME, COLUMNS)
    for name in ("width", "height"):
        wrong = table[name][~table[name].str.fullmatch("[1-9][0-9]{0,8}")]
        if len(wrong):
            raise UserError(
                f"{folder / NAME}: {name} is {wrong.iloc[0]!r} in row {wrong.index[0] + 1}; {_AGAIN}"
            )
    if wrong := _wrong_path(table["path"]):
        raise UserError(f"{folder / NAME}: {wrong}; {_AGAIN}")
    return table.astype(_TYPES)


def save_csv(path: Path, table: pd.DataFrame) -> None:
    """Write a table so that equal tables make equal bytes on every system."""
    table.to_csv(path, index=False, lineterminator="\n", encoding="utf-8")


def load_csv(path: Path, columns: list[str]) -> pd.DataFrame:
    """Read a table of strings; nothing is taken for a number, or for missing.

    Raises UserError when the file is missing, or is no table with these columns.
    """
    try:
        # Not by pandas, which makes up for missing fields and takes surplus ones for an index.
        with open(path, encoding="utf-8", newline="") as file:
            head, *rows = list(csv.reader(file, strict=True)) or [[]]
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; the download stage makes it: `dvc repro`") from None
    except (csv.Error, UnicodeError) as error:
        raise UserError(f"{path}: not a table of comma-separated values ({error}); {_AGAIN}") from None
    if head != columns:
        raise UserError(f"{path}: columns are {', '.join(head)}; they must be {', '.join(columns)}; {_AGAIN}")
    for number, row in enumerate(rows, start=1):
        if len(row) != len(columns):
            raise UserError(f"{path}: row {number} has {len(row)} fields, not {len(columns)}; {_AGAIN}")
    return pd.DataFrame(rows, columns=columns, dtype="str")


_AGAIN = "run its download stage again with `dvc repro -f`"


def _wrong_path(paths: pd.Series) -> str | None:
    for path in paths:
        pure = PurePosixPath(path)
        if path in ("", ".") or pure.is_absolute() or ".." in pure.parts or "\\" in path:
            return f"{path!r} is no path inside the manifest's folder"
    if not paths.is_unique:
        return f"{paths[paths.duplicated()].iloc[0]!r} is listed twice"
    return None
