"""What the source "folder" promises: every picture is listed where it is, and all else with a reason."""

import hashlib
import os
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image

from tintype.console import UserError
from tintype.sources import folder, manifest, places, user_folder


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """An empty project, which is the current folder."""
    (tmp_path / "project").mkdir()
    monkeypatch.delenv("DVC_ROOT", raising=False)
    monkeypatch.chdir(tmp_path / "project")
    return tmp_path / "project"


@pytest.fixture
def pictures(tmp_path) -> Path:
    """A folder of pictures outside the project."""
    root = tmp_path / "pictures"
    picture(root / "b.png", side=3)
    picture(root / "film" / "images" / "2.JPG", side=5)
    picture(root / "film" / "images" / "10.jpeg", side=6)
    picture(root / "é" / "a.tif", side=4)
    return root


def picture(path: Path, side: int = 2) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (side, 2), "red").save(path)


def gather(out: Path, path: object, **changed: object) -> list[manifest.Picture]:
    settings = {"path": str(path), "licence": "mine", "group": "picture", "held_out": None} | changed
    out.mkdir(exist_ok=True)
    folder.gather(SimpleNamespace(**settings), out)
    return list(manifest.read(out))


def reasons(out: Path) -> dict[str, str]:
    return dict(manifest.left_out(out))


def test_pictures_at_any_depth_are_listed_with_what_they_are(project, pictures):
    rows = gather(project / "out", pictures)
    assert [row.path for row in rows] == ["b.png", "film/images/10.jpeg", "film/images/2.JPG", "é/a.tif"]
    assert [(row.width, row.height) for row in rows] == [(3, 2), (6, 2), (5, 2), (4, 2)]
    for row in rows:
        data = (pictures / row.path).read_bytes()
        assert row.sha256 == hashlib.sha256(data).hexdigest()
        assert places.read(places.find(project / "out", row.place), row.path) == data
        assert (row.source, row.licence, row.group) == ("folder pictures", "mine", row.path)
    assert {path.name for path in (project / "out").iterdir()} == {"manifest.csv", "left_out.csv"}
    assert reasons(project / "out") == {}


def test_gathering_again_gives_the_same_bytes(project, pictures):
    gather(project / "one", pictures)
    picture(pictures / "a.png")  # another order on the disk
    (pictures / "a.png").unlink()
    gather(project / "two", pictures)
    for name in ("manifest.csv", "left_out.csv"):
        assert (project / "one" / name).read_bytes() == (project / "two" / name).read_bytes()


def test_a_place_in_the_project_is_told_from_there_and_any_other_in_full(project, pictures, monkeypatch):
    picture(project / "data" / "mine" / "a.png")
    for path in ("data/mine", "data/../data/mine/", project / "data" / "mine"):
        (row,) = gather(project / "out", path)
        assert row.place == "data/mine"
    monkeypatch.setenv("HOME", str(pictures.parent))
    for path in ("~/pictures", "../pictures", pictures):
        assert {row.place for row in gather(project / "out", path)} == {str(pictures)}
    monkeypatch.chdir(pictures)
    monkeypatch.setenv("DVC_ROOT", str(project))  # as in a copy of the project, made for an experiment
    (row,) = gather(project / "out", "data/mine")
    assert row.place == "data/mine"


def test_folders_give_groups_labels_and_the_test_split(project, pictures):
    rows = gather(project / "out", pictures, group="folder", held_out="film/images/")
    assert [(row.group, row.label, row.split) for row in rows] == [
        (".", "", ""),
        ("film/images", "film", "test"),
        ("film/images", "film", "test"),
        ("é", "é", ""),
    ]


def test_what_is_not_named_like_a_picture_is_left_out(project, pictures):
    for name in ("notes.txt", "png", "film/Thumbs.db"):
        (pictures / name).write_bytes(b"x")
    picture(pictures / "._b.png")
    picture(pictures / ".thumbnails" / "b.png")
    (pictures / ".DS_Store").write_bytes(b"x")
    os.mkfifo(pictures / "pipe.png")
    assert len(gather(project / "out", pictures)) == 4
    found = reasons(project / "out")
    for name in ("notes.txt", "png", "film/Thumbs.db"):
        assert found.pop(name) == "not named like a picture"
    for name in ("._b.png", ".thumbnails", ".DS_Store"):
        assert found.pop(name).startswith("hidden")
    assert found == {"pipe.png": "no regular file"}


def test_names_that_a_manifest_cannot_hold_are_left_out(project, pictures):
    for name in ("back\\slash.png", "line\n.png", "line\r.png", os.fsdecode(b"caf\xe9/1.png")):
        picture(pictures / name)
    assert len(gather(project / "out", pictures)) == 4
    found = reasons(project / "out")
    assert set(found) == {"back\\slash.png", "caf\\xe9", "line\\x0a.png", "line\\x0d.png"}
    assert "backslash" in found["back\\slash.png"] and "not UTF-8" in found["caf\\xe9"]


def test_links_lead_neither_out_of_the_folder_nor_round_in_circles(project, pictures):
    picture(project / "outside.png")
    links = {
        "in.png": "film/images/2.JPG",
        "out.png": project / "outside.png",
        "gone.png": "nowhere.png",
        "self.png": "self.png",
        "loop": pictures,
        "film/up.png": "..",
        "notes.txt": "b.png",
    }
    for name, target in links.items():
        (pictures / name).symlink_to(target)
    rows = gather(project / "out", pictures)
    assert [row.path for row in rows if row.path in links] == ["in.png"] and len(rows) == 5
    found = reasons(project / "out")
    assert set(found) == links.keys() - {"in.png"}
    assert "out of the folder" in found["out.png"]
    assert found["gone.png"] == found["self.png"] == "a link that leads to no file"
    assert found["loop"].startswith("a link to a folder") and found["film/up.png"] == found["loop"]


def test_the_folder_itself_may_be_a_link(project, pictures):
    (project / "mine").symlink_to(pictures)
    (pictures / "in.png").symlink_to("b.png")
    rows = gather(project / "out", "mine")
    assert len(rows) == 5 and {row.place for row in rows} == {"mine"}


def test_empty_and_broken_pictures_are_listed_for_prepare_to_reject(project, pictures):
    (pictures / "empty.png").write_bytes(b"")
    (pictures / "broken.png").write_bytes(b"no picture")
    sizes = {row.path: (row.width, row.height) for row in gather(project / "out", pictures)}
    assert sizes["empty.png"] == sizes["broken.png"] == (0, 0)


def test_what_may_not_be_read_is_left_out_with_the_reason(project, pictures, monkeypatch):
    scandir, read_bytes = os.scandir, Path.read_bytes

    def refuse(path, then):
        if path.name in ("b.png", "film"):
            raise PermissionError(13, "Permission denied")
        return then(path)

    with monkeypatch.context() as patch:  # not by chmod, which does not stop the system's administrator
        patch.setattr(user_folder.os, "scandir", lambda path: refuse(path, scandir))
        patch.setattr(Path, "read_bytes", lambda path: refuse(path, read_bytes))
        assert [row.path for row in gather(project / "out", pictures)] == ["é/a.tif"]
    assert reasons(project / "out") == {
        "b.png": "the file cannot be read: Permission denied",
        "film": "the folder cannot be read: Permission denied",
    }


def test_a_path_that_cannot_be_gathered_is_explained(project, pictures):
    (project / "empty").mkdir()
    (project / "notes.txt").write_bytes(b"x")
    for path, found in [("gone", "no folder"), ("notes.txt", "no folder"), ("empty", "no picture.*.jpeg")]:
        with pytest.raises(UserError, match=f"path: {project / path}: {found}"):
            gather(project / "out", path)
    for held_out in ("test", "/film", "b.png", "film/images/2.JPG"):
        with pytest.raises(UserError, match=f"held_out: '{held_out}': no picture below that.*null"):
            gather(project / "out", pictures, held_out=held_out)
    assert not list((project / "out").iterdir())
