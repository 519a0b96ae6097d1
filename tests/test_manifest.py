"""What the manifest promises: rows read back as they were written, and a file that is wrong is explained."""

import hashlib
import io
import itertools

import pandas as pd
import pytest
from PIL import ExifTags, Image

from tintype.console import UserError
from tintype.sources import manifest
from tintype.sources.manifest import Picture

HEAD = ",".join(manifest.COLUMNS)
ROW = "a.png,0,3,2,s,l,g,,,,,,,,0,0"


def row(path: str, **changed: object) -> Picture:
    return Picture(path, "0" * 64, 3, 2, "a camera", "CC0", "g")._replace(**changed)


def test_a_manifest_reads_back_as_it_was_written(tmp_path):
    rows = [
        row("a.png", licence='"none", they say', group="007", source="null", label="NA"),
        row("b/é, 1.png", place="data/a.tar", offset=2**40, bytes=512, split="test", condition="hair=red"),
        row("c.png", input="drawings/c.png", input_sha256="1" * 64, colour_side="left"),
    ]
    assert manifest.write(tmp_path, iter(rows)) == "3 pictures in manifest.csv"
    assert list(manifest.read(tmp_path)) == rows
    assert (tmp_path / "manifest.csv").read_bytes().startswith(HEAD.encode() + b"\na.png,")
    assert manifest.left_out(tmp_path) == []


def test_what_was_left_out_reads_back_sorted_also_what_came_while_pictures_were_written(tmp_path):
    left_out = [("z.txt", "no, really"), ("b.txt", "none")]

    def pictures():
        yield row("a.png")
        left_out.append(("a.txt", "late"))

    line = manifest.write(tmp_path, pictures(), left_out)
    assert line == "1 pictures in manifest.csv, 3 files in left_out.csv"
    assert manifest.left_out(tmp_path) == [("a.txt", "late"), ("b.txt", "none"), ("z.txt", "no, really")]


def test_a_manifest_without_pictures_can_be_read(tmp_path):
    manifest.write(tmp_path, [])
    assert list(manifest.read(tmp_path)) == []


def test_rows_are_written_and_read_one_at_a_time(tmp_path):
    written = itertools.count()
    endless = (row(f"{next(written):09d}.png") for _ in itertools.repeat(None))
    with pytest.raises(ValueError, match="no path"):
        manifest.write(tmp_path, itertools.chain(itertools.islice(endless, 5000), [row("..")]))
    assert next(written) == 5000
    (tmp_path / "manifest.csv").write_text(f"{HEAD}\n{ROW}\nrubbish\n")
    rows = manifest.read(tmp_path)
    assert next(rows).path == "a.png"
    with pytest.raises(UserError, match="row 2"):
        next(rows)


@pytest.mark.parametrize("path", ["", ".", "/etc/a.png", "../a.png", "a/../../b.png", "a\\b.png"])
def test_paths_stay_inside_their_place(tmp_path, path):
    with pytest.raises(ValueError, match="inside"):
        manifest.write(tmp_path, [row(path)])
    for wrong in [row(path), row("a.png", input=path)][: 2 if path else 1]:
        pd.DataFrame([wrong]).to_csv(tmp_path / "manifest.csv", index=False)
        with pytest.raises(UserError, match="inside"):
            list(manifest.read(tmp_path))


def test_pictures_that_come_twice_or_out_of_order_are_not_written(tmp_path):
    for paths in (["a.png", "a.png"], ["b.png", "a.png"], ["a/b.png", "a.png"]):
        with pytest.raises(ValueError, match="listed once, in their order"):
            manifest.write(tmp_path, map(row, paths))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (None, "no such file"),
        ("", "columns are ;"),
        ("path,width\na.png,3\n", "columns are path, width"),
        (f"{HEAD}\n{ROW.replace('3,2', '3.5,2')}\n", "width is '3.5' in row 1"),
        (f"{HEAD}\n{ROW.replace('3,2', '3,')}\n", "height is '' in row 1"),
        (f"{HEAD}\n{ROW.replace('0,0', '-1,0')}\n", "offset is '-1' in row 1"),
        (f"{HEAD}\n{ROW}\n{ROW}\n", "'a.png' is listed twice"),
        (f"{HEAD}\n{ROW}\n{ROW.replace('a.png', 'A.png')}\n", "'A.png' is .* out of order"),
        (f"{HEAD}\n{ROW},more\n", "row 1 has 17 fields"),
        (f"{HEAD}\na.png,0,3,2\n", "row 1 has 4 fields"),
        ('path,"sha256\n', "not a table"),
        ("path,caf\udce9\n", "not a table"),
    ],
)
def test_a_manifest_that_is_missing_or_wrong_is_explained(tmp_path, text, problem):
    if text is not None:
        (tmp_path / "manifest.csv").write_text(text, encoding="utf-8", errors="surrogateescape")
    with pytest.raises(UserError, match=problem) as caught:
        list(manifest.read(tmp_path))
    assert str(tmp_path / "manifest.csv") in str(caught.value) and "dvc repro" in str(caught.value)


def test_tables_of_text_read_back_with_nothing_taken_for_a_number_or_for_missing(tmp_path):
    table = pd.DataFrame({"name": ["1.0", "NA", ""], "detail": ["a,b", "null", "é"]}, dtype="str")
    manifest.save_csv(tmp_path / "t.csv", table)
    pd.testing.assert_frame_equal(manifest.load_csv(tmp_path / "t.csv", ["name", "detail"]), table)
    with pytest.raises(UserError, match="they must be name, status"):
        manifest.load_csv(tmp_path / "t.csv", ["name", "status"])


def test_about_is_of_the_bytes_and_of_the_upright_picture():
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    file = io.BytesIO()
    Image.new("RGB", (5, 3)).save(file, "JPEG", exif=exif)
    data = file.getvalue()
    digest = hashlib.sha256(data).hexdigest()
    assert manifest.about(data) == {"sha256": digest, "width": 3, "height": 5}
    for broken in (b"", b"no picture"):
        digest = hashlib.sha256(broken).hexdigest()
        assert manifest.about(broken) == {"sha256": digest, "width": 0, "height": 0}


@pytest.mark.parametrize(
    ("path", "group", "held_out", "expected"),
    [
        ("a.png", "picture", None, ("a.png", "", "")),
        ("a.png", "folder", None, (".", "", "")),
        ("cats/a.png", "picture", None, ("cats/a.png", "cats", "")),
        ("cats/a.png", "folder", "cats", ("cats", "cats", "test")),
        ("cats/images/a.png", "folder", "cats", ("cats/images", "cats", "test")),
        ("train/cats/a.png", "picture", "cats", ("train/cats/a.png", "cats", "")),
        ("cats2/a.png", "picture", "cats", ("cats2/a.png", "cats2", "")),
        ("images/a.png", "picture", "images/", ("images/a.png", "", "test")),
    ],
)
def test_folders_say_what_belongs_together_what_it_is_and_what_is_held_out(path, group, held_out, expected):
    assert tuple(manifest.role(path, group, held_out).values()) == expected
