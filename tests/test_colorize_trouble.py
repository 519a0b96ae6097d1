"""`tintype colorize` where something fails: what it says, its exit status, nothing half-written."""

# ruff: noqa: F811  fixtures are imported

import errno
import io
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from colouring import GREY, ROOT, colour, coloured, model, plain, put, written  # noqa: F401
from PIL import Image

from tintype import files, scans
from tintype.__main__ import COMMANDS, main
from tintype.console import Failure


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS])
@pytest.mark.parametrize("name", ["b.jpg", "b.png", "b.tif"])
def test_without_space_it_stops_says_so_and_leaves_nothing_half_written(colour, monkeypatch, name, number):
    put("in/a.png")
    put(f"in/{name}")
    replaced = os.replace

    def full(source, target):
        if Path(target).name == name and "out" in Path(target).parts:
            raise OSError(number, os.strerror(number))
        return replaced(source, target)

    monkeypatch.setattr(files.os, "replace", full)
    with pytest.raises(
        Failure, match=rf"out/{name}: .*; 1 pictures are coloured and kept: make room, or name"
    ):
        colour("in", "-o", "out")
    assert set(written("out")) == {"a.png"}
    monkeypatch.undo()


def test_a_target_that_cannot_be_written_is_named_and_the_others_go_on(colour):
    put("in/a/a.png")
    put("in/b.png")
    Path("out").mkdir()
    Path("out/a").write_text("in the way")
    with pytest.raises(
        Failure, match=r"1 could not be coloured.*\n  in/a/a.png: (File exists|Not a directory)"
    ):
        colour("in", "-o", "out")
    assert set(written("out")) == {"a", "b.png"}


def test_too_little_memory_for_one_picture_is_told_and_the_others_go_on(colour, monkeypatch):
    put("in/a.png")
    put("in/b.png", GREY[:20])
    read = scans.read

    def greedy(path):
        if path.name == "a.png":
            raise MemoryError
        return read(path)

    monkeypatch.setattr(scans, "read", greedy)
    with pytest.raises(Failure, match=r"in/a.png: not enough memory"):
        colour("in", "-o", "out")
    assert set(written("out")) == {"b.png"}


@pytest.mark.parametrize("name", ["b.jpg", "b.png", "b.tif"])
def test_ctrl_c_leaves_nothing_half_written(colour, monkeypatch, name):
    put("in/a.png")
    put(f"in/{name}")
    replaced = os.replace

    def stopped(source, target):
        if Path(target).name == name:
            raise KeyboardInterrupt
        return replaced(source, target)

    monkeypatch.setattr(files.os, "replace", stopped)
    with pytest.raises(KeyboardInterrupt):
        colour("in", "-o", "out")
    assert set(written("out")) == {"a.png"}
    monkeypatch.setattr(files.os, "replace", replaced)
    said = colour("in", "-o", "out")
    assert "1 coloured, with" in said and "1 were there" in said


# As a program


def tintype(*arguments: str | Path, **options) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "tintype", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, **options)


def test_help_says_what_there_is():
    done = tintype("--help")
    assert done.returncode == 0 and not done.stderr
    assert all(name in done.stdout and summary in done.stdout for name, summary in COMMANDS.items())
    done = tintype("colorize", "--help")
    assert done.returncode == 0 and "examples:" in done.stdout and "--saturation" in done.stdout
    assert tintype("models", "--help").returncode == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "required: COMMAND"),
        (["colour"], "invalid choice: 'colour'"),
        (["colorize"], "required: PATH"),
        (["colorize", "a.jpg", "--size", "9"], "found '9', allowed: whole numbers from 16 to 2048"),
        (["colorize", "a.jpg", "--saturation", "x"], "found 'x', allowed: numbers from 0 to 4"),
        (["colorize", "a.jpg", "--saturation", "nan"], "found 'nan'"),
    ],
)
def test_a_mistake_in_the_arguments_is_told_with_those_allowed(capsys, arguments, said):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2 and said in capsys.readouterr().err


def test_statuses_and_sentences_of_the_program(tmp_path, plain):
    put(tmp_path / "in/a.jpg")
    (tmp_path / "in/b.jpg").write_text("no picture")
    some = ("colorize", tmp_path / "in", "-o", tmp_path / "out", "--model", plain, "--size", 16)
    done = tintype(*some)
    assert done.returncode == 1 and "1 coloured" in done.stdout
    assert (
        "error: 1 could not be coloured" in done.stderr and f"{tmp_path}/in/b.jpg: no picture" in done.stderr
    )
    done = tintype("colorize", tmp_path / "nowhere", "--model", plain)
    assert done.returncode == 2 and done.stderr.startswith("error: ") and "Traceback" not in done.stderr
    (tmp_path / "in/b.jpg").unlink()
    assert tintype(*some).returncode == 0


def test_a_program_that_is_stopped_says_so_and_leaves_whole_pictures(tmp_path, plain):
    for number in range(200):
        put(tmp_path / f"in/{number:03d}.png", np.tile(GREY, (4, 4)))
    command = [sys.executable, "-m", "tintype", "colorize", tmp_path / "in", "-o", tmp_path / "out"]
    process = subprocess.Popen(
        list(map(str, [*command, "--model", plain])), cwd=ROOT, stderr=subprocess.PIPE, text=True
    )
    while process.poll() is None and not list(tmp_path.glob("out/[0-9]*.png")):
        pass
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130 and "stopped" in said and "Traceback" not in said
    found = written(tmp_path / "out")
    assert 0 < len(found) < 200 and not [name for name in found if "unfinished" in name]
    for content in found.values():
        Image.open(io.BytesIO(content)).load()


@pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("mount"), reason="takes a small disk, which root can mount"
)
def test_a_disk_that_is_full_stops_it_for_every_format(colour, tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (300, 300), dtype=np.uint8)
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"no small disk can be mounted here: {mounted.stderr.decode()}")
    try:
        for name in ("a.jpg", "a.png", "a.tif", "a.webp", "a.bmp", "a.ppm", "deep.png", "deep.tif"):
            deep = Image.fromarray(noise.astype(np.uint16) * 257)
            (deep if "deep" in name else Image.fromarray(noise)).save(tmp_path / name)
            with pytest.raises(Failure, match=r"No space left on device; 0 pictures .* make room"):
                colour(tmp_path / name, "-o", disk / "out")
            assert written(disk) == {}
    finally:
        subprocess.run(["umount", disk], check=True)
