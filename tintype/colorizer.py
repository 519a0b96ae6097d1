"""The trained thing: a network, what its planes mean, how they become colour, all in one file."""

from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL.Image import Image, fromarray
from torch import Tensor, nn
from torch.nn import functional as F

from tintype import model_file, noise
from tintype.batch import Batch
from tintype.color_spaces import AB, SPACES
from tintype.console import UserError

FILE = "model.safetensors"
# Clicks are a few pixels among thousands, and would have to be learned to count.
CLICK = 10


class Colorizer(nn.Module):
    """Lightness in, colours out, for pictures of any size.

    generator: `backbone`, a file in `tintype/networks/backbones`; `head`, one in `tintype/networks/heads`;
    `color_space`, a key of `color_spaces.SPACES`; `given`, where it is told more than the lightness: which of
    `condition`, `hints` and `z`, and how it learns from them; and the settings of the network. classes:
    `grid` of the ab classes and `temperature` of the annealed mean, for the head that has classes, else None.
    conditions: the table of its `conditions.Vocabulary`, for one that is told a condition, else None.
    Attributes: `about`, all of these; and `training`, how it was trained, where it was loaded.
    """

    def __init__(
        self,
        generator: dict[str, Any],
        classes: dict[str, Any] | None,
        conditions: dict[str, list[str]] | None = None,
    ) -> None:
        super().__init__()
        self.about = {"generator": dict(generator), "classes": classes and dict(classes)}
        settings = dict(generator)
        backbone, head, space = (settings.pop(key) for key in ("backbone", "head", "color_space"))
        self.told = settings.pop("given", None) or {}
        if self.told.get("condition"):
            self.about["conditions"] = conditions
        if planes := sum(self.told_planes().values()):
            settings["known"] = 1 + planes  # which networks that take the lightness alone do not know
        self.space = SPACES[space]
        self.head = import_module(f"tintype.networks.heads.{head}").Head(self.space.channels, classes)
        build = import_module(f"tintype.networks.backbones.{backbone}").build
        try:
            self.network = build(self.head.planes, **settings)
        except (TypeError, ValueError) as error:
            told = f" (`known`: what it is told, {', '.join(self.told)})" if "known" in str(error) else ""
            raise UserError(
                f"generator.backbone {backbone}: these settings do not fit: {error}{told}"
            ) from error

    @classmethod
    def of(cls, generator: Any, classes: Any, conditions: dict[str, list[str]] | None = None) -> "Colorizer":
        """An untrained one, from the sections `generator` and `classes` of params.yaml.

        conditions: those of the pictures that it is to learn from. Raises UserError where they have none,
        and the generator is to be told one.
        """
        settings = generator.model_dump()
        if settings.get("given", {}).get("condition") and not conditions:
            raise UserError(
                "generator.given.condition: found true, allowed: left out, as the pictures have no conditions"
            )
        used = classes.model_dump(include={"grid", "temperature"}) if generator.head == "classes" else None
        return cls(settings, used, conditions)

    def refuse_other(self, conditions: dict[str, list[str]] | None) -> None:
        """Raise UserError where the model is told conditions, and pictures have others than those."""
        known = self.about.get("conditions")
        if known is not None and conditions != known:
            raise UserError(f"pictures have the conditions {conditions or 'none'}, the model knows {known}")

    def given(self, batch: Batch) -> Tensor:
        """What the network is given of pictures: planes (N, 1 + E, H, W), the lightness in [0, 100] first.

        Then, as far as it takes them, a plane for each value of the condition, 1 or 0; CLICK times ab / 110
        of hints and their mask; z, enlarged. Where a batch has no hints, there are none; where it has no z,
        it is 0, its mean. Raises UserError where the pictures' condition has not as many values as the
        model's.
        """
        number, _, *size = batch.input.shape
        planes = [batch.input]
        for name, more in self.told_planes().items():
            if name == "condition":
                planes.append(condition_planes(self._condition(batch), size))
            elif name == "hints":
                hints = batch.input.new_zeros(number, 3, *size) if batch.hints is None else batch.hints
                planes.append(CLICK * torch.cat([hints[:, :2] / AB, hints[:, 2:]], dim=1))
            else:
                z = batch.input.new_zeros(number, more, 1, 1) if batch.z is None else batch.z.to(batch.input)
                planes.append(F.interpolate(z, size=size, mode="bilinear", align_corners=False))
        return torch.cat(planes, dim=1) if len(planes) > 1 else batch.input

    def known(self, batch: Batch) -> Tensor:
        """What a discriminator is told of the pictures whose colours it judges: (N, 1 + K, H, W).

        The lightness, or the drawing, in [0, 100], then the condition's planes.
        """
        seen = batch.input if self.space.whole else batch.L
        if "condition" not in self.told_planes():
            return seen
        return torch.cat([seen, condition_planes(self._condition(batch), seen.shape[-2:])], dim=1)

    @property
    def known_planes(self) -> int:
        """How many planes `known` has."""
        return 1 + self.told_planes().get("condition", 0)

    def forward(self, L: Tensor) -> Tensor:
        """ab (N, 2, H, W) for lightness (N, 1, H, W) in [0, 100], of any height and width.

        Without hints, and of z = 0. Raises UserError where the model has to be told a condition.
        """
        return self._of_lightness(L)[:, 1:]

    def colours(self, batch: Batch) -> Tensor:
        """Lab (N, 3, H, W) of a batch's pictures as the model colours them: with their own lightness L.

        Those of a drawing are the model's altogether.
        """
        return self.lab(self.planes(batch), batch.L)

    def planes(self, batch: Batch) -> Tensor:
        """What the network gives (N, planes, h, w) for pictures, padded to a size that suits it."""
        return self._planes(self.given(batch))

    def lab(self, planes: Tensor, L: Tensor) -> Tensor:
        """Lab (N, 3, H, W) of what the network gave for pictures of lightness L (N, 1, H, W)."""
        return self.joined(self.head(planes), L)

    def joined(self, colours: Tensor, L: Tensor) -> Tensor:
        """Lab (N, 3, H, W) of the head's colours (N, C, h, w) for pictures of lightness L (N, 1, H, W)."""
        height, width = L.shape[-2:]
        multiple = self.network.multiple
        size = (height + -height % multiple, width + -width % multiple)
        small = self.space.lab(colours) if self.space.whole else self.space.ab(colours)
        large = F.interpolate(small, size=size, mode="bilinear", align_corners=False)[..., :height, :width]
        return large if self.space.whole else torch.cat([L, large], dim=1)

    @torch.no_grad()
    def sample(self, batch: Batch, number: int, seed: int) -> Tensor:
        """`number` colourings, Lab (number, N, 3, H, W), that the model holds for plausible, of pictures.

        Raises UserError where it has nothing to draw from.
        """
        if z := self.told.get("z"):
            rng = np.random.default_rng(seed)
            seeds = rng.integers(2**63, size=(number, len(batch.input)))
            drawn = (noise.drawn(some, z["whole"], z["spatial"]) for some in seeds)
            return torch.stack([self.colours(replace(batch, z=one)) for one in drawn])
        if not hasattr(self.network, "sample"):
            backbone = self.about["generator"]["backbone"]
            raise UserError(
                f"a generator of backbone {backbone}, without z, knows one colouring of each picture"
            )
        given = self.padded(self.given(batch))
        drawn = self.network.sample(given, number, torch.Generator().manual_seed(seed))
        return torch.stack([self.lab(planes, batch.L) for planes in drawn])

    @torch.no_grad()
    def colorize(
        self,
        picture: "Path | str | Image | np.ndarray",
        size: int | None = None,
        saturation: float = 1.0,
        seed: int | None = None,
    ) -> "Image | np.ndarray":
        """Colour a picture at its full size, with its own lightness.

        picture: a file's path; a Pillow image; samples (H, W) or (H, W, 3), uint8 or uint16. Of colours, only
        the lightness is used. The answer has the same size and depth: a Pillow image (mode RGB) for one, else
        samples (H, W, 3), sRGB. size, saturation: as `full_size.colorize` has them. seed: as `with_noise`
        has it. Raises UserError where the model can't, and `images.UnreadablePicture` for what is no picture.
        """
        if self.space.whole:
            raise UserError(
                "this model colours drawings, whose lightness it makes up; name one of photographs"
            )
        from tintype import full_size, scans  # here: a training does not depend on how pictures are read

        def predict(batch: Batch) -> Tensor:
            return self.lab(self.planes(self.with_noise(batch, seed)), batch.input)[:, 1:]

        colours = full_size.colorize(scans.samples(picture), predict, size or full_size.SIZE, saturation)
        return fromarray(colours) if isinstance(picture, Image) else colours

    def with_noise(self, batch: Batch, seed: int | None) -> Batch:
        """The batch with z drawn for it; itself, where seed is None. UserError for a model without z."""
        if seed is None:
            return batch
        z = self.told.get("z")
        if not z:
            backbone = self.about["generator"]["backbone"]
            raise UserError(f"this generator of backbone {backbone} has no z: it knows one colouring")
        seeds = np.random.default_rng(seed).integers(2**63, size=len(batch.input))
        return replace(batch, z=noise.drawn(seeds, z["whole"], z["spatial"]))

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
        model_file.write(folder / FILE, tensors, self.about | {"training": training})

    @classmethod
    def load(cls, path: Path | str) -> "Colorizer":
        """Read a model from its file or its folder, in evaluation mode on the CPU.

        Raises UserError where there is no model, the file is no safetensors file of Tintype's, of another
        version or changed since it was written, or a weight is missing, unexpected or of another shape (each
        is named).
        """
        file = file_of(path)
        about, tensors = model_file.read(file)
        try:
            colorizer = cls(about["generator"], about["classes"], about.get("conditions"))
            colorizer.about["training"] = about["training"]
        except UserError as error:
            raise UserError(f"{file}: {error}") from None
        except (KeyError, TypeError, ImportError, AttributeError, RuntimeError) as error:
            raise UserError(
                f"{file}: not a model that this Tintype can build ({type(error).__name__}: {error})"
            ) from None
        try:
            colorizer.load_state_dict(tensors)
        except RuntimeError as error:
            raise UserError(f"{file}: the weights do not fit the network it describes: {error}") from None
        return colorizer.eval()

    def told_planes(self) -> dict[str, int]:
        """How many planes the network is given besides the lightness, by what they tell."""
        planes = {}
        if self.told.get("condition"):
            planes["condition"] = sum(map(len, self.about["conditions"].values()))
        if self.told.get("hints"):
            planes["hints"] = 3
        if z := self.told.get("z"):
            planes["z"] = z["whole"] + z["spatial"]
        return planes

    def padded(self, given: Tensor) -> Tensor:
        """What the network is given, at a size that suits it: edges repeated below and on the right."""
        height, width = given.shape[-2:]
        multiple = self.network.multiple
        more = (0, -width % multiple, 0, -height % multiple)
        padded = F.pad(given, more, mode="replicate")
        if any(more) and (hints := self.told_planes().get("hints")):
            # A click at the edge does not go on beyond it.
            first = 1 + self.told_planes().get("condition", 0)
            padded[:, first : first + hints] = F.pad(given[:, first : first + hints], more)
        return padded

    def _condition(self, batch: Batch) -> Tensor:
        wanted = self.told_planes()["condition"]
        found = 0 if batch.condition is None else batch.condition.shape[1]
        if found != wanted:
            values = "; ".join(f"{name}: {', '.join(of)}" for name, of in self.about["conditions"].items())
            raise UserError(f"found conditions of {found} values, allowed: of {wanted} ({values})")
        return batch.condition

    def _planes(self, given: Tensor) -> Tensor:
        planes, _ = planes_and_penalty(self.network(self.padded(given)))
        return planes

    def _of_lightness(self, L: Tensor) -> Tensor:
        return self.colours(Batch(L, L, L.new_zeros(len(L), 2, *L.shape[-2:])))


def file_of(model: Path | str) -> Path:
    """The file of a model that is named by its folder or its file."""
    path = Path(model)
    return path / FILE if path.is_dir() else path


def condition_planes(condition: Tensor, size: tuple[int, int]) -> Tensor:
    """One-hot attributes (N, K) as planes (N, K, *size), each 1 or 0 all over."""
    return condition[:, :, None, None].expand(-1, -1, *size)


def planes_and_penalty(answer: Tensor | tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """What a network gives in training: its planes (N, C, h, w), and a penalty (N,) of its own, mostly 0."""
    return answer if isinstance(answer, tuple) else (answer, answer.new_zeros(len(answer)))
