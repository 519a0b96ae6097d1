"""Which pictures are scored, and how they are shown: the recipes behind published tables, and our own.

A protocol is a few values of params.yaml and the number of pictures that then come out; `evaluate.protocol`
names one, and whoever changes one of its values is told that the figures are no longer that protocol's.
docs/metrics.md says what each is for, with the entries of params.yaml.
"""

from dataclasses import dataclass, field
from typing import Any

from tintype.console import UserError


@dataclass(frozen=True)
class Protocol:
    """The values of params.yaml that a protocol asks for, by dotted key, and its number of test pictures."""

    values: dict[str, Any] = field(default_factory=dict)
    pictures: int | None = None  # None: any number


# Both leave in what is grey or looks alike, and take the lightness of CIE Lab for the grey picture.
_IMAGENET = {
    "download.photos.source": "imagenet",
    "prepare.photos.layout": "squares",
    "prepare.photos.side": 256,
    "prepare.photos.input.test": "lab",
    "prepare.photos.filters.min_side": 1,
    "prepare.photos.filters.min_chroma": 0.0,
    "prepare.photos.filters.near_duplicates": None,
}
PROTOCOLS = {
    "native": Protocol(),  # the test split as prepared
    # Larsson, Maire & Shakhnarovich 2016; Zhang et al. 2016: 10,000 validation pictures, scaled to squares.
    "ctest10k": Protocol(
        _IMAGENET | {"download.photos.test": "ctest10k", "prepare.photos.fit": "squash"}, 10_000
    ),
    # Kang et al. 2023 (DDColor) and later: the first 5,000 validation pictures, cropped to squares.
    "val5k": Protocol(_IMAGENET | {"download.photos.test": "val5k", "prepare.photos.fit": "crop"}, 5_000),
}


def refuse_other(name: str, pictures: int) -> None:
    """Raise UserError where a protocol has another number of test pictures than were prepared."""
    wanted = PROTOCOLS[name].pictures
    if wanted not in (None, pictures):
        raise UserError(
            f"evaluate.protocol: {name} is of {wanted:,} pictures, the test split has {pictures:,}; "
            "data/prepared/photos/rejected.csv and data/raw/photos/left_out.csv say which were left out. "
            "Complete them, or say native"
        )
