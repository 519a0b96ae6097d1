"""`tintype video` from the outside: what it says and leaves, for films and for what is none."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from films import decoded, frame_of, lumas, plane, sound_of, spoil, steady_times, write_film

from tintype.__main__ import main
from tintype.colorizer import Colorizer
from tintype.console import Failure, UserError

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    """A network that has learned nothing."""
    torch.manual_seed(0)
    generator = {"backbone": "unet", "width": 4, "depth": 2, "output_stride": 2, "head": "l1"}
    folder = tmp_path_factory.mktemp("model")
    Colorizer(generator | {"color_space": "lab"}, None).eval().save(folder, {})
    return folder


@pytest.fixture
def colour(model):
    def run(*arguments: str | Path) -> None:
        main(["video", *map(str, arguments), "--model", str(model), "--runtime", "torch", "--size", "32"])

    return run


@pytest.fixture
def film(tmp_path) -> Path:
    return write_film(tmp_path / "film.mp4", lumas(20), codec="libx264", sound="aac")


def test_a_film_becomes_a_film_in_colour(colour, film, tmp_path, capsys):
    out = tmp_path / "new" / "colour.mkv"
    colour(film, "-o", out)
    assert capsys.readouterr().out == f"{out}: 20 frames\n"
    assert len(decoded(out)) == 20 and len(sound_of(out)) == len(sound_of(film))
    assert plane(decoded(out)[5], 1).std() > 0


def test_json_says_what_was_done(colour, film, tmp_path, capsys):
    colour(film, "-o", tmp_path / "out.mp4", "--json")
    done = json.loads(capsys.readouterr().out)
    assert done["frames"] == 20 and done["coloured_earlier"] == 0 and done["damaged_packets"] == 0
    assert done["seconds"] == 0.76 and done["out"] == str(tmp_path / "out.mp4")


def test_what_is_there_is_not_replaced_unless_asked(colour, film, tmp_path):
    out = tmp_path / "out.mp4"
    out.write_text("mine")
    with pytest.raises(UserError, match="it is there already; `--overwrite` replaces it"):
        colour(film, "-o", out)
    assert out.read_text() == "mine"
    colour(film, "-o", out, "--overwrite")
    assert len(decoded(out)) == 20


def test_the_film_itself_is_never_written(colour, film, tmp_path):
    content = film.read_bytes()
    (tmp_path / "link.mp4").symlink_to(film)
    for out in (film, tmp_path / "link.mp4"):
        with pytest.raises(UserError, match="films are never changed"):
            colour(film, "-o", out, "--overwrite")
    assert film.read_bytes() == content


@pytest.mark.parametrize("name", ["out.avi", "out", "out.mp3"])
def test_other_suffixes_are_refused(colour, film, tmp_path, name):
    with pytest.raises(UserError, match=r"allowed: \.mp4, \.m4v, \.mov, \.mkv, \.webm"):
        colour(film, "-o", tmp_path / name)


def test_a_film_in_colour_is_refused_unless_forced(colour, tmp_path):
    frames = [frame_of(y, "yuv444p") for y in lumas(10)]
    for frame in frames:
        plane(frame, 1)[:, :30] = 90
    source, out = write_film(tmp_path / "film.mkv", frames), tmp_path / "out.mkv"
    with pytest.raises(UserError, match="it has colours; `--force` colours it anew"):
        colour(source, "-o", out)
    assert not out.exists()
    colour(source, "-o", out, "--force")
    assert len(decoded(out)) == 10


def test_a_tint_is_taken_away(colour, tmp_path):
    source = write_film(tmp_path / "film.mkv", [frame_of(y, "yuv444p", (110, 150)) for y in lumas(5)])
    colour(source, "-o", tmp_path / "out.mkv", "--saturation", "0")
    for frame in decoded(tmp_path / "out.mkv"):
        assert all(abs(plane(frame, number).astype(int) - 128).max() <= 1 for number in (1, 2))


def test_what_is_no_film_leaves_nothing(colour, tmp_path):
    source = tmp_path / "film.mp4"
    source.write_bytes(b"no film at all" * 100)
    with pytest.raises(UserError, match="not a film that can be read"):
        colour(source, "-o", tmp_path / "out.mp4")
    assert list(tmp_path.iterdir()) == [source]


def test_a_damaged_film_is_coloured_as_far_as_it_can_be_read(colour, tmp_path):
    source = write_film(tmp_path / "film.mkv", lumas(20), codec="libx264", g="1")
    spoil(source, 10)
    with pytest.raises(
        Failure, match=r"film\.mkv: 1 packets are damaged; all that can be read is in .*out\.mp4"
    ):
        colour(source, "-o", tmp_path / "out.mp4")
    assert len(decoded(tmp_path / "out.mp4")) == 19


def test_a_film_that_ends_early_is_told(colour, tmp_path):
    source = write_film(tmp_path / "film.mkv", lumas(100), codec="libx264", g="5")
    source.write_bytes(source.read_bytes()[: source.stat().st_size // 2])
    with pytest.raises(Failure, match=r"it ends after 1\.\d of 4\.0 seconds"):
        colour(source, "-o", tmp_path / "out.mp4")
    assert 30 < len(decoded(tmp_path / "out.mp4")) < 70


def test_a_folder_that_nobody_may_write_in_is_told(colour, film, tmp_path, monkeypatch):
    def refuse(*_, **__) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)  # root may write anywhere
    with pytest.raises(UserError, match="Permission denied; name a folder for -o that you may write in"):
        colour(film, "-o", tmp_path / "out.mp4")


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--play", "-o", "out.mp4"],
        ["-o", "out.mp4", "--every", "0"],
        ["-o", "out.mp4", "--smoothing", "1"],
    ],
)
def test_arguments_that_make_no_sense_are_refused(film, arguments, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["video", str(film), *arguments])
    assert stopped.value.code == 2
    assert "usage: tintype video" in capsys.readouterr().err


def test_a_stream_into_a_player(model, film, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "tintype", "video", str(film), "--play", "--model", str(model)],
        capture_output=True, cwd=ROOT, timeout=120, check=True,
    )  # fmt: skip
    (tmp_path / "stream.mkv").write_bytes(done.stdout)
    shown = len(decoded(tmp_path / "stream.mkv"))
    assert done.stderr.decode().startswith(f"{shown} frames shown, {20 - shown} left out; latency: median ")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_stopped_says_what_it_keeps(model, tmp_path, number):
    """It stops itself when it has written a segment."""
    out = tmp_path / "out.mp4"
    source = write_film(tmp_path / "film.mkv", lumas(60), steady_times(60), codec="libx264")
    body = f"""
import os, sys
from tintype.__main__ import entry
from tintype.video import making, segments
making.SECONDS = 1
add = segments.Segments.add
def stop(self, *packets_and_memory):
    add(self, *packets_and_memory)
    os.kill(os.getpid(), {int(number)})
segments.Segments.add = stop
sys.argv = ["tintype", "video", {str(source)!r}, "-o", {str(out)!r}, "--model", {str(model)!r}]
entry()
"""
    done = subprocess.run(
        [sys.executable, "-c", body], capture_output=True, text=True, cwd=ROOT, timeout=120,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 130 and done.stderr.endswith("stopped\n")
    assert (
        "what is coloured so far is kept in " in done.stderr and "run the same again to go on" in done.stderr
    )
    assert not out.exists()
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == [".out.mp4.segments"]
