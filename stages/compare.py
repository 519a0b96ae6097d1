"""Score the models of a study on the test split, beside the floors, and join the figures.

    python -m stages.compare --params studies/objectives/params.yaml --data data/prepared/photos \\
        --weights data/raw/weights --models models/objectives --curves reports/studies/objectives/curves \\
        --pictures reports/studies/objectives/pictures --out studies/objectives/results

Writes a row of figures per test tile and training into `--pictures`; and, made from those, `comparison.csv`,
`comparison.md`, `differences.csv` (between any two models, paired), `figures.png` (with intervals),
`curves.png` (of the trainings), `sheet.png` (test regions coloured). Reads `classes.grid`, `classes.sigma`,
`evaluate.metrics.lpips`, and which models there are.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from tintype import lpips_metric, scoring, tracking
from tintype import params as parameters
from tintype.color import into_gamut
from tintype.colorizer import FILE, Colorizer
from tintype.console import run
from tintype.files import folder_sha256, new_file, new_folder, sha256
from tintype.floors import FLOORS
from tintype.images import encode_png
from tintype.report import differences, plots, seeds, sheets, tables
from tintype.store import CONTENTS, Split, read_summary

SHOWN = ["ciede2000", "auc_rebalanced", "colorfulness", "psnr"]  # in the README's table


@torch.no_grad()
def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--params", type=Path, required=True, help="the study's params file")
    parser.add_argument("--data", type=Path, required=True, help="prepared photographs")
    parser.add_argument("--weights", type=Path, required=True, help="what download@weights gathered")
    parser.add_argument("--models", type=Path, required=True, help="folder of the study's models")
    parser.add_argument("--curves", type=Path, required=True, help="folder of the trainings' curves")
    parser.add_argument("--pictures", type=Path, required=True, help="folder to write: a CSV per training")
    parser.add_argument("--out", type=Path, required=True, help="folder to write tables and pictures into")
    args = parser.parse_args(argv)
    params = parameters.load(args.params)
    seed_of = parameters.study(args.params).seeds
    device = scoring.device(params.runtime.accelerator)

    net = params.evaluate.metrics.lpips
    perceptual, lpips_missing = lpips_metric.load(net, args.weights)
    judges = {f"lpips_{net}": perceptual.to(device)} if perceptual else {}
    test = Split(args.data, "test")
    weigh = scoring.pixel_weights(test, params.classes.grid, params.classes.sigma)
    models = {name: Colorizer.load(args.models / name).to(device) for name in seed_of}
    # A generator that learned something else first has no colours to compare.
    models = {name: model for name, model in models.items() if model.space.coloured}
    for model in models.values():
        model.refuse_other(read_summary(args.data).get("conditions"))
    identities = {name: f"floor of {folder_sha256(args.data)}" for name in FLOORS}
    identities |= {name: sha256(args.models / name / FILE) for name in models}
    # Where nothing is known of the lightness, the floors do not know it either.
    drawings = any(model.space.whole for model in models.values())
    rows = {}
    with new_folder(args.pictures) as folder:
        for name, identity in identities.items():
            predict = models[name].colours if name in models else FLOORS[name](args.data, drawings)
            found = scoring.rows(scoring.answers(predict, test, name, device), test, weigh, judges)
            found = found.assign(weights=identity.split()[-1][:12])
            found.to_csv(folder / f"{name}.csv", index=False, lineterminator="\n", float_format="%.6g")
            rows[name] = tables.read(folder / f"{name}.csv")
            with tracking.evaluation_run(params.runtime.tracking, model=name, identity=identity) as tracked:
                tracked.metrics(
                    0, {f"test_{key}": value for key, value in tables.summary(rows[name]).items()}
                )
                tracked.dataset("test pictures", sha256(args.data / CONTENTS), "test")
    tracking.mark_current(params.runtime.tracking, identities)

    missing = [f"lpips_{net}"] if lpips_missing else []
    table = seeds.comparison(rows, seed_of, facts(models, seed_of), missing)
    with new_file(args.out / "comparison.csv") as file:
        table.to_csv(file, index=False, lineterminator="\n", float_format="%.6g")
    shown = SHOWN + [name for name in (f"lpips_{net}",) if not lpips_missing]
    with new_file(args.out / "differences.csv") as file:
        paired = differences.paired(seeds.pooled(rows, seed_of))
        paired.to_csv(file, index=False, lineterminator="\n", float_format="%.6g")
    columns = [name for name in ("parameters", "encoder", "seeds") if name in table]
    with new_file(args.out / "comparison.md") as file:
        said = notes(rows["grey"], sha256(args.data / CONTENTS))
        said += [f"lpips_{net}: {lpips_missing}"] if lpips_missing else []
        text = seeds.markdown(table, shown, columns, said)
        file.write_text(text, encoding="utf-8")
    plots.bars(args.out / "figures.png", table, ["colorfulness", "auc_rebalanced", "ciede2000"])
    curves = {name: pd.read_csv(args.curves / f"{name}.csv") for name in models}
    label = "mean distance to the true colours (validation), units of ab"
    plots.curves(args.out / "curves.png", curves, seed_of, "val_ab_error", label)
    first = {model: names[0] for model, names in seeds.grouped(models, seed_of).items()}
    encode_png(
        args.out / "sheet.png",
        sheet(Split.shown(args.data), {model: models[name].cpu() for model, name in first.items()}),
    )
    print(f"{args.out}: {len(models)} trainings compared on {len(test)} test tiles")


def facts(models: dict[str, Colorizer], seed_of: dict[str, int]) -> dict[str, dict[str, object]]:
    """What a model is, by its name without the seed: its size, and what its encoder started from."""
    found = {}
    for model, names in seeds.grouped(models, seed_of).items():
        one = models[names[0]]
        millions = sum(weight.numel() for weight in one.network.parameters()) / 1e6
        found[model] = {"parameters": f"{millions:.1f} M"}
        if hasattr(one.network, "encoder"):
            found[model]["encoder"] = one.about["training"].get("encoder_weights", "random")
    return found


def notes(rows: pd.DataFrame, digest: str) -> list[str]:
    """What a reader has to know to read the table."""
    return [
        f"{len(rows)} test tiles of {rows['photograph'].nunique()} photographs, data {digest[:12]}; "
        "[95 % bootstrap interval over photographs] ± half the difference between seeds.",
        "grey, mean and random are floors: what one gets without learning anything. psnr rewards grey.",
        "A model is better than another only where the interval of their paired difference, in "
        "differences.csv, excludes zero.",
    ]


def sheet(regions: Split, models: dict[str, Colorizer]) -> np.ndarray:
    """A row per test picture: grey, as each model colours it, true."""
    rows = []
    for _, region in sheets.regions(regions):
        coloured = [into_gamut(model.colours(region)) for model in models.values()]
        rows.append([sheets.shown(lab) for lab in (region.grey, *coloured, region.lab)])
    return sheets.labelled(rows, ["grey", *models, "truth"])


if __name__ == "__main__":
    run(main)
