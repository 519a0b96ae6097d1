"""`tintype models`: what is there to colour with."""

import argparse
import json

from tintype import models

SHOWN = {"lpips_squeeze": "LPIPS", "ciede2000": "CIEDE2000", "psnr": "PSNR", "colorfulness": "colourful"}
TRUTH = "colourfulness should come near the truth's; LPIPS and CIEDE2000 should be low, PSNR high"


def add(subparsers: argparse._SubParsersAction) -> None:
    """Add `models` to the commands of `tintype`."""
    parser = subparsers.add_parser(
        "models",
        help="list the trained models and their figures",
        description="List the trained models below ./models, with their figures on the test split. The first "
        "one is used where no --model is named.",
    )
    parser.add_argument("--json", action="store_true", help="print all that is known, as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Print the list."""
    found = models.known()
    if args.json:
        about = [{"name": of.name, "path": str(of.path), "figures": of.figures} for of in found]
        print(json.dumps(about, indent=2))
        return
    if not found:
        models.find(None)  # says what to do
    width = max(len(of.name) for of in found) + 2
    print("model".ljust(width), *(name.rjust(9) for name in SHOWN.values()))
    for of in found:
        print(of.name.ljust(width), *(_cell(of.figures.get(key)).rjust(9) for key in SHOWN))
    print(f"\n{found[0].name} is used where no --model is named. {TRUTH}.")


def _cell(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else "-"
