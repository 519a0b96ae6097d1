"""One large file from the network: verified, kept, and continued where an earlier transfer stopped."""

import hashlib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

import pooch
import requests
import urllib3
from filelock import FileLock

from tintype.console import UserError
from tintype.files import project_root, write_json
from tintype.progress import progress
from tintype.sources import checksums
from tintype.sources.checksums import Expected

RETRIES = 5  # in a row that bring nothing; pooch waits 1 second before the first, 2 before the second, ...
TIMEOUT = (15, 60)  # seconds to connect, and without a byte
_BLOCK = 2**16
_MEGABYTE = 10**6


def fetch(url: str, checksum: str | None, size: int | None) -> Path:
    """Where the whole, verified file of an address lies on this machine.

    - What http: and https: bring is kept in `data/downloads`; as long as the kept file fits, no network is
      needed. A transfer that breaks off, or is stopped or killed, is continued by the next call.
    - A file: address, absolute or from the project's folder (file:data/mine.zip), is used where it is.
    - checksum: "sha256:" or "md5:" and hexadecimal digits. If None, the first fetch adds the file's size and
      SHA-256 to `checksums.csv`, and from then on the file must fit these.
    - size: in bytes; a transfer that brings more is stopped.

    Raises UserError when there is no such file, when its server stays out of reach, and for a file of another
    size or checksum, which is not kept.
    """
    if url.startswith("file:"):
        path = _local(url)
        checksums.verify(path, checksums.expected(url, checksum, size))
        return path
    folder = folder_of(url)
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".lock"):  # before the record is read: who waits here finds what the other fetched
        path = folder / PurePosixPath(unquote(re.split("[?#]", url)[0])).name
        _download(path, checksums.expected(url, checksum, size))
    return path


def folder_of(url: str) -> Path:
    """The folder for what is kept of an address; it need not be there yet."""
    return project_root() / "data" / "downloads" / hashlib.sha256(url.encode()).hexdigest()[:12]


def _local(url: str) -> Path:
    parts = urlsplit(url)
    if parts.netloc not in ("", "localhost"):
        raise UserError(
            f"{url}: {parts.netloc!r} would be a computer; write file:folder/name or file:///folder/name"
        )
    path = Path(os.path.abspath(project_root() / unquote(parts.path)))
    if not path.is_file():
        raise UserError(f"{url}: there is no file {path}; put it there, or correct the address")
    return path


def _download(path: Path, wanted: Expected) -> None:
    if _fits(path, wanted):
        return
    # Under another name until it is verified: an older file is not lost to a mistyped checksum.
    whole = path.with_name(f"{path.name}.whole")
    whole.unlink(missing_ok=True)
    _retrieve(whole, _Part(path), wanted)
    os.replace(whole, path)


def _fits(path: Path, wanted: Expected) -> bool:
    if not path.is_file() or wanted.checksum is None:
        return False
    try:
        checksums.verify(path, wanted)
    except UserError:
        return False
    return True


def _retrieve(whole: Path, part: "_Part", wanted: Expected) -> None:
    def downloader(url: str, output: str, _: pooch.Pooch) -> None:
        os.unlink(output)  # pooch's empty file, which a kill would leave behind
        _complete(part, wanted)
        os.replace(part.path, output)
        part.forget()

    # Verified here and not by pooch, which would fetch a file with a wrong checksum again and again.
    names = {"registry": {whole.name: None}, "urls": {whole.name: wanted.url}}
    store = pooch.create(whole.parent, "", retry_if_failed=RETRIES, **names)
    while not whole.exists():
        before = part.size()
        try:
            store.fetch(whole.name, downloader=downloader)
        except requests.RequestException as error:
            if part.size() <= before:
                raise UserError(
                    f"{wanted.url}: out of reach ({error}); {part.size()} bytes have come and are kept: run "
                    f"again to continue"
                ) from None


def _complete(part: "_Part", wanted: Expected) -> None:
    """Fetch what is missing of the part, and verify it."""
    if not part.is_whole():
        _receive(part, wanted)
    try:
        checksums.verify(part.path, wanted)
    except UserError:
        part.forget()
        raise


def _receive(part: "_Part", wanted: Expected) -> None:
    response, kept = _ask(wanted, part)
    with response:
        if response.status_code in (408, 425, 429) or response.status_code >= 500:
            response.raise_for_status()  # may be better soon: pooch tries again
        if response.status_code != (206 if kept else 200):
            answer = f"{response.status_code} {response.reason}"
            raise UserError(f"{wanted.url}: the server's answer is {answer}; correct the address")
        length = response.headers.get("Content-Length", "")
        total = part.notes()["bytes"] if kept else int(length) if length.isdecimal() else None
        if wanted.size is not None and total not in (None, wanted.size):
            raise checksums.wrong_size(str(total), wanted)
        if not kept:
            part.start(_validator(response), total)
        megabytes = (total - kept) // _MEGABYTE if total else None
        for _ in progress(_append(response, part.path), f"fetch {part.name}", "MB", total=megabytes):
            if wanted.size is not None and part.size() > wanted.size:
                found = f"at least {part.size()}"
                part.forget()
                raise checksums.wrong_size(found, wanted)
    if total not in (None, part.size()):
        raise requests.ConnectionError(f"{part.size()} of {total} bytes came")


def _ask(wanted: Expected, part: "_Part") -> tuple[requests.Response, int]:
    """The server's answer, and how many bytes of the part it continues: 0 where it starts anew."""
    url, kept, validator = wanted.url, part.size(), part.notes().get("validator")
    # A server that cannot say whether the file is still the same will do where a checksum can.
    if kept and (validator or wanted.checksum):
        response = _get(url, {"Range": f"bytes={kept}-"} | ({"If-Range": validator} if validator else {}))
        if response.status_code == 206 and _continues(response, part):
            return response, kept
        if response.status_code not in (206, 416):
            return response, 0
        response.close()
    return _get(url, {}), 0


def _continues(response: requests.Response, part: "_Part") -> bool:
    notes = part.notes()
    fits = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", response.headers.get("Content-Range", ""))
    same = _validator(response) in (None, notes["validator"])  # some servers ignore If-Range
    return bool(fits) and same and int(fits[1]) == part.size() and int(fits[2]) == notes["bytes"]


def _get(url: str, headers: dict[str, str]) -> requests.Response:
    headers = headers | {"Accept-Encoding": "identity"}  # the file's own bytes, which can be counted
    try:
        return requests.get(url, headers=headers, stream=True, timeout=TIMEOUT)
    except ValueError as error:
        raise UserError(f"{url}: no address that can be asked ({error}); correct the address") from None


def _validator(response: requests.Response) -> str | None:
    """What tells this state of the file from any other, as If-Range takes it (RFC 9110, section 13.1.5)."""
    tag = response.headers.get("ETag", "")
    return tag if tag.startswith('"') else response.headers.get("Last-Modified")


def _append(response: requests.Response, path: Path) -> Iterator[None]:
    """Append what comes to a file; yield after each megabyte."""
    count = 0
    with open(path, "ab") as file:
        try:
            while block := response.raw.read1(_BLOCK, decode_content=False):
                file.write(block)
                file.flush()  # what has come stays, also after a kill
                count += len(block)
                if count >= _MEGABYTE:
                    count -= _MEGABYTE
                    yield
        except urllib3.exceptions.HTTPError as error:
            raise requests.ConnectionError(str(error)) from None


class _Part:
    """The bytes of an unfinished transfer, and beside them what tells whether it can be continued."""

    def __init__(self, path: Path):
        self.name = path.name
        self.path = path.with_name(f"{path.name}.part")
        self._notes = path.with_name(f"{path.name}.part.json")

    def size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    def notes(self) -> dict[str, Any]:
        """The server's `validator` of the file, and its length in `bytes`; None for what it did not tell."""
        try:
            return json.loads(self._notes.read_bytes())
        except (FileNotFoundError, ValueError):  # empty after a power cut, say
            return {}

    def is_whole(self) -> bool:
        return self.path.exists() and self.notes().get("bytes") == self.size()

    def start(self, validator: str | None, total: int | None) -> None:
        self.forget()
        write_json(self._notes, {"validator": validator, "bytes": total})

    def forget(self) -> None:
        self.path.unlink(missing_ok=True)
        self._notes.unlink(missing_ok=True)
