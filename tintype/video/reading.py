"""The frames of a film, one after the other, from any place in it."""

import zlib
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from heapq import heappop, heappush
from itertools import chain

import av
import numpy as np

from tintype.video.film import Film, has_luma, opened, pictures

# AVI only counts its packets, which stand in the order of decoding: FFmpeg gives frames times of their
# neighbours, at most so many frames away in any codec.
_WITHOUT_TIMES, _REORDERED = "avi", 16
_TRIES = 100  # reads in a row that fail, after which the rest of a film is given up


@dataclass(frozen=True)
class Missing:
    """What of a film could not be had: `damaged` packets that cannot be decoded, or not all of them;
    `out_of_order` frames, whose time is not after that of the one before.
    """

    damaged: int = 0
    out_of_order: int = 0

    def __sub__(self, other: "Missing") -> "Missing":
        return Missing(self.damaged - other.damaged, self.out_of_order - other.out_of_order)

    def __add__(self, other: "Missing") -> "Missing":
        return Missing(self.damaged + other.damaged, self.out_of_order + other.out_of_order)


@dataclass(frozen=True)
class Frame:
    """A frame. pts, duration: in units of the film; luma: its Y plane, uint8 (H, W); missing: up to here."""

    pts: int
    duration: int
    luma: np.ndarray
    missing: Missing

    @property
    def place(self) -> "Place":
        """Where the film goes on after this frame."""
        return Place(self.pts, zlib.crc32(np.ascontiguousarray(self.luma)), self.missing)


@dataclass(frozen=True)
class Place:
    """A frame that has been read: its time, a checksum of its luma, and what was missing up to there."""

    pts: int
    checksum: int
    missing: Missing


class Reading:
    """The frames of a film, or those after a place; `missing` says, at any time, what was up to there.

    Goes on after what is damaged, and counts it.
    """

    def __init__(self, film: Film, after: Place | None = None) -> None:
        self.film, self.after = film, after
        self.missing = Missing()

    def __iter__(self) -> Iterator[Frame]:
        if self.after is not None:
            with opened(self.film.path) as container:
                rest = self._sought(container)
                if rest is not None:
                    yield from rest
                    return
        with opened(self.film.path) as container:
            for frame in self._timed(container):
                if self.after is None or frame.pts > self.after.pts:
                    yield frame

    def _sought(self, container: av.container.InputContainer) -> Iterator[Frame] | None:
        """The frames after the place, from the key frame before it; None where that leads to others."""
        if container.format.name == _WITHOUT_TIMES:
            return None
        try:
            container.seek(self.after.pts + self.film.start, stream=pictures(container))
        except av.error.FFmpegError:
            return None
        found = self._timed(container)
        for frame in found:
            if frame.pts >= self.after.pts:
                known = replace(self.after, missing=frame.missing)
                return self._counted(found, frame.missing) if frame.place == known else None
        return None

    def _counted(self, frames: Iterator[Frame], before: Missing) -> Iterator[Frame]:
        """The frames, with what was missing before the place, which was found with `before` missing."""
        for frame in frames:
            yield replace(frame, missing=frame.missing - before + self.after.missing)
        self.missing = self.missing - before + self.after.missing

    def _timed(self, container: av.container.InputContainer) -> Iterator[Frame]:
        """Frames in the order of time, each later than the one before."""
        self.missing = Missing()
        step = max(1, round(1 / (self.film.rate * self.film.time_base)))
        last = None
        frames = ((frame, frame.pts) for frame in self._decoded(container))
        for found, pts in _sorted(frames) if container.format.name == _WITHOUT_TIMES else frames:
            if pts is not None:
                pts -= self.film.start
            elif last is None:
                pts = 0
            else:
                pts = last + step
            if last is not None and pts <= last:
                self.missing += Missing(out_of_order=1)
                continue
            last = pts
            yield Frame(pts, found.duration or step, _luma(found, self.film), self.missing)

    def _decoded(self, container: av.container.InputContainer) -> Iterator[av.VideoFrame]:
        stream = pictures(container)
        stream.thread_type = "AUTO"
        for packet in chain(self._packets(container, stream), [None]):
            try:
                for frame in stream.decode(packet):
                    self.missing += Missing(damaged=int(frame.is_corrupt))
                    yield frame
            except av.error.EOFError:
                return
            except av.error.FFmpegError:
                self.missing += Missing(damaged=1)

    def _packets(self, container, stream) -> Iterator[av.Packet]:
        tries = 0
        while tries < _TRIES:
            try:
                for packet in container.demux(stream):
                    tries = 0
                    if packet.size:  # an empty one stands for the end
                        yield packet
                return
            except av.error.FFmpegError:
                self.missing += Missing(damaged=1)
                tries += 1


def _sorted(frames: Iterator[tuple[av.VideoFrame, int | None]]) -> Iterator[tuple[av.VideoFrame, int | None]]:
    """The frames, in their order, with their times sorted, as far as times of near frames are exchanged."""
    waiting: deque[av.VideoFrame] = deque()
    times: list[int] = []
    for frame, pts in chain(frames, [(None, None)] * _REORDERED):
        waiting.append(frame)
        if pts is not None:
            heappush(times, pts)
        if len(waiting) > _REORDERED and (first := waiting.popleft()) is not None:
            yield first, heappop(times) if times else None


def _luma(frame: av.VideoFrame, film: Film) -> np.ndarray:
    """The Y plane (H, W), a view where the film keeps it as it is in the levels that it is written in."""
    if (frame.width, frame.height) != (film.width, film.height) or not has_luma(frame):
        # swscale has one number for both kinds of BT.601.
        matrix = {"dst_colorspace": 1 if film.levels.matrix == 1 else 5} if frame.format.is_rgb else {}
        frame = frame.reformat(
            film.width, film.height, "yuv444p", dst_color_range=film.levels.range, **matrix
        )
    plane = frame.planes[0]
    return np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[: film.height, : film.width]
