"""What layout squares promises: splits for life, the right part of a picture, the right input for it."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from ruamel.yaml import YAML
from skimage.color import rgb2lab

from stages import prepare
from tintype import color_table, film, store
from tintype.console import UserError
from tintype.outlines import outlines
from tintype.sources import manifest

ROOT = Path(__file__).parents[1]
SIDE = 16
RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


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


def noise(seed: int, width: int = SIDE, height: int = SIDE) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def gather(raw: Path, pictures: dict[str, np.ndarray], about: dict[str, dict] | None = None) -> Path:
    """A folder as the download stage leaves it; `about`: what the manifest says of pictures beyond."""
    rows = []
    raw.mkdir(exist_ok=True)
    for name, picture in sorted(pictures.items()):
        Image.fromarray(picture).save(raw / name)
        row = {"path": name, "source": "", "licence": "", "group": name, **(about or {}).get(name, {})}
        rows.append(manifest.Picture(**row, **manifest.about((raw / name).read_bytes())))
    manifest.write(raw, rows)
    return raw


def run(raw: Path, out: Path, seed: int = 1, per_shard: int = 50, layout: str = "squares", **changes) -> Path:
    """Prepare with the committed params.yaml, small squares, no filters, and `changes`."""
    tree = YAML(typ="safe").load(ROOT / "params.yaml")
    photos = {
        "layout": "squares",
        "input": {"training": "lab", "test": "lab"},
        "filters": {"min_side": 1, "min_chroma": 0.0, "near_duplicates": None},
        "side": SIDE,
        "fit": "crop",
        "split": {"val": 0.15, "test": 0.25, "conditions": 0.0},
    }
    if layout == "tiles":
        split = {"cell": 48, "val": 0.15, "test": 0.2, "margin": 5}
        photos = {**tree["prepare"]["photos"], "side": SIDE, "stride": SIDE, "split": split}
    tree["prepare"]["photos"] = photos | changes
    tree["prepare"]["shared"] = {"max_pixels": 1_000_000, "pictures_per_shard": per_shard}
    tree["seed"], tree["runtime"]["jobs"] = seed, 1
    tree["generator"] |= {"depth": 4, "output_stride": 1}
    params = raw.parent / "params.yaml"
    params.write_text(json.dumps(tree))  # JSON is YAML too
    prepare.main(["--set", "photos", "--raw", str(raw), "--out", str(out), "--params", str(params)])
    return out


def index(out: Path) -> pd.DataFrame:
    return pd.read_csv(out / "index.csv", keep_default_na=False).set_index("photograph")


def records(out: Path) -> dict[str, np.ndarray]:
    return {name: store.record(out, row) for name, row in index(out).to_dict("index").items()}


def lab_bytes(rgb: np.ndarray) -> np.ndarray:
    """8-bit Lab (3, H, W) by scikit-image, unrounded."""
    L, a, b = np.moveaxis(rgb2lab(rgb), -1, 0)
    return np.stack([L * 2.55, a + 128, b + 128])


def close(planes: np.ndarray, exact: np.ndarray) -> bool:
    return bool((np.abs(planes - exact) < 0.501).all())


@pytest.mark.parametrize("seed", range(3))
def test_more_pictures_move_none_to_another_split_and_change_no_record(tmp_path, seed):
    rng = np.random.default_rng(seed)
    names = [f"{number:08x}.png" for number in rng.choice(2**32, 120, replace=False)]
    pictures = {name: noise(number) for number, name in enumerate(names)}
    groups = {name: {"group": f"scene {rng.integers(60)}"} for name in names}
    some = {name: pictures[name] for name in names[:60]}
    before = run(gather(tmp_path / "some", some, groups), tmp_path / "before", per_shard=7)
    after = run(gather(tmp_path / "all", pictures, groups), tmp_path / "after", per_shard=11)
    splits, found = index(after)["split"].to_dict(), records(after)
    assert found.keys() == set(names) and set(splits.values()) == {"train", "val", "test"}
    assert index(before)["split"].to_dict() == {name: splits[name] for name in some}
    assert all((record == found[name]).all() for name, record in records(before).items())


def test_groups_never_part_and_split_about_as_asked(tmp_path):
    pictures = {f"{number:04d}.png": noise(number) for number in range(1000)}
    about = {name: {"group": f"video {number % 500}"} for number, name in enumerate(pictures)}
    table = index(run(gather(tmp_path / "raw", pictures, about), tmp_path / "out"))
    of_group = table.groupby("group")["split"].agg(set)
    assert len(table) == 1000 and of_group.map(len).max() == 1
    counts = of_group.map(min).value_counts()
    for split, share in {"train": 0.6, "val": 0.15, "test": 0.25}.items():
        deviation = np.sqrt(share * (1 - share) / 500)
        assert abs(counts[split] / 500 - share) < 4 * deviation


def test_pictures_without_a_group_are_each_for_themselves(tmp_path):
    pictures = {f"{number:02d}.png": noise(number) for number in range(40)}
    pictures["40.png"] = noise(7)
    pictures["40.png"][0, 0] ^= 8
    about = {name: {"group": ""} for name in pictures}
    filters = {"min_side": 1, "min_chroma": 0.0, "near_duplicates": 4}
    out = run(gather(tmp_path / "raw", pictures, about), tmp_path / "out", filters=filters)
    assert set(index(out)["split"]) == {"train", "val", "test"}
    assert store.read_summary(out)["rejected"] == {"near duplicate": 1}


def test_nothing_to_validate_or_test_with_is_warned_of(tmp_path, capsys):
    raw = gather(tmp_path / "raw", {"a.png": noise(1)})
    out = run(raw, tmp_path / "out", split={"val": 1e-9, "test": 0.0, "conditions": 0.0})
    assert "warning: nothing in val, test" in capsys.readouterr().err
    assert store.read_summary(out)["records"] == {"train": 1}


def test_nothing_to_train_with_is_an_error(tmp_path):
    raw = gather(tmp_path / "raw", {"a.png": noise(1)}, {"a.png": {"split": "test"}})
    with pytest.raises(UserError, match=r"no picture is left for training \(test have some\)"):
        run(raw, tmp_path / "out", split={"val": 1e-9, "test": 0.0, "conditions": 0.0})
    assert not (tmp_path / "out").exists()


def test_another_seed_draws_other_splits(tmp_path):
    raw = gather(tmp_path / "raw", {f"{number:03d}.png": noise(number) for number in range(100)})
    one, other = (index(run(raw, tmp_path / f"{seed}", seed=seed))["split"] for seed in (1, 2))
    assert 0 < (one == other).sum() < 100


@pytest.mark.parametrize("share", [0.0, 0.3])
def test_what_its_publisher_holds_out_is_tested_with(tmp_path, share):
    pictures = {f"{number:03d}.png": noise(number) for number in range(60)}
    held_out = {name: {"split": "test"} for name in list(pictures)[:20]}
    split = {"val": 0.2, "test": share, "conditions": 0.0}
    out = run(gather(tmp_path / "raw", pictures, held_out), tmp_path / "out", split=split)
    splits = index(out)["split"]
    assert (splits[list(held_out)] == "test").all()
    assert set(splits.drop(list(held_out))) == ({"train", "val"} | ({"test"} if share else set()))


@pytest.mark.parametrize("upright", [True, False])
def test_crop_keeps_the_middle_square_and_squash_all_of_the_picture(tmp_path, upright):
    wide = np.repeat(np.array([[RED, GREEN, BLUE]], np.uint8), 16, axis=1).repeat(16, axis=0)
    raw = gather(tmp_path / "raw", {"a.png": wide.transpose(1, 0, 2) if upright else wide})
    red, green, blue = (lab_bytes(np.array([[colour]], np.uint8)) for colour in (RED, GREEN, BLUE))
    squares = {}
    for fit in ("crop", "squash"):
        record = records(run(raw, tmp_path / fit, fit=fit))["a.png"]
        assert record.shape == (4, SIDE, SIDE)
        squares[fit] = record[1:].transpose(0, 2, 1) if upright else record[1:]
    assert close(squares["crop"], green)
    # Away from the seams, which smoothing blurs by up to 6 of the picture's pixels, 2 of the square's.
    for colour, columns in ((red, slice(0, 3)), (green, slice(7, 9)), (blue, slice(13, 16))):
        assert close(squares["squash"][..., columns], colour)


def test_a_picture_of_an_odd_shape_is_cropped_in_its_middle(tmp_path):
    picture = noise(5, 16 + 7, 16)
    record = records(run(gather(tmp_path / "raw", {"a.png": picture}), tmp_path / "out"))["a.png"]
    assert close(record[1:], lab_bytes(picture[:, 3:19]))


@pytest.mark.parametrize("side", ["left", "right"])
def test_the_half_with_the_drawing_is_the_input_and_the_other_the_truth(tmp_path, side):
    colour, drawing = noise(1), noise(2)
    halves = [colour, drawing] if side == "left" else [drawing, colour]
    raw = gather(tmp_path / "raw", {"a.png": np.hstack(halves)}, {"a.png": {"colour_side": side}})
    record = records(run(raw, tmp_path / "out", input={"training": "canny", "test": "canny"}))["a.png"]
    assert close(record[0], lab_bytes(drawing)[0])
    assert close(record[1:], lab_bytes(colour))


def test_a_drawing_in_a_file_of_its_own_is_the_input(tmp_path):
    colour, drawing = noise(1, 24, 16), noise(2, 24, 16)
    raw = gather(tmp_path / "raw", {"a.png": colour})
    Image.fromarray(drawing).save(raw / "drawn.png")
    digest = manifest.about((raw / "drawn.png").read_bytes())["sha256"]
    (row,) = manifest.read(raw)
    manifest.write(raw, [row._replace(input="drawn.png", input_sha256=digest)])
    out = run(raw, tmp_path / "out", input={"training": "xdog", "test": "xdog"})
    record = records(out)["a.png"]
    assert close(record[0], lab_bytes(drawing[:, 4:20])[0])
    assert close(record[1:], lab_bytes(colour[:, 4:20]))
    assert store.read_summary(out)["rejected"] == {}  # the drawing is listed, as a part of its picture


@pytest.mark.parametrize("about", [{"colour_side": "left"}, {"input": "b.png", "input_sha256": "0"}])
def test_drawings_do_not_go_with_tiles(tmp_path, about):
    raw = gather(tmp_path / "raw", {"a.png": noise(1, 96, 96)}, {"a.png": about})
    with pytest.raises(UserError, match=r"a\.png has a drawing .* layout tiles is .*layout: squares"):
        run(raw, tmp_path / "out", layout="tiles")
    assert not (tmp_path / "out").exists()


def test_outlines_of_the_picture_may_be_the_input(tmp_path):
    picture = np.full((SIDE, SIDE, 3), (250, 240, 200), np.uint8)
    picture[4:12, 4:12] = (90, 30, 30)
    pictures = {f"{number}.png": picture ^ np.uint8(number) for number in range(12)}
    about = {name: {"split": "test"} for name in list(pictures)[:4]}
    raw = gather(tmp_path / "raw", pictures, about)
    out = run(raw, tmp_path / "out", input={"training": "canny", "test": "xdog"})
    of_pictures = records(run(raw, tmp_path / "lab"))
    assert set(index(out)["split"]) >= {"train", "test"}
    for name, record in records(out).items():
        method = "xdog" if index(out)["split"][name] == "test" else "canny"
        np.testing.assert_array_equal(record[1:], of_pictures[name][1:])
        np.testing.assert_array_equal(
            record[0], np.round(outlines(record[1] / np.float32(2.55), method) * 2.55)
        )
        assert record[0].max() == 255 and record[0].min() < 128


def test_another_film_in_the_test_changes_the_input_of_test_records_alone(tmp_path):
    pictures = {f"{number:02d}.png": noise(number) for number in range(40)}
    raw = gather(tmp_path / "raw", pictures)
    same = records(run(raw, tmp_path / "same"))
    out = run(raw, tmp_path / "other", input={"training": "lab", "test": "orthochromatic"})
    for name, record in records(out).items():
        if index(out)["split"][name] == "test":
            rgb = torch.from_numpy(pictures[name]).permute(2, 0, 1)[None] / 255
            assert close(record[0], film.grey_plane(rgb, "orthochromatic")[0, 0].numpy() * 2.55)
            assert (record[0] != record[1]).mean() > 0.5
            record = np.concatenate([record[1:2], record[1:]])
        np.testing.assert_array_equal(record, same[name])


def test_conditions_are_kept_as_a_one_hot_row_for_each_record(tmp_path):
    pictures = {f"{number:02d}.png": noise(number) for number in range(24)}
    words = [
        f"hair={hair} shirt={shirt}" for hair in ("red", "black") for shirt in ("blue", "white", "green")
    ]
    about = {name: {"condition": words[number % 6]} for number, name in enumerate(pictures)}
    out = run(gather(tmp_path / "raw", pictures, about), tmp_path / "out")
    table = {"hair": ["black", "red"], "shirt": ["blue", "green", "white"]}
    assert store.read_summary(out)["conditions"] == table
    conditions = np.load(out / "conditions.npy")
    assert conditions.dtype == np.uint8 and conditions.shape == (24, 5)
    columns = [f"{name}={value}" for name, values in table.items() for value in values]
    for row, condition in zip(conditions, index(out)["condition"], strict=True):
        assert {column for column, on in zip(columns, row, strict=True) if on} == set(condition.split())
    split = store.Split(out, "train")
    expected = conditions[(index(out)["split"] == "train").to_numpy()]
    np.testing.assert_array_equal(split.conditions(np.arange(len(split))), expected)


def test_without_conditions_there_is_no_table_of_them(tmp_path):
    out = run(gather(tmp_path / "raw", {"a.png": noise(1)}), tmp_path / "out")
    assert store.read_summary(out)["conditions"] == {}
    assert not (out / "conditions.npy").exists()


def test_a_picture_without_the_condition_of_the_others_is_named(tmp_path):
    pictures = {name: noise(ord(name[0])) for name in ("a.png", "b.png", "c.png")}
    about = {name: {"condition": "hair=red"} for name in ("a.png", "c.png")}
    with pytest.raises(UserError, match=r"b\.png.*hair: missing, allowed: red"):
        run(gather(tmp_path / "raw", pictures, about), tmp_path / "out")
    assert not (tmp_path / "out").exists()
