"""The README's quickstart, run as it stands, in an empty folder."""

import os
import re
import shlex
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data

from tintype import models

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCK = re.search(r"## Colour your photographs\n.*?```\n(.*?)```", README, re.DOTALL)[1]
COMMANDS = [line.split("#")[0].strip() for line in BLOCK.splitlines()]


def test_it_installs_then_colours():
    assert COMMANDS[:2] == ["make install", "source .venv/bin/activate"]
    assert [line.split()[0] for line in COMMANDS[2:]] == ["tintype"]
    assert re.search(r"^install:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.parametrize("command", COMMANDS[2:])
def test_the_command_colours_a_photograph_without_a_project_or_a_network(command, tmp_path):
    Image.fromarray(data.astronaut()).convert("L").save(tmp_path / "photo.jpg")
    closed = socket.socket()
    closed.bind(("127.0.0.1", 0))  # a port that nobody listens at, for whoever would ask the network
    proxy = f"http://127.0.0.1:{closed.getsockname()[1]}"
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    environment |= {"http_proxy": proxy, "https_proxy": proxy, "HOME": str(tmp_path / "home")}
    done = subprocess.run(
        shlex.split(command), cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert f"1 coloured, with {models.PREFIX}{models.DEFAULT}" in done.stdout
    with Image.open(tmp_path / "coloured/photo.jpg") as picture:
        assert picture.size == (512, 512)
        assert np.ptp(np.asarray(picture).astype(int), axis=2).mean() > 5
    assert re.search(rf"{re.escape(command)} +# writes coloured/photo.jpg", README)
