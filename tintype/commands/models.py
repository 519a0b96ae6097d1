"""`tintype models`: what is there to colour with."""

import argparse
import json
from typing import Any

from tintype import models

SHOWN = {"lpips_squeeze": "LPIPS", "ciede2000": "CIEDE2000", "psnr": "PSNR"}
COLOURS = ("colourful", "of truth")
TRUTH = "colourfulness should come near that of the truth; LPIPS and CIEDE2000 should be low, PSNR high"


def add(subparsers: argparse._SubParsersAction) -> None:
    """Add `models` to the commands of `tintype`."""
    parser = subparsers.add_parser(
        "models",
        help="list the trained models and their figures",
        description="List the models that came with Tintype, and those trained below ./models, with their "
        "figures on test pictures. The first one is used where no --model is named.",
    )
    parser.add_argument("--json", action="store_true", help="print all that is known, as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Print the list."""
    found = models.known()
    if args.json:
        print(json.dumps([vars(of) | {"path": str(of.path)} for of in found], indent=2))
        return
    if not found:
        models.find(None)  # says what to do
    width = max(len(of.name) for of in found) + 2
    print("model".ljust(width), *(name.rjust(9) for name in (*SHOWN.values(), *COLOURS)))
    for of in found:
        shown = [of.figures.get(key) for key in SHOWN] + _colours(of.figures)
        print(of.name.ljust(width), *(_cell(value).rjust(9) for value in shown))
    print(f"\n{found[0].name} is used where no --model is named. {TRUTH}.")
    if any(of.shipped and of.figures for of in found):
        print(_of_shipped())


def _of_shipped() -> str:
    """Where those that came with Tintype have their figures from."""
    return (
        f"{models.PREFIX}... came with Tintype: their figures are of test pictures of their own, which their "
        f"cards describe ({models.SHIPPED}), and do not compare with those of models trained here."
    )


def _colours(figures: dict[str, Any]) -> list[float | None]:
    """The mean colourfulness of a model's answers, and of the true pictures."""
    found, more = figures.get("colorfulness"), figures.get("delta_colorfulness_mean")
    return [found, found - more if isinstance(found, float) and isinstance(more, float) else None]


def _cell(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else "-"
