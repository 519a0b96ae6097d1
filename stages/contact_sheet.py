"""Colour photographs at full size with several models, and lay them side by side: a row per photograph.

    python -m stages.contact_sheet --raw data/raw/photos --models tintype/weights/cnn.safetensors \\
        tintype/weights/gan.safetensors --out docs/images/release/photographs.png

Reads a gathered set, `--pictures` of it from all over. Where they have colours, the last column is the truth.
"""

import argparse
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from tintype import full_size, real_bw, scans
from tintype.colorizer import Colorizer, file_of
from tintype.console import UserError, run
from tintype.images import MAX_PIXELS, decode, encode_png
from tintype.progress import progress
from tintype.report import sheets
from tintype.sources import manifest, places
from tintype.tints import COLOURFUL

LONGEST = 160  # pixels of a cell's longer side


@torch.no_grad()
def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--raw", type=Path, required=True, help="folder with manifest.csv")
    parser.add_argument("--models", type=Path, nargs="+", required=True, help="folders or files of models")
    parser.add_argument("--pictures", type=int, default=8, help="rows, at most; default: 8")
    parser.add_argument("--out", type=Path, required=True, help="PNG to write")
    args = parser.parse_args(argv)
    torch.use_deterministic_algorithms(True)

    models = [Colorizer.load(path) for path in args.models]
    names = [path.stem if file_of(path) == path else path.name for path in args.models]
    rows, coloured = [], []
    for rgb in progress(photographs(args.raw, args.pictures), "colour", "photographs"):
        grey = real_bw.grey_values(full_size.lightness_of(rgb))
        coloured.append(scans.has_colours(rgb) > COLOURFUL)
        shown = [np.stack([grey] * 3, axis=2), *(model.colorize(grey) for model in models), rgb]
        rows.append([sheets.fit(picture, LONGEST) for picture in shown])
    if not rows:
        raise UserError(f"{args.raw / manifest.NAME} lists no pictures; look at `download`")
    names = ["grey", *names, "truth"]
    if not any(coloured):
        rows, names = [row[:-1] for row in rows], names[:-1]
    encode_png(args.out, sheets.labelled(rows, names))
    print(f"{args.out}: {len(rows)} photographs, {len(models)} models")


def photographs(raw: Path, number: int) -> Iterator[np.ndarray]:
    """Pictures of a set, uint8 (H, W, 3): all, or `number` from all over."""
    listed = list(manifest.read(raw))
    for at in real_bw.spread(len(listed), number):
        picture = listed[at]
        data = places.read(places.find(raw, picture.place), picture.path, picture.offset, picture.bytes)
        yield decode(io.BytesIO(data), MAX_PIXELS)


if __name__ == "__main__":
    run(main)
