"""The trained thing: a network, what its planes mean, how they become colour, all in one file."""

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from tintype.color import into_gamut, lab_to_rgb
from tintype.color_spaces import SPACES
from tintype.console import UserError
from tintype.files import new_file

FILE = "model.safetensors"


class Colorizer(nn.Module):
    """Lightness in, colours out, for pictures of any size.

    generator: `backbone`, a file in `tintype/networks/backbones`; `head`, one in `tintype/networks/heads`;
    `color_space`, a key of `color_spaces.SPACES`; and the settings of the network. classes: `grid` of the ab
    classes and `temperature` of the annealed mean, for the head that has classes, else None. Attributes:
    `about`, both; and `training`, how it was trained, where it was loaded.
    """

    def __init__(self, generator: dict[str, Any], classes: dict[str, Any] | None) -> None:
        super().__init__()
        self.about = {"generator": dict(generator), "classes": classes and dict(classes)}
        settings = dict(generator)
        backbone, head, space = (settings.pop(key) for key in ("backbone", "head", "color_space"))
        self.space = SPACES[space]
        self.head = import_module(f"tintype.networks.heads.{head}").Head(self.space.channels, classes)
        build = import_module(f"tintype.networks.backbones.{backbone}").build
        try:
            self.network = build(self.head.planes, **settings)
        except (TypeError, ValueError) as error:
            raise UserError(f"generator.backbone {backbone}: these settings do not fit: {error}") from error

    @classmethod
    def of(cls, generator: Any, classes: Any) -> "Colorizer":
        """An untrained one, from the sections `generator` and `classes` of params.yaml."""
        used = classes.model_dump(include={"grid", "temperature"}) if generator.head == "classes" else None
        return cls(generator.model_dump(), used)

    def forward(self, L: Tensor) -> Tensor:
        """ab (N, 2, H, W) for lightness (N, 1, H, W) in [0, 100], of any height and width."""
        planes, _ = planes_and_penalty(self.network(self._padded(L)))
        return self._enlarged(planes, L)

    def ab(self, planes: Tensor, size: tuple[int, int]) -> Tensor:
        """ab (N, 2, *size) of what the network gave, (N, planes, h, w)."""
        ab = self.space.ab(self.head(planes))
        return F.interpolate(ab, size=size, mode="bilinear", align_corners=False)

    @torch.no_grad()
    def sample(self, L: Tensor, number: int, seed: int) -> Tensor:
        """`number` colourings (number, N, 2, H, W) that the model holds for plausible, of L (N, 1, H, W).

        Raises UserError where its network has nothing to draw from.
        """
        if not hasattr(self.network, "sample"):
            backbone = self.about["generator"]["backbone"]
            raise UserError(f"a generator of backbone {backbone} knows one colouring of each picture")
        drawn = self.network.sample(self._padded(L), number, torch.Generator().manual_seed(seed))
        return torch.stack([self._enlarged(planes, L) for planes in drawn])

    @torch.no_grad()
    def colorize(self, L: Tensor) -> Tensor:
        """sRGB (N, 3, H, W) in [0, 1]: the given lightness, the predicted colours brought into gamut."""
        return lab_to_rgb(into_gamut(torch.cat([L, self(L)], dim=1)))

    def take_over(self, other: "Colorizer") -> tuple[int, int]:
        """Start from another model's network, as far as weights have the same name and shape.

        Returns how many of the network's weights that are, and of how many.
        """
        ours, theirs = self.network.state_dict(), other.network.state_dict()
        same = {
            name: theirs[name] for name in ours if name in theirs and ours[name].shape == theirs[name].shape
        }
        self.network.load_state_dict(ours | same)
        return sum(map(torch.numel, same.values())), sum(map(torch.numel, ours.values()))

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
            colorizer.about["training"] = about["training"]
        except UserError as error:
            raise UserError(f"{file}: {error}") from None
        except (
            SafetensorError,
            KeyError,
            TypeError,
            ImportError,
            RuntimeError,
            json.JSONDecodeError,
        ) as error:
            raise UserError(
                f"{file}: not a model written by Tintype ({type(error).__name__}: {error})"
            ) from None
        try:
            colorizer.load_state_dict(tensors)
        except RuntimeError as error:
            raise UserError(f"{file}: the weights do not fit the network it describes: {error}") from None
        return colorizer.eval()

    def _padded(self, L: Tensor) -> Tensor:
        height, width = L.shape[-2:]
        multiple = self.network.multiple
        return F.pad(L, (0, -width % multiple, 0, -height % multiple), mode="replicate")

    def _enlarged(self, planes: Tensor, L: Tensor) -> Tensor:
        height, width = L.shape[-2:]
        multiple = self.network.multiple
        return self.ab(planes, (height + -height % multiple, width + -width % multiple))[..., :height, :width]


def planes_and_penalty(answer: Tensor | tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """What a network gives in training: its planes (N, C, h, w), and a penalty (N,) of its own, mostly 0."""
    return answer if isinstance(answer, tuple) else (answer, answer.new_zeros(len(answer)))
