"""The schema of `download` in `params.yaml`: a class per source of pictures or weights."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag

from tintype.params_types import Count, Section, Text, Unit


class Gathered(Section):
    watch: Text  # a file or folder: when it changes, DVC gathers the set again


class Bundled(Gathered):
    source: Literal["bundled"]
    pictures: Literal["colour", "grey"]


class Files(Section):
    licence: str
    group: Literal["picture", "folder"]  # what never parts into training and test
    held_out: Text | None  # a folder below which all is the publisher's test split


class Folder(Files, Gathered):
    source: Literal["folder"]
    path: Text


class Packed(Files):
    url: Annotated[str, Field(pattern="^(https?|file):")]
    checksum: Annotated[str, Field(pattern="^(sha256:[0-9a-f]{64}|md5:[0-9a-f]{32})$")] | None
    bytes: Count | None
    max_files: Count
    max_bytes: Count


class Archive(Packed, Gathered):
    source: Literal["archive"]


class OneOfSeveral(Packed):
    only: Text | None  # a folder outside of which nothing but held_out is taken
    without: Text | None  # a pattern: files named like it are not taken, but for held_out


def _plain(name: str) -> str:
    # Not by a pattern in the schema, with which pydantic describes a mapping in another way.
    if not re.fullmatch("[a-z0-9][a-z0-9_-]*", name):
        raise ValueError(name)
    return name


Plain = Annotated[str, AfterValidator(_plain)]


class Archives(Gathered):
    source: Literal["archives"]
    use: Text  # a key of sets
    sets: Annotated[
        dict[Plain, Annotated[dict[Plain, OneOfSeveral], Field(min_length=1)]], Field(min_length=1)
    ]


class OpenImages(Gathered):
    source: Literal["open_images"]
    ids: Text
    base: Annotated[str, Field(pattern="^https?:")]
    split: Literal["train", "validation", "test"]
    pick: Literal["first", "last", "sample"]
    count: Count
    max_failures: Unit


class ImageNet(Gathered):
    source: Literal["imagenet"]
    path: Text
    test: Literal["val5k", "ctest10k"]
    names: Text | None


class Icons(Gathered):
    source: Literal["icons"]
    path: Text | None
    licence: str


class Sketches(Gathered):
    source: Literal["sketches"]
    path: Text
    colour: Text
    sketches: Text | None
    licence: str


class Weights(Gathered):
    source: Literal["backbones"]
    nets: Annotated[
        dict[Literal["squeeze", "alex", "vgg", "inception", "torchvision_inception"], Text | None],
        Field(min_length=1),
    ]


EncoderName = Literal[
    "alexnet", "vgg16", "resnet18", "resnet50", "resnet152", "inception_v3", "squeezenet1_1"
]


class EncoderWeights(Gathered):
    source: Literal["backbones"]
    net: EncoderName
    file: Text | None


Pictures = Annotated[
    Bundled | Folder | Archive | Archives | OpenImages | ImageNet | Icons | Sketches,
    Field(discriminator="source"),
]


def _which(networks: object) -> str:
    return "nets" if "nets" in dict(networks) else "net"


# A tag is the key that only its class has, by which messages find that class too.
Networks = Annotated[
    Annotated[EncoderWeights, Tag("net")] | Annotated[Weights, Tag("nets")], Discriminator(_which)
]
# What a study may gather.
PicturesOrNetworks = Annotated[Networks | Pictures, Field(discriminator="source")]


class Download(Section):
    photos: Pictures
    bw: Annotated[Bundled | Folder | Archive, Field(discriminator="source")]
    weights: Weights
