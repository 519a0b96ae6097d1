"""Trained models as ONNX files: the same colours without PyTorch, and nothing that is not the same."""

import argparse
import errno
import json
import os
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from tintype import noise, onnx_export
from tintype.colorizer import CLICK, Colorizer
from tintype.commands import export
from tintype.console import Failure, UserError

ROOT = Path(__file__).parents[1]
UNET = {"backbone": "unet", "width": 8, "depth": 3, "output_stride": 2}
TRANSPOSED = {"backbone": "transposed_unet", "width": 4, "depth": 3}
SQUEEZE = {"backbone": "torchvision_unet", "encoder": "squeezenet1_1", "width": 4, "output_stride": 2}
ENCODED = {"encoder": "alexnet", "latent": 4, "width": 4, "output_stride": 2}
BACKBONES = [
    UNET,
    TRANSPOSED,
    UNET | {"backbone": "unet_per_channel", "width": 4},
    {"backbone": "zhang16", "width": 4},
    {"backbone": "torchvision_unet", "encoder": "resnet18", "width": 4, "output_stride": 1},
    {"backbone": "torchvision_unet", "encoder": "vgg16", "width": 4, "output_stride": 4},
    SQUEEZE,
    ENCODED | {"backbone": "bottleneck"},
    ENCODED | {"backbone": "variational", "kl": 0.1},
]
CONDITIONS = {"hair": ["blue", "red"], "shirt": ["green"]}
TOLD = {
    "condition": True,
    "hints": {"most": 4, "without": 0.1},
    "z": {"whole": 2, "spatial": 1, "diversity": 0.0, "most": 0.5, "others": 0.5},
}


def of_backbone(backbone: dict) -> str:
    return backbone["backbone"] + backbone.get("encoder", "")


def model_of(backbone: dict, head: str = "l1", space: str = "lab", **given) -> Colorizer:
    """A model whose batch normalisation has met pictures, or what it is folded into would not show."""
    torch.manual_seed(0)
    generator = {"head": head, "color_space": space, **backbone} | ({"given": given} if given else {})
    classes = {"grid": 20, "temperature": 0.38} if head == "classes" else None
    model = Colorizer(generator, classes, CONDITIONS if given.get("condition") else None)
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.running_mean.normal_(0, 0.1)
            layer.running_var.uniform_(0.5, 2)
            layer.weight.data.uniform_(0.5, 2)
            layer.bias.data.normal_(0, 0.1)
    first = next(layer for layer in model.network.modules() if isinstance(layer, nn.Conv2d))
    nn.init.kaiming_normal_(first.weight)  # an encoder's starts with zeros for all but the lightness
    return model.eval()


def run(model: bytes, given: Tensor) -> np.ndarray:
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return session.run(None, {"given": given.numpy()})[0]


def assert_the_same(model: Colorizer, exported: bytes, number: int, rows: int, columns: int) -> None:
    """Of pictures whose sizes are so many times the least possible."""
    size = (model.network.multiple * rows, model.network.multiple * columns)
    given = model.given(onnx_export.pictures(model, number, size, seed=rows))
    with torch.no_grad():
        planes = model.network(given)
        expected = (model.space.lab if model.space.whole else model.space.ab)(model.head(planes))
    found = run(exported, given)
    assert found.shape == expected.shape and found.dtype == np.float32
    assert np.abs(found - expected.numpy()).max() < 1e-3
    assert found.std() > 1e-3, "colours that are the same everywhere could not differ"


@pytest.mark.parametrize("backbone", BACKBONES, ids=of_backbone)
def test_every_backbone_gives_the_same_colours_for_any_number_and_size(backbone):
    model = model_of(backbone)
    exported = onnx_export.to_onnx(model)
    for number, rows, columns in ((1, 1, 1), (2, 3, 5), (3, 2, 1)):
        assert_the_same(model, exported, number, rows, columns)


@pytest.mark.parametrize("space", ["rgb", "drawing"])
@pytest.mark.parametrize("head", ["l2", "smooth_l1"])
def test_every_head_and_colour_space_does(head, space):
    model = model_of(UNET, head, space)
    assert_the_same(model, onnx_export.to_onnx(model), 2, 3, 5)


@pytest.mark.parametrize("backbone", [UNET, TRANSPOSED, BACKBONES[3]], ids=of_backbone)
def test_classes_are_told_apart_within_the_graph(backbone):
    model = model_of(backbone, "classes")
    assert_the_same(model, onnx_export.to_onnx(model), 2, 3, 5)


@pytest.mark.parametrize("told", [*([name] for name in TOLD), list(TOLD)], ids="+".join)
@pytest.mark.parametrize("backbone", [UNET, TRANSPOSED, SQUEEZE], ids=of_backbone)
def test_what_a_model_is_told_goes_in_beside_the_lightness(backbone, told):
    model = model_of(backbone, **{name: TOLD[name] for name in told})
    exported = onnx_export.to_onnx(model)
    assert_the_same(model, exported, 2, 2, 3)
    described = json.loads(props(exported)["given"])
    assert [plane["name"] for plane in described] == ["lightness", *told]
    (given,) = onnx.load_model_from_string(exported).graph.input
    assert sum(plane["planes"] for plane in described) == dims(given)[1]


def props(model: bytes) -> dict[str, str]:
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return session.get_modelmeta().custom_metadata_map


def dims(value: onnx.ValueInfoProto) -> list[str | int]:
    return [one.dim_param or one.dim_value for one in value.type.tensor_type.shape.dim]


def test_the_file_says_what_it_is():
    model = model_of(UNET, **TOLD)
    model.about["training"] = {"steps": 3}
    exported = onnx_export.to_onnx(model)
    said = {name: json.loads(value) for name, value in props(exported).items()}
    assert said["tintype"] == model.about and said["multiple"] == 8
    assert said["answer"] == {"name": "ab", "stride": 2}
    condition, hints, z = said["given"][1:]
    assert condition["values"] == ["hair: blue", "hair: red", "shirt: green"]
    assert hints["values"] == [f"{CLICK} * a / 110", f"{CLICK} * b / 110", f"{CLICK} * 1 where clicked"]
    assert (z["planes"], z["whole"], z["cells"]) == (3, 2, noise.CELLS)
    graph = onnx.load_model_from_string(exported).graph
    assert dims(graph.input[0]) == ["N", 10, "H", "W"] and dims(graph.output[0]) == ["N", 2, "H/2", "W/2"]
    drawing = onnx.load_model_from_string(onnx_export.to_onnx(model_of(TRANSPOSED, space="drawing"))).graph
    assert [(out.name, dims(out)) for out in drawing.output] == [("lab", ["N", 3, "H", "W"])]


def test_the_same_model_gives_the_same_bytes_also_in_another_process(tmp_path):
    model = model_of(UNET, "classes")
    model.save(tmp_path, {})
    loaded = Colorizer.load(tmp_path)
    exported = onnx_export.to_onnx(loaded)
    model.about["training"] = {}
    assert onnx_export.to_onnx(model) == exported == onnx_export.to_onnx(loaded)
    assert str(ROOT).encode() not in exported and str(Path.home()).encode() not in exported
    code = "import sys; from pathlib import Path; from tintype import onnx_export, colorizer; "
    code += "model = colorizer.Colorizer.load(Path(sys.argv[1])); "
    code += "sys.stdout.buffer.write(onnx_export.to_onnx(model))"
    command = [sys.executable, "-c", code, str(tmp_path)]
    assert subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout == exported


def test_the_model_stays_as_it_was_and_nothing_is_warned_of():
    model = model_of(UNET, "classes").train()
    model.network.head.eval()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    modes = [module.training for module in model.modules()]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        exported = onnx_export.to_onnx(model)
    assert [module.training for module in model.modules()] == modes
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert exported == onnx_export.to_onnx(model.eval())


def test_models_can_be_exported_at_once():
    models = [model_of(backbone) for backbone in (UNET, TRANSPOSED)]
    one_by_one = [onnx_export.to_onnx(model) for model in models]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(onnx_export.to_onnx, models * 4)) == one_by_one * 4


class Odd(nn.Module):
    """A network with an operation that ONNX lacks."""

    multiple, stride = 8, 1

    def forward(self, L: Tensor) -> Tensor:
        return torch.special.bessel_j0(L).expand(-1, 2, -1, -1)


def test_what_cannot_be_exported_is_refused_with_the_reason():
    with pytest.raises(UserError, match=r"color_space lightness: this model knows no colours"):
        onnx_export.to_onnx(model_of(UNET, space="lightness"))
    model = model_of(UNET)
    model.network = Odd()
    with pytest.raises(
        UserError, match=r"backbone unet: ONNX cannot express it .*bessel_j0.*--runtime torch"
    ):
        onnx_export.to_onnx(model)
    assert len(onnx_export.to_onnx(model_of(UNET))) > 1000, "another is exported all the same"


def test_a_file_of_other_weights_is_told_from_the_model():
    model = model_of(UNET, "classes", **TOLD)
    exported = onnx_export.to_onnx(model)
    assert onnx_export.difference(exported, model) < 1e-4
    model.network.head.bias.data[3] += 2
    assert onnx_export.difference(exported, model) > 0.01
    model.network.head.bias.data[3] = torch.nan
    assert np.isnan(onnx_export.difference(exported, model))
    assert onnx_export.difference(exported, model_of(UNET | {"output_stride": 1}, **TOLD)) == np.inf


# The command


def command(*arguments: str | Path) -> None:
    parser = argparse.ArgumentParser()
    export.add(parser.add_subparsers())
    args = parser.parse_args(["export", *map(str, arguments)])
    args.run(args)


@pytest.fixture
def saved(tmp_path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    model_of(UNET, "classes", hints=TOLD["hints"]).save(folder, {})
    return folder


def test_onnxruntime_alone_runs_the_file_that_the_command_writes(saved, tmp_path, capsys):
    out = tmp_path / "new" / "model.onnx"
    command(saved, "-o", out)
    said = capsys.readouterr().out
    assert said.startswith(f"{out}: {out.stat().st_size / 1e6:.1f} MB\n")
    assert "given (N, 4, H, W), H and W multiples of 8; planes: lightness (1), hints (3)\n" in said
    assert "output  ab (N, 2, H / 2, W / 2)\n" in said
    assert float(said.split("at most ")[1].split()[0]) < 1e-3
    model = Colorizer.load(saved)
    given = model.given(onnx_export.pictures(model, 2, (32, 48)))
    np.save(tmp_path / "given.npy", given.numpy())
    code = "import sys, numpy, onnxruntime; session = onnxruntime.InferenceSession('new/model.onnx'); "
    code += "numpy.save('ab.npy', session.run(None, {'given': numpy.load('given.npy')})[0]); "
    code += "print({'torch', 'tintype'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, check=True)
    assert done.stdout == b"set()\n"
    with torch.no_grad():
        expected = model.space.ab(model.head(model.network(given)))
    assert np.abs(np.load(tmp_path / "ab.npy") - expected.numpy()).max() < 1e-3


def test_the_command_says_it_in_json_too(saved, tmp_path, capsys):
    out = tmp_path / "model.onnx"
    command(saved, "-o", out, "--json")
    said = json.loads(capsys.readouterr().out)
    assert said.pop("difference") < 1e-3
    given = [{"name": "lightness", "planes": 1}, {"name": "hints", "planes": 3}]
    expected = {"out": str(out), "bytes": out.stat().st_size, "given": given, "multiple": 8, "stride": 2}
    assert said == expected | {"output": "ab", "channels": 2}


def test_a_file_that_is_there_is_replaced_only_when_asked(saved, tmp_path, capsys):
    out = tmp_path / "model.onnx"
    out.write_bytes(b"mine")
    with pytest.raises(UserError, match="there already; `--overwrite`"):
        command(saved, "-o", out)
    assert out.read_bytes() == b"mine"
    command(saved, "-o", out, "--overwrite")
    assert out.read_bytes() == onnx_export.to_onnx(Colorizer.load(saved))


def test_a_place_that_cannot_be_is_refused(saved, tmp_path):
    with pytest.raises(UserError, match=r"allowed: a name that ends in \.onnx"):
        command(saved, "-o", tmp_path / "model.pt")
    (tmp_path / "folder.onnx").mkdir()
    with pytest.raises(UserError, match="found a folder"):
        command(saved, "-o", tmp_path / "folder.onnx")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(UserError, match=r"model\.onnx: .*; name another place with -o"):
        command(saved, "-o", tmp_path / "file" / "model.onnx")


@pytest.mark.parametrize("difference", [0.002, float("nan"), float("inf")])
def test_a_file_with_other_colours_is_not_kept(saved, tmp_path, monkeypatch, difference):
    monkeypatch.setattr(onnx_export, "difference", lambda file, model: difference)
    out = tmp_path / "out" / "model.onnx"
    with pytest.raises(Failure, match=rf"differ from PyTorch's by {difference:.1e} units.*nothing is kept"):
        command(saved, "-o", out)
    assert list(out.parent.iterdir()) == []


def test_no_space_is_a_failure_that_leaves_nothing(saved, tmp_path, monkeypatch):
    def full(file, content):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(Failure, match=r"No space left on device; .* make room"):
        command(saved, "-o", tmp_path / "out" / "model.onnx")
    assert list((tmp_path / "out").iterdir()) == []


def test_onnxruntime_keeps_and_sends_nothing_about_the_machine(saved, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    # Its telemetry begins with a database below the home folder.
    environment = {key: value for key, value in os.environ.items() if key != "ORT_DISABLE_TELEMETRY"}
    environment |= {"HOME": str(home), "XDG_CACHE_HOME": str(home / ".cache")}
    wanted = [sys.executable, "-m", "tintype", "export", str(saved), "-o", str(tmp_path / "model.onnx")]
    subprocess.run(wanted, cwd=ROOT, env=environment, check=True, capture_output=True)
    assert [path for path in home.rglob("*") if "onnxruntime" in str(path)] == []
