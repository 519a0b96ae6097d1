"""Gather one set of raw data.

Reads `download.SET` of `params.yaml`; writes the folder OUT with the set's files and their `manifest.csv`.

    python -m stages.download --set photos --out data/raw/photos

With a study's params file, SET is one of the study's own.
"""

import argparse
import importlib
from pathlib import Path

from tintype import params
from tintype.console import UserError, run
from tintype.files import new_folder


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Gather one set of raw data, as params.yaml describes it.")
    parser.add_argument("--set", required=True, help="the set's name under `download:`, such as photos")
    parser.add_argument(
        "--out", required=True, type=Path, help="the folder to write; an older one is replaced"
    )
    parser.add_argument("--params", default=Path("params.yaml"), type=Path)
    arguments = parser.parse_args(argv)

    sets = params.sets(arguments.params)
    if arguments.set not in sets:
        raise UserError(
            f"--set: there is no {arguments.set!r} under `download:`; choose one of {', '.join(sets)}"
        )
    settings = sets[arguments.set]
    # Only the source that is named is imported, so that a stage depends on that file alone.
    source = importlib.import_module(f"tintype.sources.{settings.source}")
    with new_folder(arguments.out) as folder:
        line = source.gather(settings, folder)
    print(f"{arguments.out}: {line}")


if __name__ == "__main__":
    run(main)
