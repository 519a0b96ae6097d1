"""How fast films are coloured, how long a frame takes, where the time goes, and how steady colours are.

    python -m benchmarks.video [--heights 480 720 1080] [--seconds 10] [--runtime onnx] [--model NAME]
                               [--sizes 96] [--clip FOLDER]

Makes grey films of photographs that a camera pans over, with cuts, noise like grain and a tone. Each is
coloured from file to file as `tintype video` does (start-up not counted), and then in real time, as if a
camera took it: the latency is from when a frame is there to when its colours are. Then each part by itself,
in core-milliseconds a frame (processor time of all threads), which other work on the machine changes little.
With --clip, pictures of a folder, a film in grey: CDC and warp error with smoothing, and frame by frame.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
import torch
from PIL import Image
from skimage.registration import optical_flow_ilk

from tintype import models, video_metrics
from tintype.colorizer import Colorizer
from tintype.commands.video import cores
from tintype.images import decode
from tintype.runtimes import RUNTIMES, Predictor
from tintype.sources import bundled
from tintype.video import colouring, making
from tintype.video.colouring import Settings
from tintype.video.encoding import Encoder
from tintype.video.film import Film, inspect
from tintype.video.reading import Frame, Reading

WIDTHS = {480: 854, 720: 1280, 1080: 1920}
RATE, CUT = 25, 75  # frames a second; frames of a scene
PHOTOGRAPHS = ["astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg"]
LATE = 0.1  # seconds
FLOW = (416, 240)  # width and height at which movement is looked for


class Speed(NamedTuple):
    """Frames a second, from file to file; seconds of latency, in real time; core-milliseconds a frame."""

    rate: float
    median: float
    p95: float
    left_out: int
    whole: float
    parts: dict[str, float]


def main() -> None:
    parser = argparse.ArgumentParser(description="Time the colouring of films.")
    parser.add_argument("--heights", type=int, nargs="+", choices=WIDTHS, default=list(WIDTHS))
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--sizes", type=int, nargs="+", default=[Settings().size])
    parser.add_argument("--runtime", choices=sorted(RUNTIMES), default="onnx")
    parser.add_argument("--model")
    parser.add_argument("--clip", type=Path, help="a folder of pictures: frames of a film")
    args = parser.parse_args()
    torch.set_num_threads(1)
    predict = Predictor(Colorizer.load(models.find(args.model)), args.runtime, threads=1)
    print(f"{cores()} cores, {args.runtime}")
    print("| film | size | frames/s | latency p50, p95 | left out | core-ms a frame | of which |")
    print("|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for height in args.heights:
            path = make_film(Path(folder) / f"{height}.mp4", height, args.seconds * RATE)
            for size in args.sizes:
                found = speed(inspect(path), predict, Settings(size=size))
                parts = ", ".join(f"{name} {ms:.1f}" for name, ms in found.parts.items())
                print(
                    f"| {height}p | {size} | {found.rate:.1f} | {1000 * found.median:.0f}, "
                    f"{1000 * found.p95:.0f} ms | {found.left_out} | {found.whole:.1f} | {parts} |",
                    flush=True,
                )
        if args.clip:
            steadiness(args.clip, Path(folder), predict)


def make_film(path: Path, height: int, number: int) -> Path:
    """A grey film of so many frames, with a tone, as x264 makes them by default."""
    with av.open(str(path), "w") as target:
        pictures = target.add_stream("libx264", rate=RATE)
        pictures.width, pictures.height, pictures.pix_fmt = WIDTHS[height], height, "yuv420p"
        sound = target.add_stream("aac", rate=48000, layout="mono")
        for at, luma in enumerate(scenes(WIDTHS[height], height, number)):
            frame = av.VideoFrame.from_ndarray(luma, "gray").reformat(format="yuv420p")
            frame.pts, frame.time_base = at, Fraction(1, RATE)
            target.mux(pictures.encode(frame))
        target.mux(pictures.encode())
        tone = np.sin(np.arange(48000 * number // RATE) / 20) * 8000
        samples = av.AudioFrame.from_ndarray(tone.astype(np.int16)[None], format="s16", layout="mono")
        samples.sample_rate = 48000
        target.mux(sound.encode(samples))
        target.mux(sound.encode())
    return path


def scenes(width: int, height: int, number: int) -> Iterator[np.ndarray]:
    """Grey frames (height, width): the camera goes over a photograph, and after CUT frames over another."""
    rng = np.random.default_rng(0)
    grain = rng.normal(0, 3, (8, height, width))
    for at in range(number):
        scene, step = divmod(at, CUT)
        if step == 0:
            name = PHOTOGRAPHS[scene % len(PHOTOGRAPHS)]
            grey = Image.fromarray(decode(bundled.locate(f"skimage/data/{name}"))).convert("L")
            scale = 1.3 * max(width / grey.width, height / grey.height)
            grey = grey.resize(
                (round(grey.width * scale), round(grey.height * scale)), Image.Resampling.LANCZOS
            )
            room = np.array([grey.height - height, grey.width - width])
        top, left = (room * step / CUT).astype(int)
        window = np.asarray(grey)[top : top + height, left : left + width]
        yield (window + grain[at % 8]).clip(0, 255).astype(np.uint8)


def speed(film: Film, predict: Callable, settings: Settings) -> Speed:
    """All figures of one film."""
    list(colouring.coloured(_first(film, 20), film, predict, settings, cores()))  # to warm up
    with tempfile.TemporaryDirectory() as folder:
        began, spent = time.perf_counter(), time.process_time()
        made = making.make(film, Path(folder) / "out.mp4", predict, settings, cores(), {})
        rate = made.frames / (time.perf_counter() - began)
        whole = 1000 * (time.process_time() - spent) / made.frames
    latencies, left_out = lived(film, predict, settings)
    quantiles = statistics.quantiles(latencies, n=100)
    return Speed(rate, quantiles[49], quantiles[94], left_out, whole, parts(film, predict, settings))


def lived(film: Film, predict: Callable, settings: Settings) -> tuple[list[float], int]:
    """Seconds from when a frame is there to when it is coloured, in real time; and how many were left out.

    Frames come as from a camera, each at its time and not before; one that is LATE is left out.
    """
    began: dict[int, float] = {}
    left_out = 0

    def camera() -> Iterator[Frame]:
        nonlocal left_out
        first = None
        for frame in Reading(film):
            seconds = float(frame.pts * film.time_base)
            first = time.monotonic() - seconds if first is None else first
            early = first + seconds - time.monotonic()
            if early < -LATE:
                left_out += 1
                continue
            time.sleep(max(0, early))
            began[frame.pts] = time.monotonic()
            yield frame

    pictures = colouring.coloured(camera(), film, predict, settings, cores())
    latencies = [time.monotonic() - began[each.picture.pts] for each in pictures]
    return latencies, left_out


def parts(film: Film, predict: Callable, settings: Settings) -> dict[str, float]:
    """Core-milliseconds a frame of each part, one after the other, of the film's first frames."""
    times: dict[str, float] = {}

    def timed(name: str, work: Callable[[], list]) -> list:
        began = time.process_time()
        done = work()
        times[name] = 1000 * (time.process_time() - began) / len(done)
        return done

    frames = timed("decoding", lambda: list(_first(film, 60)))
    seen = timed("making small", lambda: list(colouring.seen(frames, film, settings, None)))
    answers = timed("network", lambda: [_answered(predict, film, each) for each in seen])
    pairs = list(zip(seen, answers, strict=True))
    pictures = timed("joining", lambda: list(colouring.joined(pairs, film, settings, None)))
    encoder = Encoder(film, "mp4")
    timed("encoding", lambda: [list(encoder.packets(each and each.picture)) for each in [*pictures, None]])
    return times


def _answered(predict: Callable, film: Film, picture: colouring.Seen) -> Future:
    future: Future = Future()
    future.set_result(colouring.answer(predict, film, picture.small))
    return future


def _first(film: Film, number: int) -> Iterator[Frame]:
    for _, frame in zip(range(number), Reading(film), strict=False):
        yield frame


def steadiness(clip: Path, folder: Path, predict: Callable) -> None:
    """Print CDC and warp error of a clip, for several weights of the past; flows are the grey film's."""
    files = sorted(path for path in clip.iterdir() if path.suffix.lower() in (".jpg", ".png"))
    greys = [np.array(Image.open(file).convert("L")) for file in files]
    path = folder / "clip.mkv"
    with av.open(str(path), "w") as target:
        stream = target.add_stream("ffv1", rate=RATE)
        stream.height, stream.width = greys[0].shape
        stream.pix_fmt = "yuv420p"
        for at, grey in enumerate(greys):
            frame = av.VideoFrame.from_ndarray(grey, "gray").reformat(format="yuv420p")
            frame.pts, frame.time_base = at, Fraction(1, RATE)
            target.mux(stream.encode(frame))
        target.mux(stream.encode())
    film, small = inspect(path), [_small(grey) / 255 for grey in greys]
    flows = [(_flow(after, before), _flow(before, after)) for before, after in pairwise(small)]
    print("\n| smoothing | CDC | warp error |\n|---|---|---|")
    print(_row("(grey)", [np.repeat(grey[..., None], 3, axis=2) for grey in greys], flows))
    for smoothing in (0.0, 0.5, 0.8, 0.9, 0.95):
        settings = Settings(smoothing=smoothing)
        coloured = colouring.coloured(Reading(film), film, predict, settings, cores())
        frames = [each.picture.to_ndarray(format="rgb24") for each in coloured]
        print(_row(str(smoothing), frames, flows), flush=True)


def _row(name: str, frames: list[np.ndarray], flows: list[tuple[np.ndarray, np.ndarray]]) -> str:
    shrunk = [_small(frame) for frame in frames]
    errors = [
        video_metrics.warp_error(before, after, back, video_metrics.visible(forth, back))
        for (before, after), (back, forth) in zip(pairwise(shrunk), flows, strict=True)
    ]
    return f"| {name} | {video_metrics.color_consistency(frames):.6f} | {np.nanmean(errors):.6f} |"


def _small(picture: np.ndarray) -> np.ndarray:
    return np.array(Image.fromarray(picture).resize(FLOW, Image.Resampling.BOX))


def _flow(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """From a picture (H, W) in [0, 1] to another, (H, W, 2), x first."""
    rows, columns = optical_flow_ilk(first.astype(np.float32), second.astype(np.float32), radius=7)
    return np.stack([columns, rows], axis=2)


if __name__ == "__main__":
    main()
