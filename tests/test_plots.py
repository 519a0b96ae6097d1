"""What plots promise: a readable PNG of a sensible size, and the same bytes for the same inputs only."""

from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from test_tables import rows

from tintype.console import UserError
from tintype.report import plots, tables
from tintype.tracking import COLOURS

SEEDS = {"unet-l2-1": 1, "unet-l2-2": 2, "gan-1": 1}
FIGURES = ["colorfulness", "auc_rebalanced", "lpips_squeeze"]


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    models = {"grey": rows(0, lpips=False).assign(colorfulness=0.0), "mean": rows(1), "unet-l2": rows(2)}
    return tables.comparison(models, ["lpips_vgg"])


def some_curves() -> dict[str, pd.DataFrame]:
    """A step in two lacks the figure, as where validation is rarer than the log; the mean has none."""
    step = np.arange(100, 2100, 100)
    score = np.where(np.arange(20) % 2, 1 + 100 / step, np.nan)
    found = {name: pd.DataFrame({"step": step, "val_score": score + i}) for i, name in enumerate(SEEDS)}
    return found | {"mean": pd.DataFrame({"step": step, "val_loss": 1.0})}


def colours(path: Path) -> set[str]:
    """The colours of a picture, as hex digits."""
    with Image.open(path) as picture:
        assert picture.format == "PNG"
        found = picture.convert("RGB").getcolors(2**24)
    return {"#{:02X}{:02X}{:02X}".format(*colour) for _, colour in found}


def drawn_bars(path: Path, table: pd.DataFrame, figures: list[str]) -> bytes:
    plots.bars(path, table, figures)
    return path.read_bytes()


def drawn_curves(path: Path, curves: dict[str, pd.DataFrame], seeds=SEEDS, figure="val_score") -> bytes:
    plots.curves(path, curves, seeds, figure, "score")
    return path.read_bytes()


def test_bars_grow_with_their_panels_and_rows(tmp_path, table):
    def size(table, figures):
        drawn_bars(tmp_path / "bars.png", table, figures)
        with Image.open(tmp_path / "bars.png") as picture:
            return picture.size

    few = size(table, FIGURES[:1])
    copies = [table[:3].assign(model=f"a-long-name-{i}-" + table["model"]) for i in range(4)]
    many = pd.concat([table, *copies])
    more = size(many, FIGURES)
    assert 500 < few[0] < more[0] < 2000 and 200 < few[1] < more[1] < 1500
    assert [path.name for path in tmp_path.iterdir()] == ["bars.png"]


def test_the_same_figures_make_the_same_bytes_whatever_the_user_has_set(tmp_path, table):
    first = drawn_bars(tmp_path / "1.png", table, FIGURES)
    with matplotlib.rc_context({"font.size": 20, "savefig.facecolor": "red", "axes.facecolor": "red"}):
        assert drawn_bars(tmp_path / "2.png", table.copy(), FIGURES) == first
    ends = {f"colorfulness{end}": table[f"colorfulness{end}"] + 10 for end in ("", "_low", "_high")}
    for other in (table.assign(**ends), table.assign(model=table["model"].replace("unet-l2", "unet-l1"))):
        assert drawn_bars(tmp_path / "3.png", other, FIGURES) != first
    assert b"matplotlib" not in first.lower()


def test_the_truth_is_a_line_where_it_has_the_figure_and_the_floor_is_elsewhere(tmp_path, table):
    drawn_bars(tmp_path / "truth.png", table, ["colorfulness"])
    assert {COLOURS[0], COLOURS[1]} <= colours(tmp_path / "truth.png")
    drawn = drawn_bars(tmp_path / "floor.png", table, ["psnr"])
    assert COLOURS[0] in colours(tmp_path / "floor.png") and COLOURS[1] not in colours(tmp_path / "floor.png")
    plots.bars(tmp_path / "none.png", table, ["psnr"], floor="nobody")
    assert (tmp_path / "none.png").read_bytes() != drawn


def test_bars_leave_out_figures_that_are_not_available(tmp_path, table):
    drawn_bars(tmp_path / "bars.png", table, ["lpips_vgg"])
    assert colours(tmp_path / "bars.png")


def test_curves_of_a_model_share_a_colour_and_those_without_the_figure_have_none(tmp_path):
    first = drawn_curves(tmp_path / "1.png", some_curves())
    found = colours(tmp_path / "1.png")
    assert COLOURS[0] in found and COLOURS[1] in found and COLOURS[2] not in found
    with Image.open(tmp_path / "1.png") as picture:
        assert 1000 < picture.width < 2000 and 500 < picture.height < 1000
    whole = {name: rows.dropna() for name, rows in some_curves().items()}
    assert drawn_curves(tmp_path / "2.png", whole) == first, "rows without the figure are skipped"
    longer = some_curves() | {"unet-l2-2": some_curves()["unet-l2-2"][:-4]}
    assert drawn_curves(tmp_path / "3.png", longer) != first
    apart = {name: seed for name, seed in SEEDS.items() if name != "unet-l2-2"}
    drawn_curves(tmp_path / "4.png", some_curves(), apart)
    assert COLOURS[2] in colours(tmp_path / "4.png"), "without its seed, a training is a model by itself"


def test_models_beyond_the_colours_are_told_apart_by_markers(tmp_path):
    curves = {f"m{i}": pd.DataFrame({"step": [0, 1000], "score": i}) for i in range(len(COLOURS) + 1)}
    first = drawn_curves(tmp_path / "1.png", curves, {}, "score")
    alike = ["m0", f"m{len(COLOURS)}"]  # of one colour: without markers, one could be taken for the other
    swapped = curves | {alike[0]: curves[alike[1]], alike[1]: curves[alike[0]]}
    assert drawn_curves(tmp_path / "2.png", swapped, {}, "score") != first


def test_a_figure_that_no_curve_has_is_explained_and_writes_nothing(tmp_path):
    with pytest.raises(UserError, match="val_nothing"):
        drawn_curves(tmp_path / "1.png", some_curves(), figure="val_nothing")
    assert not list(tmp_path.iterdir())


def some_bins() -> dict[str, pd.DataFrame]:
    """Bins of confidence in %, of which the last has too few pixels to be shown."""
    rows = {"pixels": [900, 0, 500, plots.FEWEST - 1], "confidence": [5, np.nan, 25, 35]}
    means = {"accuracy": [9, np.nan, 50, 0], "error": [20, np.nan, 9, 99]}
    return {name: pd.DataFrame(rows | means) + i for i, name in enumerate(SEEDS)}


def drawn_calibration(path: Path, bins: dict[str, pd.DataFrame]) -> bytes:
    plots.calibration(path, bins, SEEDS)
    return path.read_bytes()


def test_calibration_has_a_colour_for_each_model_and_leaves_out_bins_of_few_pixels(tmp_path):
    first = drawn_calibration(tmp_path / "1.png", some_bins())
    assert colours(tmp_path / "1.png") >= {COLOURS[0], COLOURS[1]}
    assert COLOURS[2] not in colours(tmp_path / "1.png"), "seeds of a model share its colour"
    few = some_bins()
    few["unet-l2-1"].loc[3, ["accuracy", "error"]] = 50
    assert drawn_calibration(tmp_path / "2.png", few) == first
    few["unet-l2-1"].loc[3, "pixels"] = plots.FEWEST
    assert drawn_calibration(tmp_path / "3.png", few) != first
    with Image.open(tmp_path / "1.png") as picture:
        assert 1000 < picture.width < 2000 and 500 < picture.height < 1000


def test_one_bin_alone_is_a_point_that_can_be_seen(tmp_path):
    drawn_calibration(tmp_path / "1.png", {"prior": some_bins()["gan-1"][:1]})
    assert COLOURS[0] in colours(tmp_path / "1.png")


def test_clicks_are_a_line_for_each_model_and_a_grey_one_for_the_floor(tmp_path):
    rows = pd.DataFrame({"hints": [0, 1, 5], "ab_error": [9.0, 8.0, 6.0]})
    errors = {"grey": rows.assign(ab_error=12.0)} | dict.fromkeys(SEEDS, rows)
    plots.hints(tmp_path / "1.png", errors, SEEDS)
    found = colours(tmp_path / "1.png")
    assert {COLOURS[0], COLOURS[1]} <= found and COLOURS[2] not in found
    plots.hints(tmp_path / "2.png", errors | {"gan-1": rows.assign(ab_error=7.0)}, SEEDS)
    plots.hints(tmp_path / "3.png", errors | {"grey": rows.assign(ab_error=11.0)}, SEEDS)
    plots.hints(tmp_path / "4.png", dict(errors), SEEDS)
    first, model, floor, again = (tmp_path.joinpath(f"{i}.png").read_bytes() for i in (1, 2, 3, 4))
    assert first == again and len({first, model, floor}) == 3
