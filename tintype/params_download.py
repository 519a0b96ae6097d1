"""The schema of `download` in `params.yaml`: a class per source of pictures or weights."""

from typing import Annotated, Literal

from pydantic import Field

from tintype.params_types import Count, Section, Text, Unit


class Gathered(Section):
    watch: Text  # a file or folder: when it changes, DVC gathers the set again


class Bundled(Gathered):
    source: Literal["bundled"]
    pictures: Literal["colour", "grey"]


class Files(Gathered):
    licence: str
    group: Literal["picture", "folder"]  # what never parts into training and test
    held_out: Text | None  # a folder below which all is the publisher's test split


class Folder(Files):
    source: Literal["folder"]
    path: Text


class Archive(Files):
    source: Literal["archive"]
    url: Annotated[str, Field(pattern="^(https?|file):")]
    checksum: Annotated[str, Field(pattern="^(sha256:[0-9a-f]{64}|md5:[0-9a-f]{32})$")] | None
    bytes: Count | None
    max_files: Count
    max_bytes: Count


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


EncoderName = Literal["alexnet", "vgg16", "resnet18", "resnet50", "resnet152", "inception_v3"]


class EncoderWeights(Gathered):
    source: Literal["backbones"]
    net: EncoderName
    file: Text | None


Pictures = Annotated[
    Bundled | Folder | Archive | OpenImages | ImageNet | Icons | Sketches, Field(discriminator="source")
]


class Download(Section):
    photos: Pictures
    bw: Annotated[Bundled | Folder | Archive, Field(discriminator="source")]
    weights: Weights
