"""Networks made to classify photographs, as encoders of a grey plane: features at several scales.

AlexNet (Krizhevsky, Sutskever and Hinton, NeurIPS 2012), VGG (Simonyan and Zisserman, ICLR 2015), ResNets (He
et al., CVPR 2016), Inception v3 (Szegedy et al., CVPR 2016) and SqueezeNet 1.1 (Iandola et al., 2016,
arXiv:1602.07360) as torchvision has them, without classifiers.
"""

from collections import OrderedDict
from collections.abc import Mapping
from typing import NamedTuple

import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models.inception import (
    BasicConv2d,
    InceptionA,
    InceptionAux,
    InceptionB,
    InceptionC,
    InceptionD,
    InceptionE,
)

from tintype.networks.batch_norm import BatchNorm2d


class _Plan(NamedTuple):
    """What to take of torchvision's network: the layers from the first, up to the last of `taps`."""

    taps: tuple[str, ...]  # layers whose answers are the features, finest first
    channels: tuple[int, ...]  # of these answers
    finest: int  # stride of the first; each of the others halves the size once more
    prefix: str = ""  # of the layers' names in torchvision's state dict
    mean: float = 0.449  # of ImageNet's grey values in [0, 1]: means over torchvision's three channels
    std: float = 0.226


_RESNET = ("relu", "layer1", "layer2", "layer3", "layer4")
_BASIC, _BOTTLENECKS = (64, 64, 128, 256, 512), (64, 256, 512, 1024, 2048)
_INCEPTION = ("Conv2d_2b_3x3", "Conv2d_4a_3x3", "Mixed_5d", "Mixed_6e", "Mixed_7c")

# The features are those before each halving, and those at the end.
ENCODERS = {
    "alexnet": _Plan(("1", "4", "11"), (64, 192, 256), 4, "features."),
    "vgg16": _Plan(("3", "8", "15", "22", "29"), (64, 128, 256, 512, 512), 1, "features."),
    "resnet18": _Plan(_RESNET, _BASIC, 2),
    "resnet50": _Plan(_RESNET, _BOTTLENECKS, 2),
    "resnet152": _Plan(_RESNET, _BOTTLENECKS, 2),
    # Its weights were trained on values in [-1, 1] (torchvision's `transform_input`).
    "inception_v3": _Plan(_INCEPTION, (64, 192, 288, 768, 2048), 2, mean=0.5, std=0.5),
    "squeezenet1_1": _Plan(("1", "4", "7", "12"), (64, 128, 256, 512), 2, "features."),
}


class Encoder(nn.Module):
    """Lightness in, features out: `channels[i]` of them at 1/`strides[i]` of the size, finest first.

    Weights are random by one rule for all (He et al., ICCV 2015, by fan out), biases zero. known: planes that
    it is given, the lightness among them; those beside it start without effect.
    """

    def __init__(self, name: str, known: int = 1) -> None:
        super().__init__()
        self.name, self.plan = name, ENCODERS[name]
        self.channels = list(self.plan.channels)
        self.strides = [self.plan.finest * 2**level for level in range(len(self.channels))]
        device = torch.get_default_device()
        with torch.device("meta"):  # the classifier, often most of the network, takes no memory or time
            self.layers = nn.Sequential(_layers(name))
            _adapt(self.layers)
        self.layers.to_empty(device=device)
        for layer in self.layers.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)
            elif isinstance(layer, nn.BatchNorm2d):
                layer.reset_parameters()
        layers = self.layers.named_modules()
        name, first = next((name, layer) for name, layer in layers if isinstance(layer, nn.Conv2d))
        self._first = f"{name}.weight"
        first.weight = nn.Parameter(_widened(_summed(first.weight.detach()), known))
        first.in_channels = known

    def forward(self, given: Tensor) -> list[Tensor]:
        """(N, known, H, W), L in [0, 100] first -> features (N, channels[i], H / strides[i], W / strides[i]).

        H and W must be multiples of the last stride. L / 100 stands for the grey value of sRGB, from which it
        differs by less than 0.04.
        """
        x, features = (given[:, :1] / 100 - self.plan.mean) / self.plan.std, []
        if given.shape[1] > 1:
            x = torch.cat([x, given[:, 1:]], dim=1)
        for name, layer in self.layers.named_children():
            x = layer(x)
            if name in self.plan.taps:
                features.append(x)
        return features

    def load_imagenet(self, weights: Mapping[str, Tensor]) -> None:
        """Take weights from a state dict (float32) of torchvision's network of the same name.

        The first convolution's are summed over red, green and blue, and zero for what is given besides the
        lightness. Classifiers are ignored, and so are counts of batches. Raises ValueError, and takes none,
        when others are missing, unknown or misshapen.
        """
        own = {name: t for name, t in self.layers.state_dict().items() if not _ignored(name)}
        shapes = {name: t.shape for name, t in own.items()}
        shapes[self._first] = torch.Size([shapes[self._first][0], 3, *shapes[self._first][2:]])
        shapes = {self.plan.prefix + name: shape for name, shape in shapes.items()}
        given = {name: t for name, t in weights.items() if not _ignored(name)}
        problems = [f"{name} is missing" for name in shapes if name not in given]
        problems += [f"{name} is unknown" for name in given if name not in shapes]
        for name, shape in shapes.items():
            if name in given and given[name].shape != shape:
                problems.append(f"{name} has shape {tuple(given[name].shape)} instead of {tuple(shape)}")
            elif name in given and given[name].dtype != torch.float32:
                problems.append(f"{name} is {given[name].dtype} instead of torch.float32")
        if problems:
            first = "; ".join(problems[:3]) + ("; and more" if len(problems) > 3 else "")
            raise ValueError(f"not the weights of torchvision's {self.name}: {first}")
        for name, target in own.items():
            t = given[self.plan.prefix + name]
            target.copy_(_widened(_summed(t), target.shape[1]) if name == self._first else t)


def _ignored(name: str) -> bool:
    return name.startswith(("classifier.", "fc.", "AuxLogits.")) or name.endswith("num_batches_tracked")


def _summed(weight: Tensor) -> Tensor:
    """(C, 3, k, k) -> (C, 1, k, k): the same answer to a grey plane as before to three equal ones."""
    return weight.sum(dim=1, keepdim=True)


def _widened(weight: Tensor, known: int) -> Tensor:
    """(C, 1, k, k) -> (C, known, k, k): the same answer, whatever the further planes hold."""
    return F.pad(weight, (0, 0, 0, 0, 0, known - 1))


def _layers(name: str) -> "OrderedDict[str, nn.Module]":
    """torchvision's layers up to the last tap, in the order in which they are applied."""
    settings = {}
    if name == "inception_v3":
        blocks = [BasicConv2d, InceptionA, _PaddedB, InceptionC, _PaddedD, InceptionE, InceptionAux]
        settings = {"aux_logits": False, "init_weights": False, "inception_blocks": blocks}
    network, plan = torchvision.models.get_model(name, weights=None, **settings), ENCODERS[name]
    layers = list((network.features if plan.prefix else network).named_children())
    end = [name for name, _ in layers].index(plan.taps[-1]) + 1
    return OrderedDict(layers[:end])


def _adapt(layers: nn.Module) -> None:
    """Have sizes halved exactly, and the statistics of batch normalisation taken over all ranks."""
    for parent in list(layers.modules()):
        for name, layer in parent.named_children():
            if isinstance(layer, nn.BatchNorm2d):
                setattr(parent, name, BatchNorm2d(layer.num_features, eps=layer.eps, momentum=layer.momentum))
            elif isinstance(layer, nn.Conv2d):
                # Some of AlexNet's and Inception's trim the edges: a decoder's planes would not meet theirs.
                layer.padding = tuple((side - 1) // 2 for side in layer.kernel_size)
            elif isinstance(layer, nn.MaxPool2d):
                layer.padding, layer.ceil_mode = (layer.kernel_size - 1) // 2, False


class _PaddedB(InceptionB):
    """torchvision's block, with a pooling that halves the size exactly."""

    def _forward(self, x: Tensor) -> list[Tensor]:
        double = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return [self.branch3x3(x), double, F.max_pool2d(x, 3, stride=2, padding=1)]


class _PaddedD(InceptionD):
    """torchvision's block, with a pooling that halves the size exactly."""

    def _forward(self, x: Tensor) -> list[Tensor]:
        single = self.branch3x3_2(self.branch3x3_1(x))
        double = self.branch7x7x3_3(self.branch7x7x3_2(self.branch7x7x3_1(x)))
        return [single, self.branch7x7x3_4(double), F.max_pool2d(x, 3, stride=2, padding=1)]
