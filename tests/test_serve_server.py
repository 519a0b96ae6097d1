"""What the server of `tintype serve` lets through, what it asks others for, and how it ends."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from served import KINDS, ROOT, serving, status, visiting, write_models, write_photograph

from tintype.__main__ import main
from tintype.console import UserError
from tintype.page import server

STRANGERS: list[str] = []  # addresses beyond this machine that the process asked for


def _watch(event: str, arguments: tuple) -> None:
    """An audit hook: sees every connection and every look-up of a name, whoever makes it."""
    if event == "socket.connect" and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        host = arguments[0]
    else:
        return
    host = host.decode() if isinstance(host, bytes) else host
    if host not in (*server.LOOPBACK, None, ""):
        STRANGERS.append(host)


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, str]:
    return write_models(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def address(folders):
    sys.addaudithook(_watch)
    with serving(list(folders.values())) as address:
        yield address


@pytest.fixture
def photo(tmp_path) -> Path:
    return write_photograph(tmp_path / "grandmother.png")


def test_a_visit_asks_nobody_else(browser, address, photo):
    """`visiting` looks at what the browser asks for, the hook at what the server does."""
    before = len(STRANGERS)
    with visiting(browser, address) as visit:
        visit.drop(photo)
        for name in KINDS:
            visit.pictures(name)
        assert len(visit.asked) > 10
    assert STRANGERS[before:] == []
    with pytest.raises(OSError):
        socket.getaddrinfo("nobody.invalid", 80)
    assert STRANGERS[before:] == ["nobody.invalid"]


@pytest.mark.parametrize(
    "path",
    [
        *("/gradio_api/info", "/gradio_api/openapi.json", "/openapi.json", "/docs", "/monitoring"),
        *("/gradio_api/file=http://example.com/a.png", "/gradio_api/proxy=http://example.com/", "/login"),
        *("/gradio_api/deep_link", "/gradio_api/runs", "/gradio_api/token", "/gradio_api/call/opened"),
    ],
)
def test_paths_that_the_page_does_not_need_are_refused(address, path):
    assert status(address + path) == 404
    assert status(address + path, b"{}") == 404


def test_files_of_this_machine_are_refused(address, photo):
    assert status(f"{address}/gradio_api/file={photo}") == 403
    assert status(f"{address}/gradio_api/file={ROOT / 'README.md'}") == 403
    for place in (str(photo), "http://example.com/a.png"):
        said = called(address, {"path": place, "meta": {"_type": "gradio.FileData"}})
        assert '"success":false' in said and "pixels" not in said


def test_pages_elsewhere_reach_it_neither_by_a_name_of_theirs_nor_in_a_frame(address):
    port = address.rpartition(":")[2]
    for host, expected in ((f"evil.example:{port}", 421), (f"localhost:{port}", 200)):
        request = urllib.request.Request(address, headers={"Host": host})
        assert status(request) == expected
    with urllib.request.urlopen(address, timeout=30) as answer:
        policy = answer.headers["content-security-policy"]
    assert "default-src 'self';" in policy and "frame-ancestors 'none'" in policy


def test_an_address_that_is_taken_is_named_with_what_to_do():
    with server.listening("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(
            UserError, match=rf"127\.0\.0\.1, port {port}: Address already in use; .*--port 7860"
        ):
            main(["serve", "--port", str(port)])
    with pytest.raises(UserError, match=r"cannot serve at 192\.0\.2\.1, port 7999"):
        server.listening("192.0.2.1", 7999)


@pytest.mark.slow
def test_the_command_serves_until_ctrl_c_and_leaves_nothing(folders, tmp_path):
    environment = os.environ | {"PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)}
    with server.listening("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
    command = [sys.executable, "-m", "tintype", "serve", "--port", str(port), "--model", folders["first"]]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=environment, **pipes) as process:
        try:
            line = process.stdout.readline()
            assert line == f"http://127.0.0.1:{port}: first; Ctrl-C ends it.\n"
            assert status(f"http://127.0.0.1:{port}/") == 200
            stream = urllib.request.urlopen(f"http://127.0.0.1:{port}/gradio_api/heartbeat/x", timeout=30)
            assert list(tmp_path.glob("tintype-*"))
        finally:
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=60)
        stream.close()
    assert process.returncode == 130
    assert said == "stopped\n"
    assert list(tmp_path.iterdir()) == []


def called(address: str, given: object) -> str:
    """What the server says to an upload that a browser did not make."""
    with urllib.request.urlopen(address + "/config", timeout=30) as answer:
        handlers = json.load(answer)["dependencies"]
    (opened,) = [one["id"] for one in handlers if [target[1] for target in one["targets"]] == ["upload"]]
    body = json.dumps({"data": [given], "fn_index": opened, "session_hash": "stranger"}).encode()
    assert status(address + "/gradio_api/queue/join", body) == 200
    with urllib.request.urlopen(
        address + "/gradio_api/queue/data?session_hash=stranger", timeout=30
    ) as answer:
        for line in answer:
            if b"process_completed" in line:
                return line.decode()
    raise AssertionError("no answer")
