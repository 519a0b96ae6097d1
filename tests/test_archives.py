"""What the source "archives" promises: pictures of several archives in one manifest, each read in its own."""

import copy
import gzip
import hashlib
import json
import re
from fnmatch import fnmatchcase
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from test_archive import png, tarred, zipped

from stages.download import main
from stages.prepare import tasks
from tintype import params
from tintype.console import UserError
from tintype.sources import archive, archives, manifest, places

ROOT = Path(__file__).parents[1]
ALL = {"licence": "theirs", "group": "picture", "held_out": None, "only": None, "without": None}
ALL |= {"checksum": None, "bytes": None, "max_files": 1000, "max_bytes": 10**8}
NETTE = {"nette/train/cat/n1.png": png(1), "nette/train/cat/n10.png": png(2), "nette/val/cat/v1.png": png(3)}
# One below, one between and one above the paths of the other.
TINY = {"a/train/dog/images/1.png": png(4), "nette/train/dog/1.png": png(5), "tiny/val/images/1.png": png(6)}


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch) -> Path:
    """A project with the archives nette.tgz and tiny.zip."""
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nette.tgz").write_bytes(gzip.compress(tarred(NETTE | {"nette/notes.txt": b"x"})))
    (tmp_path / "tiny.zip").write_bytes(zipped(TINY | {"tiny/words.txt": b"x", "tiny/._1.png": b"x"}))
    return tmp_path


def both(nette: dict | None = None, tiny: dict | None = None) -> dict[str, dict]:
    """The settings of both archives, with changes."""
    entries = {
        "nette": ALL | {"url": "file:nette.tgz", "held_out": "nette/val"} | (nette or {}),
        "tiny": ALL | {"url": "file:tiny.zip"} | (tiny or {}),
    }
    return {"source": "archives", "use": "both", "watch": "checksums.csv", "sets": {"both": entries}}


def gather(settings: dict, out: str = "out") -> str:
    """The line; what was found is in the folder `out`."""
    Path(out).mkdir()
    sets = {
        name: {archive: SimpleNamespace(**values) for archive, values in entries.items()}
        for name, entries in settings["sets"].items()
    }
    return archives.gather(SimpleNamespace(use=settings["use"], sets=sets), Path(out))


def listed(out: str = "out") -> dict[str, manifest.Picture]:
    return {row.path: row for row in manifest.read(Path(out))}


def test_pictures_of_a_tar_and_a_zip_are_in_one_manifest_in_the_order_of_their_paths():
    line = gather(both())
    assert list(listed()) == sorted(NETTE | TINY)
    assert line == "6 pictures in manifest.csv, 3 files in left_out.csv: 3 of nette, 3 of tiny"
    assert sorted(path.name for path in Path("out").iterdir()) == ["left_out.csv", "manifest.csv"]


def test_prepare_reads_each_picture_in_its_own_archive():
    gather(both())
    for task in tasks(Path("out"), 4, set()):
        for picture, alone in task.pictures:
            data = places.read(Path(picture.place), picture.path, picture.offset, picture.bytes)
            assert data == (NETTE | TINY)[picture.path] and alone
            assert picture.sha256 == hashlib.sha256(data).hexdigest()


def test_a_row_says_what_its_archive_alone_would_say():
    gather(both(tiny={"licence": "ours", "group": "folder", "held_out": "tiny/val"}))
    rows = listed()
    for name, files in (("nette", NETTE), ("tiny", TINY)):
        Path(name).mkdir()
        changes = {"licence": "ours", "group": "folder", "held_out": "tiny/val"}
        settings = both(tiny=changes)["sets"]["both"][name]
        archive.gather(SimpleNamespace(**settings), Path(name))
        assert list(manifest.read(Path(name))) == [rows[path] for path in sorted(files)]
    assert [path for path, row in rows.items() if row.split == "test"] == [
        "nette/val/cat/v1.png",
        "tiny/val/images/1.png",
    ]


def test_use_chooses_the_set_and_nothing_is_asked_of_the_others():
    settings = both()
    alone = {"tiny": settings["sets"]["both"]["tiny"]}
    settings["sets"] |= {"alone": alone, "gone": {"gone": ALL | {"url": "file:gone.zip"}}}
    gather(settings, "first")
    line = gather(settings | {"use": "alone"}, "second")
    assert list(listed("first")) == sorted(NETTE | TINY) and list(listed("second")) == sorted(TINY)
    assert line == "3 pictures in manifest.csv, 2 files in left_out.csv: 3 of tiny"
    with pytest.raises(UserError, match=r"use: found 'bth', allowed: both, alone, gone, the keys of `sets`"):
        gather(settings | {"use": "bth"}, "third")


def test_what_is_left_out_is_told_with_the_name_of_its_archive():
    gather(both())
    assert manifest.left_out(Path("out")) == [
        ("nette/nette/notes.txt", "not named like a picture"),
        ("tiny/tiny/._1.png", "what macOS notes about a file, not the file"),
        ("tiny/tiny/words.txt", "not named like a picture"),
    ]


@pytest.mark.parametrize("only", ["nette/train", "nette/train/"])
def test_only_leaves_out_what_is_outside_of_a_folder_but_not_what_is_held_out(only):
    line = gather(both(nette={"only": only}, tiny={"only": "a/train"}))
    assert list(listed()) == ["a/train/dog/images/1.png", *sorted(NETTE)]
    assert listed()["nette/val/cat/v1.png"].split == "test"
    assert line.endswith(": 3 of nette, 1 of tiny")
    reasons = [reason for _, reason in manifest.left_out(Path("out")) if "only" in reason]
    assert reasons == ["not in only: a/train"] * 2


def test_without_leaves_out_what_is_named_so_but_not_what_is_held_out():
    gather(both(nette={"without": "n1?.png"}, tiny={"without": "1.*", "held_out": "tiny/val"}))
    assert list(listed()) == ["nette/train/cat/n1.png", "nette/val/cat/v1.png", "tiny/val/images/1.png"]
    left_out = dict(manifest.left_out(Path("out")))
    assert left_out["nette/nette/train/cat/n10.png"] == "named like without: n1?.png"
    assert left_out["tiny/a/train/dog/images/1.png"] == "named like without: 1.*"


@pytest.mark.parametrize(
    ("key", "value"),
    [("only", "train"), ("only", "nette/trai"), ("only", "/nette"), ("without", "N1*"), ("without", "train")],
)
def test_only_or_without_that_fits_no_picture_is_a_mistake(key, value):
    found = rf"^nette: {key}: '{re.escape(value)}' fits no picture in it, one of which is nette/.*put null$"
    with pytest.raises(UserError, match=found):
        gather(both(nette={key: value}))


def test_a_path_in_two_archives_is_refused_unless_one_of_them_leaves_it_out(project):
    twice = "nette/train/cat/n10.png"
    (project / "tiny.zip").write_bytes(zipped(TINY | {twice: png(7)}))
    with pytest.raises(UserError, match=rf"^{twice}: a path in nette and in tiny, .*`only` or `without`"):
        gather(both())
    gather(both(tiny={"without": "n10.png"}), "mended")
    assert listed("mended")[twice].source.startswith("file:nette.tgz")


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"url": "file:gone.zip"}, "^tiny: file:gone.zip: there is no file "),
        ({"checksum": f"md5:{'0' * 32}"}, "^tiny: file:tiny.zip: found md5:.*, expected md5:0000"),
        ({"held_out": "val"}, "^tiny: held_out: 'val': no picture below that"),
        ({"max_files": 2}, "^tiny: .*raise `max_files`"),
    ],
)
def test_what_is_wrong_with_an_archive_is_told_with_its_name(changes, problem):
    with pytest.raises(UserError, match=problem):
        gather(both(tiny=changes))
    assert not list(Path("out").iterdir())


def test_the_same_settings_give_the_same_bytes_in_whatever_order_the_archives_stand():
    settings = both(nette={"without": "n1?.png"})
    gather(settings, "first")
    gather(settings, "second")
    settings["sets"]["both"] = dict(reversed(settings["sets"]["both"].items()))
    gather(settings, "third")
    for name in ("manifest.csv", "left_out.csv"):
        assert len({(Path(out) / name).read_bytes() for out in ("first", "second", "third")}) == 1


def test_what_each_archive_lists_is_merged_and_read_a_row_at_a_time():
    def endless(name: str, last: str):
        for number in range(10**9):
            yield name, SimpleNamespace(path=f"{number:09d}{last}")

    merged = archives._merged([endless("b", "b"), endless("a", "a")])
    first = [next(merged) for _ in range(4)]
    assert [(name, row.path) for name, row in first] == [
        ("a", "000000000a"),
        ("b", "000000000b"),
        ("a", "000000001a"),
        ("b", "000000001b"),
    ]


# In a params file


def written(settings: object) -> Path:
    """The project's params with these pictures, in a file."""
    tree = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    tree["download"]["photos"] = settings
    path = Path("params.yaml")
    path.write_text(json.dumps(tree), encoding="utf-8")  # JSON is YAML 1.2
    return path


def test_the_stage_gathers_what_a_params_file_asks_for(capsys):
    settings = both()
    assert params.load(written(settings)).download.photos.model_dump() == settings
    main(["--set", "photos", "--out", "raw", "--params", "params.yaml"])
    assert capsys.readouterr().out.startswith(
        "raw: 6 pictures in manifest.csv, 3 files in left_out.csv: 3 of"
    )
    gather(settings)
    for name in ("manifest.csv", "left_out.csv"):
        assert Path("raw", name).read_bytes() == Path("out", name).read_bytes()
    assert sorted(path.name for path in Path("raw").iterdir()) == ["left_out.csv", "manifest.csv"]


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        ("use", None, "found null, allowed: non-empty text"),
        (
            "sets",
            {},
            "found {}, allowed: a mapping from names, at least 1, to a mapping from names, at least",
        ),
        ("sets.both", {}, "found {}, allowed: a mapping from names, at least 1, to a mapping with the keys "),
        ("sets.Both", both()["sets"]["both"], 'found "Both", allowed: small letters, digits, _ and -'),
        ("sets.both.a/b", both()["sets"]["both"]["tiny"], 'found "a/b", allowed: small letters, digits, _ a'),
        ("sets.both.tiny.only", "", 'found "", allowed: non-empty text or null'),
        ("sets.both.tiny.without", 5, "found 5, allowed: non-empty text or null"),
        ("sets.both.tiny.max_files", 0, "found 0, allowed: a whole number of at least 1"),
        ("sets.both.tiny.watch", "tiny.zip", "unknown key, allowed here: licence, group, held_out, url, "),
    ],
)
def test_a_mistake_in_the_params_is_named_with_its_path(path, value, problem):
    settings = copy.deepcopy(both())
    *above, key = path.split(".")
    section = settings
    for step in above:
        section = section[step]
    section[key] = value
    with pytest.raises(UserError) as error:
        params.load(written(settings))
    assert str(error.value).startswith(f"params.yaml: download.photos.{path}: {problem}")
    assert len(str(error.value).splitlines()) == 1


def test_each_key_of_an_archive_is_required():
    for key in both()["sets"]["both"]["tiny"]:
        settings = both()
        del settings["sets"]["both"]["tiny"][key]
        with pytest.raises(UserError, match=rf"sets\.both\.tiny\.{key}: missing, allowed: "):
            params.load(written(settings))


def test_the_ready_entry_of_the_document_loads_and_trains_on_no_validation_picture_of_imagenet():
    document = (ROOT / "docs/sources.md").read_text(encoding="utf-8")
    section = document[document.index("## Several archives") :]
    (lines,) = re.findall(r"```yaml\n(.*?)```", section[: section.index("\n## ")], re.DOTALL)
    photos = params.load(written(yaml.safe_load(lines)["photos"])).download.photos
    chosen = photos.sets[photos.use]
    assert fnmatchcase("ILSVRC2012_val_00000293.JPEG", chosen["imagenette"].without)
    assert chosen["tiny-imagenet"].only == "tiny-imagenet-200/train"


def test_a_single_archive_has_neither_only_nor_without():
    one = both()["sets"]["both"]["tiny"] | {"source": "archive", "watch": "tiny.zip"}
    with pytest.raises(UserError) as error:
        params.load(written(one))
    assert [line.split(": ")[1] for line in str(error.value).splitlines()] == [
        "download.photos.only",
        "download.photos.without",
    ]
