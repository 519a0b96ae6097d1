"""Photographs of Open Images (Kuznetsova et al., IJCV 2020), fetched one by one, each by its id.

What has come stays in `data/downloads/open_images/`, whatever becomes of the run: the next one asks only for
what is missing. The folder is not the stage's output, so that a change of settings fetches nothing twice.
"""

import contextlib
import csv
import hashlib
import heapq
import itertools
import os
import queue
import re
import threading
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import requests
from requests.adapters import HTTPAdapter

from tintype import images
from tintype.console import UserError
from tintype.files import new_file, project_root
from tintype.progress import progress
from tintype.sources import manifest, transfer

DOWNLOADS = "data/downloads/open_images"  # from the project
LICENCE = "CC BY 2.0, as listed by Open Images"  # which does not vouch for it
THREADS = 16
TIMEOUT = (5, 15)  # seconds to connect, and without a byte
WAITS = (0.5, 1, 2, 4)  # seconds before another attempt, where the server or the connection failed
MAX_BYTES = 100_000_000  # of a picture

_ID = re.compile("[A-Za-z0-9_-]{1,64}")  # 16 hex digits so far; whatever it is, it becomes the name of a file
_SUBSETS = ("train", "validation", "test", "challenge2018")


class _Failed(Exception):
    """A file that could not be fetched. The message is a short reason."""


def gather(settings: Any, out: Path) -> str:
    """Fetch `settings.count` pictures and list them in `out/manifest.csv`; return the counts in words.

    - `settings.ids`: the list to choose from, a file or an address: one of the official tables with a column
      ImageID, of which rows of another Subset than `settings.split` don't count; or lines such as
      `train/000002b66c9c498e`, as the official downloader takes them.
    - `settings.pick`: "first" or "last" of the list; or "sample", those whose ids have the lowest SHA-256, so
      that a larger `count` adds pictures and takes none away.
    - A picture is fetched from `BASE/SPLIT/ID.jpg`. What could not be had is in `left_out.csv`.

    Raises UserError for a list that is missing, wrong or too short, and as soon as a larger share of the
    pictures than `settings.max_failures` could not be had.
    """
    # By address, so that what another server sent is never taken for this one's.
    place = f"{DOWNLOADS}/{_sha256(settings.base)[:12]}/{settings.split}"
    base = f"{settings.base.rstrip('/')}/{settings.split}"
    chosen = sorted((f"{identity[:2]}/{identity}.jpg", identity) for identity in _chosen(settings))
    wanted = {
        f"{base}/{identity}.jpg": project_root() / place / path
        for path, identity in chosen
        if not (project_root() / place / path).is_file()
    }
    failed = _fetch_all(wanted, settings)

    def pictures() -> Iterator[manifest.Picture]:
        for path, identity in progress(chosen, "list", "pictures"):
            url = f"{base}/{identity}.jpg"
            if url not in failed:
                data = (project_root() / place / path).read_bytes()
                yield manifest.Picture(
                    path=path,
                    **manifest.about(data),
                    source=url,
                    licence=LICENCE,
                    group=identity,
                    place=place,
                )

    return manifest.write(out, pictures(), [(PurePosixPath(url).name, why) for url, why in failed.items()])


def _chosen(settings: Any) -> list[str]:
    path = _list_file(settings.ids)
    ids = list(dict.fromkeys(_ids(path, settings.split)))
    if len(ids) < settings.count:
        raise UserError(
            f"count: {settings.count} pictures are asked for, but {path} lists {len(ids)} of the split "
            f"{settings.split}; ask for fewer, or name another list"
        )
    if settings.pick == "first":
        return ids[: settings.count]
    if settings.pick == "last":
        return ids[-settings.count :]
    return heapq.nsmallest(settings.count, ids, key=_sha256)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _list_file(ids: str) -> Path:
    if not re.match("https?:", ids):
        path = project_root() / os.path.expanduser(ids)
        if not path.is_file():
            raise UserError(f"ids: {path}: no such file; name a list of ids, or the address of one")
        return path
    return transfer.fetch(ids, checksum=None, size=None)


def _ids(path: Path, split: str) -> Iterator[str]:
    """The ids in a list that belong to a split, in their order; an id may come more than once."""
    with open(path, encoding="utf-8-sig", errors="replace", newline="") as file:
        reader = csv.reader(file)
        try:
            head = next(reader, [])
            rows, subset = reader, head.index("Subset") if "Subset" in head else None
            column = next((i for i, name in enumerate(head) if name in ("ImageID", "image_id")), None)
            if column is None and len(head) > 1:
                raise _unusable(path, f"no column is called ImageID; there is {', '.join(head)[:200]}")
            if column is None:  # not a head, but the first of the lines
                rows, subset, column = itertools.chain([head], reader), None, 0
            for row in rows:
                if not "".join(row).strip():
                    continue
                try:
                    named, _, identity = row[column].strip().removesuffix(".jpg").rpartition("/")
                    of = named or (split if subset is None else row[subset])
                except IndexError:
                    raise _unusable(path, f"line {reader.line_num} ends too early") from None
                if named not in ("", *_SUBSETS) or not _ID.fullmatch(identity):
                    found = f"line {reader.line_num}: {row[column][:80]!r} names no picture"
                    raise _unusable(path, f"{found}; 000002b66c9c498e would, or train/000002b66c9c498e")
                if of == split:
                    yield identity
        except csv.Error as error:
            raise _unusable(path, f"line {reader.line_num} is no line of a table: {error}") from None


def _unusable(path: Path, problem: str) -> UserError:
    return UserError(
        f"ids: {path}: {problem}; if there is a better list, delete its line in checksums.csv, if any"
    )


def _fetch_all(wanted: dict[str, Path], settings: Any) -> dict[str, str]:
    """Fetch the addresses into their files; return the reason for each that failed.

    Raises UserError when too many failed.
    """
    failed: dict[str, str] = {}
    todo, done, stop = queue.SimpleQueue(), queue.SimpleQueue(), threading.Event()
    for url in wanted:
        todo.put(url)

    def work() -> None:
        while not stop.is_set() and not todo.empty():
            with contextlib.suppress(queue.Empty):  # another thread was faster
                url = todo.get_nowait()
                try:
                    done.put((url, _fetch(url, wanted[url], session, stop)))
                except Exception as error:  # noqa: BLE001  the main thread raises it
                    done.put((url, error))

    with requests.Session() as session:
        for scheme in ("http://", "https://"):
            session.mount(scheme, HTTPAdapter(pool_maxsize=THREADS))
        # Daemons, so that Ctrl-C need not wait for those that wait for a server.
        names = [f"fetch {number}" for number in range(min(THREADS, len(wanted)))]
        threads = [threading.Thread(target=work, name=name, daemon=True) for name in names]
        for thread in threads:
            thread.start()
        try:
            for _ in progress(range(len(wanted)), "fetch", "pictures"):
                url, error = done.get()
                if isinstance(error, _Failed):
                    failed[url] = str(error)
                elif error:
                    raise error
                if len(failed) / settings.count > settings.max_failures or len(failed) == settings.count:
                    raise _too_many(failed, settings)
        finally:
            stop.set()
            for thread in threads:
                thread.join(0.1)  # time to clear away what it has half written
    return failed


def _too_many(failed: dict[str, str], settings: Any) -> UserError:
    first = "; ".join(f"{url}: {why}" for url, why in itertools.islice(failed.items(), 3))
    return UserError(
        f"max_failures: {len(failed)} of {settings.count} pictures could not be fetched, and a share of "
        f"{settings.max_failures} may fail: {first}. What has come stays in {project_root() / DOWNLOADS}; "
        f"the next run fetches the rest"
    )


def _fetch(url: str, path: Path, session: requests.Session, stop: threading.Event) -> None:
    """Fetch a picture, with further attempts where that may help. Raises _Failed."""
    for wait in (*WAITS, None):
        try:
            with session.get(url, stream=True, timeout=TIMEOUT) as response:
                if response.status_code == requests.codes.ok:
                    return _save(response, path, stop)
                why = f"HTTP {response.status_code} {response.reason}"
                passing = response.status_code >= 500 or response.status_code == requests.codes.too_many
        except requests.RequestException as error:
            why = f"no whole answer: {type(error).__name__}"
            passing = isinstance(
                error, requests.ConnectionError | requests.Timeout | requests.exceptions.ChunkedEncodingError
            )
        if not passing or wait is None:
            raise _Failed(why)
        if stop.wait(wait):
            raise _Failed("stopped")


def _save(response: requests.Response, path: Path, stop: threading.Event) -> None:
    with new_file(path) as unfinished:
        with open(unfinished, "wb") as file:
            for chunk in response.iter_content(2**16):
                file.write(chunk)
                if stop.is_set():
                    raise _Failed("stopped")
                if file.tell() > MAX_BYTES:
                    raise _Failed(f"more than {MAX_BYTES:,} bytes")
        # A page that says "please log in", kept under a picture's name, would never be fetched again.
        with open(unfinished, "rb") as file:
            if images.dimensions(file) == (0, 0):
                raise _Failed("what came is no picture")
