"""An encoder and a decoder with nothing between them but a few numbers a picture: what passes through those?

The decoder is the generator of Radford, Metz and Chintala, "Unsupervised Representation Learning with Deep
Convolutional Generative Adversarial Networks" (ICLR 2016).
"""

from collections.abc import Mapping
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tintype.networks.batch_norm import BatchNorm2d
from tintype.networks.encoders import Encoder

_LAYOUT = 2  # the encoder's last features a side, whatever the picture's size
_START = 4  # the decoder's first planes a side; three doublings make 32


class Bottleneck(nn.Module):
    """The generator: lightness in, `latent` numbers z between, `outputs` planes out.

    The planes are made 32 a side, whatever the picture's size and shape, and then resized to
    1/`output_stride` of it.
    """

    def __init__(self, outputs: int, encoder: str, latent: int, width: int, output_stride: int) -> None:
        super().__init__()
        self.encoder = Encoder(encoder)
        self.multiple, self.stride = self.encoder.strides[-1], output_stride
        channels = [8 * width, 4 * width, 2 * width, width]
        self.code = nn.Linear(self.encoder.channels[-1] * _LAYOUT**2, latent)
        self.start = nn.Linear(latent, channels[0] * _START**2)
        layers: list[nn.Module] = [BatchNorm2d(channels[0]), nn.ReLU(inplace=True)]
        for coarse, fine in pairwise(channels):
            layers.append(nn.ConvTranspose2d(coarse, fine, 4, stride=2, padding=1, bias=False))
            layers += [BatchNorm2d(fine), nn.ReLU(inplace=True)]
        self.decoder = nn.Sequential(*layers, nn.Conv2d(width, outputs, 3, padding=1))

    def forward(self, L: Tensor) -> Tensor:
        """(N, 1, H, W) in [0, 100] -> (N, outputs, H / output_stride, W / output_stride).

        H and W must be multiples of `self.multiple`.
        """
        return self.decode(self.encode(L), self.size(L))

    def encode(self, L: Tensor) -> Tensor:
        """(N, 1, H, W) in [0, 100] -> z (N, latent)."""
        return self.code(self.pooled(L))

    def decode(self, z: Tensor, size: tuple[int, int]) -> Tensor:
        """z (N, latent) -> (N, outputs, *size)."""
        x = self.decoder(self.start(z).unflatten(1, (-1, _START, _START)))
        # Of its own size it stays as it is.
        return F.interpolate(x, size=size, mode="bilinear", align_corners=False)

    def size(self, L: Tensor) -> tuple[int, int]:
        """Height and width of the answer to L (N, 1, H, W)."""
        return L.shape[-2] // self.stride, L.shape[-1] // self.stride

    def pooled(self, L: Tensor) -> Tensor:
        """(N, 1, H, W) in [0, 100] -> the encoder's coarsest features, 2 a side, (N, 4 channels)."""
        features = self.encoder(L)[-1]
        if torch.onnx.is_in_onnx_export():
            return _halves(_halves(features, 2), 3).flatten(1)
        return F.adaptive_avg_pool2d(features, _LAYOUT).flatten(1)

    def load_imagenet(self, weights: Mapping[str, Tensor]) -> None:
        """Take the encoder's weights from torchvision's, as `Encoder.load_imagenet` does."""
        self.encoder.load_imagenet(weights)


def _halves(x: Tensor, dim: int) -> Tensor:
    """The means of both halves of a dimension of x, which share its middle where it is odd.

    Adaptive pooling to 2, but for rounding, in operations that ONNX has for any size.
    """
    size = x.shape[dim]
    first, second = x.narrow(dim, 0, (size + 1) // 2), x.narrow(dim, size // 2, size - size // 2)
    return torch.cat([half.mean(dim, keepdim=True) for half in (first, second)], dim)


def build(outputs: int, *, encoder: str, latent: int, width: int, output_stride: int) -> Bottleneck:
    """The generator named `bottleneck` in params.yaml; `encoder` is a name of `ENCODERS`."""
    return Bottleneck(outputs, encoder, latent, width, output_stride)
