"""What fetching a large file promises: whole and verified, or explained, and no byte twice without need."""

import contextlib
import hashlib
import http.server
import os
import random
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tintype.console import UserError
from tintype.sources import transfer

ROOT = Path(__file__).parents[1]
DATA = random.Random(0).randbytes(3_300_000)
OTHER = random.Random(1).randbytes(3_300_000)
SHA256, MD5 = (f"{name}:{hashlib.new(name, DATA).hexdigest()}" for name in ("sha256", "md5"))


class Server(http.server.ThreadingHTTPServer):
    """Serves `data` at every address, as badly as its attributes say, and keeps the headers of requests."""

    data = DATA
    ranges = True
    heeds_if_range = True
    tag: str | None = '"1"'
    modified: str | None = None
    content_range: str | None = None  # instead of the right one
    tells_length = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: list[int] = []  # status of the next answers, 0: bytes, of which ...
        self.breaks: list[int] = []  # ... so many are sent before the connection breaks
        self.requests: list[dict[str, str]] = []
        self.sent = 0
        self.may_break = threading.Event()
        self.may_break.set()

    def url(self, path: str = "/some%20pictures.zip?download=1") -> str:
        return f"http://127.0.0.1:{self.server_port}{path}"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self):
        server = self.server
        server.requests.append(dict(self.headers))
        if status := server.answers.pop(0) if server.answers else 0:
            return self.send_error(status)
        start = 0
        known = (server.tag, server.modified)
        heeded = self.headers["If-Range"] in known or not server.heeds_if_range
        if server.ranges and "Range" in self.headers and heeded:
            start = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-"))
        body = server.data[start:]
        self.send_response(206 if start else 200)
        if start:
            right = f"bytes {start}-{len(server.data) - 1}/{len(server.data)}"
            self.send_header("Content-Range", server.content_range or right)
        if server.tag:
            self.send_header("ETag", server.tag)
        if server.modified:
            self.send_header("Last-Modified", server.modified)
        if server.tells_length:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        body = body[: server.breaks.pop(0)] if server.breaks else body
        server.sent += len(body)
        with contextlib.suppress(ConnectionError):  # the client has had enough
            self.wfile.write(body)
            server.may_break.wait()

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    with Server() as serving:
        threading.Thread(target=serving.serve_forever, args=[0.01], daemon=True).start()
        yield serving
        serving.shutdown()


@pytest.fixture
def waits(monkeypatch) -> list[float]:
    """The seconds that were to be waited for, and are not."""
    seconds: list[float] = []
    monkeypatch.setattr("pooch.core.time.sleep", seconds.append)
    return seconds


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch, waits) -> Path:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.setenv("no_proxy", "*")
    return tmp_path


def kept(project: Path) -> set[str]:
    """What is kept, and no lock."""
    files = (path for path in (project / "data").rglob("*") if path.is_file())
    return {path.name for path in files if path.name != ".lock"}


def ranges(server: Server) -> list[str | None]:
    return [headers.get("Range") for headers in server.requests]


@pytest.mark.parametrize("checksum", [SHA256, MD5, None])
def test_a_file_is_fetched_once_and_then_needs_no_network(project, server, checksum):
    path = transfer.fetch(server.url(), checksum, None)
    folder = hashlib.sha256(server.url().encode()).hexdigest()[:12]
    assert path == project / "data" / "downloads" / folder / "some pictures.zip"
    assert path.read_bytes() == DATA and kept(project) == {path.name}
    server.answers = [404]
    assert transfer.fetch(server.url(), checksum, len(DATA)) == path
    assert len(server.requests) == 1 and server.requests[0]["Accept-Encoding"] == "identity"


@pytest.mark.parametrize("known", [{"tag": '"1"'}, {"tag": None, "modified": "Tue, 01 Jul 2025 00:00 GMT"}])
def test_a_broken_transfer_goes_on_where_it_broke(project, server, waits, known):
    vars(server).update(known, breaks=[1_500_000, 1_000_000])
    assert transfer.fetch(server.url(), SHA256, None).read_bytes() == DATA
    assert ranges(server) == [None, "bytes=1500000-", "bytes=2500000-"]
    assert [headers.get("If-Range") for headers in server.requests[1:]] == 2 * [known.get("modified", '"1"')]
    assert server.sent == len(DATA) and waits == [1, 2] and kept(project) == {"some pictures.zip"}


def test_a_transfer_goes_on_as_long_as_each_attempt_brings_something(server):
    server.breaks = 30 * [100_000]
    assert transfer.fetch(server.url(), SHA256, None).read_bytes() == DATA
    assert len(server.requests) == 31 and server.sent == len(DATA)


@pytest.mark.parametrize("moment", ["pooch.core.time.sleep", "pooch.file_hash"])
def test_a_stopped_transfer_is_continued_by_the_next_call(project, server, monkeypatch, moment):
    def stop(*_, **__):
        raise KeyboardInterrupt  # after a half, and when all has come

    server.breaks = [1_500_000]
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(moment, stop)
        transfer.fetch(server.url(), None, None)
    assert kept(project) == {"some pictures.zip.part", "some pictures.zip.part.json"}
    assert not (project / "checksums.csv").exists()
    assert transfer.fetch(server.url(), None, None).read_bytes() == DATA
    assert server.sent == len(DATA) and kept(project) == {"some pictures.zip"}


def test_a_killed_transfer_is_continued_by_the_next_call(project, server):
    server.breaks = [1_500_000]
    server.may_break.clear()
    code = f"from tintype.sources import transfer; transfer.fetch({server.url()!r}, None, None)"
    child = subprocess.Popen(
        [sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": str(ROOT)}, stderr=subprocess.DEVNULL
    )
    part = transfer.folder_of(server.url()) / "some pictures.zip.part"
    while child.poll() is None and not (part.exists() and part.stat().st_size == 1_500_000):
        threading.Event().wait(0.01)
    assert child.poll() is None
    child.kill()
    child.wait()
    server.may_break.set()
    assert transfer.fetch(server.url(), None, None).read_bytes() == DATA
    assert server.sent == len(DATA) and kept(project) == {"some pictures.zip"}


@pytest.mark.parametrize(
    "spoilt",
    [
        {"ranges": False},
        {"tag": None},
        {"tag": 'W/"1"'},  # a weak tag does not promise the same bytes
        {"content_range": "bytes 7-3299999/3300000"},
        {"content_range": "bytes 1500000-3299999/3300001"},
        {"content_range": "nonsense"},
    ],
    ids=str,
)
def test_where_a_transfer_cannot_go_on_it_starts_anew(project, server, spoilt):
    vars(server).update(spoilt, breaks=[1_500_000])
    assert transfer.fetch(server.url(), None, None).read_bytes() == DATA
    assert ranges(server)[-1] is None or not server.ranges
    assert kept(project) == {"some pictures.zip"}


def test_where_a_server_tells_no_state_of_the_file_a_checksum_lets_a_transfer_go_on(server):
    server.tag, server.breaks = None, [2_000_000]
    assert transfer.fetch(server.url(), SHA256, None).read_bytes() == DATA
    assert server.sent == len(DATA) and ranges(server) == [None, "bytes=2000000-"]
    assert "If-Range" not in server.requests[1]


@pytest.mark.parametrize("heeds_if_range", [True, False])
def test_bytes_of_two_states_of_a_file_are_never_joined(server, heeds_if_range):
    server.breaks, server.answers = [1_500_000], [0, *11 * [503]]
    with pytest.raises(UserError, match="out of reach"):
        transfer.fetch(server.url(), None, None)
    server.data, server.tag, server.heeds_if_range = OTHER, '"2"', heeds_if_range
    assert transfer.fetch(server.url(), None, None).read_bytes() == OTHER
    assert "bytes=1500000-" in ranges(server)


def test_the_first_fetch_is_recorded_and_enforced_from_then_on(project, server):
    first, second = server.url("/b.zip"), server.url("/a.zip")
    transfer.fetch(first, None, None)
    path = transfer.fetch(second, None, None)
    digest = SHA256.removeprefix("sha256:")
    lines = f"url,bytes,sha256\n{second},3300000,{digest}\n{first},3300000,{digest}\n"
    assert (project / "checksums.csv").read_text() == lines
    path.unlink()
    server.data = OTHER
    with pytest.raises(UserError, match=r"/a.zip: found sha256:.*file has changed; delete its line"):
        transfer.fetch(second, None, None)
    server.data = DATA + b"more"
    with pytest.raises(UserError, match=r"found 3300004 bytes, expected 3300000.*has changed"):
        transfer.fetch(second, None, None)
    with pytest.raises(UserError, match=r"`bytes` is 5, but checksums.csv has 3300000"):
        transfer.fetch(second, None, 5)
    assert kept(project) == {"b.zip"} and (project / "checksums.csv").read_text() == lines
    (project / "checksums.csv").write_text(lines.replace(second, "elsewhere"))
    assert transfer.fetch(second, None, None).read_bytes() == DATA + b"more"


@pytest.mark.parametrize(
    ("checksum", "size", "found"),
    [
        (f"sha256:{'0' * 64}", None, f"found {SHA256}, expected sha256:0000.*`checksum`"),
        (f"md5:{'0' * 32}", None, f"found {MD5}, expected md5:0000.*`checksum`"),
        (SHA256, 3_300_001, "found 3300000 bytes, expected 3300001.*`bytes`"),
        (None, 1_000_000, "found 3300000 bytes, expected 1000000.*`bytes`"),
    ],
)
def test_a_wrong_file_is_named_and_not_kept(project, server, checksum, size, found):
    with pytest.raises(UserError, match=found):
        transfer.fetch(server.url(), checksum, size)
    assert len(server.requests) == 1 and kept(project) == set()
    assert transfer.fetch(server.url(), SHA256, None).read_bytes() == DATA
    with pytest.raises(UserError, match=found):
        transfer.fetch(server.url(), checksum, size)
    assert kept(project) == {"some pictures.zip"}, "the good file is not lost to a mistyped checksum"


def test_a_file_without_end_is_stopped_at_the_expected_size(project, server):
    server.data, server.tells_length = bytes(100_000_000), False
    with pytest.raises(UserError, match=r"found at least 1[0-9]* bytes, expected 5000"):
        transfer.fetch(server.url(), None, 5000)
    assert kept(project) == set()


def test_a_file_of_unknown_length_is_fetched(project, server):
    server.tells_length = False
    assert transfer.fetch(server.url(), SHA256, len(DATA)).read_bytes() == DATA


def test_a_kept_file_that_is_damaged_or_has_no_record_is_fetched_again(project, server):
    path = transfer.fetch(server.url(), None, None)
    path.write_bytes(DATA[:-1] + b"x")
    assert transfer.fetch(server.url(), None, None).read_bytes() == DATA
    (project / "checksums.csv").unlink()
    server.data = OTHER
    assert transfer.fetch(server.url(), None, None).read_bytes() == OTHER


def test_two_at_a_time_fetch_a_file_once(server):
    with ThreadPoolExecutor() as pool:
        paths = list(pool.map(lambda _: transfer.fetch(server.url(), None, None), range(2)))
    assert paths[0].read_bytes() == DATA and paths[0] == paths[1] and server.sent == len(DATA)


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_final_answer_is_not_asked_for_again(project, server, waits, status):
    server.answers = [status]
    message = f"pictures.zip.*: the server's answer is {status} .*correct the address"
    with pytest.raises(UserError, match=message):
        transfer.fetch(server.url(), None, None)
    assert len(server.requests) == 1 and waits == [] and kept(project) == set()


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_a_busy_server_is_asked_again_with_growing_waits(server, waits, status):
    server.answers = 3 * [status]
    assert transfer.fetch(server.url(), SHA256, None).read_bytes() == DATA
    assert waits == [1, 2, 3]


def test_a_server_out_of_reach_is_explained_and_what_came_is_kept(project, server, waits):
    server.breaks, server.answers = [1_500_000], [0, *11 * [503]]
    with pytest.raises(UserError, match=r"out of reach.*1500000 bytes have come and are kept: run again"):
        transfer.fetch(server.url(), None, None)
    assert waits == 2 * [1, 2, 3, 4, 5]
    with pytest.raises(UserError, match=r"http://127.0.0.1:1/a.zip: out of reach"):
        transfer.fetch("http://127.0.0.1:1/a.zip", None, None)


@pytest.mark.parametrize("url", ["http:", "https://", "http://[", "http://a b/c.zip"])
def test_an_address_that_is_none_is_explained(url):
    with pytest.raises(UserError, match="no address that can be asked"):
        transfer.fetch(url, None, None)
