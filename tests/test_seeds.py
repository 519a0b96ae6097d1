"""What seeds promise: figures that are means over seeds, intervals over photographs, and honest spreads."""

import math

import numpy as np
import pandas as pd
import pytest
from test_tables import rows

from tintype.console import UserError
from tintype.report import seeds, tables

SEEDS = {"l2-1": 1, "l2-2": 2, "l1-1": 1}


def trainings() -> dict[str, pd.DataFrame]:
    """A floor, a model with two seeds, which see the same truth, and one with one seed."""
    first = rows(1, clustered=2.0)
    second = first.assign(weights="ba9876543210")
    for name in ("psnr", "auc_rebalanced", "colorfulness", "lpips_squeeze"):
        second[name] = rows(2)[name] + 1
    return {"grey": rows(0, lpips=False), "l2-1": first, "l1-1": rows(3), "l2-2": second}


def test_models_are_in_order_of_appearance_and_their_trainings_by_seed():
    given = {"a-10": 10, "a-9": 9, "unet-2-2": 2}
    found = seeds.grouped(["mean-1", "a-10", "unet-2-2", "a-9"], given)
    assert list(found.items()) == [("mean-1", ["mean-1"]), ("a", ["a-9", "a-10"]), ("unet-2", ["unet-2-2"])]


def test_pooling_what_has_one_seed_or_none_changes_nothing():
    some = trainings()
    pooled = seeds.pooled(some, SEEDS)
    assert list(pooled) == ["grey", "l2", "l1"]
    pd.testing.assert_frame_equal(pooled["grey"], some["grey"])
    pd.testing.assert_frame_equal(pooled["l1"], some["l1-1"])


def test_figures_of_pooled_rows_are_means_over_the_seeds():
    some = trainings()
    summary = tables.summary(seeds.pooled(some, SEEDS)["l2"])
    each = [tables.summary(some[name]) for name in ("l2-1", "l2-2")]
    assert summary == pytest.approx({name: (each[0][name] + each[1][name]) / 2 for name in summary}, abs=2e-6)


def test_the_order_of_the_seeds_does_not_matter():
    some = trainings()
    turned = {name: some[name] for name in ("grey", "l2-2", "l1-1", "l2-1")}
    pd.testing.assert_frame_equal(seeds.comparison(some, SEEDS, {}), seeds.comparison(turned, SEEDS, {}))


def test_two_seeds_that_answer_the_same_have_the_interval_of_one():
    one = rows(4, clustered=2.0)
    pooled = seeds.pooled({"l2-1": one, "l2-2": one}, SEEDS)["l2"]
    assert len(pooled) == 2 * len(one)
    for name, bounds in tables.intervals(pooled).items():
        assert bounds == pytest.approx(tables.intervals(one)[name], abs=2e-6), name


def test_the_tiles_may_be_in_another_order_but_not_be_others_or_lack_figures():
    one = rows(5)
    seeds.pooled({"l2-1": one, "l2-2": one[::-1]}, SEEDS)
    for other in (one[:-1], one.assign(top=one["top"] + 1), one.drop(columns="lpips_squeeze")):
        with pytest.raises(UserError, match="l2-2: not the test tiles and figures of l2-1"):
            seeds.pooled({"l2-1": one, "l2-2": other}, SEEDS)


def test_the_spread_is_the_largest_less_the_smallest():
    one = rows(6)
    higher = {1: 0, 2: 3, 3: -0.5}
    some = {f"l2-{seed}": one.assign(psnr=one["psnr"] + more) for seed, more in higher.items()}
    some |= {"l1-1": one, "grey": one}
    spread = seeds.spread(some, {f"l2-{seed}": seed for seed in higher} | {"l1-1": 1}, "psnr")
    assert list(spread) == ["l2", "l1", "grey"] and spread["l2"] == pytest.approx(3.5, abs=2e-6)
    assert math.isnan(spread["l1"]) and math.isnan(spread["grey"])
    unknown = seeds.spread({"l2-1": one, "l2-2": one.drop(columns="lpips_squeeze")}, SEEDS, "lpips_squeeze")
    assert math.isnan(unknown["l2"])


def test_a_comparison_has_facts_seeds_and_spreads_beside_the_figures():
    some = trainings()
    facts = {"l2": {"parameters": 1_234_567, "encoder": "random"}, "l1": {"encoder": "timm"}}
    table = seeds.comparison(some, SEEDS, facts, ["lpips_vgg"]).set_index("model")
    assert list(table.columns[:5]) == ["parameters", "encoder", "seeds", "weights", "pictures"]
    assert table.loc["l2", list(table.columns[:5])].tolist() == [
        *(1_234_567, "random", 2, "0123456789ab, ba9876543210", 120)
    ]
    assert table["seeds"].fillna(0).tolist() == [0, 2, 1, 0]
    assert table["parameters"].notna().tolist() == [False, True, False, False]
    spreads = [name for name in table.columns if name.endswith("_spread")]
    figures = ["psnr", "lpips_squeeze", "ciede2000", "auc_rebalanced", "colorfulness"]
    assert sorted(spreads) == sorted(f"{name}_spread" for name in figures)
    for name in figures:
        assert table.loc["l2", f"{name}_spread"] == seeds.spread(some, SEEDS, name)["l2"]
        assert table[f"{name}_spread"].drop("l2").isna().all()
        assert table.columns.get_loc(f"{name}_spread") == table.columns.get_loc(f"{name}_high") + 1
    plain = table.drop(columns=[*table.columns[:3], *spreads]).reset_index()
    expected = tables.comparison(seeds.pooled(some, SEEDS), ["lpips_vgg"])
    pd.testing.assert_frame_equal(plain, expected)


def test_whole_numbers_stay_whole_in_a_csv():
    table = seeds.comparison(trainings(), SEEDS, {"l2": {"parameters": 1_234_567}})
    lines = table.to_csv(index=False, float_format="%.6g").splitlines()
    assert lines[2].startswith('l2,1234567,2,"0123456789ab, ba9876543210",120,')
    assert lines[1].startswith("grey,,,0123456789ab,120,")


def test_markdown_has_facts_then_the_figures_asked_for():
    table = pd.DataFrame(
        {
            "model": ["grey", "l2", "truth"],
            "parameters": pd.Series([None, 1.23456, None], dtype=object),
            "seeds": pd.array([None, 2, None], dtype="Int64"),
            **{"psnr": [20, 23.456, np.nan], "psnr_low": [19, 22, np.nan], "psnr_high": [21, 25, np.nan]},
            "psnr_spread": [np.nan, 0.5, np.nan],
            **{"ssim": [0.9] * 3, "ssim_low": [0.8] * 3, "ssim_high": [1.0] * 3},
            "colorfulness": [0.01, 12, 30],
            **{"colorfulness_low": [0, 11, np.nan], "colorfulness_high": [0.02, 13, np.nan]},
            **{f"lpips_vgg{end}": ["not available"] * 2 + [np.nan] for end in ("", "_low", "_high")},
        }
    )
    text = seeds.markdown(table, ["colorfulness", "psnr", "lpips_vgg"], ["seeds", "parameters"], ["a note"])
    assert text == (
        "| model | seeds | parameters | colorfulness (to the truth's) | psnr (dB, up) | lpips_vgg (down) |\n"
        "|---|---|---|---|---|---|\n"
        "| grey |  |  | 0.01 [0, 0.02] | 20 [19, 21] | not available |\n"
        "| l2 | 2 | 1.235 | 12 [11, 13] | 23.46 [22, 25] ±0.25 | not available |\n"
        "| truth |  |  | 30 |  |  |\n"
        "\n- a note\n"
    )
