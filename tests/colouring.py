"""What the tests of `tintype colorize` share: small models, a folder of their own, what is in it."""

from pathlib import Path

import numpy as np
import pytest
import torch
from pages import photograph
from PIL import Image

from tintype import scans
from tintype.__main__ import main
from tintype.colorizer import Colorizer

ROOT = Path(__file__).parents[1]
UNET = {"backbone": "unet", "width": 4, "depth": 2, "output_stride": 2, "head": "l1", "color_space": "lab"}
Z = {"whole": 2, "spatial": 1, "diversity": 0.0, "most": 0.5, "others": 0.5}
GREY = scans.in_8_bits(photograph(0, 40, 56)).mean(axis=2).astype(np.uint8)


def model(folder: Path, **settings) -> Path:
    torch.manual_seed(0)
    colorizer = Colorizer(UNET | settings, None)
    torch.nn.init.normal_(colorizer.network.head.weight, std=0.3)  # so that there are colours
    folder.mkdir(parents=True)
    colorizer.save(folder, {})
    return folder


@pytest.fixture(scope="module")
def plain(tmp_path_factory) -> Path:
    return model(tmp_path_factory.mktemp("models") / "plain")


@pytest.fixture(scope="module")
def with_z(tmp_path_factory) -> Path:
    return model(tmp_path_factory.mktemp("models") / "z", given={"z": Z})


@pytest.fixture
def colour(tmp_path, plain, capsys, monkeypatch):
    """A function that runs the command in an empty folder, and returns what it printed."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str | Path, of: Path = plain) -> str:
        main(["colorize", *map(str, arguments), "--model", str(of), "--size", "16"])
        return capsys.readouterr().out

    return run


def written(folder: Path | str) -> dict[str, bytes]:
    """All files below a folder, hidden ones, too."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(Path(folder).rglob("*"))
        if path.is_file()
    }


def put(path: Path | str, grey: np.ndarray = GREY, **options) -> Path:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(grey).save(path, **options)
    return Path(path)


def coloured(path: Path | str) -> bool:
    return np.ptp(scans.read(Path(path)).pixels.astype(int), axis=2).mean() > 1
