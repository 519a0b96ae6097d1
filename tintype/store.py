"""The packed picture store that prepare writes, and training and evaluation read.

A store is a folder with `index.csv` (a row per record) and shards, `.npy` files that hold records end
to end as one array of bytes, so that a million pictures are a few files and reading one is a slice of a
memory map. A record is uint8 (4, H, W): the grey input plane (L * 255 / 100), then the target's 8-bit
Lab as `color.lab_to_bytes` makes it. Records of one split may differ in size, except those that are
read as batches.
"""

import csv
import json
from pathlib import Path

import numpy as np
import pandas as pd

from tintype.console import UserError

PLANES = 4
# Where each record comes from and where it lies. `photograph` is the picture's path in the manifest;
# left and top are the tile's corner in it; copy 0 is the tile itself, others are its changed copies.
COLUMNS = ["split", "photograph", "left", "top", "copy", "width", "height", "shard", "offset"]


def write_shard(folder: Path, name: str, records: list[np.ndarray], rows: list[dict]) -> list[dict]:
    """Write records, uint8 (4, H, W), as the shard `name`; returns their rows of the index, completed."""
    completed, offset = [], 0
    for row, record in zip(rows, records, strict=True):
        _, height, width = record.shape
        completed.append({**row, "width": width, "height": height, "shard": name, "offset": offset})
        offset += record.size
    np.save(folder / name, np.concatenate([record.reshape(-1) for record in records]), allow_pickle=False)
    return completed


def write_index(folder: Path, rows: list[dict]) -> None:
    """Write `index.csv`, in the order given."""
    pd.DataFrame(rows, columns=COLUMNS).to_csv(
        folder / "index.csv", index=False, lineterminator="\n", quoting=csv.QUOTE_MINIMAL
    )


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


class Split:
    """The records of one split of a store, in the index's order.

    Attributes: `index`, their rows. Raises UserError where the folder holds no store or the split is empty.
    """

    def __init__(self, folder: Path, split: str) -> None:
        try:
            index = pd.read_csv(folder / "index.csv", dtype={"photograph": str}, keep_default_na=False)
        except FileNotFoundError:
            raise UserError(
                f"{folder}: no index.csv here; run `dvc repro prepare` to make the store"
            ) from None
        self.index = index[index["split"] == split].reset_index(drop=True)
        if self.index.empty:
            found = ", ".join(sorted(index["split"].unique())) or "nothing"
            raise UserError(f"{folder}: no records of split {split!r} (found: {found})")
        shards = {name: np.load(folder / name, mmap_mode="r") for name in self.index["shard"].unique()}
        columns = self.index[["shard", "offset", "height", "width"]].itertuples(index=False, name=None)
        self._records = [
            shards[shard][offset : offset + PLANES * height * width].reshape(PLANES, height, width)
            for shard, offset, height, width in columns
        ]

    def __len__(self) -> int:
        return len(self._records)

    def __getitem__(self, number: int) -> np.ndarray:
        """One record, uint8 (4, H, W), in memory."""
        return np.array(self._records[number])

    def batch(self, numbers: np.ndarray) -> np.ndarray:
        """Several records of one size, uint8 (N, 4, H, W)."""
        return np.stack([self._records[number] for number in numbers])

    def ab_histogram(self) -> np.ndarray:
        """How many pixels have each 8-bit ab value: int64 (256, 256), at [a + 128, b + 128]."""
        histogram = np.zeros(256 * 256, dtype=np.int64)
        for record in self._records:
            values = record[2].astype(np.int64) * 256 + record[3]
            histogram += np.bincount(values.reshape(-1), minlength=256 * 256)
        return histogram.reshape(256, 256)
