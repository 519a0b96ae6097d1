"""The colorizer: any size in, the same size out; a file that describes itself and is read strictly."""

import json

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from tintype.color import rgb_to_lab
from tintype.colorizer import FILE, Colorizer
from tintype.console import UserError


@pytest.fixture
def colorizer() -> Colorizer:
    torch.manual_seed(0)
    generator = {
        "backbone": "unet",
        "head": "classes",
        "color_space": "lab",
        "width": 8,
        "depth": 3,
        "output_stride": 2,
    }
    return Colorizer(generator, {"grid": 10, "temperature": 0.38}).eval()


@pytest.mark.parametrize("size", [(8, 8), (64, 64), (33, 57), (1, 5), (100, 7)])
def test_any_size_comes_back_as_it_went_in(colorizer, size):
    with torch.no_grad():
        ab = colorizer(torch.rand(2, 1, *size) * 100)
    assert ab.shape == (2, 2, *size)
    assert ab.isfinite().all() and ab.abs().max() <= 120


def test_colouring_keeps_the_lightness_and_shows_only_what_a_screen_can(colorizer):
    L = torch.linspace(0, 100, 64 * 64).reshape(1, 1, 64, 64)
    rgb = colorizer.colorize(L)
    assert rgb.min() >= 0 and rgb.max() <= 1
    change = (rgb_to_lab(rgb)[:, :1] - L).abs()
    assert change.mean() <= 0.3 and change.max() <= 1


def test_a_saved_model_answers_as_before_and_its_file_is_the_same_every_time(colorizer, tmp_path):
    L = torch.rand(1, 1, 32, 32) * 100
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        colorizer.save(tmp_path / folder, {"steps": 3})
    assert (tmp_path / "a" / FILE).read_bytes() == (tmp_path / "b" / FILE).read_bytes()
    loaded = Colorizer.load(tmp_path / "a")
    assert not loaded.training
    with torch.no_grad():
        assert torch.equal(loaded(L), colorizer(L))
    with safe_open(tmp_path / "a" / FILE, "pt") as stored:
        about = json.loads(stored.metadata()["tintype"])
    assert about["training"] == {"steps": 3}
    assert about["generator"] == colorizer.about["generator"]
    assert about["generator"]["backbone"] == "unet" and about["generator"]["color_space"] == "lab"


def rewrite(folder, change) -> None:
    """Save the model in a folder again, with its tensors changed."""
    with safe_open(folder / FILE, "pt") as stored:
        metadata = stored.metadata()
    tensors = load_file(folder / FILE)
    change(tensors)
    save_file(tensors, folder / FILE, metadata)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda tensors: tensors.pop("network.head.bias"), "network.head.bias"),
        (lambda tensors: tensors.update(stranger=torch.zeros(1)), "stranger"),
        (lambda tensors: tensors.update({"network.head.bias": torch.zeros(3)}), "network.head.bias"),
    ],
)
def test_a_missing_extra_or_misshapen_weight_is_named(colorizer, tmp_path, change, named):
    colorizer.save(tmp_path, {})
    rewrite(tmp_path, change)
    with pytest.raises(UserError, match=named):
        Colorizer.load(tmp_path)


def test_what_is_no_model_is_refused_with_the_reason(tmp_path):
    with pytest.raises(UserError, match="no model here"):
        Colorizer.load(tmp_path)
    (tmp_path / FILE).write_bytes(b"not a model")
    with pytest.raises(UserError, match="not a model written by Tintype"):
        Colorizer.load(tmp_path)
    save_file({"x": torch.zeros(1)}, tmp_path / FILE)
    with pytest.raises(UserError, match="not a model written by Tintype"):
        Colorizer.load(tmp_path)
