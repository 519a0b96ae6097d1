"""What scoring promises: closed forms for known answers, and figures that scikit-image agrees with."""

import numpy as np
import pytest
import torch
from skimage.color import deltaE_ciede2000, lab2rgb, rgb2lab

from tintype import floors, scoring, store
from tintype.batch import Batch
from tintype.color import lab_to_rgb
from tintype.console import UserError
from tintype.files import write_json


def flat(L: float, a: float, b: float, size: int = 12) -> Batch:
    """A batch of one picture of one colour."""
    lab = torch.tensor([float(L), a, b]).view(1, 3, 1, 1).expand(1, 3, size, size)
    return Batch(input=lab[:, :1], L=lab[:, :1], ab=lab[:, 1:])


def noise(seed: int, count: int = 3) -> Batch:
    """Stored records of colours that sRGB can show, another grey than their lightness."""
    rng = np.random.default_rng(seed)
    return Batch.of_records(rng.integers(115, 141, (count, 4, 16, 20), dtype=np.uint8))


def score(batch: Batch, ab: torch.Tensor, weights: torch.Tensor | None = None, perceptual=None) -> dict:
    weights = torch.ones(len(ab), *ab.shape[2:]) if weights is None else weights
    judges = {"lpips_squeeze": perceptual} if perceptual else {}
    return scoring.score(batch, torch.cat([batch.L, ab], dim=1), weights, judges)


def data(folder, mean_lab: list[float], histogram: list[list[int]]):
    write_json(folder / "summary.json", {"mean_lab": mean_lab, "ab_histogram": histogram})
    return folder


def test_a_perfect_answer_has_perfect_figures():
    batch = noise(0)
    figures = score(batch, batch.ab)
    expected = {"psnr": scoring.PSNR_CEILING, "ssim": 1, "ciede2000": 0, "auc": 100, "auc_rebalanced": 100}
    for name, value in expected.items():
        assert figures[name].shape == (3,)
        np.testing.assert_allclose(figures[name], value, atol=1e-4, err_msg=name)
    for name in ("colorfulness", "colorfulness_abs", "hue_entropy"):
        np.testing.assert_array_equal(figures[name], figures[f"true_{name}"])
        assert (figures[name] > 2).all()
    assert not any(name.startswith("lpips") for name in figures)


def test_the_ceiling_of_psnr_is_what_rounding_to_8_bits_costs():
    values = np.random.default_rng(0).random(1_000_000)
    error = ((np.round(values * 255) / 255 - values) ** 2).mean()
    assert -10 * np.log10(error) == pytest.approx(scoring.PSNR_CEILING, abs=0.01)


@pytest.mark.parametrize(("L", "a", "b"), [(60, 3, 4), (50, -9, 12), (40, 20, -21)])
def test_the_grey_floor_on_one_colour_is_as_scikit_image_and_the_curve_have_it(tmp_path, L, a, b):
    batch = flat(L, a, b)
    figures = score(batch, floors.FLOORS["grey"](tmp_path)(batch)[:, 1:])
    # Pictures are compared as 8-bit files hold them.
    grey, truth = (np.round(lab2rgb(np.array([[lab]], float)) * 255) / 255 for lab in ([L, 0, 0], [L, a, b]))
    assert figures["psnr"][0] == pytest.approx(-10 * np.log10(((grey - truth) ** 2).mean()), abs=0.01)
    assert figures["ciede2000"][0] == pytest.approx(deltaE_ciede2000([L, 0, 0], [L, a, b]), abs=1e-4)
    # Every pixel's error is the chroma, a whole number here: the curve steps from 0 to 1 there.
    assert figures["auc"][0] == pytest.approx((150.5 - np.hypot(a, b)) / 150 * 100)
    assert figures["auc_rebalanced"][0] == pytest.approx(figures["auc"][0])
    assert figures["colorfulness"][0] < 0.02 and figures["colorfulness_abs"][0] < 0.02
    red, green, blue = 255 * truth[0, 0]
    flat_colour = 0.3 * np.hypot(red - green, (red + green) / 2 - blue)
    assert figures["true_colorfulness"][0] == pytest.approx(flat_colour, abs=0.01)
    assert figures["true_colorfulness_abs"][0] == pytest.approx(flat_colour, abs=0.01)


def test_a_picture_is_scored_by_itself():
    batch, ab = noise(1), noise(2).ab
    weights = torch.rand(3, 16, 20, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    together = score(batch, ab, weights)
    for number in range(3):
        one = slice(number, number + 1)
        alone = score(Batch(batch.input[one], batch.L[one], batch.ab[one]), ab[one], weights[one])
        for name, values in together.items():
            np.testing.assert_allclose(values[one], alone[name], rtol=1e-6, err_msg=name)


def test_weights_count_in_the_rebalanced_figure_and_nowhere_else():
    batch = noise(3, count=1)
    ab = batch.ab.clone()
    ab[..., :5] += torch.tensor([3.0, 4.0]).view(2, 1, 1)
    weights = torch.full((1, 16, 20), 2.0, dtype=torch.float64)
    weights[..., :5] = 7
    even, weighted = score(batch, ab), score(batch, ab, weights)
    share = 7 * 5 / (7 * 5 + 2 * 15)
    assert even["auc"][0] == pytest.approx(0.25 * 97 + 0.75 * 100) == even["auc_rebalanced"][0]
    assert weighted["auc_rebalanced"][0] == pytest.approx(share * 97 + (1 - share) * 100)
    assert weighted["auc_rebalanced_weight"][0] == 16 * (7 * 5 + 2 * 15)
    for name in even.keys() - {"auc_rebalanced", "auc_rebalanced_weight"}:
        np.testing.assert_array_equal(even[name], weighted[name])


def test_pictures_are_compared_with_their_true_lightness_and_colours_in_gamut():
    batch, seen = flat(40, 5, 5), []

    def perceptual(rgb, truth):
        seen.append((rgb, truth))
        return torch.tensor([0.25])

    ab = torch.tensor([100.0, 100.0]).view(1, 2, 1, 1).expand_as(batch.ab)
    figures = score(batch, ab, perceptual=perceptual)
    ((rgb, truth),) = seen
    assert figures["lpips_squeeze"].tolist() == [0.25]
    assert torch.equal(truth, (lab_to_rgb(batch.lab) * 255).round() / 255)
    L, a, b = rgb2lab(rgb[0].double().permute(1, 2, 0).numpy())[0, 0]
    assert abs(L - 40) < 0.3 and abs(a - b) < 0.5 and 20 < a < 99
    assert figures["ciede2000"][0] == pytest.approx(deltaE_ciede2000([L, a, b], [40, 5, 5]), abs=0.2)
    assert figures["auc"][0] == pytest.approx((150.5 - np.ceil(np.hypot(95, 95))) / 150 * 100)


def test_the_cost_of_the_store_is_that_of_rounding_lab():
    rgb = np.random.default_rng(0).integers(0, 256, (2, 20, 30, 3)) / 255
    lab = rgb2lab(rgb)
    rounded = np.round(lab * [2.55, 1, 1]) / [2.55, 1, 1]
    expected = deltaE_ciede2000(lab, rounded).mean(axis=(1, 2))
    found = scoring.store_error(torch.from_numpy(rgb).float().permute(0, 3, 1, 2))
    np.testing.assert_allclose(found, expected, rtol=0.01)
    assert score(noise(4), noise(4).ab)["ciede2000_store"].shape == (3,)


def test_pixels_weigh_inversely_to_their_class_in_the_split_that_is_scored(tmp_path, make_store):
    # Two classes far from each other and from the gamut's border, so that smoothing treats both alike.
    record = np.full((4, 10, 10), 128, dtype=np.uint8)
    record[2].flat[:10], record[3].flat[:10] = 128 + 40, 128 + 20
    make_store(tmp_path, "test", [record])
    weigh = scoring.pixel_weights(store.Split(tmp_path, "test"), 10, 5.0)
    ab = torch.tensor([[[[0.0, 3, 40, 37]], [[0.0, -3, 20, 22]]]])
    weights = weigh(ab)
    assert weights.shape == (1, 1, 4) and weights.dtype == torch.float64
    common, near, rare, nearby = weights[0, 0].tolist()
    assert common == near and rare == nearby
    assert rare / common == pytest.approx(9, rel=1e-3)
    # Of a class's pixels, its centre keeps one part, and a centre at distance d has exp(-d^2 / 50) parts.
    steps = np.arange(-50, 51, 10)
    parts = np.exp(-(steps[:, None] ** 2 + steps**2) / 50).sum()
    assert common == pytest.approx(parts / 0.9, rel=1e-3)


def test_the_floors_answer_every_picture_alike(tmp_path):
    folder = data(tmp_path, [61.5, -3.25, 12.5], [[0, 0, 1]])
    drawn, L = torch.rand(2, 2, 1, 5, 7) * 100
    batch = Batch(drawn, L, torch.rand(2, 2, 5, 7))
    for name, colour in (("grey", [0, 0]), ("mean", [-3.25, 12.5])):
        lab = floors.FLOORS[name](folder)(batch)
        assert lab.shape == (2, 3, 5, 7) and lab.dtype == torch.float32
        assert torch.equal(lab[:, :1], L) and (lab[:, 1:] == torch.tensor(colour).view(1, 2, 1, 1)).all()


def test_the_floors_of_drawings_do_not_know_the_lightness_of_the_picture(tmp_path):
    folder = data(tmp_path, [61.5, -3.25, 12.5], [[0, 0, 1]])
    drawn, L = torch.rand(2, 2, 1, 5, 7) * 100
    batch = Batch(drawn, L, torch.rand(2, 2, 5, 7))
    grey, mean = (floors.FLOORS[name](folder, drawings=True)(batch) for name in ("grey", "mean"))
    assert torch.equal(grey[:, :1], drawn) and not grey[:, 1:].any()
    assert (mean == torch.tensor([61.5, -3.25, 12.5]).view(1, 3, 1, 1)).all()


def test_the_random_floor_copies_a_training_picture_that_depends_on_the_picture_alone(tmp_path, make_store):
    rng = np.random.default_rng(0)
    records = [rng.integers(100, 150, (4, 6, 8), dtype=np.uint8) for _ in range(5)]
    make_store(tmp_path, "train", records)
    colours = {tuple(record[2:].ravel()) for record in records}
    draw = floors.FLOORS["random"](tmp_path)
    batch = Batch.of_records(rng.integers(0, 255, (30, 4, 6, 8), dtype=np.uint8))
    lab = draw(batch)
    assert torch.equal(lab[:, :1], batch.L)
    drawn = [tuple((ab + 128).round().byte().numpy().ravel()) for ab in lab[:, 1:]]
    assert set(drawn) == colours, "thirty draws of five"
    alone = Batch(batch.input[7:8], batch.L[7:8], batch.ab[7:8])
    assert torch.equal(draw(alone), lab[7:8])
    whole = floors.FLOORS["random"](tmp_path, drawings=True)(batch)
    assert torch.equal(whole[:, 1:], lab[:, 1:]) and not torch.equal(whole[:, :1], batch.L)


def test_the_random_floor_fits_a_picture_of_any_size(tmp_path, make_store):
    make_store(tmp_path, "train", [np.full((4, 8, 8), 140, np.uint8)])
    lab = floors.FLOORS["random"](tmp_path)(Batch.of_records(np.zeros((1, 4, 21, 13), np.uint8)))
    assert lab.shape == (1, 3, 21, 13) and torch.allclose(lab[:, 1:], torch.tensor(12.0))


def test_answers_come_in_the_order_of_the_split_whatever_the_batches(tmp_path, make_store):
    make_store(tmp_path, "test", [np.full((4, 4, 4), number, np.uint8) for number in range(7)])
    test = store.Split(tmp_path, "test")
    for size in (1, 3, 7, 64):
        found = [lab for _, lab in scoring.answers(lambda batch: batch.lab, test, "same", size=size)]
        assert torch.cat(found)[:, 1, 0, 0].tolist() == [number - 128 for number in range(7)]


def test_a_gpu_that_is_not_there_is_named(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert scoring.device("auto") == scoring.device("cpu") == torch.device("cpu")
    with pytest.raises(UserError, match="found cuda, but PyTorch sees no GPU"):
        scoring.device("cuda")
