"""From picture files to a shard of the store: what one worker does, and what is put together at the end."""

import csv
import hashlib
import heapq
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tintype import cutting, duplicates, store
from tintype.conditions import Vocabulary
from tintype.console import UserError
from tintype.cutting import Job
from tintype.files import sha256
from tintype.images import SUFFIXES, UnreadablePicture
from tintype.sources import manifest
from tintype.sources.manifest import Picture

PARTS = "parts"  # in the unfinished store: tasks leave their rows there, tables are shared from there
REJECTED = ["number", "path", "kind", "reason"]


class Survey(NamedTuple):
    """What has to be known of all pictures before the first is read."""

    pictures: int
    together: set[str]  # groups that several pictures share
    vocabulary: Vocabulary


class Task(NamedTuple):
    """The pictures of one shard: (picture, whether no other picture shows its scene)."""

    number: int
    first: int  # of its pictures, the place in the manifest
    pictures: list[tuple[Picture, bool]]


class Done(NamedTuple):
    """What the caller has to know of a task: little, for there may be thousands."""

    name: str
    sha256: str  # of the shard
    histogram: np.ndarray  # of the pixels that summary.json is to count, by ab: int64 (65536,)
    lightness: int  # sum of their 8-bit L
    taken: np.ndarray  # a row per picture that was taken, of type `TAKEN`


TAKEN = np.dtype([
    ("number", np.int64),  # its place in the manifest
    ("order", np.uint8),  # of two that look alike, the one with the lower order stays
    ("group", np.uint64),
    ("digest", np.uint64, 2),
    ("hash", np.uint64),
    ("thumbnail", np.uint8, 48),
])  # fmt: skip


class Totals:
    """What is kept of all tasks: some hundred bytes for each picture, whatever its size."""

    def __init__(self) -> None:
        self.shards: dict[str, str] = {}  # name: sha256
        self.histogram = np.zeros(2**16, np.int64)
        self.lightness = 0
        self.taken: list[np.ndarray] = []  # one for each task that took any

    def add(self, done: Done) -> None:
        """Take in the result of a task."""
        self.shards[done.name] = done.sha256
        self.histogram += done.histogram
        self.lightness += done.lightness
        self.taken += [done.taken] if len(done.taken) else []


def survey(raw: Path, layout: str) -> Survey:
    """Look through a manifest.

    Raises UserError for a picture that lacks a condition which others have, and for one with a drawing where
    `layout` (the name) is not squares.
    """
    groups, conditions, count = Counter(), {}, 0
    for picture in manifest.read(raw):
        count += 1
        if layout != "squares" and (picture.colour_side or picture.input):
            raise UserError(
                f"{raw}: {picture.path} has a drawing to be coloured, and layout {layout} is for photographs "
                f"alone; set prepare.photos.layout: squares"
            )
        conditions.setdefault(picture.condition, picture.path)
        # Only tiles of one scene could part: there are few such pictures.
        if layout == "tiles" and picture.group:
            groups[picture.group] += 1
    vocabulary = Vocabulary.of(conditions)
    for condition, path in conditions.items():
        try:
            vocabulary.one_hot(condition)
        except UserError as error:
            raise UserError(f"{path}: {error}") from None
    return Survey(count, {group for group, several in groups.items() if several > 1}, vocabulary)


def prepare_shard(task: Task, job: Job) -> Done:
    """Write one shard into `job.out`, and its rows of the index and of the rejected pictures into PARTS.

    A picture that can't be used is named there with its reason, and the rest goes on.
    """
    rows, rejected, taken = [], [], []
    histogram, lightness = store.AbHistogram(), 0

    def records() -> Iterator[np.ndarray]:
        nonlocal lightness
        for number, (picture, alone) in enumerate(task.pictures, start=task.first):
            try:
                found = cutting.cut(picture, alone, job)
            except cutting.Rejected as error:
                rejected.append((number, picture.path, error.kind, str(error)))
                continue
            except UnreadablePicture as error:
                rejected.append((number, picture.path, "unreadable", str(error)))
                continue
            about = (picture.path, picture.group, picture.label, picture.condition)
            for cut in found.cuts:
                _, height, width = cut.record.shape
                rows.append((number, cut.split, *about, cut.box.left, cut.box.top, cut.copy, width, height))
                if counted(cut.split):
                    histogram.add(cut.record)
                    lightness += _lightness(cut.record)
                yield cut.record
            group = _numbers(picture.group or picture.path)
            content = _numbers(picture.sha256 + picture.input_sha256)
            taken.append((number, found.order, group[0], content[:2], *found.signature))

    name = f"{task.number:07d}.bin"
    offsets, digest = store.write_shard(job.out, name, records())
    placed = ((*row, name, offset) for row, offset in zip(rows, offsets, strict=True))
    store.write_csv(_part(job.out, task.number, "index"), ["number", *store.COLUMNS], placed)
    store.write_csv(_part(job.out, task.number, "rejected"), REJECTED, rejected)
    return Done(name, digest, histogram.total(), lightness, np.array(taken, TAKEN))


def counted(split: str) -> bool:
    """Whether the summary's histogram and mean count a split: training, or all where nothing is split."""
    return split in ("train", "all")


def find_duplicates(taken: np.ndarray, bits: int | None) -> dict[int, tuple[int, str, str]]:
    """Pictures to leave out (by number): the number of the one they resemble, the kind, and how.

    taken: rows of type `TAKEN`; bits: in which hashes of pictures that look alike may differ, None not to
    look. Those in the test split go first, then those of held-out conditions, validation and training,
    each in the manifest's order; a picture is left out when one that goes before it looks like it, whether or
    not that one stays itself. So training sees nothing like what is held out, and no picture ever changes its
    split.
    """
    taken = taken[np.lexsort((taken["number"], taken["order"]))]
    left_out = {}
    if bits is not None:
        first = duplicates.alike(taken["hash"], taken["thumbnail"], taken["group"], bits)
        left_out |= _named(taken, first, "near duplicate", "looks like")
    return left_out | _named(taken, duplicates.same(taken["digest"]), "duplicate", "is the same file as")


def assemble(
    job: Job,
    raw: Path,
    totals: Totals,
    vocabulary: Vocabulary,
    left_out: dict[int, tuple[int, str, str]],
    more: list[tuple[str, str, str]],
) -> dict:
    """Join what the tasks left in PARTS into the store's tables; returns its summary.

    left_out: what `find_duplicates` found. more: rows (path, kind, reason) for `rejected.csv` beyond those of
    the tasks. A left-out picture's records stay in their shard, unlisted: shards are written once.

    `ab_histogram` in the summary lists [a, b, pixels] for each value that occurs, in ab units: the prior of
    class rebalancing.
    """
    names = _names(raw, left_out)
    removed, lightness = store.AbHistogram(), totals.lightness
    records, rejected = Counter(), Counter()
    conditions = bytearray()

    def kept() -> Iterator[list[str]]:
        nonlocal lightness
        for number, *row in _parts(job.out, "index"):
            listed = dict(zip(store.COLUMNS, row, strict=True))
            if int(number) not in left_out:
                records[listed["split"]] += 1
                conditions.extend(vocabulary.one_hot(listed["condition"]).tobytes())
                yield row
            elif counted(listed["split"]):
                record = store.record(job.out, listed)
                removed.add(record)
                lightness -= _lightness(record)

    def turned_away() -> Iterator[tuple[str, str, str]]:
        tasks = ((int(number), *row) for number, *row in _parts(job.out, "rejected"))
        doubles = ((number, names[number], *why) for number, why in sorted(reasons.items()))
        for _, path, kind, reason in heapq.merge(tasks, doubles, key=lambda row: row[0]):
            rejected[kind] += 1
            yield path, kind, reason
        for path, kind, reason in more:
            rejected[kind] += 1
            yield path, kind, reason

    reasons = {number: (kind, f"{words} {names[first]}") for number, (first, kind, words) in left_out.items()}
    store.write_csv(job.out / store.INDEX, store.COLUMNS, kept())
    store.write_csv(job.out / "rejected.csv", REJECTED[1:], turned_away())
    files = totals.shards | {store.INDEX: sha256(job.out / store.INDEX)}
    if vocabulary.size:
        rows = np.frombuffer(bytes(conditions), np.uint8).reshape(-1, vocabulary.size)
        np.save(job.out / store.CONDITIONS, rows, allow_pickle=False)
        files[store.CONDITIONS] = sha256(job.out / store.CONDITIONS)
    store.write_contents(job.out, files)
    shutil.rmtree(job.out / PARTS)

    histogram = totals.histogram - removed.total()
    pixels = int(histogram.sum())
    if not pixels:
        raise UserError(
            f"{raw}: no picture is left for training ({', '.join(records)} have some); lower the shares "
            f"under prepare.photos.split, or add pictures"
        )
    square = histogram.reshape(256, 256)
    mean_ab = [float((square.sum(axis=axis) * (np.arange(256) - 128)).sum() / pixels) for axis in (1, 0)]
    return {
        "records": {split: records[split] for split in sorted(records)},
        "photographs": sum(map(len, totals.taken)) - len(left_out),
        "rejected": dict(sorted(rejected.items())),
        "conditions": vocabulary.table,
        "mean_lab": [round(value, 6) for value in (lightness / 2.55 / pixels, *mean_ab)],
        "pixels": pixels,
        "ab_histogram": [[int(a) - 128, int(b) - 128, int(square[a, b])] for a, b in np.argwhere(square)],
    }


def rejected(out: Path, most: int) -> list[list[str]]:
    """The first pictures, up to `most`, that tasks rejected: rows (path, kind, reason)."""
    return [row for _, *row in islice(_parts(out, "rejected"), most)]


def unlisted(raw: Path, pictures: Iterable[Picture]) -> list[tuple[str, str, str]]:
    """Pictures in `raw` itself that the manifest doesn't name, as rows of `rejected.csv`."""
    listed = {name for picture in pictures if not picture.place for name in (picture.path, picture.input)}
    found = sorted(path.relative_to(raw).as_posix() for path in raw.rglob("*") if path.is_file())
    named = [path for path in found if Path(path).suffix.lower() in SUFFIXES and path not in listed]
    return [(path, "not listed", "not named in manifest.csv") for path in named]


def _names(raw: Path, left_out: dict[int, tuple[int, str, str]]) -> dict[int, str]:
    wanted = {*left_out, *(first for first, _, _ in left_out.values())}
    listed = enumerate(manifest.read(raw))
    return {number: picture.path for number, picture in listed if number in wanted}


def _parts(out: Path, what: str) -> Iterator[list[str]]:
    for part in sorted((out / PARTS).glob(f"*-{what}.csv")):
        with open(part, encoding="utf-8", newline="") as file:
            rows = csv.reader(file)
            next(rows)
            yield from rows


def _named(taken: np.ndarray, first: np.ndarray, kind: str, words: str) -> dict[int, tuple[int, str, str]]:
    later = np.flatnonzero(first != np.arange(len(first)))
    numbers, originals = taken["number"][later].tolist(), taken["number"][first[later]].tolist()
    return {number: (original, kind, words) for number, original in zip(numbers, originals, strict=True)}


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(np.frombuffer(hashlib.sha256(text.encode()).digest(), "<u8").tolist())


def _lightness(record: np.ndarray) -> int:
    return int(record[1].sum(dtype=np.int64))


def _part(out: Path, number: int, what: str) -> Path:
    return out / PARTS / f"{number:07d}-{what}.csv"
