"""Did the models of a study give icons the attributes asked for? Colour them, read them, join the figures.

    python -m stages.read_icons --params studies/icons/params.yaml --data data/prepared/icons \\
        --models models/icons --pictures reports/studies/icons/own --out studies/icons/results

Writes a row of figures per icon and training into `--pictures`: for each attribute 100 where the colour read
is the one asked for, else 0; and, made from those, `accuracy.csv` and `accuracy.md`. Writes `wheel.png`, too:
a training and a held-out character in all combinations, by one model and true, with a frame around the
combinations of the training character that were held out. Read are icons of training characters in
combinations held out, and of characters held out. Reads which models there are.
"""

import argparse
from collections.abc import Mapping
from operator import attrgetter
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from tintype import conditions
from tintype import params as parameters
from tintype.batch import Batch
from tintype.color import into_gamut
from tintype.colorizer import Colorizer
from tintype.colour_reader import Reader
from tintype.console import UserError, run
from tintype.files import new_folder, sha256
from tintype.floors import FLOORS
from tintype.images import encode_png
from tintype.progress import progress
from tintype.report import own_figures, seeds
from tintype.report.wheel import Colours, wheel
from tintype.store import CONTENTS, Split, read_summary

SPLITS = {"combinations": "test_conditions", "character": "test"}  # what is held out, and where it is
BATCH = 64


@torch.no_grad()
def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--params", type=Path, required=True, help="the study's params file")
    parser.add_argument("--data", type=Path, required=True, help="prepared icons")
    parser.add_argument("--models", type=Path, required=True, help="folder of the study's models")
    parser.add_argument("--sheet", help="the model on wheel.png, without its seed (default: the first)")
    parser.add_argument("--pictures", type=Path, required=True, help="folder to write: a CSV per training")
    parser.add_argument("--out", type=Path, required=True, help="folder to write tables and the sheet into")
    args = parser.parse_args(argv)
    seed_of = parameters.study(args.params).seeds
    torch.use_deterministic_algorithms(True)

    models = {name: Colorizer.load(args.models / name) for name in seed_of}
    models = {name: model for name, model in models.items() if model.space.coloured}
    for model in models.values():
        model.refuse_other(read_summary(args.data)["conditions"])
    names = seeds.grouped(models, seed_of)
    sheet = args.sheet or next(iter(names))
    if "drawing" in names:
        raise UserError(f"{args.params}: models: found drawing, which every table has, allowed: another name")
    if sheet not in names:
        raise UserError(f"--sheet: found {sheet}, allowed: {', '.join(names)}")
    colours: dict[str, Colours] = {"drawing": FLOORS["grey"](args.data, drawings=True)}
    # Models of photographs borrow the true lightness, from which a reader can tell a white shirt.
    if not all(model.space.whole for model in models.values()):
        colours["grey"] = FLOORS["grey"](args.data)
    colours |= {name: in_gamut(model) for name, model in models.items()}
    colours["truth"] = attrgetter("lab")

    reader = Reader(args.data)
    splits = {kind: Split(args.data, name) for kind, name in SPLITS.items()}
    found = {}
    with new_folder(args.pictures) as folder:
        for name, of_batch in progress(colours.items(), "read", "models", total=len(colours)):
            found[name] = rows(of_batch, reader, splits)
            found[name].to_csv(folder / f"{name}.csv", index=False, lineterminator="\n", float_format="%.6g")

    better = {f"{name}_{kind}": "%, up" for kind in SPLITS for name in reader.values}
    table = own_figures.comparison(found, seed_of, better)
    said = notes(reader, splits, sha256(args.data / CONTENTS), "grey" in colours)
    own_figures.write(args.out, "accuracy", table, better, said)
    encode_png(args.out / "wheel.png", wheel(args.data, reader, colours[names[sheet][0]]))
    print(f"{args.out}: {len(models)} trainings read, {names[sheet][0]} on wheel.png")


def in_gamut(model: Colorizer) -> Colours:
    return lambda batch: into_gamut(model.colours(batch))


def rows(colours: Colours, reader: Reader, splits: Mapping[str, Split]) -> pd.DataFrame:
    """A row per icon: `photograph`, and by attribute and kind of split 100 or 0, empty for other splits."""
    parts = []
    for kind, split in splits.items():
        for start in range(0, len(split), BATCH):
            numbers = np.arange(start, min(start + BATCH, len(split)))
            about = split.index.iloc[numbers]
            read = reader.read(colours(Batch.read(split, numbers)), about["group"].tolist())
            asked = pd.DataFrame([conditions.read(text) for text in about["condition"]])
            right = {f"{name}_{kind}": 100.0 * (asked[name] == values) for name, values in read.items()}
            parts.append(pd.DataFrame({"photograph": about["photograph"].to_numpy(), **right}))
    return pd.concat(parts, ignore_index=True)


def notes(reader: Reader, splits: Mapping[str, Split], digest: str, borrowed: bool) -> list[str]:
    """What a reader has to know to read the table."""
    counts = ((len(splits[kind]), splits[kind].index["group"].nunique()) for kind in SPLITS)
    (icons, characters), (others, held_out) = counts
    chance = ", ".join(f"{name} {100 / len(values):.3g} %" for name, values in reader.values.items())
    said = [
        f"Share of icons that have the value asked for; by chance {chance}. Data {digest[:12]}.",
        f"combinations: {icons} icons in combinations held out, of characters trained with ({characters}); "
        f"character: {others} icons of characters held out ({held_out}).",
        "[95 % bootstrap interval over icons] ± half the difference between seeds. The interval is for these "
        "few characters: it says nothing of others.",
        "drawing is a floor: left uncoloured, so that all are read alike. truth is the true icons.",
    ]
    return said + ["grey: the true lightness, which models of photographs are given."] * borrowed


if __name__ == "__main__":
    run(main)
