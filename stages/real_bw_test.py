"""Colour real black-and-white pictures with one model, at full resolution.

    python -m stages.real_bw_test --model gan --made-from models/gan --data data/prepared/bw \\
        --out reports/real_bw/gan

Nobody knows their true colours, so the figures need none: how colourful the answer is, how much of it
is grey, how much could not be shown and lost chroma, and whether colours end where things end. Writes a
PNG per picture and `figures.csv`.
"""

import argparse
from pathlib import Path, PurePosixPath

import pandas as pd
import torch

from tintype import metrics, tracking
from tintype import params as parameters
from tintype.batch import Batch
from tintype.color import into_gamut, lab_to_rgb, to_uint8
from tintype.colorizer import FILE, Colorizer
from tintype.console import run
from tintype.files import new_folder, sha256
from tintype.images import encode_png
from tintype.progress import progress
from tintype.report import sheets
from tintype.store import CONTENTS, Split


@torch.no_grad()
def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", required=True, help="the model's name")
    parser.add_argument("--made-from", type=Path, required=True, help="the model's folder")
    parser.add_argument("--data", type=Path, required=True, help="prepared black-and-white pictures")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument("--params", type=Path, default="params.yaml")
    args = parser.parse_args(argv)
    params = parameters.load(args.params)
    torch.use_deterministic_algorithms(True)

    colorizer = Colorizer.load(args.made_from)
    pictures = Split(args.data, "all")
    figures, shown = [], []
    with new_folder(args.out) as out:
        for number, record in enumerate(
            progress(pictures, f"colour {args.model}", "pictures", total=len(pictures))
        ):
            picture = Batch.of_records(record[None])
            predicted = colorizer.lab(colorizer.planes(picture), picture.input)
            lab = into_gamut(predicted)
            rgb = lab_to_rgb(lab)
            name = pictures.index["photograph"][number]
            encode_png(out / f"{number:04d}-{PurePosixPath(name).stem}.png", to_uint8(rgb)[0])
            shown.append(sheets.fit(to_uint8(rgb)[0], 256))
            values = {
                "colorfulness": metrics.colorfulness(rgb),
                "colorfulness_abs": metrics.colorfulness_abs(rgb),
                "mean_chroma": lab[:, 1:].norm(dim=1).mean(dim=(1, 2)),
                "grey_share": metrics.grey_share(lab[:, 1:]),
                "out_of_gamut_share": metrics.out_of_gamut_share(lab_to_rgb(predicted, clip=False)),
                "edge_alignment": metrics.edge_alignment(lab[:, :1], lab[:, 1:]),
            }
            figures.append({"picture": name} | {key: value.item() for key, value in values.items()})
        table = pd.DataFrame(figures)
        table.to_csv(out / "figures.csv", index=False, lineterminator="\n", float_format="%.6g")

    identity = sha256(args.made_from / FILE)
    with tracking.evaluation_run(params.runtime.tracking, model=args.model, identity=identity) as tracked:
        tracked.dataset("black-and-white pictures", sha256(args.data / CONTENTS), "real_bw")
        tracked.metrics(0, {"real_bw_colorfulness": table["colorfulness"].mean()})
        tracked.image("real_bw", 0, sheets.grid([shown[at : at + 3] for at in range(0, len(shown[:9]), 3)]))
    print(f"{args.out}: {len(pictures)} pictures coloured")


if __name__ == "__main__":
    run(main)
