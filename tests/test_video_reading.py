"""Frames of films as people have them: their luma byte for byte, their times, what is damaged."""

from fractions import Fraction

import av
import numpy as np
import pytest
from films import CLOCK, decoded, frame_of, lumas, plane, spoil, steady_times, write_film

from tintype.console import UserError
from tintype.video.film import inspect
from tintype.video.levels import FULL, LIMITED, Levels
from tintype.video.reading import Missing, Place, Reading
from tintype.video.tint import in_colour

# Larger gaps, smaller gaps, and none at 0: in units of MP4's clock.
UNEVEN = [5 * 512 + i * 512 + (i % 3) * 37 for i in range(12)]


@pytest.mark.parametrize("layout", ["yuv420p", "yuv422p", "yuv444p", "gray", "yuv410p", "yuva420p", "nv12"])
def test_bytes_of_luma_are_kept(tmp_path, layout):
    luma = lumas(3)
    codec = "rawvideo" if layout == "nv12" else "ffv1"
    path = write_film(tmp_path / "film.mkv", [frame_of(y, layout) for y in luma], codec=codec, layout=layout)
    film = inspect(path)
    assert film.chroma == (layout if layout in ("yuv422p", "yuv444p") else "yuv420p")
    assert film.levels == Levels(6, FULL if layout == "gray" else LIMITED)
    for frame, expected in zip(Reading(film), luma, strict=True):
        assert np.array_equal(frame.luma, expected)


def test_old_names_of_the_full_range_are_understood(tmp_path):
    path = write_film(tmp_path / "film.mkv", lumas(2), codec="mjpeg", layout="yuvj420p")
    assert inspect(path).levels.range == FULL and inspect(path).chroma == "yuv420p"


def test_tags_of_the_film_are_kept(tmp_path):
    path = write_film(
        tmp_path / "film.mp4", lumas(2), codec="libx264", tags=(1, FULL), aspect=Fraction(16, 15)
    )
    film = inspect(path)
    assert film.levels == Levels(1, FULL) and film.aspect == Fraction(16, 15)


def test_ten_bits_and_rgb_become_eight_bits_of_luma(tmp_path):
    luma = np.tile(np.arange(16, 236, dtype=np.uint8)[:208], (16, 1))
    deep = frame_of(luma, "yuv444p").reformat(format="yuv444p10le")
    frame = next(iter(Reading(inspect(write_film(tmp_path / "deep.mkv", [deep])))))
    assert np.abs(frame.luma.astype(int) - luma).max() <= 1
    grey = np.tile(np.arange(0, 256, dtype=np.uint8), (16, 1))
    rgb = av.VideoFrame.from_ndarray(np.repeat(grey[..., None], 3, axis=2), "rgb24")
    path = write_film(tmp_path / "rgb.mkv", [rgb.reformat(format="bgr0")])
    film = inspect(path)
    assert film.levels == Levels(6, LIMITED)
    frame = next(iter(Reading(film)))
    assert np.abs(frame.luma - (16 + grey.astype(float) * 219 / 255)).max() <= 1


@pytest.mark.parametrize(("width", "height"), [(321, 241), (8, 8), (65, 48), (64, 49)])
def test_sizes_that_h264_has_not_get_a_colour_for_each_pixel(tmp_path, width, height):
    luma = lumas(2, width, height)
    film = inspect(write_film(tmp_path / "film.mkv", luma))
    assert (film.width, film.height) == (width, height)
    assert film.chroma == ("yuv420p" if (width, height) == (8, 8) else "yuv444p")
    assert [np.array_equal(frame.luma, y) for frame, y in zip(Reading(film), luma, strict=True)] == [True] * 2


def test_times_are_those_of_the_film(tmp_path):
    film = inspect(write_film(tmp_path / "film.mp4", lumas(12), UNEVEN, codec="libx264"))
    assert film.time_base == CLOCK and film.first == UNEVEN[0] * CLOCK
    assert [frame.pts for frame in Reading(film)] == UNEVEN


def test_a_broadcast_starts_at_0_whenever_it_was(tmp_path):
    times = [90000 * 3600 + 3600 * i for i in range(10)]
    path = write_film(
        tmp_path / "film.ts", lumas(10), times, Fraction(1, 90000), codec="libx264", preset="ultrafast"
    )
    assert [frame.pts for frame in Reading(inspect(path))] == [3600 * i for i in range(10)]


def test_frames_that_stand_in_another_order_than_they_are_shown_have_their_times(tmp_path):
    times = {}
    for name in ("film.avi", "film.mp4"):
        options = {"clock": Fraction(1, 25)} if name == "film.avi" else {}
        frames = range(40) if name == "film.avi" else steady_times(40)
        film = inspect(write_film(tmp_path / name, lumas(40), frames, codec="libx264", bf="3", **options))
        read = list(Reading(film))
        times[name] = [(frame.pts - read[0].pts) * film.time_base for frame in read]
        assert read[0].missing == read[-1].missing == Missing()
        rest = Reading(film, read[17].place)
        assert [frame.pts for frame in rest] == [frame.pts for frame in read[18:]]
    assert times["film.avi"] == times["film.mp4"] == [Fraction(i, 25) for i in range(40)]


@pytest.mark.parametrize("codec", ["ffv1", "libx264"])
def test_reading_goes_on_after_any_frame(tmp_path, codec):
    path = write_film(tmp_path / "film.mp4" if codec == "libx264" else tmp_path / "film.mkv", lumas(40),
                      codec=codec, **({"g": "7"} if codec == "libx264" else {}))  # fmt: skip
    film = inspect(path)
    all_frames = list(Reading(film))
    assert len(all_frames) == 40
    for last in (0, 6, 13, 25, 38, 39):
        rest = list(Reading(film, all_frames[last].place))
        assert [(f.pts, f.place.checksum) for f in rest] == [
            (f.pts, f.place.checksum) for f in all_frames[last + 1 :]
        ]


def test_where_a_place_is_not_found_again_the_film_is_read_from_its_start(tmp_path):
    film = inspect(write_film(tmp_path / "film.mp4", lumas(20), codec="libx264"))
    frames = list(Reading(film))
    other = Place(frames[9].pts, frames[9].place.checksum ^ 1, Missing())
    assert [frame.pts for frame in Reading(film, other)] == [frame.pts for frame in frames[10:]]


@pytest.mark.parametrize(("codec", "layout"), [("mjpeg", "yuvj420p"), ("libx264", "yuv420p")])
def test_what_is_damaged_is_counted_and_what_is_not_is_read(tmp_path, codec, layout):
    path = write_film(tmp_path / "film.mkv", lumas(20), codec=codec, layout=layout, g="1")
    spoil(path, 10)
    reading = Reading(inspect(path))
    assert [round(frame.pts / 40) for frame in reading] == [*range(10), *range(11, 20)]
    assert reading.missing == Missing(damaged=1)
    frames = list(Reading(reading.film))
    assert [frame.missing.damaged for frame in frames] == [0] * 10 + [1] * 9
    for last in (4, 14):  # and counted once, where another run goes on
        rest = Reading(reading.film, frames[last].place)
        assert len(list(rest)) == len(frames) - last - 1 and rest.missing == Missing(damaged=1)


def test_frames_that_could_be_decoded_in_part_count_as_damaged_and_are_there(tmp_path):
    path = write_film(tmp_path / "film.avi", lumas(20, 160, 120), range(20), Fraction(1, 25), codec="mpeg4")
    spoil(path, 10, keep=30)
    reading = Reading(inspect(path))
    assert len(list(reading)) == 20 and reading.missing == Missing(damaged=1)


def test_grey_and_sepia_films_have_no_colours_and_others_do(tmp_path):
    def toned(y: np.ndarray) -> av.VideoFrame:
        frame = frame_of(y, "yuv444p")
        plane(frame, 1)[:], plane(frame, 2)[:] = 118 - y // 32, 140 + y // 24
        return frame

    def coloured(y: np.ndarray) -> av.VideoFrame:
        frame = frame_of(y, "yuv444p")
        plane(frame, 1)[:, :20], plane(frame, 2)[:, 40:] = 100, 150
        return frame

    for name, make, expected in (
        ("grey", frame_of, False),
        ("sepia", toned, False),
        ("colour", coloured, True),
    ):
        for suffix, codec in ((".mkv", "ffv1"), (".mp4", "libx264")):
            path = write_film(tmp_path / (name + suffix), [make(y) for y in lumas(30)], codec=codec)
            assert in_colour(inspect(path)) is expected, (name, suffix)


def test_a_few_coloured_frames_make_no_colour_film(tmp_path):
    frames = [frame_of(y, "yuv444p") for y in lumas(90)]
    plane(frames[0], 1)[:, :20] = 60
    assert not in_colour(inspect(write_film(tmp_path / "film.mkv", frames, g="1")))


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("text.mp4", b"No film, but words. " * 100, "not a film that can be read"),
        ("empty.mp4", b"", "not a film that can be read"),
        ("noise.mkv", np.random.default_rng(0).bytes(5000), "not a film that can be read"),
    ],
)
def test_what_is_no_film_is_refused(tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=words):
        inspect(tmp_path / name)


def test_a_picture_sound_alone_and_nothing_are_refused(tmp_path):
    picture = tmp_path / "picture.mp4"
    av.VideoFrame.from_ndarray(lumas(1)[0], "gray").to_image().save(picture, format="png")
    with pytest.raises(UserError, match="`colorize` colours pictures"):
        inspect(picture)
    sound = write_film(tmp_path / "both.mkv", lumas(2), sound="flac")
    with (
        av.open(str(sound)) as source,
        av.open(str(tmp_path / "sound.mka"), "w", format="matroska") as target,
    ):
        stream = target.add_stream_from_template(source.streams.audio[0])
        for packet in source.demux(source.streams.audio[0]):
            if packet.size:
                packet.stream = stream
                target.mux(packet)
    with pytest.raises(UserError, match="sound alone"):
        inspect(tmp_path / "sound.mka")
    with pytest.raises(UserError, match=r"nowhere\.mp4: found nothing"):
        inspect(tmp_path / "nowhere.mp4")
    with pytest.raises(UserError, match="found a folder"):
        inspect(tmp_path)


def test_a_film_without_frames_is_refused(tmp_path):
    path = write_film(tmp_path / "film.mkv", lumas(2), codec="libx264")
    spoil(path, 1)
    spoil(path, 0)
    with pytest.raises(UserError, match="without a frame that can be decoded"):
        inspect(path)


def test_decoded_frames_are_the_ones_that_were_written(tmp_path):
    luma = lumas(4)
    path = write_film(tmp_path / "film.mkv", luma, steady_times(4))
    assert all(np.array_equal(plane(frame), y) for frame, y in zip(decoded(path), luma, strict=True))
