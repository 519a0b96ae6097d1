"""A U-Net whose encoder is a network made to classify photographs.

The decoder is that of `unet` (Ronneberger, Fischer and Brox, MICCAI 2015), of the same width whatever the
encoder: a 1 x 1 convolution first brings the encoder's features to the decoder's number of channels.
"""

from collections.abc import Mapping

from torch import Tensor, nn

from tintype.networks.backbones.unet import Up, conv
from tintype.networks.encoders import Encoder


class TorchvisionUNet(nn.Module):
    """The generator: lightness in, `outputs` planes at 1/`output_stride` of the size out.

    The decoder has `width` channels at full size, doubled at each halving up to 8 times `width`. Where it is
    finer than the encoder's finest features it goes on without any. `known`: planes that it is given, the
    lightness among them.
    """

    def __init__(self, outputs: int, encoder: str, width: int, output_stride: int, known: int = 1) -> None:
        super().__init__()
        self.encoder = Encoder(encoder, known)
        self.multiple, self.stride = self.encoder.strides[-1], output_stride
        self.sides, self.up = nn.ModuleDict(), nn.ModuleDict()  # by the stride that they arrive at
        channels, stride = self.encoder.channels[-1], self.multiple
        of_encoder = dict(zip(self.encoder.strides, self.encoder.channels, strict=True))
        while stride > output_stride:
            stride //= 2
            fine = width * min(stride, 8)
            if stride in of_encoder:
                self.sides[str(stride)] = conv(of_encoder[stride], fine, kernel=1)
                self.up[str(stride)] = Up(channels, fine)
            else:
                double = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)
                self.up[str(stride)] = nn.Sequential(conv(channels, fine, kernel=1), double, conv(fine, fine))
            channels = fine
        self.head = nn.Conv2d(channels, outputs, 1)

    def forward(self, given: Tensor) -> Tensor:
        """(N, known, H, W), L in [0, 100] first -> (N, outputs, H / output_stride, W / output_stride).

        H and W must be multiples of `self.multiple`.
        """
        features = dict(zip(map(str, self.encoder.strides), self.encoder(given), strict=True))
        x = features[str(self.multiple)]
        for stride, up in self.up.items():
            x = up(x, self.sides[stride](features[stride])) if stride in self.sides else up(x)
        return self.head(x)

    def load_imagenet(self, weights: Mapping[str, Tensor]) -> None:
        """Take the encoder's weights from torchvision's, as `Encoder.load_imagenet` does."""
        self.encoder.load_imagenet(weights)


def build(outputs: int, *, encoder: str, width: int, output_stride: int, known: int = 1) -> TorchvisionUNet:
    """The generator named `torchvision_unet` in params.yaml; `encoder` is a name of `ENCODERS`."""
    return TorchvisionUNet(outputs, encoder, width, output_stride, known)
