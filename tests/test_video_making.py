"""Films from file to file: what is kept, what is coloured, and going on after a stop."""

import errno
import threading
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from films import decoded, frame_of, lumas, one_colour, plane, seconds, sound_of, steady_times, write_film

from tintype.batch import Batch
from tintype.console import Failure, UserError
from tintype.video import colouring, making
from tintype.video.colouring import Settings, coloured, small_size
from tintype.video.film import inspect
from tintype.video.levels import FULL, LIMITED
from tintype.video.reading import Reading
from tintype.video.segments import folder_for
from tintype.video.steady import is_cut

SETTINGS = Settings(size=32)
RED = one_colour(40.0, 20.0)
MODEL = {"weights": "1"}


def by_lightness(batch: Batch) -> torch.Tensor:
    """A model whose colours differ from place to place and from frame to frame."""
    return torch.cat([batch.input - 50, 30 - batch.input.roll(3, dims=3)], dim=1)


def make(path: Path, out: Path, predict=RED, settings: Settings = SETTINGS, model: dict = MODEL):
    return making.make(inspect(path), out, predict, settings, 2, model)


@pytest.mark.parametrize("layout", ["yuv420p", "yuv422p", "yuv444p"])
@pytest.mark.parametrize(("width", "height"), [(64, 48), (321, 241), (8, 8), (700, 16)])
def test_luma_is_untouched_and_chroma_has_its_own_size(tmp_path, layout, width, height):
    luma = [frame_of(np.resize(y, (height, width)), layout) for y in lumas(3, 128, 100)]
    film = inspect(write_film(tmp_path / "film.mkv", luma))
    pictures = [each.picture for each in coloured(Reading(film), film, RED, SETTINGS, 2)]
    assert len(pictures) == 3
    for picture, frame in zip(pictures, luma, strict=True):
        assert np.array_equal(plane(picture), plane(frame))
        assert picture.format.name == film.chroma
        assert plane(picture, 2).astype(int).mean() > 130  # red


def test_what_the_network_sees_has_the_shape_of_what_is_shown(tmp_path):
    film = inspect(write_film(tmp_path / "film.mkv", lumas(1, 320, 240)))
    assert small_size(film, 96) == (96, 128)
    assert small_size(replace(film, aspect=Fraction(4, 3)), 96) == (96, 176)
    assert small_size(film, 1000) == (240, 320)
    assert small_size(replace(film, width=8, height=8), 96) == (16, 16)


def test_the_network_sees_pictures_upright(tmp_path):
    shapes, darker = [], []

    def look(batch: Batch) -> torch.Tensor:
        shapes.append(tuple(batch.input.shape[2:]))
        darker.append(batch.input[0, 0, 0].mean() < batch.input[0, 0, -1].mean())
        return RED(batch)

    bright_left = np.tile(np.linspace(220, 30, 64).astype(np.uint8), (48, 1))
    # Turned counter-clockwise, what was on the left is below.
    film = inspect(write_film(tmp_path / "film.mp4", [bright_left] * 2, codec="libx264", quarters=1))
    assert film.quarters == 1
    assert len(list(coloured(Reading(film), film, look, SETTINGS, 1))) == 2
    assert set(shapes) == {(48, 32)} and all(darker)


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm"])
def test_times_sound_and_shape_are_kept(tmp_path, suffix):
    times = [7 * 512 + 512 * i + 128 * (i % 3) for i in range(30)]
    clock = Fraction(1, 12800)
    if suffix in (".mkv", ".webm"):
        times, clock = [1 + 40 * i + 7 * (i % 3) for i in range(30)], Fraction(1, 1000)
    source = tmp_path / f"film{suffix}"
    kinds = {"codec": "libx264", "sound": "aac", "aspect": Fraction(16, 15), "bf": "2"}
    if suffix == ".webm":
        kinds = {"codec": "libvpx-vp9", "sound": "libopus", "deadline": "realtime", "cpu-used": "8"}
    write_film(source, lumas(30), times, clock, tags=(1, FULL), **kinds)
    out = tmp_path / f"out{suffix}"
    made = make(source, out)
    assert made.frames == 30 and made.earlier == 0 and made.end == times[-1] * clock
    assert seconds(out) == [pts * clock for pts in times]
    assert sound_of(out) == sound_of(source)
    with av.open(str(out)) as result:
        stream = result.streams.video[0]
        assert stream.codec_context.name == ("vp9" if suffix == ".webm" else "h264")
        assert (stream.width, stream.height) == (64, 48)
        assert (stream.codec_context.colorspace, stream.codec_context.color_range) == (1, FULL)
        assert stream.sample_aspect_ratio == (1 if suffix == ".webm" else Fraction(16, 15))
    assert not folder_for(out).exists() and sorted(tmp_path.iterdir()) == sorted([source, out])


def test_a_film_without_tags_is_tagged_as_what_it_is_taken_for(tmp_path):
    out = tmp_path / "out.mp4"
    make(write_film(tmp_path / "film.mkv", lumas(3)), out)
    assert {(frame.colorspace, frame.color_range) for frame in decoded(out)} == {(6, LIMITED)}
    red = decoded(out)[1].to_ndarray(format="rgb24").astype(int)
    assert (red[..., 0] > red[..., 1]).mean() > 0.9


def test_the_title_is_kept_and_what_was_said_of_the_other_file_is_not(tmp_path):
    source = write_film(tmp_path / "film.mp4", lumas(3), codec="libx264", title="At the seaside")
    make(source, tmp_path / "out.mkv")
    with av.open(str(tmp_path / "out.mkv")) as result:
        assert result.metadata["title"] == "At the seaside"
        assert not {"MAJOR_BRAND", "COMPATIBLE_BRANDS"} & set(result.metadata)


def test_a_turned_film_stays_turned(tmp_path):
    source = write_film(tmp_path / "film.mp4", lumas(3), codec="libx264", quarters=3)
    make(source, tmp_path / "out.mp4")
    make(source, tmp_path / "out.mkv")
    for name in ("film.mp4", "out.mp4", "out.mkv"):
        assert decoded(tmp_path / name)[0].rotation == -90


def test_odd_and_tiny_films_keep_their_size(tmp_path):
    for width, height in ((321, 241), (8, 8)):
        for suffix in (".mp4", ".webm"):
            out = tmp_path / f"{width}{suffix}"
            make(write_film(tmp_path / "film.mkv", [np.full((height, width), 99, np.uint8)] * 3), out)
            assert {(frame.width, frame.height) for frame in decoded(out)} == {(width, height)}


def test_other_sound_than_the_container_holds_is_refused_at_once(tmp_path):
    source = write_film(tmp_path / "film.mkv", lumas(3), sound="aac")
    with pytest.raises(
        UserError, match=r"found sound in aac.*\.webm files cannot hold; name the output \.mkv"
    ):
        make(source, tmp_path / "out.webm", predict=None)
    assert list(tmp_path.iterdir()) == [source]


class Stopping:
    """A model that is stopped when it has seen so many frames."""

    def __init__(self, frames: int, error: type[BaseException] = KeyboardInterrupt) -> None:
        self.left, self.error, self.lock = frames, error, threading.Lock()

    def __call__(self, batch: Batch) -> torch.Tensor:
        with self.lock:
            self.left -= 1
            if self.left < 0:
                raise self.error
        return by_lightness(batch)


@pytest.fixture
def film(tmp_path, monkeypatch) -> Path:
    """A film of four segments of a second each, with a cut within one of them, and sound."""
    monkeypatch.setattr(making, "SECONDS", 1)
    frames = lumas(40, 64, 48) + lumas(60, 64, 48, start=90)
    return write_film(tmp_path / "film.mp4", frames, codec="libx264", sound="aac", g="12", bf="2")


@pytest.mark.parametrize(("stops", "kept"), [((30,), 25), ((55,), 50), ((99,), 75), ((28, 30, 26), 75)])
@pytest.mark.parametrize("settings", [SETTINGS, Settings(size=32, every=3, smoothing=0.8)])
def test_a_run_that_was_stopped_goes_on_to_the_same_bytes(tmp_path, film, stops, kept, settings):
    whole, parts = tmp_path / "whole.mp4", tmp_path / "parts.mp4"
    make(film, whole, by_lightness, settings)
    for stop in stops:
        with pytest.raises(KeyboardInterrupt):
            make(film, parts, Stopping(stop // settings.every), settings)
        assert not parts.exists() and folder_for(parts).is_dir()
    made = make(film, parts, by_lightness, settings)
    assert made.frames == 100 and made.earlier == kept
    assert parts.read_bytes() == whole.read_bytes()
    assert not folder_for(parts).exists()


def test_segments_that_are_not_whole_are_made_again(tmp_path, film):
    whole, parts = tmp_path / "whole.mp4", tmp_path / "parts.mp4"
    make(film, whole, by_lightness)
    with pytest.raises(KeyboardInterrupt):
        make(film, parts, Stopping(60))
    last = sorted(folder_for(parts).glob("*.npz"))[-1]
    last.write_bytes(last.read_bytes()[:-100])
    assert make(film, parts, by_lightness).earlier == 25
    assert parts.read_bytes() == whole.read_bytes()


@pytest.mark.parametrize("change", ["settings", "model", "film"])
def test_other_work_starts_anew(tmp_path, film, change):
    out = tmp_path / "out.mp4"
    with pytest.raises(KeyboardInterrupt):
        make(film, out, Stopping(60))
    settings = replace(SETTINGS, saturation=0.5) if change == "settings" else SETTINGS
    if change == "film":
        write_film(film, lumas(60), codec="libx264")
    made = make(film, out, RED, settings, {"weights": "2"} if change == "model" else MODEL)
    assert made.earlier == 0


def test_what_goes_wrong_before_the_first_segment_leaves_nothing(tmp_path, film):
    out = tmp_path / "out.mp4"
    with pytest.raises(ZeroDivisionError):
        make(film, out, Stopping(10, ZeroDivisionError))
    assert list(tmp_path.iterdir()) == [film]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("network")]


def test_a_full_disk_keeps_what_there_is(tmp_path, film, monkeypatch):
    out, write = tmp_path / "out.mp4", np.savez
    room = [2]

    def full(stream, **arrays) -> None:
        room[0] -= 1
        if room[0] < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(stream, **arrays)

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(
        Failure, match=r"No space left.*kept in .*; make room, or mend that, and run the same again"
    ):
        make(film, out, by_lightness)
    assert not out.exists()
    room[0] = 100
    assert make(film, out, by_lightness).earlier == 50


def test_two_at_once_are_refused(tmp_path, film):
    out = tmp_path / "out.mp4"

    def meanwhile(batch: Batch) -> torch.Tensor:
        with pytest.raises(UserError, match="another process is writing it"):
            make(film, out)
        return RED(batch)

    make(film, out, meanwhile)


def test_memory_does_not_grow_with_the_film(tmp_path, monkeypatch):
    """No more frames are decoded than the queues hold, however slow the encoder is."""
    film = inspect(write_film(tmp_path / "film.mkv", lumas(60)))
    read = [0]

    def counted():
        for frame in Reading(film):
            read[0] += 1
            yield frame

    workers = 2
    # Three queues, and what each of four threads has in its hands.
    most = 2 + (workers + 1) + 2 + 4
    for number, _ in enumerate(coloured(counted(), film, RED, SETTINGS, workers), start=1):
        assert read[0] <= number + most
    assert number == 60


def test_every_second_frame_is_enough_for_the_network_and_cuts_are_seen_at_once(tmp_path):
    asked = []

    def answer(batch: Batch) -> torch.Tensor:
        asked.append(batch.input)
        return RED(batch)

    frames = lumas(11) + [y[::-1, ::-1] for y in lumas(10, start=60)]
    film = inspect(write_film(tmp_path / "film.mkv", frames))
    seen = list(colouring.seen(Reading(film), film, Settings(size=48, every=4), None))
    assert [each.cut for each in seen] == [i in (0, 11) for i in range(21)]
    assert [each.age for each in seen] == [0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1]
    pictures = list(coloured(Reading(film), film, answer, Settings(size=48, every=4), 2))
    assert len(asked) == 6 and len(pictures) == 21
    red = [plane(each.picture, 2).mean() for each in pictures]
    assert min(red) > 140  # those in between are as red


def test_colours_of_one_scene_do_not_come_into_the_next(tmp_path):
    before, after = np.full((48, 64), 100, np.uint8), np.full((48, 64), 100, np.uint8)
    before[:, ::16], after[::2, 20:] = 30, 200
    film = inspect(write_film(tmp_path / "film.mkv", [before] * 5 + [after] * 5))
    small = [film.levels.lightness(colouring.shrunk(y, (48, 64))) for y in (before, after)]
    assert is_cut(*small)

    def answer(batch: Batch) -> torch.Tensor:
        return one_colour(*((0.0, 40.0) if batch.input.mean() < 42 else (0.0, -40.0)))(batch)

    assert small[0].mean() < 42 < small[1].mean()
    settings = Settings(size=48, smoothing=0.9)
    blue = [plane(each.picture, 1).mean() for each in coloured(Reading(film), film, answer, settings, 2)]
    assert max(blue[:5]) < 118 and min(blue[5:]) > 138


def test_saturation_scales_colours(tmp_path):
    film = inspect(write_film(tmp_path / "film.mkv", [np.full((48, 64), 120, np.uint8)] * 2))
    found = {}
    for saturation in (0.0, 0.5, 1.0):
        settings = replace(SETTINGS, saturation=saturation)
        picture = next(iter(coloured(Reading(film), film, RED, settings, 1))).picture
        found[saturation] = plane(picture, 2).mean() - 128
    assert found[0.0] == 0 and found[1.0] > 20
    assert found[0.5] == pytest.approx(found[1.0] / 2, abs=2)
    assert steady_times(2) == [0, 512]
