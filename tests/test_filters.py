"""What prepare promises of pictures it turns away: they are counted, named with a reason, and never used."""

import io
import json
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from ruamel.yaml import YAML
from skimage.color import rgb2lab

from stages import prepare
from tintype import color_table, store
from tintype.sources import manifest

ROOT = Path(__file__).parents[1]
SIDE = 16
FILTERS = {"min_side": 20, "min_chroma": 1.0, "near_duplicates": 4}
TRAIN_ALL = {"val": 1e-9, "test": 0.0, "conditions": 0.0}
KINDS = ["photo", "small", "grey", "again", "near", "damaged", "gone", "left out", "unlisted"]


@pytest.fixture(scope="module")
def tables(tmp_path_factory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("tables")
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(autouse=True)
def each_table_is_made_once(monkeypatch, tables):
    """For it takes seconds, and these tests prepare two dozen times."""
    write = color_table.write

    def linked(path: Path, conversion: str) -> None:
        made = tables / f"{conversion}.npy"
        if not made.exists():
            write(made, conversion)
        path.hardlink_to(made)

    monkeypatch.setattr(color_table, "write", linked)


def photograph(seed: int, width: int = 72, height: int = 48) -> np.ndarray:
    """Smooth random colours."""
    coarse = np.random.default_rng(seed).integers(0, 256, (12, 18, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


def saved(picture: np.ndarray | Image.Image, format: str = "PNG", **options) -> bytes:
    file = io.BytesIO()
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    image.save(file, format, **options)
    return file.getvalue()


def gather(raw: Path, files: dict[str, bytes], left_out: tuple = (), **about: dict) -> Path:
    """A folder as the download stage leaves it; `about`: what the manifest says beyond."""
    shutil.rmtree(raw, ignore_errors=True)
    raw.mkdir()
    rows = []
    for name, file in sorted(files.items()):
        (raw / name).write_bytes(file)
        row = {"path": name, "source": "", "licence": "", "group": name, **about.get(Path(name).stem, {})}
        rows.append(manifest.Picture(**row, **manifest.about(file)))
    manifest.write(raw, rows, left_out)
    return raw


def run(
    raw: Path, out: Path, layout: str = "squares", max_pixels: int = 1_000_000, split=None, **changes
) -> Path:
    """Prepare with the committed params.yaml, small squares or tiles, and `changes` of the filters."""
    tree = YAML(typ="safe").load(ROOT / "params.yaml")
    photos = {"layout": "squares", "fit": "crop", "split": split or TRAIN_ALL}
    if layout == "tiles":
        split = {"cell": 24, "val": 0.15, "test": 0.2, "margin": 2}
        photos = {**tree["prepare"]["photos"], "stride": 8, "split": split}
    photos |= {"input": {"training": "lab", "test": "lab"}, "side": SIDE, "filters": FILTERS | changes}
    tree["prepare"]["photos"] = photos
    tree["prepare"]["shared"] = {"max_pixels": max_pixels, "pictures_per_shard": 3}
    tree["runtime"]["jobs"] = 1
    tree["generator"] |= {"depth": 4, "output_stride": 1}
    params = raw.parent / "params.yaml"
    params.write_text(json.dumps(tree))  # JSON is YAML too
    prepare.main(["--set", "photos", "--raw", str(raw), "--out", str(out), "--params", str(params)])
    return out


def kept(out: Path) -> dict[str, str]:
    """The split of every photograph that layout squares took."""
    return pd.read_csv(out / "index.csv").set_index("photograph")["split"].to_dict()


def rejected(out: Path) -> dict[str, tuple[str, str]]:
    table = pd.read_csv(out / "rejected.csv", keep_default_na=False)
    assert list(table.columns) == ["path", "kind", "reason"] and table["path"].is_unique
    assert store.read_summary(out)["rejected"] == dict(sorted(Counter(table["kind"]).items()))
    return {path: (kind, reason) for path, kind, reason in table.itertuples(index=False)}


def test_each_picture_that_is_not_taken_is_counted_and_named_with_its_reason(tmp_path):
    picture = photograph(1)
    grey = np.repeat(picture.mean(axis=2, keepdims=True).astype(np.uint8), 3, axis=2)
    files = {
        "a.png": saved(picture),
        "again.png": saved(picture),
        "damaged.jpg": saved(photograph(2), "JPEG")[:-300],
        "grey.jpg": saved(grey, "JPEG", quality=90),
        "near.jpg": saved(picture, "JPEG", quality=90),
        "other.png": saved(photograph(3)),
        "small.png": saved(photograph(4, 40, 19)),
    }
    raw = gather(tmp_path / "raw", files, left_out=[("b.jpg", "404 Not Found"), ("clip.mov", "no picture")])
    (raw / "more.PNG").write_bytes(saved(photograph(5)))
    (raw / "notes.txt").write_text("not called like a picture")
    out = run(raw, tmp_path / "out")
    assert kept(out).keys() == {"a.png", "other.png"}
    found = rejected(out)
    kind, reason = found.pop("damaged.jpg")
    assert kind == "unreadable" and reason.startswith("damaged: ")
    kind, reason = found.pop("grey.jpg")
    assert kind == "grey" and reason == "mean chroma 0.00: filters.min_chroma is 1"
    assert found == {
        "again.png": ("duplicate", "is the same file as a.png"),
        "near.jpg": ("near duplicate", "looks like a.png"),
        "small.png": ("too small", "40 x 19 pixels: filters.min_side is 20"),
        "b.jpg": ("left out", "404 Not Found"),
        "clip.mov": ("left out", "no picture"),
        "more.PNG": ("not listed", "not named in manifest.csv"),
    }


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("layout", ["squares", "tiles"])
def test_every_picture_is_either_kept_or_rejected(tmp_path, layout, seed):
    rng = np.random.default_rng(seed)
    files, left_out, more, gone = {"0.png": saved(photograph(1000))}, [], {}, []
    for number, kind in enumerate(rng.choice(KINDS, 40)):
        name, other = f"{rng.integers(1000):03d}-{number}.png", rng.choice(list(files))
        file = saved(photograph(number))
        match kind:
            case "photo" | "gone":
                files[name] = file
                gone += [name] if kind == "gone" else []
            case "small":
                files[name] = saved(photograph(number, 90, int(rng.integers(1, 20))))
            case "grey":
                files[name] = saved(Image.fromarray(photograph(number)).convert("L"))
            case "again":
                files[name] = files[other]
            case "near":
                files[name] = saved(photograph(1000), "JPEG", quality=int(rng.integers(50, 90)))
            case "damaged":
                files[name] = file[: rng.integers(len(file) - 20)]
            case "left out":
                left_out.append((name, "no reason"))
            case "unlisted":
                more[name] = file
    raw = gather(tmp_path / "raw", files, left_out)
    for name, file in more.items():
        (raw / name).write_bytes(file)
    for name in gone:
        (raw / name).unlink()
    out = run(raw, tmp_path / "out", layout)
    photographs = set(pd.read_csv(out / "index.csv")["photograph"])
    assert store.read_summary(out)["photographs"] == len(photographs)
    assert photographs.isdisjoint(rejected(out))
    assert photographs | rejected(out).keys() == files.keys() | {name for name, _ in left_out} | more.keys()


@pytest.mark.parametrize("kind", ["duplicate", "near duplicate"])
@pytest.mark.parametrize(("goes", "stays"), [("train", "test"), ("val", "test"), ("train", "val")])
def test_of_two_that_look_alike_the_one_that_is_held_out_stays(tmp_path, goes, stays, kind):
    files = {f"{number:02d}.png": saved(photograph(number)) for number in range(30)}
    shares = {"val": 0.3, "test": 0.3, "conditions": 0.0}
    before = kept(run(gather(tmp_path / "raw", files), tmp_path / "before", split=shares))
    # The one that goes is listed first, so that the order of the manifest alone would keep it.
    gone = next(name for name, split in before.items() if split == goes)
    other = next(name for name, split in before.items() if split == stays and name > gone)
    picture = np.asarray(Image.open(io.BytesIO(files[other])))
    files[gone] = files[other] if kind == "duplicate" else saved(picture, "JPEG", quality=90)
    out = run(gather(tmp_path / "raw", files), tmp_path / "after", split=shares)
    words = "is the same file as" if kind == "duplicate" else "looks like"
    assert rejected(out) == {gone: (kind, f"{words} {other}")}
    assert kept(out) == {name: split for name, split in before.items() if name != gone}


@pytest.mark.parametrize("layout", ["squares", "tiles"])
def test_what_is_left_out_leaves_no_trace_in_index_histogram_and_mean(tmp_path, layout):
    files = {f"{number}.png": saved(photograph(number, 96, 96)) for number in range(7)}
    doubles = {"3a.jpg": saved(photograph(3, 96, 96), "JPEG", quality=90), "5a.png": files["5.png"]}
    summaries, tables, found = [], [], []
    for name, some in {"with": files | doubles, "without": files}.items():
        out = run(gather(tmp_path / "raw", some), tmp_path / name, layout)
        summaries.append(store.read_summary(out))
        index = pd.read_csv(out / "index.csv", keep_default_na=False)
        tables.append(index.drop(columns=["shard", "offset"]))
        found.append([store.record(out, row).tobytes() for row in index.to_dict("records")])
    assert summaries[0].pop("rejected") == {"duplicate": 1, "near duplicate": 1}
    assert summaries[1].pop("rejected") == {}
    assert summaries[0] == summaries[1]
    pd.testing.assert_frame_equal(*tables)
    assert found[0] == found[1]


@pytest.mark.parametrize("bits", [None, 0, 4])
def test_near_duplicates_are_looked_for_as_asked_and_same_files_always(tmp_path, bits):
    picture = photograph(1)
    files = {"a.png": saved(picture), "b.png": saved(picture), "c.png": saved(picture, compress_level=1)}
    raw = gather(tmp_path / "raw", files)
    out = run(raw, tmp_path / "out", near_duplicates=bits)
    assert kept(out).keys() == ({"a.png", "c.png"} if bits is None else {"a.png"})
    assert rejected(out)["b.png"] == ("duplicate", "is the same file as a.png")


def test_frames_of_one_video_may_look_alike_but_not_be_the_same_file(tmp_path):
    picture, of_video = photograph(1), {"group": "video"}
    files = {"a.png": saved(picture), "b.jpg": saved(picture, "JPEG", quality=90), "c.png": saved(picture)}
    raw = gather(tmp_path / "raw", files, a=of_video, b=of_video, c=of_video)
    out = run(raw, tmp_path / "out")
    assert kept(out).keys() == {"a.png", "b.jpg"} and rejected(out)["c.png"][0] == "duplicate"


def test_two_drawings_of_one_picture_are_two_pairs(tmp_path):
    files = {f"{name}.png": saved(photograph(1)) for name in "abc"}
    raw = gather(tmp_path / "raw", files)
    digests = {}
    for name, seed in {"one.png": 8, "two.png": 9}.items():
        (raw / name).write_bytes(saved(photograph(seed)))
        digests[name] = manifest.about((raw / name).read_bytes())["sha256"]
    inputs = zip(manifest.read(raw), ["one.png", "two.png", "one.png"], strict=True)
    rows = [row._replace(input=name, input_sha256=digests[name]) for row, name in inputs]
    manifest.write(raw, rows)
    out = run(raw, tmp_path / "out", near_duplicates=None)
    assert kept(out).keys() == {"a.png", "b.png"}
    assert rejected(out) == {"c.png": ("duplicate", "is the same file as a.png")}


# Files as cameras, scanners and the internet make them


def odd_files(rgb: np.ndarray) -> dict[str, tuple[bytes, np.ndarray, float]]:
    """Files, the pictures in them, uint8 (24, 16, 3), and how far, in levels, compression may take them."""
    sideways = Image.Exif()
    sideways[0x0112] = 6  # Orientation: the first row of the file is the right of the upright picture
    halves, red = np.full_like(rgb, 255), np.full_like(rgb, (255, 0, 0))
    halves[:, 8:] = (0, 0, 255)
    palette = Image.new("P", (16, 24), 0)
    palette.putpalette([255, 0, 0, 0, 0, 255])
    palette.paste(1, (8, 0, 16, 24))
    cmyk = np.broadcast_to(np.array([0, 255, 255, 0], np.uint8), (24, 16, 4))
    deep = np.linspace(0, 65535, 24 * 16).reshape(24, 16).astype(np.uint16)
    later = [Image.fromarray(255 - rgb), Image.fromarray(rgb[::-1])]
    return {
        "animation.webp": (saved(rgb, "WEBP", lossless=True, save_all=True, append_images=later), rgb, 0),
        "clear.png": (saved(palette, transparency=0), halves, 0),
        "cmyk.jpg": (saved(Image.fromarray(cmyk, "CMYK"), "JPEG"), red, 2),
        "deep.png": (saved(deep), np.repeat(np.round(deep / 257)[..., None], 3, axis=2), 0),
        "sideways.png": (saved(np.ascontiguousarray(np.rot90(rgb)), exif=sideways), rgb, 0),
    }


def test_files_of_every_make_come_through(tmp_path):
    files = odd_files(np.random.default_rng(0).integers(0, 256, (24, 16, 3), dtype=np.uint8))
    raw = gather(tmp_path / "raw", {name: file for name, (file, _, _) in files.items()})
    out = run(raw, tmp_path / "out", min_side=16, min_chroma=0.0, near_duplicates=None)
    assert rejected(out) == {}
    rows = pd.read_csv(out / "index.csv").set_index("photograph").to_dict("index")
    for name, (_, picture, off) in files.items():
        L, a, b = np.moveaxis(rgb2lab(picture[4:20] / 255), -1, 0)
        exact = np.stack([L * 2.55, L * 2.55, a + 128, b + 128])
        assert np.abs(store.record(out, rows[name]) - exact).max() < 0.501 + off, name


def test_files_that_cannot_be_read_are_rejected_with_the_reason(tmp_path):
    animation = saved(photograph(1), save_all=True, append_images=[Image.fromarray(photograph(2))])
    nan = np.full((24, 16), np.nan, np.float32)
    files = {
        "0.png": (saved(photograph(1)), ""),
        "animation.png": (animation[:900], "damaged: "),
        "empty.jpg": (b"", "the file is empty"),
        "large.png": (saved(photograph(3, 101, 100)), "101 x 100 pixels; at most 10,000 are read"),
        "nan.tif": (saved(nan, "TIFF"), "grey values from nan to nan"),
        "page.jpg": (b"<!DOCTYPE html><title>404 Not Found</title>", "no picture, or damaged"),
    }
    raw = gather(tmp_path / "raw", {name: file for name, (file, _) in files.items()})
    found = rejected(out := run(raw, tmp_path / "out", max_pixels=10_000, min_side=1))
    assert found.keys() == files.keys() - {"0.png"} and kept(out).keys() == {"0.png"}
    for name, (kind, reason) in found.items():
        assert kind == "unreadable" and reason.startswith(files[name][1])
        assert str(tmp_path) not in reason
