"""Train a pretrained generator further, against a discriminator.

    python -m stages.adversarial_train --model gan --data data/prepared/photos --init models/cnn \\
        --out models/gan --curve reports/curves/gan.csv

The discriminator sees the lightness with either the true colours or the generator's (their annealed
mean, which has a gradient), both at the scale of the generator's output. What "real" and "fake" mean is
the objective's: tintype/adversaries. Reads `seed`, `training`, `adversarial.shared` and
`adversarial.models.MODEL` of params.yaml.
"""

import argparse
from importlib import import_module
from pathlib import Path

import torch
from torch.nn import functional as F

from tintype import params as parameters
from tintype import tracking
from tintype.colorizer import FILE, Colorizer
from tintype.console import UserError, run
from tintype.files import folder_sha256, new_folder, sha256
from tintype.store import Split
from tintype.training.device import start
from tintype.training.loop import Average, Journal, batches


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", required=True, help="a key of adversarial.models")
    parser.add_argument("--data", type=Path, required=True, help="prepared photographs")
    parser.add_argument("--init", type=Path, required=True, help="the pretrained generator")
    parser.add_argument("--out", type=Path, required=True, help="folder for the model")
    parser.add_argument("--curve", type=Path, required=True, help="CSV of losses and validation figures")
    parser.add_argument("--params", type=Path, default="params.yaml")
    args = parser.parse_args(argv)
    params = parameters.load(args.params)
    if args.model not in params.adversarial.models:
        raise UserError(f"--model: found {args.model}, allowed: {', '.join(params.adversarial.models)}")
    p, model = params.adversarial.shared, params.adversarial.models[args.model]

    fabric = start(params.runtime.accelerator, params.training.precision)
    train, validation = Split(args.data, "train"), Split(args.data, "val")
    colorizer = Colorizer.load(args.init).train().to(fabric.device, memory_format=torch.channels_last)
    average = Average(colorizer, p.ema)

    torch.manual_seed(params.seed)
    objective = import_module(f"tintype.adversaries.{model.objective}").Objective(model)
    discriminator = import_module(f"tintype.networks.{model.discriminator}").build(width=model.width)
    discriminator = discriminator.to(memory_format=torch.channels_last)
    G_optimizer = torch.optim.Adam(colorizer.network.parameters(), lr=p.lr, betas=p.betas, fused=True)
    D_optimizer = torch.optim.Adam(
        discriminator.parameters(), lr=p.discriminator_lr, betas=p.betas, fused=True
    )
    G, G_optimizer = fabric.setup(colorizer.network, G_optimizer)
    D, D_optimizer = fabric.setup(discriminator, D_optimizer)

    settings = {"seed": params.seed, **params.training.model_dump(), **p.model_dump(), **model.model_dump()}
    with (
        new_folder(args.out) as out,
        tracking.training_run(
            params.runtime.tracking, model=args.model, params=settings, data_digest=folder_sha256(args.data)
        ) as tracked,
    ):
        journal = Journal(tracked, validation, every=params.training.validate_every, device=fabric.device)
        stream = batches(
            train,
            steps=p.steps,
            batch_size=p.batch_size,
            flip=params.training.flip,
            film=params.training.film,
            seed=params.seed,
            device=fabric.device,
        )
        for step, batch in journal.watch(stream, f"train {args.model}", p.steps):
            fake = colorizer.annealed_mean(G(batch.input))
            L, real = (F.adaptive_avg_pool2d(plane, fake.shape[-2:]) for plane in (batch.L, batch.ab))

            # (1) The discriminator learns to tell real colours from the generator's.
            D_loss, D_figures = objective.discriminator(D, L, real, fake.detach())
            D_optimizer.zero_grad(set_to_none=True)
            fabric.backward(D_loss)
            D_optimizer.step()

            # (2) The generator learns to pass for real, and to stay near the truth (in units of 110 ab).
            discriminator.requires_grad_(False)
            adversarial, G_figures = objective.generator(D, L, fake)
            pixel = F.l1_loss(fake, real) / 110
            G_optimizer.zero_grad(set_to_none=True)
            fabric.backward(model.pixel * pixel + model.adversarial * adversarial)
            G_optimizer.step()
            discriminator.requires_grad_(True)

            average.update(colorizer)
            losses = {"D_loss": D_loss, "G_adversarial": adversarial, "G_pixel": pixel}
            journal.step(step, losses | D_figures | G_figures, average.model, last=step == p.steps)

        average.model.save(out, settings)
        tracked.weights(sha256(out / FILE))
        journal.write(args.curve)
    print(f"{args.out}: trained for {p.steps} steps on {len(train)} tiles, from {args.init}")


if __name__ == "__main__":
    run(main)
