"""The random numbers z, by which colourings of one picture differ, and the term that makes them differ.

z is a map of a few cells, so that it suits any picture's size: `whole` numbers are the same in all of them
and speak of the picture, `spatial` ones differ from cell to cell and speak of places.
"""

import numpy as np
import torch
from torch import Tensor

CELLS = 4  # a side


def drawn(seeds: np.ndarray, whole: int, spatial: int) -> Tensor:
    """Standard Gaussian z (N, whole + spatial, CELLS, CELLS); seeds: (N,), one for each picture."""
    z = []
    for seed in seeds:
        rng = np.random.default_rng(seed)
        same = rng.standard_normal((whole, 1, 1)).repeat(CELLS, 1).repeat(CELLS, 2)
        z.append(np.concatenate([same, rng.standard_normal((spatial, CELLS, CELLS))]))
    return torch.from_numpy(np.array(z, np.float32))


def diversity(colours: Tensor, others: Tensor, z: Tensor, other_z: Tensor, most: float) -> Tensor:
    """min(|G(x, z) - G(x, z')| / |z - z'|, most), of mean absolute differences, for each picture (N,).

    What a generator maximises so that it does not ignore z: Yang et al., "Diversity-Sensitive Conditional
    Generative Adversarial Networks" (ICLR 2019), equation 3. Beyond `most` it gains nothing by more.

    colours, others: (N, C, h, w), of z and of other_z, (N, Z, CELLS, CELLS) each.
    """
    apart = (colours - others).abs().mean(dim=(1, 2, 3))
    return (apart / (z - other_z).abs().mean(dim=(1, 2, 3))).clamp(max=most)
