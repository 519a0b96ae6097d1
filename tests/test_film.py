"""How film and scanners see: conversions worked out by hand, effects against their formulas."""

import numpy as np
import pytest
import torch
from skimage import color as reference

from tintype.film import CONVERSIONS, grey_plane

MIXES = [conversion for conversion in CONVERSIONS if conversion != "lab"]


def swatch(*rgb: float) -> torch.Tensor:
    return torch.tensor(rgb)[None, :, None, None].expand(1, 3, 2, 2)


def lightness(light):
    """The L of linear light above 0.01, from the definition."""
    return 116 * light ** (1 / 3) - 16


def linear(grey):
    """The linear light of an sRGB-encoded value above 0.05."""
    return ((grey + 0.055) / 1.055) ** 2.4


def light(L):
    """The linear light of lightness above 8, the inverse of `lightness`."""
    return ((L.double() + 16) / 116) ** 3


@pytest.mark.parametrize("conversion", CONVERSIONS)
def test_a_grey_picture_keeps_its_lightness(conversion):
    greys = torch.linspace(0, 1, 256).expand(2, 3, 1, 256)
    L = grey_plane(greys, conversion)
    assert L.shape == (2, 1, 1, 256) and L.dtype == torch.float32
    expected = reference.rgb2lab(greys[0].movedim(0, -1).double().numpy())[..., 0]
    np.testing.assert_allclose(L[1, 0], expected, atol=1e-3)
    assert L.min() >= -1e-4 and L.max() <= 100.001


@pytest.mark.parametrize(
    ("conversion", "rgb", "grey"),
    [
        ("luma601", (1, 0, 0), 0.299),
        ("luma601", (0, 1, 0), 0.587),
        ("luma601", (0.2, 0.4, 0.6), 0.0598 + 0.2348 + 0.0684),
        ("luma709", (1, 0, 0), 0.2126),
        ("luma709", (0, 1, 0), 0.7152),
        ("luma709", (0.2, 0.4, 0.6), 0.04252 + 0.28608 + 0.04332),
        ("average", (0.2, 0.4, 0.6), 0.4),
        ("red", (0.2, 0.4, 0.6), 0.2),
        ("green", (0.2, 0.4, 0.6), 0.4),
        ("blue", (0.2, 0.4, 0.6), 0.6),
    ],
)
def test_encoded_channels_are_mixed_by_the_standards_weights(conversion, rgb, grey):
    expected = lightness(linear(grey))
    assert grey_plane(swatch(*rgb), conversion)[0, 0, 0, 0].item() == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("rgb", [(1, 1, 0), (0, 1, 0), (0.3, 0.5, 0.9), (0.9, 0.2, 0.1)])
def test_films_mix_linear_light_by_their_sensitivity(rgb):
    red, green, blue = (linear(value) if value else 0 for value in rgb)
    mixed = {
        "panchromatic": 0.25 * red + 0.35 * green + 0.4 * blue,
        "orthochromatic": (7 * green + 8 * blue) / 15,
    }
    for film_type, seen in mixed.items():
        L = grey_plane(swatch(*rgb), film_type)
        torch.testing.assert_close(L, torch.full_like(L, lightness(seen)), atol=1e-3, rtol=0)


def test_orthochromatic_film_is_blind_to_red():
    beside = grey_plane(swatch(0, 0.6, 0.3), "orthochromatic")
    for red in (1.0, 0.5, 0.2, 0.0):
        assert grey_plane(swatch(red, 0, 0), "orthochromatic").abs().max() < 1e-4
        torch.testing.assert_close(grey_plane(swatch(red, 0.6, 0.3), "orthochromatic"), beside)
    for bright in ((0, 1, 0), (0, 0, 1)):
        assert grey_plane(swatch(*bright), "orthochromatic").min() > 70
    assert grey_plane(swatch(1, 0, 0), "panchromatic").min() > 50


def test_film_sees_blue_brighter_than_the_eye_does():
    eye, *films = (grey_plane(swatch(0, 0, 1), seen) for seen in ("lab", "panchromatic", "orthochromatic"))
    assert all((film > eye + 30).all() for film in films)


def test_the_conversion_named_lab_is_the_colour_pictures_own_lightness():
    picture = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    expected = reference.rgb2lab(picture.movedim(1, -1).double().numpy())[..., 0]
    np.testing.assert_allclose(grey_plane(picture, "lab")[:, 0], expected, atol=1e-3)


@pytest.mark.parametrize("conversion", MIXES)
def test_a_grey_file_of_the_picture_decodes_to_the_same_plane(conversion):
    picture = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    own = grey_plane(picture, "lab")
    L = grey_plane(picture, conversion)
    assert (L - own).abs().mean() > 0.5  # it does see colours otherwise
    encoded = 1.055 * light(L) ** (1 / 2.4) - 0.055
    again = grey_plane(encoded.float().expand(-1, 3, -1, -1), "lab")
    bright = L > 10  # where both curves are power laws
    torch.testing.assert_close(again[bright], L[bright], atol=1e-3, rtol=0)


@pytest.mark.parametrize("conversion", CONVERSIONS)
def test_each_pixel_is_converted_by_itself(conversion):
    picture = torch.rand(2, 3, 8, 12, generator=torch.Generator().manual_seed(2))
    in_a_row = grey_plane(picture.reshape(2, 3, 1, 96), conversion)
    assert in_a_row.shape == (2, 1, 1, 96)
    torch.testing.assert_close(in_a_row.reshape(2, 1, 8, 12), grey_plane(picture, conversion))


def test_a_filter_is_blind_to_the_other_colours():
    for channel, conversion in enumerate(("red", "green", "blue")):
        seen = torch.eye(3)[channel].view(1, 3, 1, 1)
        assert grey_plane(seen, conversion).item() == pytest.approx(100, abs=1e-2)
        assert grey_plane(1 - seen, conversion).item() == pytest.approx(0, abs=1e-4)
