"""Draw several colourings of each picture from one model; show them, and add some to the training pictures.

    python -m stages.sample --made-from models/autoencoder/vae-gan-1 --data data/prepared/photos \\
        --colourings 6 --share 0.5 --sheet samples.png --figures samples.csv --store data/prepared/sampled

The store is a copy of `--data` in which a share of the training pictures is there twice: with their own
colours, and with drawn ones. Reads `seed` of params.yaml.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from tintype import params as parameters
from tintype.batch import Batch
from tintype.color import into_gamut, lab_to_bytes, lab_to_rgb, to_uint8
from tintype.colorizer import Colorizer
from tintype.console import UserError, run
from tintype.files import new_file, new_folder
from tintype.images import encode_png
from tintype.progress import progress
from tintype.report import sheets
from tintype.store import Split, extend

BATCH, LONGEST = 64, 96  # on the sheet, pixels


@torch.no_grad()
def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--made-from", type=Path, required=True, help="the model's folder")
    parser.add_argument("--data", type=Path, required=True, help="prepared photographs")
    parser.add_argument("--colourings", type=int, required=True, help="of each picture on the sheet")
    parser.add_argument("--share", type=float, required=True, help="of the training pictures, in (0, 1]")
    parser.add_argument("--sheet", type=Path, required=True, help="PNG to write: test pictures")
    parser.add_argument("--figures", type=Path, required=True, help="CSV to write: how far colourings differ")
    parser.add_argument("--store", type=Path, required=True, help="folder to write: pictures to train on")
    parser.add_argument("--params", type=Path, default="params.yaml")
    args = parser.parse_args(argv)
    if args.colourings < 2 or not 0 < args.share <= 1:
        raise UserError("allowed: at least 2 --colourings, and a --share above 0 and up to 1")
    seed = parameters.load(args.params).seed
    torch.use_deterministic_algorithms(True)
    model = Colorizer.load(args.made_from)

    rows, figures, regions = [], [], Split.shown(args.data)
    for number in progress(range(len(regions)), "sample", "pictures"):
        picture = Batch.read(regions, np.array([number]))
        colourings = model.sample(picture, args.colourings, seed)
        drawn = colourings[:, :, 1:]
        row = [*to_uint8(lab_to_rgb(into_gamut(colourings[:, 0]))), to_uint8(lab_to_rgb(picture.lab))[0]]
        rows.append([sheets.fit(shown, LONGEST) for shown in row])
        # Of the mean over colourings: its distance to the truth, and theirs to it.
        mean = drawn.mean(dim=0)
        figures.append(
            {
                "photograph": regions.index["photograph"][number],
                "ab_error": float((mean - picture.ab).norm(dim=1).mean()),
                "ab_spread": float((drawn - mean).norm(dim=2).mean()),
            }
        )
    names = [f"colouring {number}" for number in range(1, args.colourings + 1)]
    encode_png(args.sheet, sheets.labelled(rows, [*names, "truth"]))
    with new_file(args.figures) as file:
        pd.DataFrame(figures).to_csv(file, index=False, lineterminator="\n", float_format="%.6g")

    train = Split(args.data, "train")
    chosen = np.sort(np.random.default_rng(seed).permutation(len(train))[: round(len(train) * args.share)])
    with new_folder(args.store) as folder:
        extend(args.data, folder, "sampled.bin", chosen, recoloured(model, train, chosen, seed))
    print(f"{args.store}: {len(chosen)} training pictures more, coloured by {args.made_from}")


def recoloured(model: Colorizer, split: Split, numbers: np.ndarray, seed: int) -> Iterator[np.ndarray]:
    """Those records of a split, uint8 (4, H, W), with drawn colours instead of their own."""
    for start in progress(range(0, len(numbers), BATCH), "recolour", "batches"):
        some = numbers[start : start + BATCH]
        records, batch = split.batch(some), Batch.read(split, some)
        (colourings,) = model.sample(batch, 1, seed + start)
        lab = lab_to_bytes(into_gamut(colourings)).numpy()
        yield from np.concatenate([records[:, :1], lab], axis=1)


if __name__ == "__main__":
    run(main)
