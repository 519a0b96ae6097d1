"""How fast `prepare` is, beside decoding alone and beside the plain loop, and how much memory it takes.

    python -m benchmarks.prepare [--count 4000] [--side 256] [--pictures FOLDER]

Everything runs on one core, over the same JPEG files, in one go. The plain loop is what most projects do for
each picture: Pillow opens and resizes, `skimage.color.rgb2lab` converts. `prepare` does the whole stage:
checksums, filters, hashes of near duplicates, splits, shards, tables. It runs over a quarter of the files and
over all of them: the difference is its rate, the rest its fixed cost (imports, the colour table), and both
peaks of memory are shown. Without --pictures, files of 500 x 375 pixels are cut at random from the
photographs that come with the wheels.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from PIL import Image
from ruamel.yaml import YAML
from skimage.color import rgb2lab

from tintype.images import SUFFIXES, decode
from tintype.sources import bundled, manifest

WIDTH, HEIGHT = 500, 375  # the size of most ImageNet photographs
ROUNDS = 3


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=4000, help="pictures to make (default 4000)")
    parser.add_argument("--side", type=int, default=256, help="pixels of the squares (default 256)")
    parser.add_argument("--pictures", type=Path, help="a folder of JPEG files to use instead")
    args = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):  # one core, for what is started from here too; on Linux alone
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    with tempfile.TemporaryDirectory() as folder:
        if args.pictures:
            found = args.pictures.absolute().rglob("*")
            files = sorted(path for path in found if path.suffix.lower() in SUFFIXES)
        else:
            files = make(Path(folder) / "pictures", args.count)
        quarter = files[: len(files) // 4]
        small = prepare(quarter, Path(folder) / "small", args.side)
        whole = prepare(files, Path(folder) / "whole", args.side)
        seconds = {
            "decode alone": timed(lambda path: Image.open(path).load(), files),
            "plain loop": timed(lambda path: plain(path, args.side), files),
            "prepare": (whole.seconds - small.seconds) / (len(files) - len(quarter)),
        }
    print(f"{len(files)} files, squares of {args.side} pixels, one core")
    for name, each in seconds.items():
        print(f"{name:14s} {1 / each:7.0f} pictures/s")
    print(f"prepare is {seconds['plain loop'] / seconds['prepare']:.2f} times as fast as the plain loop")
    print(f"prepare takes {seconds['prepare'] / seconds['decode alone']:.2f} times as long as decoding alone")
    fixed = whole.seconds - seconds["prepare"] * len(files)
    print(f"prepare's fixed cost {fixed:.1f} s")
    print(f"peak memory {small.mb:.0f} MB for {len(quarter)} pictures, {whole.mb:.0f} MB for {len(files)}")


def make(folder: Path, count: int) -> list[Path]:
    """JPEG files cut at random places and scales from the bundled photographs."""
    folder.mkdir()
    originals = folder.with_name("originals")
    originals.mkdir()
    bundled.gather(SimpleNamespace(pictures="colour"), originals)
    photographs = [decode(originals / picture.path) for picture in manifest.read(originals)]
    rng = np.random.default_rng(0)
    for number in range(count):
        photograph = photographs[number % len(photographs)]
        height, width, _ = photograph.shape
        cut_width = rng.uniform(0.4, 1) * min(width, height * WIDTH / HEIGHT)
        cut_height = cut_width * HEIGHT / WIDTH
        left, top = rng.uniform(0, width - cut_width), rng.uniform(0, height - cut_height)
        picture = Image.fromarray(photograph).resize(
            (WIDTH, HEIGHT), Image.Resampling.BICUBIC, (left, top, left + cut_width, top + cut_height)
        )
        picture.save(folder / f"{number:06d}.jpg", quality=90)
    return sorted(folder.iterdir())


def prepare(files: list[Path], folder: Path, side: int) -> SimpleNamespace:
    """Run the stage over the files; its seconds (the best of ROUNDS) and its peak of memory in MB."""
    raw = folder / "raw"
    raw.mkdir(parents=True)
    rows = (
        manifest.Picture(
            path=path.as_posix().lstrip("/"),
            **manifest.about(path.read_bytes()),
            source="",
            licence="",
            group=path.name,
            place="/",
        )
        for path in files
    )
    manifest.write(raw, rows)
    params = YAML(typ="safe").load(Path("params.yaml"))
    params["prepare"]["photos"] = {
        "layout": "squares",
        "input": {"training": "lab", "test": "lab"},
        "filters": {"min_side": 64, "min_chroma": 2.0, "near_duplicates": 4},
        "side": side,
        "fit": "crop",
        "split": {"val": 0.05, "test": 0.05, "conditions": 0.0},
    }
    params["prepare"]["shared"]["pictures_per_shard"] = 200
    params["runtime"] |= {"jobs": 1, "job_backend": "loky"}
    (folder / "params.yaml").write_text(json.dumps(params))
    arguments = ["--set", "photos", "--raw", raw, "--out", folder / "out", "--params", folder / "params.yaml"]
    command = [sys.executable, "-m", "stages.prepare", *map(str, arguments)]
    rounds, log = [], open(folder / "log", "w")  # noqa: SIM115  open as long as the processes run
    for _ in range(ROUNDS):
        start = time.perf_counter()
        process = subprocess.Popen(
            command,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            stdout=subprocess.DEVNULL,
            stderr=log,
        )
        _, status, usage = os.wait4(process.pid, 0)
        if status:
            sys.exit((folder / "log").read_text())
        rounds.append(time.perf_counter() - start)
    return SimpleNamespace(seconds=min(rounds), mb=usage.ru_maxrss / 1024)


def plain(path: Path, side: int) -> np.ndarray:
    """What most projects do for one picture."""
    return rgb2lab(np.asarray(Image.open(path).convert("RGB").resize((side, side))))


def timed(function: Callable, files: list[Path]) -> float:
    """Seconds per file, the best of ROUNDS."""
    rounds = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        for path in files:
            function(path)
        rounds.append((time.perf_counter() - start) / len(files))
    return min(rounds)


if __name__ == "__main__":
    main()
