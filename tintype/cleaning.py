"""What can be done to a model's copy of an old picture; the picture itself keeps its grain and its greys."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

DARKEST, LIGHTEST = 2.0, 98.0  # what a faded picture's greys are stretched to, in L
LEAST_NOISE = 0.1  # units of L: of a picture with less, nothing is to be taken
LEAST = 1.0  # share of the pixels, in percent, that may end up darker or lighter than these


def denoised(L: Tensor) -> Tensor:
    """Lightness (1, 1, h, w) in [0, 100] without grain: non-local means, as strong as its noise."""
    from skimage.restoration import denoise_nl_means  # here: seconds to import

    sigma = noise(L)
    if sigma < LEAST_NOISE:
        return L
    plane = L[0, 0].double().numpy()
    clean = denoise_nl_means(plane, patch_size=5, patch_distance=6, h=0.8 * sigma, sigma=sigma)
    return torch.from_numpy(clean).to(L).clamp(0, 100)[None, None]


def noise(L: Tensor) -> float:
    """The standard deviation of the noise in a picture (1, 1, h, w), in its units; 0 where it is too small.

    Immerkaer, "Fast Noise Variance Estimation" (CVIU 1996): what a difference of two Laplacians leaves.
    """
    if min(L.shape[-2:]) < 3:
        return 0.0
    line = L.new_tensor([1.0, -2.0, 1.0])
    left = F.conv2d(L, torch.outer(line, line)[None, None])
    return math.sqrt(math.pi / 2) * left.abs().mean().item() / 6


def contrasted(L: Tensor) -> Tensor:
    """Lightness (1, 1, h, w), stretched from DARKEST to LIGHTEST; that of a single grey stays."""
    low, high = torch.quantile(L, torch.tensor([LEAST / 100, 1 - LEAST / 100]))
    if high - low < 1:
        return L
    return (DARKEST + (L - low) / (high - low) * (LIGHTEST - DARKEST)).clamp(0, 100)
