"""What clicks of colour do for the models of a study: how they help, and how far one of them spreads.

    python -m stages.hint_response --params studies/hints/params.yaml --data data/prepared/photos \\
        --models models/hints --sheet NAME --pictures reports/studies/hints/own --out studies/hints/results

Clicks with the true colours are at random places, the same for every model. One click more, in the middle of
the region nearest a picture's, asks for another colour than the model's own there. Models that take no clicks
answer as ever. Writes a row of figures per test tile and training into `--pictures`; and `hints.csv`,
`hints.md`, `hints.png` (error against clicks) and `clicks.png` (test regions). Reads `seed`, and which models
there are.
"""

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from tintype import hints, hints_response
from tintype import params as parameters
from tintype.batch import Batch
from tintype.colorizer import Colorizer
from tintype.console import UserError, run
from tintype.files import new_folder, sha256
from tintype.floors import FLOORS
from tintype.images import encode_png
from tintype.progress import progress
from tintype.report import own_figures, plots
from tintype.report.click_sheet import click_sheet
from tintype.store import CONTENTS, Split

BATCH = 64
NUMBERS = (0, 1, 5, 10, 20)  # of clicks with the true colours
BETTER = {
    **{f"ab_error_{number}": "units of ab, down" for number in NUMBERS},
    "inside": "%, up",
    "around": "%",
    "beyond": "%, to 0",
}


@torch.no_grad()
def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--params", type=Path, required=True, help="the study's params file")
    parser.add_argument("--data", type=Path, required=True, help="prepared photographs")
    parser.add_argument("--models", type=Path, required=True, help="folder of the study's models")
    parser.add_argument("--sheet", required=True, help="the training on the sheet")
    parser.add_argument("--pictures", type=Path, required=True, help="folder to write: a CSV per training")
    parser.add_argument("--out", type=Path, required=True, help="folder to write tables and pictures into")
    args = parser.parse_args(argv)
    seed, seed_of = parameters.load(args.params).seed, parameters.study(args.params).seeds
    torch.use_deterministic_algorithms(True)
    models = {name: Colorizer.load(args.models / name) for name in seed_of}
    models = {name: model for name, model in models.items() if model.space.coloured}
    clicked = [name for name, model in models.items() if model.told.get("hints")]
    if args.sheet not in clicked:
        allowed = ", ".join(clicked) or "a training that takes clicks, of which the study has none"
        raise UserError(f"--sheet: found {args.sheet}, allowed: {allowed}")

    test, rows = Split(args.data, "test"), {}
    answers = {"grey": FLOORS["grey"](args.data), "nearest-click": hints_response.nearest_click}
    answers |= {name: model.colours for name, model in models.items()}
    with new_folder(args.pictures) as folder:
        for name, colours in answers.items():
            rows[name] = responses(colours, test, seed, name)
            rows[name].to_csv(folder / f"{name}.csv", index=False, lineterminator="\n", float_format="%.6g")

    table = own_figures.comparison(rows, seed_of, BETTER)
    own_figures.write(args.out, "hints", table, BETTER, notes(test, sha256(args.data / CONTENTS)))
    errors = {name: [part[f"ab_error_{number}"].mean() for number in NUMBERS] for name, part in rows.items()}
    lines = {name: pd.DataFrame({"hints": NUMBERS, "ab_error": means}) for name, means in errors.items()}
    plots.hints(args.out / "hints.png", lines, seed_of)
    encode_png(args.out / "clicks.png", click_sheet(Split.shown(args.data), models[args.sheet].colours, seed))
    print(f"{args.out}: {len(models)} trainings given clicks on {len(test)} test tiles")


def responses(colours: Callable[[Batch], Tensor], test: Split, seed: int, name: str) -> pd.DataFrame:
    """A row per test tile: its error with so many clicks, and how far one of another colour spreads."""
    figures = []
    for start in progress(range(0, len(test), BATCH), f"click {name}", "batches"):
        numbers = np.arange(start, min(start + BATCH, len(test)))
        batch, seeds = Batch.read(test, numbers), seed + numbers
        found = {}
        for number in NUMBERS:
            answered = colours(replace(batch, hints=hints.points(batch.ab, seeds, number)))[:, 1:]
            found[f"ab_error_{number}"] = (answered - batch.ab).norm(dim=1).mean(dim=(1, 2)).cpu().numpy()
        spread = hints_response.spreads(colours, batch, seeds)
        figures.append(pd.concat([pd.DataFrame(found), spread], axis=1))
    tiles = test.index[["photograph", "left", "top"]]
    return pd.concat([tiles, pd.concat(figures, ignore_index=True)], axis=1)


def notes(test: Split, digest: str) -> list[str]:
    """What a reader has to know to read the table."""
    return [
        f"{len(test)} test tiles of {test.index['photograph'].nunique()} photographs, data {digest[:12]}; "
        "[95 % bootstrap interval over photographs] ± half the difference between seeds.",
        "ab_error_N: mean distance to the true colours with N clicks of these, each of "
        f"{hints.SIDE} x {hints.SIDE} pixels; of N + 1 clicks, the first are the N.",
        f"inside, around, beyond: of what one click asks for, {hints_response.ASKED:g} units of ab away from "
        "the model's own colour, the share that is answered in the clicked region, in those that touch it, "
        "and elsewhere. Regions are superpixels of the true colours, about a twelfth of the picture each, "
        "which no model knows; where they are of one object, a neighbour rightly follows.",
        "grey and nearest-click are floors: no colour at all, and everywhere that of the nearest click. "
        "grey, and models that take no clicks, answer as ever.",
    ]


if __name__ == "__main__":
    run(main)
