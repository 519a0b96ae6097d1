"""The pictures that ship inside the wheels of scikit-image, scikit-learn and matplotlib: no network needed.

Each is copied byte for byte. The licences are what the project that ships a picture says of it: scikit-image
in `skimage/data/_fetchers.py`, scikit-learn in `sklearn/datasets/images/README.txt`, matplotlib in the
comment inside the file and in its pull request 1599.
"""

import shutil
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from tintype.console import UserError
from tintype.progress import progress
from tintype.sources import manifest

DISTRIBUTIONS = {"skimage": "scikit-image", "sklearn": "scikit-learn", "matplotlib": "matplotlib"}


class Shipped(NamedTuple):
    file: str  # starts with the package that holds it
    licence: str
    group: str | None = None  # where it is not the file's stem


_NASA = "public domain (NASA)"
_STEREO = (
    "none stated; Middlebury 2014 stereo benchmark (Nesic, Westling, Wang, Kitajima, Krathwohl, Scharstein)"
)
_CC_BY = "https://creativecommons.org/licenses/by/2.0/"

PICTURES = {
    "colour": [
        Shipped("skimage/data/astronaut.png", _NASA),
        Shipped("skimage/data/chelsea.png", "CC0 (Stefan van der Walt)"),
        Shipped("skimage/data/coffee.png", "CC0 (Rachel Michetti)"),
        Shipped("skimage/data/hubble_deep_field.jpg", _NASA),
        Shipped("skimage/data/ihc.png", "no known copyright restrictions (CMMI)"),
        Shipped("skimage/data/motorcycle_left.png", _STEREO, "motorcycle"),
        Shipped("skimage/data/motorcycle_right.png", _STEREO, "motorcycle"),
        Shipped("skimage/data/rocket.jpg", "public domain (SpaceX)"),
        Shipped(
            "sklearn/datasets/images/china.jpg", f"CC BY 2.0 (flickr.com/photos/danielbuechele), {_CC_BY}"
        ),
        Shipped("sklearn/datasets/images/flower.jpg", f"CC BY 2.0 (flickr.com/photos/vultilion), {_CC_BY}"),
        Shipped(
            "matplotlib/mpl-data/sample_data/grace_hopper.jpg",
            "public domain (US Navy), https://commons.wikimedia.org/wiki/File:Grace_Hopper.jpg",
        ),
    ],
    "grey": [
        Shipped("skimage/data/brick.png", "CC0 (CC0Textures, Bricks25)"),
        Shipped("skimage/data/camera.png", "CC0 (Lav Varshney)"),
        Shipped("skimage/data/clock_motion.png", "public domain (Stefan van der Walt)"),
        Shipped("skimage/data/coins.png", "no known copyright restrictions (Brooklyn Museum)"),
        Shipped("skimage/data/grass.png", "CC0 (linolafett on DeviantArt)"),
        Shipped("skimage/data/gravel.png", "CC0 (CC0Textures, Gravel04)"),
        Shipped("skimage/data/moon.png", "none stated; see scikit-image"),
    ],
}


def gather(settings: Any, out: Path) -> str:
    """Copy the pictures of kind `settings.pictures`, "colour" or "grey", into `out`, with their manifest.

    Returns their number in words. Raises UserError for a package or picture that is not installed.
    """
    pictures = sorted(PICTURES[settings.pictures], key=lambda picture: Path(picture.file).name)
    return manifest.write(out, (_copy(picture, out) for picture in progress(pictures, "gather", "pictures")))


def _copy(picture: Shipped, out: Path) -> manifest.Picture:
    origin = locate(picture.file)
    copy = out / origin.name
    shutil.copyfile(origin, copy)
    distribution = _distribution(picture.file)
    return manifest.Picture(
        path=copy.name,
        **manifest.about(copy.read_bytes()),
        source=f"{distribution} {version(distribution)}: {picture.file}",
        licence=picture.licence,
        group=picture.group or origin.stem,
    )


def locate(file: str) -> Path:
    """The path of an installed picture, named as in PICTURES. Raises UserError where it is not installed."""
    package, inside = file.split("/", 1)
    spec = find_spec(package)  # which does not import the package: that would take seconds
    if spec is None:
        raise UserError(f"{_distribution(file)} is not installed; run `pip install -r requirements.txt`")
    path = Path(spec.submodule_search_locations[0]) / inside
    if not path.is_file():
        distribution = _distribution(file)
        raise UserError(
            f"{distribution} {version(distribution)} holds no {file}; "
            f"install the {distribution} that requirements.txt asks for"
        )
    return path


def _distribution(file: str) -> str:
    return DISTRIBUTIONS[file.split("/", 1)[0]]
