"""The trained thing: a network, what its classes mean, how its answer becomes colour, all in one file."""

import json
from importlib import import_module
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from tintype.ab_classes import annealed_mean, displayable_centres
from tintype.color import into_gamut, lab_to_rgb
from tintype.console import UserError
from tintype.files import new_file

FILE = "model.safetensors"


class Colorizer(nn.Module):
    """Lightness in, colours out, for pictures of any size.

    generator: the settings of the network, `backbone` naming a file in `tintype/networks`.
    classes: `grid` of the ab classes and `temperature` of the annealed mean.
    """

    def __init__(self, generator: dict, classes: dict) -> None:
        super().__init__()
        self.about = {"generator": dict(generator), "classes": dict(classes)}
        self.temperature = classes["temperature"]
        self.register_buffer("centres", displayable_centres(classes["grid"]))
        settings = {key: value for key, value in generator.items() if key != "backbone"}
        self.network = import_module(f"tintype.networks.{generator['backbone']}").build(
            len(self.centres), **settings
        )

    def annealed_mean(self, logits: Tensor) -> Tensor:
        """Colours (N, 2, h, w) of the network's logits (N, Q, h, w), at the network's own output scale."""
        return annealed_mean(logits, self.centres, self.temperature)

    def forward(self, L: Tensor) -> Tensor:
        """ab (N, 2, H, W) for lightness (N, 1, H, W) in [0, 100], of any height and width."""
        height, width = L.shape[-2:]
        multiple = self.network.multiple
        padded = F.pad(L, (0, -width % multiple, 0, -height % multiple), mode="replicate")
        ab = self.annealed_mean(self.network(padded))
        ab = F.interpolate(ab, size=padded.shape[-2:], mode="bilinear", align_corners=False)
        return ab[..., :height, :width]

    @torch.no_grad()
    def colorize(self, L: Tensor) -> Tensor:
        """sRGB (N, 3, H, W) in [0, 1]: the given lightness, the predicted colours brought into gamut."""
        return lab_to_rgb(into_gamut(torch.cat([L, self(L)], dim=1)))

    def save(self, folder: Path, training: dict) -> None:
        """Write `model.safetensors` into a folder; the same weights and settings give the same bytes.

        training: the settings it was trained with (JSON values), kept in the file for whoever finds it.
        """
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in self.state_dict().items()}
        # One JSON string: safetensors writes several metadata keys in random order.
        about = json.dumps(self.about | {"training": training}, sort_keys=True)
        with new_file(folder / FILE) as file:
            save_file(tensors, file, metadata={"tintype": about})

    @classmethod
    def load(cls, path: Path) -> "Colorizer":
        """Read a model from its file or its folder, in evaluation mode on the CPU.

        Raises UserError where there is no model, the file is no safetensors file of Tintype's, or a
        weight is missing, unexpected or of another shape (each is named).
        """
        file = path / FILE if path.is_dir() else path
        if not file.is_file():
            raise UserError(
                f"{path}: no model here; `dvc repro` trains one, `dvc pull` fetches one that was shared"
            )
        try:
            with safe_open(file, framework="pt") as stored:
                about = json.loads((stored.metadata() or {})["tintype"])
                tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
            colorizer = cls(about["generator"], about["classes"])
        except (SafetensorError, KeyError, json.JSONDecodeError) as error:
            raise UserError(
                f"{file}: not a model written by Tintype ({type(error).__name__}: {error})"
            ) from None
        try:
            colorizer.load_state_dict(tensors)
        except RuntimeError as error:
            raise UserError(f"{file}: the weights do not fit the network it describes: {error}") from None
        return colorizer.eval()
