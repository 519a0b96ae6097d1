"""LPIPS with weights that the caller hands over: nothing is downloaded, nothing is printed."""

import warnings
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn

from tintype.console import UserError
from tintype.metrics import checked_rgb_pair
from tintype.sources import backbones

TORCHVISION_NAMES = {"alex": "alexnet", "squeeze": "squeezenet1_1", "vgg": "vgg16"}


class Lpips(nn.Module):
    """Learned perceptual distance, version 0.1 (Zhang et al. 2018, equation 1); lower is better.

    `net` is "alex", "squeeze" or "vgg"; a table's column is named after it, such as `lpips_squeeze`, because
    their values do not compare. `backbone` is the `state_dict` of torchvision's ImageNet network of that
    kind, in any floating point precision: every `features.` weight must be there and no other; the
    `classifier.` weights are not used and may be. The weights of the linear layers come from inside the
    `lpips` package.

    Raises UserError for another `net`, and for a backbone with a weight that is missing, unknown or of the
    wrong shape.
    """

    def __init__(self, net: str, backbone: Mapping[str, torch.Tensor]):
        super().__init__()
        if net not in TORCHVISION_NAMES:
            raise UserError(f"LPIPS has no net {net!r}; choose one of {', '.join(TORCHVISION_NAMES)}")
        import lpips  # here, for it brings torchvision along, which takes seconds

        # The package first builds a random backbone: its warnings of old torchvision arguments are not ours
        # to mend, and its draws must not move anybody's random numbers.
        with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
            warnings.filterwarnings("ignore", category=UserWarning, module=r"torchvision\.models")
            self.distance = lpips.LPIPS(net=net, version="0.1", pnet_rand=True, verbose=False)
        _load_backbone(self.distance.net, backbone, TORCHVISION_NAMES[net])
        self.requires_grad_(False)

    @torch.no_grad()
    def forward(self, rgb: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
        """Distances, float64 (N,), >= 0, of sRGB pictures (N, 3, H, W) in [0, 1]; 0 for identical ones.

        Raises TypeError for integer pictures and ValueError for two shapes, other shapes or values outside
        [0, 1].
        """
        rgb, truth = checked_rgb_pair(rgb, truth)
        return self.loss(rgb.float(), truth.float()).double()

    def loss(self, rgb: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
        """The same, unchecked and as precise as its arguments, to learn by: with a gradient."""
        return self.distance(rgb * 2 - 1, truth * 2 - 1).flatten()


def load(net: str, folder: Path) -> tuple[Lpips | None, str]:
    """LPIPS with the weights in a folder that download@weights filled; or None, and why it is not there."""
    file = backbones.available(folder).get(net)
    if file is None:
        return None, f"not available: {backbones.why_not(folder, net)}"
    return Lpips(net, load_file(file)), ""


def _load_backbone(network: nn.Module, backbone: Mapping[str, torch.Tensor], torchvision_name: str) -> None:
    # The package cuts torchvision's `features` into slices but keeps the layer numbers: slice2.3.bias is
    # features.3.bias.
    ours = {f"features.{name.split('.', 1)[1]}": name for name in network.state_dict()}
    shapes = {name: network.state_dict()[ours[name]].shape for name in ours}

    problems = [f"{name} is missing" for name in ours if name not in backbone]
    problems += [
        f"{name} is unknown" for name in backbone if name not in ours and not name.startswith("classifier.")
    ]
    problems += [
        f"{name} has shape {tuple(backbone[name].shape)} where {tuple(shapes[name])} is needed"
        for name in ours
        if name in backbone and backbone[name].shape != shapes[name]
    ]
    if problems:
        more = f"; and {len(problems) - 5} more" if len(problems) > 5 else ""
        raise UserError(
            f"these are not the weights of torchvision's {torchvision_name}, which LPIPS needs: "
            f"{'; '.join(problems[:5])}{more}"
        )
    network.load_state_dict({ours[name]: backbone[name] for name in ours})
