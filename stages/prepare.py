"""Turn gathered pictures into packed records that training reads.

    python -m stages.prepare --layout tiles --raw data/raw/photos --out data/prepared/photos

Reads `prepare` and `seed` of params.yaml. Writes shards, `index.csv`, `rejected.csv` (picture, reason)
and `summary.json` (counts, mean Lab, histogram of ab over the training split). Layout `tiles` divides
each photograph into regions for training, validation and test, and cuts those into tiles; layout
`whole` keeps each picture as it is.
"""

import argparse
import csv
import json
from pathlib import Path

import pandas as pd
from joblib import Parallel, delayed

from tintype import params as parameters
from tintype import preparing, store
from tintype.console import UserError, run
from tintype.files import new_file, new_folder
from tintype.progress import progress
from tintype.sources import manifest


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--layout", choices=["tiles", "whole"], required=True)
    parser.add_argument("--raw", type=Path, required=True, help="folder with manifest.csv")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument("--params", type=Path, default="params.yaml")
    args = parser.parse_args(argv)
    params = parameters.load(args.params)

    listed = manifest.read(args.raw)
    shared = listed["group"].duplicated(keep=False) & (listed["group"] != "")
    pictures = listed.assign(shared_scene=shared).to_dict("records")
    size = params.prepare.pictures_per_shard
    chunks = [pictures[start : start + size] for start in range(0, len(pictures), size)]
    with new_folder(args.out) as out:
        # Each task writes its own shards and returns only rows, so that its backend may be processes or
        # a cluster.
        tasks = (
            delayed(preparing.prepare_chunk)(
                number, chunk, args.raw, out, args.layout, params.prepare, params.seed
            )
            for number, chunk in enumerate(chunks)
        )
        workers = Parallel(n_jobs=params.runtime.jobs, return_as="generator")(tasks)
        chunks_done = list(progress(workers, "prepare", "shards", total=len(chunks)))
        rows = [row for done in chunks_done for row in done.rows]
        rejected = [reject for done in chunks_done for reject in done.rejected]
        rejected += preparing.unlisted(args.raw, pictures)
        if not pictures:
            raise UserError(f"{args.raw / manifest.NAME} lists no pictures; look at download in params.yaml")
        if not rows:
            reasons = "; ".join(f"{reject['path']}: {reject['reason']}" for reject in rejected[:5])
            raise UserError(f"{args.raw}: none of {len(pictures)} pictures can be used ({reasons})")
        store.write_index(out, rows)
        pd.DataFrame(rejected, columns=["path", "reason"]).to_csv(
            out / "rejected.csv", index=False, lineterminator="\n", quoting=csv.QUOTE_MINIMAL
        )
        summary = preparing.summary(out, rows, len(rejected))
        with new_file(out / "summary.json") as file:
            lines = (f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in summary.items())
            file.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    counts = ", ".join(f"{count} {split}" for split, count in summary["records"].items())
    print(f"{args.out}: {counts}; {len(rejected)} pictures rejected")


if __name__ == "__main__":
    run(main)
