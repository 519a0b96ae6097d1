"""How black-and-white film sees colour: conversions of a colour picture to the grey one a model is given."""

from torch import Tensor

from tintype.color import rgb_to_lab

# Weights of the sRGB-encoded channels (red, green, blue).
_CHANNELS = {
    "luma601": (0.299, 0.587, 0.114),  # ITU-R BT.601, what most software means by "grey"
    "luma709": (0.2126, 0.7152, 0.0722),  # ITU-R BT.709
    "average": (1 / 3, 1 / 3, 1 / 3),
    "red": (1.0, 0.0, 0.0),  # a red filter before the lens: dark skies
    "green": (0.0, 1.0, 0.0),
    "blue": (0.0, 0.0, 1.0),  # the first plates saw little else: pale skies, dark lips
}


def grey_plane(rgb: Tensor, conversion: str) -> Tensor:
    """The lightness (N, 1, H, W), in [0, 100], of the grey picture that a conversion makes of sRGB.

    rgb: (N, 3, H, W) in [0, 1]. `lab` keeps the colour picture's own L. Every other conversion mixes the
    encoded channels to one grey value and gives the L of that grey, as decoding a grey file would.
    """
    if conversion == "lab":
        return rgb_to_lab(rgb)[:, :1]
    red, green, blue = _CHANNELS[conversion]
    grey = red * rgb[:, :1] + green * rgb[:, 1:2] + blue * rgb[:, 2:]
    return rgb_to_lab(grey.expand(-1, 3, -1, -1))[:, :1]
