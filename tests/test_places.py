"""What reading a picture promises, wherever it is: its bytes, or a reason, in bounded memory and time."""

import os
import tarfile
import tracemalloc
import zipfile
from pathlib import Path

import pytest

from tintype.console import UserError
from tintype.images import UnreadablePicture
from tintype.sources import places

METHODS = {"stored": zipfile.ZIP_STORED, "deflated": zipfile.ZIP_DEFLATED}
METHODS |= {"bzip2": zipfile.ZIP_BZIP2, "lzma": zipfile.ZIP_LZMA}
DATA = bytes(range(256)) * 40


def zipped(path: Path, files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data, method)
    return path


def test_a_place_is_the_raw_folder_itself_or_told_from_the_project_or_in_full(tmp_path, monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    raw = tmp_path / "data" / "raw" / "photos"
    raw.mkdir(parents=True)
    assert places.find(raw, "") == raw
    assert places.find(raw, "data/raw") == raw.parent
    assert places.find(raw, str(raw)) == raw
    with pytest.raises(UserError, match=rf"{tmp_path}/gone.zip: not there, though {raw} names it.*dvc repro"):
        places.find(raw, "gone.zip")


@pytest.mark.parametrize("size", [0, 1, 5000])
def test_the_same_bytes_are_read_from_a_folder_a_zip_and_a_tar(tmp_path, size):
    data = DATA[:size]
    (tmp_path / "folder" / "é").mkdir(parents=True)
    (tmp_path / "folder" / "é" / "a.png").write_bytes(data)
    assert places.read(tmp_path / "folder", "é/a.png") == data
    for name, method in METHODS.items():
        archive = zipped(tmp_path / name, {"b.png": b"another", "é/a.png": data}, method)
        assert places.read(archive, "é/a.png") == data
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        archive.add(tmp_path / "folder" / "é" / "a.png", "é/a.png")
    with tarfile.open(tmp_path / "a.tar") as archive:
        (member,) = archive
    assert places.read(tmp_path / "a.tar", "é/a.png", member.offset_data, member.size) == data


def test_a_zip_is_known_by_what_it_holds_and_not_by_its_name(tmp_path):
    for name in ("content", "a.tar", "A.ZIP"):
        assert places.read(zipped(tmp_path / name, {"a.png": DATA}), "a.png") == DATA


def test_names_in_a_zip_may_begin_with_a_dot_and_a_slash(tmp_path):
    archive = zipped(tmp_path / "a.zip", {"./a.png": DATA, "./b/c.png": b"c"})
    assert places.read(archive, "a.png") == DATA and places.read(archive, "b/c.png") == b"c"


def test_a_zip_that_was_replaced_is_read_anew(tmp_path):
    path = zipped(tmp_path / "a.zip", {"a.png": b"older"})
    assert places.read(path, "a.png") == b"older"
    zipped(tmp_path / "new.zip", {"0.png": DATA, "a.png": b"newer"})
    os.utime(tmp_path / "new.zip", (1, 1))
    os.replace(tmp_path / "new.zip", path)
    assert places.read(path, "a.png") == b"newer"


def test_what_is_missing_is_told(tmp_path):
    (tmp_path / "folder.png").mkdir()
    os.mkfifo(tmp_path / "pipe.png")  # opening it would wait for ever
    for path in ("gone.png", "folder.png", "pipe.png", "no/gone.png"):
        with pytest.raises(UnreadablePicture, match="the file is missing"):
            places.read(tmp_path, path)
    with pytest.raises(UnreadablePicture, match="missing in the archive"):
        places.read(zipped(tmp_path / "a.zip", {"a.png": DATA}), "b.png")


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_damage_in_a_zip_is_told_wherever_it_is(tmp_path, method):
    whole = zipped(tmp_path / "whole.zip", {"a.png": DATA}, method).read_bytes()
    for at in range(0, len(whole), max(1, len(whole) // 150)):
        for name, data in [
            (f"{at}.cut", whole[:at]),
            (f"{at}.flipped", whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :]),
        ]:
            (tmp_path / name).write_bytes(data)
            try:
                assert places.read(tmp_path / name, "a.png") == DATA
            except UnreadablePicture as error:
                assert str(tmp_path) not in str(error)
    for data in (b"", b"some text"):
        (tmp_path / "a.zip").write_bytes(data)
        with pytest.raises(UnreadablePicture, match="damaged"):
            places.read(tmp_path / "a.zip", "a.png")


def test_a_tar_that_ends_too_early_is_told(tmp_path):
    (tmp_path / "a.tar").write_bytes(bytes(512) + DATA)
    assert places.read(tmp_path / "a.tar", "a.png", 512, len(DATA)) == DATA
    with pytest.raises(UnreadablePicture, match=r"a.tar ends before it"):
        places.read(tmp_path / "a.tar", "a.png", 512, len(DATA) + 1)


def test_an_encrypted_file_is_told(tmp_path):
    path = zipped(tmp_path / "a.zip", {"a.png": DATA}, zipfile.ZIP_STORED)
    data = bytearray(path.read_bytes())
    for head, flags in [(b"PK\x03\x04", 6), (b"PK\x01\x02", 8)]:
        data[data.index(head) + flags] |= 1
    path.write_bytes(data)
    with pytest.raises(UnreadablePicture, match="encrypted"):
        places.read(path, "a.png")


def test_files_larger_than_the_limit_are_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(places, "MAX_BYTES", len(DATA) - 1)
    (tmp_path / "a.png").write_bytes(DATA)
    zipped(tmp_path / "a.zip", {"a.png": DATA})
    for place in (tmp_path, tmp_path / "a.zip"):
        with pytest.raises(UnreadablePicture, match=r"10,240 bytes; at most 10,239 are read"):
            places.read(place, "a.png")
    with pytest.raises(UnreadablePicture, match=r"10,240 bytes; at most"):
        places.read(tmp_path / "a.tar", "a.png", 512, len(DATA))


def test_a_file_that_unpacks_to_more_than_it_declares_takes_no_more_memory(tmp_path):
    path = zipped(tmp_path / "a.zip", {"a.png": bytes(40_000_000)})
    sizes = [size.to_bytes(4, "little") for size in (40_000_000, 1000)]
    assert path.read_bytes().count(sizes[0]) == 2
    path.write_bytes(path.read_bytes().replace(*sizes))
    tracemalloc.start()
    try:
        with pytest.raises(UnreadablePicture, match="damaged"):
            places.read(path, "a.png")
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_many_files_of_a_zip_are_read_in_any_order(tmp_path):
    files = {f"{i}.png": bytes([i]) * (i + 1) for i in range(50)}
    archive = zipped(tmp_path / "a.zip", files)
    assert [places.read(archive, name) for name in reversed(files)] == [*files.values()][::-1]
