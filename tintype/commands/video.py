"""`tintype video`: colour a film, or colour it as it plays."""

import argparse
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import torch

from tintype import models
from tintype.batch import Batch
from tintype.colorizer import Colorizer
from tintype.commands.arguments import number
from tintype.console import Failure, UserError
from tintype.files import folder_sha256, sha256
from tintype.runtimes import DEFAULT_RUNTIME, RUNTIMES, Predictor
from tintype.video import making, play, screens
from tintype.video.colouring import Settings, coloured, small_size
from tintype.video.encoding import FORMATS, format_of
from tintype.video.film import Film, inspect
from tintype.video.reading import Reading
from tintype.video.segments import folder_for
from tintype.video.tint import in_colour

DEFAULT = Settings()
EXAMPLES = """\
examples:
  tintype video newsreel.mp4 -o colour.mp4         colour a film; stopped, the same command goes on
  tintype video newsreel.avi -o colour.mkv         sound that MP4 cannot hold fits in Matroska
  tintype video newsreel.mp4 -o grand.mp4 --size 256 --saturation 1.3
  tintype video newsreel.mp4 --play                colour it as it plays, in a window
  tintype video newsreel.mp4 --play | mpv -        the same, in a player, with sound
"""


def add(subparsers: argparse._SubParsersAction) -> None:
    """Add `video` to the commands of `tintype`."""
    parser = subparsers.add_parser(
        "video",
        help="colour a film, or colour it as it plays",
        description="Colour a black-and-white film: its brightness, sound and timestamps stay as they are.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("film", type=Path, metavar="IN", help="a film, in any format that FFmpeg reads")
    to = parser.add_mutually_exclusive_group(required=True)
    to.add_argument("-o", "--out", type=Path, help=f"the film to write: {', '.join(FORMATS)}")
    to.add_argument(
        "--play", action="store_true", help="into a window, or, where output is a pipe, a stream for a player"
    )
    parser.add_argument("--model", help="name or folder of a model; `tintype models` lists them")
    parser.add_argument(
        "--size",
        type=number(int, 16, 1024),
        default=DEFAULT.size,
        help=f"shorter side, in pixels, of what the network sees: more is slower (default: {DEFAULT.size})",
    )
    parser.add_argument(
        "--saturation",
        type=number(float, 0, 4),
        default=DEFAULT.saturation,
        help="of the colours; default: 1",
    )
    parser.add_argument(
        "--smoothing",
        type=number(float, 0, 0.99),
        default=DEFAULT.smoothing,
        help=f"weight of earlier frames, against flicker; 0 for none (default: {DEFAULT.smoothing})",
    )
    parser.add_argument(
        "--every",
        type=number(int, 1, 100),
        default=DEFAULT.every,
        help="ask the network for every Nth frame alone, and carry colours over to the others (default: 1)",
    )
    runtime = f"what runs the network (default: {DEFAULT_RUNTIME})"
    parser.add_argument("--runtime", choices=sorted(RUNTIMES), default=DEFAULT_RUNTIME, help=runtime)
    parser.add_argument("--overwrite", action="store_true", help="replace the output if it is there")
    parser.add_argument("--force", action="store_true", help="colour a film that has colours already")
    parser.add_argument("--json", action="store_true", help="print what was done as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Colour the film. Raises UserError where that cannot be, Failure where some of it is lost."""
    if args.out is not None:
        _refuse_out(args.film, args.out, args.overwrite)
    if args.play and args.json:
        raise UserError("--json: found --play beside it, whose output is the film; leave one of them out")
    film = inspect(args.film)
    if not args.force and in_colour(film):
        raise UserError(f"{args.film}: it has colours; `--force` colours it anew, from its brightness alone")
    # Frames are spread over the cores, so one thread for each; more would wait for each other.
    torch.set_num_threads(1)
    model = models.find(args.model)
    predict = Predictor(Colorizer.load(model), args.runtime, threads=1)
    settings = Settings(args.size, args.saturation, args.smoothing, args.every)
    _try(predict, film, settings)
    if args.play:
        _play(film, predict, settings)
    else:
        _make(film, args, predict, settings, model)


def cores() -> int:
    """How many processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _try(predict: Callable, film: Film, settings: Settings) -> None:
    """Have the network answer once: the first time is slow, and a model that is none for films says so."""
    height, width = small_size(film, settings.size)
    L = torch.zeros(1, 1, *((width, height) if film.quarters % 2 else (height, width)))
    predict(Batch(L, L, torch.zeros(1, 2, *L.shape[2:])))


def _make(film: Film, args: argparse.Namespace, predict: Callable, settings: Settings, model: Path) -> None:
    by = {"weights": (folder_sha256 if model.is_dir() else sha256)(model), "runtime": args.runtime}
    try:
        made = making.make(film, args.out, predict, settings, cores(), by)
    except KeyboardInterrupt:
        if folder_for(args.out).exists():
            print(
                f"what is coloured so far is kept in {folder_for(args.out)}; run the same again to go on",
                file=sys.stderr,
            )
        raise
    lost = losses(film, made)
    if args.json:
        done = {
            "film": str(args.film),
            "out": str(args.out),
            "model": models.called(model),
            "frames": made.frames,
            "coloured_earlier": made.earlier,
            "damaged_packets": made.missing.damaged,
            "frames_out_of_order": made.missing.out_of_order,
            "seconds": round(float(made.end), 3),
        }
        print(json.dumps(done))
    else:
        print(f"{args.out}: {made.frames} frames")
    if lost:
        raise Failure(f"{film.path}: {'; '.join(lost)}; all that can be read is in {args.out}, in colour")


def losses(film: Film, made: making.Made) -> list[str]:
    """What of a film could not be read, in words; nothing where it is whole."""
    lost = []
    if made.missing.damaged:
        lost.append(f"{made.missing.damaged} packets are damaged")
    if made.missing.out_of_order:
        lost.append(f"{made.missing.out_of_order} frames are not in the order of their times")
    if film.seconds and made.end < film.end - min(5, max(0.2, film.seconds / 50)):
        lost.append(f"it ends after {float(made.end):.1f} of {float(film.end):.1f} seconds")
    return lost


def _play(film: Film, predict: Callable, settings: Settings) -> None:
    with screens.screen(film) as screen:
        played = play.play(
            Reading(film), film, lambda frames: coloured(frames, film, predict, settings, cores()), screen
        )
    print(
        f"{played.shown} frames shown, {played.left_out} left out; latency: median "
        f"{1000 * played.latency(50):.0f} ms, 95 % within {1000 * played.latency(95):.0f} ms",
        file=sys.stderr,
    )


def _refuse_out(film: Path, out: Path, overwrite: bool) -> None:
    format_of(out)
    if out.is_dir():
        raise UserError(f"{out}: found a folder, allowed: the name of a film to write")
    if not out.exists():
        return
    if film.exists() and out.samefile(film):
        raise UserError(f"{out}: found the film itself, allowed: another name; films are never changed")
    if not overwrite:
        raise UserError(f"{out}: it is there already; `--overwrite` replaces it")
