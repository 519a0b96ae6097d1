"""Draw several colourings of each test tile from every model of a study: do they differ, is one right?

    python -m stages.diversity --params studies/diversity/params.yaml --data data/prepared/photos \\
        --weights data/raw/weights --models models/diversity --colourings 8 --sheet gan-1,diverse-gan-1 \\
        --pictures reports/studies/diversity/own --out studies/diversity/results

Writes a row of figures per test tile and training into `--pictures`; and, made from those, `diversity.csv`
and `diversity.md`; and `samples.png` (test regions, several colourings of each). Reads `seed` and
`evaluate.metrics`, and which models there are. A model without z has one colouring, as the floors have.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from tintype import lpips_metric
from tintype import params as parameters
from tintype.color import into_gamut
from tintype.colorizer import Colorizer
from tintype.console import UserError, run
from tintype.files import new_folder, sha256
from tintype.floors import FLOORS
from tintype.images import encode_png
from tintype.report import own_figures, sheets
from tintype.sample_scoring import Draw, draws, of_model, of_one, rows
from tintype.store import CONTENTS, Split

BETTER = {
    "lpips_diversity": "0: all alike",
    "ab_diversity": "units of ab, 0: all alike",
    "explained": "share, 0: all alike",
    "ab_error": "units of ab, down",
    "mean_ab_error": "units of ab, down",
    "best_ab_error": "oracle, units of ab, down",
    "noise_best_ab_error": "oracle's floor, units of ab",
}


@torch.no_grad()
def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--params", type=Path, required=True, help="the study's params file")
    parser.add_argument("--data", type=Path, required=True, help="prepared photographs")
    parser.add_argument("--weights", type=Path, required=True, help="what download@weights gathered")
    parser.add_argument("--models", type=Path, required=True, help="folder of the study's models")
    parser.add_argument("--colourings", type=int, required=True, help="of each picture, at least 2")
    parser.add_argument(
        "--sheet", help="NAME,NAME: the trainings on the sheet (default: the first that draws)"
    )
    parser.add_argument("--pictures", type=Path, required=True, help="folder to write: a CSV per training")
    parser.add_argument("--out", type=Path, required=True, help="folder to write tables and the sheet into")
    args = parser.parse_args(argv)
    if args.colourings < 2:
        raise UserError(f"--colourings: found {args.colourings}, allowed: at least 2, for they are compared")
    params = parameters.load(args.params)
    seed_of = parameters.study(args.params).seeds
    torch.use_deterministic_algorithms(True)

    net = params.evaluate.metrics.lpips
    perceptual, lpips_missing = lpips_metric.load(net, args.weights)
    models = {name: Colorizer.load(args.models / name) for name in seed_of}
    models = {name: model for name, model in models.items() if model.space.coloured}
    names = asked(args.sheet, [name for name, model in models.items() if draws(model)])

    test, found = Split(args.data, "test"), {}
    draw = {name: of_one(FLOORS[name](args.data)) for name in ("grey", "mean")}
    draw |= {name: of_model(model, args.colourings) for name, model in models.items()}
    with new_folder(args.pictures) as folder:
        for name in draw:
            found[name] = rows(draw[name], test, perceptual, params.seed, name)
            found[name].to_csv(folder / f"{name}.csv", index=False, lineterminator="\n", float_format="%.6g")

    table = own_figures.comparison(found, seed_of, BETTER, ["lpips_diversity"] if lpips_missing else [])
    lpips = f"lpips_diversity, of {net}: {lpips_missing or 'of pictures brought into gamut'}."
    said = [*notes(test, sha256(args.data / CONTENTS), args.colourings), lpips]
    own_figures.write(args.out, "diversity", table, BETTER, said)
    regions, shown = Split.shown(args.data), {name: draw[name] for name in names}
    encode_png(args.out / "samples.png", sheet(regions, shown, params.seed))
    print(f"{args.out}: {args.colourings} colourings of {len(test)} test tiles by {len(models)} trainings")


def asked(names: str | None, drawing: Sequence[str]) -> list[str]:
    """The trainings on the sheet: those named, one or two, or else the first of those that draw."""
    found = names.split(",") if names else list(drawing[:1])
    if not 0 < len(found) <= 2 or not set(found) <= set(drawing):
        allowed = ", ".join(drawing) or "trainings with z, of which the study has none"
        raise UserError(f"--sheet: found {names or 'none'}, allowed: one or two of {allowed}")
    return found


def notes(test: Split, digest: str, colourings: int) -> list[str]:
    """What a reader has to know to read the table."""
    return [
        f"{colourings} colourings of each of {len(test)} test tiles of {test.index['photograph'].nunique()} "
        f"photographs, data {digest[:12]}; [95 % bootstrap interval over photographs] ± half the difference "
        "between seeds. grey, mean and models without z have one colouring.",
        f"best_ab_error is an oracle's, who knows the truth and picks the best of {colourings}: any "
        "variation lowers it. noise_best_ab_error is the same for the colouring of z = 0, all of it shifted "
        "at random as far as the model's own colourings vary.",
    ]


def sheet(regions: Split, draw: Mapping[str, Draw], seed: int) -> np.ndarray:
    """For each model a row per test picture: grey, its colourings, true; uint8 (H, W, 3)."""
    parts = []
    for name in draw:
        lines = []
        for _, region in sheets.regions(regions):
            samples, _ = draw[name](region, seed)
            lines.append([sheets.shown(lab) for lab in (region.grey, *map(into_gamut, samples), region.lab)])
        parts.append(sheets.labelled(lines, ["grey", name, *[""] * (len(samples) - 1), "truth"]))
    return np.concatenate(parts)


if __name__ == "__main__":
    run(main)
