"""What prepare promises: training sees nothing held out, the same bytes, every picture accounted for."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from ruamel.yaml import YAML
from skimage.color import gray2rgb, rgb2lab

from stages import prepare
from tintype import cutting, store, tiling
from tintype.console import UserError
from tintype.sources import manifest

ROOT = Path(__file__).parents[1]
STRIDE, MARGIN = 12, 5
SPLIT = {"cell": 48, "val": 0.15, "test": 0.2, "margin": MARGIN}
AUGMENT = {"copies": 1, "flip": True, "scale": [0.5, 2.0], "rotation": 20.0, "exposure": 0.3}
ALL_SPLITS = {"train", "val", "test", "test_region"}


def params(folder: Path, jobs: int = 1, seed: int = 1, grey: str = "lab", **augment) -> str:
    """The committed params.yaml, with small tiles and no filters."""
    tree = YAML(typ="safe").load(ROOT / "params.yaml")
    tree["seed"], tree["runtime"]["jobs"], tree["generator"]["depth"] = seed, jobs, 4
    tree["generator"]["output_stride"] = 1
    tiles = {"layout": "tiles", "side": 16, "stride": STRIDE, "split": SPLIT, "augment": AUGMENT | augment}
    filters = {"min_side": 1, "min_chroma": 0.0, "near_duplicates": None}
    tree["prepare"] = {
        "shared": {"max_pixels": 1_000_000, "pictures_per_shard": 2},
        "photos": tiles | {"input": {"training": grey, "test": grey}, "filters": filters},
        "bw": {"layout": "whole", "input": grey},
    }
    (folder / "params.yaml").write_text(json.dumps(tree))  # JSON is YAML too
    return str(folder / "params.yaml")


def photograph(seed: int, width: int = 150, height: int = 100) -> np.ndarray:
    """Smooth random colours."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


def gather(raw: Path, pictures: dict[str, np.ndarray], groups: dict[str, str] | None = None) -> Path:
    """A folder as the download stage leaves it."""
    rows = []
    for name, picture in sorted(pictures.items()):
        (raw / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(raw / name)
        about = manifest.about((raw / name).read_bytes())
        group = (groups or {}).get(name, name)
        rows.append(manifest.Picture(path=name, **about, source="", licence="", group=group))
    manifest.write(raw, rows)
    return raw


def list_again(raw: Path, *names: str) -> None:
    """Bring the manifest up to date with changed files."""
    rows = [
        row._replace(**manifest.about((raw / row.path).read_bytes())) if row.path in names else row
        for row in list(manifest.read(raw))
    ]
    manifest.write(raw, rows)


def run(raw: Path, out: Path, layout: str = "tiles", **changes) -> Path:
    paths = ["--raw", str(raw), "--out", str(out), "--params", params(raw.parent, **changes)]
    prepare.main(["--set", "bw" if layout == "whole" else "photos", *paths])
    return out


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def records(folder: Path) -> dict[tuple, bytes]:
    """What a store holds: (photograph, split, left, top, copy) -> the record's bytes."""
    found = {}
    for split in pd.read_csv(folder / "index.csv")["split"].unique():
        stored = store.Split(folder, split)
        keys = stored.index[["photograph", "split", "left", "top", "copy"]].itertuples(index=False, name=None)
        found |= {key: record.tobytes() for key, record in zip(keys, stored, strict=True)}
    return found


def photographs(names: str) -> dict[str, np.ndarray]:
    return {f"{name}.png": photograph(ord(name)) for name in names}


@pytest.fixture
def raw(tmp_path) -> Path:
    return gather(tmp_path / "raw", photographs("abc"))


@pytest.mark.parametrize("seed", range(12))
def test_no_pixel_of_a_held_out_region_or_its_margin_reaches_training(tmp_path, monkeypatch, seed):
    regions, digest = [], f"{seed:064x}"

    def seen(*args) -> dict:
        regions.append(tiling.held_out(*args))
        return regions[-1]

    monkeypatch.setattr(cutting, "held_out", seen)
    # Regions follow from the file's digest, which stays, so that painting a picture does not move them.
    monkeypatch.setattr(cutting, "_refuse_changed", lambda data, expected: None)
    width, height = np.random.default_rng(seed).integers([150, 48], [240, 150]).tolist()
    picture = np.zeros((height, width, 3), np.uint8)
    for copies in (0, 2):
        raw = gather(tmp_path / "raw", {"a.png": picture})
        manifest.write(raw, [row._replace(sha256=digest) for row in list(manifest.read(raw))])
        out = run(raw, tmp_path / "out", seed=seed, copies=copies)
        for box in regions[-1]["val"] + regions[-1]["test"]:
            left, top, right, bottom = box.grown(MARGIN)
            picture[max(top, 0) : bottom, max(left, 0) : right] = (255, 0, 0)
    assert regions[0] == regions[1]
    black, red = np.reshape([0, 0, 128, 128], (4, 1, 1)), np.reshape([136, 136, 208, 195], (4, 1, 1))
    train = store.Split(out, "train")
    assert set(train.index["copy"]) == {0, 1, 2}
    assert all((record == black).all() for record in train)
    for split in ("val", "test", "test_region"):
        assert all((record == red).all() for record in store.Split(out, split))


def test_test_tiles_tile_the_test_regions_which_are_kept_in_one_piece_too(raw, tmp_path):
    out, corner = run(raw, tmp_path / "out"), ["photograph", "left", "top"]
    tests = store.Split(out, "test")
    tiles = dict(zip(tests.index[corner].itertuples(index=False, name=None), tests, strict=True))
    regions = store.Split(out, "test_region")
    for (name, left, top), region in zip(regions.index[corner].values.tolist(), regions, strict=True):
        for y in range(0, region.shape[1] - 15, 16):
            for x in range(0, region.shape[2] - 15, 16):
                tile = tiles.pop((name, left + x, top + y))
                np.testing.assert_array_equal(tile, region[:, y : y + 16, x : x + 16])
    assert not tiles


def test_photographs_of_one_scene_go_to_training_only(tmp_path):
    raw = gather(tmp_path / "raw", photographs("abc"), {"a.png": "house", "c.png": "house"})
    index = pd.read_csv(run(raw, tmp_path / "out") / "index.csv")
    splits = index.groupby("photograph")["split"].agg(set).to_dict()
    assert splits == {"a.png": {"train"}, "b.png": ALL_SPLITS, "c.png": {"train"}}


def test_small_photographs_go_to_training_and_those_less_than_a_tile_are_rejected(tmp_path):
    sizes = {"three.png": (144, 48), "two.png": (143, 95), "tile.png": (16, 16), "less.png": (15, 200)}
    raw = gather(tmp_path / "raw", {name: photograph(1, *size) for name, size in sizes.items()})
    out = run(raw, tmp_path / "out")
    splits = pd.read_csv(out / "index.csv").groupby("photograph")["split"].agg(set).to_dict()
    assert splits == {"three.png": ALL_SPLITS, "two.png": {"train"}, "tile.png": {"train"}}
    reason = "15 x 200 pixels are less than one 16-pixel tile"
    assert (out / "rejected.csv").read_text() == f"path,kind,reason\nless.png,too small,{reason}\n"


def test_two_runs_and_any_number_of_jobs_give_the_same_bytes(raw, tmp_path):
    first = contents(run(raw, tmp_path / "first"))
    assert contents(run(raw, tmp_path / "first")) == first
    assert contents(run(raw, tmp_path / "second", jobs=2)) == first


def test_another_picture_or_name_changes_no_record_of_the_others(raw, tmp_path):
    before = records(run(raw, tmp_path / "before"))
    (raw / "c.png").unlink()
    gather(raw, {"0.png": photograph(0), "sub/z.png": photograph(ord("c"))} | photographs("ab"))
    after = records(run(raw, tmp_path / "after"))
    assert {key for key in after if key[0] == "0.png"}
    names = {"a.png": "a.png", "b.png": "b.png", "sub/z.png": "c.png"}
    assert before == {(names[n], *rest): record for (n, *rest), record in after.items() if n in names}


def test_the_seed_decides_regions_and_copies_and_without_copies_there_are_the_tiles_alone(raw, tmp_path):
    some, others = (records(run(raw, tmp_path / f"{seed}", seed=seed)) for seed in (1, 2))
    assert {key for key in some if key[1] == "test"} != {key for key in others if key[1] == "test"}
    both = some.keys() & others.keys()
    assert {some[key] == others[key] for key in both if key[-1] == 0} == {True}
    assert {some[key] == others[key] for key in both if key[-1] == 1} == {False}
    assert records(run(raw, tmp_path / "bare", copies=0)) == {k: v for k, v in some.items() if k[-1] == 0}


def test_every_copy_has_changes_of_its_own(tmp_path):
    # The picture repeats itself at the stride of the tiles, so that these are all the same.
    pattern = np.random.default_rng(0).integers(0, 256, (STRIDE, STRIDE, 3), dtype=np.uint8)
    raw = gather(tmp_path / "raw", {"a.png": np.tile(pattern, (7, 7, 1))})
    found = records(run(raw, tmp_path / "out", copies=2))
    assert len({record for key, record in found.items() if key[-1] == 0}) == 1
    copies = [record for key, record in found.items() if key[-1] > 0]
    assert len(copies) == 72 and len(set(copies)) == 72


@pytest.mark.parametrize("grey", ["lab", "luma601", "blue"])
def test_records_hold_the_grey_conversion_and_the_lab_of_scikit_image(tmp_path, grey):
    picture = np.random.default_rng(0).integers(0, 256, (40, 56, 3), dtype=np.uint8)
    out = run(gather(tmp_path / "raw", {"a.png": picture}), tmp_path / "out", "whole", grey=grey)
    (record,) = store.Split(out, "all")
    lab = rgb2lab(picture)
    mixed = picture / 255 @ np.array([0, 0, 1] if grey == "blue" else [0.299, 0.587, 0.114])
    shown = lab if grey == "lab" else rgb2lab(gray2rgb(mixed))
    exact = np.stack([shown[..., 0] * 2.55, lab[..., 0] * 2.55, lab[..., 1] + 128, lab[..., 2] + 128])
    assert record.shape == (4, 40, 56)
    assert np.abs(record - exact).max() < 0.501


def test_layout_whole_keeps_every_picture_as_it_is(tmp_path):
    sizes = {"a.png": (31, 17), "b.png": (5, 90), "c.png": (64, 64)}
    raw = gather(tmp_path / "raw", {name: photograph(2, *size) for name, size in sizes.items()})
    index = store.Split(run(raw, tmp_path / "out", "whole"), "all").index
    kept = index.set_index("photograph")[["width", "height"]].T.to_dict("list")
    assert kept == {name: list(size) for name, size in sizes.items()}
    assert (index[["left", "top", "copy"]] == 0).all(axis=None)


@pytest.mark.parametrize(("layout", "split"), [("tiles", "train"), ("whole", "all")])
def test_the_summary_counts_all_and_measures_the_training_split(raw, tmp_path, layout, split):
    out = run(raw, tmp_path / "out", layout)
    summary, index = store.read_summary(out), pd.read_csv(out / "index.csv")
    assert summary["records"] == index["split"].value_counts().to_dict()
    assert (summary["photographs"], summary["rejected"]) == (3, {})
    pixels = np.concatenate([record[1:].reshape(3, -1) for record in store.Split(out, split)], axis=1)
    assert summary["pixels"] == pixels.shape[1] == sum(count for _, _, count in summary["ab_histogram"])
    expected, _, _ = np.histogram2d(pixels[1], pixels[2], bins=(np.arange(257), np.arange(257)))
    np.testing.assert_array_equal(store.ab_histogram(out), expected)
    L, a, b = pixels.mean(axis=1)
    np.testing.assert_allclose(summary["mean_lab"], [L / 2.55, a - 128, b - 128], atol=1e-5)


def test_pictures_that_cannot_be_used_are_named_with_a_reason_and_the_rest_goes_on(raw, tmp_path):
    before = records(run(raw, tmp_path / "out"))
    gather(raw, photographs("abcde"))
    (raw / "a.png").write_bytes((raw / "a.png").read_bytes()[:-200])
    (raw / "c.png").unlink()
    (raw / "e.png").write_bytes(b"")
    list_again(raw, "a.png", "e.png")
    Image.fromarray(photograph(7)).save(raw / "d.png")
    (raw / "sub").mkdir()
    Image.fromarray(photograph(8)).save(raw / "sub" / "more.png")
    (raw / "sub" / "notes.txt").write_text("not called like a picture")
    out = run(raw, tmp_path / "out")
    assert records(out) == {key: record for key, record in before.items() if key[0] == "b.png"}
    reasons = pd.read_csv(out / "rejected.csv").set_index("path")["reason"].to_dict()
    parts = {"a.png": "damaged", "c.png": "missing", "d.png": "sha256", "e.png": "empty"}
    parts["sub/more.png"] = "not named"
    assert reasons.keys() == parts.keys() and all(part in reasons[path] for path, part in parts.items())
    assert store.read_summary(out)["rejected"] == {"not listed": 1, "unreadable": 4}
    assert str(tmp_path) not in (out / "rejected.csv").read_text()


def test_no_usable_picture_is_an_error_with_the_reasons_and_leaves_the_old_output(raw, tmp_path):
    before = contents(run(raw, tmp_path / "out"))
    for path in raw.glob("*.png"):
        path.write_bytes(b"no picture")
    list_again(raw, "a.png", "b.png", "c.png")
    for out in ("out", "never"):
        with pytest.raises(UserError, match=r"raw: none of 3 pictures can be used \(a.png: no picture"):
            run(raw, tmp_path / out)
    assert contents(tmp_path / "out") == before
    assert {path.name for path in tmp_path.iterdir()} == {"raw", "out", "params.yaml"}


def test_as_a_program_it_exits_with_2_after_a_users_mistake(tmp_path):
    raw = gather(tmp_path / "raw", {"a.png": photograph(1, 9, 9)})
    paths = ["--raw", raw, "--out", tmp_path / "out", "--params", params(tmp_path)]
    command = [sys.executable, "-m", "stages.prepare", "--set", "photos", *paths]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "error: " in done.stderr and "a.png: 9 x 9 pixels are less than" in done.stderr
    assert not (tmp_path / "out").exists()
