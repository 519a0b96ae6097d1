"""Join what evaluation wrote into one comparison: tables, grids of pictures, and what film does.

    python -m stages.report --pictures reports/pictures --samples reports/samples \\
        --data data/prepared/photos --weights data/raw/weights --bw data/prepared/bw \\
        --real-bw reports/real_bw --out reports

Reads `evaluate` and `real_bw` of params.yaml. Every table is made from the per-picture CSVs.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from tintype import params as parameters
from tintype.batch import Batch
from tintype.color import lab_to_rgb, to_uint8
from tintype.console import run
from tintype.files import new_file
from tintype.floors import FLOORS
from tintype.images import decode, encode_png
from tintype.report import sheets, tables
from tintype.report.film_sheet import film_sheet
from tintype.sources import backbones, bundled
from tintype.store import Split

LONGEST = 256
PHOTOGRAPH = "skimage/data/astronaut.png"  # to show on what film and age do


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pictures", type=Path, required=True, help="folder of per-picture CSVs")
    parser.add_argument(
        "--samples", type=Path, required=True, help="folder of coloured test regions, by model"
    )
    parser.add_argument("--data", type=Path, required=True, help="prepared photographs")
    parser.add_argument("--weights", type=Path, required=True, help="what download@weights gathered")
    parser.add_argument("--bw", type=Path, required=True, help="prepared black-and-white pictures")
    parser.add_argument(
        "--real-bw", type=Path, required=True, help="folder of coloured old pictures, by model"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder to write into")
    parser.add_argument("--params", type=Path, default="params.yaml")
    args = parser.parse_args(argv)
    params = parameters.load(args.params)

    models = {model: tables.read(args.pictures / f"{model}.csv") for model in params.evaluate.models}
    net = params.evaluate.metrics.lpips
    lpips_missing = backbones.why_not(args.weights, net)
    table = tables.comparison(models, [f"lpips_{net}"] if lpips_missing else [])
    write_csv(args.out / "comparison.csv", table)
    with new_file(args.out / "comparison.md") as file:
        file.write_text(tables.markdown(table, notes(models, net, lpips_missing)), encoding="utf-8")

    trained = [model for model in models if model not in FLOORS]
    encode_png(args.out / "comparison.png", test_sheet(Split.shown(args.data), args.samples, trained))
    encode_png(
        args.out / "real_bw.png", real_sheet(Split(args.bw, "all"), args.real_bw, params.real_bw.models)
    )
    encode_png(args.out / "film.png", film_sheet(decode(bundled.locate(PHOTOGRAPH))))
    real = {model: pd.read_csv(args.real_bw / model / "figures.csv") for model in params.real_bw.models}
    means = pd.DataFrame({model: rows.mean(numeric_only=True) for model, rows in real.items()}).T
    write_csv(args.out / "real_bw.csv", means.rename_axis("model").reset_index())
    print(table[["model", "psnr", "auc", "auc_rebalanced", "colorfulness"]].to_string(index=False, na_rep=""))
    print(f"{args.out}: comparison.csv, comparison.md, comparison.png, film.png, real_bw.csv, real_bw.png")


def notes(models: dict[str, pd.DataFrame], net: str, lpips_missing: str) -> list[str]:
    """What a reader has to know to read the table."""
    rows = next(iter(models.values()))
    said = [
        f"{len(rows)} test tiles of {rows['photograph'].nunique()} photographs; "
        "[95 % bootstrap interval over photographs].",
        f"{' and '.join(FLOORS)} are floors: what one gets without learning anything.",
        "psnr and ssim reward grey; read them beside the floor, never alone.",
        f"The truth is kept in 8-bit Lab, {rows['ciede2000_store'].mean():.3f} CIEDE2000 from the pictures "
        "on average: smaller differences mean nothing.",
    ]
    if lpips_missing:
        said.append(f"lpips_{net}: not available: {lpips_missing}")
    return said


def test_sheet(regions: Split, samples: Path, models: list[str]) -> np.ndarray:
    """A row per test picture that is shown: grey, each model, truth."""
    rows = []
    for number in range(len(regions)):
        region = Batch.of_records(regions[number][None])
        coloured = [decode(samples / model / f"{number:04d}.png") for model in models]
        rows.append([to_uint8(lab_to_rgb(region.grey))[0], *coloured, to_uint8(lab_to_rgb(region.lab))[0]])
    return sheets.labelled(rows, ["grey", *models, "truth"])


def real_sheet(pictures: Split, folder: Path, models: list[str]) -> np.ndarray:
    """A row per black-and-white picture: as it is, and as each model colours it."""
    coloured = [sorted((folder / model).glob("*.png")) for model in models]
    rows = []
    for number, files in enumerate(zip(*coloured, strict=True)):
        picture = Batch.of_records(pictures[number][None])
        grey = to_uint8(lab_to_rgb(picture.grey))[0]
        rows.append([sheets.fit(shown, LONGEST) for shown in (grey, *map(decode, files))])
    return sheets.labelled(rows, ["black and white", *models])


def write_csv(path: Path, table: pd.DataFrame) -> None:
    with new_file(path) as file:
        table.to_csv(file, index=False, lineterminator="\n", float_format="%.6g")


if __name__ == "__main__":
    run(main)
