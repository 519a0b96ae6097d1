"""LPIPS as it is defined, to compare with: on SqueezeNet, with a gradient."""

from pathlib import Path

import lpips
import torch
from torch import Tensor, nn

LINEAR = Path(lpips.__file__).parent / "weights/v0.1/squeeze.pth"


def distance(squeezenet: nn.Module, rgb: Tensor, truth: Tensor) -> Tensor:
    """Distances (N,) of sRGB pictures (N, 3, H, W) in [0, 1] (Zhang et al. 2018, equation 1).

    Squared differences of unit-length features, weighed by channel, averaged over positions.
    """
    linear = torch.load(LINEAR, map_location="cpu")
    mean = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
    std = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
    x, y = (rgb - mean) / std, (truth - mean) / std
    found = torch.zeros(len(rgb))
    layers = iter(range(7))
    for number, module in enumerate(squeezenet.features):
        x, y = module(x), module(y)
        if number in (1, 4, 7, 9, 10, 11, 12):
            units = [z / z.square().sum(dim=1, keepdim=True).sqrt() for z in (x, y)]
            weights = linear[f"lin{next(layers)}.model.1.weight"].view(1, -1, 1, 1)
            found = found + ((units[0] - units[1]).square() * weights).sum(1).mean((1, 2))
    return found
