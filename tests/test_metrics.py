"""The figures against closed forms, published values, scikit-image and their literal definitions."""

import warnings
from pathlib import Path

import lpips_by_hand
import numpy as np
import pytest
import torch
import torchvision
from skimage import color, data
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from tintype import metrics
from tintype.console import UserError
from tintype.lpips_metric import Lpips

SQUEEZENET = Path(__file__).parents[2] / "shared/weights/squeezenet1_1_torchvision_fp16.npz"

# Table I of Sharma, Wu & Dalal 2005: L, a, b of both colours, and their difference.
SHARMA = """
50.0000   2.6772 -79.7751  50.0000   0.0000 -82.7485   2.0425
50.0000   3.1571 -77.2803  50.0000   0.0000 -82.7485   2.8615
50.0000   2.8361 -74.0200  50.0000   0.0000 -82.7485   3.4412
50.0000  -1.3802 -84.2814  50.0000   0.0000 -82.7485   1.0000
50.0000  -1.1848 -84.8006  50.0000   0.0000 -82.7485   1.0000
50.0000  -0.9009 -85.5211  50.0000   0.0000 -82.7485   1.0000
50.0000   0.0000   0.0000  50.0000  -1.0000   2.0000   2.3669
50.0000  -1.0000   2.0000  50.0000   0.0000   0.0000   2.3669
50.0000   2.4900  -0.0010  50.0000  -2.4900   0.0009   7.1792
50.0000   2.4900  -0.0010  50.0000  -2.4900   0.0010   7.1792
50.0000   2.4900  -0.0010  50.0000  -2.4900   0.0011   7.2195
50.0000   2.4900  -0.0010  50.0000  -2.4900   0.0012   7.2195
50.0000  -0.0010   2.4900  50.0000   0.0009  -2.4900   4.8045
50.0000  -0.0010   2.4900  50.0000   0.0010  -2.4900   4.8045
50.0000  -0.0010   2.4900  50.0000   0.0011  -2.4900   4.7461
50.0000   2.5000   0.0000  50.0000   0.0000  -2.5000   4.3065
50.0000   2.5000   0.0000  73.0000  25.0000 -18.0000  27.1492
50.0000   2.5000   0.0000  61.0000  -5.0000  29.0000  22.8977
50.0000   2.5000   0.0000  56.0000 -27.0000  -3.0000  31.9030
50.0000   2.5000   0.0000  58.0000  24.0000  15.0000  19.4535
50.0000   2.5000   0.0000  50.0000   3.1736   0.5854   1.0000
50.0000   2.5000   0.0000  50.0000   3.2972   0.0000   1.0000
50.0000   2.5000   0.0000  50.0000   1.8634   0.5757   1.0000
50.0000   2.5000   0.0000  50.0000   3.2592   0.3350   1.0000
60.2574 -34.0099  36.2677  60.4626 -34.1751  39.4387   1.2644
63.0109 -31.0961  -5.8663  62.8187 -29.7946  -4.0864   1.2630
61.2901   3.7196  -5.3901  61.4292   2.2480  -4.9620   1.8731
35.0831 -44.1164   3.7933  35.0232 -40.0716   1.5901   1.8645
22.7233  20.0904 -46.6940  23.0331  14.9730 -42.5619   2.0373
36.4612  47.8580  18.3852  36.2715  50.5065  21.2231   1.4146
90.8027  -2.0831   1.4410  91.1528  -1.6435   0.0447   1.4441
90.9257  -0.5406  -0.9208  88.6381  -0.8985  -0.7239   1.5381
 6.7747  -0.2908  -2.4247   5.8714  -0.0985  -2.2286   0.6377
 2.0776   0.0795  -1.1350   0.9033  -0.0636  -0.5514   0.9082
"""


def nchw(picture: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1)[None].float()


def hwc(pictures: torch.Tensor) -> np.ndarray:
    return pictures[0].permute(1, 2, 0).double().numpy()


def random_rgb(seed: int, *shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def random_ab(seed: int, *shape: int) -> torch.Tensor:
    return 160 * random_rgb(seed, *shape) - 80


@pytest.fixture(scope="module")
def astronaut() -> torch.Tensor:
    return nchw(data.astronaut()[::2, ::2]) / 255


@pytest.fixture(scope="module")
def grey_astronaut(astronaut: torch.Tensor) -> torch.Tensor:
    """What a model that colours nothing returns: the true L with a = b = 0."""
    lab = color.rgb2lab(hwc(astronaut))
    lab[..., 1:] = 0
    return nchw(color.lab2rgb(lab)).clamp(0, 1)


PAIRS = {  # name -> (function of two pictures, their channels)
    "psnr": (metrics.psnr, 3),
    "ssim": (metrics.ssim, 3),
    "ciede2000": (metrics.ciede2000, 3),
    "auc": (metrics.auc, 2),
}
SINGLES = {
    "colorfulness": (metrics.colorfulness, 3),
    "colorfulness_abs": (metrics.colorfulness_abs, 3),
    "out_of_gamut_share": (metrics.out_of_gamut_share, 3),
    "grey_share": (metrics.grey_share, 2),
}


# What holds for all


@pytest.mark.parametrize("name", [*PAIRS, *SINGLES, "edge_alignment"])
def test_a_batch_gives_in_float64_what_its_pictures_give_one_by_one(name):
    if name in PAIRS:
        metric, channels = PAIRS[name]
        inputs = [random_rgb(1, 3, channels, 16, 20), random_rgb(2, 3, channels, 16, 20)]
    elif name in SINGLES:
        metric, channels = SINGLES[name]
        inputs = [random_rgb(1, 3, channels, 16, 20)]
    else:
        metric, inputs = metrics.edge_alignment, [random_rgb(1, 3, 1, 16, 20), random_rgb(2, 3, 2, 16, 20)]
    batch = metric(*inputs)
    assert batch.dtype == torch.float64
    assert len(batch) == 3
    singles = torch.cat([metric(*(x[i : i + 1] for x in inputs)) for i in range(3)])
    torch.testing.assert_close(batch, singles, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", [*PAIRS, *SINGLES])
def test_integer_pictures_are_refused_because_their_differences_wrap_around(name):
    metric, channels = (PAIRS | SINGLES)[name]
    picture = torch.zeros(1, channels, 16, 16, dtype=torch.uint8)
    with pytest.raises(TypeError, match=r"uint8.*wrap around.*floating point"):
        metric(*[picture] * (2 if name in PAIRS else 1))


@pytest.mark.parametrize("name", PAIRS)
def test_two_pictures_of_different_shapes_are_refused(name):
    metric, channels = PAIRS[name]
    with pytest.raises(ValueError, match=r"16, 16.*16, 17"):
        metric(torch.zeros(1, channels, 16, 16), torch.zeros(1, channels, 16, 17))
    with pytest.raises(ValueError, match="must agree"):  # would broadcast
        metric(torch.zeros(2, channels, 16, 16), torch.zeros(1, channels, 16, 16))


@pytest.mark.parametrize("name", [*PAIRS, *SINGLES])
def test_a_wrong_number_of_channels_and_values_that_are_not_finite_are_refused(name):
    metric, channels = (PAIRS | SINGLES)[name]
    count = 2 if name in PAIRS else 1
    with pytest.raises(ValueError, match=rf"\(N, {channels}, H, W\)"):
        metric(*[torch.zeros(1, 4, 16, 16)] * count)
    with pytest.raises(ValueError, match=rf"\(N, {channels}, H, W\)"):
        metric(*[torch.zeros(channels, 16, 16)] * count)
    with pytest.raises(ValueError, match="not finite"):
        metric(*[torch.full((1, channels, 16, 16), torch.nan)] * count)


@pytest.mark.parametrize("name", ["psnr", "ssim", "colorfulness", "colorfulness_abs"])
def test_rgb_outside_0_to_1_is_refused(name):
    metric, _ = (PAIRS | SINGLES)[name]
    for wrong in (255.0, -0.01):
        picture = torch.zeros(1, 3, 16, 16)
        picture[0, 1, 2, 3] = wrong
        with pytest.raises(ValueError, match=f"{wrong:.6g}.*divide by 255"):
            metric(*[picture] * (2 if name in PAIRS else 1))


# PSNR and SSIM


def test_psnr_of_a_constant_offset_is_its_logarithm():
    picture = torch.full((1, 3, 8, 8), 0.25, dtype=torch.float64)
    assert metrics.psnr(picture + 0.1, picture).item() == pytest.approx(20.0)
    assert metrics.psnr(picture + 0.01, picture).item() == pytest.approx(40.0)


def test_psnr_of_identical_pictures_is_infinite():
    picture = random_rgb(1, 2, 3, 8, 8)
    assert metrics.psnr(picture, picture).tolist() == [torch.inf, torch.inf]


def test_ssim_of_identical_pictures_is_1():
    picture = random_rgb(1, 2, 3, 16, 16)
    torch.testing.assert_close(metrics.ssim(picture, picture), torch.ones(2, dtype=torch.float64))


def test_ssim_of_flat_pictures_is_the_luminance_term():
    first, second = torch.full((1, 3, 12, 12), 0.2), torch.full((1, 3, 12, 12), 0.6)
    expected = (2 * 0.2 * 0.6 + 1e-4) / (0.2**2 + 0.6**2 + 1e-4)
    assert metrics.ssim(first, second).item() == pytest.approx(expected, abs=1e-6)


def test_ssim_refuses_pictures_smaller_than_its_window():
    assert metrics.ssim(torch.zeros(1, 3, 11, 11), torch.zeros(1, 3, 11, 11)).item() == 1
    with pytest.raises(ValueError, match="11 x 11"):
        metrics.ssim(torch.zeros(1, 3, 10, 40), torch.zeros(1, 3, 10, 40))


@pytest.mark.parametrize("case", ["noise", "noise, not square", "grey photograph", "small changes"])
def test_psnr_and_ssim_agree_with_scikit_image(case, astronaut, grey_astronaut):
    rgb, truth = {
        "noise": (random_rgb(1, 1, 3, 32, 32), random_rgb(2, 1, 3, 32, 32)),
        "noise, not square": (random_rgb(3, 1, 3, 11, 47), random_rgb(4, 1, 3, 11, 47)),
        "grey photograph": (grey_astronaut, astronaut),
        "small changes": ((astronaut + 1e-3 * random_rgb(5, *astronaut.shape)).clamp(0, 1), astronaut),
    }[case]
    expected = peak_signal_noise_ratio(hwc(truth), hwc(rgb), data_range=1.0)
    assert metrics.psnr(rgb, truth).item() == pytest.approx(expected, abs=1e-9)
    expected = structural_similarity(
        hwc(truth),
        hwc(rgb),
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        data_range=1.0,
        channel_axis=2,
    )
    assert metrics.ssim(rgb, truth).item() == pytest.approx(expected, abs=1e-9)


# CIEDE2000


def test_ciede2000_gives_the_published_differences_in_both_directions():
    table = torch.from_numpy(np.loadtxt(SHARMA.splitlines()).T).reshape(1, 7, 1, 34)
    first, second, expected = table[:, :3], table[:, 3:6], table[:, 6]
    torch.testing.assert_close(metrics.ciede2000(first, second), expected, rtol=0, atol=5e-5)
    torch.testing.assert_close(metrics.ciede2000(second, first), expected, rtol=0, atol=5e-5)


def test_ciede2000_agrees_with_scikit_image_on_a_photograph_and_its_grey_version(astronaut, grey_astronaut):
    lab, grey = (nchw(color.rgb2lab(hwc(x))) for x in (astronaut, grey_astronaut))
    grey[:, 1:, ::2] = 0  # rows that are exactly grey between rows that are so but for rounding
    difference = metrics.ciede2000(lab, grey)
    assert difference.shape == (1, 256, 256)
    expected = color.deltaE_ciede2000(hwc(lab), hwc(grey))
    np.testing.assert_allclose(difference[0].numpy(), expected, rtol=0, atol=1e-6)


def test_ciede2000_agrees_with_scikit_image_all_around_the_hue_circle():
    hues = torch.deg2rad(torch.arange(0.5, 360, 7))
    first, second = torch.meshgrid(hues, hues + 0.01, indexing="ij")
    lab = torch.stack((50 + 0 * first, 40 * first.cos(), 40 * first.sin()))[None]
    other = torch.stack((60 + 0 * first, 55 * second.cos(), 55 * second.sin()))[None]
    expected = color.deltaE_ciede2000(hwc(lab), hwc(other))
    np.testing.assert_allclose(metrics.ciede2000(lab, other)[0].numpy(), expected, rtol=0, atol=1e-6)


def test_ciede2000_of_identical_pictures_is_0():
    lab = torch.cat((100 * random_rgb(1, 1, 1, 8, 8), random_ab(2, 1, 2, 8, 8)), dim=1)
    assert metrics.ciede2000(lab, lab).eq(0).all()


# Colourfulness


def test_colorfulness_of_grey_is_0():
    grey = random_rgb(1, 2, 1, 8, 8).expand(-1, 3, -1, -1)
    assert metrics.colorfulness(grey).tolist() == [0, 0]
    assert metrics.colorfulness_abs(grey).tolist() == [0, 0]


def test_colorfulness_of_a_red_and_a_green_pixel_is_as_worked_by_hand():
    red_green = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]).view(1, 3, 1, 2)
    # rg = +255, -255 and yb = 127.5 twice. Signed: rg has the mean 0 and the deviation 255.
    assert metrics.colorfulness(red_green).item() == pytest.approx(255 + 0.3 * 127.5)
    # Absolute: rg is 255 twice, so that nothing deviates and only the means are left.
    expected = 0.3 * (255**2 + 127.5**2) ** 0.5
    assert metrics.colorfulness_abs(red_green).item() == pytest.approx(expected)


def test_colorfulness_of_one_flat_colour_is_its_mean_term():
    blue = torch.tensor([0.0, 0.0, 1.0]).view(1, 3, 1, 1).expand(1, 3, 5, 5)
    assert metrics.colorfulness(blue).item() == pytest.approx(0.3 * 255)
    assert metrics.colorfulness_abs(blue).item() == pytest.approx(0.3 * 255)


# AuC


def literal_auc(ab: torch.Tensor, truth: torch.Tensor, weights: np.ndarray | None = None) -> float:
    """The definition as written, of all pixels together."""
    error = np.sqrt(((ab - truth).double().numpy() ** 2).sum(axis=1))
    thresholds = np.arange(151)
    curve = [np.average(error <= t, weights=weights) for t in thresholds]
    return 100 * np.trapezoid(curve, thresholds) / 150


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (0, 150),
        (0.5, 149.5),
        (1, 149.5),
        (1.001, 148.5),
        (75, 75.5),
        (149.5, 0.5),
        (150, 0.5),
        (150.1, 0),
        (200, 0),
    ],
)
def test_auc_of_a_constant_error_is_the_area_right_of_its_step(error, expected):
    ab = torch.zeros(1, 2, 4, 4)
    truth = ab.clone()
    truth[:, 1] = error
    assert metrics.auc(ab, truth).item() == pytest.approx(expected / 150 * 100)
    assert literal_auc(ab, truth) == pytest.approx(expected / 150 * 100)


def test_auc_is_its_literal_definition():
    ab, truth = random_ab(1, 1, 2, 24, 24), random_ab(2, 1, 2, 24, 24)
    ab[:, :, 0] = truth[:, :, 0]  # some pixels without error, some with an exactly whole one
    ab[:, :, 1] = truth[:, :, 1] = 8.0
    ab[:, 0, 1] += 3
    ab[:, 1, 1] += 4
    weights = random_rgb(3, 1, 24, 24)
    assert metrics.auc(ab, truth).item() == pytest.approx(literal_auc(ab, truth), abs=1e-9)
    expected = literal_auc(ab, truth, weights.numpy())
    assert metrics.auc(ab, truth, weights).item() == pytest.approx(expected, abs=1e-9)


def test_pictures_weighted_by_their_weights_give_the_auc_of_all_pixels():
    ab, truth = random_ab(1, 4, 2, 8, 8), random_ab(2, 4, 2, 8, 8)
    weights = random_rgb(3, 4, 8, 8) * torch.tensor([1.0, 5, 20, 0.1]).view(4, 1, 1)
    table = metrics.auc(ab, truth, weights)
    sums = weights.double().sum(dim=(1, 2))
    pooled = literal_auc(ab, truth, weights.double().numpy())
    assert ((table * sums).sum() / sums.sum()).item() == pytest.approx(pooled, abs=1e-9)
    assert abs(table.mean().item() - pooled) > 0.1  # the plain mean would be another figure
    assert metrics.auc(ab, truth).mean().item() == pytest.approx(literal_auc(ab, truth), abs=1e-9)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (torch.ones(1, 1, 4, 4), "one a pixel"),
        (torch.zeros(1, 4, 4), "sum above 0"),
        (torch.full((1, 4, 4), -1.0), "none negative"),
        (torch.full((1, 4, 4), torch.nan), "finite"),
    ],
)
def test_auc_refuses_weights_that_cannot_be(weights, message):
    with pytest.raises(ValueError, match=message):
        metrics.auc(torch.zeros(1, 2, 4, 4), torch.zeros(1, 2, 4, 4), weights)


# Without a true picture


def test_out_of_gamut_share_counts_pixels_beyond_half_a_step_of_8_bits():
    rgb = torch.full((1, 3, 2, 4), 0.5)
    rgb[0, :, 0, 0] = torch.tensor([1.2, -0.3, 0.5])  # two channels, one pixel
    rgb[0, 2, 0, 1] = -0.003
    rgb[0, 1, 1, 0] = 1.003
    rgb[0, 0, 1, 1] = 1.0019  # rounds to 255
    rgb[0, 0, 1, 2] = -0.0019  # rounds to 0
    assert metrics.out_of_gamut_share(rgb).tolist() == [3 / 8]


def test_grey_share_counts_pixels_of_low_chroma():
    a = torch.tensor([0.0, 3.9, -3.9, 4.0, 3.0, 40.0])
    b = torch.tensor([0.0, 0.0, 0.0, 0.0, -3.0, 40.0])  # the fifth has a chroma of 4.24
    ab = torch.stack((a, b)).view(1, 2, 2, 3)
    assert metrics.grey_share(ab).item() == pytest.approx(3 / 6)
    assert metrics.grey_share(ab, threshold=4.3).item() == pytest.approx(5 / 6)


def test_edge_alignment_is_1_where_colours_change_as_lightness_does():
    L = 100 * random_rgb(1, 1, 1, 12, 12)
    ab = torch.cat((0.3 * L, -0.8 * L), dim=1)
    assert metrics.edge_alignment(L, ab).item() == pytest.approx(1.0)


def test_edge_alignment_falls_as_colours_move_off_their_edges():
    L, ab = torch.zeros(4, 1, 16, 32), torch.zeros(4, 2, 16, 32)
    L[..., 16:] = 60
    for i, shift in enumerate([0, 1, 2, 8]):
        ab[i, 0, :, 16 + shift :] = 30
    aligned, near, off, far = metrics.edge_alignment(L, ab).tolist()
    assert aligned == pytest.approx(1.0)
    # Each magnitude is one constant in p = 2 / 30 of the inner columns and 0 elsewhere. With a share s of the
    # columns in common the correlation is (s - p^2) / (p - p^2).
    p = 2 / 30
    assert near == pytest.approx((1 / 30 - p * p) / (p - p * p))
    assert off == pytest.approx(-p * p / (p - p * p))
    assert far == pytest.approx(off)


def test_edge_alignment_sees_a_change_of_hue_at_equal_chroma():
    L, ab = torch.zeros(1, 1, 8, 8), torch.zeros(1, 2, 8, 8)
    L[..., 4:] = 50
    ab[:, 0, :, :4] = 30
    ab[:, 1, :, 4:] = 30
    assert metrics.edge_alignment(L, ab).item() == pytest.approx(1.0)


def test_edge_alignment_is_0_where_there_is_nothing_to_align():
    L, ab = 100 * random_rgb(1, 1, 1, 8, 8), random_ab(2, 1, 2, 8, 8)
    flat = torch.full((1, 2, 8, 8), 20.0)
    rounding = 1e-5 * L.expand(-1, 2, -1, -1)  # would correlate fully
    assert metrics.edge_alignment(L, flat).item() == 0
    assert metrics.edge_alignment(L, rounding).item() == 0
    assert metrics.edge_alignment(torch.full((1, 1, 8, 8), 50.0), ab).item() == 0


def test_edge_alignment_refuses_pictures_that_do_not_belong_together():
    with pytest.raises(ValueError, match="only the channels may differ"):
        metrics.edge_alignment(torch.zeros(1, 1, 8, 8), torch.zeros(1, 2, 4, 4))
    with pytest.raises(ValueError, match="3 x 3"):
        metrics.edge_alignment(torch.zeros(1, 1, 2, 8), torch.zeros(1, 2, 2, 8))
    with pytest.raises(TypeError, match="uint8"):
        metrics.edge_alignment(torch.zeros(1, 1, 8, 8, dtype=torch.uint8), torch.zeros(1, 2, 8, 8))


# LPIPS


def test_lpips_is_its_definition_on_the_given_backbone(squeezenet):
    rgb, truth = random_rgb(1, 2, 3, 64, 48), random_rgb(2, 2, 3, 64, 48)
    expected = lpips_by_hand.distance(squeezenet, rgb, truth).double().detach()
    distance = Lpips("squeeze", squeezenet.state_dict())(rgb, truth)
    assert distance.dtype == torch.float64
    assert distance.min() > 0.01
    torch.testing.assert_close(distance, expected, rtol=1e-4, atol=0)


def test_to_learn_by_lpips_is_the_same_and_falls_as_its_gradient_says(squeezenet):
    distance = Lpips("squeeze", squeezenet.state_dict())
    rgb, truth = random_rgb(1, 2, 3, 48, 32).requires_grad_(), random_rgb(2, 2, 3, 48, 32)
    loss = distance.loss(rgb, truth)
    assert loss.dtype == torch.float32 and not distance(rgb, truth).requires_grad
    torch.testing.assert_close(loss.detach().double(), distance(rgb, truth))
    (gradient,) = torch.autograd.grad(loss.sum(), rgb)
    (expected,) = torch.autograd.grad(lpips_by_hand.distance(squeezenet, rgb, truth).sum(), rgb)
    torch.testing.assert_close(gradient, expected, rtol=1e-3, atol=1e-4 * expected.abs().max().item())
    assert not any(weight.requires_grad for weight in distance.parameters())


def test_lpips_of_identical_pictures_is_0(squeezenet):
    picture = random_rgb(1, 2, 3, 64, 64)
    assert Lpips("squeeze", squeezenet.state_dict())(picture, picture).tolist() == [0, 0]


@pytest.mark.parametrize("net", ["alex", "squeeze"])
def test_building_lpips_prints_nothing_warns_of_nothing_and_draws_no_random_number(net, capfd):
    network = {"alex": torchvision.models.alexnet, "squeeze": torchvision.models.squeezenet1_1}[net]
    backbone = network(weights=None).features.state_dict(prefix="features.")
    before = torch.random.get_rng_state()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Lpips(net, backbone)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert capfd.readouterr() == ("", "")


def test_lpips_names_a_backbone_weight_that_is_missing_unknown_or_misshapen(squeezenet):
    good = squeezenet.state_dict()
    missing = {name: value for name, value in good.items() if name != "features.6.squeeze.bias"}
    with pytest.raises(UserError, match=r"squeezenet1_1.*features\.6\.squeeze\.bias is missing"):
        Lpips("squeeze", missing)
    with pytest.raises(UserError, match=r"features\.13\.weight is unknown"):
        Lpips("squeeze", good | {"features.13.weight": torch.zeros(1)})
    with pytest.raises(UserError, match=r"features\.0\.bias has shape \(3,\) where \(64,\) is needed"):
        Lpips("squeeze", good | {"features.0.bias": torch.zeros(3)})
    with pytest.raises(UserError, match=r"alexnet.*and \d+ more"):
        Lpips("alex", good)


def test_lpips_names_the_nets_it_knows():
    with pytest.raises(UserError, match=r"'resnet'.*alex, squeeze, vgg"):
        Lpips("resnet", {})


def test_lpips_refuses_the_pictures_that_other_metrics_refuse(squeezenet):
    distance = Lpips("squeeze", squeezenet.state_dict())
    picture = torch.zeros(1, 3, 64, 64)
    with pytest.raises(TypeError, match="uint8"):
        distance(picture.to(torch.uint8), picture.to(torch.uint8))
    with pytest.raises(ValueError, match="divide by 255"):
        distance(picture + 255, picture)
    with pytest.raises(ValueError, match="must agree"):
        distance(picture, picture[..., :32])


@pytest.mark.skipif(not SQUEEZENET.exists(), reason=f"no ImageNet weights at {SQUEEZENET}")
def test_lpips_with_imagenet_weights_sees_lost_colour(astronaut, grey_astronaut):
    with np.load(SQUEEZENET) as file:
        distance = Lpips("squeeze", {name: torch.from_numpy(file[name]) for name in file.files})
    half = (astronaut + grey_astronaut) / 2
    same, half_to_true, grey_to_true, true_to_grey = distance(
        torch.cat((astronaut, half, grey_astronaut, astronaut)),
        torch.cat((astronaut, astronaut, astronaut, grey_astronaut)),
    ).tolist()
    assert same == 0
    assert 0.01 < half_to_true < grey_to_true
    assert grey_to_true == pytest.approx(true_to_grey, rel=1e-5)
