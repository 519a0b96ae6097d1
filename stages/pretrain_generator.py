"""Train the CNN baseline, which is also the generator that adversarial training starts from.

    python -m stages.pretrain_generator --data data/prepared/photos --out models/cnn \\
        --curve reports/curves/cnn.csv

The recipe is in tintype/training/pretraining.py. Reads `seed`, `generator`, `classes`, `training` and
`pretrain` of params.yaml, and how it may run from `runtime`. An interrupted run goes on where it was.
"""

import argparse
from pathlib import Path

import torch

from tintype import params as parameters
from tintype.colorizer import Colorizer
from tintype.console import run
from tintype.store import ab_histogram
from tintype.training.device import explained, start
from tintype.training.loop import train
from tintype.training.pretraining import Pretraining


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="prepared photographs")
    parser.add_argument("--out", type=Path, required=True, help="folder for the model")
    parser.add_argument("--curve", type=Path, required=True, help="CSV of losses and validation figures")
    parser.add_argument("--params", type=Path, default="params.yaml")
    args = parser.parse_args(argv)
    params = parameters.load(args.params)
    p, classes = params.pretrain, params.classes

    fabric = start(params.runtime, params.training, p.batch_size)
    torch.manual_seed(params.seed)
    histogram = torch.from_numpy(ab_histogram(args.data))
    with explained(fabric):
        colorizer = Colorizer(
            params.generator.model_dump(), classes.model_dump(include={"grid", "temperature"})
        )
        recipe = Pretraining(colorizer, fabric, p, classes, histogram, params.training.compile)
    about = {
        "seed": params.seed,
        **params.generator.model_dump(),
        **classes.model_dump(),
        **params.training.model_dump(),
        **p.model_dump(),
    }
    done = train(recipe, fabric, params, data=args.data, out=args.out, curve=args.curve, about=about)
    if fabric.is_global_zero:
        print(done)


if __name__ == "__main__":
    run(main)
