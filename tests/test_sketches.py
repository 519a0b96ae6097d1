"""What sketches promise: pairs as they lie in the folder, a reason for all else, no guess at the sides."""

import hashlib
import os
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image

from tintype.console import UserError
from tintype.sources import manifest, places, sketches

REAL = Path(__file__).parents[2] / "shared" / "data" / "edges2shoes_val"
GREY, RED, PALE = (90, 90, 90), (200, 30, 30), (100, 90, 90)


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """An empty folder of the user's, in an empty project."""
    monkeypatch.delenv("DVC_ROOT", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    return tmp_path / "mine"


def picture(path: Path, size: tuple[int, int] = (6, 4), left: tuple = GREY, right: tuple = RED) -> None:
    """A picture whose halves have these colours."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.new("RGB", size, left)
    image.paste(right, (size[0] // 2, 0, *size))
    image.save(path)


def gather(
    path: Path, colour: str = "auto", sketches_in: str | None = None
) -> tuple[str, list, dict[str, str]]:
    """The line, the manifest's rows, what was left out and why."""
    out = Path("out")
    out.mkdir(exist_ok=True)
    settings = SimpleNamespace(path=str(path), colour=colour, sketches=sketches_in, licence="mine")
    line = sketches.gather(settings, out)
    return line, list(manifest.read(out)), dict(manifest.left_out(out))


# Side by side


@pytest.mark.skipif(not REAL.is_dir(), reason="no real pairs beside the checkout")
def test_real_pairs_have_their_colour_on_the_right(folder):
    line, rows, left_out = gather(REAL)
    assert line == "200 pictures in manifest.csv, colour on the right"
    assert not left_out and {(row.colour_side, row.width, row.height) for row in rows} == {
        ("right", 256, 256)
    }


def test_pairs_are_listed_where_they_are_with_the_size_of_a_half(folder):
    picture(folder / "b.png")
    picture(folder / "deep" / "a.PNG", (10, 7))
    line, rows, left_out = gather(folder, "left")
    assert line.endswith(", colour on the left") and left_out == {}
    assert [(row.path, row.width, row.height) for row in rows] == [("b.png", 3, 4), ("deep/a.PNG", 5, 7)]
    for row in rows:
        assert (row.place, row.group, row.colour_side, row.licence) == ("mine", row.path, "left", "mine")
        assert (row.input, row.input_sha256, row.condition) == ("", "", "")
        data = places.read(places.find(Path("out"), row.place), row.path)
        assert row.sha256 == hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize(
    ("left", "right", "side"),
    [(GREY, RED, "right"), (RED, GREY, "left"), (PALE, RED, "right"), (RED, PALE, "left")],
)
def test_auto_finds_the_half_with_more_colour(folder, left, right, side):
    for number in range(3):
        picture(folder / f"{number}.png", left=left, right=right)
    line, rows, _ = gather(folder)
    assert line.endswith(f"colour on the {side}") and {row.colour_side for row in rows} == {side}


def test_auto_wants_nine_of_ten_pairs_to_agree(folder):
    for number in range(10):
        picture(folder / f"{number}.png", left=GREY if number else RED, right=RED if number else GREY)
    assert gather(folder)[0].endswith("colour on the right")
    picture(folder / "1.png", left=RED, right=GREY)
    with pytest.raises(
        UserError, match=r"10 pairs .* 2 .* on the left and 8 on the right; write `colour: left`"
    ):
        gather(folder)
    assert gather(folder, "right")[1][0].colour_side == "right"


def test_auto_counts_a_pair_without_colour_for_neither_side(folder):
    for number in range(9):
        picture(folder / f"{number}.png", right=GREY if number < 1 else RED)
    with pytest.raises(UserError, match="0 have more colour on the left and 8 on the right"):
        gather(folder)


def test_auto_looks_at_the_first_50_pairs_that_can_be_read(folder):
    (folder / "00.png").write_bytes(b"no picture")
    for number in range(1, 61):
        left, right = (GREY, RED) if number <= 50 else (RED, GREY)
        picture(folder / f"{number:02d}.png", left=left, right=right)
    line, rows, _ = gather(folder)
    assert line == "61 pictures in manifest.csv, colour on the right"
    assert (rows[0].path, rows[0].width, rows[0].height) == ("00.png", 0, 0)  # for `prepare` to reject


def test_what_is_no_pair_is_left_out_with_a_reason(folder, tmp_path):
    picture(folder / "a.png")
    picture(folder / "odd.png", (7, 4))
    (folder / "notes.txt").write_text("x")
    picture(tmp_path / "elsewhere" / "b.png")
    os.symlink(tmp_path / "elsewhere", folder / "linked")
    line, rows, left_out = gather(folder)
    assert [row.path for row in rows] == ["a.png"] and line.startswith(
        "1 pictures in manifest.csv, 3 files in"
    )
    assert left_out["odd.png"] == "7 pixels wide: an odd number has no halves"
    assert "not named like a picture" in left_out["notes.txt"]
    assert "a link to a folder" in left_out["linked"]


@pytest.mark.parametrize("colour", ["middle", "Left", ""])
def test_another_side_is_refused(folder, colour):
    picture(folder / "a.png")
    with pytest.raises(UserError, match=f"colour: found '{colour}', allowed: left, right, auto"):
        gather(folder, colour)


@pytest.mark.parametrize("colour", ["auto", "left"])
def test_a_folder_without_pairs_is_explained(folder, colour):
    (folder / "notes.txt").write_text("x")
    with pytest.raises(UserError, match=r"no pair .*; notes.txt: not named like a picture"):
        gather(folder, colour)


# Two folders


def test_two_folders_are_matched_by_name_whatever_the_suffix(folder):
    for path, size in (("ink/deep/a.b.PNG", (12, 8)), ("ink/a.png", (6, 4)), ("out/a.jpg", (6, 4))):
        picture(folder / path, size)
    picture(folder / "out/deep/a.b.tif")
    line, rows, left_out = gather(folder, "out", "ink")
    assert line == "2 pictures in manifest.csv" and left_out == {}
    assert [row.path for row in rows] == ["out/a.jpg", "out/deep/a.b.tif"]
    assert [row.input for row in rows] == ["ink/a.png", "ink/deep/a.b.PNG"]
    for row in rows:
        assert (row.place, row.group, row.colour_side, row.width, row.height) == ("mine", row.path, "", 6, 4)
        assert row.sha256 == hashlib.sha256((folder / row.path).read_bytes()).hexdigest()
        assert row.input_sha256 == hashlib.sha256((folder / row.input).read_bytes()).hexdigest()


def test_files_without_a_partner_or_of_another_shape_are_left_out(folder):
    for path in ("c/1.png", "c/2.png", "s/1.png", "s/3.png", "s/x/2.png", "c/notes.txt"):
        picture(folder / path) if path.endswith("png") else (folder / path).write_text("x")
    for name, size in (("near", (102, 100)), ("far", (103, 100)), ("tall", (100, 103))):
        picture(folder / f"c/{name}.png", size)
        picture(folder / f"s/{name}.png", (50, 50))
    _, rows, left_out = gather(folder, "c", "s")
    assert [row.path for row in rows] == ["c/1.png", "c/near.png"]
    assert left_out.pop("c/far.png") == "it and s/far.png differ in shape: 103 x 100 and 50 x 50 pixels"
    assert left_out.pop("c/notes.txt") == "not named like a picture" and "differ" in left_out.pop(
        "c/tall.png"
    )
    assert left_out == {
        "c/2.png": "no drawing of its name in s",
        "s/3.png": "no picture of its name in c",
        "s/x/2.png": "no picture of its name in c",
    }


def test_two_files_of_one_name_are_refused(folder):
    for path in ("c/1.png", "s/1.png", "s/1.jpg"):
        picture(folder / path)
    with pytest.raises(UserError, match=r"sketches: s/1.jpg and s/1.png in .* have one name"):
        gather(folder, "c", "s")


@pytest.mark.parametrize("wrong", ["nothing", "../other", "/etc", "link", "s/../c", ".", "c/1.png"])
def test_a_subfolder_that_is_none_is_explained(folder, wrong):
    for path in ("c/1.png", "s/1.png", "../other/1.png"):
        picture(folder / path)
    os.symlink(folder / "c", folder / "link")
    with pytest.raises(UserError, match=r"(no subfolder of .*; there are: c, s$)|overlap"):
        gather(folder, wrong, "s")


def test_pairs_in_two_folders_need_two_folders(folder):
    picture(folder / "c" / "s" / "1.png")
    for colour, drawings in (("c", "c/"), ("c", "c/s"), ("c/s", "c")):
        with pytest.raises(UserError, match="overlap"):
            gather(folder, colour, drawings)
    (folder / "s").mkdir()
    with pytest.raises(UserError, match=r"no pair .*; c/s/1.png: no drawing of its name in s"):
        gather(folder, "c", "s")
