"""Networks that turn pictures into features, of which `set_metrics.py` takes distances, and classifiers.

Each takes sRGB pictures (N, 3, H, W) of any size in [0, 1], and resizes them itself. Weights are handed over,
as `sources/backbones.py` keeps them: nothing is downloaded, nothing is unpickled. Work is done in float32.
All raise TypeError for integer pictures, ValueError for another shape and for values outside [0, 1], and
RuntimeError for the weights of another network.
"""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from tintype.console import UserError
from tintype.sources import backbones

CLASSES = 1000  # of ImageNet, which all of these networks were trained on
_KEY = "evaluate.metrics.top1.classes"


class Inception(nn.Module):
    """2,048 features of TensorFlow's Inception of 2015, of which FID was defined (Heusel et al. 2017).

    As torch-fidelity has it: pictures are rounded to 8 bits, squashed to 299 x 299 as TensorFlow 1 does it
    (bilinear, no antialiasing, corner pixels kept in place on the upper left alone), and go in as
    (v - 128) / 128 with v in [0, 255]; then the average over the last layer's places.
    """

    def __init__(self, weights: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.network = backbones.skeleton("inception")
        self.network.fc = nn.Identity()  # comes after the features
        _fill(self, weights)

    @torch.no_grad()
    def forward(self, rgb: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N, 2048), float64."""
        (features,) = self.network((_checked(rgb) * 255).round().byte())
        return features.double()


class TorchvisionInception(nn.Module):
    """2,048 features of torchvision's Inception v3, as published tables of colourings have them.

    They follow DDColor's code (Kang et al. 2023, `basicsr/metrics/custom_fid.py`), which squashes to
    299 x 299 (bilinear, no antialiasing) and averages over the last layer's places. It takes pictures in
    [0, 1] for ones in [-1, 1], and then for ones normalised by ImageNet's mean m and deviation s: a channel v
    goes in as (v / 2 + 1 / 2) s / 0.5 + (m - 0.5) / 0.5, hence within [0.04, 0.43], where the network was
    trained on [-1, 1]. Kept, because other values would compare with no table; `Inception` is the better
    judge.
    """

    def __init__(self, weights: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.network = backbones.skeleton("torchvision_inception")
        self.network.fc, self.network.AuxLogits = nn.Identity(), None
        _fill(self, weights)

    @torch.no_grad()
    def forward(self, rgb: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N, 2048), float64."""
        squashed = F.interpolate(_checked(rgb), (299, 299), mode="bilinear")
        mean, std = _imagenet(rgb.device)
        return self.network((squashed / 2 + 0.5) * (std / 0.5) + (mean - 0.5) / 0.5).double()


class Squeeze(nn.Module):
    """512 features of SqueezeNet 1.1 (Iandola et al. 2016): its last layer before the classifier.

    For sets of pictures where Inception's weights are not there: LPIPS needs these anyway. Values compare
    with nobody else's. Pictures are squashed to 224 x 224 (bilinear, antialiased) and normalised by
    ImageNet's mean and deviation; the features are averaged over all places.
    """

    def __init__(self, weights: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.network = backbones.skeleton("squeeze").features
        start = "features."
        _fill(self, {key.removeprefix(start): t for key, t in weights.items() if key.startswith(start)})

    @torch.no_grad()
    def forward(self, rgb: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N, 512), float64."""
        return self.network(_as_in_training(rgb)).mean(dim=(2, 3)).double()


FEATURES: dict[str, Callable[[Mapping[str, Tensor]], nn.Module]] = {
    "inception": Inception,
    "torchvision_inception": TorchvisionInception,
    "squeeze": Squeeze,
}


class Classifier(nn.Module):
    """What a network takes a picture for: the most probable of ImageNet's classes, by its index.

    `net` is squeeze, alex or vgg: torchvision's SqueezeNet 1.1, AlexNet or VGG-16. Pictures are squashed to
    224 x 224 (bilinear, antialiased) and normalised by ImageNet's mean and deviation. torchvision itself
    resizes the shorter side to 256 and crops the centre; here all of a picture's colours count.
    """

    def __init__(self, net: str, weights: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.network = backbones.skeleton(net)
        _fill(self, weights)

    @torch.no_grad()
    def forward(self, rgb: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N,), int64 in [0, 1000)."""
        return self.network(_as_in_training(rgb)).argmax(dim=1)


def load(backend: str, folder: Path) -> tuple[nn.Module | None, str]:
    """The network of a key of FEATURES, with the weights in a folder that download@weights filled.

    Or None, and why it is not there. Raises UserError where the folder has no such row, or a file is gone.
    """
    if missing := backbones.why_not(folder, backend):
        return None, f"not available: {missing}"
    return FEATURES[backend](load_file(backbones.available(folder)[backend])), ""


def load_classifier(net: str, folder: Path) -> tuple[Classifier | None, str]:
    """The classifier `net`, squeeze, alex or vgg, as `load` loads networks."""
    if missing := backbones.why_no_classifier(folder, net):
        return None, f"not available: {missing}"
    return Classifier(net, load_file(backbones.available(folder)[net])), ""


def read_classes(path: Path, count: int = CLASSES) -> dict[str, int]:
    """The index of each label, from a file whose line k begins with the label of the network's class k.

    Labels are such as ImageNet's folders are named after (n01440764); what follows on a line is not read.
    Raises UserError for a file that cannot be read, an empty line, a label that is there twice, and another
    number of lines than `count`.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").rstrip().splitlines()
    except (OSError, UnicodeError) as error:
        problem = f"cannot be read ({type(error).__name__}); name a text file, a line for each class"
        raise UserError(f"{_KEY}: {path}: {problem}") from None
    classes: dict[str, int] = {}
    for number, line in enumerate(lines):
        label = "".join(line.split()[:1])
        if not label:
            raise UserError(f"{_KEY}: {path}: line {number + 1} is empty; it should begin with a label")
        if label in classes:
            first, again = classes[label] + 1, number + 1
            raise UserError(f"{_KEY}: {path}: {label} is in lines {first} and {again}; each label has one")
        classes[label] = number
    if len(classes) != count:
        problem = f"found {len(classes)} lines, allowed: {count}, one for each of the network's classes"
        raise UserError(f"{_KEY}: {path}: {problem}, in its order")
    return classes


def indices(labels: Iterable[str], classes: Mapping[str, int], path: Path) -> Tensor:
    """The classes' indices (N,), int64, of the labels of pictures, as `read_classes` read them from `path`.

    Raises UserError for labels that are not there, naming up to three.
    """
    labels = list(labels)
    unknown = sorted(set(labels) - set(classes))
    if unknown:
        named = ", ".join(label or "none at all" for label in unknown[:3])
        named += f" and {len(unknown) - 3} more" if len(unknown) > 3 else ""
        remedy = "list pictures under these labels, or put null for evaluate.metrics.top1"
        raise UserError(f"{_KEY}: {path}: pictures have labels that are not there: {named}; {remedy}")
    return torch.tensor([classes[label] for label in labels], dtype=torch.int64)


def _fill(module: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Give the skeleton of a module its weights, for answers alone."""
    module.network.load_state_dict({key: t.float() for key, t in weights.items()}, assign=True)
    module.eval().requires_grad_(False)


def _checked(rgb: Tensor) -> Tensor:
    if not rgb.is_floating_point():
        raise TypeError(
            f"found {rgb.dtype} pictures; floating-point ones in [0, 1] are needed: divide by 255"
        )
    if rgb.ndim != 4 or rgb.shape[1] != 3:
        raise ValueError(f"found a tensor of shape {tuple(rgb.shape)}; (N, 3, H, W) is needed")
    if not ((rgb >= 0) & (rgb <= 1)).all():
        raise ValueError("found values outside [0, 1], or that are not finite, in a picture")
    return rgb.float()


def _imagenet(device: torch.device) -> tuple[Tensor, Tensor]:
    """Mean and deviation of ImageNet's channels, (3, 1, 1) each, as torchvision's networks are trained."""
    both = torch.tensor([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]], device=device)
    return both[0].view(3, 1, 1), both[1].view(3, 1, 1)


def _as_in_training(rgb: Tensor) -> Tensor:
    mean, std = _imagenet(rgb.device)
    return (F.interpolate(_checked(rgb), (224, 224), mode="bilinear", antialias=True) - mean) / std
