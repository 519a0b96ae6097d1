"""Train the CNN baseline, which is also the generator that adversarial training starts from.

    python -m stages.pretrain_generator --data data/prepared/photos --out models/cnn \\
        --curve reports/curves/cnn.csv

Zhang, Isola and Efros, "Colorful Image Colorization" (ECCV 2016): the colour of each pixel as a class,
soft-encoded, rare classes weighted up; the annealed mean of the predicted distribution is the colour.
Reads `seed`, `generator`, `classes`, `training` and `pretrain` of params.yaml.
"""

import argparse
from pathlib import Path

import torch
from torch.nn import functional as F

from tintype import ab_classes, tracking
from tintype import params as parameters
from tintype.colorizer import FILE, Colorizer
from tintype.console import run
from tintype.files import folder_sha256, new_folder, sha256
from tintype.store import Split, ab_histogram
from tintype.training.device import start
from tintype.training.loop import Average, Journal, batches


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

    fabric = start(params.runtime.accelerator, params.training.precision)
    train, validation = Split(args.data, "train"), Split(args.data, "val")

    torch.manual_seed(params.seed)
    colorizer = Colorizer(params.generator.model_dump(), classes.model_dump(include={"grid", "temperature"}))
    colorizer = colorizer.to(fabric.device, memory_format=torch.channels_last)
    average = Average(colorizer, p.ema)
    optimizer = torch.optim.AdamW(
        colorizer.network.parameters(), lr=p.lr, betas=p.betas, weight_decay=p.weight_decay, fused=True
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, p.lr, total_steps=p.steps, pct_start=0.1, cycle_momentum=False
    )
    network, optimizer = fabric.setup(colorizer.network, optimizer)

    centres = colorizer.centres.cpu()
    nearest, shares = (
        table.to(fabric.device)
        for table in ab_classes.soft_encoding(centres, classes.neighbours, classes.sigma)
    )
    prior = ab_classes.prior(torch.from_numpy(ab_histogram(args.data)), centres, classes.sigma)
    weights = ab_classes.class_weights(prior, classes.rebalance).to(fabric.device)

    settings = {
        "seed": params.seed,
        **params.generator.model_dump(),
        **classes.model_dump(),
        **params.training.model_dump(),
        **p.model_dump(),
    }
    with (
        new_folder(args.out) as out,
        tracking.training_run(
            params.runtime.tracking,
            model=args.out.name,
            params=settings,
            data_digest=folder_sha256(args.data),
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
        for step, batch in journal.watch(stream, f"train {args.out.name}", p.steps):
            logits = network(batch.input)
            # The target at the logits' scale; its soft encoding is looked up, not computed.
            ab = F.adaptive_avg_pool2d(batch.ab, logits.shape[-2:])
            encoded = ab_classes.look_up(nearest, ab), ab_classes.look_up(shares, ab)
            loss = ab_classes.cross_entropy(logits, *encoded, weights)

            optimizer.zero_grad(set_to_none=True)
            fabric.backward(loss)
            optimizer.step()
            schedule.step()
            average.update(colorizer)
            journal.step(step, {"loss": loss}, average.model, last=step == p.steps)

        average.model.save(out, settings)
        tracked.weights(sha256(out / FILE))
        journal.write(args.curve)
    print(f"{args.out}: trained for {p.steps} steps on {len(train)} tiles")


if __name__ == "__main__":
    run(main)
