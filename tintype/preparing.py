"""From picture files to records of the store: what one worker does for a chunk of pictures."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from tintype import store
from tintype.augment import changed_tile
from tintype.color import bytes_to_lab, lab_to_bytes, rgb_to_lab
from tintype.files import sha256
from tintype.film import grey_plane
from tintype.images import UnreadablePicture, decode
from tintype.tiling import Box, held_out, tiles


class Cut(NamedTuple):
    """A part of a picture that becomes a record: uint8 RGB `pixels`, from `box`, or a changed copy of it."""

    split: str
    box: Box
    pixels: np.ndarray
    copy: int = 0


@dataclass
class Done:
    """What became of a chunk: rows of the index, and pictures left out with the reason."""

    rows: list[dict] = field(default_factory=list)
    rejected: list[dict] = field(default_factory=list)


def prepare_chunk(
    number: int, pictures: list[dict], raw: Path, out: Path, layout: str, settings, seed: int
) -> Done:
    """Write the shards of one chunk of the manifest's pictures into `out`; no other chunk matters to it.

    A picture that can't be used is named in the result with its reason, and the rest goes on.
    """
    done = Done()
    shards: dict[str, tuple[list[np.ndarray], list[dict]]] = {}
    for picture in pictures:
        try:
            rgb = _read(raw, picture)
            cuts = list(_tiles(rgb, picture, settings, seed) if layout == "tiles" else _whole(rgb))
        except UnreadablePicture as error:
            done.rejected.append({"path": picture["path"], "reason": str(error)})
            continue
        for cut in cuts:
            records, rows = shards.setdefault(cut.split, ([], []))
            records.append(_record(cut.pixels, settings.grey))
            where = {"left": cut.box.left, "top": cut.box.top, "copy": cut.copy}
            rows.append({"split": cut.split, "photograph": picture["path"], **where})
    for split, (records, rows) in shards.items():
        done.rows += store.write_shard(out, f"{split}-{number:05d}.npy", records, rows)
    return done


def unlisted(raw: Path, pictures: list[dict]) -> list[dict]:
    """Files under `raw` that the manifest doesn't name, as rejected pictures: every file is accounted for."""
    listed = {picture["path"] for picture in pictures} | {"manifest.csv"}
    found = sorted(path.relative_to(raw).as_posix() for path in raw.rglob("*") if path.is_file())
    return [{"path": path, "reason": "not named in manifest.csv"} for path in found if path not in listed]


def summary(folder: Path, rows: list[dict], rejected: int) -> dict:
    """Counts per split; mean Lab and the histogram of 8-bit ab of the training split (else of all).

    `ab_histogram` lists [a, b, pixels] for each value that occurs, in ab units: the prior of class
    rebalancing.
    """
    splits = list(dict.fromkeys(row["split"] for row in rows))
    counted = store.Split(folder, "train" if "train" in splits else splits[0])
    histogram = counted.ab_histogram()
    total, pixels = np.zeros(3), int(histogram.sum())
    for number in range(len(counted)):
        lab = bytes_to_lab(torch.as_tensor(counted[number][1:]))
        total += lab.sum(dim=(1, 2), dtype=torch.float64).numpy()
    occurring = [[int(a) - 128, int(b) - 128, int(histogram[a, b])] for a, b in np.argwhere(histogram)]
    return {
        "records": {split: sum(row["split"] == split for row in rows) for split in splits},
        "photographs": len({row["photograph"] for row in rows}),
        "rejected": rejected,
        "mean_lab": [round(float(value), 6) for value in total / pixels],
        "pixels": pixels,
        "ab_histogram": occurring,
    }


def _read(raw: Path, picture: dict) -> np.ndarray:
    """The picture as uint8 RGB (H, W, 3), if its bytes are those of the manifest."""
    path = raw / picture["path"]
    if not path.is_file():
        raise UnreadablePicture("the file is missing")
    rgb = decode(path)
    if sha256(path) != picture["sha256"]:
        raise UnreadablePicture("the file's bytes are not those of the manifest (sha256 differs)")
    return rgb


def _tiles(rgb: np.ndarray, picture: dict, settings, seed: int) -> Iterator[Cut]:
    """The tiles of every split, changed copies of training tiles, and each test region in one piece."""
    size, split, augment = settings.tiles.side, settings.tiles.split, settings.tiles.augment
    height, width = rgb.shape[:2]
    whole = Box(0, 0, width, height)
    if min(width, height) < size:
        raise UnreadablePicture(f"{width} x {height} pixels are less than one {size}-pixel tile")
    # Keyed by content, not by position, so that a picture more or less changes nothing for the others.
    key = int(picture["sha256"][:16], 16)
    out = {"val": [], "test": []}
    # Where another picture shows the same scene, what is held out here could be training there.
    if not picture["shared_scene"]:
        out = held_out(width, height, split.cell, split.val, split.test, np.random.default_rng([seed, key]))

    kept_away = [region.grown(split.margin) for regions in out.values() for region in regions]
    training = (
        box for box in tiles(whole, size, settings.tiles.stride) if not any(map(box.touches, kept_away))
    )
    changes = augment.model_dump(exclude={"copies"})
    for number, box in enumerate(training):
        yield Cut("train", box, box.cut(rgb))
        for copy in range(1, augment.copies + 1):
            rng = np.random.default_rng([seed, key, number, copy])
            yield Cut("train", box, changed_tile(rgb, box, kept_away, rng, **changes), copy)
    for name, regions in out.items():
        for region in regions:
            yield from (Cut(name, box, box.cut(rgb)) for box in tiles(region, size, size))
    yield from (Cut("test_region", region, region.cut(rgb)) for region in out["test"])


def _whole(rgb: np.ndarray) -> Iterator[Cut]:
    yield Cut("all", Box(0, 0, rgb.shape[1], rgb.shape[0]), rgb)


def _record(rgb: np.ndarray, grey: str) -> np.ndarray:
    """uint8 RGB (H, W, 3) to a record of the store, uint8 (4, H, W)."""
    picture = torch.from_numpy(rgb.astype(np.float32) / 255).permute(2, 0, 1)[None]
    lab = lab_to_bytes(rgb_to_lab(picture))
    plane = (grey_plane(picture, grey) * 2.55).round().clamp(0, 255).to(torch.uint8)
    return torch.cat([plane, lab], dim=1)[0].numpy()
