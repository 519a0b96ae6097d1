"""One picture of a manifest to the records it becomes: by layout, tiles of it, a square, or all of it."""

import hashlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tintype import color_table, duplicates, store
from tintype.augment import changed_tile
from tintype.console import UserError
from tintype.images import UnreadablePicture, decode
from tintype.outlines import METHODS, outlines
from tintype.resizing import resized
from tintype.sources import places
from tintype.sources.manifest import Picture
from tintype.tiling import Box, held_out, tiles

ORDER = {"test": 0, "val": 1, "train": 2}  # of two pictures that look alike, the one of the lower order stays
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

    cuts: list[Cut]
    signature: tuple[int, np.ndarray]
    order: int


def cut(
    picture: Picture, alone: bool, raw: Path, layout: Any, tables: Path, max_pixels: int, seed: int
) -> Found:
    """The records of one picture.

    alone: whether no other picture of the manifest shows its scene. layout: the section of params.yaml.
    tables: the folder with the colour tables (`color_table`). Raises Rejected, and UnreadablePicture.
    """
    if layout.layout != "whole":
        _refuse_small(picture, layout.filters.min_side)
    look = _Look(tables)
    if layout.layout == "squares":
        return _square(picture, raw, layout, look, max_pixels, seed)
    if picture.colour_side or picture.input:
        raise UserError(
            f"{picture.path}: has a drawing to be coloured, and layout {layout.layout} is for photographs "
            f"alone; set prepare.photos.layout: squares"
        )
    rgb = decode(io.BytesIO(_bytes(picture, raw)), max_pixels)
    signature = duplicates.signature(rgb)
    if layout.layout == "whole":
        box = Box(0, 0, rgb.shape[1], rgb.shape[0])
        return Found([Cut("all", box, look.record(rgb, layout.input))], signature, 0)
    _refuse_grey(look.record(rgb, "lab"), layout.filters.min_chroma)
    return Found(list(_tiles(rgb, picture, alone, layout, look, seed)), signature, 0)


def conversions(layout: Any) -> set[str]:
    """The colour tables that a layout needs."""
    used = {layout.input} if layout.layout == "whole" else {layout.input.training, layout.input.test}
    return {"lab", *used} - set(METHODS)


class _Look:
    """Pictures to records, through the colour tables in a folder."""

    def __init__(self, tables: Path) -> None:
        self.tables = tables

    def record(self, rgb: np.ndarray, conversion: str) -> np.ndarray:
        """uint8 RGB (H, W, 3) to a record of the store, uint8 (4, H, W)."""
        drawn = conversion in METHODS
        table = color_table.read(self.tables / f"{'lab' if drawn else conversion}.npy")
        record = color_table.planes(rgb, table)
        if drawn:
            record[0] = np.round(outlines(record[0] / np.float32(2.55), conversion) * 2.55)
        return record


def _bytes(picture: Picture, raw: Path) -> bytes:
    """The picture's file, if it is the one of the manifest."""
    data = places.read(places.find(raw, picture.place), picture.path, picture.offset, picture.bytes)
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


def _square(picture: Picture, raw: Path, layout: Any, look: _Look, max_pixels: int, seed: int) -> Found:
    """The picture as one square; its split follows from its group alone, so that it never changes."""
    side = layout.side
    drawn = _drawn(f"{seed}:{picture.group or picture.path}", layout.split.val, layout.split.test)
    split = picture.split or drawn
    conversion = layout.input.test if split == "test" else layout.input.training
    halves = 2 if picture.colour_side else 1
    data = _bytes(picture, raw)
    rgb = decode(io.BytesIO(data), max_pixels, (side * halves, side))
    drawing = None
    if picture.colour_side:
        left, right = rgb[:, : rgb.shape[1] // 2], rgb[:, rgb.shape[1] // 2 :]
        rgb, drawing = (left, right) if picture.colour_side == "left" else (right, left)
        if not left.size:
            raise Rejected("too small", "one pixel wide, which makes no two halves")
    elif picture.input:
        data = places.read(places.find(raw, picture.place), picture.input)
        _refuse_changed(data, picture.input_sha256)
        drawing = decode(io.BytesIO(data), max_pixels, (side, side))
    rgb = _fitted(rgb, side, layout.fit)
    record = look.record(rgb, conversion if drawing is None else "lab")
    if drawing is not None:
        record[0] = look.record(_fitted(drawing, side, layout.fit), "lab")[0]
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


def _drawn(key: str, val: float, test: float) -> str:
    drawn = int(hashlib.sha256(key.encode()).hexdigest()[:16], 16) / 2**64
    return "test" if drawn < test else "val" if drawn < test + val else "train"


def _tiles(
    rgb: np.ndarray, picture: Picture, alone: bool, layout: Any, look: _Look, seed: int
) -> Iterator[Cut]:
    """The tiles of every split, changed copies of training tiles, and each test region in one piece."""
    side, split, augment = layout.side, layout.split, layout.augment
    height, width = rgb.shape[:2]
    whole = Box(0, 0, width, height)
    if min(width, height) < side:
        raise Rejected("too small", f"{width} x {height} pixels are less than one {side}-pixel tile")
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
        yield Cut("train", box, look.record(box.cut(rgb), layout.input.training))
        for copy in range(1, augment.copies + 1):
            rng = np.random.default_rng([seed, key, number, copy])
            changed = changed_tile(rgb, box, kept_away, rng, **changes)
            yield Cut("train", box, look.record(changed, layout.input.training), copy)
    for name, regions in out.items():
        conversion = layout.input.test if name == "test" else layout.input.training
        for region in regions:
            for box in tiles(region, side, side):
                yield Cut(name, box, look.record(box.cut(rgb), conversion))
    for region in out["test"]:
        yield Cut("test_region", region, look.record(region.cut(rgb), layout.input.test))
