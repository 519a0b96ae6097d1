"""Score one model, or a floor, or pictures that another system coloured, on the test split.

    python -m stages.evaluate --model gan --made-from models/gan --data data/prepared/photos \\
        --weights data/raw/weights --pictures reports/pictures/gan.csv --films reports/films/gan.csv \\
        --metrics reports/metrics/gan.json --samples reports/samples/gan

Writes a row of figures per test picture; for a model, a row per picture and kind of black-and-white film;
their summary; test pictures and test regions coloured. Figures that need a network are there where
download@weights recorded it; where not, the summary says why. Reads `classes`, `evaluate.metrics` and
`evaluate.protocol` of params.yaml.
"""

import argparse
from pathlib import Path

import pandas as pd
import torch

from tintype import cost, external, film_scoring, protocols, scoring, tracking
from tintype import params as parameters
from tintype.batch import Batch
from tintype.color import into_gamut, lab_to_rgb, to_uint8
from tintype.colorizer import Colorizer, file_of
from tintype.console import run
from tintype.files import folder_sha256, new_file, new_folder, sha256, write_json
from tintype.images import encode_png
from tintype.judges import Judges
from tintype.report import gallery, sheets, tables
from tintype.store import CONTENTS, Split, read_summary


@torch.no_grad()
def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", required=True, help="a key of evaluate.models")
    made_from = "a model's folder or file; for a floor, its code; else a folder of coloured pictures"
    parser.add_argument("--made-from", type=Path, required=True, help=made_from)
    parser.add_argument("--data", type=Path, required=True, help="prepared photographs")
    parser.add_argument("--weights", type=Path, required=True, help="what download@weights gathered")
    parser.add_argument("--pictures", type=Path, required=True, help="CSV to write: a row per test picture")
    parser.add_argument("--films", type=Path, required=True, help="CSV to write: a row per picture and film")
    parser.add_argument("--metrics", type=Path, required=True, help="JSON to write: the summary")
    parser.add_argument("--samples", type=Path, required=True, help="folder to write: coloured pictures")
    parser.add_argument("--params", type=Path, default="params.yaml")
    args = parser.parse_args(argv)
    params = parameters.load(args.params)
    device = scoring.device(params.runtime.accelerator)

    test, regions = Split(args.data, "test"), Split.shown(args.data)
    protocols.refuse_other(params.evaluate.protocol, len(test))
    predict, identity, costs, speed = None, "", {}, {}
    if args.made_from.suffix == ".py":
        # Imported only where it is named, so that a trained model's figures depend on no floor.
        from tintype.floors import FLOORS

        predict = FLOORS[args.model](args.data)
        identity = f"floor of {folder_sha256(args.data)}"
    elif args.made_from.parts[0] == "models" or file_of(args.made_from).is_file():
        colorizer = Colorizer.load(args.made_from).to(device)
        colorizer.refuse_other(read_summary(args.data).get("conditions"))
        predict = colorizer.colours
        identity = sha256(file_of(args.made_from))
        picture = Batch.read(test, [0], device)
        costs = cost.size(colorizer, picture)
        speed = {"test_ms_per_picture": cost.milliseconds(predict, picture)}

    judges = Judges(params.evaluate.metrics, args.weights, device, test.index["label"])
    weigh = scoring.pixel_weights(test, params.classes.grid, params.classes.sigma)
    with new_folder(args.samples) as folder:
        if predict is None:
            identity = f"pictures {folder_sha256(args.made_from)}"
            answers, shown = (external.answers(args.made_from, split, device) for split in (test, regions))
        else:
            answers = scoring.answers(predict, test, args.model, device)
            shown = scoring.answers(predict, regions, f"{args.model}'s regions", device, size=1)
        kept = gallery.kept(judges.passing(answers), gallery.chosen(test), folder / gallery.FILE)
        rows = judges.right(scoring.rows(kept, test, weigh, judges.each))
        sheet = []
        for number, (_, lab) in enumerate(shown):
            sheet.append(to_uint8(lab_to_rgb(into_gamut(lab)))[0])
            encode_png(folder / f"{number:04d}.png", sheet[-1])
    rows = rows.assign(weights=identity.split()[-1][:12])  # of words and a digest
    films = pd.DataFrame(columns=film_scoring.COLUMNS)
    if costs and params.prepare.photos.input.training in film_scoring.FILMS:
        films = film_scoring.rows(predict, test, weigh, args.model, device)

    summary = tables.summary(rows) | {"ciede2000_store": round(float(rows["ciede2000_store"].mean()), 6)}
    summary |= judges.of_set(test.index["photograph"]) | costs
    summary |= dict.fromkeys(judges.missing, tables.MISSING)  # why, the report says
    for path, table in ((args.pictures, rows), (args.films, films)):
        with new_file(path) as file:
            table.to_csv(file, index=False, lineterminator="\n", float_format="%.6g")
    write_json(args.metrics, summary)

    with tracking.evaluation_run(params.runtime.tracking, model=args.model, identity=identity) as tracked:
        numbers = {name: value for name, value in summary.items() if not isinstance(value, str)}
        tracked.metrics(
            0, {name if name in costs else f"test_{name}": numbers[name] for name in numbers} | speed
        )
        for name, reason in judges.missing.items():
            tracked.tag(f"test_{name}", reason)
        tracked.dataset("test pictures", sha256(args.data / CONTENTS), "test")
        tracked.image("test", 0, sheets.grid([sheet[at : at + 3] for at in range(0, len(sheet[:9]), 3)]))
        tracked.artifact(args.pictures, "evaluation")
        tracked.artifact(args.metrics, "evaluation")
    tracking.mark_current(params.runtime.tracking, {args.model: identity})
    print(f"{args.metrics}: {len(test)} test pictures")
    for name, reason in judges.missing.items():
        print(f"{name}: {reason}")


if __name__ == "__main__":
    run(main)
