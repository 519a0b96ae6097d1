"""`tintype colorize`: colour photographs, one or a whole archive."""

import argparse
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np
from torch import Tensor

from tintype import cleaning, full_size, models, scans, tints
from tintype.batch import Batch
from tintype.colorizer import Colorizer
from tintype.commands import FULL
from tintype.commands.arguments import number
from tintype.commands.inputs import Found, Job, find, names_file, refuse_unwritable
from tintype.console import Failure, UserError
from tintype.images import UnreadablePicture, encode_png
from tintype.progress import progress
from tintype.runtimes import DEFAULT_RUNTIME, RUNTIMES, Predictor

PREVIEWED = 24  # pictures on the sheet of --preview, spread over all
PREVIEWED_SIDE = 256  # pixels of their longer side there
PREVIEW = "preview.png"
EXAMPLES = """\
examples:
  tintype colorize photo.jpg                        into the folder `coloured`
  tintype colorize photo.jpg -o colour.jpg          into a file
  tintype colorize scans -o colour                  all pictures of a folder, and of those in it
  tintype colorize scans -o colour --preview        first a sheet to judge by: colour/preview.png
  tintype colorize "scans/19[34]*/*.tif" -o colour --compare
  tintype colorize photo.jpg -o tries --samples 4 --model diversity/diverse-1
"""


def add(subparsers: argparse._SubParsersAction) -> None:
    """Add `colorize` to the commands of `tintype`."""
    parser = subparsers.add_parser(
        "colorize",
        help="colour photographs",
        description="Colour photographs at their full size; their lightness stays as it is. Those that are "
        "done are skipped, so the same command goes on where it was stopped.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    option = parser.add_argument
    option("paths", nargs="+", metavar="PATH", help="pictures, folders, or patterns in quotes")
    option(
        "-o", "--out", type=Path, default=Path("coloured"), help="folder or file to write; default: coloured"
    )
    option("--model", help="name or folder of a model; default: the first that `tintype models` lists")
    size = f"shorter side, in pixels, of what the network sees (default: {full_size.SIZE})"
    option("--size", type=number(int, 16, 2048), default=full_size.SIZE, help=size)
    option("--saturation", type=number(float, 0, 4), default=1.0, help="of the colours; default: 1")
    option("--samples", type=number(int, 1, 100), metavar="K", help="K colourings of each, of a model with z")
    option("--seed", type=number(int, 0, 2**31), help="of the random numbers, for a model with z")
    option("--compare", action="store_true", help="write before and after, side by side, too: *-compare.*")
    option("--preview", action="store_true", help=f"only a sheet of {PREVIEWED}, quickly: OUT/{PREVIEW}")
    option("--denoise", action="store_true", help="show the network a copy without grain")
    option("--contrast", action="store_true", help="show the network a copy of full contrast")
    option(
        "--runtime",
        choices=sorted(RUNTIMES),
        default=DEFAULT_RUNTIME,
        help=f"what runs the network; default: {DEFAULT_RUNTIME}",
    )
    option("--overwrite", action="store_true", help="colour again what is done")
    option("--force", action="store_true", help="colour pictures that have colours already")
    option("--json", action="store_true", help="print what was done as JSON")
    parser.set_defaults(run=run)


@dataclass
class Done:
    """What became of the pictures."""

    coloured: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)  # path -> reason


def run(args: argparse.Namespace) -> None:
    """Colour the pictures. Raises Failure at the end, if some could not be."""
    found = find(args.paths, args.out)
    todo = found.jobs
    model = models.find(args.model)
    painter = Painter(Colorizer.load(model), args)
    _refuse_twice(todo, painter)
    refuse_unwritable(args.out.parent if names_file(args.out) else args.out)
    if args.preview:
        _preview(todo, painter)
        return
    done = Done(failed=dict(found.unreadable))
    for job in progress(todo, "colour", "pictures"):
        targets = painter.targets(job.target)
        if not args.overwrite and all(target.exists() for target in targets):
            done.skipped.append(str(job.source))
            continue
        try:
            for target, scan in zip(targets, painter.answers(job.source), strict=True):
                scans.write(target, scan)
            done.coloured.append(str(job.source))
        except (UnreadablePicture, scans.UnwritablePicture) as error:
            done.failed[str(job.source)] = str(error)
        except OSError as error:
            if error.errno in FULL:
                raise Failure(
                    f"{job.target}: {error.strerror}; {len(done.coloured)} pictures are coloured and kept: "
                    "make room, or name another -o, and run the same again"
                ) from error
            done.failed[str(job.source)] = f"{error.strerror or error}" + _about(error)
        except MemoryError:
            done.failed[str(job.source)] = "not enough memory for a picture of this size"
    _tell(done, args, model, found)


class Painter:
    """One model, and how pictures are to be coloured with it."""

    def __init__(self, colorizer: Colorizer, args: argparse.Namespace) -> None:
        if colorizer.space.whole:
            raise UserError("--model: found one that colours drawings, allowed: one that colours photographs")
        if (args.samples or args.seed is not None) and not colorizer.told.get("z"):
            raise UserError(
                "--samples, --seed: found a model that knows one colouring of each picture, allowed: one "
                "with z, such as diversity/diverse-1 after `dvc repro studies/diversity/dvc.yaml`"
            )
        if colorizer.told.get("condition"):
            raise UserError("--model: found one that is told a condition, allowed: one that is not")
        self.args = args
        self._colorizer = colorizer
        self._predict = Predictor(colorizer, args.runtime)

    def targets(self, target: Path) -> list[Path]:
        """The files to write for a picture."""
        names = [target]
        if self.args.samples:
            names = [target.with_stem(f"{target.stem}-{k + 1}") for k in range(self.args.samples)]
        if self.args.compare:
            names = [both for name in names for both in (name, name.with_stem(f"{name.stem}-compare"))]
        return names

    def read(self, source: Path) -> scans.Scan:
        """A picture. Raises UnreadablePicture for one that has colours, too, unless --force."""
        scan = scans.read(source)
        if not self.args.force and scans.has_colours(scan.pixels) > tints.COLOURFUL:
            raise UnreadablePicture("it has colours already; --force colours it anew, from its lightness")
        return scan

    def answers(self, source: Path) -> Iterator[scans.Scan]:
        """What goes into these files. Raises UnreadablePicture as `read` does."""
        scan = self.read(source)
        first = self.args.seed or 0
        seeds = range(first, first + self.args.samples) if self.args.samples else [self.args.seed]
        for seed in seeds:
            after = self.colours(scan.pixels, seed)
            yield replace(scan, pixels=after)
            if self.args.compare:
                before = np.broadcast_to(scan.pixels.reshape(*scan.pixels.shape[:2], -1), after.shape)
                yield replace(scan, pixels=np.concatenate([before, after], axis=1))

    def colours(self, pixels: np.ndarray, seed: int | None) -> np.ndarray:
        """A picture in colour."""
        predict = partial(self._seeded, seed=seed)
        return full_size.colorize(pixels, predict, self.args.size, self.args.saturation, self._clean)

    def _seeded(self, batch: Batch, seed: int | None) -> Tensor:
        return self._predict(self._colorizer.with_noise(batch, seed))

    def _clean(self, L: Tensor) -> Tensor:
        L = cleaning.denoised(L) if self.args.denoise else L
        return cleaning.contrasted(L) if self.args.contrast else L


def _refuse_twice(todo: list[Job], painter: Painter) -> None:
    """Raise UserError where a picture would take the place of another's comparison, or of the preview."""
    targets = Counter(target for job in todo for target in painter.targets(job.target))
    if painter.args.preview:
        targets[_sheet(painter.args.out)] += 1
    for target, times in targets.items():
        if times > 1:
            raise UserError(f"{target}: several pictures would be called so; rename one of them, or leave it")


def _sheet(out: Path) -> Path:
    """The file of --preview."""
    return out.with_name(f"{out.stem}-{PREVIEW}") if names_file(out) else out / PREVIEW


def _preview(todo: list[Job], painter: Painter) -> None:
    from tintype.real_bw import spread  # here: to colour takes no tables and sheets
    from tintype.report import sheets

    shown = [todo[at] for at in spread(len(todo), PREVIEWED)]
    pairs, failed = [], {}
    for job in progress(shown, "preview", "pictures"):
        try:
            picture = scans.in_8_bits(painter.read(job.source).pixels)
        except (UnreadablePicture, OSError) as error:
            failed[str(job.source)] = str(error)
            continue
        # Of the size that the network is to see, so that it answers as it will.
        shorter, longer = sorted(picture.shape[:2])
        small = sheets.fit(picture, -(-longer * min(shorter, painter.args.size) // shorter))
        pair = [small, painter.colours(small, painter.args.seed)]
        pairs.append([sheets.fit(side, PREVIEWED_SIDE) for side in pair])
    if not pairs:
        raise Failure("none of the pictures for the sheet could be coloured" + _listed(failed))
    file = _sheet(painter.args.out)
    try:
        encode_png(file, sheets.grid([list(chain(*pairs[at : at + 3])) for at in range(0, len(pairs), 3)]))
    except OSError as error:
        raise Failure(f"{file}: {error.strerror or error}; make room, or name another -o") from error
    if painter.args.json:
        print(json.dumps({"preview": str(file), "pictures": len(pairs), "failed": failed}, indent=2))
    else:
        print(f"{file}: {len(pairs)} of {len(todo)} pictures; the same command without --preview colours all")
    if failed:
        raise Failure(f"{len(failed)} of those looked at cannot be coloured:{_listed(failed)}")


def _tell(done: Done, args: argparse.Namespace, model: Path, found: Found) -> None:
    if args.json:
        about = {"model": models.called(model), "out": str(args.out), "others": dict(found.others)}
        print(json.dumps(about | vars(done), indent=2))
    else:
        using = f", with {models.called(model)}" if done.coloured else ""
        print(f"{args.out}: {len(done.coloured)} coloured{using}")
        if done.skipped:
            print(
                f"{len(done.skipped)} were there, by whatever model and options, and were left as they are: "
                "--overwrite colours them again, another -o beside them"
            )
        if found.others:
            kinds = ", ".join(sorted(found.others))
            print(f"{found.others.total()} files of other kinds were not looked at ({kinds})")
    if done.failed:
        number, reasons = len(done.failed), _listed(done.failed)
        raise Failure(f"{number} could not be coloured; mend or leave them, all others are done:{reasons}")


def _listed(failed: dict[str, str]) -> str:
    return "".join(f"\n  {path}: {reason}" for path, reason in failed.items())


def _about(error: OSError) -> str:
    return f": {error.filename}" if error.filename else ""
