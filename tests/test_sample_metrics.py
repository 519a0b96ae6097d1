"""What figures of several colourings promise: closed forms, the law of total variance, and noise as wide."""

from itertools import combinations

import numpy as np
import pytest
import torch

from tintype import sample_metrics
from tintype.sample_metrics import ab_distance, ab_spread, best_of, explained, pairwise, shifted


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) * 20


def flat(*colours: tuple[float, float]) -> torch.Tensor:
    """Colourings (K, 1, 2, 3, 4) of one picture, each of one colour."""
    return torch.tensor(colours, dtype=torch.float32).view(-1, 1, 2, 1, 1).expand(-1, 1, 2, 3, 4)


def test_pairwise_is_the_mean_over_all_pairs_of_each_picture():
    samples = torch.tensor([[0.0, 5], [1, 5], [4, 8]]).view(3, 2, 1, 1, 1)
    found = pairwise(samples, lambda one, other: (one - other).abs().flatten(1).sum(dim=1))
    assert found.dtype == torch.float64 and found.tolist() == pytest.approx(
        [(1 + 4 + 3) / 3, (0 + 3 + 3) / 3]
    )


def test_the_spread_is_the_mean_distance_in_the_ab_plane():
    # A triangle of sides 3, 4 and 5.
    assert ab_spread(flat((0, 0), (3, 0), (0, 4))).tolist() == pytest.approx([4])
    half = torch.zeros(2, 1, 2, 2, 2)
    half[1, 0, :, 0] = torch.tensor([-6.0, 8]).view(2, 1)
    assert ab_spread(half).tolist() == pytest.approx([5]), "10 apart in half of the pixels"
    assert ab_spread(noise(1, 2, 2, 5, 6).expand(4, -1, -1, -1, -1)).tolist() == [0, 0]


def test_the_spread_agrees_with_a_loop_over_numpy_arrays():
    samples = noise(4, 3, 2, 5, 6)
    arrays = samples.double().numpy()
    pairs = [np.hypot(*np.moveaxis(a - b, 1, 0)).mean(axis=(1, 2)) for a, b in combinations(arrays, 2)]
    assert len(pairs) == 6
    np.testing.assert_allclose(ab_spread(samples), np.mean(pairs, axis=0), rtol=1e-12)


def test_the_best_is_each_pictures_own_and_never_worse_with_more():
    errors = torch.tensor([[3.0, 1.0], [2.0, 5.0], [4.0, 6.0]])
    assert best_of(errors).tolist() == [2, 1]
    assert best_of(errors[:1]).tolist() == [3, 1]
    many = noise(20, 50).abs()
    assert (best_of(many) <= best_of(many[:5])).all() and (best_of(many) < best_of(many[:5])).any()


def test_z_explains_all_where_pictures_have_one_colour_each_time():
    assert explained(flat((10, 0), (-10, 5), (0, 7))).tolist() == pytest.approx([1])


def test_z_explains_nothing_where_it_changes_nothing():
    assert explained(noise(1, 2, 2, 5, 6).expand(3, -1, -1, -1, -1)).tolist() == pytest.approx(
        [0, 0], abs=1e-12
    )
    # Nothing to explain, with a mean over colourings that rounding may move.
    assert explained(flat(*[(0.1, 33.3)] * 3)).tolist() == [0] == explained(flat((0, 0), (0, 0))).tolist()


def test_z_explains_its_share_of_the_variance():
    # Half the pixels at a = 3, half at -3: a variance of 9. z moves all of b by 2 and -2: a variance of 4.
    samples = torch.zeros(2, 1, 2, 2, 2)
    samples[:, :, 0, 0], samples[:, :, 0, 1] = 3, -3
    samples[0, :, 1], samples[1, :, 1] = 2, -2
    assert explained(samples).tolist() == pytest.approx([4 / 13])
    assert explained(samples + 50).tolist() == pytest.approx([4 / 13]), "wherever the colours lie"
    # z turns the two halves round: it decides every pixel, and the mean over z is grey.
    turned = torch.stack([samples[0], samples[0].flip(-2)])[:, :, :1].repeat(1, 1, 2, 1, 1)
    assert explained(turned).tolist() == pytest.approx([1])


def test_the_shares_of_z_and_of_the_mean_colouring_are_the_whole():
    samples = noise(5, 3, 2, 6, 7) + noise(1, 3, 2, 6, 7, seed=1)
    share = explained(samples)
    values = samples.double()
    between = values.mean(dim=0).var(dim=(2, 3), correction=0).sum(dim=1)
    total = values.transpose(0, 1).movedim(2, 1).flatten(2).var(dim=2, correction=0).sum(dim=1)
    torch.testing.assert_close(share, 1 - between / total)
    assert ((share > 0) & (share < 1)).all()


def test_shifted_moves_whole_pictures_as_far_as_samples_vary():
    ab, samples = noise(3, 2, 4, 5), noise(6, 3, 2, 4, 5, seed=1)
    moved = shifted(ab, samples, seed=0)
    assert moved.shape == samples.shape
    offsets = moved - ab.double()
    torch.testing.assert_close(offsets, offsets[..., :1, :1].expand_as(offsets))
    variance = samples.double().var(dim=0).sum(dim=1).mean(dim=(1, 2))
    lengths = offsets[..., 0, 0].norm(dim=2)
    torch.testing.assert_close(lengths, variance.sqrt().expand(6, 3))
    angles = torch.atan2(offsets[:, :, 1, 0, 0], offsets[:, :, 0, 0, 0]).flatten()
    assert len(angles.unique()) == 18, "each its own direction"


def test_shifted_pictures_vary_as_much_as_the_samples_do():
    samples = noise(8, 1, 2, 4, 5).expand(-1, 2000, -1, -1, -1)
    moved = shifted(torch.zeros(2000, 2, 4, 5), samples, seed=0)
    mean_squares = [x.double().var(dim=0, correction=0).sum(dim=1).mean() for x in (moved, samples)]
    assert float(mean_squares[0] / mean_squares[1]) == pytest.approx(1, abs=0.02)
    directions = moved[..., 0, 0].mean(dim=(0, 1)) / moved[0, 0, :, 0, 0].norm()
    assert directions.abs().max() < 0.02, "none is preferred"


def test_shifted_is_drawn_by_its_seed_and_stays_where_nothing_varies():
    ab, samples = noise(2, 2, 3, 3), noise(4, 2, 2, 3, 3)
    assert torch.equal(shifted(ab, samples, seed=5), shifted(ab, samples, seed=5))
    assert not torch.equal(shifted(ab, samples, seed=5), shifted(ab, samples, seed=6))
    still = shifted(ab, samples[:1].expand(4, -1, -1, -1, -1), seed=5)
    torch.testing.assert_close(still, ab.double().expand(4, -1, -1, -1, -1))


def test_the_distance_of_two_colourings_is_a_mean_over_pixels():
    assert ab_distance(flat((3, 4))[0], torch.zeros(1, 2, 3, 4)).tolist() == pytest.approx([5])


@pytest.mark.parametrize("name", ["ab_spread", "explained"])
def test_what_is_no_colourings_is_refused(name):
    figure = getattr(sample_metrics, name)
    for shape in ((1, 2, 2, 4, 4), (3, 2, 3, 4, 4), (3, 2, 4, 4)):
        with pytest.raises(ValueError, match=r"\(K, N, 2, H, W\) with K of at least 2 is needed"):
            figure(torch.zeros(shape))
    with pytest.raises(TypeError, match="wrap around"):
        figure(torch.zeros(3, 1, 2, 4, 4, dtype=torch.uint8))
    with pytest.raises(ValueError, match="not finite"):
        figure(torch.full((3, 1, 2, 4, 4), torch.nan))


def test_errors_of_another_shape_and_ab_of_other_pictures_are_refused():
    for errors in (torch.zeros(3), torch.zeros(0, 3), torch.tensor([[torch.nan]])):
        with pytest.raises(ValueError, match=r"finite ones \(K, N\) are needed"):
            best_of(errors)
    with pytest.raises(ValueError, match=r"\(2, 2, 3, 3\) is needed"):
        shifted(noise(1, 2, 3, 3), noise(4, 2, 2, 3, 3), seed=0)
