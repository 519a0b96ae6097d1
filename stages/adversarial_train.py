"""Train a generator against a discriminator: one that was trained before, or a new one.

    python -m stages.adversarial_train --model gan --data data/prepared/photos --init models/cnn \\
        --weights data/raw/weights --out models/gan --curve reports/curves/gan.csv

The recipe is in tintype/training/adversarial.py. Reads `seed`, `training`, `adversarial.shared`,
`adversarial.models.MODEL` and `evaluate.metrics` of params.yaml, and how it may run from `runtime`. An
interrupted run goes on where it was.

In a study (`--params studies/NAME/params.yaml`) `--model` chooses its values. A generator that starts from
scratch (no `--init`), or from one that has not learned colours yet, is what `generator` and `classes` say.
"""

import argparse
from pathlib import Path

import torch

from tintype import lpips_metric
from tintype import params as parameters
from tintype.colorizer import FILE, Colorizer
from tintype.console import UserError, run
from tintype.files import sha256
from tintype.store import read_summary
from tintype.training.adversarial import Adversarial
from tintype.training.device import explained, start
from tintype.training.loop import train


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", required=True, help="a key of adversarial.models")
    parser.add_argument("--data", type=Path, required=True, help="prepared photographs")
    parser.add_argument("--init", type=Path, help="the generator to begin with; without: a new one")
    parser.add_argument("--weights", type=Path, required=True, help="what download@weights gathered")
    parser.add_argument("--out", type=Path, required=True, help="folder for the model")
    parser.add_argument("--curve", type=Path, required=True, help="CSV of losses and validation figures")
    parser.add_argument("--params", type=Path, default="params.yaml")
    args = parser.parse_args(argv)
    params = parameters.load(args.params, args.model)
    if args.model not in params.adversarial.models:
        raise UserError(f"--model: found {args.model}, allowed: {', '.join(params.adversarial.models)}")
    p, model = params.adversarial.shared, params.adversarial.models[args.model]

    fabric = start(params.runtime, params.training, p.batch_size)
    net = params.evaluate.metrics.lpips
    perceptual, why_not = lpips_metric.load(net, args.weights)
    if perceptual:
        perceptual = perceptual.to(fabric.device)
        backbone = args.weights / f"{net}.safetensors"
        validated_by = f"{net} {sha256(backbone)}"
    else:
        validated_by = "ab"
        if fabric.is_global_zero:
            print(f"val_score is made with the distance in the ab plane; LPIPS is {why_not}")
    with explained(fabric):
        torch.manual_seed(params.seed)
        colorizer, begun = begin(args.init, params, read_summary(args.data).get("conditions"))
        torch.manual_seed(params.seed)
        recipe = Adversarial(colorizer, fabric, p, model, params.training.compile, perceptual)
    about = {
        "seed": params.seed,
        **params.training.model_dump(),
        **p.model_dump(),
        **model.model_dump(),
        **begun,
        "validated_by": validated_by,
    }
    done = train(recipe, fabric, params, data=args.data, out=args.out, curve=args.curve, about=about)
    if fabric.is_global_zero:
        print(f"{done}, from {args.init or 'scratch'}")


def begin(
    init: Path | None, params: parameters.Params, conditions: dict[str, list[str]] | None
) -> tuple[Colorizer, dict[str, str]]:
    """The generator as it is before the first step, and what it starts from. conditions: of the pictures."""
    wanted = params.generator.model_dump()
    trained = Colorizer.load(init).train() if init else None
    begun = {"started_from": sha256(init / FILE) if init else "scratch"}
    if trained and (encoder := trained.about["training"].get("encoder_weights")):
        begun["encoder_weights"] = encoder
    if trained and trained.space.coloured:
        found = trained.about["generator"]
        if found != wanted:
            keys = [key for key in {**found, **wanted} if found.get(key) != wanted.get(key)]
            pairs = (f"{key} {found.get(key)}, allowed: {wanted.get(key)}" for key in keys)
            raise UserError(f"{init}: found {'; '.join(pairs)} (`generator`)")
        trained.refuse_other(conditions)
        return trained, begun
    colorizer = Colorizer.of(params.generator, params.classes, conditions)
    begun |= {f"generator_{key}": value for key, value in wanted.items()}
    if trained:
        same, all = colorizer.take_over(trained)
        if 2 * same < all or trained.told != colorizer.told:
            raise UserError(
                f"{init}: found another network, allowed: {wanted['backbone']} of the same settings"
            )
        begun["taken_over"] = f"{same} of {all} weights"
    return colorizer, begun


if __name__ == "__main__":
    run(main)
