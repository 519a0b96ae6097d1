"""Trained models as ONNX graphs, which run without Tintype and without PyTorch."""

import copy
import io
import json
import math
import threading
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tintype.batch import Batch
from tintype.colorizer import CLICK, Colorizer
from tintype.console import UserError
from tintype.noise import CELLS

if TYPE_CHECKING:
    import onnxruntime

OPSET = 17  # nothing newer is needed, and older readers know it
TOLERANCE = 1e-3  # units of Lab by which an exported model may differ from the model
GIVEN = "given"  # the graph's input
_ONE_AT_A_TIME = threading.Lock()  # PyTorch keeps what it exports in variables of the process
# What PyTorch warns of: the exporter, and `networks.planes.scaled`, which asks for the number of planes.
_EXPECTED = [
    (DeprecationWarning, "You are using the legacy TorchScript-based ONNX export"),
    (DeprecationWarning, "The feature will be removed"),
    (torch.jit.TracerWarning, "Converting a tensor to a Python boolean"),
]


class Answering(nn.Module):
    """A model between what its network is given and colours: what runs, whatever runs it."""

    def __init__(self, colorizer: Colorizer) -> None:
        super().__init__()
        self.colorizer = colorizer

    def forward(self, given: Tensor) -> Tensor:
        """(N, 1 + E, H, W), padded -> ab (N, 2, H / stride, W / stride); of drawings Lab (N, 3, ...)."""
        colours = self.colorizer.head(self.colorizer.network(given))
        space = self.colorizer.space
        return space.lab(colours) if space.whole else space.ab(colours)


def to_onnx(colorizer: Colorizer) -> bytes:
    """A model as an ONNX file: of the same weights, with the same release of PyTorch, the same bytes.

    Its input `given` is what `Colorizer.given` gives, (N, 1 + E, H, W) float32, lightness in [0, 100] first,
    H and W multiples of the network's `multiple`. Its output is `ab` (N, 2, H / stride, W / stride) in about
    [-110, 110], to be enlarged bilinearly; for a model that colours drawings `lab` (N, 3, ...), with the
    lightness of its own. N, H and W are free. `described` says what metadata the file has. Raises UserError
    for a model that knows no colours, or has an operation that ONNX lacks.
    """
    import onnx  # here, for it takes time that not all need

    refuse_colourless(colorizer)
    answering = Answering(copy.deepcopy(colorizer)).cpu().eval()
    multiple, stride = colorizer.network.multiple, colorizer.network.stride
    example = torch.zeros(1, 1 + sum(colorizer.told_planes().values()), multiple, 2 * multiple)
    name, scale = _output(colorizer), "" if stride == 1 else f"/{stride}"
    axes = {GIVEN: {0: "N", 2: "H", 3: "W"}, name: {0: "N", 2: f"H{scale}", 3: f"W{scale}"}}
    file = io.BytesIO()
    with _ONE_AT_A_TIME, warnings.catch_warnings():
        for category, message in _EXPECTED:
            warnings.filterwarnings("ignore", message, category)
        try:
            # The exporter that replaces this one takes twenty times as long: too long to start a program.
            torch.onnx.export(
                answering,
                (example,),
                file,
                input_names=[GIVEN],
                output_names=[name],
                dynamic_axes=axes,
                opset_version=OPSET,
                dynamo=False,
            )
        except torch.onnx.errors.OnnxExporterError as error:
            reason = str(error).splitlines()[0]
            raise UserError(
                f"generator.backbone {colorizer.about['generator']['backbone']}: ONNX cannot express it "
                f"({reason}); --runtime torch runs it"
            ) from error
    model = onnx.load_model_from_string(file.getvalue())
    onnx.helper.set_model_props(model, described(colorizer))
    onnx.checker.check_model(model)
    return model.SerializeToString(deterministic=True)


def described(colorizer: Colorizer) -> dict[str, str]:
    """Metadata of an exported model, each a JSON value.

    `tintype`: what the model is made of, and how it was trained. `multiple`: of which height and width have
    to be; the edge is repeated beyond them, but for hints, which are 0 there. `given`: the input's planes, in
    their order. `answer`: the output's planes, and how many pixels of the input one of its own is wide.
    """
    given: list[dict] = [{"name": "lightness", "planes": 1, "from": 0, "to": 100}]
    conditions = (colorizer.about.get("conditions") or {}).items()
    for name, planes in colorizer.told_planes().items():
        plane = {"name": name, "planes": planes}
        if name == "condition":
            plane["values"] = [f"{key}: {value}" for key, of in conditions for value in of]
        elif name == "hints":
            plane["values"] = [f"{CLICK} * {value}" for value in ("a / 110", "b / 110", "1 where clicked")]
        else:
            plane |= {"of": "a standard Gaussian", "whole": colorizer.told["z"]["whole"], "cells": CELLS}
        given.append(plane)
    answer = {"name": _output(colorizer), "stride": colorizer.network.stride}
    parts = {
        "tintype": colorizer.about,
        "multiple": colorizer.network.multiple,
        "given": given,
        "answer": answer,
    }
    return {name: json.dumps(value, sort_keys=True) for name, value in parts.items()}


def session(model: bytes | Path, threads: int = 0) -> "onnxruntime.InferenceSession":
    """An exported model in ONNX Runtime, on the CPU; `threads` 0: as many as there are cores."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    # Threads that spin while they wait are no faster alone, and slow down whatever else wants the cores.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    source = model if isinstance(model, bytes) else str(model)
    return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])


@torch.no_grad()
def difference(model: bytes | Path, colorizer: Colorizer) -> float:
    """By how much an exported model differs from the model at most, in units of Lab.

    Of `pictures` of two sizes, one alone and two together. Infinite where shapes differ, NaN where one is.
    """
    runs, answering = session(model), Answering(copy.deepcopy(colorizer)).cpu().eval()
    multiple, apart = colorizer.network.multiple, []
    side = multiple * -(-48 // multiple)
    for number, height, width in ((1, 2 * side, 3 * side), (2, 3 * side, side)):
        given = colorizer.given(pictures(colorizer, number, (height, width)))
        (found,) = runs.run(None, {GIVEN: given.numpy()})
        expected = answering(given)
        if found.shape != expected.shape:
            return math.inf
        apart.append((torch.from_numpy(found) - expected).abs().max())
    return torch.stack(apart).max().item()


def pictures(colorizer: Colorizer, number: int, size: tuple[int, int], seed: int = 0) -> Batch:
    """Random pictures (number, 1, *size), with all that a model can be told of them.

    Smooth, with some grain, as photographs are: of white noise, which no model has learned, the last digits
    of some are their rounding's.
    """
    generator = torch.Generator().manual_seed(seed)

    def drawn(*shape: int) -> Tensor:
        return torch.rand(number, *shape, generator=generator)

    height, width = size
    smooth = drawn(1, 2 + height // 8, 2 + width // 8)
    smooth = F.interpolate(smooth, size=size, mode="bilinear", align_corners=False)
    L, told = 10 + 70 * smooth + 10 * drawn(1, *size), colorizer.told_planes()
    clicked = (drawn(1, *size) > 0.98).float()
    hints = torch.cat([clicked * (160 * drawn(2, *size) - 80), clicked], dim=1)
    condition = drawn(told.get("condition", 0)).round()
    z = 4 * drawn(told.get("z", 0), CELLS, CELLS) - 2
    return Batch(L, L, torch.zeros(number, 2, *size), condition=condition, hints=hints, z=z)


def refuse_colourless(colorizer: Colorizer) -> None:
    """Raise UserError for a model that answers in lightness alone, to learn what pictures are."""
    if not colorizer.space.coloured:
        space = colorizer.about["generator"]["color_space"]
        raise UserError(f"generator.color_space {space}: this model knows no colours; name one that colours")


def _output(colorizer: Colorizer) -> str:
    return "lab" if colorizer.space.whole else "ab"
