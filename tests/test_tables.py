"""What tables promise: figures that follow from the rows, and intervals that know tiles of one photograph."""

import numpy as np
import pandas as pd
import pytest
import torch

from tintype import metrics
from tintype.console import UserError
from tintype.report import tables

MEANS = ["psnr", "ssim", "ciede2000", "auc", "colorfulness", "colorfulness_abs"]


def rows(seed: int, photographs: int = 20, tiles: int = 6, clustered: float = 0.0, lpips: bool = True):
    """Rows as evaluation writes them; `clustered` is how far photographs differ, tiles differing by 1."""
    rng = np.random.default_rng(seed)
    count = photographs * tiles
    columns = {"photograph": [f"{number:03d}" for number in range(photographs) for _ in range(tiles)]}
    columns["weights"] = ["0123456789ab"] * count
    columns |= {"left": 0, "top": np.arange(count)}
    for name in [*MEANS, "auc_rebalanced", "true_colorfulness", "true_colorfulness_abs", "ciede2000_store"]:
        shared = clustered * np.repeat(rng.normal(size=photographs), tiles)
        columns[name] = 30 + rng.normal(size=count) + shared
    columns["auc_rebalanced_weight"] = rng.uniform(1, 50, count)
    if lpips:
        columns["lpips_squeeze"] = rng.uniform(0, 1, count)
    return pd.DataFrame(columns)


def test_every_figure_follows_from_the_rows():
    some = rows(0)
    summary = tables.summary(some)
    for name in [*MEANS, "lpips_squeeze"]:
        assert summary[name] == pytest.approx(some[name].mean(), abs=1e-6)
    weighted = np.average(some["auc_rebalanced"], weights=some["auc_rebalanced_weight"])
    assert summary["auc_rebalanced"] == pytest.approx(weighted, abs=1e-6)
    mean, truth = some["colorfulness"].mean(), some["true_colorfulness"].mean()
    assert summary["delta_colorfulness_mean"] == pytest.approx(mean - truth, abs=1e-6)
    assert summary["colorfulness_ratio"] == pytest.approx(mean / truth, abs=1e-6)
    order = ["psnr", "ssim", "lpips_squeeze", "ciede2000", "auc", "auc_rebalanced", "colorfulness"]
    order += ["colorfulness_abs", "delta_colorfulness_mean", "delta_colorfulness_per_image"]
    assert list(summary) == [*order, "colorfulness_ratio"]
    apart = (some["colorfulness"] - some["true_colorfulness"]).abs().mean()
    assert summary["delta_colorfulness_per_image"] == pytest.approx(apart, abs=1e-6)


def test_the_rebalanced_auc_is_that_of_all_pixels_together():
    generator = torch.Generator().manual_seed(0)
    truth, ab = (torch.rand(5, 2, 8, 9, generator=generator) * 60 for _ in range(2))
    weights = torch.rand(5, 8, 9, generator=generator, dtype=torch.float64) ** 4 * 1000
    each, weight = metrics.auc(ab, truth, weights).numpy(), weights.sum(dim=(1, 2)).numpy()
    some = rows(1, photographs=1, tiles=5).assign(auc_rebalanced=each, auc_rebalanced_weight=weight)
    together = (planes.movedim(0, -2).flatten(-2)[None] for planes in (ab, truth, weights))
    pooled = metrics.auc(*together).item()
    assert tables.summary(some)["auc_rebalanced"] == pytest.approx(pooled, abs=1e-6)
    assert abs(each.mean() - pooled) > 0.01, "the plain mean would have passed too"


def test_intervals_hold_the_figure_and_are_the_same_each_time():
    some = rows(2)
    summary, bounds = tables.summary(some), tables.intervals(some)
    assert bounds == tables.intervals(some.copy()) and bounds.keys() == summary.keys()
    for name, (low, high) in bounds.items():
        assert low < summary[name] < high, name


@pytest.mark.parametrize("clustered", [0.0, 3.0])
def test_an_interval_spans_two_standard_errors_of_the_photographs_each_way(clustered):
    some = rows(3, photographs=60, clustered=clustered)
    means = some.groupby("photograph")["psnr"].mean()
    low, high = tables.intervals(some)["psnr"]
    assert high - low == pytest.approx(2 * 1.96 * means.std() / np.sqrt(60), rel=0.1)
    assert (low + high) / 2 == pytest.approx(means.mean(), abs=0.1 * (high - low))


def test_tiles_that_resemble_each_other_make_intervals_wider():
    some = rows(4, photographs=30, tiles=10, clustered=3.0)
    apart = some.assign(photograph=[f"{number}" for number in range(len(some))])
    for name in ("psnr", "auc_rebalanced", "colorfulness_ratio", "delta_colorfulness_mean"):
        (low, high), (apart_low, apart_high) = (tables.intervals(table)[name] for table in (some, apart))
        assert high - low > 1.8 * (apart_high - apart_low), name


def test_one_photograph_alone_has_no_interval():
    some = rows(5, photographs=1)
    assert tables.summary(some)["psnr"] == pytest.approx(some["psnr"].mean(), abs=1e-6)
    assert np.isnan(list(tables.intervals(some).values())).all()


def test_a_comparison_has_a_row_a_model_and_one_for_the_truth():
    models = {"grey": rows(6, lpips=False), "cnn": rows(7)}
    table = tables.comparison(models).set_index("model")
    assert list(table.index) == ["grey", "cnn", "truth"]
    for model, some in models.items():
        assert table.loc[model, ["pictures", "photographs"]].tolist() == [120, 20]
        bounds = tables.intervals(some)
        for name, value in tables.summary(some).items():
            assert table.loc[model, [name, f"{name}_low", f"{name}_high"]].tolist() == [value, *bounds[name]]
    assert pd.isna(table.loc["grey", "lpips_squeeze"]) and pd.isna(table.loc["grey", "lpips_squeeze_high"])
    truth = table.loc["truth"].dropna()
    assert set(truth.index) == {"colorfulness", "colorfulness_abs"}
    assert truth["colorfulness"] == pytest.approx(models["grey"]["true_colorfulness"].mean(), abs=1e-6)
    assert truth["colorfulness_abs"] == pytest.approx(
        models["grey"]["true_colorfulness_abs"].mean(), abs=1e-6
    )


def test_markdown_shows_every_model_every_figure_and_every_note():
    table = tables.comparison({"grey": rows(8, lpips=False), "cnn": rows(9)})
    text = tables.markdown(table, ["the first note", "the second"])
    assert text.endswith("\n- the first note\n- the second\n")
    lines = [line for line in text.splitlines() if line.startswith("|")]
    head, rule, *body = [[cell.strip() for cell in line[1:-1].split("|")] for line in lines]
    assert head[0] == "model" and len({len(head), len(rule), *map(len, body)}) == 1 and set(rule) == {"---"}
    assert head[1:4] == ["psnr (dB, up)", "ssim (up)", "ciede2000 (down)"]
    assert "lpips_squeeze (down)" in head and "colorfulness_ratio (to 1)" in head
    cells = {row[0]: dict(zip(head[1:], row[1:], strict=True)) for row in body}
    assert list(cells) == ["grey", "cnn", "truth"]
    cnn = table.set_index("model").loc["cnn"]
    assert cells["cnn"]["psnr (dB, up)"] == f"{cnn.psnr:.4g} [{cnn.psnr_low:.4g}, {cnn.psnr_high:.4g}]"
    assert cells["grey"]["lpips_squeeze (down)"] == ""
    truth = {name: cell for name, cell in cells["truth"].items() if cell}
    assert set(truth) == {"colorfulness (to the truth's)", "colorfulness_abs (to the truth's)"}
    assert "[" not in "".join(truth.values()), "the truth is not estimated"


def test_rows_of_two_seeds_count_their_tiles_once_and_name_both_weights():
    some = rows(12)
    both = pd.concat([some, some.assign(weights="ba9876543210")])
    row = tables.comparison({"cnn": both}).iloc[0]
    assert row[["weights", "pictures", "photographs"]].tolist() == ["0123456789ab, ba9876543210", 120, 20]


def test_rows_come_back_from_their_file_with_names_as_text(tmp_path):
    some = rows(10, photographs=3)
    names = some["photograph"].map({"000": "007", "001": "NA", "002": "b, é.png"})
    some.assign(photograph=names).to_csv(tmp_path / "cnn.csv", index=False)
    read = tables.read(tmp_path / "cnn.csv")
    pd.testing.assert_frame_equal(read, some.assign(photograph=names))
    for name, bounds in tables.intervals(some).items():
        assert tables.intervals(read)[name] == pytest.approx(bounds, abs=2e-6)


def test_a_missing_file_and_a_figure_that_is_none_are_explained(tmp_path):
    with pytest.raises(UserError, match=r"nowhere.csv: no such file; `dvc repro evaluate`"):
        tables.read(tmp_path / "nowhere.csv")
    # Left out of the mean, or counted as 0, it would make one model look better than another.
    rows(11).assign(lpips_squeeze=[None, *range(119)]).to_csv(tmp_path / "cnn.csv", index=False)
    with pytest.raises(UserError, match=r"cnn.csv: .*lpips_squeeze"):
        tables.read(tmp_path / "cnn.csv")
