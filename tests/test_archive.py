"""What the source "archive" promises: pictures in a zip or tar are listed, and read where they are."""

import bz2
import gzip
import hashlib
import http.server
import io
import lzma
import os
import re
import tarfile
import threading
import zipfile
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest
import zstandard
from PIL import Image

from tintype.console import UserError
from tintype.sources import archive, manifest, places, transfer

SHARED = Path(__file__).parents[2] / "shared" / "data"


def png(side: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (side, 2), "red").save(file, "PNG")
    return file.getvalue()


FILES = {
    "set/train/cat/images/2.png": png(2),
    "set/train/cat/images/10.JPG": png(10),
    "set/val/dog/1.png": png(1),
    "set/é.png": b"no picture",
    "set/empty.png": b"",
}
OTHERS = {"set/notes.txt": b"x", "set/train/._2.png": b"x", "__MACOSX/set/3.png": b"x", "more.zip": b"x"}


def tarred(files: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.type = len(data), tarfile.DIRTYPE if name.endswith("/") else tarfile.REGTYPE
            tar.addfile(info, io.BytesIO(data))
    return packed.getvalue()


def zipped(files: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in files.items():
            file.writestr(name, data)
    return packed.getvalue()


def zstd(data: bytes) -> bytes:
    half = len(data) // 2  # two frames, as parallel programs write them
    return zstandard.compress(data[:half]) + zstandard.compress(data[half:])


COMPRESSORS = {"tar.gz": gzip.compress, "tar.bz2": bz2.compress, "tar.xz": lzma.compress, "tar.zst": zstd}
PACKERS = {"zip": zipped, "tar": tarred}
PACKERS |= {kind: lambda files, pack=pack: pack(tarred(files)) for kind, pack in COMPRESSORS.items()}


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.setenv("no_proxy", "*")
    (tmp_path / "out").mkdir()
    return tmp_path


def gather(project: Path, url: str, **changed: object) -> list[manifest.Picture]:
    settings = {"url": url, "checksum": None, "bytes": None, "max_files": 30_000, "max_bytes": 10**8}
    settings |= {"licence": "theirs", "group": "picture", "held_out": None}
    archive.gather(SimpleNamespace(**settings | changed), project / "out")
    return list(manifest.read(project / "out"))


def contents(project: Path, rows: list[manifest.Picture]) -> dict[str, bytes]:
    """What a reader of the manifest gets to see."""
    place = places.find(project, rows[0].place)
    assert {row.place for row in rows} == {rows[0].place}
    return {row.path: places.read(place, row.path, row.offset, row.bytes) for row in rows}


def kept(project: Path) -> list[str]:
    files = (path for path in (project / "data").rglob("*") if path.is_file())
    return sorted(path.name for path in files if path.name != ".lock")


@pytest.mark.parametrize("kind", PACKERS)
def test_pictures_are_listed_with_what_they_are_and_read_in_place(project, kind):
    (project / f"a.{kind}").write_bytes(PACKERS[kind]({"set/": b""} | FILES | OTHERS))
    rows = gather(project, f"file:a.{kind}")
    assert contents(project, rows) == FILES and [row.path for row in rows] == sorted(FILES)
    for row in rows:
        assert row.sha256 == hashlib.sha256(FILES[row.path]).hexdigest()
        assert (row.source, row.licence) == (f"file:a.{kind}: {row.path}", "theirs")
    assert [(row.width, row.height) for row in rows] == [(0, 0), (10, 2), (2, 2), (1, 2), (0, 0)]
    left_out = dict(manifest.left_out(project / "out"))
    assert set(left_out) == set(OTHERS) and left_out["set/notes.txt"] == "not named like a picture"
    if kind in COMPRESSORS:
        folder = transfer.folder_of(f"file:a.{kind}").relative_to(project)
        assert {row.place for row in rows} == {f"{folder}/a.{kind}.tar"}
        assert kept(project) == [f"a.{kind}.tar", f"a.{kind}.tar.txt"], "and no picture"
    else:
        assert {row.place for row in rows} == {f"a.{kind}"} and kept(project) == []


@pytest.mark.parametrize("kind", PACKERS)
def test_what_an_archive_is_does_not_depend_on_its_name(project, kind):
    for name in ("content", "a.tar", "a.zip"):
        (project / name).write_bytes(PACKERS[kind](FILES))
        before = (project / name).read_bytes()
        assert contents(project, gather(project, f"file:{name}")) == FILES
        assert (project / name).read_bytes() == before


def test_a_place_outside_the_project_is_told_in_full(project, tmp_path_factory):
    path = tmp_path_factory.mktemp("elsewhere") / "a.zip"
    path.write_bytes(zipped(FILES))
    rows = gather(project, path.as_uri())
    assert {row.place for row in rows} == {str(path)} and contents(project, rows) == FILES


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_the_order_in_the_archive_does_not_matter(project, kind):
    found = []
    for i, names in enumerate((FILES, reversed(FILES))):
        (project / f"{i}").write_bytes(PACKERS[kind]({name: FILES[name] for name in names}))
        found.append([row[:4] for row in gather(project, f"file:{i}")])
    assert found[0] == found[1]


def test_folders_give_groups_labels_and_the_test_split(project):
    (project / "a.zip").write_bytes(zipped(FILES))
    rows = gather(project, "file:a.zip", group="folder", held_out="set/val")
    assert [(row.group, row.label, row.split) for row in rows] == [
        ("set", "set", ""),
        *2 * [("set/train/cat/images", "cat", "")],
        ("set/val/dog", "dog", "test"),
        ("set", "set", ""),
    ]
    for held_out in ("val", "set/va", "/set/val", "set/val/dog/1.png"):
        with pytest.raises(
            UserError, match=rf"held_out: '{held_out}': no picture .*set, set/train, set/val,.*null"
        ):
            gather(project, "file:a.zip", held_out=held_out)


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz"])
def test_a_dot_in_front_of_names_is_nothing(project, kind):
    files = {"./": b""} | {f"./{name}": data for name, data in FILES.items()}
    (project / "a").write_bytes(PACKERS[kind](files))
    assert contents(project, gather(project, "file:a")) == FILES


def test_a_packed_tar_is_unpacked_once_and_anew_for_another_archive(project, monkeypatch):
    jobs = []
    monkeypatch.setattr(archive, "progress", lambda items, what, unit: jobs.append(what) or items)
    (project / "a.tgz").write_bytes(gzip.compress(tarred(FILES)))
    for expected in (["unpack a.tgz", "list a.tgz"], ["list a.tgz"]):
        assert contents(project, gather(project, "file:a.tgz")) == FILES
        assert jobs == expected
        jobs.clear()
    (project / "checksums.csv").unlink()
    (project / "a.tgz").write_bytes(gzip.compress(tarred({"other.png": png(3)})))
    for _ in range(2):
        assert contents(project, gather(project, "file:a.tgz")) == {"other.png": png(3)}
        os.truncate(transfer.folder_of("file:a.tgz") / "a.tgz.tar", 700)


def test_interrupted_at_any_moment_it_ends_with_the_same_bytes(project, monkeypatch):
    (project / "a.tgz").write_bytes(gzip.compress(tarred(FILES)))
    gather(project, "file:a.tgz")
    table = (project / "out" / "manifest.csv").read_bytes()
    monkeypatch.setattr(archive, "_MEGABYTE", 1000)
    interrupts = 0

    def stop_after(count: int):
        def items(items, *_):
            nonlocal count
            for item in items:
                if count == 0:
                    raise KeyboardInterrupt
                count -= 1
                yield item

        return items

    for count in range(100):
        for path in transfer.folder_of("file:a.tgz").iterdir():
            path.unlink()
        (project / "out" / "manifest.csv").unlink(missing_ok=True)
        try:
            with monkeypatch.context() as patch:
                patch.setattr(archive, "progress", stop_after(count))
                gather(project, "file:a.tgz")
        except KeyboardInterrupt:
            interrupts += 1
            assert kept(project) in ([], ["a.tgz.tar", "a.tgz.tar.txt"])
            gather(project, "file:a.tgz")
        assert (project / "out" / "manifest.csv").read_bytes() == table
    assert interrupts == 11 + len(FILES)  # a tar has 10 kB at least


class Breaking(http.server.BaseHTTPRequestHandler):
    """Serves `data`, half of what is asked for at a time, until it is less than a kilobyte."""

    data = b""

    def do_GET(self):
        start = int(re.sub(r"\D", "", self.headers.get("Range", "0")))
        self.send_response(206 if start else 200)
        self.send_header("Content-Range", f"bytes {start}-{len(self.data) - 1}/{len(self.data)}")
        self.send_header("Content-Length", str(len(self.data) - start))
        self.send_header("ETag", '"1"')
        self.end_headers()
        left = len(self.data) - start
        self.wfile.write(self.data[start : start + left // 2] if left > 1000 else self.data[start:])

    def log_message(self, *_):
        pass


@pytest.fixture
def serve(monkeypatch):
    monkeypatch.setattr("pooch.core.time.sleep", lambda seconds: None)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Breaking) as server:
        threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()

        def url(name: str, data: bytes) -> str:
            Breaking.data = data
            return f"http://127.0.0.1:{server.server_port}/{name}"

        yield url
        server.shutdown()


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_an_archive_comes_over_a_network_that_breaks(project, serve, kind):
    url = serve(f"a.{kind}", PACKERS[kind](FILES | {"noise.bin": os.urandom(50_000)}))
    rows = gather(project, url)
    assert contents(project, rows) == FILES
    assert f"a.{kind}" in kept(project) and rows[0].place.startswith("data/downloads/")


@pytest.mark.slow
@pytest.mark.skipif(not SHARED.exists(), reason="the real archives are not beside this project")
def test_a_real_tgz_comes_over_a_network_that_breaks(project, serve):
    url = serve("imagenette-160.tgz", (SHARED / "imagenette-160.tgz").read_bytes())
    checksum = "sha256:6593112f6bd41adf224efd35f62e4a3d740d9e0fe6f4111fb3617df3080bc6b1"
    rows = gather(project, url, checksum=checksum, bytes=77_032_691, held_out="imagenette-160/val")
    assert Counter(row.split for row in rows) == {"": 9103, "test": 600}
    assert {(row.width, row.height) for row in rows} == {(160, 160)} and len(
        {row.label for row in rows}
    ) == 10
    for row, data in zip(rows[::500], contents(project, rows[::500]).values(), strict=True):
        assert hashlib.sha256(data).hexdigest() == row.sha256


@pytest.mark.slow
@pytest.mark.skipif(not SHARED.exists(), reason="the real archives are not beside this project")
def test_a_real_zip_is_read_in_place(project):
    rows = gather(project, (SHARED / "tiny-imagenet-200.zip").as_uri())
    assert len(rows) == 20_200 and len({row.label for row in rows}) == 202
    assert {(row.width, row.height) for row in rows} == {(64, 64)} and kept(project) == []
