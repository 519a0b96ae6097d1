"""The schema of `params.yaml`: a class per section, a line per key, and no defaults.

Every value stands in `params.yaml`. What a message calls "allowed" is derived from these classes, so a new
key needs its line here and nothing else; a rule between keys goes into `params.py`.
"""

from typing import Annotated, Literal, Union

from pydantic import Field

from tintype.params_download import Download, EncoderName
from tintype.params_types import (
    Conversion,
    Count,
    Decay,
    NotNegative,
    OutputStride,
    Positive,
    Section,
    Share,
    Text,
    Unit,
    Width,
    Zoom,
    files,
    from_list,
    only_int,
)


class Regions(Section):
    cell: Count
    val: Share
    test: Share
    margin: Annotated[int, Field(ge=0)]


class Augment(Section):
    copies: Annotated[int, Field(ge=0)]
    flip: bool
    scale: Annotated[tuple[Zoom, Zoom], from_list]
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
    conditions: Decay  # of the combinations of attributes, which no training picture has; 0: none


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


class Hints(Section):
    most: Count  # clicks on a picture, while training
    without: Unit  # share of the pictures that have none


class Z(Section):
    whole: Annotated[int, Field(ge=0)]  # numbers that are the same all over the picture
    spatial: Annotated[int, Field(ge=0)]  # numbers of each cell (noise.CELLS)
    diversity: (
        NotNegative  # weight of how far apart two colourings are; 0: nothing keeps z from being ignored
    )
    most: Positive  # by how much z is to change the colours, in their scale from -1 to 1, for a z of 1


# Of a key that may be left out, as no other may: left out, it is not in what is saved with a model either.
_left_out = Field(default=None, exclude_if=lambda value: value is None)


class Given(Section):
    """What a generator is told besides the lightness, as far as it is."""

    condition: Annotated[Literal[True] | None, _left_out]  # that of the pictures
    hints: Annotated[Hints | None, _left_out]
    z: Annotated[Z | None, _left_out]


class AnyGenerator(Section):
    head: Literal[*files("networks/heads", "head")]
    color_space: Literal["lab", "rgb", "drawing", "lightness"]
    given: Annotated[Given | None, _left_out]


class UNet(AnyGenerator):
    backbone: Literal["unet", "unet_per_channel"]
    width: Width
    depth: Annotated[int, Field(ge=1, le=6)]
    output_stride: OutputStride


class TransposedUNet(AnyGenerator):
    backbone: Literal["transposed_unet"]
    width: Width
    depth: Annotated[int, Field(ge=1, le=9)]


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


_generators = [UNet, TransposedUNet, Zhang16, TorchvisionUNet, Bottleneck, Variational]
_known = ("unet", "unet_per_channel", "transposed_unet", "zhang16", "torchvision_unet")
_known += ("bottleneck", "variational")
if _more := files("networks/backbones", *_known):

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
    validate_every: Count | Literal["epoch"]
    flip: bool | Literal["both"]
    film: Unit
    masked: Decay


class Smaller(Section):
    factor: Annotated[Literal[2, 4], only_int]
    until: Share


class Phase(Section):
    steps: Count  # at most
    patience: Count | None
    batch_size: Annotated[int, Field(ge=2)]  # the pull-away term compares pairs within a batch
    lr: Positive
    warm_up: Decay  # share of the steps
    decay: Literal["constant", "cosine", "step"]
    betas: Annotated[tuple[Decay, Decay], from_list]
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
_Judge = Literal[*files("networks/discriminators", "autoencoder")]


class Judging(Adversary):
    objective: Literal[*files("adversaries", "objective", "penalty", "wasserstein_gp", "energy")]
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
    models: Annotated[tuple[str, ...], Field(min_length=1), from_list]


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
