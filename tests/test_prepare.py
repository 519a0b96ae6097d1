"""What prepare promises: nothing of a held-out region in training, the same bytes, every picture accounted for."""

import os
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
from tintype import preparing, store, tiling
from tintype.console import UserError
from tintype.files import sha256
from tintype.sources import manifest

ROOT = Path(__file__).parents[1]
TILES = {"size": 16, "stride": 8, "split": {"cell": 48, "val": 0.15, "test": 0.2, "margin": 5}}
AUGMENT = {"copies": 1, "flip": True, "scale": [0.5, 2.0], "rotation": 20.0, "exposure": 0.3}


def params(folder: Path, jobs: int = 1, seed: int = 1, grey: str = "lab", copies: int = 1) -> Path:
    """The committed params.yaml with small tiles."""
    tree = YAML(typ="safe").load(ROOT / "params.yaml")
    tree["seed"], tree["runtime"]["jobs"], tree["generator"]["depth"] = seed, jobs, 4
    tiles = TILES | {"augment": AUGMENT | {"copies": copies}}
    tree["prepare"] = {"grey": grey, "tiles": tiles, "pictures_per_shard": 2}
    with open(folder / "params.yaml", "w", encoding="utf-8") as file:
        YAML(typ="safe").dump(tree, file)
    return folder / "params.yaml"


def photograph(seed: int, width: int = 160, height: int = 120) -> np.ndarray:
    """Smooth random colours."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


def gather(raw: Path, pictures: dict[str, np.ndarray], groups: dict[str, str] | None = None) -> Path:
    """A folder as the download stage leaves it."""
    rows = []
    for name, picture in pictures.items():
        (raw / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(raw / name)
        facts = {"sha256": sha256(raw / name), "width": picture.shape[1], "height": picture.shape[0]}
        rows.append(
            {"path": name, **facts, "source": "", "licence": "", "group": (groups or {}).get(name, name)}
        )
    manifest.write(raw, rows)
    return raw


def run(raw: Path, out: Path, layout: str = "tiles", **changes) -> Path:
    prepare.main(
        [
            "--layout",
            layout,
            "--raw",
            str(raw),
            "--out",
            str(out),
            "--params",
            str(params(raw.parent, **changes)),
        ]
    )
    return out


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def records(folder: Path, photograph: str | None = None) -> dict[tuple, bytes]:
    """What a store holds: (split, photograph, left, top, copy) -> the record's bytes."""
    index, found = pd.read_csv(folder / "index.csv"), {}
    for split in index["split"].unique():
        stored = store.Split(folder, split)
        keys = stored.index[["split", "photograph", "left", "top", "copy"]].itertuples(index=False, name=None)
        found |= {key: record.tobytes() for key, record in zip(keys, stored, strict=True)}
    return {key: value for key, value in found.items() if photograph in (None, key[1])}


@pytest.fixture
def raw(tmp_path) -> Path:
    return gather(tmp_path / "raw", {f"{name}.png": photograph(seed) for seed, name in enumerate("abc")})


@pytest.mark.parametrize("seed", range(25))
def test_no_pixel_of_a_held_out_region_or_its_margin_reaches_training(tmp_path, monkeypatch, seed):
    width, height = np.random.default_rng(seed).integers([150, 48], [300, 240]).tolist()
    regions = []

    def seen(*args):
        regions.append(tiling.held_out(*args))
        return regions[-1]

    monkeypatch.setattr(preparing, "held_out", seen)
    # Regions are keyed by the file's digest: so that repainting a picture does not move them, it stays.
    monkeypatch.setattr(preparing, "sha256", lambda path: f"{seed:064x}")
    raw, picture = tmp_path / "raw", np.zeros((height, width, 3), np.uint8)
    for _ in range(2):
        gather(raw, {"a.png": picture})
        table = manifest.read(raw).assign(sha256=f"{seed:064x}")
        manifest.write(raw, table.to_dict("records"))
        out = run(raw, tmp_path / "out", seed=seed, copies=2)
        held = regions[-1]["val"] + regions[-1]["test"]
        for box in held:
            margin = TILES["split"]["margin"]
            near = np.s_[
                max(box.top - margin, 0) : box.bottom + margin, max(box.left - margin, 0) : box.right + margin
            ]
            picture[near] = (255, 0, 0)
    assert regions[0] == regions[1] and regions[0]["val"] and regions[0]["test"]
    black, red = ([0, 0, 128, 128], [136, 136, 208, 195])
    train = store.Split(out, "train")
    assert set(train.index["copy"]) == {0, 1, 2}
    for record in train:
        assert (record == np.reshape(black, (4, 1, 1))).all()
    for split in ("val", "test", "test_region"):
        for record in store.Split(out, split):
            assert (record == np.reshape(red, (4, 1, 1))).all()


def test_test_regions_are_also_kept_in_one_piece(raw, tmp_path):
    out = run(raw, tmp_path / "out")
    regions, tests = store.Split(out, "test_region"), store.Split(out, "test")
    pieces = 0
    for number, row in regions.index.iterrows():
        inside = tests.index[
            (tests.index["photograph"] == row["photograph"])
            & tests.index["left"].between(row["left"], row["left"] + row["width"] - 16)
            & tests.index["top"].between(row["top"], row["top"] + row["height"] - 16)
        ]
        for test, tile in inside.iterrows():
            x, y = tile["left"] - row["left"], tile["top"] - row["top"]
            np.testing.assert_array_equal(tests[test], regions[number][:, y : y + 16, x : x + 16])
        assert len(inside) == (row["width"] // 16) * (row["height"] // 16)
        pieces += len(inside)
    assert pieces == len(tests) > 0


def test_photographs_of_one_scene_go_to_training_only(tmp_path):
    pictures = {f"{name}.png": photograph(seed) for seed, name in enumerate("abc")}
    raw = gather(tmp_path / "raw", pictures, {"a.png": "house", "c.png": "house"})
    index = pd.read_csv(run(raw, tmp_path / "out") / "index.csv")
    splits = index.groupby("photograph")["split"].agg(set).to_dict()
    assert splits == {
        "a.png": {"train"},
        "b.png": {"train", "val", "test", "test_region"},
        "c.png": {"train"},
    }


def test_small_photographs_go_to_training_and_too_small_ones_are_rejected(tmp_path):
    sizes = {"two-cells.png": (130, 95), "tile.png": (16, 16), "less.png": (15, 200), "a.png": (144, 48)}
    raw = gather(tmp_path / "raw", {name: photograph(1, *size) for name, size in sizes.items()})
    out = run(raw, tmp_path / "out")
    index = pd.read_csv(out / "index.csv")
    assert set(index["split"][index["photograph"].isin(["two-cells.png", "tile.png"])]) == {"train"}
    assert set(index["split"][index["photograph"] == "a.png"]) == {"train", "val", "test", "test_region"}
    rejected = pd.read_csv(out / "rejected.csv").to_dict("records")
    assert rejected == [{"path": "less.png", "reason": "15 x 200 pixels are less than one 16-pixel tile"}]


def test_two_runs_and_any_number_of_jobs_give_the_same_bytes(raw, tmp_path):
    first = contents(run(raw, tmp_path / "first"))
    assert contents(run(raw, tmp_path / "first")) == first
    assert contents(run(raw, tmp_path / "second", jobs=2)) == first


def test_another_picture_changes_no_record_of_the_others(raw, tmp_path):
    before = records(run(raw, tmp_path / "before"))
    pictures = {f"{name}.png": photograph(seed) for seed, name in enumerate("abc")}
    gather(raw, {"0.png": photograph(9)} | pictures)
    after = records(run(raw, tmp_path / "after"))
    assert before.items() < after.items()
    assert {key[1] for key in after.keys() - before.keys()} == {"0.png"}


def test_a_picture_is_cut_by_its_content_whatever_it_is_called(raw, tmp_path):
    before = records(run(raw, tmp_path / "before"), "b.png")
    gather(tmp_path / "other" / "raw", {"sub/z.png": photograph(1)})
    after = records(run(tmp_path / "other" / "raw", tmp_path / "after"))
    assert {(key[0], *key[2:]): value for key, value in after.items()} == {
        (key[0], *key[2:]): value for key, value in before.items()
    }


def test_the_seed_decides_copies_and_regions_and_no_copies_leave_the_originals(raw, tmp_path):
    some, others = (records(run(raw, tmp_path / f"{seed}", seed=seed)) for seed in (1, 2))
    tiles = [{key for key in found if key[4] == 0 and key[0] != "train"} for found in (some, others)]
    assert tiles[0] != tiles[1]
    common = [key for key in some if key in others]
    assert all(some[key] == others[key] for key in common if key[4] == 0)
    copies = [key for key in common if key[4] > 0]
    assert copies and all(some[key] != others[key] for key in copies)
    assert records(run(raw, tmp_path / "bare", copies=0)) == {k: v for k, v in some.items() if k[4] == 0}


@pytest.mark.parametrize(
    ("grey", "mix"),
    [
        ("lab", None),
        ("luma601", (0.299, 0.587, 0.114)),
        ("average", (1 / 3, 1 / 3, 1 / 3)),
        ("blue", (0, 0, 1)),
    ],
)
def test_records_hold_the_grey_conversion_and_the_lab_of_scikit_image(tmp_path, grey, mix):
    picture = np.random.default_rng(0).integers(0, 256, (40, 56, 3), dtype=np.uint8)
    out = run(gather(tmp_path / "raw", {"a.png": picture}), tmp_path / "out", "whole", grey=grey)
    (record,) = store.Split(out, "all")
    lab = rgb2lab(picture)
    shown = lab if mix is None else rgb2lab(gray2rgb(picture / 255 @ np.array(mix)))
    exact = np.stack([shown[..., 0] * 2.55, lab[..., 0] * 2.55, lab[..., 1] + 128, lab[..., 2] + 128])
    assert record.shape == (4, 40, 56)
    assert np.abs(record - exact).max() < 0.501


def test_layout_whole_keeps_every_picture_as_it_is(tmp_path):
    sizes = {"a.png": (31, 17), "b.png": (5, 90), "c.png": (64, 64)}
    out = run(
        gather(tmp_path / "raw", {name: photograph(2, *size) for name, size in sizes.items()}),
        tmp_path / "out",
        "whole",
    )
    index = store.Split(out, "all").index
    assert (
        dict(zip(index["photograph"], zip(index["width"], index["height"], strict=True), strict=True))
        == sizes
    )
    assert (index[["left", "top", "copy"]] == 0).all(axis=None)


@pytest.mark.parametrize(("layout", "split"), [("tiles", "train"), ("whole", "all")])
def test_the_summary_counts_and_measures_the_training_split(raw, tmp_path, layout, split):
    out = run(raw, tmp_path / "out", layout)
    summary, index = store.read_summary(out), pd.read_csv(out / "index.csv")
    assert summary["records"] == index["split"].value_counts(sort=False).to_dict()
    assert (summary["photographs"], summary["rejected"]) == (3, 0)
    pixels = np.concatenate([record[1:].reshape(3, -1) for record in store.Split(out, split)], axis=1)
    assert summary["pixels"] == pixels.shape[1] == sum(count for _, _, count in summary["ab_histogram"])
    edges = np.arange(257)
    expected, _, _ = np.histogram2d(pixels[1], pixels[2], bins=(edges, edges))
    np.testing.assert_array_equal(store.ab_histogram(out), expected)
    L, a, b = pixels.mean(axis=1)
    np.testing.assert_allclose(summary["mean_lab"], [L / 2.55, a - 128, b - 128], atol=1e-5)


def test_pictures_that_cannot_be_used_are_named_with_a_reason_and_the_rest_goes_on(raw, tmp_path):
    expected = records(run(raw, tmp_path / "whole"), "b.png")
    gather(raw, {f"{name}.png": photograph(seed) for seed, name in enumerate("abcde")})
    (raw / "a.png").write_bytes((raw / "a.png").read_bytes()[:-200])
    (raw / "c.png").unlink()
    Image.fromarray(photograph(7)).save(raw / "d.png")
    (raw / "e.png").write_bytes(b"")
    (raw / "sub").mkdir()
    (raw / "sub" / "notes.txt").write_text("no picture")
    out = run(raw, tmp_path / "out")
    assert records(out) == expected
    reasons = pd.read_csv(out / "rejected.csv").set_index("path")["reason"]
    assert set(reasons.index) == {"a.png", "c.png", "d.png", "e.png", "sub/notes.txt"}
    assert store.read_summary(out)["rejected"] == len(reasons) == 5
    for path, reason in [("a.png", "damaged"), ("c.png", "missing"), ("d.png", "sha256"), ("e.png", "empty")]:
        assert reason in reasons[path]
    assert reasons["sub/notes.txt"] == "not named in manifest.csv"
    assert str(tmp_path) not in (out / "rejected.csv").read_text()


def test_no_usable_picture_is_an_error_with_the_reasons_and_leaves_the_old_output(raw, tmp_path):
    out = run(raw, tmp_path / "out")
    before = contents(out)
    for path in raw.glob("*.png"):
        path.write_bytes(b"no picture")
    for target in (out, tmp_path / "never"):
        with pytest.raises(UserError, match=r"raw: none of 3 pictures can be used \(a.png: no picture"):
            run(raw, target)
    assert contents(out) == before
    assert {path.name for path in tmp_path.iterdir()} == {"raw", "out", "params.yaml"}


def test_as_a_program_it_exits_with_2_after_a_users_mistake(tmp_path):
    raw = gather(tmp_path / "raw", {"a.png": photograph(1, 9, 9)})
    command = [sys.executable, "-m", "stages.prepare", "--layout", "tiles", "--raw", raw]
    command += ["--out", tmp_path / "out", "--params", params(tmp_path)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr == (
        f"error: {raw}: none of 1 pictures can be used (a.png: 9 x 9 pixels are less than one 16-pixel tile)\n"
    )
    assert not (tmp_path / "out").exists()
