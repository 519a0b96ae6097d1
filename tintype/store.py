"""The packed picture store that prepare writes, and training and evaluation read.

A store is a folder with `index.csv` (a row per record) and shards, `.bin` files that hold the records of a
fixed number of pictures end to end and nothing else, so that a million pictures are some hundred files
and reading one is a slice of a memory map. A record is uint8 (4, H, W): the input plane (L * 255 / 100, of
the grey picture or of the drawing), then the target's 8-bit Lab as `color.lab_to_bytes` makes it. Records of
one split may differ in size, except those that are read as batches. `conditions.npy`, where pictures have
conditions, holds a one-hot row for each row of the index. `contents.csv` has the size and SHA-256 of each of
these files: opening a store checks it.
"""

import csv
import functools
import hashlib
import json
import shutil
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tintype.console import UserError
from tintype.files import sha256

INDEX, CONTENTS, CONDITIONS = "index.csv", "contents.csv", "conditions.npy"
PLANES = 4
SHOWN = 12  # pictures on a sheet
_COUNTED = 2**16  # pixels at a time, or more: for fewer, the counters cost more than they do
_OPEN_SHARDS = 256  # at a time, for a process may not have many more files open
# Where each record comes from and where it lies. `photograph` is the picture's path in the manifest;
# left and top are the tile's corner in it; copy 0 is the tile itself, others are its changed copies.
COLUMNS = [
    *("split", "photograph", "group", "label", "condition"),
    *("left", "top", "copy", "width", "height", "shard", "offset"),
]


def write_shard(folder: Path, name: str, records: Iterable[np.ndarray]) -> tuple[list[int], str]:
    """Write records, uint8 (4, H, W), as the shard `name`, one by one as they come.

    Returns their offsets, and the file's SHA-256.
    """
    offsets, end, digest = [], 0, hashlib.sha256()
    with open(folder / name, "wb") as file:
        for record in records:
            data = np.ascontiguousarray(record).data
            offsets.append(end)
            end += file.write(data)
            digest.update(data)
    return offsets, digest.hexdigest()


def record(folder: Path, row: Mapping[str, Any]) -> np.ndarray:
    """The record of a row of the index, uint8 (4, H, W), as a view of its mapped shard."""
    shape = (PLANES, int(row["height"]), int(row["width"]))
    return np.memmap(folder / row["shard"], np.uint8, "r", int(row["offset"]), shape)


def write_contents(folder: Path, digests: Mapping[str, str]) -> None:
    """Write `contents.csv` from file names and their SHA-256."""
    rows = [(name, (folder / name).stat().st_size, digest) for name, digest in sorted(digests.items())]
    write_csv(folder / CONTENTS, ["file", "bytes", "sha256"], rows)


def write_csv(path: Path, columns: list[str], rows: Iterable[Iterable[Any]]) -> None:
    """Write a table row by row, so that it may be larger than memory; equal tables make equal bytes."""
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)


def read_summary(folder: Path) -> dict:
    """`summary.json` of a store, as prepare wrote it. Raises UserError where there is none."""
    try:
        return json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(
            f"{folder}: no summary.json here; run `dvc repro prepare` to make the store"
        ) from None


def ab_histogram(folder: Path) -> np.ndarray:
    """How many training pixels have each 8-bit ab value: int64 (256, 256), at [a + 128, b + 128]."""
    histogram = np.zeros((256, 256), dtype=np.int64)
    a, b, pixels = np.array(read_summary(folder)["ab_histogram"]).T
    histogram[a + 128, b + 128] = pixels
    return histogram


def extend(source: Path, out: Path, shard: str, numbers: np.ndarray, records: Iterable[np.ndarray]) -> None:
    """Write into `out` a copy of a store with more training records, in a shard of their own.

    numbers: of the source's training records, in its order, that the new ones are copies of but for their
    colours. The summary stays that of the source. Raises UserError where it has a shard of this name.
    """
    index, conditions = _opened(source)
    if shard in set(index["shard"]):
        raise UserError(f"{source}: has a shard {shard} already; start from the store that it was made from")
    numbers = np.flatnonzero(index["split"] == "train")[numbers]
    names = [*pd.read_csv(source / CONTENTS)["file"], "summary.json"]
    for name in names:
        shutil.copyfile(source / name, out / name)
    offsets, _ = write_shard(out, shard, records)
    own = {"shard": shard, "offset": np.array(offsets, int), "copy": index["copy"].max() + 1}
    copies = index.iloc[numbers].assign(**own)
    pd.concat([index, copies])[COLUMNS].to_csv(out / INDEX, index=False, lineterminator="\n")
    if conditions.shape[1]:
        np.save(out / CONDITIONS, np.concatenate([conditions, conditions[numbers]]))
    write_contents(out, {name: sha256(out / name) for name in [*names[:-1], shard]})


class AbHistogram:
    """How many pixels of records have each 8-bit ab value.

    `total()` gives int64 (65536,), at 256 a + b.
    """

    def __init__(self) -> None:
        self._counts = np.zeros(2**16, np.int64)
        self._waiting, self._pixels = [], 0

    def add(self, record: np.ndarray) -> None:
        """Count a record, uint8 (4, H, W)."""
        self._waiting.append(ab_codes(record))
        self._pixels += self._waiting[-1].size
        if self._pixels >= _COUNTED:
            self.total()

    def total(self) -> np.ndarray:
        """The counts up to now."""
        if self._waiting:
            self._counts += np.bincount(np.concatenate(self._waiting), minlength=2**16)
            self._waiting, self._pixels = [], 0
        return self._counts


def ab_codes(record: np.ndarray) -> np.ndarray:
    """256 a + b of each pixel of a record, from its 8-bit a and b: uint16, flat."""
    return (record[2].astype(np.uint16) << 8 | record[3]).reshape(-1)


class Split:
    """The records of one split of a store, in the index's order.

    Attributes: `index`, their rows. Raises UserError where the folder holds no store, a file of it is damaged
    (naming it), or the split is empty.
    """

    def __init__(self, folder: Path, split: str) -> None:
        index, conditions = _opened(folder)
        rows = (index["split"] == split).to_numpy()
        self._set(folder, index[rows].reset_index(drop=True), conditions[rows])
        if self.index.empty:
            found = ", ".join(sorted(index["split"].unique())) or "nothing"
            raise UserError(f"{folder}: no records of split {split!r} (found: {found})")

    @classmethod
    def shown(cls, folder: Path) -> "Split":
        """Pictures to look at that no model trains on, at most SHOWN, from all over the test split.

        Where photographs are cut up, the first test region of each; else test pictures.
        """
        has_regions = (_opened(folder)[0]["split"] == "test_region").any()
        split = cls(folder, "test_region" if has_regions else "test")
        numbers = split.index.drop_duplicates("photograph").index.to_numpy()
        some = numbers[np.linspace(0, len(numbers) - 1, min(SHOWN, len(numbers))).round().astype(int)]
        split._set(folder, split.index.iloc[some].reset_index(drop=True), split._conditions[some])
        return split

    def _set(self, folder: Path, index: pd.DataFrame, conditions: np.ndarray) -> None:
        self.index, self._conditions = index, conditions
        # Lists, because taking one number out of a table's column costs as much as reading the record.
        self._where = list(index[["shard", "offset", "height", "width"]].itertuples(index=False, name=None))
        self._shard = functools.lru_cache(_OPEN_SHARDS)(lambda name: np.memmap(folder / name, np.uint8, "r"))

    def __len__(self) -> int:
        return len(self._where)

    def __getitem__(self, number: int) -> np.ndarray:
        """One record, uint8 (4, H, W), in memory."""
        return np.array(self._view(number))

    def batch(self, numbers: np.ndarray) -> np.ndarray:
        """Several records of one size, uint8 (N, 4, H, W)."""
        first = self._view(numbers[0])
        found = np.empty((len(numbers), *first.shape), np.uint8)
        for place, number in enumerate(numbers):
            found[place] = self._view(number)  # copied at once, or as many shards as records would stay open
        return found

    def conditions(self, numbers: np.ndarray) -> np.ndarray | None:
        """The one-hot conditions of several records, uint8 (N, K); None where the store has none."""
        return self._conditions[numbers] if self._conditions.shape[1] else None

    def ab_histogram(self) -> np.ndarray:
        """How many pixels have each 8-bit ab value: int64 (256, 256), at [a + 128, b + 128]."""
        histogram = AbHistogram()
        for number in range(len(self)):
            histogram.add(self._view(number))
        return histogram.total().reshape(256, 256)

    def _view(self, number: int) -> np.ndarray:
        shard, offset, height, width = self._where[number]
        return self._shard(shard)[offset : offset + PLANES * height * width].reshape(PLANES, height, width)


def _opened(folder: Path) -> tuple[pd.DataFrame, np.ndarray]:
    """The index and the conditions (rows, K) of a store whose files are whole."""
    try:
        changed = (folder / CONTENTS).stat().st_mtime_ns
    except FileNotFoundError:
        raise UserError(f"{folder}: no {CONTENTS} here; run `dvc repro prepare` to make the store") from None
    return _checked(folder, changed)


@functools.lru_cache(maxsize=2)  # a stage opens several splits of one store
def _checked(folder: Path, changed: int) -> tuple[pd.DataFrame, np.ndarray]:
    contents = pd.read_csv(folder / CONTENTS)
    with ThreadPoolExecutor() as threads:
        problems = threads.map(
            _problem,
            (folder / name for name in contents["file"]),
            *(contents[column] for column in ("bytes", "sha256")),
        )
        if found := [problem for problem in problems if problem]:
            more = f"; and {len(found) - 3} more" if len(found) > 3 else ""
            again = (
                "make the store again with `dvc repro -f prepare`, or fetch it with `dvc checkout --force`"
            )
            raise UserError(f"{'; '.join(found[:3])}{more}; {again}")
    text = dict.fromkeys(COLUMNS[:5], str)
    index = pd.read_csv(folder / INDEX, dtype=text, keep_default_na=False)
    has_conditions = CONDITIONS in set(contents["file"])
    conditions = np.load(folder / CONDITIONS) if has_conditions else np.empty((len(index), 0), np.uint8)
    return index, conditions


def _problem(path: Path, size: int, digest: str) -> str | None:
    if not path.is_file():
        return f"{path}: missing"
    if path.stat().st_size != size:
        return f"{path}: {path.stat().st_size:,} bytes instead of {size:,}"
    return None if sha256(path) == digest else f"{path}: damaged, its SHA-256 is not that of {CONTENTS}"
