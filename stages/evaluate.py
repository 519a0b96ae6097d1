"""Score one model, or a floor, on the test split.

    python -m stages.evaluate --model gan --made-from models/gan --data data/prepared/photos \\
        --weights data/raw/weights --pictures reports/pictures/gan.csv --metrics reports/metrics/gan.json \\
        --samples reports/samples/gan

Writes a row of figures per test tile, their summary, and test regions coloured. LPIPS
is computed where download@weights recorded its backbone; where not, the summary says so. Reads
`classes` and `evaluate.metrics` of params.yaml.
"""

import argparse
from pathlib import Path

import numpy as np
import torch

from tintype import params as parameters
from tintype import scoring, tracking
from tintype.batch import Batch
from tintype.colorizer import FILE, Colorizer
from tintype.console import run
from tintype.files import folder_sha256, new_file, new_folder, sha256, write_json
from tintype.images import encode_png
from tintype.report import tables
from tintype.store import Split, read_summary


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", required=True, help="a key of evaluate.models")
    parser.add_argument(
        "--made-from", type=Path, required=True, help="a model's folder; for a floor, its code"
    )
    parser.add_argument("--data", type=Path, required=True, help="prepared photographs")
    parser.add_argument("--weights", type=Path, required=True, help="what download@weights gathered")
    parser.add_argument("--pictures", type=Path, required=True, help="CSV to write: a row per test tile")
    parser.add_argument("--metrics", type=Path, required=True, help="JSON to write: the summary")
    parser.add_argument("--samples", type=Path, required=True, help="folder to write: coloured test regions")
    parser.add_argument("--params", type=Path, default="params.yaml")
    args = parser.parse_args(argv)
    params = parameters.load(args.params)
    torch.use_deterministic_algorithms(True)

    if args.made_from.suffix == ".py":
        # Imported only where it is named, so that a trained model's figures depend on no floor.
        from tintype.floors import FLOORS

        predict = FLOORS[args.model](args.data)
        identity = f"floor of {folder_sha256(args.data)}"
    else:
        colorizer = Colorizer.load(args.made_from)
        colorizer.refuse_other(read_summary(args.data).get("conditions"))
        predict = colorizer.colours
        identity = sha256(args.made_from / FILE)
    net = params.evaluate.metrics.lpips
    perceptual, lpips = scoring.load_lpips(net, args.weights)
    test = Split(args.data, "test")
    weigh = scoring.pixel_weights(test, params.classes.grid, params.classes.sigma)
    rows = scoring.rows(predict, test, weigh, perceptual, args.model)
    rows = rows.rename(columns={"lpips": f"lpips_{net}"}).assign(weights=identity[:12])
    summary = tables.summary(rows) | {"ciede2000_store": round(float(rows["ciede2000_store"].mean()), 6)}
    if lpips:
        summary[f"lpips_{net}"] = lpips

    regions = Split.shown(args.data)
    with new_folder(args.samples) as folder:
        for number in range(len(regions)):
            region = Batch.read(regions, np.array([number]))
            encode_png(folder / f"{number:04d}.png", scoring.coloured(predict, region))
    with new_file(args.pictures) as file:
        rows.to_csv(file, index=False, lineterminator="\n", float_format="%.6g")
    write_json(args.metrics, summary)

    with tracking.evaluation_run(params.runtime.tracking, model=args.model, identity=identity) as tracked:
        numbers = {f"test_{name}": value for name, value in summary.items() if not isinstance(value, str)}
        tracked.metrics(0, numbers)
        if lpips:
            tracked.tag(f"test_lpips_{net}", lpips)
        tracked.artifact(args.pictures, "evaluation")
        tracked.artifact(args.metrics, "evaluation")
    tracking.mark_current(params.runtime.tracking, {args.model: identity})
    print(f"{args.metrics}: {len(test)} test tiles" + (f"; LPIPS {lpips}" if lpips else ""))


if __name__ == "__main__":
    run(main)
