"""What a network is told of a picture: its lightness, and planes beside it."""

import torch
from torch import Tensor


def scaled(known: Tensor) -> Tensor:
    """(N, 1 + E, H, W), the lightness in [0, 100] first -> the same with the lightness from -1 to 1."""
    if known.shape[1] == 1:
        return known / 50 - 1
    return torch.cat([known[:, :1] / 50 - 1, known[:, 1:]], dim=1)
