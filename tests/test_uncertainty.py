"""Doubt: entropies and calibration by values on paper, and draws that leave what is sure alone."""

import math

import pandas as pd
import pytest
import torch
from scipy import stats

from tintype import ab_classes, uncertainty
from tintype.uncertainty import RAMP

LINE = torch.tensor([[0.0, 0.0], [30.0, 0.0], [0.0, 60.0], [-40.0, -40.0]])  # the centres of four classes


def of_shares(*shares: float) -> torch.Tensor:
    """The logits (1, Q, 1, 1) of one pixel's distribution."""
    return torch.tensor(shares).log()[None, :, None, None]


@pytest.mark.parametrize(
    ("shares", "entropy"),
    [
        ((0.25, 0.25, 0.25, 0.25), 1.0),
        ((1.0, 0.0, 0.0, 0.0), 0.0),
        ((0.5, 0.5, 0.0, 0.0), 0.5),
        # 1/2 log 2 + 2 * 1/4 log 4 = 3/2 log 2, over log 4.
        ((0.5, 0.25, 0.25, 0.0), 0.75),
    ],
)
def test_entropy_and_confidence_are_the_ones_on_paper(shares, entropy):
    logits = of_shares(*shares) + 3.0  # what all logits have in common means nothing
    assert uncertainty.entropy(logits).item() == pytest.approx(entropy, abs=1e-6)
    assert uncertainty.confidence(logits).item() == pytest.approx(max(shares))
    assert uncertainty.entropy(logits).shape == uncertainty.confidence(logits).shape == (1, 1, 1)


def test_entropy_and_confidence_stay_in_their_ranges():
    logits = 8 * torch.randn(2, 313, 6, 5, generator=torch.Generator().manual_seed(0))
    entropy, confidence = uncertainty.entropy(logits), uncertainty.confidence(logits)
    assert entropy.shape == confidence.shape == (2, 6, 5)
    assert entropy.min() >= 0 and entropy.max() <= 1
    assert confidence.min() >= 1 / 313 and confidence.max() <= 1


def test_pixels_are_judged_against_the_truth():
    # Nearly all in class 1, at (30, 0), then in class 2, at (0, 60); the truth is at (27, 4) both times.
    logits = torch.tensor([[-20.0, 5, -20, -20], [-20, -20, 5, -20]]).T[None, :, None]
    nearest, _ = ab_classes.soft_encoding(LINE, neighbours=1)
    truth = torch.tensor([27.0, 4]).view(1, 2, 1, 1).expand(1, 2, 1, 2)
    found = uncertainty.judged(logits, LINE, 0.38, nearest, truth)
    assert found["right"].tolist() == [[[True, False]]]
    torch.testing.assert_close(found["error"], torch.tensor([[[5, math.hypot(27, 56)]]]))
    torch.testing.assert_close(found["confidence"], torch.ones(1, 1, 2))
    torch.testing.assert_close(found["entropy"], torch.zeros(1, 1, 2), atol=1e-6, rtol=0)


def test_figures_of_a_picture_are_means_over_its_pixels():
    pixels = {
        "confidence": torch.tensor([[[0.4, 0.6]], [[0.2, 0.2]]]),
        "right": torch.tensor([[[True, False]], [[True, True]]]),
        "entropy": torch.tensor([[[0.5, 0.3]], [[0.7, 0.7]]]),
        "error": torch.tensor([[[4.0, 2.0]], [[1.0, 3.0]]]),
    }
    expected = {
        "confidence": [50, 20],
        "accuracy": [50, 100],
        "overconfidence": [0, -80],
        "entropy": [0.4, 0.7],
        "rank_correlation": [1, float("nan")],
        "ab_error": [3, 2],
    }
    found = uncertainty.figures(pixels)
    pd.testing.assert_frame_equal(found, pd.DataFrame(expected), check_dtype=False, atol=1e-5)


def test_calibration_and_its_error_are_the_ones_on_paper():
    confidence = torch.tensor([0.1, 0.2, 0.5, 0.6, 0.7, 1.0])
    right = torch.tensor([False, True, False, True, False, True])
    error = torch.tensor([9.0, 7, 5, 4, 3, 1])
    table = uncertainty.calibration(confidence, right, error, bins=4)
    expected = pd.DataFrame(
        {
            "low": [0, 0.25, 0.5, 0.75],
            "high": [0.25, 0.5, 0.75, 1],
            "pixels": [2, 1, 2, 1],
            "confidence": [0.15, 0.5, 0.65, 1],
            "accuracy": [0.5, 0, 0.5, 1],
            "error": [8, 5, 3.5, 1],
        }
    )
    pd.testing.assert_frame_equal(table, expected, check_dtype=False)
    # (2 * 0.35 + 1 * 0.5 + 2 * 0.15 + 0) / 6
    assert uncertainty.expected_calibration_error(table) == pytest.approx(0.25)
    halves = uncertainty.calibration(torch.tensor([0.9]), torch.tensor([True]), torch.tensor([2.0]), bins=2)
    assert halves["pixels"].tolist() == [0, 1]
    assert halves.loc[0, ["confidence", "accuracy", "error"]].isna().tolist() == [True] * 3
    assert uncertainty.expected_calibration_error(halves) == pytest.approx(0.1)


def test_one_that_is_right_as_often_as_it_is_sure_has_next_to_no_calibration_error():
    draws = torch.Generator().manual_seed(0)
    confidence = torch.rand(200, 1000, generator=draws)
    right = torch.rand(200, 1000, generator=draws) < confidence
    table = uncertainty.calibration(confidence, right, confidence)
    assert len(table) == 10 and table["pixels"].sum() == 200_000
    assert uncertainty.expected_calibration_error(table) < 0.005
    wrong = uncertainty.calibration(confidence, ~right, confidence)
    assert uncertainty.expected_calibration_error(wrong) == pytest.approx(0.5, abs=0.01)  # mean |1 - 2 c|


def test_calibration_refuses_what_is_no_confidence():
    one = torch.ones(1)
    with pytest.raises(ValueError, match=r"outside \[0, 1\]"):
        uncertainty.calibration(torch.tensor([1.5]), one, one)
    with pytest.raises(ValueError, match=r"outside \[0, 1\]"):
        uncertainty.calibration(torch.tensor([float("nan")]), one, one)
    with pytest.raises(ValueError, match="2, 1 and 1 pixels"):
        uncertainty.calibration(torch.ones(2), one, one)


def test_rank_correlations_are_scipys():
    draws = torch.Generator().manual_seed(0)
    x = torch.rand(4, 5, 6, generator=draws)
    y = (3 * (x + torch.rand(4, 5, 6, generator=draws))).round()  # with ties
    found = uncertainty.rank_correlation(x, y)
    for one, left, right in zip(found, x, y, strict=True):
        assert one.item() == pytest.approx(stats.spearmanr(left.flatten(), right.flatten()).statistic)
    assert uncertainty.rank_correlation(x, x**3).tolist() == pytest.approx([1] * 4)
    assert uncertainty.rank_correlation(x, -x).tolist() == pytest.approx([-1] * 4)


def test_rank_correlation_of_what_does_not_differ_is_undefined():
    x = torch.rand(2, 3, 3, generator=torch.Generator().manual_seed(0))
    y = x.clone()
    y[1] = 0.5 + 1e-9 * x[1]
    assert uncertainty.rank_correlation(x, y).isnan().tolist() == [False, True]
    assert uncertainty.rank_correlation(y, x).isnan().tolist() == [False, True]


def doubtful() -> tuple[torch.Tensor, torch.Tensor]:
    """Logits (4, 6, 9) of three regions of like doubt, with details in each, and the regions' labels."""
    labels = (torch.arange(9) // 3).expand(6, 9).contiguous()
    noise = 0.2 * torch.rand(4, 6, 9, generator=torch.Generator().manual_seed(0))
    sharpness = torch.tensor([9.0, 2.0, 0.0])[labels]
    return noise + sharpness * torch.tensor([1.0, 0, 0, 0]).view(4, 1, 1), labels


def drawn(threshold: float, seed: int = 0) -> torch.Tensor:
    logits, labels = doubtful()
    return uncertainty.resampled(logits, LINE, 0.38, labels, threshold, torch.Generator().manual_seed(seed))


def annealed() -> torch.Tensor:
    return ab_classes.annealed_mean(doubtful()[0][None], LINE, 0.38)[0]


def test_sure_regions_are_exactly_unchanged_and_doubtful_ones_are_moved_as_a_whole():
    found = {seed: drawn(0.9, seed) - annealed() for seed in range(12)}
    for moved in found.values():
        assert (moved[:, :, :6] == 0).all()
        assert moved[:, :, 6:].flatten(1).std(dim=1).max() < 1e-5  # details stay
    steps = torch.stack([moved[:, 0, 6] for moved in found.values()])
    assert len(steps.round().unique(dim=0)) == len(LINE), "each class is drawn at times"
    assert uncertainty.entropy(doubtful()[0][None])[..., :6].max() < 0.9


def test_where_doubt_is_great_the_mean_colour_is_that_of_a_class():
    _, labels = doubtful()
    mean = uncertainty.means(drawn(0.5), labels)[:, 2]
    assert torch.cdist(mean[None], LINE).min() < 1e-4


def test_classes_are_drawn_as_often_as_they_are_probable():
    shares = torch.tensor([0.5, 0.3, 0.15, 0.05])
    logits = shares.log().view(4, 1, 1).expand(4, 40, 50)
    labels = torch.arange(2000).view(40, 50)
    found = uncertainty.resampled(logits, LINE, 1.0, labels, 0.0, torch.Generator().manual_seed(0))
    nearest = torch.cdist(found.flatten(1).T, LINE).argmin(dim=1).bincount(minlength=4) / 2000
    torch.testing.assert_close(nearest, shares, atol=0.03, rtol=0)


def test_the_move_rises_in_proportion_above_the_threshold():
    logits, labels = doubtful()
    doubt = float(uncertainty.means(uncertainty.entropy(logits[None]), labels)[0, 2])
    whole = (drawn(doubt - 2 * RAMP) - annealed())[:, :, 6:]
    assert whole.abs().max() > 10
    for above, share in [(-0.01, 0), (0, 0), (0.25 * RAMP, 0.25), (0.5 * RAMP, 0.5), (RAMP, 1), (0.3, 1)]:
        moved = (drawn(doubt - above) - annealed())[:, :, 6:]
        torch.testing.assert_close(moved, share * whole, atol=1e-3, rtol=0)


def test_draws_are_keyed_by_the_generator():
    assert torch.equal(drawn(0.5, seed=3), drawn(0.5, seed=3))
    assert len({tuple(drawn(0.5, seed).flatten().tolist()) for seed in range(8)}) > 1


def test_at_scale_is_a_mean_of_the_picture_whose_edges_go_on():
    plane = torch.arange(15.0).view(1, 1, 3, 5)
    found = uncertainty.at_scale(plane, 4, (2, 4))
    # Rows 0, 1, 2, 2; columns 0 to 4, and 4 three times more.
    expected = torch.tensor([[3.0, 5, 6.5, 6.5], [10.5, 12.5, 14, 14]])
    torch.testing.assert_close(found, expected.view(1, 1, 2, 4))


def test_enlarged_covers_the_picture_and_is_cut_where_edges_went_on():
    ramp = (torch.arange(8.0) + 0.5).expand(1, 2, 4, 8)  # each pixel its own place, in half-size pixels
    found = uncertainty.enlarged(ramp, 4, (7, 13))
    assert found.shape == (1, 2, 7, 13)
    torch.testing.assert_close(found[0, 0, 3, 1:], (torch.arange(1.0, 13) + 0.5) / 2)
