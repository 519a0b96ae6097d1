"""What a generator may answer in: the chroma of CIE Lab, all of RGB, or lightness alone.

Colours are scaled to about [-1, 1] while training, whatever the space, so that losses, penalties and
discriminators need not know it. In the end an answer is ab: the lightness stays the picture's own.
"""

import torch
from torch import Tensor

from tintype.color import lab_to_rgb, rgb_to_lab

AB = 110  # units of ab, of which a displayable colour has at most about so many


class Lab:
    """a and b, divided by 110."""

    channels = 2
    coloured = True

    def scaled(self, L: Tensor, ab: Tensor) -> Tensor:
        """The true colours (N, 2, H, W) of pictures L (N, 1, H, W) in [0, 100] and ab (N, 2, H, W)."""
        return ab / AB

    def ab(self, colours: Tensor) -> Tensor:
        """ab (N, 2, H, W) of colours (N, 2, H, W)."""
        return colours * AB


class RGB:
    """Gamma-encoded sRGB from -1 to 1, as most image-to-image translation has it."""

    channels = 3
    coloured = True

    def scaled(self, L: Tensor, ab: Tensor) -> Tensor:
        """(N, 3, H, W)."""
        return lab_to_rgb(torch.cat([L, ab], dim=1)) * 2 - 1

    def ab(self, colours: Tensor) -> Tensor:
        """ab of colours (N, 3, H, W), whose own lightness is dropped."""
        return rgb_to_lab((colours / 2 + 0.5).clamp(0, 1))[:, 1:]


class Lightness:
    """L from -1 to 1: no colour at all, for a generator that first learns what pictures are."""

    channels = 1
    coloured = False

    def scaled(self, L: Tensor, ab: Tensor) -> Tensor:
        """(N, 1, H, W)."""
        return L / 50 - 1

    def ab(self, colours: Tensor) -> Tensor:
        """Grey."""
        return torch.zeros_like(colours).expand(-1, 2, -1, -1)


SPACES = {"lab": Lab(), "rgb": RGB(), "lightness": Lightness()}
