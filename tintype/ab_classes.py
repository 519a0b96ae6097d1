"""Colour as classes: Zhang, Isola and Efros, "Colorful Image Colorization" (ECCV 2016), sections 2.1 to 2.3.

The ab plane is cut into a grid; each grid point near a displayable colour is a class. All look-ups go
through tables over the 256 x 256 plane of 8-bit ab, so that no distance is computed while training.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from tintype.color import rgb_to_lab

# A grid point is a class when a displayable colour lies within this many grid steps of it: at grid 10
# that gives the paper's Q = 313.
_REACH = 1.35


def displayable_centres(grid: int = 10) -> Tensor:
    """The class centres (Q, 2): multiples of `grid` ab units within 1.35 grid steps of a displayable colour.

    The outline of the displayable ab region is made of colours on the faces of the RGB cube, which are
    sampled here in steps of 1/32; finer steps change no class at grid 10 (at grid 5, one in 300).
    """
    steps = torch.linspace(0, 1, 33, dtype=torch.float64)
    u, v = (plane.flatten() for plane in torch.meshgrid(steps, steps, indexing="ij"))
    faces = []
    for value in (0.0, 1.0):
        w = torch.full_like(u, value)
        faces += [torch.stack(face) for face in ((w, u, v), (u, w, v), (u, v, w))]
    shown = rgb_to_lab(torch.cat(faces, dim=1)[:, :, None])[1:, :, 0].T
    last = math.floor(127 / grid) * grid
    axis = torch.arange(-last, last + 1, grid, dtype=torch.float64)
    points = torch.cartesian_prod(axis, axis)
    return points[torch.cdist(points, shown).min(dim=1).values <= _REACH * grid].float()


def soft_encoding(centres: Tensor, neighbours: int = 5, sigma: float = 5.0) -> tuple[Tensor, Tensor]:
    """Tables of the soft encoding H^-1 of every 8-bit ab value: classes and their shares.

    Returns int64 (256, 256, k) classes, nearest first, and float32 (256, 256, k) shares that sum to 1,
    indexed by [a + 128, b + 128]. The share of a class is exp(-d^2 / (2 sigma^2)) of its distance d,
    over the k nearest.
    """
    axis = torch.arange(256, dtype=torch.float64) - 128
    values = torch.cartesian_prod(axis, axis)
    # Ties between equally near classes go to the one that comes first, on every machine.
    distance, nearest = torch.cdist(values, centres.double()).sort(dim=1, stable=True)
    distance, nearest = distance[:, :neighbours], nearest[:, :neighbours]
    shares = torch.softmax(-(distance**2) / (2 * sigma**2), dim=1)
    return nearest.reshape(256, 256, -1).contiguous(), shares.float().reshape(256, 256, -1)


def look_up(table: Tensor, ab: Tensor) -> Tensor:
    """Read a (256, 256, k) table at ab values (N, 2, H, W), rounded to 8 bits: (N, k, H, W)."""
    a, b = (ab + 128).round().clamp(0, 255).long().unbind(1)
    return table[a, b].movedim(-1, 1)


def prior(histogram: Tensor, centres: Tensor, sigma: float = 5.0) -> Tensor:
    """The smoothed class distribution p~ (Q,) of a (256, 256) histogram of 8-bit ab values; sums to 1.

    Each value counts for its nearest class; then a Gaussian of `sigma` ab units between the centres
    spreads each class over its neighbours (section 2.2). Computed in float64.
    """
    nearest, _ = soft_encoding(centres, neighbours=1)
    counts = torch.zeros(len(centres), dtype=torch.float64)
    counts.index_add_(0, nearest.flatten(), histogram.double().flatten())
    spread = torch.exp(-(torch.cdist(centres.double(), centres.double()) ** 2) / (2 * sigma**2))
    smooth = (spread / spread.sum(dim=0)) @ counts
    return smooth / smooth.sum()


def class_weights(smooth_prior: Tensor, rebalance: float = 0.5) -> Tensor:
    """Class weights w = ((1 - lambda) p~ + lambda / Q)^-1, scaled so that E_p~[w] = 1 (equation 4).

    `rebalance` is lambda: 1 weighs all classes alike, 0 inversely to how often they occur. float32 (Q,).
    """
    # With lambda = 0 a class that never occurs would weigh infinitely, and no other anything.
    weights = 1 / ((1 - rebalance) * smooth_prior + rebalance / len(smooth_prior)).clamp(min=1e-9)
    return (weights / (smooth_prior * weights).sum()).float()


def cross_entropy(logits: Tensor, classes: Tensor, shares: Tensor, weights: Tensor | None = None) -> Tensor:
    """Multinomial cross-entropy L = -sum v(Z) sum_q Z_q log Z^_q, a mean over pixels (equations 2 and 3).

    logits (N, Q, H, W); classes and shares (N, k, H, W) as `look_up` gives them; v(Z) is the weight of
    the nearest class, 1 without `weights` (Q,). In nats, one for each picture (N,).
    """
    # Classes last: in channels_last memory that is how the logits lie, and the softmax runs over neighbours.
    chosen = F.log_softmax(logits.float().movedim(1, -1), dim=-1).gather(-1, classes.movedim(1, -1))
    loss = -(shares.movedim(1, -1) * chosen).sum(dim=-1)
    return (loss if weights is None else weights[classes[:, 0]] * loss).mean(dim=(1, 2))


def annealed_mean(logits: Tensor, centres: Tensor, temperature: float = 0.38) -> Tensor:
    """The annealed mean of the class distribution: ab (N, 2, H, W) from logits (N, Q, H, W) (equation 5).

    Raising probabilities to 1 / T and normalising is the softmax of logits / T. T = 1 gives the mean, T
    -> 0 the mode. Differentiable.
    """
    probabilities = torch.softmax(logits.float().movedim(1, -1) / temperature, dim=-1)
    # Exported to ONNX, a negative number of a dimension would stay negative, which its readers refuse.
    return (probabilities @ centres).permute(0, 3, 1, 2)
