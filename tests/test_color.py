"""Lab against scikit-image, gradients where the curves have kinks, Lab in 8 bits, and the way into gamut."""

import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import color as reference
from torch.autograd import gradcheck

from tintype.color import (
    bytes_to_lab,
    encode,
    into_gamut,
    lab_to_bytes,
    lab_to_rgb,
    linearise,
    rgb_to_lab,
    to_uint8,
)

few = settings(derandomize=True, max_examples=25, deadline=None)
seeds = st.integers(0, 2**32 - 1)
CORNERS = np.stack(np.meshgrid([0.0, 1.0], [0.0, 1.0], [0.0, 1.0]), -1).reshape(-1, 3)
GREYS = np.linspace(0, 1, 256)[:, None].repeat(3, 1)


def cube(*steps: np.ndarray) -> np.ndarray:
    """All colours (n, 3) whose channels take the given values."""
    return np.stack(np.meshgrid(*steps, indexing="ij"), axis=-1).reshape(-1, 3)


def faces(steps: np.ndarray) -> np.ndarray:
    ends = np.array([0.0, 1.0])
    return np.concatenate([cube(ends, steps, steps), cube(steps, ends, steps), cube(steps, steps, ends)])


def planes(colours: np.ndarray, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """Colours (n, 3) as a picture (1, 3, n, 1)."""
    return torch.tensor(np.asarray(colours).T, dtype=dtype)[None, :, :, None]


def colours(picture: torch.Tensor) -> np.ndarray:
    return picture[0, :, :, 0].T.double().numpy()


def reference_rgb(lab: np.ndarray) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of colours that no light could have
        return reference.lab2rgb(lab)


def unclipped_rgb(lab: np.ndarray) -> np.ndarray:
    """sRGB of Lab (n, 3) in float64, left outside [0, 1] where a screen can't show it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        linear = reference.lab2xyz(lab) @ np.linalg.inv(reference.colorconv.xyz_from_rgb).T
    curve = 1.055 * np.maximum(linear, 0.0031308) ** (1 / 2.4) - 0.055
    return np.where(linear > 0.0031308, curve, 12.92 * linear)


def random_lab(seed: int, *shape: int) -> torch.Tensor:
    """Lab (..., 3, H, W) from the whole box, most of it out of gamut."""
    low, high = torch.tensor([[0.0, -128.0, -128.0], [100.0, 128.0, 128.0]])[:, :, None, None]
    return low + (high - low) * torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    "part",
    [cube(*[np.linspace(0, 1, 52)] * 3), GREYS, faces(np.linspace(0, 1, 65))],
    ids=["cube", "greys", "faces"],
)
def test_lab_agrees_with_scikit_image_to_a_thousandth(part):
    lab = reference.rgb2lab(part)
    assert np.abs(colours(rgb_to_lab(planes(part))) - lab).max() < 1e-3
    assert np.abs(colours(lab_to_rgb(planes(lab))) - part).max() < 1e-3
    assert np.abs(colours(lab_to_rgb(planes(lab))) - reference_rgb(lab)).max() < 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("reds", np.split(np.arange(256) / 255, 16), ids=lambda reds: f"{255 * reds[0]:.0f}")
def test_lab_agrees_with_scikit_image_for_every_8_bit_colour(reds):
    part = cube(reds, np.arange(256) / 255, np.arange(256) / 255)
    lab = reference.rgb2lab(part)
    assert np.abs(colours(rgb_to_lab(planes(part))) - lab).max() < 1e-3
    assert np.abs(colours(lab_to_rgb(planes(lab))) - part).max() < 1e-3
    np.testing.assert_array_equal(to_uint8(lab_to_rgb(planes(lab)))[0, :, 0], np.rint(part * 255))


def test_lab_no_screen_can_show_is_clipped_as_scikit_image_clips_it():
    ab = np.linspace(-110, 110, 45)
    lab = cube(np.linspace(0, 100, 21), ab, ab)
    assert np.abs(colours(lab_to_rgb(planes(lab))) - reference_rgb(lab)).max() < 1e-3


def test_lab_of_the_primaries_is_the_published_one():
    primaries = planes([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1], [0, 0, 0]])
    published = [[53.24, 80.09, 67.20], [87.73, -86.18, 83.18], [32.30, 79.19, -107.86]]
    published += [[100, 0, 0], [0, 0, 0]]
    np.testing.assert_allclose(colours(rgb_to_lab(primaries)), published, atol=0.02)


def test_unclipped_rgb_tells_what_a_screen_cannot_show():
    lab = random_lab(0, 1, 3, 500, 1)
    outside = colours(lab_to_rgb(lab, clip=False))
    possible = colours(lab)[:, 0] / 116 + 16 / 116 - colours(lab)[:, 2] / 200 > 0  # scikit-image cuts Z < 0
    np.testing.assert_allclose(outside[possible], unclipped_rgb(colours(lab))[possible], atol=1e-3)
    assert ((outside < 0) | (outside > 1)).any(axis=1).mean() > 0.5
    assert colours(lab_to_rgb(lab)).min() == 0 and colours(lab_to_rgb(lab)).max() == 1


def test_linear_light_has_the_standards_values():
    # IEC 61966-2-1: ((0.5 + 0.055) / 1.055)^2.4, and the straight part at 0.04045 and 0.02.
    encoded = torch.tensor([0.0, 0.02, 0.04045, 0.5, 1.0], dtype=torch.float64)
    linear = torch.tensor([0.0, 0.02 / 12.92, 0.04045 / 12.92, 0.2140411405, 1.0], dtype=torch.float64)
    torch.testing.assert_close(linearise(encoded), linear, atol=1e-10, rtol=0)
    torch.testing.assert_close(encode(linear), encoded, atol=1e-7, rtol=0)
    assert encode(torch.tensor(-0.01)).item() == pytest.approx(-0.1292)


# Encoded greys around the curves' kinks: sRGB's at 0.04045, and Lab's at 0.0922, where light is 0.008856.
KINKS = np.append(np.linspace(0.035, 0.1, 131), 0.04045)


@pytest.mark.parametrize(
    "rgb",
    [CORNERS, GREYS, KINKS[:, None].repeat(3, 1), cube(*[[0.0, 0.04045, 0.3, 1.0]] * 3)],
    ids=["corners", "greys", "kinks", "mixed"],
)
@pytest.mark.parametrize("channel", range(3))
def test_gradients_are_finite_both_ways(rgb, channel):
    picture = planes(rgb).requires_grad_()
    (slope,) = torch.autograd.grad(rgb_to_lab(picture)[:, channel].sum(), picture)
    assert slope.isfinite().all() and slope.abs().max() > 0
    lab = rgb_to_lab(planes(rgb)).requires_grad_()
    for clip in (True, False):
        (slope,) = torch.autograd.grad(lab_to_rgb(lab, clip=clip)[:, channel].sum(), lab)
        assert slope.isfinite().all()


@pytest.mark.parametrize("clip", [True, False])
def test_gradients_are_finite_out_of_gamut(clip):
    extremes = planes(cube([-5.0, 0.0, 50.0, 100.0, 110.0], *[[-200.0, -110.0, 0.0, 110.0, 200.0]] * 2))
    lab = extremes.requires_grad_()
    (slope,) = torch.autograd.grad(lab_to_rgb(lab, clip=clip).sum(), lab)
    assert slope.isfinite().all()
    rgb = planes(cube(*[[-0.5, 0.0, 1.0, 1.5]] * 3)).requires_grad_()
    (slope,) = torch.autograd.grad(rgb_to_lab(rgb).sum(), rgb)
    assert slope.isfinite().all()


def test_gradients_are_the_true_ones():
    rgb = planes(np.random.default_rng(0).uniform(0.15, 0.95, (40, 3)), torch.float64)
    dark = planes(np.random.default_rng(1).uniform(0.001, 0.03, (40, 3)), torch.float64)
    for picture in (rgb, dark):
        assert gradcheck(rgb_to_lab, picture.requires_grad_())
        lab = rgb_to_lab(picture.detach()).requires_grad_()
        assert gradcheck(lab_to_rgb, lab)
        assert gradcheck(lambda lab: lab_to_rgb(lab, clip=False), lab)


def test_lab_in_8_bits_has_the_documented_scale():
    lab = planes([[0, 0, 0], [100, 0, 0], [20, -128, 127], [40, 3.4, -3.6], [100.4, 140, -140]])
    stored = [[0, 128, 128], [255, 128, 128], [51, 0, 255], [102, 131, 124], [255, 255, 0]]
    assert lab_to_bytes(lab).dtype == torch.uint8 and bytes_to_lab(lab_to_bytes(lab)).dtype == torch.float32
    np.testing.assert_array_equal(colours(lab_to_bytes(lab)), stored)


def test_lab_in_8_bits_is_off_by_half_a_step_at_most():
    lab = rgb_to_lab(planes(cube(*[np.linspace(0, 1, 52)] * 3)))
    worst = (bytes_to_lab(lab_to_bytes(lab)) - lab).abs().amax(dim=(0, 2, 3))
    assert (worst <= torch.tensor([100 / 510, 0.5, 0.5]) + 1e-5).all()
    every = torch.arange(256, dtype=torch.uint8).expand(1, 3, 1, 256)
    assert torch.equal(lab_to_bytes(bytes_to_lab(every)), every)


def test_pictures_have_rounded_channels_last():
    rgb = torch.tensor([0.0, 0.1, 1.0])[None, :, None, None].expand(2, 3, 4, 5)
    pictures = to_uint8(rgb)
    assert pictures.dtype == np.uint8 and pictures.shape == (2, 4, 5, 3)
    assert pictures[1, 3, 4].tolist() == [0, 26, 255]  # 25.5 to the even number
    assert to_uint8(torch.tensor([-0.1, 0.5, 1.1])[None, :, None, None])[0, 0, 0].tolist() == [0, 128, 255]


@few
@given(seed=seeds, batch=st.lists(st.integers(1, 3), max_size=2), size=st.tuples(*[st.integers(1, 5)] * 2))
def test_any_batch_shape_round_trips(seed, batch, size):
    rgb = torch.rand(*batch, 3, *size, generator=torch.Generator().manual_seed(seed))
    lab = rgb_to_lab(rgb)
    assert lab.shape == rgb.shape == lab_to_bytes(lab).shape == into_gamut(lab).shape
    torch.testing.assert_close(lab_to_rgb(lab), rgb, atol=1e-4, rtol=0)
    torch.testing.assert_close(lab_to_rgb(into_gamut(lab)), rgb, atol=1e-4, rtol=0)
    torch.testing.assert_close(rgb_to_lab(lab_to_rgb(lab)), lab, atol=1e-2, rtol=0)


@few
@given(seed=seeds)
def test_into_gamut_leaves_what_a_screen_can_show(seed):
    lab = rgb_to_lab(torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(seed)))
    assert torch.equal(into_gamut(lab), lab)
    assert torch.equal(into_gamut(rgb_to_lab(planes(CORNERS))), rgb_to_lab(planes(CORNERS)))


@few
@given(seed=seeds)
def test_into_gamut_takes_chroma_and_nothing_else(seed):
    lab = random_lab(seed, 1, 3, 200, 1)
    shown = into_gamut(lab)
    assert torch.equal(shown[:, 0], lab[:, 0])
    before, after = lab[0, 1:, :, 0].double(), shown[0, 1:, :, 0].double()
    share = (before * after).sum(dim=0) / (before**2).sum(dim=0)
    assert (share >= 0).all() and (share <= 1).all() and (share < 1).any()
    torch.testing.assert_close(after, share * before, atol=1e-4, rtol=0)  # the same direction: the same hue
    rgb = unclipped_rgb(colours(shown))
    assert rgb.min() > -0.51 / 255 and rgb.max() < 255.51 / 255  # each rounds to a code value of 8 bits
    assert torch.equal(into_gamut(shown), shown)


def test_into_gamut_takes_no_more_chroma_than_it_must():
    lab = random_lab(1, 1, 3, 2000, 1)
    share = colours(into_gamut(lab))[:, 1:] @ np.ones(2) / (colours(lab)[:, 1:] @ np.ones(2))
    cut = share < 1
    more = colours(lab)[cut] * np.stack([np.ones_like(share), *[share + 2**-11] * 2], axis=1)[cut]
    rgb = unclipped_rgb(more)
    assert cut.mean() > 0.5 and ((rgb < -0.499 / 255) | (rgb > 255.499 / 255)).any(axis=1).all()
    coarse = into_gamut(lab, halvings=3)[0, 1:].norm(dim=0)
    assert (coarse <= into_gamut(lab)[0, 1:].norm(dim=0) + 1e-4).all()


def test_into_gamut_makes_black_and_white_grey():
    lab = into_gamut(planes([[0, 60, -60], [100, 60, -60]]))
    assert lab[0, 1:].abs().max() < 1 and lab[0, 0, :, 0].tolist() == [0, 100]
