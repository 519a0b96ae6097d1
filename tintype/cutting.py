"""One picture of a manifest to the records it becomes: by layout, tiles of it, a square, or all of it."""

import hashlib
import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tintype import color_table, duplicates, store
from tintype.augment import changed_tile
from tintype.images import UnreadablePicture, decode
from tintype.outlines import METHODS, outlines
from tintype.resizing import resized
from tintype.sources import places
from tintype.sources.manifest import Picture
from tintype.tiling import Box, held_out, tiles

# Of two pictures that look alike, the one of the lower order stays.
ORDER = {"test": 0, "test_conditions": 1, "val": 2, "train": 3}
# The chroma of each 8-bit ab value, at 256 (a + 128) + b + 128.
_CHROMA = np.hypot(*np.meshgrid(*[np.arange(256) - 128.0] * 2)).astype(np.float32).reshape(-1)


class Rejected(Exception):
    """A picture that is not taken: `kind` is counted, the message is the reason."""

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind


class Cut(NamedTuple):
    """A part of a picture that becomes a record, uint8 (4, H, W), from `box`, or a changed copy of it."""

    split: str
    box: Box
    record: np.ndarray
    copy: int = 0


class Found(NamedTuple):
    """What a picture becomes, its signature (`duplicates`), and its order among those that look alike."""

    cuts: Iterable[Cut]  # made one by one: all tiles of a large photograph would fill the memory
    signature: tuple[int, np.ndarray]
    order: int


class Job(NamedTuple):
    """What all tasks of a run of prepare have in common."""

    out: Path  # the store that is being written
    tables: Path  # the folder with the colour tables (`color_table`) of `conversions(layout)`
    layout: Any  # the section of params.yaml: Tiles, Squares or Whole
    max_pixels: int
    seed: int


def cut(picture: Picture, alone: bool, job: Job) -> Found:
    """The records of one picture.

    picture: of the manifest, with the whole path of its `place`. alone: whether no other one shows its scene.
    Raises Rejected, and UnreadablePicture.
    """
    layout = job.layout
    if layout.layout != "whole":
        _refuse_small(picture, layout.filters.min_side)
    if layout.layout == "squares":
        return _square(picture, job)
    rgb = decode(io.BytesIO(_bytes(picture)), job.max_pixels)
    signature = duplicates.signature(rgb)
    if layout.layout == "whole":
        box = Box(0, 0, rgb.shape[1], rgb.shape[0])
        return Found([Cut("all", box, _record(rgb, layout.input, job))], signature, 0)
    _refuse_grey(_record(rgb, "lab", job), layout.filters.min_chroma)
    height, width, _ = rgb.shape
    if min(width, height) < layout.side:
        raise Rejected("too small", f"{width} x {height} pixels are less than one {layout.side}-pixel tile")
    return Found(_tiles(rgb, picture, alone, job), signature, ORDER[picture.split or "train"])


def conversions(layout: Any) -> set[str]:
    """The colour tables that a layout needs."""
    used = {layout.input} if layout.layout == "whole" else {layout.input.training, layout.input.test}
    return {"lab", *used} - set(METHODS)


def _record(rgb: np.ndarray, conversion: str, job: Job) -> np.ndarray:
    """uint8 RGB (H, W, 3) to a record of the store, uint8 (4, H, W)."""
    drawn = conversion in METHODS
    record = color_table.planes(rgb, color_table.read(job.tables / f"{'lab' if drawn else conversion}.npy"))
    if drawn:
        record[0] = np.round(outlines(record[0] / np.float32(2.55), conversion) * 2.55)
    return record


def _bytes(picture: Picture) -> bytes:
    """The picture's file, if it is the one of the manifest."""
    data = places.read(Path(picture.place), picture.path, picture.offset, picture.bytes)
    _refuse_changed(data, picture.sha256)
    return data


def _refuse_changed(data: bytes, digest: str) -> None:
    if hashlib.sha256(data).hexdigest() != digest:
        raise UnreadablePicture("the file's bytes are not those of the manifest (sha256 differs)")


def _refuse_small(picture: Picture, least: int) -> None:
    # 0 x 0 are those whose head could not be read: decoding will tell why.
    if 0 < min(picture.width, picture.height) < least:
        reason = f"{picture.width} x {picture.height} pixels: filters.min_side is {least}"
        raise Rejected("too small", reason)


def _refuse_grey(record: np.ndarray, least: float) -> None:
    chroma = float(_CHROMA.take(store.ab_codes(record)).mean(dtype=np.float64))
    if chroma < least:
        raise Rejected("grey", f"mean chroma {chroma:.2f}: filters.min_chroma is {least:g}")


def _square(picture: Picture, job: Job) -> Found:
    """The picture as one square; its split follows from its group and condition, not from other pictures."""
    layout, side = job.layout, job.layout.side
    split = picture.split or _drawn(f"{job.seed}:{picture.group or picture.path}", layout.split)
    if split == "train" and _held_out(picture.condition, job):
        split = "test_conditions"
    conversion = layout.input.test if split.startswith("test") else layout.input.training
    halves = 2 if picture.colour_side else 1
    rgb = decode(io.BytesIO(_bytes(picture)), job.max_pixels, (side * halves, side))
    drawing = None
    if picture.colour_side:
        half = rgb.shape[1] // 2  # of an odd width, which shrinking may give, the middle belongs to neither
        if not half:
            raise Rejected("too small", "one pixel wide, which makes no two halves")
        left, right = rgb[:, :half], rgb[:, -half:]
        rgb, drawing = (left, right) if picture.colour_side == "left" else (right, left)
    elif picture.input:
        data = places.read(Path(picture.place), picture.input)
        _refuse_changed(data, picture.input_sha256)
        drawing = decode(io.BytesIO(data), job.max_pixels, (side, side))
    rgb = _fitted(rgb, side, layout.fit)
    record = _record(rgb, conversion if drawing is None else "lab", job)
    if drawing is not None:
        record[0] = _record(_fitted(drawing, side, layout.fit), "lab", job)[0]
    _refuse_grey(record, layout.filters.min_chroma)
    box = Box(0, 0, side, side)
    return Found([Cut(split, box, record)], duplicates.signature(rgb), ORDER[split])


def _fitted(rgb: np.ndarray, side: int, fit: str) -> np.ndarray:
    if fit == "crop":
        height, width, _ = rgb.shape
        least = min(height, width)
        top, left = (height - least) // 2, (width - least) // 2
        rgb = rgb[top : top + least, left : left + least]
    return resized(rgb, side, side)


def _held_out(condition: str, job: Job) -> bool:
    """Whether no training picture may have this condition; one that depends on nothing is never held out."""
    return bool(condition) and _fraction(f"{job.seed}:condition:{condition}") < job.layout.split.conditions


def _drawn(key: str, shares: Any) -> str:
    drawn = _fraction(key)
    if drawn < shares.test:
        return "test"
    return "val" if drawn < shares.test + shares.val else "train"


def _fraction(key: str) -> float:
    """A number in [0, 1) that follows from a text, and over many texts is uniform."""
    return int(hashlib.sha256(key.encode()).hexdigest()[:16], 16) / 2**64


def _tiles(rgb: np.ndarray, picture: Picture, alone: bool, job: Job) -> Iterator[Cut]:
    """The tiles of every split, changed copies of training tiles, and each test region in one piece."""
    layout, seed = job.layout, job.seed
    side, split, augment = layout.side, layout.split, layout.augment
    height, width = rgb.shape[:2]
    whole = Box(0, 0, width, height)
    # Keyed by content, not by position, so that a picture more or less changes nothing for the others.
    key = int(picture.sha256[:16], 16)
    out = {"val": [], "test": []}
    if picture.split == "test":
        out["test"] = [whole]
    # Where another picture shows the same scene, what is held out here could be training there.
    elif alone:
        out = held_out(width, height, split.cell, split.val, split.test, np.random.default_rng([seed, key]))

    kept_away = [region.grown(split.margin) for regions in out.values() for region in regions]
    training = (box for box in tiles(whole, side, layout.stride) if not any(map(box.touches, kept_away)))
    changes = augment.model_dump(exclude={"copies"})
    for number, box in enumerate(training):
        yield Cut("train", box, _record(box.cut(rgb), layout.input.training, job))
        for copy in range(1, augment.copies + 1):
            rng = np.random.default_rng([seed, key, number, copy])
            changed = changed_tile(rgb, box, kept_away, rng, **changes)
            yield Cut("train", box, _record(changed, layout.input.training, job), copy)
    for name, regions in out.items():
        conversion = layout.input.test if name == "test" else layout.input.training
        for region in regions:
            for box in tiles(region, side, side):
                yield Cut(name, box, _record(box.cut(rgb), conversion, job))
    for region in out["test"]:
        yield Cut("test_region", region, _record(region.cut(rgb), layout.input.test, job))
