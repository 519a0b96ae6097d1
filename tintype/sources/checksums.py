"""What a fetched file must be: as `params.yaml` says, or as `checksums.csv` has it from the first fetch."""

import csv
import re
from pathlib import Path
from typing import NamedTuple

import pooch
from filelock import FileLock

from tintype.console import UserError
from tintype.files import new_file, project_root

NAME = "checksums.csv"  # in the project's folder, to be committed
_COLUMNS = ["url", "bytes", "sha256"]


class Expected(NamedTuple):
    url: str
    size: int | None  # bytes
    checksum: str | None  # "sha256:" or "md5:" and hexadecimal digits
    remedy: str  # what to do about a file that is something else


def expected(url: str, checksum: str | None, size: int | None) -> Expected:
    """What the file must be: `checksum` and `size`, or without a checksum what is recorded, if anything.

    Raises UserError when `size` is not what is recorded, or the record cannot be read.
    """
    if checksum or url not in (records := _read()):
        return Expected(url, size, checksum, "correct `url`, `bytes` or `checksum`, whichever is wrong")
    recorded, digest = records[url]
    if size not in (None, recorded):
        raise UserError(f"{url}: `bytes` is {size}, but {NAME} has {recorded}; correct one of them")
    remedy = (
        f"{NAME} has that from the first fetch, so the publisher's file has changed; delete its line there "
        f"if the new file is wanted"
    )
    return Expected(url, recorded, f"sha256:{digest}", remedy)


def verify(path: Path, wanted: Expected) -> None:
    """Raise UserError unless the file is what is expected; record what it is where nothing is yet."""
    size = path.stat().st_size
    if wanted.size not in (None, size):
        raise wrong_size(str(size), wanted)
    algorithm = (wanted.checksum or "sha256:").partition(":")[0]
    found = f"{algorithm}:{pooch.file_hash(path, alg=algorithm)}"
    if wanted.checksum is None:
        _record(wanted.url, size, found)
    elif found != wanted.checksum:
        raise UserError(f"{wanted.url}: found {found}, expected {wanted.checksum}; {wanted.remedy}")


def wrong_size(found: str, wanted: Expected) -> UserError:
    """The error for a file of another size, `found` in words."""
    return UserError(f"{wanted.url}: found {found} bytes, expected {wanted.size}; {wanted.remedy}")


def _read() -> dict[str, tuple[int, str]]:
    path = project_root() / NAME
    if not path.exists():
        return {}
    found: dict[str, tuple[int, str]] = {}
    with open(path, encoding="utf-8", newline="") as file:
        for number, row in enumerate(csv.reader(file), start=1):
            if number == 1 and row == _COLUMNS:
                continue
            fits = len(row) == 3 and re.fullmatch("[0-9]+", row[1]) and re.fullmatch("[0-9a-f]{64}", row[2])
            if number == 1 or not fits or row[0] in found:
                raise UserError(
                    f"{path}: line {number} is {','.join(row)!r}; line 1 must be {','.join(_COLUMNS)}, and "
                    f"each other one have these three, of an address that no other line has"
                )
            found[row[0]] = int(row[1]), row[2]
    return found


def _record(url: str, size: int, checksum: str) -> None:
    downloads = project_root() / "data" / "downloads"
    downloads.mkdir(parents=True, exist_ok=True)
    with FileLock(downloads / ".lock"), new_file(project_root() / NAME) as unfinished:
        records = _read() | {url: (size, checksum.removeprefix("sha256:"))}
        with open(unfinished, "w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(_COLUMNS)
            writer.writerows((url, size, digest) for url, (size, digest) in sorted(records.items()))
