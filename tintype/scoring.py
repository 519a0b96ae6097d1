"""Scoring a model on the test split: a row of figures per picture, and their summary."""

import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from tintype import ab_classes, metrics
from tintype.batch import Batch
from tintype.color import bytes_to_lab, into_gamut, lab_to_bytes, lab_to_rgb, rgb_to_lab
from tintype.console import UserError
from tintype.progress import progress
from tintype.store import Split

# Pictures are compared as 8-bit ones, and rounding errors alone, uniform within half a step, leave this
# many dB: a truly grey test picture, which the grey floor matches exactly, would otherwise count
# infinitely much.
PSNR_CEILING = 20 * math.log10(255) + 10 * math.log10(12)
BATCH = 64


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
    tables = {}  # by device, where they are moved once

    def weigh(ab: Tensor) -> Tensor:
        if ab.device not in tables:
            tables[ab.device] = nearest.to(ab.device), inverse.to(ab.device)
        classes, weights = tables[ab.device]
        return weights[ab_classes.look_up(classes, ab)[:, 0]]

    return weigh


Answers = Iterable[tuple[Batch, Tensor]]  # batches of pictures, and what a model makes of them, in Lab
Judge = Callable[[Tensor, Tensor], Tensor]


@torch.no_grad()
def answers(
    predict: Callable[[Batch], Tensor],
    split: Split,
    name: str,
    device: torch.device | str = "cpu",
    size: int = BATCH,
) -> Iterator[tuple[Batch, Tensor]]:
    """The batches of a split, in its order, each with what a model makes of it.

    predict: from a batch to Lab (N, 3, H, W). name: of the model, for the progress bar. size: of a batch.
    """
    for start in progress(range(0, len(split), size), f"evaluate {name}", "batches"):
        batch = Batch.read(split, np.arange(start, min(start + size, len(split))), device)
        yield batch, predict(batch)


@torch.no_grad()
def rows(
    answers: Answers, test: Split, weigh: Callable[[Tensor], Tensor], judges: Mapping[str, Judge]
) -> pd.DataFrame:
    """A row of figures (`score`) per picture of the test split, and where it lies in which photograph.

    answers: of the whole split, in its order. weigh: as `pixel_weights` gives it.
    """
    figures = [pd.DataFrame(score(batch, lab, weigh(batch.ab), judges)) for batch, lab in answers]
    return pd.concat(
        [test.index[["photograph", "left", "top"]], pd.concat(figures, ignore_index=True)], axis=1
    )


def score(
    batch: Batch, predicted: Tensor, weights: Tensor, judges: Mapping[str, Judge]
) -> dict[str, np.ndarray]:
    """Every figure of a batch of test pictures, each an array (N,), for predicted Lab (N, 3, H, W).

    Pictures in RGB are the prediction, brought into gamut, against the truth; where photographs are coloured,
    the prediction has their true lightness. judges: networks by the names of their figures, such as
    `lpips_squeeze`: from such pictures and the truth, (N, 3, H, W) each, to (N,).
    """
    rgb, truth = pictures(batch, predicted)
    figures = {
        "psnr": metrics.psnr(rgb, truth).clamp(max=PSNR_CEILING),
        "ssim": metrics.ssim(rgb, truth),
        "auc": metrics.auc(predicted[:, 1:], batch.ab),
        **colour_figures(batch, predicted, weights),
        "colorfulness_abs": metrics.colorfulness_abs(rgb),
        "hue_entropy": metrics.hue_entropy(rgb_to_lab(rgb)[:, 1:]),
        "true_colorfulness_abs": metrics.colorfulness_abs(truth),
        "true_hue_entropy": metrics.hue_entropy(rgb_to_lab(truth)[:, 1:]),
        "ciede2000_store": store_error(truth),
    }
    return as_arrays(figures | {name: judge(rgb, truth) for name, judge in judges.items()})


def colour_figures(batch: Batch, predicted: Tensor, weights: Tensor) -> dict[str, Tensor]:
    """The figures of colour that need little time, each (N,), for predicted Lab (N, 3, H, W)."""
    lab = into_gamut(predicted)
    rgb, truth = (_in_8_bits(picture) for picture in (lab, batch.lab))
    return {
        "ciede2000": metrics.ciede2000(lab, batch.lab).mean(dim=(1, 2)),
        "auc_rebalanced": metrics.auc(predicted[:, 1:], batch.ab, weights),
        "auc_rebalanced_weight": weights.sum(dim=(1, 2)),
        "colorfulness": metrics.colorfulness(rgb),
        "true_colorfulness": metrics.colorfulness(truth),
    }


def pictures(batch: Batch, lab: Tensor) -> tuple[Tensor, Tensor]:
    """What is compared, predicted and true: sRGB (N, 3, H, W), as an 8-bit file has it."""
    return _in_8_bits(into_gamut(lab)), _in_8_bits(batch.lab)


def _in_8_bits(lab: Tensor) -> Tensor:
    return (lab_to_rgb(lab) * 255).round() / 255


def as_arrays(figures: dict[str, Tensor]) -> dict[str, np.ndarray]:
    """Tensors of any device as columns of a table."""
    return {name: values.cpu().numpy() for name, values in figures.items()}


def device(accelerator: str) -> torch.device:
    """Where to score, by `runtime.accelerator`, made reproducible. Raises UserError where that has no GPU."""
    if accelerator == "cuda" and not torch.cuda.is_available():
        raise UserError("runtime.accelerator: found cuda, but PyTorch sees no GPU here; use auto or cpu")
    # cuBLAS is reproducible only with a fixed workspace, which must be set before the first call.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.allow_tf32 = False  # figures are compared to more digits than its products have
    return torch.device("cpu" if accelerator == "cpu" or not torch.cuda.is_available() else "cuda")


def store_error(rgb: Tensor) -> Tensor:
    """Mean CIEDE2000 (N,) between 8-bit sRGB pictures (N, 3, H, W) and themselves kept as 8-bit Lab."""
    lab = rgb_to_lab(rgb)
    return metrics.ciede2000(bytes_to_lab(lab_to_bytes(lab)), lab).mean(dim=(1, 2))
