"""How long scoring takes, and which figure takes longest.

    python -m benchmarks.evaluate [--pictures 1000] [--side 128] [--models 3]

Scores pictures of bundled photographs, in colours that are off, as `evaluate` does, LPIPS with random
weights, and without the networks that colour; then each figure by itself. Prints seconds, and each figure's
share of all.
"""

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch
import torchvision
from torch import Tensor

from tintype import metrics, scoring
from tintype.batch import Batch
from tintype.color import into_gamut, lab_to_bytes, lab_to_rgb, rgb_to_lab
from tintype.images import decode
from tintype.lpips_metric import Lpips
from tintype.sources import bundled

PHOTOGRAPHS = ["astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg"]


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description="Time the figures of test pictures.")
    parser.add_argument("--pictures", type=int, default=1000)
    parser.add_argument("--side", type=int, default=128, help="pixels")
    parser.add_argument("--models", type=int, default=3)
    args = parser.parse_args()
    batches = [pictures(start, args) for start in range(0, args.pictures, scoring.BATCH)]
    perceptual = Lpips("squeeze", torchvision.models.squeezenet1_1(weights=None).state_dict())
    weights = torch.rand(scoring.BATCH, args.side, args.side, dtype=torch.float64) + 0.1

    def all_figures(batch: Batch, lab: Tensor) -> None:
        scoring.score(batch, lab, weights[: len(lab)], {"lpips_squeeze": perceptual})

    whole = spent(all_figures, batches)
    print(f"{args.pictures} pictures of {args.side} pixels, {torch.get_num_threads()} threads, per model")
    each = {name: spent(figure, batches) for name, figure in figures(perceptual, weights).items()}
    for name, seconds in sorted(each.items(), key=lambda item: -item[1]):
        print(f"{name:28} {seconds:7.1f} s {100 * seconds / whole:5.0f} %")
    print(f"{'all':28} {whole:7.1f} s; of {args.models} models {args.models * whole:.0f} s")
    print(f"slowest: {max(each, key=each.get)}")


def pictures(start: int, args: argparse.Namespace) -> tuple[Batch, Tensor]:
    """A batch of tiles, and Lab of them whose colours are off, some too strong for a screen."""
    rng, tiles = np.random.default_rng(start), []
    photographs = [decode(bundled.locate(f"skimage/data/{name}")) for name in PHOTOGRAPHS]
    for _ in range(min(scoring.BATCH, args.pictures - start)):
        photograph = photographs[rng.integers(len(photographs))]
        top, left = (rng.integers(size - args.side + 1) for size in photograph.shape[:2])
        tiles.append(photograph[top : top + args.side, left : left + args.side])
    lab = lab_to_bytes(rgb_to_lab(torch.from_numpy(np.stack(tiles)).permute(0, 3, 1, 2) / 255))
    batch = Batch.of_records(torch.cat([lab[:, :1], lab], dim=1))
    return batch, torch.cat([batch.L, 1.2 * batch.ab.roll(3, dims=3) + 5], dim=1)


def figures(perceptual: Callable, weights: Tensor) -> dict[str, Callable[[Batch, Tensor], object]]:
    """Each figure by itself, from what it starts from."""

    def of_rgb(figure: Callable) -> Callable[[Batch, Tensor], object]:
        return lambda batch, lab: figure(*scoring.pictures(batch, lab))

    return {
        "gamut and sRGB, for each": scoring.pictures,
        "psnr": of_rgb(metrics.psnr),
        "ssim": of_rgb(metrics.ssim),
        "lpips_squeeze": of_rgb(perceptual),
        "colorfulness": of_rgb(lambda rgb, _: metrics.colorfulness(rgb)),
        "ciede2000": lambda batch, lab: metrics.ciede2000(into_gamut(lab), batch.lab),
        "auc": lambda batch, lab: metrics.auc(lab[:, 1:], batch.ab),
        "auc_rebalanced": lambda batch, lab: metrics.auc(lab[:, 1:], batch.ab, weights[: len(lab)]),
        "hue_entropy": lambda batch, lab: metrics.hue_entropy(lab[:, 1:]),
        "ciede2000_store": lambda batch, lab: scoring.store_error(lab_to_rgb(batch.lab)),
    }


def spent(work: Callable[[Batch, Tensor], object], batches: list[tuple[Batch, Tensor]]) -> float:
    """Seconds for all batches, after one to warm up."""
    work(*batches[0])
    began = time.perf_counter()
    for batch, lab in batches:
        work(batch, lab)
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
