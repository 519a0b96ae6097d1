"""What is written down while training: losses, validation figures, sample pictures, what went wrong."""

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from tintype.batch import Batch
from tintype.colorizer import Colorizer
from tintype.files import new_file
from tintype.progress import progress
from tintype.report import sheets
from tintype.store import Split
from tintype.training import failures

SAMPLES = 8
_PICTURES = 64  # validated at a time


class Journal:
    """A row every few steps, on the rank that writes.

    Figures stay on the device until then, so that no step waits for one. The samples are the same pictures,
    at the same steps, for every model that trains on the same store.

    figures: called with a model, a batch of the validation split, its network's planes and the Lab that they
    mean; gives tensors (N,). score: called with their means; gives figures of the row. Attributes: `rows`,
    the curve so far.
    """

    def __init__(
        self,
        run: Any,
        validation: Split,
        figures: Callable[[Colorizer, Batch, Tensor, Tensor], dict[str, Tensor]],
        score: Callable[[dict[str, float]], dict[str, float]],
        device: torch.device,
    ) -> None:
        self.run, self.device = run, device
        self.rows: list[dict[str, float]] = []
        self._steps: list[dict[str, Tensor]] = []
        self._validation, self._figures, self._score = validation, figures, score
        self._samples = np.linspace(0, len(validation) - 1, min(SAMPLES, len(validation))).round().astype(int)
        self._named: set[str] = set()

    @contextmanager
    def shown(self, what: str, step: int, steps: int) -> Iterator[None]:
        """A progress bar while the block runs, which starts after `step` of `steps`."""
        with progress(None, what, "steps", total=steps) as self._bar:
            self._bar.n = self._bar.initial = step
            yield

    def step(self, figures: dict[str, Tensor]) -> None:
        """Note the figures of one step, scalars on the device."""
        self._steps.append({name: value.detach() for name, value in figures.items()})
        self._bar.update()

    def check(self, step: int, kept: str) -> None:
        """Raise Failure when a figure of the steps up to `step` that no row has yet is not finite."""
        failures.refuse_broken(step - len(self._steps) + 1, self._steps, kept)

    def row(self, step: int, average: Colorizer) -> dict[str, float]:
        """Write the row of a step: the means of its figures since the last row, and validation."""
        row = {
            name: float(torch.stack([one[name] for one in self._steps if name in one]).mean())
            for name in {name: None for one in self._steps for name in one}
        }
        row |= self.validate(step, average)
        self._steps = []
        self.rows.append({"step": step, **row})
        self.run.metrics(step, row)
        self._bar.set_postfix_str(
            ", ".join(f"{name} {value:.3g}" for name, value in row.items()), refresh=False
        )
        for problem in failures.problems(row) if average.space.coloured else []:
            self.run.tag("problem", f"step {step}: {problem}")
            if problem not in self._named:
                self._bar.write(f"warning: step {step}: {problem}", file=sys.stderr)
                self._named.add(problem)
        return row

    @torch.no_grad()
    def validate(self, step: int, model: Colorizer) -> dict[str, float]:
        """How the answer compares with the truth (`failures.ratios`), and the recipe's own figures.

        Logs the samples too.
        """
        sums, own = Counter(), Counter()
        pictures = len(self._validation)
        for start in range(0, pictures, _PICTURES):
            numbers = np.arange(start, min(start + _PICTURES, pictures))
            batch = Batch.read(self._validation, numbers, self.device)
            planes = model.planes(batch)
            lab = model.lab(planes, batch.L)
            sums.update(failures.likeness(lab[:, 1:], batch, model.network.stride))
            found = self._figures(model, batch, planes, lab)
            own.update({name: values.double().sum() for name, values in found.items()})
        pixels = batch.L[0].numel() * pictures
        self.samples(step, model)
        means = {name: float(total) / pictures for name, total in own.items()}
        return failures.ratios(sums, pixels) | self._score(means)

    @torch.no_grad()
    def samples(self, step: int, model: Colorizer) -> None:
        """Log the samples, as the model colours them after a step."""
        batch = Batch.read(self._validation, self._samples, self.device)
        self.run.image("val", step, sheets.samples(batch, model.colours(batch)))

    def write(self, path: Path) -> None:
        """Write the rows as CSV, six significant digits."""
        with new_file(path) as file:
            pd.DataFrame(self.rows).to_csv(file, index=False, lineterminator="\n", float_format="%.6g")

    def state_dict(self) -> dict[str, Any]:
        return {"rows": self.rows, "steps": self._steps}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.rows = state["rows"]
        self._steps = [{name: value.to(self.device) for name, value in one.items()} for one in state["steps"]]
