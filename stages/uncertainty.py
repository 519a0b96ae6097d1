"""How sure the models of a study are, whether they are right to be, and other colours where they are not.

    python -m stages.uncertainty --params studies/uncertainty/params.yaml --data data/prepared/photos \\
        --models models/uncertainty --colourings 4 --threshold 0.5 --sheet NAME \\
        --pictures reports/studies/uncertainty/own --out studies/uncertainty/results

Of the trainings whose answer is a distribution over classes. Writes a row of figures per test tile and
training into `--pictures`; and `uncertainty.csv`, `uncertainty.md`, `calibration.csv` (bins of confidence, of
all pixels together), `calibration.png` and `doubt.png` (test regions). Reads `seed`, `classes.grid`,
`classes.sigma` and `classes.temperature`, and which models there are.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from tintype import ab_classes, uncertainty
from tintype import params as parameters
from tintype.batch import Batch
from tintype.colorizer import Colorizer
from tintype.console import UserError, run
from tintype.files import new_file, new_folder, sha256
from tintype.images import encode_png
from tintype.progress import progress
from tintype.report import own_figures, plots, seeds
from tintype.report.doubt_sheet import doubt_sheet
from tintype.store import CONTENTS, Split, ab_histogram

BATCH = 16  # pictures, of whose pixels there are hundreds of logits each
BETTER = {
    "confidence": "%",
    "accuracy": "%, up",
    "overconfidence": "% points, to 0",
    "entropy": "0 to 1",
    "rank_correlation": "-1 to 1, up",
    "ab_error": "units of ab, down",
}


@torch.no_grad()
def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--params", type=Path, required=True, help="the study's params file")
    parser.add_argument("--data", type=Path, required=True, help="prepared photographs")
    parser.add_argument("--models", type=Path, required=True, help="folder of the study's models")
    parser.add_argument("--colourings", type=int, required=True, help="of each picture on the sheet")
    parser.add_argument(
        "--threshold", type=float, required=True, help="entropy, 0 to 1, from which on regions change colour"
    )
    parser.add_argument("--sheet", required=True, help="the training on the sheet")
    parser.add_argument("--pictures", type=Path, required=True, help="folder to write: a CSV per training")
    parser.add_argument("--out", type=Path, required=True, help="folder to write tables and plots into")
    args = parser.parse_args(argv)
    if args.colourings < 1 or not 0 <= args.threshold < 1:
        raise UserError("allowed: at least 1 of --colourings, and a --threshold from 0 to below 1")
    params, seed_of = parameters.load(args.params), parameters.study(args.params).seeds
    torch.use_deterministic_algorithms(True)
    models = {name: Colorizer.load(args.models / name) for name in seed_of}
    models = {name: model for name, model in models.items() if model.about["classes"]}
    if args.sheet not in models:
        allowed = ", ".join(models) or "a training of head classes, of which the study has none"
        raise UserError(f"--sheet: found {args.sheet}, allowed: {allowed}")

    test, rows, bins = Split(args.data, "test"), {}, {}
    centres = ab_classes.displayable_centres(params.classes.grid)
    prior = ab_classes.prior(torch.from_numpy(ab_histogram(args.data)), centres, params.classes.sigma)
    scale = models[args.sheet].planes(Batch.read(test, np.array([0]))).shape[2:]
    logits = prior.log().float().view(1, -1, 1, 1).expand(-1, -1, *scale)
    floor = (lambda batch: logits.expand(len(batch.L), -1, -1, -1), centres, params.classes.temperature, 1)
    answers = {"prior": floor} | {name: answer(model) for name, model in models.items()}
    with new_folder(args.pictures) as folder:
        for name in answers:
            rows[name], bins[name] = judged(test, name, *answers[name])
            rows[name].to_csv(folder / f"{name}.csv", index=False, lineterminator="\n", float_format="%.6g")

    table = own_figures.comparison(rows, seed_of, BETTER)
    joined = pd.concat([part.assign(training=name) for name, part in bins.items()])
    joined.insert(0, "training", joined.pop("training"))
    with new_file(args.out / "calibration.csv") as file:
        joined.to_csv(file, index=False, lineterminator="\n", float_format="%.6g")
    said = notes(test, sha256(args.data / CONTENTS), bins, seed_of)
    own_figures.write(args.out, "uncertainty", table, BETTER, said)
    plots.calibration(args.out / "calibration.png", bins, seed_of)
    shown = (models[args.sheet], args.colourings, args.threshold, params.seed)
    encode_png(args.out / "doubt.png", doubt_sheet(Split.shown(args.data), *shown))
    print(f"{args.out}: {len(models)} trainings judged on {len(test)} test tiles")


def answer(model: Colorizer) -> tuple[Callable[[Batch], Tensor], Tensor, float, int]:
    """A model's logits of pictures, its classes' colours, its temperature, and what it pads pictures to."""
    return model.planes, model.head.centres, model.head.temperature, model.network.multiple


def judged(
    test: Split, name: str, planes: Callable, centres: Tensor, temperature: float, multiple: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A row of figures per test tile, and the calibration of all their pixels, in %."""
    nearest, _ = ab_classes.soft_encoding(centres, neighbours=1)
    found = []
    for start in progress(range(0, len(test), BATCH), f"judge {name}", "batches"):
        batch = Batch.read(test, np.arange(start, min(start + BATCH, len(test))))
        logits = planes(batch)
        truth = uncertainty.at_scale(batch.ab, multiple, logits.shape[2:])
        found.append(uncertainty.judged(logits, centres, temperature, nearest, truth))
    pixels = {key: torch.cat([part[key] for part in found]) for key in found[0]}
    bins = uncertainty.calibration(pixels["confidence"], pixels["right"], pixels["error"])
    bins["calibration_error"] = uncertainty.expected_calibration_error(bins)
    percent = ["low", "high", "confidence", "accuracy", "calibration_error"]
    tiles = test.index[["photograph", "left", "top"]]
    return pd.concat([tiles, uncertainty.figures(pixels)], axis=1), bins.assign(**bins[percent] * 100)


def notes(test: Split, digest: str, bins: dict[str, pd.DataFrame], seed_of: dict[str, int]) -> list[str]:
    """What a reader has to know to read the table."""
    errors = {
        model: np.mean([bins[name]["calibration_error"][0] for name in names])
        for model, names in seeds.grouped(bins, seed_of).items()
    }
    return [
        f"{len(test)} test tiles of {test.index['photograph'].nunique()} photographs, data {digest[:12]}; "
        "[95 % bootstrap interval over photographs] ± half the difference between seeds.",
        "Of pixels at the scale of the answer: right are those whose most probable class is the nearest to "
        "the truth. prior is a floor: how often each class occurs in training, whatever the picture.",
        "Models learn soft targets, so that even one that is never wrong would not be wholly sure; and rare "
        "colours may weigh more, which takes confidence from the common ones.",
        "Expected calibration error of all pixels, 10 bins, in % points (mean over seeds): "
        + ", ".join(f"{model} {error:.2g}" for model, error in errors.items())
        + ".",
    ]


if __name__ == "__main__":
    run(main)
