"""Trainings that fail: numbers that are none, a generator that collapsed, a discriminator that won."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from tintype.batch import Batch
from tintype.console import Failure

# As shares of the truth's: what a generator gives up on long before it gets there.
_GREY, _CONSTANT = 0.05, 0.05
_ROUGH, _VIVID = 4.0, 1.5
_WON = 0.99


def refuse_broken(first: int, steps: Sequence[Mapping[str, Tensor]], kept: str) -> None:
    """Raise Failure when a figure of some step is not finite; names the step and its figures.

    first: the number of the first of the `steps`. kept: where the last good state is, in words.
    """
    if not steps:
        return
    finite = torch.stack([torch.stack([*step.values()]).isfinite().all() for step in steps])
    if finite.all():
        return
    number = int((~finite).nonzero()[0])
    figures = ", ".join(f"{name} {float(value):.4g}" for name, value in steps[number].items())
    raise Failure(
        f"training diverged at step {first + number}: {figures}. {kept}. Lower the learning rate, or clip "
        f"gradients (`clip`) further"
    )


def likeness(ab: Tensor, batch: Batch, stride: int) -> dict[str, Tensor]:
    """Sums over pixels, of the answer and of the truth, from which `ratios` tells how they compare.

    ab: predicted (N, 2, H, W). stride: pixels between neighbours of the network's own output.
    """
    sums = {"error": (ab - batch.ab).double().norm(dim=1).sum()}
    for name, colours in (("", ab.double()), ("true_", batch.ab.double())):
        sums |= {
            f"{name}chroma": colours.norm(dim=1).sum(),
            f"{name}ab": colours.sum(dim=(0, 2, 3)),
            f"{name}squares": colours.square().sum(),
            f"{name}roughness": sum(
                (colours.narrow(axis, stride, size - stride) - colours.narrow(axis, 0, size - stride))
                .abs()
                .sum()
                for axis, size in ((2, colours.shape[2]), (3, colours.shape[3]))
            ),
        }
    return sums


def ratios(sums: Mapping[str, Tensor], pixels: int) -> dict[str, float]:
    """Mean distance in the ab plane; and, of the answer to the truth: mean chroma, spread and roughness.

    The spread is the standard deviation of ab over all pixels, the roughness the mean difference between
    neighbours.
    """

    def spread(name: str) -> Tensor:
        mean = sums[f"{name}ab"] / pixels
        return (sums[f"{name}squares"] / pixels - mean.square().sum()).clamp(min=0).sqrt()

    return {
        "val_ab_error": float(sums["error"]) / pixels,
        "val_chroma_ratio": float(sums["chroma"] / sums["true_chroma"]),
        "val_spread_ratio": float(spread("") / spread("true_")),
        "val_roughness_ratio": float(sums["roughness"] / sums["true_roughness"]),
    }


def problems(row: Mapping[str, float]) -> list[str]:
    """What a row of the journal says has gone wrong, in words; nothing where all is well."""
    found = []
    if row["val_chroma_ratio"] < _GREY:
        found.append("the generator's colours collapsed to grey")
    elif row["val_spread_ratio"] < _CONSTANT:
        found.append("the generator's colours collapsed to a single one")
    elif row["val_roughness_ratio"] > _ROUGH and row["val_spread_ratio"] > _VIVID:
        found.append("the generator's colours collapsed to a pattern of saturated blocks")
    if row.get("D_accuracy", 0) > _WON:
        found.append("the discriminator has won: it tells all pictures, which teaches the generator little")
    return found
