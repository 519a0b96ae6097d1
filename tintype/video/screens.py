"""Where a film that is coloured as it plays goes to: a window, or a stream for a player."""

import os
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from fractions import Fraction
from typing import BinaryIO

import av

from tintype.console import UserError
from tintype.video.encoding import LIVE, configure, sound_packets
from tintype.video.film import Film, opened
from tintype.video.play import Closed, Screen


@contextmanager
def screen(film: Film) -> Iterator[Screen]:
    """A window where there is a screen, else Matroska on standard output, where something reads that.

    Raises UserError where there is neither.
    """
    if _is_read(sys.stdout.fileno()):
        with opened(film.path) as source, closing(Stream(film, source, sys.stdout.buffer)) as stream:
            yield stream
    elif (reason := no_window()) is None:
        with closing(Window(film)) as window:
            yield window
    else:
        raise UserError(
            f"--play: found no window to show the film in ({reason}) and no pipe for output; run it where "
            "there is a screen, or give the film to a player: `tintype video FILM --play | mpv -`"
        )


def _is_read(output: int) -> bool:
    """Whether an open file is a pipe or a file, and neither a terminal nor nothing."""
    mode = os.fstat(output).st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISREG(mode) or stat.S_ISSOCK(mode)


def no_window() -> str | None:
    """Why there can be no window, or None."""
    if sys.platform != "darwin" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return "neither DISPLAY nor WAYLAND_DISPLAY is set"
    try:
        import tkinter
    except ImportError:
        return "this Python has no tkinter; Debian's is in python3-tk"
    try:
        tkinter.Tk().destroy()
    except tkinter.TclError as error:
        return str(error)
    return None


class Window:
    """A window with the film, upright, no larger than the screen; Escape, q or its button closes it."""

    def __init__(self, film: Film) -> None:
        import tkinter

        self.root = tkinter.Tk()
        self.root.title(film.path.name)
        self.label = tkinter.Label(self.root, borderwidth=0, background="black")
        self.label.pack()
        self.open, self.film = True, film
        self.size = fitted(film, self.root.winfo_screenwidth(), self.root.winfo_screenheight())
        self.root.protocol("WM_DELETE_WINDOW", self._leave)
        for key in ("<Escape>", "q"):
            self.root.bind(key, lambda event: self._leave())

    def show(self, picture: av.VideoFrame) -> None:
        from PIL import Image, ImageTk

        rgb = picture.to_ndarray(width=self.size[0], height=self.size[1], format="rgb24")
        turned = Image.fromarray(rgb).rotate(90 * self.film.quarters, expand=True)
        self.shown = ImageTk.PhotoImage(turned, master=self.root)  # kept, for Tk keeps no hold of it
        self.label.configure(image=self.shown)
        self._update()

    def wait(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        self._update()
        while (left := end - time.monotonic()) > 0:
            time.sleep(min(left, 0.01))
            self._update()

    def close(self) -> None:
        self.root.destroy()

    def _leave(self) -> None:
        self.open = False

    def _update(self) -> None:
        self.root.update()
        if not self.open:
            raise Closed


def fitted(film: Film, width: int, height: int) -> tuple[int, int]:
    """Width and height, before it is turned, at which a film is shown on a screen, at most its own."""
    across, down = film.width * film.aspect, Fraction(film.height)
    if film.quarters % 2:
        width, height = height, width
    scale = min(1, width / across, height / down)
    return max(1, round(across * scale)), max(1, round(down * scale))


class Stream:
    """Matroska for a player, each frame as soon as it is there, with the film's sound."""

    def __init__(self, film: Film, source: av.container.InputContainer, out: BinaryIO) -> None:
        # A stream that waits for the next sound would hold the pictures back.
        options = {
            "live": "1",
            "flush_packets": "1",
            "cluster_time_limit": "200",
            "max_interleave_delta": "1",
        }
        self.film, self.read = film, True
        self.target = av.open(_Pipe(out), "w", format="matroska", options=options)
        name, settings = LIVE
        self.stream = self.target.add_stream(name, rate=film.rate)
        configure(self.stream.codec_context, film, settings)
        self.stream.time_base = film.time_base
        if film.matrix:
            self.stream.set_display_matrix(film.matrix)
        sounds = {
            number: self.target.add_stream_from_template(source.streams[number]) for number, _ in film.sounds
        }
        self.sound = sound_packets(source, film, sounds)
        self.next = next(self.sound, None)

    def show(self, picture: av.VideoFrame) -> None:
        try:
            self._sound_until(picture.pts * picture.time_base)
            self.target.mux(self.stream.encode(picture))
        except BrokenPipeError:
            self.read = False
            raise Closed from None

    def wait(self, seconds: float) -> None:
        time.sleep(seconds)

    def close(self) -> None:
        """Write what is left, where somebody still reads it."""
        if not self.read:
            return
        try:
            self.target.mux(self.stream.encode(None))
            self._sound_until(None)
            self.target.close()
        except BrokenPipeError:
            pass

    def _sound_until(self, seconds: Fraction | None) -> None:
        while self.next is not None and (seconds is None or self.next.dts * self.next.time_base <= seconds):
            self.target.mux_one(self.next)
            self.next = next(self.sound, None)


class _Pipe:
    """Standard output as a file that cannot be searched, so that nothing is written twice."""

    def __init__(self, out: BinaryIO) -> None:
        self.out = out

    def write(self, data: bytes) -> int:
        self.out.write(data)
        self.out.flush()
        return len(data)
