"""Figures of pictures whose colours nobody knows: closed forms, and the table of the gap."""

import math

import numpy as np
import pandas as pd
import pytest
import torch
from pages import photograph

from tintype import film, metrics, real_bw
from tintype.color import lab_to_rgb, rgb_to_lab, to_uint8
from tintype.colorizer import Colorizer
from tintype.report import tables

GRIDS = [2, 4]


def polar(hue: torch.Tensor, chroma: float | torch.Tensor = 30.0) -> torch.Tensor:
    """ab (1, 2, H, W) of hues (H, W) in radians."""
    return torch.stack([hue.cos(), hue.sin()])[None] * chroma


def cells(period: int, size: int = 48, seed: int = 0) -> torch.Tensor:
    """ab (1, 2, size, size) of square cells, each of another colour."""
    drawn = torch.rand(1, 2, -(-size // period), -(-size // period), generator=torch.manual_seed(seed))
    large = (60 * drawn - 30).repeat_interleave(period, dim=2).repeat_interleave(period, dim=3)
    return large[..., :size, :size]


def picture(ab: torch.Tensor, L: float = 60.0) -> np.ndarray:
    """uint8 (H, W, 3)."""
    return to_uint8(lab_to_rgb(torch.cat([torch.full_like(ab[:, :1], L), ab], dim=1)))[0]


# Figures


def test_lightness_that_is_kept_is_not_shifted_and_another_is_by_its_difference():
    grey = torch.arange(256).view(1, 1, 16, 16).expand(1, 3, 16, 16) / 255
    L = rgb_to_lab(grey)[:, :1]
    assert real_bw.lightness_shift(grey, L).abs().max() == 0
    shift = real_bw.lightness_shift(grey, L + torch.where(L < 50, 1.5, -2.0))
    torch.testing.assert_close(shift, torch.where(L < 50, 1.5, 2.0), rtol=0, atol=1e-4)


def test_hues_agree_by_how_far_they_are_spread():
    def agreement(ab):
        return real_bw.hue_agreement(ab).item()

    assert agreement(polar(torch.full((8, 8), 2.0))) == pytest.approx(1)
    for degrees in (40, 90, 180):
        arc = math.radians(degrees)
        hues = (torch.arange(100).view(10, 10) + 0.5) / 100 * arc + 1
        assert agreement(polar(hues)) == pytest.approx(2 * math.sin(arc / 2) / arc, abs=1e-4)
    opposite = torch.tensor([[0.5, 0.5 + math.pi]])
    assert agreement(polar(opposite)) == pytest.approx(0, abs=1e-6)
    assert agreement(polar(opposite, torch.tensor([[30.0, 10.0]]))) == pytest.approx(0.5), "by chroma"
    # What passes for grey has no say, and where nothing else is there is nothing to agree on.
    faint = metrics.GREY_CHROMA - 0.1
    assert agreement(polar(opposite, torch.tensor([[30.0, faint]]))) == pytest.approx(1)
    assert agreement(polar(opposite, faint)) == 0 and agreement(torch.zeros(1, 2, 4, 4)) == 0


def test_colours_that_change_on_a_grid_alone_are_wholly_blocky():
    ab = cells(4)
    assert real_bw.blockiness(ab, 4).item() == pytest.approx(1)
    assert real_bw.blockiness(ab[..., 1:, 1:], 4).item() == pytest.approx(-1), "all beside the grid"
    assert abs(real_bw.blockiness(cells(3, 96), 4).item()) < 0.1, "as often on it as beside it"


def test_blockiness_is_the_contrast_of_changes_on_the_grid_and_beside_it():
    place = torch.arange(48)
    for jump, slope in ((6.0, 2.0), (1.0, 3.0), (2.0, 2.0)):
        risen = torch.where(place % 4 == 0, jump, slope).cumsum(0)
        ab = torch.stack([risen[:, None] + risen, torch.zeros(48, 48)])[None]
        expected = (jump - slope) / (jump + slope)
        assert real_bw.blockiness(ab, 4).item() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("period", [2, 4, 8])
def test_smooth_noisy_uniform_and_tiny_pictures_are_not_blocky(period):
    hues = torch.linspace(0, 3, 64)
    smooth = polar(hues[:, None] + hues)
    noise = torch.randn(1, 2, 64, 64, generator=torch.manual_seed(1)) * 20
    assert abs(real_bw.blockiness(smooth, period).item()) < 0.01
    assert abs(real_bw.blockiness(noise, period).item()) < 0.05
    assert real_bw.blockiness(torch.full((1, 2, 64, 64), 9.0), period).item() == 0
    assert real_bw.blockiness(cells(period, 2 * period - 1), period).item() == 0


def test_a_batch_has_the_figures_of_its_pictures():
    batch = torch.cat([cells(4), cells(3), polar(torch.rand(48, 48) * 6)])
    for figure in (real_bw.hue_agreement, lambda ab: real_bw.blockiness(ab, 4)):
        together = figure(batch)
        assert together.dtype == torch.float64
        torch.testing.assert_close(together, torch.cat([figure(one) for one in batch.split(1)]))


def test_pictures_are_called_grey_of_one_colour_or_blocky_where_they_are():
    def called(ab):
        found = real_bw.figures(picture(ab), ab.shape[-2:], GRIDS)
        return [name for name in ("grey", "one_colour", "blocky") if found[name] == 1]

    hues = torch.linspace(0, 6, 64)
    varied = polar(hues[:, None] / 2 + hues)
    assert called(varied) == [] and called(polar(torch.full((64, 64), 1.2))) == ["one_colour"]
    assert called(torch.zeros(1, 2, 64, 64)) == ["grey"] and called(varied / 20) == ["grey"]
    assert called(cells(4, 64)) == ["blocky"]
    almost = torch.zeros(1, 2, 64, 64)
    almost[..., :2, :] = 30  # a grey picture with a line of one colour is not a picture of one colour
    assert called(almost) == ["grey"]


def test_a_picture_has_the_figures_of_metrics_at_the_size_at_which_one_sees_it():
    rgb = photograph(1, 90, 120)
    found = real_bw.figures(rgb, (90, 120), GRIDS)
    planes = torch.tensor(rgb).permute(2, 0, 1)[None] / 255
    lab = rgb_to_lab(planes)
    assert found["colorfulness"] == pytest.approx(metrics.colorfulness(planes).item())
    assert found["edge_alignment"] == pytest.approx(metrics.edge_alignment(lab[:, :1], lab[:, 1:]).item())
    assert found["grey_share"] == pytest.approx(metrics.grey_share(lab[:, 1:]).item())
    large = rgb.repeat(16, axis=0).repeat(16, axis=1)  # 1440 x 1920
    assert real_bw.figures(large, (90, 120), GRIDS)["colorfulness"] == pytest.approx(
        found["colorfulness"], rel=0.02
    )
    # Blocks of the size at which the network saw it, however much it was enlarged.
    enlarged = picture(cells(4, 96)).repeat(5, axis=0).repeat(5, axis=1)
    assert real_bw.figures(enlarged, (96, 96), [4])["blocky"] == 1
    assert real_bw.figures(enlarged, (480, 480), [3])["blocky"] == 0


def colorizer(**settings) -> Colorizer:
    torch.manual_seed(0)
    known = {"backbone": "unet", "width": 4, "depth": 3, "output_stride": 2, "head": "l1"}
    return Colorizer(known | {"color_space": "lab"} | settings, None).eval()


def test_the_grids_of_a_network_are_those_of_its_levels():
    assert real_bw.grids(colorizer()) == [2, 4, 8]
    assert real_bw.grids(colorizer(output_stride=1)) == [2, 4, 8]
    assert real_bw.grids(colorizer(output_stride=4, depth=4)) == [4, 8, 16]


# Test photographs as old ones


def test_a_photograph_becomes_what_the_film_has_of_it_and_wears_by_its_seed():
    lab = rgb_to_lab(torch.tensor(photograph(2)).permute(2, 0, 1)[None] / 255)
    new = real_bw.as_old(lab, "blue", 0.0, seed=1)
    assert torch.equal(new, film.grey_plane(lab_to_rgb(lab), "blue"))
    worn = [real_bw.as_old(lab, "blue", 1.0, seed) for seed in (1, 1, 2)]
    assert torch.equal(worn[0], worn[1]) and not torch.equal(worn[0], worn[2])


def test_pictures_from_all_over_are_all_or_as_many_as_asked_for():
    assert real_bw.spread(3, 9).tolist() == [0, 1, 2]
    assert real_bw.spread(10, 4).tolist() == [0, 3, 6, 9]


# The gap's table


def rows(number: int, seed: int, photographs: int | None = None, **more: float) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    names = [f"{place % (photographs or number):03d}" for place in range(number)]
    found = {"photograph": names, "colorfulness": rng.normal(40, 10, number)}
    for name in ("colorfulness_abs", "mean_chroma", "hue_entropy", "edge_alignment", "grey_share"):
        found[name] = rng.normal(5, 1, number)
    for name in ("grey", "one_colour", "blocky"):
        found[name] = rng.integers(2, size=number).astype(float)
    for name in more:
        found[name] = rng.normal(more[name], 0.1, number)
    return pd.DataFrame(found)


SHIFTS = {"out_of_gamut_share": 0.5, "lightness_shift": 1.0, "lightness_shift_max": 2.0}


@pytest.fixture(scope="module")
def sides() -> list[pd.DataFrame]:
    """Real pictures, test photographs through films, their truth, training pictures."""
    return [rows(40, 1, **SHIFTS), rows(90, 2, 30, **SHIFTS), rows(30, 3), rows(200, 4, 50)]


def test_every_side_has_its_mean_and_the_interval_of_the_other_tables(sides):
    table = real_bw.gap(*sides).set_index("figure")
    assert table.loc["pictures", list(real_bw.SIDES)].tolist() == [40, 90, 30, 200]
    assert table.loc["photographs", list(real_bw.SIDES)].tolist() == [40, 30, 30, 50]
    for side, some in zip(real_bw.SIDES, sides, strict=True):
        for name in ("colorfulness", "hue_entropy", "blocky"):
            assert table.loc[name, side] == pytest.approx(some[name].mean())
            one = pd.Series(1.0, index=some.index)
            bounds = tables.bootstrap(some["photograph"], {name: (some[name], one)})[name]
            found = table.loc[name, [f"{side}_low", f"{side}_high"]].tolist()
            assert found == pytest.approx(bounds, rel=0.03, abs=0.02), "of other draws"
    assert table.loc["lightness_shift", "truth":].isna().all(), "nobody shifted the truth"


def test_the_gap_is_the_difference_of_two_independent_means(sides):
    table = real_bw.gap(*sides).set_index("figure")
    assert table["gap"].tolist()[2:] == pytest.approx((table["real"] - table["films"]).tolist()[2:])
    means = [some.groupby("photograph")["colorfulness"].mean() for some in sides[:2]]
    width = 2 * 1.96 * math.sqrt(sum(each.var() / len(each) for each in means))
    low, high = table.loc["colorfulness", ["gap_low", "gap_high"]]
    assert high - low == pytest.approx(width, rel=0.1)
    # The same pictures on both sides: were they drawn together, there would be no width.
    same = real_bw.gap(sides[0], sides[0], *sides[2:]).set_index("figure").loc["colorfulness"]
    assert same["gap"] == 0
    alone = same["real_high"] - same["real_low"]
    assert same["gap_high"] - same["gap_low"] == pytest.approx(math.sqrt(2) * alone, rel=0.1)


def test_a_set_of_more_colourful_pictures_is_as_far_from_training_as_they_are(sides):
    training = sides[3]
    shifted = training.assign(colorfulness=training["colorfulness"] + 7)
    moved = shifted.assign(**SHIFTS)
    table = real_bw.gap(moved, moved, training, training).set_index("figure")
    row = table.loc["colorfulness_distance"]
    assert row[["real", "truth", "training", "gap"]].tolist() == pytest.approx([7, 0, 0, 0])
    assert row.filter(regex="_low$|_high$").isna().all()
    largest = table.loc["lightness_shift_max"]
    assert largest["real"] == 2 and pd.isna(largest["real_low"])


def test_quantiles_are_values_that_so_large_a_share_of_the_weight_does_not_exceed():
    values, weights = np.array([30.0, 10.0, 20.0]), np.array([[1, 1, 1], [0, 3, 1], [2, 0, 0]])
    assert real_bw.quantile(0.5)(values, weights).tolist() == [20, 10, 30]
    assert real_bw.quantile(0.9)(values, weights).tolist() == [30, 20, 30]
    assert real_bw.quantile(0.1)(values, weights).tolist() == [10, 10, 30]
    ten = np.arange(1.0, 11)
    found = [real_bw.quantile(share)(ten, np.ones((1, 10)))[0] for share in (0.1, 0.3, 0.5, 0.7, 0.9)]
    assert found == [1, 3, 5, 7, 9]


def test_one_picture_has_figures_and_no_interval(sides):
    table = real_bw.gap(sides[0][:1], *sides[1:]).set_index("figure").drop(["pictures", "photographs"])
    assert table["real"].notna().all() and table["gap"].notna().all()
    assert table[["real_low", "real_high", "gap_low", "gap_high"]].isna().all(axis=None)
    assert table.loc["colorfulness", ["films_low", "training_high"]].notna().all()
