"""Ageing: each effect against its formula, and what all of them promise."""

import io
import math
from functools import partial

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import color as reference

from tintype import ageing
from tintype.ageing import EFFECTS, aged, toned
from tintype.color import rgb_to_lab

RANDOM = ["grain", "scratches"]


def lightness(light):
    """The L of linear light above 0.01, from the definition."""
    return 116 * light ** (1 / 3) - 16


def linear(grey):
    """The linear light of an sRGB-encoded value above 0.05."""
    return ((grey + 0.055) / 1.055) ** 2.4


def light(L):
    """The linear light of lightness above 8, the inverse of `lightness`."""
    return ((L.double() + 16) / 116) ** 3


def pictures(count: int, height: int = 40, width: int = 56) -> torch.Tensor:
    """Lightness (count, 1, H, W) with blacks and whites as conversions give them, a hair outside [0, 100]."""
    L = torch.rand(count, 1, height, width, generator=torch.Generator().manual_seed(0)) * 100
    L[..., :4, :4], L[..., :4, 4:8] = -2e-6, 100.0003
    return L


@pytest.mark.parametrize("name", EFFECTS)
def test_an_effect_of_no_strength_gives_the_very_pictures_and_draws_nothing(name):
    L, rng = pictures(2), np.random.default_rng(0)
    assert EFFECTS[name](L, 0.0, rng) is L and torch.equal(L, pictures(2))
    assert rng.bit_generator.state == np.random.default_rng(0).bit_generator.state


def test_at_no_strength_nothing_ages():
    L = pictures(2)
    assert aged(L, 0.0, np.arange(2)) is L and torch.equal(L, pictures(2))


@pytest.mark.parametrize("name", EFFECTS)
@pytest.mark.parametrize("size", [(40, 56), (64, 64), (3, 200), (1, 1)])
def test_an_effect_gives_a_lightness_and_leaves_its_input_alone(name, size):
    L = pictures(3, *size)
    for strength in (0.01, 0.5, 1.0):
        changed = EFFECTS[name](L, strength, np.random.default_rng(0))
        assert changed.shape == L.shape and changed.dtype == torch.float32
        assert changed.min() >= 0 and changed.max() <= 100  # which NaN would fail, too
    assert torch.equal(L, pictures(3, *size))


@pytest.mark.parametrize("name", EFFECTS)
def test_an_effect_grows_with_its_strength(name):
    L = pictures(12)
    changed = [EFFECTS[name](L, strength, np.random.default_rng(0)) for strength in (0.2, 0.6, 1.0)]
    weak, middling, strong = ((L - other).abs().mean() for other in changed)
    assert 0 < weak < middling < strong


@pytest.mark.parametrize("name", EFFECTS)
@pytest.mark.parametrize("strength", [-0.1, 1.1, math.nan])
def test_an_impossible_strength_is_named(name, strength):
    with pytest.raises(ValueError, match=rf"{strength}.*no {name}.* to 1"):
        EFFECTS[name](pictures(1), strength, np.random.default_rng(0))


@pytest.mark.parametrize("name", EFFECTS)
def test_the_generator_alone_decides_what_is_random_about_an_effect(name):
    L = pictures(2)
    rng = np.random.default_rng(3)
    first, again, other = (EFFECTS[name](L, 0.7, r) for r in (rng, *map(np.random.default_rng, (3, 4))))
    assert torch.equal(first, again)
    assert torch.equal(first, other) == (name not in RANDOM)
    drew = rng.bit_generator.state != np.random.default_rng(3).bit_generator.state
    assert drew == (name in RANDOM)


@pytest.mark.parametrize("name", EFFECTS)
def test_an_effect_on_a_picture_is_its_places_in_the_batch_and_not_its_neighbours(name):
    L, age = pictures(6), EFFECTS[name]
    whole = age(L, 0.8, np.random.default_rng(5))
    torch.testing.assert_close(age(L[:2], 0.8, np.random.default_rng(5)), whole[:2], atol=1e-3, rtol=0)
    others = torch.cat([100 - L[:5], L[5:]])
    torch.testing.assert_close(age(others, 0.8, np.random.default_rng(5))[5], whole[5], atol=1e-3, rtol=0)


def test_a_vignette_is_the_fourth_power_of_the_cosine():
    L = torch.full((1, 1, 30, 50), 70.0)
    ratio = light(ageing.vignette(L, 0.5, np.random.default_rng(0))) / light(L)
    for row, column in ((0, 0), (29, 49), (15, 25), (3, 40)):
        distance = math.hypot(row + 0.5 - 15, column + 0.5 - 25) / math.hypot(15, 25)
        angle = math.atan(distance * math.tan(math.radians(30)))
        assert ratio[0, 0, row, column].item() == pytest.approx(math.cos(angle) ** 4, rel=1e-4)


def test_the_variance_of_grain_is_proportional_to_density():
    for L in (90.0, 60.0, 30.0):
        grainy = ageing.grain(torch.full((1, 1, 300, 300), L), 0.5, np.random.default_rng(0))
        density = -torch.log10(light(grainy))
        expected = -math.log10(((L + 16) / 116) ** 3)
        assert density.mean().item() == pytest.approx(expected, abs=0.002)
        assert density.var().item() == pytest.approx((0.1 * 0.5) ** 2 * expected, rel=0.05)
    assert (ageing.grain(torch.full((1, 1, 30, 30), 100.0), 1.0, np.random.default_rng(0)) == 100).all()


@pytest.mark.parametrize(("side", "sigma"), [(64, 0.6), (1600, 2.0)])
def test_grain_clumps_in_proportion_to_the_picture(side, sigma):
    count = 64 if side == 64 else 1
    grainy = ageing.grain(torch.full((count, 1, side, side), 50.0), 0.2, np.random.default_rng(1))[
        :, 0
    ].numpy()
    for lag in (1, 2):
        pairs = np.corrcoef(grainy[..., lag:].ravel(), grainy[..., :-lag].ravel())[0, 1]
        kernel = np.exp(-(np.arange(-9, 10) ** 2) / (2 * sigma**2))
        assert pairs == pytest.approx(kernel[lag:] @ kernel[:-lag] / (kernel @ kernel), abs=0.02)


def test_grain_is_as_strong_at_the_border_as_inside():
    grainy = ageing.grain(torch.full((3000, 1, 7, 7), 50.0), 0.3, np.random.default_rng(2))
    spread = grainy.std(dim=0)
    assert (spread / spread.mean() - 1).abs().max() < 0.08


def test_fading_lifts_blacks_and_dulls_whites_as_silver_and_paper_do():
    L = torch.tensor([0.0, 20, 50, 80, 100]).view(1, 1, 1, 5)
    faded = ageing.fading(L, 0.5, np.random.default_rng(0))
    torch.testing.assert_close(-torch.log10(light(faded)), 0.7 * -torch.log10(light(L)) + 0.125)
    assert faded[..., 0] > 5 and faded[..., -1] < 95 and (faded.diff() > 0).all()


def test_scratches_and_dust_are_few_light_and_dark_and_relative_to_the_picture():
    shares = []
    for side, count in ((64, 60), (512, 12)):
        change = (
            ageing.scratches(torch.full((count, 1, side, side), 50.0), 1.0, np.random.default_rng(0)) - 50
        )
        assert change.max() > 40 and change.min() < -40
        shares.append((change.abs() / 50).mean().item())
        assert (change == 0).float().mean() > 0.85
    # A line takes a pixel's width, near enough, even where a tile has few pixels.
    assert 0.004 < shares[1] < 0.02 and 1 <= shares[0] / shares[1] < 2


def test_jpeg_is_pillows_round_trip_of_the_grey_file():
    greys = np.random.default_rng(0).integers(0, 256, (2, 24, 40), dtype=np.uint8)
    L = rgb_to_lab(torch.from_numpy(greys)[:, None].expand(-1, 3, -1, -1) / 255)[:, :1]
    back = ageing.jpeg(L, 0.5, np.random.default_rng(0))
    for grey, plane in zip(greys, back, strict=True):
        file = io.BytesIO()
        Image.fromarray(grey).save(file, "JPEG", quality=55)
        decoded = np.repeat(np.asarray(Image.open(file))[..., None], 3, axis=-1)
        np.testing.assert_allclose(plane[0], reference.rgb2lab(decoded)[..., 0], atol=1e-3)


def test_a_toned_print_is_brown_between_black_and_paper():
    L = torch.linspace(0, 100, 101).view(1, 1, 1, 101)
    untoned = rgb_to_lab(toned(L, 0.0))
    torch.testing.assert_close(untoned[:, :1], L, atol=1e-3, rtol=0)
    assert untoned[:, 1:].abs().max() < 0.02
    sepia = toned(L, 1.0)
    assert sepia.shape == (1, 3, 1, 101) and sepia.min() >= 0 and sepia.max() <= 1
    red, green, blue = sepia[0, :, 0, 1:]
    assert (red > green).all() and (green > blue).all() and (sepia.diff(dim=-1) > 0).all()
    assert sepia[..., 0].max() == 0
    for value, density, paper in zip(sepia[0, :, 0, 50], (0.75, 1, 1.3), (1, 0.95, 0.85), strict=True):
        assert linear(value.item()) == pytest.approx(paper * light(L)[..., 50].item() ** density, rel=1e-4)


def test_toning_is_the_lightness_of_the_toned_print():
    L = pictures(2)
    for strength in (0.3, 1.0):
        scanned = rgb_to_lab(toned(L, strength))[:, :1]
        torch.testing.assert_close(ageing.toning(L, strength, None), scanned.clamp(0, 100), atol=0.02, rtol=0)


def test_the_pictures_of_a_batch_age_differently_and_the_input_stays():
    one = pictures(1)
    L = one.repeat(20, 1, 1, 1)
    old = aged(L, 0.8, np.arange(20))
    assert old.shape == L.shape and old.min() >= -1e-5 and old.max() <= 100.001
    assert len({picture.numpy().tobytes() for picture in old}) >= 18
    assert torch.equal(L, one.repeat(20, 1, 1, 1))
    assert torch.equal(old, aged(L, 0.8, np.arange(20)))


def test_what_happens_to_a_picture_is_its_own_seeds_alone():
    L, seeds = pictures(6), np.random.default_rng(0).integers(2**63, size=6)
    old = aged(L, 0.8, seeds)
    assert torch.equal(aged(L[[4, 1, 3]], 0.8, seeds[[4, 1, 3]]), old[[4, 1, 3]])
    assert torch.equal(torch.cat([aged(L[:2], 0.8, seeds[:2]), aged(L[2:], 0.8, seeds[2:])]), old)
    with pytest.raises(ValueError):
        aged(L, 0.8, seeds[:5])


def test_each_effect_takes_part_half_of_the_time_at_strengths_up_to_the_limit(monkeypatch):
    taken = []

    def note(L, strength, rng, name):
        taken.append((name, strength))
        return L

    for name in EFFECTS:
        monkeypatch.setitem(EFFECTS, name, partial(note, name=name))
    L = pictures(400, 2, 2)
    assert torch.equal(aged(L, 0.6, np.arange(400)), L)
    for name in EFFECTS:
        strengths = [strength for effect, strength in taken if effect == name]
        assert 160 < len(strengths) < 240
        assert 0 <= min(strengths) < 0.03 and 0.57 < max(strengths) <= 0.6
        assert np.mean(strengths) == pytest.approx(0.3, abs=0.04)
