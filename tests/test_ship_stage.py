"""What making a model ready to ship promises: half the bytes, the same colours, and refusals."""

import re

import numpy as np
import pytest
import torch
from colouring import GREY, UNET
from PIL import Image

from stages import ship
from tintype import model_file
from tintype.colorizer import FILE, Colorizer
from tintype.console import UserError

CLASSES = {"grid": 10, "temperature": 0.38}
TRAINING = {"steps": 3, "objective": "vanilla", "of": ["a", "b"]}


@pytest.fixture
def trained(tmp_path):
    """A function that writes a model and returns its folder; `change` may change its weights before."""

    def write(change=lambda state: None, classes=None, **settings):
        torch.manual_seed(0)
        colorizer = Colorizer(UNET | settings, classes)
        torch.nn.init.normal_(colorizer.network.head.weight, std=0.3)
        with torch.no_grad():
            change(colorizer.state_dict())
        colorizer.save(tmp_path / "models/gan", TRAINING)
        return tmp_path / "models/gan"

    return write


def shipped(model, tmp_path, name="weights/gan.safetensors"):
    ship.main(["--model", str(model), "--out", str(tmp_path / name)])
    return tmp_path / name


@pytest.mark.parametrize("kind", [{}, {"head": "classes", "classes": CLASSES}])
def test_a_shipped_model_is_half_as_large_and_colours_alike(trained, tmp_path, kind, capsys):
    folder = trained(width=16, **kind)
    file = shipped(folder, tmp_path)
    assert file.stat().st_size < 0.55 * (folder / FILE).stat().st_size
    before, after = Colorizer.load(folder), Colorizer.load(file)
    assert after.about == before.about and after.about["training"] == TRAINING
    kinds = {weights.dtype for weights in after.state_dict().values() if weights.is_floating_point()}
    assert kinds == {torch.float32}
    picture = Image.fromarray(GREY)
    colours, expected = (np.array(of.colorize(picture)).astype(int) for of in (after, before))
    assert np.ptp(expected, axis=2).mean() > 1
    assert np.abs(colours - expected).max() <= 2
    assert re.search(r"gan.safetensors: \d\.\d MB; colours differ by \d\.\de-0\d", capsys.readouterr().out)


def test_weights_of_layers_are_halved_and_statistics_and_whole_numbers_are_kept(trained, tmp_path):
    tensors = {
        "weight": torch.tensor([[1.0, 1 / 3]]),
        "running_var": torch.tensor([1e6, 0.1]),
        "number": torch.tensor([70000, 3]),
    }
    halves = ship.halved(tensors, tmp_path)
    assert halves["weight"].dtype == torch.float16 and abs(halves["weight"][0, 1] - 1 / 3) < 1e-3
    assert all(torch.equal(halves[name], tensors[name]) for name in ("running_var", "number"))
    _, found = model_file.read(shipped(trained(), tmp_path))
    assert {tensor.dtype for tensor in found.values() if tensor.dim() > 1} == {torch.float16}


def test_the_same_model_gives_the_same_bytes_from_its_folder_and_its_file(trained, tmp_path):
    folder = trained()
    first = shipped(folder, tmp_path, "a/gan.safetensors").read_bytes()
    assert shipped(folder / FILE, tmp_path, "b/gan.safetensors").read_bytes() == first
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["gan.safetensors"]


@pytest.mark.parametrize("value", [1e5, -1e5, float("nan"), float("inf")])
def test_weights_that_half_precision_cannot_hold_are_named_and_nothing_is_written(trained, tmp_path, value):
    def change(state):
        state["network.head.weight"][0, 0, 0, 0] = value

    folder = trained(change)
    file = tmp_path / "weights/gan.safetensors"
    file.parent.mkdir()
    file.write_bytes(b"kept")
    with pytest.raises(UserError, match=r"not finite in half precision \(network.head.weight\), allowed: up"):
        shipped(folder, tmp_path)
    assert [path.name for path in file.parent.iterdir()] == [file.name] and file.read_bytes() == b"kept"


def test_one_that_is_too_large_is_refused_and_nothing_is_written(trained, tmp_path, monkeypatch):
    folder = trained()
    size = shipped(folder, tmp_path).stat().st_size
    monkeypatch.setattr(ship, "LARGEST", size)
    shipped(folder, tmp_path, "b/gan.safetensors")
    monkeypatch.setattr(ship, "LARGEST", size - 1)
    with pytest.raises(UserError, match=r"found 0.0 MB in half precision, allowed: .* MB; ship a model with"):
        shipped(folder, tmp_path, "c/gan.safetensors")
    assert not [*(tmp_path / "c").iterdir()]


def test_one_whose_colours_suffer_is_refused(trained, tmp_path, monkeypatch):
    folder = trained()
    apart = ship.difference(Colorizer.load(folder), Colorizer.load(shipped(folder, tmp_path)))
    assert 0 < apart < ship.APART
    monkeypatch.setattr(ship, "APART", apart / 2)
    with pytest.raises(UserError, match=r"its colours differ by .* units of Lab on average, allowed: "):
        shipped(folder, tmp_path, "b/gan.safetensors")
    assert not [*(tmp_path / "b").iterdir()]


def test_the_difference_is_that_of_colours_in_lab(trained):
    model = Colorizer.load(trained())
    other = Colorizer.load(trained(lambda state: state["network.head.bias"].add_(torch.tensor([0.03, 0.04]))))
    assert ship.difference(model, other) == pytest.approx(0.05 * 110, rel=1e-3)


@pytest.mark.parametrize(
    ("settings", "name", "reason"),
    [
        ({}, "gan.bin", "--out: found .*gan.bin, allowed: a name that ends in .safetensors"),
        ({"color_space": "lightness"}, "gan.safetensors", "this model knows no colours"),
    ],
)
def test_what_makes_no_sense_is_refused(trained, tmp_path, settings, name, reason):
    with pytest.raises(UserError, match=reason):
        shipped(trained(**settings), tmp_path, name)
