"""What the source "archive" refuses, and what it leaves out: damage, bombs, and names that lead elsewhere."""

import bz2
import gzip
import io
import lzma
import os
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import zstandard

from tintype.console import UserError
from tintype.sources import archive, manifest, members, places

FILES = {"set/1.png": b"one", "set/2.png": b"two"}


def tarred(files: dict[str, bytes], change: Callable[[tarfile.TarInfo], None] = lambda info: None) -> bytes:
    packed = io.BytesIO()
    settings = {"format": tarfile.GNU_FORMAT, "encoding": "utf-8", "errors": "surrogateescape"}
    with tarfile.open(fileobj=packed, mode="w", **settings) as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            change(info)
            tar.addfile(info, io.BytesIO(data))
    return packed.getvalue()


def zipped(files: dict[str, bytes], change: Callable[[zipfile.ZipInfo], None] = lambda info: None) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        for name, data in files.items():
            info = zipfile.ZipInfo(name)
            change(info)
            file.writestr(info, data)
    return packed.getvalue()


PACKERS = {
    "zip": zipped,
    "tar": tarred,
    "tar.gz": lambda files: gzip.compress(tarred(files)),
    "tar.bz2": lambda files: bz2.compress(tarred(files)),
    "tar.xz": lambda files: lzma.compress(tarred(files)),
    "tar.zst": lambda files: zstandard.compress(tarred(files)),
}
both = pytest.mark.parametrize("pack", [zipped, tarred])
each_kind = pytest.mark.parametrize("kind", PACKERS)


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    (tmp_path / "out").mkdir()
    return tmp_path


def gather(project: Path, data: bytes) -> tuple[list[str], dict[str, str]]:
    """The paths listed of an archive, and what is left out."""
    (project / "archive").write_bytes(data)
    (project / "checksums.csv").unlink(missing_ok=True)
    settings = {"url": "file:archive", "checksum": None, "bytes": None, "max_files": 100, "max_bytes": 10**6}
    settings |= {"licence": "theirs", "group": "picture", "held_out": None}
    archive.gather(SimpleNamespace(**settings), project / "out")
    return [row.path for row in manifest.read(project / "out")], dict(manifest.left_out(project / "out"))


def refuses(project: Path, data: bytes, problem: str) -> None:
    with pytest.raises(UserError, match=rf"{project}/archive: .*{problem}"):
        gather(project, data)
    left = [path.name for path in (project / "data").rglob("*") if path.is_file()]
    assert set(left) <= {".lock"} and not list(project.rglob(".unfinished*"))


@both
@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("/etc/1.png", "/etc/1.png is an absolute name"),
        ("C:/1.png", "C:/1.png is an absolute name"),
        ("c:1.png", "c:1.png is an absolute name"),
        ("../1.png", "../1.png is a name that leads out of the archive"),
        ("a/../../1.txt", "a/../../1.txt is a name that leads out of the archive"),
        ("..", "is a name that leads out of the archive"),
        ("a\\1.png", r"a\\1.png is a name with a backslash"),
        ("./set/1.png", "set/1.png is there twice"),
        ("set//2.png", "set//2.png is there twice"),
    ],
)
def test_names_that_lead_elsewhere_or_are_there_twice(project, pack, name, problem):
    refuses(project, pack(FILES | {name: b"x"}), f"{problem}, so nothing of this archive is taken")


@pytest.mark.parametrize(
    ("kind", "problem"),
    [
        (tarfile.SYMTYPE, "a symbolic link"),
        (tarfile.LNKTYPE, "a hard link"),
        (tarfile.CHRTYPE, "a device"),
        (tarfile.BLKTYPE, "a device"),
        (tarfile.FIFOTYPE, "a pipe"),
        (b"V", "of the unknown type b'V'"),
    ],
)
def test_what_is_no_file_in_a_tar(project, kind, problem):
    def change(info: tarfile.TarInfo) -> None:
        if info.name == "odd":
            info.type, info.linkname = kind, "set/1.png"

    for data in (tarred(FILES | {"odd": b""}, change), gzip.compress(tarred({"odd": b""} | FILES, change))):
        refuses(project, data, f"odd is {problem}")


@pytest.mark.parametrize(
    ("mode", "problem"),
    [
        (stat.S_IFLNK, "a symbolic link"),
        (stat.S_IFCHR, "a device"),
        (stat.S_IFBLK, "a device"),
        (stat.S_IFIFO, "a pipe"),
        (stat.S_IFSOCK, "a socket"),
    ],
)
def test_what_is_no_file_in_a_zip(project, mode, problem):
    def change(info: zipfile.ZipInfo) -> None:
        info.external_attr = ((mode if info.filename == "odd" else stat.S_IFREG) | 0o644) << 16

    refuses(project, zipped(FILES | {"odd": b"set/1.png"}, change), f"odd is {problem}")


def test_encrypted_files(project):
    data = bytearray(zipped(FILES))
    data[data.index(b"PK\x01\x02") + 8] |= 1
    refuses(project, bytes(data), "set/1.png is encrypted")


@each_kind
def test_more_files_or_bytes_than_allowed_and_archives_without_pictures(project, kind):
    pack = PACKERS[kind]
    assert len(gather(project, pack({f"{i}.png": b"" for i in range(100)}))[0]) == 100
    for data, problem in [
        (pack({f"{i}.png": b"" for i in range(101)}), "more than 100 files and folders .*`max_files`"),
        (
            pack({f"{i}.png": bytes(300_000) for i in range(4)}),
            "unpacks to more than 1,000,000 bytes.*`max_bytes`",
        ),
        (pack({"a.txt": b"x", "._1.png": b"x"}), "no picture in it; pictures are named .*.png"),
        (pack({}), "no picture in it"),
    ]:
        for path in (project / "data").rglob("*.*"):
            path.unlink()
        refuses(project, data, problem)


@pytest.mark.parametrize("data", [b"", b"<html>log in</html>", bytes(511), gzip.compress(b"text" * 999)])
def test_what_is_no_archive(project, data):
    refuses(
        project,
        data,
        r"begins with b'.*\.zip, \.tar, and \.tar packed by gzip, bzip2, xz or zstd; correct `url`",
    )


@each_kind
def test_an_archive_cut_short_anywhere(project, kind):
    data = PACKERS[kind]({"1.png": os.urandom(3000), "2.png": os.urandom(3000)})
    needed = 7680 if kind == "tar" else len(data)  # the rest are zeros behind the end
    for length in range(1, needed, needed // 60):
        refuses(project, data[:length], r"(damaged or cut short \(.+\)|no archive that can be read)")


@pytest.mark.parametrize("kind", ["zip", "tar.gz", "tar.bz2", "tar.xz"])
def test_damage_in_the_middle(project, kind):
    data = bytearray(PACKERS[kind]({"1.png": os.urandom(950_000)}))
    data[-20_000] ^= 0xFF
    refuses(project, bytes(data), r"damaged or cut short \(.+\); if where it comes from has a better one")


def test_a_damaged_header_is_not_taken_for_the_end(project):
    data = bytearray(tarred(FILES))
    data[1024 + 150] ^= 1  # in the second file's checksum
    refuses(project, bytes(data), "neither header nor end at byte 1024")


def test_a_header_that_would_fill_the_memory(project, monkeypatch):
    name = "a" * 2000 + ".png"
    assert gather(project, tarred({name: b""}))[0] == [name]
    monkeypatch.setattr(members, "MAX_HEADER", 2000)
    refuses(project, tarred({name: b""}), "a header of 2048 bytes")


@pytest.mark.parametrize("first", [b"", tarfile.TarInfo("1.png").tobuf()], ids=["only zeros", "a tar"])
def test_ten_gigabytes_of_zeros_are_not_unpacked(project, monkeypatch, first):
    sizes = []
    monkeypatch.setattr(archive, "progress", lambda blocks, *_: (sizes.append(len(b)) or b for b in blocks))
    bomb = gzip.compress(first) + gzip.compress(bytes(2**24)) * 640
    refuses(project, bomb, "unpacks to more than 1,000,000 bytes")
    assert sum(sizes) < 3 * 10**6


def test_what_cannot_be_listed_is_left_out_with_its_reason(project, monkeypatch):
    monkeypatch.setattr(places, "MAX_BYTES", 10)
    odd = {"caf\udce9/1.png": b"", "line\n.png": b"", "big.png": bytes(11), "1.txt": b"", "png": b""}
    odd |= {"__MACOSX/set/1.png": b"", "set/._1.png": b""}
    paths, left_out = gather(project, tarred(FILES | odd))
    assert paths == list(FILES)
    assert left_out == {
        "1.txt": "not named like a picture",
        "__MACOSX/set/1.png": "what macOS notes about a file, not the file",
        "big.png": "more than 10 bytes",
        "caf\\xe9/1.png": "its name is not UTF-8",
        "line\\x0a.png": "a control character is in its name",
        "png": "not named like a picture",
        "set/._1.png": "what macOS notes about a file, not the file",
    }


def test_a_sparse_file_is_left_out(project):
    def change(info: tarfile.TarInfo) -> None:
        if info.name == "holes.png":
            info.type = tarfile.GNUTYPE_SPARSE

    paths, left_out = gather(project, tarred(FILES | {"holes.png": b""}, change))
    assert paths == list(FILES) and left_out == {"holes.png": "stored as a sparse file, in pieces"}
