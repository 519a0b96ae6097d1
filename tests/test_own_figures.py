"""What the table of a study's own figures promises: means over what is defined, and honest intervals."""

import numpy as np
import pandas as pd
import pytest
from test_tables import rows

from tintype.console import UserError
from tintype.report import own_figures, seeds, tables

SEEDS = {"l2-1": 1, "l2-2": 2, "l1-1": 1}
BETTER = {"psnr": "dB, up", "ssim": "up"}
ENDS = ("", "_low", "_high")


def trainings() -> dict[str, pd.DataFrame]:
    """A floor, a model with two seeds, and one with one seed."""
    first = rows(1, clustered=2.0)
    return {"grey": rows(0), "l2-1": first, "l1-1": rows(3), "l2-2": first.assign(psnr=rows(2)["psnr"] + 1)}


def test_where_all_is_defined_it_is_the_table_that_every_study_has():
    some = trainings()
    table = own_figures.comparison(some, SEEDS, BETTER)
    expected = seeds.comparison(some, SEEDS, {}).iloc[:-1]
    assert list(table.columns) == [
        *("model", "seeds", "psnr", "psnr_low", "psnr_high", "psnr_spread"),
        *("ssim", "ssim_low", "ssim_high", "ssim_spread"),
    ]
    pd.testing.assert_frame_equal(table.iloc[:, :6], expected[table.columns[:6]], rtol=1e-12)
    ssim = [f"ssim{end}" for end in ENDS]
    pd.testing.assert_frame_equal(table[ssim], expected[ssim], rtol=1e-12)
    assert table["ssim_spread"].tolist()[1] == 0 and table["ssim_spread"].isna().tolist() == [
        True,
        False,
        True,
    ]


def test_rows_without_a_value_are_in_no_sum():
    some = pd.DataFrame({"photograph": ["a", "a", "b", "b"], "psnr": [1.0, np.nan, 4.0, 7.0]})
    row = own_figures.comparison({"grey": some}, {}, {"psnr": "up"}).iloc[0]
    assert row["psnr"] == 4
    # Two photographs are drawn: twice a, both, or twice b, a quarter of the draws each or more.
    assert row[["psnr_low", "psnr_high"]].tolist() == [1, 5.5]


def test_a_photograph_without_any_value_is_as_if_it_were_not_there():
    some = rows(4, photographs=3)
    alone = some["photograph"] == "000"
    holes = some.assign(ssim=some["ssim"].where(alone))
    row = own_figures.comparison({"grey": holes}, {}, BETTER).iloc[0]
    mean = round(some.loc[alone, "ssim"].mean(), 6)
    assert row["ssim"] == mean and row[["ssim_low", "ssim_high"]].isna().all(), "one tells no width"
    assert row["psnr_low"] < row["psnr"] < row["psnr_high"], "figures do not mind one another's holes"


def test_a_model_without_a_value_has_empty_cells():
    some = {"grey": rows(5).assign(ssim=np.nan), "l1-1": rows(6)}
    table = own_figures.comparison(some, SEEDS, BETTER)
    assert table.loc[0, [f"ssim{end}" for end in (*ENDS, "_spread")]].isna().all()
    text = own_figures.markdown(table, BETTER, [])
    assert [line.split(" | ")[3] for line in text.splitlines()[2:3]] == [" |"]


def test_a_missing_figure_needs_no_column_and_says_so_in_every_row():
    table = own_figures.comparison(
        trainings(), SEEDS, {"lpips_diversity": "up", **BETTER}, ["lpips_diversity"]
    )
    for end in ENDS:
        assert (table[f"lpips_diversity{end}"] == "not available").all()
    lines = own_figures.markdown(table, {"lpips_diversity": "up"}, ["a note"]).splitlines()
    assert [line.split(" | ")[2] for line in lines[2:5]] == ["not available |"] * 3
    assert lines[-1] == "- a note"


def test_pictures_with_several_rows_and_seeds_have_the_mean_of_them_all():
    some = pd.DataFrame({"photograph": ["a", "a", "b"], "error": [1.0, 2.0, 6.0]})
    both = {"l2-2": some.assign(error=[3.0, 4.0, 8.0]), "l2-1": some[::-1]}
    row = own_figures.comparison(both, SEEDS, {"error": "down"}).iloc[0]
    assert row[["model", "seeds", "error", "error_spread"]].tolist() == ["l2", 2, 4, 2]
    twice = own_figures.comparison({"l2-1": some, "l2-2": some}, SEEDS, {"error": "down"}).iloc[0]
    once = own_figures.comparison({"l2-1": some}, SEEDS, {"error": "down"}).iloc[0]
    assert (
        twice[["error_low", "error_high"]].tolist() == once[["error_low", "error_high"]].tolist() == [1.5, 6]
    )


def test_seeds_scored_on_other_pictures_are_refused():
    one = rows(7)
    for other in (one[:-1], one.assign(photograph="a")):
        with pytest.raises(UserError, match="l2-2: not the test pictures of l2-1"):
            own_figures.comparison({"l2-1": one, "l2-2": other}, SEEDS, BETTER)


def test_the_bootstrap_of_parts_is_that_of_the_tables():
    some = rows(8)
    parts = tables.figures(some)
    assert tables.bootstrap(some["photograph"], parts) == tables.intervals(some)
    alone = tables.bootstrap(some["photograph"], {"auc_rebalanced": parts["auc_rebalanced"]})
    assert alone["auc_rebalanced"] == tables.intervals(some)["auc_rebalanced"], "its draws are its own"


def test_markdown_has_seeds_and_every_figure_with_its_direction():
    table = pd.DataFrame(
        {
            "model": ["grey", "l2"],
            "seeds": pd.array([None, 2], dtype="Int64"),
            **{"error": [20, 23.456], "error_low": [19, 22], "error_high": [21, 25]},
            "error_spread": [np.nan, 0.5],
        }
    )
    assert own_figures.markdown(table, {"error": "units of ab, down"}, ["a note"]) == (
        "| model | seeds | error (units of ab, down) |\n"
        "|---|---|---|\n"
        "| grey |  | 20 [19, 21] |\n"
        "| l2 | 2 | 23.46 [22, 25] ±0.25 |\n"
        "\n- a note\n"
    )
