"""What writing outputs promises: whole or not at all, and digests of nothing but names and bytes."""

import hashlib
import json
import os
from pathlib import Path

import pytest

from tintype.files import folder_sha256, new_file, new_folder, sha256, write_json


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_a_new_folder_appears_when_its_block_succeeds_and_replaces_the_old_one_whole(tmp_path):
    out = tmp_path / "deep" / "out"
    for name in ("first", "second"):
        with new_folder(out) as unfinished:
            assert unfinished.parent == out.parent and not any(unfinished.iterdir())
            (unfinished / "sub").mkdir()
            (unfinished / "sub" / name).write_text(name)
            assert (out / "sub" / name).exists() is False
        assert contents(tmp_path) == {f"deep/out/sub/{name}": name.encode()}
        assert list(out.parent.iterdir()) == [out]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_block_that_fails_leaves_the_old_output_and_nothing_half_written(tmp_path, error):
    folder, file = tmp_path / "out", tmp_path / "out.csv"
    folder.mkdir()
    for path in (folder / "old", file):
        path.write_text("old")
    for new, path in ((new_folder, folder), (new_file, file), (new_folder, tmp_path / "never")):
        with pytest.raises(error), new(path) as unfinished:
            (unfinished if unfinished.suffix else unfinished / "half").write_text("half")
            raise error
    assert contents(tmp_path) == {"out/old": b"old", "out.csv": b"old"}
    assert sorted(tmp_path.iterdir()) == [folder, file]


def test_what_a_killed_process_left_half_written_is_not_taken_over(tmp_path):
    with pytest.raises(ValueError), new_folder(tmp_path / "out") as unfinished:
        raise ValueError
    unfinished.mkdir()
    (unfinished / "left over").write_text("")
    with new_folder(tmp_path / "out") as again:
        assert again == unfinished and not any(again.iterdir())


def test_a_new_file_replaces_the_old_one_and_keeps_the_suffix_that_writers_go_by(tmp_path):
    path = tmp_path / "deep" / "table.tar.gz"
    for text in ("first", "second"):
        with new_file(path) as unfinished:
            assert unfinished.name.endswith("table.tar.gz") and unfinished.parent == path.parent
            unfinished.write_text(text)
            assert not path.exists() or path.read_text() == "first"
        assert contents(tmp_path) == {"deep/table.tar.gz": text.encode()}


def test_json_is_readable_ends_its_line_and_holds_no_numbers_that_json_lacks(tmp_path):
    value = {"b": [1, 2.5, None], "a": "é"}
    write_json(tmp_path / "new" / "x.json", value)
    text = (tmp_path / "new" / "x.json").read_text(encoding="utf-8")
    assert json.loads(text) == value and text.startswith('{\n  "b": [\n') and text.endswith("}\n")
    for number in (float("nan"), float("inf")):
        with pytest.raises(ValueError):
            write_json(tmp_path / "new" / "x.json", {"a": number})
    assert contents(tmp_path) == {"new/x.json": text.encode()}


def test_sha256_is_that_of_the_bytes(tmp_path):
    for data in (b"", b"abc", bytes(range(256)) * 5000):
        (tmp_path / "x").write_bytes(data)
        assert sha256(tmp_path / "x") == hashlib.sha256(data).hexdigest()


def test_a_folders_digest_changes_with_names_places_and_bytes_and_with_nothing_else(tmp_path):
    def digest(name: str, files: dict[str, str]) -> str:
        for path, text in files.items():
            (tmp_path / name / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name / path).write_text(text)
        return folder_sha256(tmp_path / name)

    some = {"a.txt": "1", "sub/b.txt": "2"}
    first = digest("first", some)
    assert len(first) == 64 and int(first, 16)
    assert digest("order", dict(reversed(some.items()))) == first
    (tmp_path / "order" / "empty").mkdir()
    assert folder_sha256(tmp_path / "order") == first, "of files only, as DVC and git see a folder"
    others = [
        digest("bytes", some | {"a.txt": "3"}),
        digest("name", {"c.txt": "1", "sub/b.txt": "2"}),
        digest("place", {"a.txt": "1", "b.txt": "2"}),
        digest("swapped", {"a.txt": "2", "sub/b.txt": "1"}),
        digest("more", some | {"c.txt": ""}),
    ]
    assert len({first, *others}) == 6


def test_a_file_may_be_read_by_whom_the_umask_lets(tmp_path):
    before = os.umask(0o027)
    try:
        with new_file(tmp_path / "a") as file:
            file.touch(mode=0o600)
        assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640
    finally:
        os.umask(before)
