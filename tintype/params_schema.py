"""The schema of `params.yaml`: a class per section, a line per key, and no defaults.

Every value stands in `params.yaml`. What a message calls "allowed" is derived from these classes, so a new
key needs its line here and nothing else; a rule between keys goes into `params.py`.
"""

from typing import Annotated, Literal

from pydantic import Field

from tintype.params_download import Download
from tintype.params_generator import Generator
from tintype.params_types import (
    Conversion,
    Count,
    Decay,
    Film,
    NotNegative,
    Positive,
    Section,
    Share,
    Text,
    Unit,
    Width,
    Zoom,
    files,
    from_list,
    left_out,
    only_int,
)
from tintype.protocols import PROTOCOLS


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
    perceptual: Annotated[Positive | None, left_out]  # weight of LPIPS, by evaluate.metrics.lpips


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


class Top1(Section):
    net: Literal["squeeze", "alex", "vgg"]
    classes: Text  # the file that lists them


_Features = Literal["inception", "torchvision_inception", "squeeze"]


class Metrics(Section):
    lpips: Literal["squeeze", "alex", "vgg"]
    fid: _Features | None
    kid: _Features | None
    top1: Top1 | None


class Evaluate(Section):
    protocol: Literal[*PROTOCOLS]
    models: Annotated[dict[str, Text], Field(min_length=1)]
    metrics: Metrics


class RealBW(Section):
    models: Annotated[tuple[str, ...], Field(min_length=1), from_list]
    side: Annotated[int, Field(ge=8)]  # not `size`, as in Tiles
    films: Annotated[tuple[Film, ...], Field(min_length=1), from_list]
    age: Unit


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
