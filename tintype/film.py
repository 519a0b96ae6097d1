"""How black-and-white film sees: colour turned to grey. What age and apparatus add is in `ageing`."""

from torch import Tensor

from tintype.color import lightness, linearise, rgb_to_lab

# Weights of the sRGB-encoded channels (red, green, blue).
_CHANNELS = {
    "luma601": (0.299, 0.587, 0.114),  # ITU-R BT.601, what most software means by "grey"
    "luma709": (0.2126, 0.7152, 0.0722),  # ITU-R BT.709
    "average": (1 / 3, 1 / 3, 1 / 3),
    "red": (1.0, 0.0, 0.0),  # a red filter before the lens: dark skies
    "green": (0.0, 1.0, 0.0),
    "blue": (0.0, 0.0, 1.0),  # the first plates saw little else: pale skies, dark lips
}
# Weights of linear light, which is what film responds to.
_FILMS = {
    # Kodak Tri-X 400, from the table of film responses that darktable and digiKam offer: silver halide
    # sees blue by itself, and dyes make it see the rest, so blue counts for far more than to the eye.
    "panchromatic": (0.25, 0.35, 0.40),
    # The same emulsion without the dye for red: it ends near 590 nm (Langford, Basic Photography, 7th
    # ed., p. 158), short of sRGB's red (611 nm); green to blue stays 35 to 40.
    "orthochromatic": (0.0, 7 / 15, 8 / 15),
}
CONVERSIONS: tuple[str, ...] = ("lab", *_CHANNELS, *_FILMS)


def grey_plane(rgb: Tensor, conversion: str) -> Tensor:
    """The lightness (N, 1, H, W), in [0, 100], of the grey picture that a conversion makes of sRGB.

    rgb: (N, 3, H, W) in [0, 1]; each pixel is converted by itself. conversion: one of CONVERSIONS. `lab`
    keeps the colour picture's own L. `panchromatic` and `orthochromatic` mix linear light, as film does.
    Every other conversion mixes the encoded channels to one grey value and gives the L of that grey, as
    decoding a grey file would.
    """
    if conversion == "lab":
        return rgb_to_lab(rgb)[:, :1]
    if conversion in _FILMS:
        return lightness(_mixed(linearise(rgb), _FILMS[conversion]))
    grey = _mixed(rgb, _CHANNELS[conversion])
    return rgb_to_lab(grey.expand(-1, 3, -1, -1))[:, :1]


def _mixed(rgb: Tensor, weights: tuple[float, float, float]) -> Tensor:
    red, green, blue = weights
    return red * rgb[:, :1] + green * rgb[:, 1:2] + blue * rgb[:, 2:]
