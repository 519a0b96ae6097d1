"""The models that come with the package: made by the committed pipeline, small enough, and worth having."""

import hashlib
import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from dvc.utils.serialize import load_yaml

from tintype import metrics, models, params
from tintype.color import lab_to_rgb, rgb_to_lab, to_uint8
from tintype.colorizer import Colorizer
from tintype.files import sha256
from tintype.images import decode
from tintype.sources import bundled, manifest

ROOT = Path(__file__).parents[1]
STUDY = ROOT / "studies/release"
PARAMS = "studies/release/params.yaml"
SHIPPED = sorted(models.SHIPPED.glob("*.safetensors"))
NAMES = [file.stem for file in SHIPPED]
LARGEST, LARGEST_TOGETHER = 15_000_000, 30_000_000  # bytes


@cache
def lock() -> dict:
    return load_yaml(STUDY / "dvc.lock")["stages"]


@pytest.fixture(scope="module")
def photographs(tmp_path_factory) -> dict[str, torch.Tensor]:
    """The photographs inside the installed wheels, none of which is ImageNet's: Lab (1, 3, H, W), by name."""
    folder = tmp_path_factory.mktemp("photographs")
    bundled.gather(params.sets(ROOT / "params.yaml")["photos"], folder)
    return {row.path: seen(decode(folder / row.path)[::2, ::2]) for row in manifest.read(folder)}


def grey(lab: torch.Tensor) -> np.ndarray:
    return to_uint8(lab_to_rgb(lab * torch.tensor([1.0, 0.0, 0.0])[:, None, None]))[0]


def seen(picture: np.ndarray) -> torch.Tensor:
    return rgb_to_lab(torch.tensor(np.ascontiguousarray(picture)).permute(2, 0, 1)[None] / 255)


def errors(answer: torch.Tensor, lab: torch.Tensor, mean: torch.Tensor) -> list[float]:
    """CIEDE2000 of an answer, of grey, and of the mean colour, from the truth."""
    floors = (torch.cat([lab[:, :1], ab.expand_as(lab[:, 1:])], dim=1) for ab in (0 * mean, mean))
    return [metrics.ciede2000(one, lab).mean().item() for one in (answer, *floors)]


def test_those_of_the_readme_are_there():
    assert NAMES == ["cnn", "ebgan", "gan", "hints"]
    assert models.known()[0].name == f"{models.PREFIX}{models.DEFAULT}"


def test_they_are_small_and_in_half_precision():
    assert sum(file.stat().st_size for file in SHIPPED) <= LARGEST_TOGETHER
    for file in SHIPPED:
        assert file.stat().st_size <= LARGEST
        weights = sum(weight.numel() for weight in Colorizer.load(file).parameters())
        assert file.stat().st_size < 2.5 * weights


@pytest.mark.parametrize("name", NAMES)
def test_each_is_what_the_committed_pipeline_made_of_the_committed_params(name):
    shipping = lock()[f"ship@{name}"]
    (out,) = shipping["outs"]
    file = ROOT / out["path"]
    assert file == models.SHIPPED / f"{name}.safetensors"
    assert out["md5"] == hashlib.md5(file.read_bytes()).hexdigest()
    # The training whose result was shipped, and what it read.
    (trained,) = [dep for dep in shipping["deps"] if dep["path"].startswith("models/release/")]
    (training,) = [stage for stage in lock().values() if stage["outs"][0]["path"] == trained["path"]]
    assert training["outs"][0]["md5"] == trained["md5"]
    written = {path: load_yaml(ROOT / path) for path in training["params"]}
    for path, values in training["params"].items():
        for key, value in values.items():
            found = written[path]
            for step in key.split("."):
                found = found[step]
            assert found == value, f"{path}: {key}"
    # What the file says of its training is what the params say.
    model = Path(trained["path"]).name
    wanted = params.load(STUDY / "params.yaml", model)
    about = Colorizer.load(file).about
    assert about["generator"] == wanted.generator.model_dump()
    phase = wanted.adversarial.shared if model in wanted.adversarial.models else wanted.pretrain
    said = {"seed": wanted.seed} | phase.model_dump() | wanted.training.model_dump()
    assert json.loads(json.dumps(said)).items() <= about["training"].items()


@pytest.mark.parametrize("name", NAMES)
def test_its_figures_and_its_card_are_of_this_file(name):
    file = models.SHIPPED / f"{name}.safetensors"
    assert sha256(file) in file.with_suffix(".md").read_text(encoding="utf-8")
    assert "research" in file.with_suffix(".md").read_text(encoding="utf-8")
    (known,) = [model for model in models.known() if model.path == file]
    (scored,) = [dep for dep in lock()[f"evaluate@{name}"]["deps"] if dep["path"].endswith(".safetensors")]
    assert scored["md5"] == hashlib.md5(file.read_bytes()).hexdigest()
    assert 0 < known.figures["lpips_squeeze"] < 0.2


@pytest.fixture(scope="module")
def mean(photographs) -> torch.Tensor:
    """The mean colour (1, 2, 1, 1) of all of them."""
    flat = torch.cat([lab[:, 1:].flatten(2) for lab in photographs.values()], dim=2)
    return flat.mean(dim=2)[..., None, None]


@pytest.mark.parametrize("photograph", ["grace_hopper.jpg", "rocket.jpg"])
@pytest.mark.parametrize("name", NAMES)
def test_on_a_photograph_it_never_saw_colour_appears_lightness_stays_and_both_floors_are_beaten(
    name, photograph, photographs, mean
):
    lab = photographs[photograph]
    answer = seen(Colorizer.load(models.SHIPPED / f"{name}.safetensors").colorize(grey(lab)))
    shift = (answer[:, :1] - seen(grey(lab))[:, :1]).abs()
    assert shift.mean() <= 0.3 and shift.max() <= 1
    assert answer[:, 1:].norm(dim=1).mean() > 5
    ours, of_grey, of_mean = errors(answer, lab, mean)
    assert ours < of_grey and ours < of_mean


@pytest.mark.parametrize("name", ["cnn", "hints"])
def test_those_that_learned_colours_alone_beat_both_floors_over_all_of_them(name, photographs, mean):
    model = Colorizer.load(models.SHIPPED / f"{name}.safetensors")
    found = [errors(seen(model.colorize(grey(lab))), lab, mean) for lab in photographs.values()]
    ours, of_grey, of_mean = np.mean(found, axis=0)
    assert ours < of_grey and ours < of_mean
