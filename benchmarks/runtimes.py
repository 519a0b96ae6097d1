"""Which runtime colours faster on this machine's CPU: PyTorch or ONNX Runtime.

    python -m benchmarks.runtimes [--model models/cnn] [--threads 1 2] [--rounds 15] [--starts 5]

Prints two tables. First, milliseconds a picture, from L to ab of the same size, medians of rounds in which
all take turns: of PyTorch as it comes, of it with channels_last memory, which is what `--runtime torch` is,
and of `--runtime onnx`; also for several pictures at once, of one thread each, as films are coloured. Then
seconds until a new process has coloured its first photograph, and of what they are made up. Without a model
there are new weights for the generator of params.yaml: all take as long. Programs that compute at the same
time distort it, PyTorch's threads most.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise
from pathlib import Path
from statistics import median

from tintype.console import Failure, run

RUNTIMES = ["torch", "onnx"]
PHOTOGRAPH, FILMS = (256, 384), [(112, 208), (128, 240)]
PARTS = ["import", "load", "prepare", "first picture"]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, help="a trained model's folder")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="(default 1 2)")
    parser.add_argument("--rounds", type=int, default=15, help="(default 15)")
    parser.add_argument("--starts", type=int, default=5, help="new processes of each (default 5)")
    parser.add_argument("--start", choices=RUNTIMES, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.start:
        print(json.dumps(started(args.model, args.start)))
        return
    with tempfile.TemporaryDirectory() as folder:
        model = args.model or with_new_weights(Path(folder))
        steady = table_of_pictures(model, args.threads, args.rounds)
        table_of_starts(model, args.starts, steady)


def with_new_weights(folder: Path) -> Path:
    """A model file for the generator of params.yaml."""
    from benchmarks import recipes
    from tintype import params as parameters

    recipes.colorizer(parameters.load()).save(folder, {})
    return folder


def table_of_pictures(model: Path, threads: list[int], rounds: int) -> dict[str, float]:
    """Print the first table; seconds of each runtime for a photograph, with the most threads."""
    from tintype.colorizer import Colorizer

    colorizer = Colorizer.load(model)
    print("| picture | threads | PyTorch | channels_last | ONNX Runtime | channels_last / ONNX Runtime |")
    print("|---|---|---|---|---|---|")
    for size in [*FILMS, PHOTOGRAPH]:
        for number in threads:
            spans = in_turns(calls_of(colorizer, size, number), rounds)
            print(row(size, str(number), spans), flush=True)
        most = max(threads)
        with ThreadPoolExecutor(most) as pool:
            calls = calls_of(colorizer, size, 1)
            shared = in_turns({name: together(pool, most, call) for name, call in calls.items()}, rounds)
        shared = {name: [span / most for span in found] for name, found in shared.items()}
        print(row(size, f"{most} at once, 1 each", shared), flush=True)
    return {name: median(spans[name]) for name in RUNTIMES}


def calls_of(colorizer, size: tuple[int, int], threads: int) -> dict[str, Callable[[], object]]:
    """Functions that colour one picture: `plain`, and each of RUNTIMES."""
    import torch

    from tintype.runtimes import Predictor

    torch.set_num_threads(threads)
    picture = picture_of(size)
    calls: dict[str, Callable[[], object]] = {"plain": partial(plain, colorizer, picture.input)}
    return calls | {name: partial(Predictor(colorizer, name, threads), picture) for name in RUNTIMES}


def table_of_starts(model: Path, starts: int, steady: dict[str, float]) -> None:
    """Print the second table, and from how many photographs on ONNX Runtime is the faster one."""
    pairs = [{name: in_a_process(model, name) for name in RUNTIMES} for _ in range(starts)]
    print(f"\n| runtime | {' | '.join(PARTS)} | all |\n|---|{'---|' * len(PARTS)}---|")
    whole = {}
    for name in RUNTIMES:
        cells = [median(pair[name][part] for pair in pairs) for part in PARTS]
        whole[name] = median(sum(pair[name].values()) for pair in pairs)
        print(f"| {name} | {' | '.join(f'{cell:.2f} s' for cell in [*cells, whole[name]])} |")
    later, gained = whole["onnx"] - whole["torch"], steady["torch"] - steady["onnx"]
    print(f"\nONNX Runtime has its first photograph {later:+.2f} s after PyTorch, and gains", end=" ")
    print(f"{1000 * gained:.0f} ms with each one more.")


def picture_of(size: tuple[int, int]):
    """A picture of random lightness, as a Batch."""
    import torch

    from tintype.batch import Batch

    L = 100 * torch.rand(1, 1, *size, generator=torch.Generator().manual_seed(0))
    return Batch(L, L, torch.zeros(1, 2, *size))


def plain(colorizer, L):
    """ab of L as whoever knows nothing of memory formats computes it."""
    import torch

    with torch.inference_mode():
        return colorizer(L)


def together(pool: ThreadPoolExecutor, number: int, work: Callable[[], object]) -> Callable[[], object]:
    """A function that does the same several times at once."""
    return lambda: [done.result() for done in [pool.submit(work) for _ in range(number)]]


def in_turns(calls: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each call in each round, the second of two: PyTorch's threads go on for a while."""
    spans: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            call()
            began = time.perf_counter()
            call()
            spans[name].append(time.perf_counter() - began)
    return spans


def row(size: tuple[int, int], threads: str, spans: dict[str, list[float]]) -> str:
    """A row of the first table. The ratio is the median of the rounds' ratios."""
    cells = [f"{1000 * median(spans[name]):.1f} ms" for name in ("plain", *RUNTIMES)]
    pairs = zip(spans["torch"], spans["onnx"], strict=True)
    ratio = median(slow / fast for slow, fast in pairs)
    return f"| {size[0]} x {size[1]} | {threads} | {' | '.join(cells)} | {ratio:.2f} |"


def in_a_process(model: Path, runtime: str) -> dict[str, float]:
    """Seconds of each part of a start, in a new process."""
    command = [sys.executable, "-m", "benchmarks.runtimes", "--model", str(model), "--start", runtime]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise Failure(f"{' '.join(command)}: {done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def started(model: Path, runtime: str) -> dict[str, float]:
    """What a new process is started for: seconds of each of PARTS."""
    times = [time.perf_counter()]

    def note() -> None:
        times.append(time.perf_counter())

    from tintype.colorizer import Colorizer
    from tintype.runtimes import Predictor

    note()
    colorizer = Colorizer.load(model)
    note()
    predict = Predictor(colorizer, runtime)
    note()
    predict(picture_of(PHOTOGRAPH))
    note()
    return {part: end - begin for part, (begin, end) in zip(PARTS, pairwise(times), strict=True)}


if __name__ == "__main__":
    run(main)
