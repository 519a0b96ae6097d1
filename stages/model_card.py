"""Write the card of a model that comes with the package: what it is, where it is good, and where it fails.

    python -m stages.model_card --name gan --model tintype/weights/gan.safetensors \\
        --pictures reports/studies/release/shipped/pictures/gan.csv \\
        --figures studies/release/results/comparison.csv --data data/prepared/release \\
        --words studies/release/cards.md --out tintype/weights/gan.md \\
        --failures docs/images/release/gan-failures.png

Its words are a jinja2 template; the rest is what the model's file, the store's summary, the model's row per
test picture and the floors' figures say. `--failures` are the test pictures on which it did worst.
"""

import argparse
import os
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from tintype.colorizer import FILE, Colorizer
from tintype.console import UserError, run
from tintype.files import new_file, sha256
from tintype.images import encode_png
from tintype.report import card, tables
from tintype.store import Split, read_summary


@torch.no_grad()
def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--name", required=True, help="what the model is called: its file's name")
    parser.add_argument("--model", type=Path, required=True, help="the model's file")
    parser.add_argument("--pictures", type=Path, required=True, help="its CSV of evaluate: a row per picture")
    parser.add_argument("--figures", type=Path, required=True, help="comparison.csv, with the floors'")
    parser.add_argument("--data", type=Path, required=True, help="prepared photographs, that it learned from")
    parser.add_argument("--words", type=Path, required=True, help="the card's template")
    parser.add_argument("--out", type=Path, required=True, help="Markdown to write")
    parser.add_argument("--failures", type=Path, required=True, help="PNG to write: where it fails")
    args = parser.parse_args(argv)
    wanted = f"{args.name}{Path(FILE).suffix}"
    if args.model.name != wanted:
        raise UserError(f"--model: found {args.model}, allowed: a file {wanted}, for it is found by --name")
    torch.use_deterministic_algorithms(True)

    model = Colorizer.load(args.model)
    digest = sha256(args.model)
    rows, test = tables.read(args.pictures), Split(args.data, "test")
    refuse_other(args.pictures, rows, digest, test)
    table = card.beside_floors(args.name, rows, args.figures)
    failures = card.failures(rows)
    facts = {
        "name": args.name,
        "file": args.model.name,
        "bytes": args.model.stat().st_size,
        "sha256": digest,
        **about(model),
        **stored(args.data, test),
        "figures": card.figures(table),
        "failures": {kind: len(numbers) for kind, numbers in failures.items()},
        "picture": Path(os.path.relpath(args.failures, args.out.parent)).as_posix(),
    }
    text = card.rendered(args.words, facts)
    encode_png(args.failures, card.sheet(model, test, [*failures.values()], args.name))
    with new_file(args.out) as file:
        file.write_text(text, encoding="utf-8", newline="\n")
    print(f"{args.out}: the card of {args.name}, scored on {len(test)} test pictures; {args.failures}")


def refuse_other(pictures: Path, rows: pd.DataFrame, digest: str, test: Split) -> None:
    """Raise UserError where the rows of `pictures` are of other weights, or not the pictures of the split."""
    scored = ", ".join(rows["weights"].unique())
    if scored != digest[:12]:
        raise UserError(
            f"{pictures}: found figures of the weights {scored}, allowed: of {digest[:12]}, with which the "
            "sha256 of the model's file begins; score that file with stages.evaluate"
        )
    if not rows[tables.TILE].equals(test.index[tables.TILE]):
        raise UserError(
            f"{pictures}: found {len(rows)} pictures, allowed: the {len(test)} of the store's test split, in "
            "their order; score the model on these with stages.evaluate"
        )


def about(model: Colorizer) -> dict[str, Any]:
    """What a model tells of itself: its network's settings and size, and how it was trained."""
    return {
        "generator": model.about["generator"],
        "parameters": sum(weight.numel() for weight in model.network.parameters()),
        "training": model.about["training"],
    }


def stored(data: Path, test: Split) -> dict[str, Any]:
    """What a store tells of itself: how many pictures each split has, and the longer side of the test's."""
    return {
        "records": read_summary(data)["records"],
        "side": int(test.index[["width", "height"]].max(axis=None)),
    }


if __name__ == "__main__":
    run(main)
