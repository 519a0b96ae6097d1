"""Turn gathered pictures into packed records that training reads.

    python -m stages.prepare --set photos --raw data/raw/photos --out data/prepared/photos

Reads `prepare.SET`, `prepare.shared` and `seed` of params.yaml. Writes shards, `index.csv`, `contents.csv`
(checksums), `rejected.csv` (path, kind, reason) and `summary.json` (counts, mean Lab, histogram of ab over
the training split). Layout `tiles` divides each photograph into regions for training, validation and test,
and cuts those into tiles; `squares` makes each picture one square, whole pictures divided among the splits;
`whole` keeps pictures as they are.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path

import numpy as np

from tintype import color_table, cutting, preparing
from tintype import params as parameters
from tintype.console import UserError, run
from tintype.cutting import Job
from tintype.files import new_file, new_folder
from tintype.jobs import workers
from tintype.preparing import PARTS, Task
from tintype.progress import progress
from tintype.sources import manifest, places


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--set", choices=["photos", "bw"], required=True, help="a key of `prepare:`")
    parser.add_argument("--raw", type=Path, required=True, help="folder with manifest.csv")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument("--params", type=Path, default="params.yaml")
    args = parser.parse_args(argv)
    params = parameters.load(args.params)
    layout, shared = getattr(params.prepare, args.set), params.prepare.shared

    raw = args.raw.absolute()  # for on a cluster the current folder may be another one
    survey = preparing.survey(raw, layout.layout)
    if not survey.pictures:
        raise UserError(f"{args.raw / manifest.NAME} lists no pictures; look at download in params.yaml")
    if layout.layout == "squares" and layout.split.conditions and not survey.vocabulary.size:
        raise UserError(
            f"prepare.{args.set}.split.conditions: found {layout.split.conditions}, allowed: 0, "
            f"for the pictures of {args.raw} have no conditions"
        )
    with new_folder(args.out.absolute()) as out:
        job = Job(out, out / PARTS, layout, shared.max_pixels, params.seed)
        job.tables.mkdir()
        for conversion in sorted(cutting.conversions(layout)):
            color_table.write(job.tables / f"{conversion}.npy", conversion)
        work = ((task, job) for task in tasks(raw, shared.pictures_per_shard, survey.together))
        shards = -(-survey.pictures // shared.pictures_per_shard)
        totals = preparing.Totals()
        with workers(params.runtime.job_backend, params.runtime.jobs) as mapped:
            for done in progress(mapped(preparing.prepare_shard, work), "prepare", "shards", total=shards):
                totals.add(done)
        if not totals.taken:
            reasons = "; ".join(f"{path}: {reason}" for path, _, reason in preparing.rejected(out, 5))
            raise UserError(f"{args.raw}: none of {survey.pictures} pictures can be used ({reasons})")
        doubles = {}
        if layout.layout != "whole":
            doubles = preparing.find_duplicates(np.concatenate(totals.taken), layout.filters.near_duplicates)
        more = [(path, "left out", reason) for path, reason in manifest.left_out(raw)]
        more += preparing.unlisted(raw, manifest.read(raw))
        summary = preparing.assemble(job, raw, totals, survey.vocabulary, doubles, more)
        with new_file(out / "summary.json") as file:
            lines = (f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in summary.items())
            file.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    counts = ", ".join(f"{count} {split}" for split, count in summary["records"].items())
    rejected = ", ".join(f"{count} {kind}" for kind, count in summary["rejected"].items())
    print(f"{args.out}: {counts}; rejected: {rejected or 'none'}")
    wanted = [] if layout.layout == "whole" else ["train", "val", "test"]
    if empty := [split for split in wanted if split not in summary["records"]]:
        print(f"warning: nothing in {', '.join(empty)}: what needs it will stop", file=sys.stderr)


def tasks(raw: Path, size: int, together: set[str]) -> Iterator[Task]:
    """The manifest's pictures, `size` at a time; `together` are the groups that several of them share."""
    rows, found = manifest.read(raw), {}
    for number in count():
        pictures = list(islice(rows, size))
        if not pictures:
            return
        for place in {picture.place for picture in pictures} - set(found):
            found[place] = str(places.find(raw, place).absolute())
        yield Task(
            number,
            number * size,
            [
                (picture._replace(place=found[picture.place]), picture.group not in together)
                for picture in pictures
            ],
        )


if __name__ == "__main__":
    run(main)
