"""What the source "open_images" promises: the pictures a list names, each fetched once, failures told."""

import hashlib
import http.server
import io
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image

from tintype.console import UserError
from tintype.sources import manifest, open_images, places

IDS = [f"{number:02x}" + "0" * 14 for number in (9, 1, 200, 30, 4)]  # in no order
HEAD = "ImageID,Subset,OriginalURL,Title\n"


def jpeg(width: int = 4) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (width, 3), "green").save(file, "JPEG")
    return file.getvalue()


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A loopback server: `answers` has the path's answers, in their order, of which the last one stays."""
    answers: dict[str, list] = {f"/train/{identity}.jpg": [jpeg(4 + i)] for i, identity in enumerate(IDS)}
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            left = answers.get(self.path, [404])
            answer = left.pop(0) if len(left) > 1 else left[0]
            body = answer if isinstance(answer, bytes) else b"no"
            self.send_response(200 if isinstance(answer, bytes | None) else answer)
            self.send_header("Content-Length", str(10 if answer is None else len(body)))  # None: a part of it
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.delenv("DVC_ROOT", raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(open_images, "WAITS", (0, 0))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as serving:
        threading.Thread(target=serving.serve_forever, args=(0.01,), daemon=True).start()
        yield SimpleNamespace(url=f"http://127.0.0.1:{serving.server_port}", answers=answers, asked=asked)
        serving.shutdown()


def gather(server, ids: str, **changed: object) -> list[manifest.Picture]:
    """Gather from a list of this text, or at this address, into the folder "out"."""
    if not ids.startswith("http"):
        Path("ids.csv").write_text(ids, encoding="utf-8")
        ids = "ids.csv"
    settings = {"ids": ids, "base": server.url + "/", "split": "train", "pick": "first", "count": len(IDS)}
    Path("out").mkdir(exist_ok=True)
    open_images.gather(SimpleNamespace(**settings | {"max_failures": 0.0} | changed), Path("out"))
    return list(manifest.read(Path("out")))


def table(ids: list[str], subset: str = "train") -> str:
    return HEAD + "".join(f'{identity},{subset},http://there/,"a, b"\n' for identity in ids)


def test_pictures_are_fetched_and_listed_with_where_they_came_from(server):
    rows = gather(server, table(IDS))
    assert [row.group for row in rows] == sorted(IDS)
    for row in rows:
        data = server.answers[f"/train/{row.group}.jpg"][0]
        assert places.read(places.find(Path("out"), row.place), row.path) == data
        assert row.sha256 == hashlib.sha256(data).hexdigest()
        assert (row.width, row.height) == (4 + IDS.index(row.group), 3)
        assert row.place.startswith("data/downloads/open_images/") and row.place.endswith("/train")
        assert row.source == f"{server.url}/train/{row.group}.jpg" and row.licence.startswith("CC BY 2.0")
    assert manifest.left_out(Path("out")) == []
    assert len(list(Path("data").rglob("*.*"))) == len(IDS)  # nothing half-written beside them


@pytest.mark.parametrize(
    "text",
    [
        table(IDS[:2]) + table(IDS[2:], "validation").removeprefix(HEAD),
        "image_id\n" + "\n".join([*IDS[:2], "validation/" + IDS[2]]),
        "\ufeff" + "\n".join(f"train/{identity}.jpg" for identity in IDS[:2]) + "\n\ntest/" + IDS[3],
        "MaskPath,ImageID\n" + "".join(f"m.png,{identity}\n" for identity in (*IDS[:2], *IDS[:2])),
    ],
)
def test_lists_of_all_official_forms_give_the_ids_of_the_split(server, text):
    assert [row.group for row in gather(server, text, count=2)] == sorted(IDS[:2])
    with pytest.raises(UserError, match=r"count: 3 .* lists 2 of the split train"):
        gather(server, text, count=3)


def test_a_list_at_an_address_is_fetched_once(server):
    server.answers["/list.csv"] = [table(IDS).encode()]
    for _ in range(2):
        assert len(gather(server, server.url + "/list.csv")) == len(IDS)
    assert server.asked.count("/list.csv") == 1
    with pytest.raises(UserError, match=r"http.*/gone.csv: the server's answer is 404 Not Found"):
        gather(server, server.url + "/gone.csv")
    server.answers["/page.csv"] = [b"<p>please log in</p>"]
    with pytest.raises(UserError, match=r"line 1: .* names no picture.*delete its line in checksums.csv"):
        gather(server, server.url + "/page.csv")


def test_first_and_last_go_by_the_list_and_a_larger_sample_holds_the_smaller(server):
    assert {row.group for row in gather(server, table(IDS), count=2)} == set(IDS[:2])
    assert {row.group for row in gather(server, table(IDS), count=2, pick="last")} == set(IDS[-2:])
    lowest = sorted(IDS, key=lambda identity: hashlib.sha256(identity.encode()).hexdigest())
    for count, step in [(1, 1), (2, -1), (3, 1), (4, -1)]:  # whatever the order of the list
        rows = gather(server, table(IDS[::step]), count=count, pick="sample")
        assert {row.group for row in rows} == set(lowest[:count])


def test_what_has_come_is_not_fetched_again_after_a_failure(server, monkeypatch):
    monkeypatch.setattr(open_images, "THREADS", 1)
    last = f"/train/{max(IDS)}.jpg"
    answer = server.answers[last]
    server.answers[last] = [404]
    with pytest.raises(UserError, match=f"max_failures: 1 of 5 .*{last}: HTTP 404.*stays in .*next run"):
        gather(server, table(IDS))
    assert server.asked.count(last) == 1  # to ask again would not help
    server.answers[last] = answer
    server.asked.clear()
    rows = gather(server, table(IDS))
    assert gather(server, table(IDS)) == rows and server.asked == [last]


def test_a_share_of_failures_may_be_allowed_and_each_is_listed(server, monkeypatch):
    monkeypatch.setattr(open_images, "MAX_BYTES", 2000)
    answers = [403, 503, b"<p>please, log in</p>", jpeg() + bytes(2000)]
    for identity, answer in zip(IDS[:4], answers, strict=True):
        server.answers[f"/train/{identity}.jpg"] = [answer]
    (row,) = gather(server, table(IDS), max_failures=0.8)
    assert [row.group] == [IDS[4]] == [path.stem for path in Path("data").rglob("*.*")]
    reasons = dict(manifest.left_out(Path("out")))
    assert reasons[f"{IDS[0]}.jpg"] == "HTTP 403 Forbidden" and "HTTP 503" in reasons[f"{IDS[1]}.jpg"]
    assert "no picture" in reasons[f"{IDS[2]}.jpg"] and "2,000 bytes" in reasons[f"{IDS[3]}.jpg"]
    assert server.asked.count(f"/train/{IDS[1]}.jpg") == 3  # as often as it is worth waiting for
    with pytest.raises(UserError, match="max_failures: 4 of 5"):
        gather(server, table(IDS), max_failures=0.79)
    with pytest.raises(UserError, match="max_failures: 1 of 1"):
        gather(server, IDS[0], count=1, max_failures=1.0)  # a set needs a picture


def test_a_server_or_connection_that_fails_for_a_while_is_asked_again(server):
    for identity, troubles in zip(IDS, [[503], [429, 500], [None], [None, 502], []], strict=True):
        server.answers[f"/train/{identity}.jpg"][:0] = troubles
    assert len(gather(server, table(IDS))) == len(IDS)
    assert len(server.asked) == len(IDS) + 6


def test_ctrl_c_ends_it_and_keeps_what_has_come(server, monkeypatch):
    last = f"/train/{max(IDS)}.jpg"
    server.answers[last].insert(0, 503)

    def interrupted(items, *args):
        yield next(iter(items))
        while last not in server.asked:
            time.sleep(0.01)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(open_images, "THREADS", 1)
        patch.setattr(open_images, "WAITS", (3600,))  # before it asks again
        patch.setattr(open_images, "progress", interrupted)
        with pytest.raises(KeyboardInterrupt):
            gather(server, table(IDS))
    for thread in [thread for thread in threading.enumerate() if thread.name.startswith("fetch")]:
        thread.join(10)
        assert not thread.is_alive()
    assert len(gather(server, table(IDS))) == len(IDS)
    assert sorted(server.asked) == sorted([*server.answers, last])


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("Name,URL\na,b\n", "no column is called ImageID; there is Name, URL"),
        (table(["../../etc/passwd"]), r"line 2: '../../etc/passwd' names no picture; 000002b66c9c498e would"),
        ("elsewhere/" + IDS[0], "line 1: 'elsewhere/.* names no picture"),
        (HEAD + IDS[0], "line 2 ends too early"),
        (HEAD + '"' + "x" * 200_000, "is no line of a table"),
        ("", "count: 5 .* lists 0 of the split train"),
    ],
)
def test_a_list_that_is_wrong_is_explained_before_anything_is_fetched(server, text, problem):
    with pytest.raises(UserError, match=problem) as caught:
        gather(server, text)
    assert "ids.csv" in str(caught.value) and not server.asked
    with pytest.raises(UserError, match=r"ids: .*gone.csv: no such file"):
        open_images.gather(SimpleNamespace(ids="gone.csv", base="", split="test"), Path("out"))


def test_pictures_of_another_address_are_not_taken_for_these(server):
    places_of = {gather(server, table(IDS), base=server.url + path)[0].place for path in ("/", "")}
    assert len(places_of) == 2
