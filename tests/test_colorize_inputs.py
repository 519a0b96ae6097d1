"""Which pictures `tintype colorize` colours, and where each answer goes."""

# ruff: noqa: F811  fixtures are imported

import json
import os
from pathlib import Path

import pytest
from colouring import colour, coloured, plain, put, written  # noqa: F401

from tintype.console import Failure, UserError


def test_one_picture_goes_into_a_file_or_a_folder_or_into_coloured(colour):
    put("a.jpg")
    colour("a.jpg", "-o", "b.png")
    colour("a.jpg", "-o", "folder")
    colour("a.jpg")
    assert {name for name in written(".") if name != "a.jpg"} == {"b.png", "folder/a.jpg", "coloured/a.jpg"}


def test_folders_keep_their_structure_and_several_their_names(colour):
    for path in ("one/a.jpg", "one/deep/er/a.jpg", "two/a.jpg", "b.gif", ".hidden/c.jpg", "one/.hidden.jpg"):
        put(path)
    colour("one", "-o", "alone")
    assert set(written("alone")) == {"a.jpg", "deep/er/a.jpg"}
    colour("one", "two", "b.gif", "-o", "all")
    assert set(written("all")) == {"one/a.jpg", "one/deep/er/a.jpg", "two/a.jpg", "b.gif.png"}


def test_patterns_are_resolved_where_the_shell_did_not(colour):
    for path in ("1930s/a.jpg", "1931/b.jpg", "1950/c.jpg", "x [1].jpg"):
        put(path)
    colour("19[34]*/*.jpg", "x [1].jpg", "-o", "out")
    assert set(written("out")) == {"a.jpg", "b.jpg", "x [1].jpg"}
    colour("**/c.jpg", "-o", "deep")
    assert set(written("deep")) == {"c.jpg"}


def test_a_folder_of_answers_inside_the_originals_is_not_coloured_again(colour):
    put("in/a.jpg")
    for _ in range(2):
        colour("in", "-o", "in/out", "--overwrite")
    colour("in/*", "-o", "in/out", "--overwrite")
    assert set(written("in")) == {"a.jpg", "out/a.jpg"}
    put("b.jpg")
    for _ in range(2):
        colour(".", "--overwrite")
    assert "coloured/b.jpg" in written(".") and "coloured/coloured/b.jpg" not in written(".")


def test_a_picture_that_is_named_twice_is_coloured_once(colour):
    put("a.jpg")
    assert "1 coloured" in colour("a.jpg", "a.jpg", "*.jpg", "-o", "out")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere.jpg"], "nowhere.jpg: No such file"),
        (["*.xyz"], r"\*.xyz: No such file or directory; name files, folders, or patterns"),
        (["empty"], r"empty: no picture there \(files ending in .apng, .bmp"),
        (["in", "-o", "in"], "-o in: the originals are there, and stay; name another folder"),
        (["in/a.jpg", "-o", "in"], "one of the originals, which stay; name another folder"),
        (["in/a.jpg", "-o", "in/a.jpg"], "one of the originals, which stay"),
        (["gifs", "-o", "gifs"], "the originals are there"),
        (["in", "-o", "one.jpg"], "-o one.jpg: found a file's name, allowed: a folder's, for several"),
        (["in/a.jpg", "two/a.jpg", "-o", "one.TIF"], "-o one.TIF: found a file's name, allowed: a folder's"),
        (["in", "-o", "file"], "-o file: found a file, allowed: a folder"),
        (["in/a.jpg", "-o", "b.gif"], r"found the suffix .gif, allowed: .jpg, .*\.png"),
        (
            ["in/a.jpg", "two/a.jpg"],
            "in/a.jpg, two/a.jpg: both would become coloured/a.jpg; colour them into",
        ),
        (["twice", "--compare"], "twice: .*a-compare.jpg: several pictures would be called so|a-compare.jpg"),
        (["sheet", "-o", "out", "--preview"], "out/preview.png: several pictures would be called so"),
    ],
)
def test_paths_that_make_no_sense_are_a_mistake_that_says_what_to_do(colour, arguments, said):
    for path in (
        "in/a.jpg",
        "two/a.jpg",
        "gifs/a.gif",
        "twice/a.jpg",
        "twice/a-compare.jpg",
        "sheet/preview.png",
    ):
        put(path)
    Path("file").write_text("text")
    Path("empty").mkdir()
    before = written(".")
    with pytest.raises(UserError, match=said):
        colour(*arguments)
    assert written(".") == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read_is_named_and_the_others_are_coloured(colour):
    put("in/a.jpg")
    put("in/locked/b.jpg")
    Path("in/locked").chmod(0)
    try:
        with pytest.raises(Failure, match="in/locked: Permission denied"):
            colour("in", "-o", "out")
    finally:
        Path("in/locked").chmod(0o700)
    assert set(written("out")) == {"a.jpg"}


def test_a_link_to_nowhere_is_named(colour):
    put("in/a.jpg")
    Path("in/b.jpg").symlink_to("nowhere.jpg")
    with pytest.raises(Failure, match=r"in/b.jpg: No such file or directory"):
        colour("in", "-o", "out")
    assert set(written("out")) == {"a.jpg"}


def test_what_is_no_picture_is_passed_over_and_counted(colour):
    put("in/a.jpg")
    for name in ("b.heic", "c.heic", "notes"):
        (Path("in") / name).write_bytes(b"?")
    os.mkfifo("in/pipe.jpg")
    said = colour("in", "-o", "out")
    assert "1 coloured" in said and "3 files of other kinds were not looked at (.heic, no suffix)" in said
    assert set(written("out")) == {"a.jpg"}
    assert json.loads(colour("in", "-o", "out", "--json"))["others"] == {".heic": 2, "no suffix": 1}


def test_linked_folders_are_entered_once(colour):
    put("real/a.jpg")
    put("in/b.jpg")
    Path("in/linked").symlink_to(Path("real").resolve())
    Path("in/loop").symlink_to(Path("in").resolve())
    colour("in", "-o", "out")
    assert set(written("out")) == {"b.jpg", "linked/a.jpg"}


@pytest.mark.parametrize("out", ["text.txt/sub", "/proc/nowhere"])
def test_where_nothing_can_be_written_it_is_said_before_any_work(colour, out):
    put("in/a.jpg")
    Path("text.txt").write_text("a file")
    with pytest.raises(UserError, match=r"-o .*: .*; name a folder that you may write in"):
        colour("in", "-o", out)
