"""The schema of `generator` in `params.yaml`: a class for each backbone's settings, and what it is told."""

from typing import Annotated, Literal, Union

from pydantic import Field

from tintype.params_download import EncoderName
from tintype.params_types import (
    Count,
    Decay,
    NotNegative,
    OutputStride,
    Positive,
    Section,
    Width,
    files,
    left_out,
)


class Hints(Section):
    most: Count  # clicks on a picture, while training
    without: Decay  # share of the pictures that have none


class Z(Section):
    whole: Annotated[int, Field(ge=0)]  # numbers that are the same all over the picture
    spatial: Annotated[int, Field(ge=0)]  # numbers of each cell (noise.CELLS)
    diversity: NotNegative  # weight of how far apart the colourings of two z are
    most: Positive  # how far apart they need be at most, of colours from -1 to 1, for z that differ by 1
    # Share of the loss of the one that is farther from the truth; at 0.5 both count alike.
    others: Annotated[float, Field(ge=0, le=0.5)]


class Given(Section):
    """What a generator is told besides the lightness, as far as it is."""

    condition: Annotated[Literal[True] | None, left_out]  # that of the pictures
    hints: Annotated[Hints | None, left_out]
    z: Annotated[Z | None, left_out]


class AnyGenerator(Section):
    head: Literal[*files("networks/heads", "head")]
    color_space: Literal["lab", "rgb", "drawing", "lightness"]
    given: Annotated[Given | None, left_out]


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
