"""A film in colour, from file to file."""

import errno
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path

import av
from torch import Tensor

from tintype.batch import Batch
from tintype.console import Failure, UserError
from tintype.files import new_file, sha256
from tintype.progress import progress
from tintype.video.colouring import Coloured, Settings, coloured
from tintype.video.encoding import Encoder, format_of, refuse_sound, write
from tintype.video.film import Film
from tintype.video.reading import Missing, Reading
from tintype.video.segments import Segments, folder_for, kept

SECONDS = 10  # of a segment, at least
UNWRITABLE = (
    *(errno.EACCES, errno.EPERM, errno.EROFS),
    *(errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG),
)


@dataclass(frozen=True)
class Made:
    """What came of a film: how many frames, how many of them an earlier run had coloured, what was missing,
    and where it ended, in seconds of the film's clock.
    """

    frames: int
    earlier: int
    missing: Missing
    end: Fraction


def make(
    film: Film, out: Path, predict: Callable[[Batch], Tensor], settings: Settings, workers: int, model: dict
) -> Made:
    """Colour a film into `out`, which appears when it is whole; a stopped run goes on where it was.

    predict, workers: as `colouring.coloured` has them. model: what the colours depend on besides, JSON
    values; with it, the film and the settings decide whether what an earlier run left can be used. Raises
    UserError where the container cannot hold the sound, Failure where the disk is full.
    """
    container = format_of(out)
    refuse_sound(film, out)
    about = {
        "film": sha256(film.path),
        "container": container,
        "settings": asdict(settings),
        "model": model,
        "libraries": {name: list(version) for name, version in av.library_versions.items()},
    }
    try:
        with kept(out, about) as segments:
            earlier = segments.frames
            missing = _colour(film, container, predict, settings, workers, segments)
            with new_file(out) as unfinished:
                write(film, segments.packets(), unfinished, container)
            last = segments.memory.place.pts * film.time_base
            return Made(segments.frames, earlier, missing, last)
    except OSError as error:
        if isinstance(error, av.error.FFmpegError):
            raise
        if error.errno in UNWRITABLE:
            raise UserError(f"{out}: {error.strerror}; name a folder for -o that you may write in") from None
        left = f"what is coloured is kept in {folder_for(out)}; " if folder_for(out).exists() else ""
        raise Failure(
            f"{out}: {error.strerror}; {left}make room, or mend that, and run the same again to go on"
        ) from None


def _colour(
    film: Film,
    container: str,
    predict: Callable[[Batch], Tensor],
    settings: Settings,
    workers: int,
    segments: Segments,
) -> Missing:
    """Colour what no segment holds yet; returns what was missing in the whole film."""
    reading = Reading(film, segments.memory and segments.memory.place)
    frames = coloured(reading, film, predict, settings, workers, segments.memory)
    with closing(frames), progress(None, "video", "frames", total=film.frames) as bar:
        bar.update(segments.frames)
        for part in parts(frames, film, SECONDS):
            encoder, packets, last = Encoder(film, container), [], None
            for last in part:
                packets.extend(encoder.packets(last.picture))
                bar.update()
            packets.extend(encoder.packets(None))
            segments.add(packets, last.memory)
    return reading.missing


def parts(frames: Iterable[Coloured], film: Film, seconds: int) -> Iterator[Iterator[Coloured]]:
    """The frames in runs of at least so many seconds, each to be used up before the next."""
    frames = iter(frames)
    length = seconds / film.time_base
    first = next(frames, None)
    while first is not None:
        following: list[Coloured] = []
        yield _part(first, frames, first.picture.pts + length, following)
        first = following[0] if following else None


def _part(
    first: Coloured, frames: Iterator[Coloured], end: Fraction, following: list[Coloured]
) -> Iterator[Coloured]:
    """The frames before `end`; the first of the others is left in `following`."""
    yield first
    for frame in frames:
        if frame.picture.pts >= end:
            following.append(frame)
            return
        yield frame
