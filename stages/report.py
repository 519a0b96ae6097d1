"""Join what evaluation wrote into one comparison: tables, sheets of pictures, and a page to read.

    python -m stages.report --pictures reports/pictures --films reports/films --metrics reports/metrics \\
        --samples reports/samples --curves reports/curves --data data/prepared/photos \\
        --weights data/raw/weights --bw data/prepared/bw --real-bw reports/real_bw --out reports

Every table is made from the per-picture CSVs. The page, `index.html`, says with which values and data it was
made; those are all of params.yaml but `runtime`.
"""

import argparse
import json
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
from tintype.report import assembly, breakdowns, differences, gallery, page, sheets, tables
from tintype.report.film_sheet import film_sheet
from tintype.sources import bundled
from tintype.store import SHOWN, Split

LONGEST = 256
PHOTOGRAPH = "skimage/data/astronaut.png"  # to show on what film and age do
COMMANDS = [
    "make repro       # in a checkout of the project: installs, trains, scores, writes this page",
    "make dashboard   # shows the trainings in MLflow",
    "ls models        # each model's folder holds its model.safetensors",
]


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, what in {
        "pictures": "folder of CSVs, by model: a row per test picture",
        "films": "folder of CSVs, by model: a row per picture and film",
        "metrics": "folder of summaries, by model",
        "samples": "folder of coloured test pictures, by model",
        "curves": "folder of the trainings' curves, by model",
        "data": "prepared photographs",
        "weights": "what download@weights gathered",
        "bw": "prepared black-and-white pictures",
        "real-bw": "folder of coloured old pictures, by model",
        "out": "folder to write into",
    }.items():
        parser.add_argument(f"--{name}", type=Path, required=True, help=what)
    parser.add_argument("--params", type=Path, default="params.yaml")
    args = parser.parse_args(argv)
    params = parameters.load(args.params)
    test, old = Split(args.data, "test"), Split(args.bw, "all")

    models = {model: tables.read(args.pictures / f"{model}.csv") for model in params.evaluate.models}
    summaries = {model: json.loads((args.metrics / f"{model}.json").read_text()) for model in models}
    absent = [name for summary in summaries.values() for name in summary if summary[name] == tables.MISSING]
    missing = {name: assembly.why_missing(name, args.weights) for name in dict.fromkeys(absent)}
    of_sets = {model: assembly.of_sets(summary) for model, summary in summaries.items()}
    table = tables.comparison(models, list(missing), of_sets)
    paired = differences.paired(models)
    verdict = differences.verdict(table, paired, FLOORS)
    first = next(iter(models.values()))
    parts = breakdowns.by_part(models, breakdowns.parts(test.index, first))
    scored = {model: rows for model, rows in models.items() if model not in FLOORS}
    films = {model: tables.read_rows(args.films / f"{model}.csv") for model in scored}
    films = breakdowns.by_film(films, params.prepare.photos.input.training)
    learned_from = set(Split(args.data, "train").index["photograph"])
    said = assembly.notes(models, missing, len(learned_from & set(test.index["photograph"])))

    write_csv(args.out / "comparison.csv", table)
    write_csv(args.out / "differences.csv", paired)
    write_csv(args.out / "breakdowns.csv", parts)
    write_csv(args.out / "films.csv", films)
    with new_file(args.out / "comparison.md") as file:
        file.write_text(tables.markdown(table, [*verdict, *said]), encoding="utf-8")
    sheet = test_sheet(Split.shown(args.data), args.samples, list(scored))
    encode_png(args.out / "comparison.png", sheet)
    encode_png(args.out / "real_bw.png", real_sheet(old, args.real_bw, params.real_bw.models))
    encode_png(args.out / "film.png", film_sheet(decode(bundled.locate(PHOTOGRAPH))))
    gaps = assembly.gaps(args.real_bw, params.real_bw.models)
    write_csv(args.out / "gaps.csv", gaps)
    write_csv(args.out / "real_bw.csv", assembly.of_real(gaps))

    content = page.Page(
        verdict=verdict,
        table=table,
        notes=said,
        differences=paired,
        breakdowns=parts,
        films=films,
        gaps=gaps,
        pictures=assembly.pictures(test, args.samples, scored),
        more=f"{gallery.LIMIT:,} of {len(test):,}, from all over." if len(test) > gallery.LIMIT else "",
        old=assembly.old(old, args.real_bw, params.real_bw.models),
        curves={
            file.stem: pd.read_csv(file) for file in sorted(args.curves.glob("*.csv")) if file.stem in scored
        },
        params=assembly.values(params),
        digests=assembly.digests(args.data, args.bw, args.weights, scored),
        commands=COMMANDS,
    )
    page.write(args.out, content)
    print("\n".join(verdict))
    print(f"{args.out}: index.html, comparison.csv and .md, differences.csv, breakdowns.csv, films.csv, ...")


def test_sheet(regions: Split, samples: Path, models: list[str]) -> np.ndarray:
    """A row per test picture that is shown: grey, each model, truth."""
    rows = []
    for number in range(len(regions)):
        region = Batch.of_records(regions[number][None])
        coloured = [decode(samples / model / f"{number:04d}.png") for model in models]
        rows.append([to_uint8(lab_to_rgb(region.grey))[0], *coloured, to_uint8(lab_to_rgb(region.lab))[0]])
    return sheets.labelled(rows, ["grey", *models, "truth"])


def real_sheet(pictures: Split, folder: Path, models: list[str]) -> np.ndarray:
    """A row per black-and-white picture, SHOWN of them at most: as it is, and as each model colours it."""
    coloured = [sorted((folder / model).glob("*.png")) for model in models]
    together = list(zip(*coloured, strict=True))
    rows = []
    for number in np.linspace(0, len(together) - 1, min(SHOWN, len(together))).round().astype(int):
        picture = Batch.of_records(pictures[number][None])
        grey = to_uint8(lab_to_rgb(picture.grey))[0]
        rows.append([sheets.fit(shown, LONGEST) for shown in (grey, *map(decode, together[number]))])
    return sheets.labelled(rows, ["black and white", *models])


def write_csv(path: Path, table: pd.DataFrame) -> None:
    with new_file(path) as file:
        table.to_csv(file, index=False, lineterminator="\n", float_format="%.6g")


if __name__ == "__main__":
    run(main)
