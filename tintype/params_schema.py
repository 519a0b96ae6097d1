"""The schema of `params.yaml`: a class per section, a line per key, and no defaults.

Every value stands in `params.yaml`. What a message calls "allowed" is derived from these classes, so a new
key needs its line here and nothing else; a rule between keys goes into `params.py`.
"""

from pathlib import Path
from typing import Annotated, Literal, Union

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Unit = Annotated[float, Field(ge=0, le=1)]
Share = Annotated[float, Field(gt=0, lt=1)]
Decay = Annotated[float, Field(ge=0, lt=1)]  # of a running mean, which at 1 would never move
Zoom = Annotated[float, Field(ge=0.25, le=4)]  # further, and a tile shows specks or blur instead of a picture
Width = Annotated[int, Field(ge=4)]  # channels; fewer cannot carry lightness, two colours and an edge
Text = Annotated[str, Field(min_length=1)]
_from_list = BeforeValidator(lambda value: tuple(value) if isinstance(value, list) else value)
# Python has 1 == 1.0 == True, and so has a Literal of whole numbers.
_only_int = BeforeValidator(lambda value: value if type(value) is int else None)
OutputStride = Annotated[Literal[1, 2, 4], _only_int]
Conversion = Literal[
    *("lab", "luma601", "luma709", "average", "panchromatic", "orthochromatic", "red", "green", "blue"),
    *("canny", "xdog"),
]


def _files(folder: str, *others: str) -> tuple[str, ...]:
    """What may be named in params.yaml: the files of a folder, less those that are something else."""
    files = (Path(__file__).parent / folder).glob("*.py")
    return tuple(sorted({file.stem for file in files} - {"__init__", *others}))


class Section(BaseModel):
    """A mapping in `params.yaml` whose keys are all known and all required."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


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
    net: Literal["squeeze", "alex", "vgg"]
    file: Text | None


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


class Regions(Section):
    cell: Count
    val: Share
    test: Share
    margin: Annotated[int, Field(ge=0)]


class Augment(Section):
    copies: Annotated[int, Field(ge=0)]
    flip: bool
    scale: Annotated[tuple[Zoom, Zoom], _from_list]
    rotation: Annotated[float, Field(ge=0, le=45)]  # degrees; further, and another side of the picture is up
    exposure: Unit


class Input(Section):
    training: Conversion
    test: Conversion


class Filters(Section):
    min_side: Count
    min_chroma: NotNegative
    near_duplicates: Annotated[int, Field(ge=0, le=8)] | None  # bits of 64 in which their hashes may differ


class Tiles(Section):
    layout: Literal["tiles"]
    input: Input
    filters: Filters
    # Not `size`: DVC leaves keys of that name out when it looks for results in its run cache.
    side: Annotated[int, Field(ge=16)]
    stride: Count
    split: Regions
    augment: Augment


class Shares(Section):
    val: Share
    test: Decay  # 0 where the publisher holds out a test split


class Squares(Section):
    layout: Literal["squares"]
    input: Input
    filters: Filters
    side: Annotated[int, Field(ge=16)]
    fit: Literal["crop", "squash"]
    split: Shares


class Whole(Section):
    layout: Literal["whole"]
    input: Conversion


class AnyLayout(Section):
    max_pixels: Annotated[int, Field(ge=1, le=160_000_000)]  # what images.MAX_PIXELS allows at most
    pictures_per_shard: Count


class Prepare(Section):
    shared: AnyLayout
    photos: Annotated[Tiles | Squares, Field(discriminator="layout")]
    bw: Whole


class AnyGenerator(Section):
    head: Literal[*_files("networks/heads", "head")]
    color_space: Literal["lab", "rgb", "lightness"]


class UNet(AnyGenerator):
    backbone: Literal["unet", "unet_per_channel"]
    width: Width
    depth: Annotated[int, Field(ge=1, le=6)]
    output_stride: OutputStride


class Zhang16(AnyGenerator):
    backbone: Literal["zhang16"]
    width: Width


class TorchvisionUNet(AnyGenerator):
    backbone: Literal["torchvision_unet"]
    encoder: EncoderName
    width: Width
    output_stride: OutputStride


class Bottleneck(AnyGenerator):
    backbone: Literal["bottleneck"]
    encoder: EncoderName
    latent: Count
    width: Width
    output_stride: OutputStride


class Variational(Bottleneck):
    backbone: Literal["variational"]
    kl: NotNegative  # weight of the divergence from the prior


_generators = [UNet, Zhang16, TorchvisionUNet, Bottleneck, Variational]
_known = ("unet", "unet_per_channel", "zhang16", "torchvision_unet", "bottleneck", "variational")
if _more := _files("networks/backbones", *_known):

    class OwnBackbone(AnyGenerator, extra="allow"):
        """Of a file that has no class here: its `build` says which settings it takes."""

        backbone: Literal[*_more]

    _generators.append(OwnBackbone)
Generator = Annotated[Union[*_generators], Field(discriminator="backbone")]


class Classes(Section):
    grid: Annotated[int, Field(ge=5, le=50)]  # units of ab, of which sRGB spans about 200 each way
    neighbours: Annotated[int, Field(ge=1, le=32)]
    sigma: Positive
    rebalance: Unit  # lambda: at 0 a class weighs by its rarity alone, at 1 all weigh alike
    temperature: Annotated[float, Field(gt=0, le=1)]  # towards 0 the mode of the classes, at 1 their mean


class Training(Section):
    precision: Literal["auto", "float32", "bfloat16"]
    compile: bool
    accumulate: Count
    validate_every: Count
    flip: bool
    film: Unit
    masked: Decay


class Smaller(Section):
    factor: Annotated[Literal[2, 4], _only_int]
    until: Share


class Phase(Section):
    steps: Count  # at most
    patience: Count | None
    batch_size: Annotated[int, Field(ge=2)]  # the pull-away term compares pairs within a batch
    lr: Positive
    warm_up: Decay  # share of the steps
    decay: Literal["constant", "cosine", "step"]
    betas: Annotated[tuple[Decay, Decay], _from_list]
    clip: Positive | None
    smaller: Smaller | None
    ema: Decay


class Pretrain(Phase):
    weight_decay: NotNegative


class Shared(Phase):
    discriminator_lr: Positive
    discriminator_first: Annotated[int, Field(ge=0)]
    r1: NotNegative


class Adversary(Section):
    init: Text | None
    adversaries: Literal["joint", "each"]
    width: Width
    pixel: NotNegative
    adversarial: NotNegative


# An autoencoder's answer is an energy, which takes the objective made for it.
_Judge = Literal[*_files("networks/discriminators", "autoencoder")]


class Judging(Adversary):
    objective: Literal[*_files("adversaries", "objective", "penalty", "wasserstein_gp", "energy")]
    discriminator: _Judge


class WassersteinGP(Adversary):
    objective: Literal["wasserstein_gp"]
    discriminator: _Judge
    gradient_penalty: Positive


class Energy(Adversary):
    objective: Literal["energy"]
    discriminator: Literal["autoencoder"]
    margin: Annotated[float, Field(gt=1)]  # times the energy of real pictures, which fakes are to exceed
    pull_away: NotNegative


class Adversarial(Section):
    shared: Shared
    models: dict[str, Annotated[Judging | WassersteinGP | Energy, Field(discriminator="objective")]]


class Metrics(Section):
    lpips: Literal["squeeze", "alex", "vgg"]


class Evaluate(Section):
    models: Annotated[dict[str, Text], Field(min_length=1)]
    metrics: Metrics


class RealBW(Section):
    models: Annotated[tuple[str, ...], Field(min_length=1), _from_list]


class Tracking(Section):
    uri: Text
    experiment: Text


class Runtime(Section):
    accelerator: Literal["auto", "cpu", "cuda"]
    devices: Count
    nodes: Count
    checkpoint_every: Positive  # seconds
    jobs: Count
    job_backend: Literal["loky", "dask"]
    tracking: Tracking


class Params(Section):
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)]  # what NumPy's and torch's generators both accept
    download: Download
    prepare: Prepare
    generator: Generator
    classes: Classes
    training: Training
    pretrain: Pretrain
    adversarial: Adversarial
    evaluate: Evaluate
    real_bw: RealBW
    runtime: Runtime
