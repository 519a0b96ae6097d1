"""What every training loop shares: batches in a fixed order, an averaged copy, a journal of the run."""

import copy
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from tintype.ageing import aged
from tintype.augment import flip_some
from tintype.batch import Batch
from tintype.colorizer import Colorizer
from tintype.console import UserError
from tintype.files import new_file
from tintype.progress import progress
from tintype.report import sheets
from tintype.store import Split

SAMPLES = 8


def batches(
    split: Split,
    *,
    steps: int,
    batch_size: int,
    flip: bool,
    film: float,
    seed: int,
    device: torch.device,
) -> Iterator[tuple[int, Batch]]:
    """Yield (step, batch) for steps 1, 2, ...: every record once in each epoch, in an order of its own.

    What a step sees depends on (seed, step) alone, not on the steps before it. film: in [0, 1], how far the
    input is aged (`ageing.aged`); the truth is not.
    """
    size, order, ordered = len(split), np.empty(0), -1
    for step in range(1, steps + 1):
        numbers = []
        for position in range((step - 1) * batch_size, step * batch_size):
            epoch, place = divmod(position, size)
            if epoch != ordered:
                order, ordered = np.random.default_rng([seed, epoch]).permutation(size), epoch
            numbers.append(order[place])
        numbers = np.array(numbers)
        records = torch.from_numpy(split.batch(numbers)).to(device)
        if flip:
            records = flip_some(records, np.random.default_rng([seed, step, 1]))
        batch = Batch.of_records(records, device, split.conditions(numbers))
        worn = aged(batch.input, film, np.random.default_rng([seed, step, 2]))
        yield step, replace(batch, input=worn)


class Average:
    """An exponential moving average of a model's weights (EMA), smoother than the weights of any step.

    `model` holds it. Buffers, such as the statistics of batch normalisation, are copied as they are.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model = copy.deepcopy(model).eval().requires_grad_(False)
        self.decay = decay
        self._steps = 0

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Take in the weights after a step."""
        self._steps += 1
        # Early on the average follows more closely, or it would remember the random start for long.
        decay = min(self.decay, (1 + self._steps) / (10 + self._steps))
        torch._foreach_lerp_(list(self.model.parameters()), list(model.parameters()), 1 - decay)
        for ours, theirs in zip(self.model.buffers(), model.buffers(), strict=True):
            ours.copy_(theirs)


class Journal:
    """What is written down every `every` steps: losses, validation figures, sample pictures.

    Figures stay on the device until then, so that no step waits for one. The samples are the same
    pictures, at the same steps, for every model that trains on the same store.
    """

    def __init__(self, run, validation: Split, *, every: int, device: torch.device) -> None:
        self.run, self.every, self.device = run, every, device
        self.rows: list[dict] = []
        self._sums: dict[str, Tensor] = {}
        self._steps = 0
        self._validation = validation
        self._samples = np.linspace(0, len(validation) - 1, min(SAMPLES, len(validation))).round().astype(int)

    def watch(self, batches: Iterator, what: str, steps: int) -> Iterator:
        """The batches behind a progress bar."""
        self._bar = progress(batches, what, "steps", total=steps)
        return self._bar

    def step(self, step: int, figures: dict[str, Tensor], average: Colorizer, last: bool) -> None:
        """Note the figures of one step; every `every` steps, and at the last, write a row.

        Raises UserError, before anything is saved, when a figure is not finite.
        """
        for name, value in figures.items():
            self._sums[name] = self._sums.get(name, 0) + value.detach()
        self._steps += 1
        if step % self.every and not last:
            return
        row = {name: float(total) / self._steps for name, total in self._sums.items()}
        if broken := [name for name, value in row.items() if not math.isfinite(value)]:
            raise UserError(
                f"training diverged by step {step}: {', '.join(broken)} not finite; lower the learning rate"
            )
        row |= self.validate(step, average)
        self._sums, self._steps = {}, 0
        self.rows.append({"step": step, **row})
        self.run.metrics(step, row)
        self._bar.set_postfix_str(
            ", ".join(f"{name} {value:.3g}" for name, value in row.items()), refresh=False
        )

    @torch.no_grad()
    def validate(self, step: int, model: Colorizer) -> dict[str, float]:
        """Mean distance in the ab plane, mean chroma relative to the truth's; logs the samples too."""
        error = chroma = true_chroma = torch.zeros((), dtype=torch.float64)
        for start in range(0, len(self._validation), 64):
            numbers = np.arange(start, min(start + 64, len(self._validation)))
            batch = Batch.of_records(self._validation.batch(numbers), self.device)
            ab = model(batch.input)
            error = error + (ab - batch.ab).norm(dim=1).sum(dtype=torch.float64).cpu()
            chroma = chroma + ab.norm(dim=1).sum(dtype=torch.float64).cpu()
            true_chroma = true_chroma + batch.ab.norm(dim=1).sum(dtype=torch.float64).cpu()
        pixels = batch.L[0].numel() * len(self._validation)
        samples = Batch.of_records(self._validation.batch(self._samples), self.device)
        self.run.image("val", step, sheets.samples(samples, model(samples.input)))
        return {"val_ab_error": float(error) / pixels, "val_chroma_ratio": float(chroma / true_chroma)}

    def write(self, path: Path) -> None:
        """Write the rows as CSV, six significant digits."""
        with new_file(path) as file:
            pd.DataFrame(self.rows).to_csv(file, index=False, lineterminator="\n", float_format="%.6g")
