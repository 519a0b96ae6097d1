"""Grey conversions: worked out by hand, and as a grey file of the same picture decodes."""

from typing import get_args

import numpy as np
import pytest
import torch
from skimage import color as reference

from tintype.film import grey_plane
from tintype.params import Prepare

CONVERSIONS = get_args(Prepare.model_fields["grey"].annotation)
MIXES = [conversion for conversion in CONVERSIONS if conversion != "lab"]


def swatch(*rgb: float) -> torch.Tensor:
    return torch.tensor(rgb)[None, :, None, None].expand(1, 3, 2, 2)


def lightness(grey: float) -> float:
    """The L of an sRGB-encoded grey above 0.1, from the definitions: L = 116 Y^(1/3) - 16."""
    return 116 * (((grey + 0.055) / 1.055) ** 2.4) ** (1 / 3) - 16


@pytest.mark.parametrize("conversion", CONVERSIONS)
def test_a_grey_picture_keeps_its_lightness(conversion):
    greys = torch.linspace(0, 1, 256).expand(2, 3, 1, 256)
    L = grey_plane(greys, conversion)
    assert L.shape == (2, 1, 1, 256) and L.dtype == torch.float32
    expected = reference.rgb2lab(greys[0].movedim(0, -1).double().numpy())[..., 0]
    np.testing.assert_allclose(L[1, 0], expected, atol=1e-3)
    assert L.min() >= 0 and L.max() <= 100.001


@pytest.mark.parametrize(
    ("conversion", "rgb", "grey"),
    [
        ("luma601", (1, 0, 0), 0.299),
        ("luma601", (0, 1, 0), 0.587),
        ("luma601", (0, 0, 1), 0.114),
        ("luma601", (0.2, 0.4, 0.6), 0.0598 + 0.2348 + 0.0684),
        ("luma709", (1, 0, 0), 0.2126),
        ("luma709", (0, 1, 0), 0.7152),
        ("luma709", (0.2, 0.4, 0.6), 0.04252 + 0.28608 + 0.04332),
        ("average", (0.2, 0.4, 0.6), 0.4),
        ("average", (0, 0, 1), 1 / 3),
        ("red", (0.2, 0.4, 0.6), 0.2),
        ("green", (0.2, 0.4, 0.6), 0.4),
        ("blue", (0.2, 0.4, 0.6), 0.6),
    ],
)
def test_encoded_channels_are_mixed_by_the_standards_weights(conversion, rgb, grey):
    assert grey_plane(swatch(*rgb), conversion)[0, 0, 0, 0].item() == pytest.approx(lightness(grey), abs=1e-3)


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
    encoded = 1.055 * (((L.double() + 16) / 116) ** 3) ** (1 / 2.4) - 0.055
    again = grey_plane(encoded.float().expand(-1, 3, -1, -1), "lab")
    bright = L > 10  # where both curves are power laws
    torch.testing.assert_close(again[bright], L[bright], atol=1e-3, rtol=0)


def test_a_filter_is_blind_to_the_other_colours():
    for channel, conversion in enumerate(("red", "green", "blue")):
        seen = torch.zeros(1, 3, 2, 2)
        seen[:, channel] = 1
        torch.testing.assert_close(
            grey_plane(seen, conversion), torch.full((1, 1, 2, 2), 100.0), atol=1e-2, rtol=0
        )
        torch.testing.assert_close(grey_plane(1 - seen, conversion), torch.zeros(1, 1, 2, 2))
