"""What the source "bundled" promises: pictures of installed packages, unchanged, the same bytes each time."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tintype.console import UserError
from tintype.files import sha256
from tintype.images import decode
from tintype.sources import bundled, manifest, places

COLOUR = SimpleNamespace(source="bundled", pictures="colour")
GREY = SimpleNamespace(source="bundled", pictures="grey")


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module", params=[COLOUR, GREY], ids=["colour", "grey"])
def gathered(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param.pictures)
    line = bundled.gather(request.param, folder)
    rows = list(manifest.read(folder))
    assert line == f"{len(rows)} pictures in manifest.csv"
    return request.param, folder, rows


def test_the_manifest_lists_every_bundled_picture_truthfully(gathered):
    settings, folder, rows = gathered
    assert len(rows) == {"colour": 11, "grey": 7}[settings.pictures]
    assert {row.path for row in rows} | {"manifest.csv", "left_out.csv"} == set(contents(folder))
    for row in rows:
        assert sha256(folder / row.path) == row.sha256
        assert decode(folder / row.path).shape == (row.height, row.width, 3)
        assert row.licence.strip() and row.source.strip() and row.group.strip()
    assert manifest.left_out(folder) == []


def test_bundled_pictures_are_copied_unchanged(gathered):
    _, folder, rows = gathered
    for row in rows:
        package, inside = row.source.split(": ")[1].split("/", 1)
        origin = Path(find_spec(package).submodule_search_locations[0]) / inside
        assert places.read(places.find(folder, row.place), row.path) == origin.read_bytes()


def test_colour_pictures_are_colourful_and_grey_ones_grey(gathered):
    settings, folder, rows = gathered
    for row in rows:
        spread = np.ptp(decode(folder / row.path).astype(int), axis=2)
        assert spread.mean() > 8 if settings is COLOUR else spread.max() == 0, row.path


def test_gathering_again_gives_the_same_bytes(gathered, tmp_path):
    settings, folder, _ = gathered
    bundled.gather(settings, tmp_path)
    assert contents(tmp_path) == contents(folder)


def test_the_stereo_pair_is_one_group_and_every_other_picture_its_own(gathered):
    settings, _, rows = gathered
    pair = [row.path for row in rows if row.group == "motorcycle"]
    assert pair == (["motorcycle_left.png", "motorcycle_right.png"] if settings is COLOUR else [])
    for row in rows:
        assert row.path in pair or row.group == Path(row.path).stem


def test_a_picture_or_package_that_is_not_installed_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(bundled.PICTURES, "grey", [bundled.Shipped("skimage/data/nowhere.png", "CC0")])
    with pytest.raises(
        UserError, match=r"scikit-image \d.* holds no skimage/data/nowhere.png.*requirements.txt"
    ):
        bundled.gather(GREY, tmp_path)
    monkeypatch.setattr(bundled, "find_spec", lambda package: None)
    with pytest.raises(UserError, match=r"scikit-image is not installed.*requirements.txt"):
        bundled.gather(GREY, tmp_path)


def test_gathering_imports_none_of_the_packages(tmp_path):
    code = (
        "import sys; from pathlib import Path; from types import SimpleNamespace as Settings;"
        "from tintype.sources import bundled; bundled.gather(Settings(pictures='grey'), Path(sys.argv[1]));"
        "print(sorted({'torch', 'skimage', 'sklearn', 'matplotlib'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    done = subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
