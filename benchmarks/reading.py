"""What reading a training batch from the store costs, beside the training step that it feeds.

    python -m benchmarks.reading [--data data/prepared/photos]

Batches of random records are read from the shards, and a step of pretraining, as params.yaml has it, is done
on each; both by as many cores as torch takes, one after the other, where training reads ahead in a thread.
"""

import argparse
from pathlib import Path

import numpy as np

from benchmarks import recipes
from benchmarks.recipes import now
from tintype import params as parameters
from tintype.batch import Batch
from tintype.console import run
from tintype.params import PRETRAINED
from tintype.store import Split

BATCH, STEPS, WARM_UP = 32, 30, 5


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("data/prepared/photos"), help="a prepared store")
    args = parser.parse_args()
    params = parameters.load()
    size = BATCH
    split = Split(args.data, "train")
    fabric = recipes.device(params)
    recipe = recipes.made(PRETRAINED, params, fabric)
    rng = np.random.default_rng(0)
    times = []
    for step in range(1, WARM_UP + STEPS + 1):
        began = now()
        records = split.batch(rng.integers(len(split), size=size))
        read = now()
        recipe.step(step, [Batch.of_records(records, fabric.device)])
        times.append((read - began, now() - read))
    read, trained = np.median(times[WARM_UP:], axis=0) * 1000
    print(f"reading {size} of {len(split)} records: {read:.2f} ms")
    print(f"training step: {trained:.1f} ms")
    print(f"reading costs {100 * read / trained:.2f} % of the step")


if __name__ == "__main__":
    run(main)
