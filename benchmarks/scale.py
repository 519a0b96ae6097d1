"""How training and colouring grow with the size of pictures, the network, the batch, the number of pictures.

    python -m benchmarks.scale [--out docs]

Each measurement is a process of its own. Training: steps of pretraining on a made-up store, with one setting
varied and the others of params.yaml, batches made ahead as in training; the seconds until the store is open,
and the fastest step, for a machine that does other things too only ever adds to it. Colouring: one picture at
full size. Memory is the peak while steps are done or pictures coloured, beyond what the process took to begin
with (read from Linux's /proc, or from the GPU). Prints a table, with the exponents of power laws (time ~
size ^ exponent; 1 is linear) fitted to all rows of a sweep, and in brackets to its last two. With --out, it
goes between the marks in OUT/scaling.md, and a plot to OUT/scaling.png.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from benchmarks import recipes
from benchmarks.recipes import now
from tintype import params as parameters
from tintype.color import into_gamut, lab_to_rgb
from tintype.console import Failure, UserError, run
from tintype.files import new_file, sha256
from tintype.params import PRETRAINED, Params
from tintype.store import COLUMNS, INDEX, PLANES, Split, write_contents, write_csv, write_shard

BASE = {"side": 64, "width": 32, "batch": 16, "pictures": 256}
SECONDS, STEPS = 1.5, 3  # a measurement takes so long, or so many steps if they take longer
HEAD = ["| | | time of one | memory | opening |", "|---|---|---|---|---|"]
START, END = "<!-- benchmarks.scale -->\n", "<!-- end of benchmarks.scale -->"


class Sweep(NamedTuple):
    """What is varied, and what else then differs from BASE, so that it stays small."""

    title: str
    varied: str
    values: list[int]
    others: dict[str, int] = {}  # noqa: RUF012  nobody writes to it
    task: str = "training"


class Point(NamedTuple):
    """One measurement: seconds a step or picture, bytes, seconds to open the store."""

    time: float
    memory: float
    opening: float


SWEEPS = [
    Sweep("pixels a side (batch 4)", "side", [32, 64, 128, 256], {"batch": 4}),
    Sweep("generator.width (batch 8)", "width", [16, 32, 64, 96], {"batch": 8}),
    Sweep("batch_size (side 64)", "batch", [4, 8, 16, 32]),
    Sweep("pictures (side 32)", "pictures", [1000, 10_000, 100_000], {"side": 32}),
    Sweep("colouring: pixels a side", "side", [128, 256, 512, 1024], task="colouring"),
]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, help="a folder that has scaling.md")
    parser.add_argument("--measure", type=json.loads, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        print(json.dumps(measured(**args.measure)))
        return
    text = (args.out / "scaling.md").read_text(encoding="utf-8") if args.out else START + END
    if START not in text or END not in text:
        raise UserError(f"{args.out}/scaling.md: lacks the lines {START.strip()} and {END}; add them")
    table, found = [], []
    for sweep in SWEEPS:
        found.append([in_a_process(sweep, value) for value in sweep.values])
        table += rows(sweep, found[-1])
        print("\n".join(rows(sweep, found[-1])), flush=True)
    if args.out:
        before, after = text.split(START)[0], text.split(END)[1]
        with new_file(args.out / "scaling.md") as file:
            file.write_text(before + START + "\n".join([*HEAD, *table, ""]) + END + after, encoding="utf-8")
        plot(args.out / "scaling.png", found)


def in_a_process(sweep: Sweep, value: int) -> Point:
    """Measure in a new process, on a store made for it."""
    settings = BASE | sweep.others | {sweep.varied: value}
    with tempfile.TemporaryDirectory() as folder:
        if sweep.task == "training":
            make_store(Path(folder), settings["side"], settings["pictures"])
        told = json.dumps(settings | {"task": sweep.task, "folder": folder})
        command = [sys.executable, "-m", "benchmarks.scale", "--measure", told]
        done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise Failure(f"{told}: {done.stderr}")
    return Point(*json.loads(done.stdout.splitlines()[-1]))


def make_store(folder: Path, side: int, pictures: int, of_a_shard: int = 1000) -> None:
    """A prepared store of noise."""
    rng = np.random.default_rng(0)
    digests, index = {}, []
    for number, first in enumerate(range(0, pictures, of_a_shard)):
        name, count = f"{number:07d}.bin", min(of_a_shard, pictures - first)
        records = (rng.integers(256, size=(PLANES, side, side), dtype=np.uint8) for _ in range(count))
        offsets, digests[name] = write_shard(folder, name, records)
        index += [("train", name, name, "", "", 0, 0, 0, side, side, name, offset) for offset in offsets]
    write_csv(folder / INDEX, COLUMNS, index)
    write_contents(folder, digests | {INDEX: sha256(folder / INDEX)})


def measured(task: str, folder: str, side: int, width: int, batch: int, pictures: int) -> Point:
    """What a new process is started for."""
    before, began = memory("VmRSS"), now()
    params = parameters.load()
    generator = params.generator.model_copy(update={"width": width})
    pretrain = params.pretrain.model_copy(update={"batch_size": batch})
    params = params.model_copy(update={"generator": generator, "pretrain": pretrain})
    if task == "training":
        split = Split(Path(folder), "train")
        opening = now() - began
        times = training(params, split)
    else:
        opening, times = 0.0, colouring(params, side)
    for _ in range(2):
        next(times)  # which makes what is made once
    forget_peak()
    timed: list[float] = []
    while sum(timed) < SECONDS or len(timed) < STEPS:
        timed.append(next(times))
    return Point(min(timed), memory("VmHWM") - before, opening)


def training(params: Params, split: Split) -> Iterator[float]:
    """Seconds of each step."""
    fabric = recipes.device(params)
    recipe = recipes.made(PRETRAINED, params, fabric)
    stream = recipes.stream(split, params, params.pretrain.batch_size, fabric.device)
    while True:
        began = now()
        recipe.step(*next(stream))
        yield now() - began


def colouring(params: Params, side: int) -> Iterator[float]:
    """Seconds of each picture."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    colorizer = recipes.colorizer(params).eval().to(device)
    L = 100 * torch.rand(1, 1, side, side, device=device)
    while True:
        began = now()
        with torch.no_grad():
            lab_to_rgb(into_gamut(torch.cat([L, colorizer(L)], dim=1)))
        yield now() - began


def forget_peak() -> None:
    """Let the peak of memory be what is in use now."""
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    else:
        Path("/proc/self/clear_refs").write_text("5")


def memory(kind: str) -> int:
    """Bytes in use now (VmRSS), or the peak (VmHWM): of this process; on a GPU the peak, of its memory."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    found = re.search(rf"{kind}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return 1024 * int(found[1])


def rows(sweep: Sweep, points: list[Point]) -> list[str]:
    """Rows of the Markdown table: the measurements of a sweep, and the exponents."""
    found = [
        [f"{point.time * 1000:,.0f} ms", f"{point.memory / 1e6:,.0f} MB", f"{point.opening:.2f} s"]
        for point in points
    ]
    found.append(
        [
            f"{exponent(sweep.values, column):.2f} ({exponent(sweep.values[-2:], column[-2:]):.2f})"
            for column in zip(*points, strict=True)
        ]
    )
    firsts = [f"{sweep.title} | {value:,}" for value in sweep.values] + ["*exponent* | "]
    shown = 3 if sweep.varied == "pictures" else 2  # opening a store depends on its size alone
    return [
        f"| {first} | {' | '.join(cells[:shown] + [''] * (3 - shown))} |"
        for first, cells in zip(firsts, found, strict=True)
    ]


def exponent(sizes: list[int], values: tuple[float, ...]) -> float:
    """The k of the power law size ^ k that is nearest to the values, in logarithms."""
    return float(np.polyfit(np.log(sizes), np.log(np.maximum(values, 1e-3)), 1)[0])


def plot(path: Path, found: list[list[Point]]) -> None:
    """Time and memory of each sweep, both axes logarithmic."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot
    from matplotlib.ticker import LogLocator, StrMethodFormatter

    figure, axes = pyplot.subplots(2, len(SWEEPS), figsize=(3 * len(SWEEPS), 5.5), layout="constrained")
    for column, (sweep, points) in enumerate(zip(SWEEPS, found, strict=True)):
        time, memory, opening = zip(*points, strict=True)
        pairs = [("seconds", "step" if sweep.task == "training" else "picture", time), ("MB", "", memory)]
        for axis, (unit, label, values) in zip(axes[:, column], pairs, strict=True):
            values = np.array(values) / (1e6 if unit == "MB" else 1)
            axis.loglog(sweep.values, values, "o-", label=f"one {label}" if label else None)
            axis.set_xticks(sweep.values, [f"{value:,}" for value in sweep.values])
            axis.minorticks_off()
            axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axis.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
            axis.set_ylabel(unit)
            axis.grid(alpha=0.3)
        if sweep.varied == "pictures":
            axes[0, column].loglog(sweep.values, opening, "s--", label="opening the store")
            axes[0, column].legend()
        axes[0, column].set_title(f"{sweep.title}\ntime ~ size^{exponent(sweep.values, time):.2f}", size=10)
        axes[1, column].set_title(f"memory ~ size^{exponent(sweep.values, memory):.2f}", size=10)
    with new_file(path) as file:
        figure.savefig(file, dpi=100)
    pyplot.close(figure)


if __name__ == "__main__":
    run(main)
