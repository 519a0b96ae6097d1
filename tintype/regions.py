"""Regions of a picture that belong together: superpixels, and the mean of anything over each.

Achanta, Shaji, Smith, Lucchi, Fua and Süsstrunk, "SLIC Superpixels Compared to State-of-the-Art Superpixel
Methods" (PAMI 2012).
"""

import numpy as np
import torch
from skimage import graph
from skimage.segmentation import slic
from torch import Tensor


def superpixels(planes: Tensor, pixels: int, compactness: float = 10.0) -> Tensor:
    """Connected regions of like pixels: int64 labels (H, W), 0 to R - 1, each of them used.

    planes: (C, H, W), float; lightness alone (C = 1), which is what is known of a grey picture, or Lab (C =
    3), in units of Lab. pixels: the area that a region should have; there are about H W / pixels regions.
    compactness: the paper's m, in units of Lab: colours that far apart count as much as places a region's
    width apart (equation 3); the larger, the more alike squares.

    The same planes give the same labels. Raises ValueError for planes of another shape, for an area below one
    pixel, a compactness that is not above 0, and values that are not finite.
    """
    if planes.ndim != 3 or not planes.is_floating_point():
        raise ValueError(f"planes must be float (C, H, W), not {planes.dtype} {tuple(planes.shape)}")
    if pixels < 1 or not compactness > 0:
        raise ValueError(f"an area of {pixels} pixels, compactness {compactness}: at least 1, and above 0")
    values = planes.detach().cpu().double()
    # scikit-image stretches values to [0, 1] first; undone here, or m would depend on a picture's contrast.
    stretch = float(values.max() - values.min()) or 1.0
    labels = slic(
        values.numpy(),
        n_segments=max(1, round(values[0].numel() / pixels)),
        compactness=compactness / stretch,
        convert2lab=False,
        start_label=0,
        channel_axis=0,
    )
    return torch.from_numpy(labels).unique(return_inverse=True)[1].to(planes.device)


def merged(labels: Tensor, planes: Tensor, apart: float) -> Tensor:
    """Regions (H, W) of which those that touch, and whose means differ by less than `apart`, are one.

    planes: (C, H, W), C up to 3, what is compared, in whose units `apart` is. So an even surface, however
    large, is one region. int64 labels, 0 to R - 1.
    """
    # scikit-image counts in three planes, and would count one three times.
    image = np.zeros((*planes.shape[1:], 3))
    image[..., : len(planes)] = planes.detach().cpu().movedim(0, -1).numpy()
    numbers = labels.cpu().numpy()
    neighbours = graph.rag_mean_color(image, numbers)
    joined = torch.from_numpy(graph.cut_threshold(numbers, neighbours, apart))
    return joined.unique(return_inverse=True)[1].to(labels.device)


def means(values: Tensor, labels: Tensor) -> Tensor:
    """The mean (C, R) of values (C, H, W) over each region of labels (H, W), 0 to R - 1; summed in float64.

    Raises ValueError for another shape, and for a number below R that labels no pixel.
    """
    if values.ndim != 3 or values.shape[1:] != labels.shape:
        raise ValueError(f"values (C, H, W) and labels (H, W) differ: {values.shape}, {labels.shape}")
    counts = labels.flatten().bincount()
    if (counts == 0).any():
        raise ValueError(f"no pixel has the label {int((counts == 0).nonzero()[0])}")
    sums = values.new_zeros(len(values), len(counts), dtype=torch.float64)
    sums.index_add_(1, labels.flatten(), values.flatten(1).double())
    return (sums / counts).to(values.dtype)
