"""Films that are coloured as they play: paced, never behind, into a stream that a player can show."""

import io
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction

import av
import numpy as np
import pytest
from films import frame_of, lumas, plane, sound_of, write_film

from tintype.console import UserError
from tintype.video import screens
from tintype.video.colouring import Coloured
from tintype.video.film import inspect
from tintype.video.play import HEAD_START, Closed, Played, play
from tintype.video.reading import Reading


class Clock:
    """Time that passes only where somebody takes it: that of who watches, and of who colours meanwhile."""

    def __init__(self) -> None:
        self.time, self.work, self.colouring = 1000.0, 1000.0, False

    def __call__(self) -> float:
        return self.work if self.colouring else self.time

    def take(self, seconds: float) -> None:
        self.time += seconds


class Shown:
    """A screen that remembers what was shown when."""

    def __init__(self, clock: Clock, frames: int | None = None) -> None:
        self.clock, self.frames, self.times = clock, frames, {}

    def show(self, picture: av.VideoFrame) -> None:
        if len(self.times) == self.frames:
            raise Closed
        self.times[picture.pts] = self.clock()

    def wait(self, seconds: float) -> None:
        self.clock.take(seconds)


def painter(film, clock: Clock, seconds: float, ahead: int = 4):
    """What colours one frame after the other, takes so long for each, and is so many ahead at most."""

    def colour(frames):
        frames, asked = iter(frames), []
        while True:
            asked.append(clock.time)
            clock.work = max(clock.work, asked[-1 - ahead] if len(asked) > ahead else 0)
            clock.colouring = True
            frame = next(frames, None)
            clock.colouring = False
            if frame is None:
                return
            clock.work += seconds
            clock.time = max(clock.time, clock.work)
            picture = frame_of(frame.luma, film.chroma, (128, 160))
            picture.pts, picture.time_base = frame.pts, film.time_base
            yield Coloured(picture, None)

    return colour


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    path = tmp_path_factory.mktemp("play") / "film.mkv"
    return inspect(
        write_film(path, lumas(50), [40 * i + 3000 for i in range(50)], Fraction(1, 1000), sound="flac")
    )


def test_a_model_that_is_fast_enough_shows_every_frame_in_its_time(film):
    clock = Clock()
    screen = Shown(clock)
    played = play(Reading(film), film, painter(film, clock, 0.03), screen, clock)
    assert (played.shown, played.left_out) == (50, 0)
    starts = [time - pts / 1000 for pts, time in screen.times.items()]
    assert max(starts) - min(starts) < 1e-6  # paced by the timestamps
    assert played.latency(50) == pytest.approx(HEAD_START) == played.latency(95)


def test_a_model_that_is_too_slow_leaves_frames_out_and_does_not_fall_behind(film):
    clock = Clock()
    screen = Shown(clock)
    played = play(Reading(film), film, painter(film, clock, 0.1), screen, clock)
    assert played.shown + played.left_out == 50
    assert 18 <= played.shown <= 25  # two seconds of film, a tenth for each frame
    assert max(played.latencies) <= 0.4 + HEAD_START
    assert np.mean(played.latencies) <= HEAD_START + 0.05


def test_a_model_that_is_far_too_slow_does_not_fall_behind_either(tmp_path):
    long = inspect(write_film(tmp_path / "film.mkv", lumas(2) * 500))
    clock = Clock()
    played = play(Reading(long), long, painter(long, clock, 0.8), Shown(clock), clock)
    assert 45 <= played.shown <= 56  # forty seconds of film
    assert max(played.latencies[10:]) <= HEAD_START + 0.8
    assert np.median(played.latencies) <= HEAD_START + 0.04


def test_who_closes_the_window_ends_it(film):
    clock = Clock()
    assert play(Reading(film), film, painter(film, clock, 0.01), Shown(clock, 7), clock).shown == 7


def test_latency_of_nothing_is_none():
    assert Played().latency(95) == 0 and Played(1, 0, [0.5]).latency(95) == 0.5


def test_the_stream_has_the_frames_their_times_and_the_sound(film, tmp_path):
    out = io.BytesIO()
    clock = Clock()
    with av.open(str(film.path)) as source:
        stream = screens.Stream(film, source, out)
        stream.wait = clock.take
        played = play(Reading(film), film, painter(film, clock, 0.01), stream, clock)
        stream.close()
    assert played.shown == 50
    path = tmp_path / "stream.mkv"
    path.write_bytes(out.getvalue())
    with av.open(str(path)) as result:
        frames = list(result.decode(video=0))
    assert [frame.pts for frame in frames] == [40 * i + 3000 for i in range(50)]
    assert plane(frames[10], 2).mean() == pytest.approx(160, abs=1)
    assert sound_of(path) == sound_of(film.path)


def test_a_player_that_goes_away_ends_it(film):
    class Broken(io.BytesIO):
        def write(self, data: bytes) -> int:
            raise BrokenPipeError

    clock = Clock()
    with av.open(str(film.path)) as source:
        stream = screens.Stream(film, source, Broken())
        stream.wait = clock.take
        played = play(Reading(film), film, painter(film, clock, 0.01), stream, clock)
        stream.close()
    assert played.shown < 50


def test_without_a_screen_on_a_terminal_both_ways_are_told(film, monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    terminal, _ = os.openpty()
    monkeypatch.setattr(sys, "stdout", os.fdopen(terminal, "w"))
    with pytest.raises(UserError, match=r"neither DISPLAY nor WAYLAND_DISPLAY is set.*--play \| mpv -"):  # noqa: SIM117
        with screens.screen(film):
            pass


def test_a_display_that_is_not_there_is_told(monkeypatch):
    monkeypatch.setenv("DISPLAY", ":987")
    assert screens.no_window() is not None


@pytest.fixture
def display(monkeypatch):
    """A screen without a monitor, of 50 x 40 pixels."""
    if shutil.which("Xvfb") is None:
        pytest.skip("no Xvfb on this machine: `apt-get install xvfb` installs it")
    command = ["Xvfb", "-displayfd", "1", "-screen", "0", "50x40x24"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        monkeypatch.setenv("DISPLAY", f":{server.stdout.readline().strip()}")
        yield
        server.terminate()


def test_a_window_shows_the_film_upright_until_it_is_closed(film, display):
    assert screens.no_window() is None
    red = frame_of(np.full((48, 64), 100, np.uint8), chroma=(128, 200))
    window = screens.Window(replace(film, quarters=1))
    try:
        window.show(red)
        assert (window.shown.width(), window.shown.height()) == (30, 40)  # of 64 x 48, turned
        window.root.event_generate("<Escape>")
        with pytest.raises(Closed):
            window.wait(60)
    finally:
        window.close()


@pytest.mark.parametrize(
    ("quarters", "screen", "expected"),
    [
        (0, (1920, 1080), (64, 48)),
        (0, (32, 100), (32, 24)),
        (1, (24, 100), (32, 24)),
        (0, (100, 12), (16, 12)),
    ],
)
def test_a_window_is_no_larger_than_its_screen(film, quarters, screen, expected):
    assert screens.fitted(replace(film, quarters=quarters), *screen) == expected
