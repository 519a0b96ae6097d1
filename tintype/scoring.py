"""Scoring a model on the test split: a row of figures per picture, and their summary."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from tintype import ab_classes, metrics
from tintype.batch import Batch
from tintype.color import bytes_to_lab, into_gamut, lab_to_bytes, lab_to_rgb, rgb_to_lab, to_uint8
from tintype.progress import progress
from tintype.sources import backbones
from tintype.store import Split

# Pictures are compared as 8-bit ones, and rounding errors alone, uniform within half a step, leave this
# many dB: a truly grey test picture, which the grey floor matches exactly, would otherwise count
# infinitely much.
PSNR_CEILING = 20 * math.log10(255) + 10 * math.log10(12)
_BATCH = 64


def pixel_weights(split: Split, grid: int, sigma: float) -> Callable[[Tensor], Tensor]:
    """The weights of the rebalanced AuC: inverse to the smoothed share of each pixel's class in a split.

    A function from the true ab (N, 2, H, W) to weights (N, H, W), float64. Zhang et al. 2016, section 3.1,
    with lambda = 0. Their shares are those of training, which at their size are the same; with few
    photographs, a colour that is common in the test split but hardly occurs in training would be the whole
    figure.
    """
    centres = ab_classes.displayable_centres(grid)
    nearest, _ = ab_classes.soft_encoding(centres, neighbours=1)
    inverse = 1 / ab_classes.prior(torch.from_numpy(split.ab_histogram()), centres, sigma)
    return lambda ab: inverse[ab_classes.look_up(nearest, ab)[:, 0]]


@torch.no_grad()
def rows(
    predict: Callable[[Batch], Tensor],
    test: Split,
    weigh: Callable[[Tensor], Tensor],
    perceptual: Callable[[Tensor, Tensor], Tensor] | None,
    name: str,
) -> pd.DataFrame:
    """A row of figures (`score`) per picture of the test split, and where it lies in which photograph.

    predict: from a batch to Lab (N, 3, H, W). weigh: as `pixel_weights` gives it.
    """
    figures = []
    for start in progress(range(0, len(test), _BATCH), f"evaluate {name}", "batches"):
        batch = Batch.read(test, np.arange(start, min(start + _BATCH, len(test))))
        figures.append(pd.DataFrame(score(batch, predict(batch), weigh(batch.ab), perceptual)))
    return pd.concat(
        [test.index[["photograph", "left", "top"]], pd.concat(figures, ignore_index=True)], axis=1
    )


@torch.no_grad()
def coloured(predict: Callable[[Batch], Tensor], picture: Batch) -> np.ndarray:
    """The first picture of a batch with predicted colours, brought into gamut: uint8 (H, W, 3)."""
    return to_uint8(lab_to_rgb(into_gamut(predict(picture))))[0]


def score(
    batch: Batch, predicted: Tensor, weights: Tensor, perceptual: Callable[[Tensor, Tensor], Tensor] | None
) -> dict[str, np.ndarray]:
    """Every figure of a batch of test pictures, each an array (N,), for predicted Lab (N, 3, H, W).

    Pictures in RGB are the prediction, brought into gamut, against the truth; where photographs are coloured,
    the prediction has their true lightness. `perceptual` is LPIPS, where its backbone is there; its figure
    goes under `lpips`.
    """
    lab = into_gamut(predicted)
    rgb, truth = (_to_8_bits(lab_to_rgb(picture)) for picture in (lab, batch.lab))
    figures = {
        "psnr": metrics.psnr(rgb, truth).clamp(max=PSNR_CEILING),
        "ssim": metrics.ssim(rgb, truth),
        "ciede2000": metrics.ciede2000(lab, batch.lab).mean(dim=(1, 2)),
        "auc": metrics.auc(predicted[:, 1:], batch.ab),
        "auc_rebalanced": metrics.auc(predicted[:, 1:], batch.ab, weights),
        "auc_rebalanced_weight": weights.sum(dim=(1, 2)),
        "colorfulness": metrics.colorfulness(rgb),
        "colorfulness_abs": metrics.colorfulness_abs(rgb),
        "true_colorfulness": metrics.colorfulness(truth),
        "true_colorfulness_abs": metrics.colorfulness_abs(truth),
        "ciede2000_store": store_error(truth),
    }
    if perceptual:
        figures["lpips"] = perceptual(rgb, truth)
    return {name: values.cpu().numpy() for name, values in figures.items()}


def store_error(rgb: Tensor) -> Tensor:
    """Mean CIEDE2000 (N,) between 8-bit sRGB pictures (N, 3, H, W) and themselves kept as 8-bit Lab."""
    lab = rgb_to_lab(rgb)
    return metrics.ciede2000(bytes_to_lab(lab_to_bytes(lab)), lab).mean(dim=(1, 2))


def _to_8_bits(rgb: Tensor) -> Tensor:
    """sRGB in [0, 1], rounded to what an 8-bit file holds: pictures are compared as people get them."""
    return (rgb * 255).round() / 255


def load_lpips(net: str, folder: Path) -> tuple[nn.Module | None, str]:
    """LPIPS with the weights in a folder that download@weights filled; or None, and why it is not there."""
    file = backbones.available(folder).get(net)
    if file is None:
        return None, f"not available: {backbones.why_not(folder, net)}"
    # Imported only here: it takes seconds.
    from tintype.lpips_metric import Lpips

    return Lpips(net, load_file(file)), ""
