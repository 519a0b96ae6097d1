"""How fast training is, beside the plain way to train the same networks (benchmarks/plain.py).

    python -m benchmarks.train [--data data/prepared/photos] [--models cnn gan ebgan] [--rounds 8] [--steps 2]

For each model, the recipe of params.yaml runs as in training, with the averaged weights and the figures of
each step, and takes turns with the plain form: `--rounds` times `--steps` steps of the one, then as many of
the other. Both have all cores, batches of one size, the pictures of one store. Shown are the medians of the
rounds; then what share of a step goes elsewhere than into the networks and their optimisers; and how near the
recipe comes to the speed at which the device multiplies large bfloat16 matrices. Validation is left out.
Programs that compute at the same time distort all of it, for threads wait for each other at each operation.
"""

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from statistics import median

import numpy as np
import torch
from lightning_fabric import Fabric
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import plain, recipes
from benchmarks.recipes import now
from tintype import params as parameters
from tintype import ranks
from tintype.console import run
from tintype.params import PRETRAINED, Params
from tintype.store import Split
from tintype.training.loop import Average

_SIDE = {"cpu": 2048, "cuda": 8192}  # of the matrices


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    params = parameters.load()
    names = [PRETRAINED, *params.adversarial.models]
    parser.add_argument("--data", type=Path, default=Path("data/prepared/photos"), help="a prepared store")
    parser.add_argument("--models", nargs="+", choices=names, default=names, help="all by default")
    parser.add_argument("--rounds", type=int, default=8, help="(default 8)")
    parser.add_argument("--steps", type=int, default=2, help="of a round (default 2)")
    args = parser.parse_args()
    split = Split(args.data, "train")
    fabric = recipes.device(params)
    peak = bfloat16_peak(fabric.device)
    print(f"bfloat16 matrices: {peak / 1e12:.3g} TFLOP/s")
    for name in args.models:
        tuned = Tuned(name, params, fabric, split)
        with plain_process(name, params, args.data, fabric.device) as plainly:
            compare(name, tuned, plainly, args.rounds, args.steps, peak)


def compare(
    name: str, tuned: "Tuned", plainly: Callable[[int], float], rounds: int, steps: int, peak: float
) -> None:
    """Time both forms in turn, and print what was found."""
    counter = FlopCounterMode(display=False)
    with counter:
        tuned.run(1)
    flops = counter.get_total_flops()
    tuned.run(1)
    plainly(2)
    pairs = [(tuned.run(steps), plainly(steps)) for _ in range(rounds)]
    ours, theirs = (median(times) / steps for times in zip(*pairs, strict=True))
    ratio = median(slow / fast for fast, slow in pairs)
    size = tuned.recipe.settings.batch_size
    print(
        f"{name:6s} recipe {size / ours:8.1f} pictures/s   plain {size / theirs:8.1f} pictures/s   "
        f"{ratio:.2f} times as fast"
    )
    waiting, averaging = tuned.elsewhere(rounds)
    print(
        f"       step {ours * 1000:.0f} ms: waiting for pictures {waiting:.1%}, average and figures "
        f"{averaging:.1%}; {flops / 1e9:.1f} GFLOP at {flops / ours / peak:.0%} of the speed of matrices"
    )


class Tuned:
    """A recipe as `training.loop.train` runs it."""

    def __init__(self, name: str, params: Params, fabric: Fabric, split: Split) -> None:
        self.recipe = recipes.made(name, params, fabric)
        self.average = Average(self.recipe.colorizer, self.recipe.settings.ema)
        self.stream = recipes.stream(split, params, self.recipe.settings.batch_size, fabric.device)
        self.noted: list[dict] = []

    def run(self, steps: int) -> float:
        """Seconds of some steps."""
        began = now()
        for _ in range(steps):
            self._note(self.recipe.step(*next(self.stream)))
        return now() - began

    def elsewhere(self, steps: int) -> tuple[float, float]:
        """The shares of a step spent waiting for a batch, and on the averaged weights and the figures."""
        times = []
        for _ in range(steps):
            began = now()
            step, parts = next(self.stream)
            ready = now()
            figures = self.recipe.step(step, parts)
            done = now()
            self._note(figures)
            times.append((ready - began, now() - done, now() - began))
        waiting, averaging, whole = np.median(times, axis=0)
        return waiting / whole, averaging / whole

    def _note(self, figures: dict) -> None:
        self.average.update(self.recipe.colorizer)
        values = ranks.mean(torch.stack([value.float() for value in figures.values()]))
        self.noted.append(dict(zip(figures, values, strict=True)))


@contextmanager
def plain_process(
    name: str, params: Params, data: Path, device: torch.device
) -> Iterator[Callable[[int], float]]:
    """The plain form in its own process: a function from a number of steps to the seconds they took."""
    spawn = get_context("spawn")
    here, there = spawn.Pipe()
    process = spawn.Process(target=plain.serve, args=(there, name, params, data, device))
    process.start()
    there.close()  # so that the end of the process is noticed

    def plainly(steps: int) -> float:
        here.send(steps)
        return here.recv()

    try:
        yield plainly
    finally:
        process.kill()


def bfloat16_peak(device: torch.device) -> float:
    """FLOP/s of a product of large bfloat16 matrices."""
    side = _SIDE[device.type]
    a, b = torch.randn(2, side, side, device=device, dtype=torch.bfloat16)
    return 2 * side**3 / seconds(lambda: a @ b)


def seconds(function: Callable, rounds: int = 5) -> float:
    """The best of some calls, after one that does not count."""
    function()
    times = []
    for _ in range(rounds):
        began = now()
        function()
        times.append(now() - began)
    return min(times)


if __name__ == "__main__":
    run(main)
