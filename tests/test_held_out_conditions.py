"""What holding combinations of attributes out promises: training has nothing of them, and all else stays."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from test_squares import each_table_is_made_once, gather, index, noise, records, run, tables  # noqa: F401

from tintype import store
from tintype.console import UserError
from tintype.sources import manifest

HAIR, SHIRT = ("black", "blond", "blue", "brown", "red"), ("blue", "green", "red", "white", "yellow")
COMBINATIONS = [f"hair={hair} shirt={shirt}" for hair in HAIR for shirt in SHIRT]


def characters(raw: Path, count: int = 12, combinations: list[str] = COMBINATIONS) -> Path:
    """Every character in every combination."""
    about = {
        f"{group:02d}-{number:02d}.png": {"group": f"drawing {group}", "condition": condition}
        for group in range(count)
        for number, condition in enumerate(combinations)
    }
    return gather(raw, {name: noise(number) for number, name in enumerate(about)}, about)


def with_share(share: float) -> dict[str, float]:
    return {"val": 0.15, "test": 0.25, "conditions": share}


@pytest.mark.parametrize("seed", [1, 2])
def test_training_has_nothing_of_a_combination_that_is_held_out(tmp_path, seed):
    raw = characters(tmp_path / "raw")
    before = index(run(raw, tmp_path / "before", seed))
    after = index(run(raw, tmp_path / "after", seed, split=with_share(0.2)))
    held_out = set(after.query("split == 'test_conditions'")["condition"])
    assert abs(len(held_out) / 25 - 0.2) < 2 * np.sqrt(0.2 * 0.8 / 25)
    assert held_out.isdisjoint(after.query("split == 'train'")["condition"])
    moved = (before["split"] == "train") & before["condition"].isin(held_out)
    expected = before["split"].mask(moved, "test_conditions")
    pd.testing.assert_series_equal(after["split"], expected)
    assert held_out <= set(after.query("split == 'val'")["condition"]), "characters held out keep theirs"


def test_a_share_of_0_holds_no_combination_out(tmp_path):
    table = index(run(characters(tmp_path / "raw"), tmp_path / "out", split=with_share(0.0)))
    assert set(table["split"]) == {"train", "val", "test"}
    assert table.groupby("group")["split"].nunique().max() == 1


def test_a_larger_share_holds_out_the_same_combinations_and_more(tmp_path):
    raw, found = characters(tmp_path / "raw"), [set()]
    for share in (0.1, 0.4, 0.8):
        table = index(run(raw, tmp_path / f"{share}", split=with_share(share)))
        found.append(set(table.query("split == 'test_conditions'")["condition"]))
        assert found[-2] < found[-1]


def test_which_combinations_are_held_out_does_not_follow_from_other_pictures(tmp_path):
    raw = {"all": characters(tmp_path / "all"), "some": characters(tmp_path / "some", 6, COMBINATIONS[3:17])}
    found = [index(run(raw[name], tmp_path / f"of {name}", split=with_share(0.4))) for name in raw]
    every, some = (table.set_index(["group", "condition"])["split"] for table in found)
    assert set(some) >= {"train", "test_conditions"} and (some == every[some.index]).all()


def test_holding_out_conditions_that_pictures_do_not_have_is_a_mistake(tmp_path):
    raw = gather(tmp_path / "raw", {f"{number:02d}.png": noise(number) for number in range(4)})
    with pytest.raises(UserError, match=r"split\.conditions: found 0\.2, allowed: 0, .*have no conditions"):
        run(raw, tmp_path / "out", split=with_share(0.2))
    assert not (tmp_path / "out").exists()


def test_what_is_held_out_by_its_condition_has_the_input_of_the_test(tmp_path):
    conversions = {"training": "lab", "test": "orthochromatic"}
    raw = characters(tmp_path / "raw")
    out = run(raw, tmp_path / "out", split=with_share(0.3), input=conversions)
    planes = records(out)
    shares = {
        split: np.mean([(planes[name][0] != planes[name][1]).mean() for name in rows.index])
        for split, rows in index(out).groupby("split")
    }
    assert min(shares["test"], shares["test_conditions"]) > 0.5 and shares["train"] == shares["val"] == 0


def test_of_two_that_look_alike_the_one_with_a_held_out_condition_stays(tmp_path):
    raw = characters(tmp_path / "raw")
    splits = index(run(raw, tmp_path / "before", split=with_share(0.3)))["split"]
    stays = splits.index[splits == "test_conditions"][-1]
    goes = splits.index[(splits == "train") & (splits.index.str[:2] != stays[:2])][0]
    picture = np.asarray(Image.open(raw / stays)).copy()
    picture[0, 0] ^= 8
    Image.fromarray(picture).save(raw / goes)
    digest = manifest.about((raw / goes).read_bytes())["sha256"]
    rows = [row._replace(sha256=digest) if row.path == goes else row for row in manifest.read(raw)]
    manifest.write(raw, rows)
    filters = {"min_side": 1, "min_chroma": 0.0, "near_duplicates": 4}
    out = run(raw, tmp_path / "after", split=with_share(0.3), filters=filters)
    assert goes < stays, "the order of the manifest would keep the other one"
    assert store.read_summary(out)["rejected"] == {"near duplicate": 1}
    assert stays in index(out).index and goes not in index(out).index
