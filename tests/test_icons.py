"""What icons promise: pairs as the table says, drawings that hide the colours, errors that name the line."""

import hashlib
import os
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image

from tintype.conditions import Vocabulary, read
from tintype.console import UserError
from tintype.images import decode
from tintype.sources import icon_drawing, icons, manifest, places

HEAD = "input,output,hair,shirt"


@pytest.fixture(scope="module")
def drawn(tmp_path_factory) -> Path:
    """The generated set."""
    out = tmp_path_factory.mktemp("drawn")
    icons.gather(SimpleNamespace(path=None, licence="MIT"), out)
    return out


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """A folder of the user's in an empty project, with two drawings and three icons, as yet in no table."""
    monkeypatch.delenv("DVC_ROOT", raising=False)
    monkeypatch.chdir(tmp_path)
    for number, name in enumerate(["lines/a.png", "lines/b.png", "1.png", "2.png", "more/3.png"]):
        path = tmp_path / "mine" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8 + number, 8), (number, 0, 0)).save(path)
    return tmp_path / "mine"


def gather(folder: Path, table: str | bytes, path: str | None = None) -> list[manifest.Picture]:
    (folder / "Metadata.csv").write_bytes(table if isinstance(table, bytes) else table.encode())
    out = folder.parent / "out"
    out.mkdir(exist_ok=True)
    icons.gather(SimpleNamespace(path=path or str(folder), licence="mine"), out)
    return list(manifest.read(out))


# The generated set


def test_ten_characters_are_drawn_in_all_25_colourings(drawn):
    rows = list(manifest.read(drawn))
    assert len(rows) == 250
    assert len({(row.group, row.condition) for row in rows}) == 250
    assert len({row.group for row in rows}) == 10
    assert Vocabulary.of(row.condition for row in rows).size == 10
    assert {(row.width, row.height, row.place, row.licence) for row in rows} == {(128, 128, "", "MIT")}
    assert len({row.sha256 for row in rows}) == 250 and len({row.input_sha256 for row in rows}) == 10


def test_the_generated_set_is_the_same_bytes_each_time(drawn, tmp_path):
    icons.gather(SimpleNamespace(path=None, licence="MIT"), tmp_path)
    files = [path.relative_to(drawn) for path in drawn.rglob("*") if path.is_file()]
    assert len(files) == 250 + 10 + len(["Metadata.csv", "manifest.csv", "left_out.csv"])
    assert all((drawn / file).read_bytes() == (tmp_path / file).read_bytes() for file in files)


def test_the_generated_set_is_an_example_of_what_a_user_gives(drawn, tmp_path):
    icons.gather(SimpleNamespace(path=str(drawn), licence="MIT"), tmp_path)
    for own, generated in zip(manifest.read(tmp_path), manifest.read(drawn), strict=True):
        assert own._replace(place="", source="") == generated._replace(source="")
        data = places.read(places.find(tmp_path, own.place), own.path)
        assert hashlib.sha256(data).hexdigest() == own.sha256


def test_an_icon_shows_the_colours_that_its_condition_names(drawn):
    for row in manifest.read(drawn):
        pixels = decode(drawn / row.path) @ [2**16, 2**8, 1]
        for name, palette in (("hair", icon_drawing.HAIR), ("shirt", icon_drawing.SHIRT)):
            shown = {some for some, code in palette.items() if (pixels == int(code[1:], 16)).mean() > 0.01}
            assert shown == {read(row.condition)[name]}, row.path


def test_a_drawing_is_ink_on_white_paper_and_the_same_for_all_colourings(drawn):
    rows = list(manifest.read(drawn))
    for drawing in {row.input for row in rows}:
        lines = decode(drawn / drawing)
        assert (lines == lines[..., :1]).all()  # grey
        assert (lines == 255).all(axis=2).mean() > 0.75
        ink = lines[..., 0] < 60
        for row in rows:
            if row.input == drawing:
                assert decode(drawn / row.path)[ink].max() < 90


def test_colourings_of_a_character_differ_in_hair_and_shirt_only():
    character = icon_drawing.CHARACTERS[0]
    one = icon_drawing.draw(character, "red", "blue")
    hair = (one != icon_drawing.draw(character, "black", "blue")).any(axis=2)
    shirt = (one != icon_drawing.draw(character, "red", "white")).any(axis=2)
    assert 0.05 < hair.mean() < 0.4 and 0.05 < shirt.mean() < 0.4
    assert not (hair & shirt).any()


# A user's folder


def test_rows_become_pairs_that_stay_where_they_are(folder):
    listed = [
        "note,lines/b.png,more/3.png,red,blue",
        ",lines/a.png,2.png,red,teal",
        ",lines/a.png,./1.png,grey,blue",
    ]
    rows = gather(folder, "\n".join([f"remark,{HEAD}", *listed]))
    assert [row.path for row in rows] == ["1.png", "2.png", "more/3.png"]
    assert [row.input for row in rows] == [row.group for row in rows]
    assert [row.input for row in rows] == ["lines/a.png", "lines/a.png", "lines/b.png"]
    conditions = ["hair=grey shirt=blue", "hair=red shirt=teal", "hair=red shirt=blue"]
    assert [row.condition for row in rows] == conditions
    assert [row.width for row in rows] == [10, 11, 12]
    for row in rows:
        assert (row.place, row.label, row.licence, row.source) == ("mine", "", "mine", "folder mine")
        assert row.sha256 == hashlib.sha256((folder / row.path).read_bytes()).hexdigest()
        assert row.input_sha256 == hashlib.sha256((folder / row.input).read_bytes()).hexdigest()
    assert len(list((folder.parent / "out").iterdir())) == len(["manifest.csv", "left_out.csv"])


def test_a_path_starts_at_the_project_and_may_lead_out_of_it(folder, tmp_path, monkeypatch):
    table = f"{HEAD}\nlines/a.png,1.png,red,blue\n"
    (inside,) = gather(folder, table, path="mine")
    assert inside.place == "mine"
    (tmp_path / "project").mkdir()
    monkeypatch.setenv("DVC_ROOT", str(tmp_path / "project"))
    (outside,) = gather(folder, table, path="../mine")
    assert outside.place == folder.as_posix()


def test_a_table_as_spreadsheets_write_it_is_read(folder):
    (row,) = gather(folder, b"\xef\xbb\xbf" + f'{HEAD}\r\n"lines/a.png",1.png,red,"blue"\r\n'.encode())
    assert (row.path, row.condition) == ("1.png", "hair=red shirt=blue")


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        (
            "lines/a.png,1.png,red,blue\nlines/a.png,9.png,red,red",
            "line 3: output: 9.png: the file is missing",
        ),
        ("lines/z.png,1.png,red,blue", "line 2: input: lines/z.png: the file is missing"),
        ("lines/a.png,lines,red,blue", "line 2: output: lines: the file is missing"),
        ("lines/a.png,1.png,,blue", "line 2: hair is empty"),
        ("lines/a.png,1.png,red", "line 2: shirt is empty"),
        (",1.png,red,blue", "line 2: input is empty"),
        ("lines/a.png,1.png,light red,blue", "line 2: hair=light red: .* one word"),
        ("lines/a.png,1.png,red,blue,green", "line 2: more fields than columns"),
        (
            "lines/a.png,1.png,red,blue\nlines/b.png,./1.png,red,red",
            "line 3: output: 1.png is listed in line 2",
        ),
        ("1.png,1.png,red,blue", "line 2: output: 1.png is its own input"),
        ("lines/a.png,../out.png,red,blue", "line 2: output: ../out.png is not inside the folder"),
        ("lines/../lines/a.png,1.png,red,blue", "line 2: input: .* is not inside the folder"),
        ("/etc/hostname,1.png,red,blue", "line 2: input: /etc/hostname is not inside the folder"),
        ("lines\\a.png,1.png,red,blue", "line 2: input: .* with forward slashes"),
        ("away/1.png,1.png,red,blue", "line 2: input: away/1.png is not inside the folder"),
        ("", "no row below the heading"),
        ('lines/a.png,"1.png', "no comma-separated values"),
    ],
)
def test_what_is_wrong_in_a_table_is_explained(folder, tmp_path, rows, problem):
    (tmp_path / "elsewhere").mkdir()
    os.symlink(tmp_path / "elsewhere", folder / "away")
    with pytest.raises(UserError, match=problem) as caught:
        gather(folder, f"{HEAD}\n{rows}\n")
    assert str(folder / "Metadata.csv") in str(caught.value)


@pytest.mark.parametrize(
    ("head", "problem"),
    [
        ("input,output,hair", "the column shirt must be there once; found: input, output, hair;"),
        ("Input,output,hair,shirt", "the column input must be there once"),
        ("input;output;hair;shirt", "the column input must be there once"),
        (f"{HEAD},hair", "the column hair must be there once"),
        ("", "the column input must be there once"),
    ],
)
def test_a_table_without_its_columns_is_explained(folder, head, problem):
    with pytest.raises(UserError, match=problem) as caught:
        gather(folder, head)
    assert "input, output, hair, shirt" in str(caught.value)


def test_a_missing_table_or_folder_is_explained(folder, tmp_path):
    with pytest.raises(UserError, match=r"Metadata.csv: no such file"):
        icons.gather(SimpleNamespace(path=str(folder), licence=""), tmp_path)
    with pytest.raises(UserError, match="no folder"):
        icons.gather(SimpleNamespace(path="nowhere", licence=""), tmp_path)
