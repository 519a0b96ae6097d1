"""Pictures at another size."""

import numpy as np
import torch
from torch.nn import functional


def resized(rgb: np.ndarray, width: int, height: int) -> np.ndarray:
    """A picture, uint8 (H, W, 3), at another size: bicubic, and smoothed first where it shrinks.

    The same as Pillow's within one level, by torch, whose 8-bit kernels are several times as fast.
    """
    picture = torch.from_numpy(rgb).permute(2, 0, 1)[None]
    scaled = functional.interpolate(picture, size=(height, width), mode="bicubic", antialias=True)
    return scaled[0].permute(1, 2, 0).numpy()
