"""Train the CNN baseline, which is also the generator that adversarial training starts from.

    python -m stages.pretrain_generator --data data/prepared/photos --out models/cnn \\
        --curve reports/curves/cnn.csv

The recipe is in tintype/training/pretraining.py. Reads `seed`, `generator`, `classes`, `training` and
`pretrain` of params.yaml, and how it may run from `runtime`. An interrupted run goes on where it was.

In a study (`--params studies/NAME/params.yaml`) the last part of `--out`, the model's name, chooses its
values.
"""

import argparse
from pathlib import Path

import torch
from safetensors.torch import load_file

from tintype import params as parameters
from tintype.colorizer import Colorizer
from tintype.console import UserError, run
from tintype.files import sha256
from tintype.store import ab_histogram, read_summary
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
    parser.add_argument("--encoder", type=Path, help="weights of the generator's encoder, as gathered")
    args = parser.parse_args(argv)
    params = parameters.load(args.params, model=args.out.name)
    p = params.pretrain

    fabric = start(params.runtime, params.training, p.batch_size)
    torch.manual_seed(params.seed)
    histogram = torch.from_numpy(ab_histogram(args.data))
    with explained(fabric):
        conditions = read_summary(args.data).get("conditions")
        colorizer = Colorizer.of(params.generator, params.classes, conditions)
        begun = load_encoder(colorizer, args.encoder) if args.encoder else {}
        recipe = Pretraining(colorizer, fabric, p, params.classes, histogram, params.training.compile)
    about = {
        "seed": params.seed,
        **params.generator.model_dump(),
        **params.classes.model_dump(),
        **params.training.model_dump(),
        **p.model_dump(),
        **begun,
    }
    done = train(recipe, fabric, params, data=args.data, out=args.out, curve=args.curve, about=about)
    if fabric.is_global_zero:
        print(done)


def load_encoder(colorizer: Colorizer, folder: Path) -> dict[str, str]:
    """Start the encoder from ImageNet's weights, where they were gathered; what it starts from, in words."""
    # Only here: the model that has no such encoder does not depend on where weights come from.
    from tintype.sources import backbones

    wanted, gathered = colorizer.about["generator"].get("encoder"), backbones.listed(folder)
    if wanted not in gathered:
        raise UserError(f"--encoder: found {folder} with {', '.join(gathered)}, allowed: one with {wanted}")
    if wanted not in (files := backbones.available(folder)):
        return {"encoder_weights": "random"}
    colorizer.network.load_imagenet(load_file(files[wanted]))
    return {"encoder_weights": f"ImageNet ({wanted}, sha256 {sha256(files[wanted])[:12]})"}


if __name__ == "__main__":
    run(main)
