"""What a film is: its pictures' size and levels, its clock, its sound; and whether it can be coloured."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.sidedata.sidedata import Type

from tintype.console import UserError
from tintype.video.levels import FULL, LIMITED, MATRICES, Levels, usual_matrix

# Of these the clock starts anywhere, hours after 0 where a broadcast was recorded.
_ANY_START = {"mpegts", "mpeg"}
# Demuxers of single pictures and of text, whose files are films only by name.
_NO_FILMS = {"image2", "tty", "concat"}


@dataclass(frozen=True)
class Film:
    """A film's facts, as its container and its first frame tell them.

    width, height: pixels, as stored. chroma: pixel format of the coloured film. time_base: seconds of a unit
    of its timestamps. start: in these units, what is subtracted from its timestamps. rate: frames a second, a
    mean. aspect: of a pixel, its width by its height. matrix: 9 numbers of how players turn the frames, or
    None; quarters: of a turn, counter-clockwise, that this is. tags: primaries and transfer, by H.273.
    frames, seconds: how many and how long, where known. sounds: of each sound stream, its number and codec.
    first: when its pictures begin, in seconds.
    """

    path: Path
    width: int
    height: int
    chroma: str
    levels: Levels
    time_base: Fraction
    start: int
    rate: Fraction
    aspect: Fraction
    matrix: tuple[int, ...] | None
    quarters: int
    tags: tuple[int, int]
    frames: int | None
    seconds: Fraction | None
    sounds: tuple[tuple[int, str], ...]
    first: Fraction

    @property
    def end(self) -> Fraction | None:
        """When the pictures end, in seconds of the film's clock, where that is known."""
        return None if self.seconds is None else self.first + self.seconds


def opened(path: Path) -> av.container.InputContainer:
    """A film's container, to be closed. Raises UserError where the file is not there or no film."""
    if not path.is_file():
        found = "a folder" if path.is_dir() else "nothing"
        raise UserError(f"{path}: found {found}, allowed: a file with a film; colour one at a time")
    try:
        container = av.open(str(path), metadata_errors="replace", options={"protocol_whitelist": "file"})
    except av.error.PermissionError:
        raise UserError(f"{path}: no right to read it; `chmod +r` gives it") from None
    except (av.error.FFmpegError, ValueError) as error:
        raise UserError(
            f"{path}: not a film that can be read ({_reason(error)}); is it whole, and does it play?"
        ) from None
    if container.format.name in _NO_FILMS or container.format.name.endswith("_pipe"):
        container.close()
        raise UserError(f"{path}: found a picture or a text, allowed: a film; `colorize` colours pictures")
    return container


def pictures(container: av.container.InputContainer) -> av.video.stream.VideoStream | None:
    """The stream with the moving pictures: the first that is not a cover."""
    covers = av.stream.Disposition.attached_pic | av.stream.Disposition.still_image
    return next((stream for stream in container.streams.video if not stream.disposition & covers), None)


def inspect(path: Path) -> Film:
    """Read what a film is. Raises UserError where it is none that has pictures that can be decoded."""
    with opened(path) as container:
        stream = pictures(container)
        if stream is None:
            found = "sound alone" if container.streams.audio else "no pictures"
            raise UserError(f"{path}: found {found}, allowed: a film with moving pictures")
        frame = first_frame(container, stream)
        if frame is None:
            raise UserError(f"{path}: found a film without a frame that can be decoded; is the file whole?")
        rate = stream.average_rate or stream.guessed_rate or Fraction(25)
        seconds = _length(stream)
        matrix = frame.side_data.get(Type.DISPLAYMATRIX)
        return Film(
            path,
            frame.width,
            frame.height,
            *_planes(frame),
            stream.time_base,
            _start(container, stream),
            rate,
            stream.sample_aspect_ratio or Fraction(1),
            None if matrix is None else tuple(map(int, np.frombuffer(bytes(matrix), np.int32))),
            round(frame.rotation / 90) % 4,
            (int(frame.color_primaries), int(frame.color_trc)),
            stream.frames or (round(seconds * rate) if seconds else None),
            seconds,
            tuple(
                (sound.index, sound.codec_context.codec.canonical_name) for sound in container.streams.audio
            ),
            ((stream.start_time or 0) - _start(container, stream)) * stream.time_base,
        )


def first_frame(container: av.container.InputContainer, stream: av.video.stream.VideoStream):
    """The first frame that can be decoded, or None."""
    try:
        for packet in container.demux(stream):
            try:
                frames = packet.decode()
            except av.error.FFmpegError:
                continue
            if frames:
                return frames[0]
    except av.error.FFmpegError:
        pass
    return None


def has_luma(frame: av.VideoFrame) -> bool:
    """Whether the frame's first plane is its luma, in bytes, to be kept as it is."""
    first = frame.format.components[0]
    alone = sum(part.plane == first.plane for part in frame.format.components) == 1
    other = frame.format.is_rgb or frame.format.has_palette
    return first.is_luma and first.bits == 8 and first.plane == 0 and alone and not other


def _planes(frame: av.VideoFrame) -> tuple[str, Levels]:
    """The pixel format and the levels that a film has when it is coloured."""
    name = frame.format.name
    matrix = frame.colorspace if frame.colorspace in MATRICES else usual_matrix(frame.height)
    full = frame.color_range == FULL or name.startswith("yuvj")
    if name.startswith("gray"):
        full = frame.color_range != LIMITED  # as players take grey
    if frame.format.is_rgb:
        full = False
    kept = name.replace("yuvj", "yuv").replace("yuva", "yuv")
    chroma = kept if kept in ("yuv422p", "yuv444p") else "yuv420p"
    # H.264 has no odd sizes where two pixels share a colour.
    across, down = (frame.width % 2 and chroma != "yuv444p"), (frame.height % 2 and chroma == "yuv420p")
    return "yuv444p" if across or down else chroma, Levels(int(matrix), FULL if full else LIMITED)


def _length(stream: av.video.stream.VideoStream) -> Fraction | None:
    """Seconds of the pictures, where the container knows them; in Matroska a tag has them."""
    if stream.duration:
        return stream.duration * stream.time_base
    try:
        hours, minutes, seconds = stream.metadata["DURATION"].split(":")
        return 3600 * int(hours) + 60 * int(minutes) + Fraction(seconds)
    except (KeyError, ValueError):
        return None


def _start(container: av.container.InputContainer, stream: av.stream.Stream) -> int:
    if container.format.name not in _ANY_START:
        return 0
    starts = [
        each.start_time * each.time_base
        for each in (stream, *container.streams.audio)
        if each.start_time is not None
    ]
    return int(min(starts) / stream.time_base) if starts else 0


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
