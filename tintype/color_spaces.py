"""What a generator may answer in: the chroma of CIE Lab, all of RGB, or lightness alone.

Colours are scaled to about [-1, 1] while training, whatever the space, so that losses, penalties and
discriminators need not know it. In the end an answer is ab, and the lightness stays the picture's own; only
of a drawing, which has none, is the answer's lightness taken too.
"""

import torch
from torch import Tensor

from tintype.color import lab_to_rgb, rgb_to_lab

AB = 110  # units of ab, of which a displayable colour has at most about so many


class Lab:
    """a and b, divided by 110."""

    channels = 2
    coloured = True
    whole = False  # whether an answer is all of the picture, its lightness too

    def scaled(self, L: Tensor, ab: Tensor) -> Tensor:
        """The true colours (N, 2, H, W) of pictures L (N, 1, H, W) in [0, 100] and ab (N, 2, H, W)."""
        return ab / AB

    def ab(self, colours: Tensor) -> Tensor:
        """ab (N, 2, H, W) of colours (N, 2, H, W)."""
        return colours * AB


class RGB:
    """Gamma-encoded sRGB from -1 to 1, as most image-to-image translation has it."""

    channels = 3
    coloured, whole = True, False

    def scaled(self, L: Tensor, ab: Tensor) -> Tensor:
        """(N, 3, H, W)."""
        return lab_to_rgb(torch.cat([L, ab], dim=1)) * 2 - 1

    def ab(self, colours: Tensor) -> Tensor:
        """ab of colours (N, 3, H, W), whose own lightness is dropped."""
        return self.lab(colours)[:, 1:]

    def lab(self, colours: Tensor) -> Tensor:
        """Lab (N, 3, H, W) of colours (N, 3, H, W)."""
        return rgb_to_lab((colours / 2 + 0.5).clamp(0, 1))


class Drawing(RGB):
    """The same for a drawing, whose own lightness is not that of the picture to be made."""

    whole = True


class Lightness:
    """L from -1 to 1: no colour at all, for a generator that first learns what pictures are."""

    channels = 1
    coloured, whole = False, False

    def scaled(self, L: Tensor, ab: Tensor) -> Tensor:
        """(N, 1, H, W)."""
        return L / 50 - 1

    def ab(self, colours: Tensor) -> Tensor:
        """Grey."""
        return torch.zeros_like(colours).expand(-1, 2, -1, -1)


SPACES = {"lab": Lab(), "rgb": RGB(), "drawing": Drawing(), "lightness": Lightness()}
