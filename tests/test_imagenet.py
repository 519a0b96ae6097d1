"""What the source "imagenet" promises: the publisher's tars and folders alike, with the field's splits."""

import hashlib
import io
import tarfile
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image

from tintype.console import UserError
from tintype.sources import imagenet, manifest, places

WNIDS = ["n01440764", "n01443537"]
TRAIN = [f"train/{wnid}/{wnid}_{number}.JPEG" for wnid in WNIDS for number in (10, 2)]
VAL = [f"val/ILSVRC2012_val_{number:08d}.JPEG" for number in range(1, 7)]
TARS = {"train": "ILSVRC2012_img_train.tar", "val": "ILSVRC2012_img_val.tar"}


@pytest.fixture(scope="module")
def pictures() -> dict[str, bytes]:
    files = {}
    for number, path in enumerate([*TRAIN, *VAL], start=1):
        file = io.BytesIO()
        Image.new("RGB", (number, 2), (9 * number, 0, 0)).save(file, "JPEG")
        files[path] = file.getvalue()
    return files


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """An empty project, which is the current folder; a test split of four pictures instead of 5,000."""
    monkeypatch.delenv("DVC_ROOT", raising=False)
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    monkeypatch.setattr(imagenet, "VAL5K", 4)
    return tmp_path / "project"


def tar(files: dict[str, bytes]) -> bytes:
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return whole.getvalue()


def save_tars(folder: Path, pictures: dict[str, bytes]) -> None:
    """The two tars as they are published, their files in no order."""
    folder.mkdir(parents=True, exist_ok=True)
    mixed = dict(reversed(pictures.items()))
    of_class = {wnid: {Path(p).name: data for p, data in mixed.items() if wnid in p} for wnid in WNIDS[::-1]}
    inner = {f"{wnid}.tar": tar(files) for wnid, files in of_class.items()}
    (folder / TARS["train"]).write_bytes(tar(inner))
    (folder / TARS["val"]).write_bytes(tar({f"./{Path(p).name}": mixed[p] for p in mixed if p in VAL}))


def save_folders(folder: Path, pictures: dict[str, bytes]) -> None:
    for path, data in pictures.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)


def gather(path: object, **changed: object) -> list[manifest.Picture]:
    settings = {"path": str(path), "test": "val5k", "names": None} | changed
    Path("out").mkdir(exist_ok=True)
    line = imagenet.gather(SimpleNamespace(**settings), Path("out"))
    rows = list(manifest.read(Path("out")))
    test = sum(row.split == "test" for row in rows)
    assert line.endswith(f"{test} of 6 validation pictures are the test split, others unlisted")
    return rows


LAYOUTS = {
    "tars": (save_tars, ""),
    "folders": (save_folders, ""),
    "Kaggle's": (save_folders, "ILSVRC/Data/CLS-LOC"),
    "inside Kaggle's": (save_folders, "Data/CLS-LOC"),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("home", ["inside", "outside"])
def test_tars_and_folders_give_the_same_pictures_read_where_they_are(project, pictures, layout, home):
    save, below = LAYOUTS[layout]
    path = project / "data" if home == "inside" else project.parent / "elsewhere"
    save(path / below, pictures)
    before = {file: file.read_bytes() for file in path.rglob("*.*")}
    rows = gather("data" if home == "inside" else path)
    assert [row.path for row in rows] == [*TRAIN, *VAL[:4]]
    for row in rows:
        data = places.read(places.find(Path("out"), row.place), row.path, row.offset, row.bytes)
        assert data == pictures[row.path] and row.sha256 == hashlib.sha256(data).hexdigest()
        assert (row.width, row.height) == ([*TRAIN, *VAL].index(row.path) + 1, 2)
        training = row.path in TRAIN
        assert (row.split, row.label) == (("", row.path.split("/")[1]) if training else ("test", ""))
        assert row.group == row.path and "non-commercial" in row.licence
        assert row.place.startswith("data") if home == "inside" else row.place.startswith(str(path))
    assert {file: file.read_bytes() for file in path.rglob("*.*")} == before
    assert {file.name for file in Path("out").iterdir()} == {"manifest.csv", "left_out.csv"}
    assert manifest.left_out(Path("out")) == []


def test_validation_pictures_in_folders_of_classes_go_by_their_file_names(project, pictures):
    save_folders(project, {path: data for path, data in pictures.items() if path in TRAIN})
    for number, path in enumerate(VAL):
        save_folders(project, {path.replace("val/", f"val/{WNIDS[1 - number % 2]}/"): pictures[path]})
    rows = [row for row in gather(".") if row.split == "test"]
    assert sorted(Path(row.path).name for row in rows) == [Path(path).name for path in VAL[:4]]
    assert {row.label for row in rows} == set(WNIDS) and all(row.label in row.path for row in rows)


@pytest.mark.parametrize(
    "names",
    [
        "ILSVRC2012_val_00000006.JPEG\nILSVRC2012_val_00000002.JPEG\n",
        "/n01440764/ILSVRC2012_val_00000006.JPEG 970\r\n\r\n/n01443537/ILSVRC2012_val_00000002.JPEG 3",
        "\ufeffval\\ILSVRC2012_val_00000002.jpeg\nILSVRC2012_val_00000006\nILSVRC2012_val_00000006\n",
        "5\n1\n",
    ],
)
def test_ctest10k_is_what_its_list_names_in_any_form(project, pictures, names):
    save_tars(project / "imagenet", pictures)
    (project / "names.txt").write_text(names, encoding="utf-8", newline="")
    rows = gather("imagenet", test="ctest10k", names="names.txt")
    assert [row.path for row in rows] == [*TRAIN, VAL[1], VAL[5]]


def test_other_files_are_left_out_and_broken_pictures_listed(project, pictures):
    extra = {"train/list.txt": b"", f"train/{WNIDS[0]}/list.txt": b"", "val/list.txt": b"", TRAIN[0]: b""}
    save_folders(project, pictures | extra)
    assert next(iter(gather(".")))[:4] == (TRAIN[0], hashlib.sha256().hexdigest(), 0, 0)
    assert {path for path, _ in manifest.left_out(Path("out"))} == extra.keys() - {TRAIN[0]}


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        (None, "null; ctest10k is made"),
        ("gone.txt", "gone.txt: No such file"),
        ("ILSVRC2012_val_00000002\n6\nval_1\n", "2 of its 3 pictures are not in .*val: 6; val_1; a"),
        ("00000002\n", "1 of its 1 pictures are not in .*: 00000002;"),  # index or number? better asked
        (" \n", "0 of its 0 pictures"),
        (b"\x93NUMPY", "not a text file.*savetxt"),
    ],
)
def test_a_list_that_is_wrong_is_explained(project, pictures, names, problem):
    save_folders(project, pictures)
    if names not in (None, "gone.txt"):
        Path("names.txt").write_bytes(names if isinstance(names, bytes) else names.encode())
        names = "names.txt"
    with pytest.raises(UserError, match=f"names: .*{problem}"):
        gather(".", test="ctest10k", names=names)


def test_what_is_not_there_is_named(project, pictures):
    with pytest.raises(UserError, match=f"path: {project}/gone: no folder"):
        gather("gone")
    with pytest.raises(UserError, match=f"none of {TARS['train']}, train/, ILSVRC/Data/CLS-LOC/train/, D"):
        gather(".")
    save_folders(project, {path: pictures[path] for path in TRAIN})
    with pytest.raises(UserError, match=rf"none of {TARS['val']}, val/, "):
        gather(".")
    save_folders(project, {path: pictures[path] for path in VAL[:3]})
    with pytest.raises(UserError, match="val has 3 pictures; val5k is the first 4"):
        gather(".")
    save_folders(project, pictures)
    (project / TARS["train"]).write_bytes(tar({}))  # goes before the folder
    with pytest.raises(UserError, match=f"{TARS['train']}: no training picture"):
        gather(".")


def test_damaged_packed_and_linking_tars_are_told_from_whole_ones(project, pictures):
    save_tars(project, pictures)
    whole = {part: (project / name).read_bytes() for part, name in TARS.items()}
    link = tarfile.TarInfo("a.JPEG")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    links = link.tobuf() + bytes(1024)
    first = 512 + -(-len(pictures[VAL[5]]) // 512) * 512  # of the first file of val: its head and itself
    val, inner, wnid = whole["val"], tar({"a.JPEG": b"x" * 700}), f"{WNIDS[0]}.tar"
    cases = [("val", val[:cut], "damaged") for cut in (0, 100, first - 600, first, first * 2 + 9)]
    cases += [("val", val[:first] + b"?" + val[first + 1 :], "damaged")]  # the head of the second
    cases += [
        ("val", b"\x1f\x8b" + val, "damaged, or no plain tar"),
        ("val", links, "'a.JPEG' is a symbolic link"),
    ]
    cases += [("train", tar({wnid: inner[:cut]}), f"{wnid} in it: damaged") for cut in (0, 900)]
    cases += [("train", tar({wnid: inner[:1536], "next": inner}), f"{wnid} in it: damaged")]
    cases += [("train", tar({wnid: links}), f"{wnid} in it: 'a.JPEG' is a symbolic link")]
    for part, data, problem in cases:
        (project / TARS[part]).write_bytes(data)
        with pytest.raises(UserError, match=f"path: .*{TARS[part]}.*{problem}"):
            gather(".")
        (project / TARS[part]).write_bytes(whole[part])
    assert len(gather(".")) == 8
