"""Colour a film as it plays: paced by its own timestamps, leaving frames out rather than falling behind."""

import statistics
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Protocol

import av

from tintype.video.colouring import Coloured
from tintype.video.film import Film
from tintype.video.pipeline import closed
from tintype.video.reading import Frame

HEAD_START = 0.5  # seconds from a frame's time by the film's clock to when it is shown
LEAST = 0.1  # seconds that finding a frame's colours is taken to last, until it is known to last longer
FORGET = 0.97  # with each frame that is in time, what is taken for that gets shorter by this factor


class Screen(Protocol):
    """What frames are shown on. It raises `Closed` when nobody watches any more."""

    def show(self, picture: av.VideoFrame) -> None:
        """Show a frame now."""

    def wait(self, seconds: float) -> None:
        """Let time pass."""


class Closed(Exception):
    """Nobody watches any more."""


@dataclass
class Played:
    """How it went: how many frames were shown, how many left out, and of each that was shown, how many
    seconds after its time by the film's clock, which starts when the first frame is decoded.
    """

    shown: int = 0
    left_out: int = 0
    latencies: list[float] = field(default_factory=list)

    def latency(self, percent: int) -> float:
        """A percentile of the latencies, in seconds; 0 where nothing was shown."""
        if len(self.latencies) < 2:
            return sum(self.latencies)
        return statistics.quantiles(self.latencies, n=100, method="inclusive")[percent - 1]


class _Clock:
    """When the frames of a film have their time."""

    def __init__(self, film: Film, now: Callable[[], float]) -> None:
        self.film, self.now = film, now
        self.began: float | None = None

    def since(self, pts: int) -> float:
        """Seconds since a frame's time; its clock starts with the first that is asked for."""
        seconds = float(pts * self.film.time_base)
        if self.began is None:
            self.began = self.now() - seconds
        return self.now() - self.began - seconds


class _Patience:
    """How many seconds finding a frame's colours takes, in need of time."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.now, self.needed = now, LEAST
        self.began: dict[int, float] = {}

    def learn(self, pts: int, early: float) -> None:
        """Take note of a frame that is there so many seconds before it is shown; after it, where negative."""
        took = self.now() - self.began.pop(pts)
        # One that was early may have lain there, so how long it took is not known.
        self.needed = max(self.needed, took) if early < 0 else max(LEAST, FORGET * self.needed)


def play(
    frames: Iterable[Frame],
    film: Film,
    colour: Callable[[Iterable[Frame]], Iterator[Coloured]],
    screen: Screen,
    now: Callable[[], float] = time.monotonic,
) -> Played:
    """Show a film in colour, each frame HEAD_START seconds after its time.

    colour: what finds the colours, such as `colouring.coloured`, which asks for frames as it gets on. A frame
    whose colours would come too late, by how long it took with those before, is left out, and not coloured.
    Returns when the film has ended, or the screen was closed.
    """
    clock, played, patience = _Clock(film, now), Played(), _Patience(now)

    def on_time() -> Iterator[Frame]:
        with closed(frames) as source:
            for frame in source:
                if HEAD_START - clock.since(frame.pts) >= patience.needed:
                    patience.began[frame.pts] = now()
                    yield frame
                else:
                    played.left_out += 1

    with closing(colour(on_time())) as pictures:
        try:
            for each in pictures:
                early = HEAD_START - clock.since(each.picture.pts)
                patience.learn(each.picture.pts, early)
                if early > 0:
                    screen.wait(early)
                screen.show(each.picture)
                played.shown += 1
                played.latencies.append(clock.since(each.picture.pts))
        except Closed:
            pass
    return played
