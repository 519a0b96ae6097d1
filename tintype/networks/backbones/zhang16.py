"""The network of Zhang, Isola and Efros, "Colorful Image Colorization" (ECCV 2016), figure 2.

Eight blocks of convolutions after the table that its authors published: VGG's widths, strides instead of
pooling, and dilation (Yu and Koltun, ICLR 2016) where VGG would halve the size again.
"""

from torch import Tensor, nn

from tintype.networks.batch_norm import BatchNorm2d

# Blocks 1 to 7: channels in units of the first block's, convolutions, stride of the last of them, dilation.
BLOCKS = [(1, 2, 2, 1), (2, 2, 2, 1), (4, 3, 2, 1), (8, 3, 1, 1), (8, 3, 1, 2), (8, 3, 1, 2), (8, 3, 1, 1)]


def _conv(inputs: int, outputs: int, stride: int = 1, dilation: int = 1) -> list[nn.Module]:
    """A 3 x 3 convolution that keeps the size (or divides it by `stride`), and ReLU."""
    layer = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=dilation, dilation=dilation)
    return [layer, nn.ReLU(inplace=True)]


class Zhang16(nn.Module):
    """The generator: lightness in, `outputs` planes at a quarter of the size out.

    `width` is the channels of the first block, 64 in the paper.
    """

    def __init__(self, outputs: int, width: int) -> None:
        super().__init__()
        self.multiple, self.stride = 8, 4
        blocks, inputs = [], 1
        for factor, number, stride, dilation in BLOCKS:
            layers, channels = [], factor * width
            for left in reversed(range(number)):
                layers += _conv(inputs, channels, 1 if left else stride, dilation)
                inputs = channels
            blocks.append(nn.Sequential(*layers, BatchNorm2d(channels)))
        channels = 4 * width
        larger = nn.ConvTranspose2d(inputs, channels, 4, stride=2, padding=1)
        layers = [larger, nn.ReLU(inplace=True), *_conv(channels, channels), *_conv(channels, channels)]
        self.blocks = nn.Sequential(*blocks, nn.Sequential(*layers))
        self.head = nn.Conv2d(channels, outputs, 1)

    def forward(self, L: Tensor) -> Tensor:
        """(N, 1, H, W) in [0, 100] -> (N, outputs, H / 4, W / 4); H and W must be multiples of 8."""
        return self.head(self.blocks(L / 50 - 1))


def build(outputs: int, *, width: int) -> Zhang16:
    """The network whose first block has `width` channels, and its fourth to seventh 8 times as many."""
    return Zhang16(outputs, width)
