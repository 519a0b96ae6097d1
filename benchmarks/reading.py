"""What reading a training batch from the store costs, beside the training step that it feeds.

    python -m benchmarks.reading [--data data/prepared/photos]

A batch of 32 random records is read from the shards, and a step of pretraining, with the networks and losses
of params.yaml, is done on it; both by as many cores as torch takes, steps one after the other as in training.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from tintype import ab_classes, params
from tintype.batch import Batch
from tintype.colorizer import Colorizer
from tintype.console import run
from tintype.store import Split, ab_histogram
from tintype.training.device import start

BATCH, STEPS, WARM_UP = 32, 30, 5


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("data/prepared/photos"), help="a prepared store")
    args = parser.parse_args()
    p = params.load()
    split = Split(args.data, "train")
    fabric = start(p.runtime.accelerator, p.training.precision)

    classes = p.classes
    colorizer = Colorizer(p.generator.model_dump(), classes.model_dump(include={"grid", "temperature"}))
    colorizer = colorizer.to(fabric.device, memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(colorizer.network.parameters(), lr=1e-4, fused=True)
    network, optimizer = fabric.setup(colorizer.network, optimizer)
    centres = colorizer.centres.cpu()
    encoding = ab_classes.soft_encoding(centres, classes.neighbours, classes.sigma)
    nearest, shares = (table.to(fabric.device) for table in encoding)
    prior = ab_classes.prior(torch.from_numpy(ab_histogram(args.data)), centres, classes.sigma)
    weights = ab_classes.class_weights(prior, classes.rebalance).to(fabric.device)

    rng = np.random.default_rng(0)
    reading, training = [], []
    for _ in range(WARM_UP + STEPS):
        numbers = rng.integers(len(split), size=BATCH)
        began = time.perf_counter()
        records = split.batch(numbers)
        read = time.perf_counter()
        batch = Batch.of_records(records, fabric.device)
        logits = network(batch.input)
        ab = F.adaptive_avg_pool2d(batch.ab, logits.shape[-2:])
        encoded = ab_classes.look_up(nearest, ab), ab_classes.look_up(shares, ab)
        optimizer.zero_grad(set_to_none=True)
        fabric.backward(ab_classes.cross_entropy(logits, *encoded, weights))
        optimizer.step()
        if fabric.device.type == "cuda":
            torch.cuda.synchronize()
        reading.append(read - began)
        training.append(time.perf_counter() - read)
    read, trained = (float(np.median(times[WARM_UP:])) * 1000 for times in (reading, training))
    print(f"reading {BATCH} of {len(split)} records: {read:.2f} ms")
    print(f"training step: {trained:.1f} ms")
    print(f"reading costs {100 * read / trained:.2f} % of the step")


if __name__ == "__main__":
    run(main)
