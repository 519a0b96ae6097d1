"""Models on disk: what was written comes back; what was changed, or is of another kind, is told."""

import json
import pickle

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from tintype import model_file
from tintype.colorizer import FILE, Colorizer
from tintype.console import UserError

ABOUT = {"generator": {"backbone": "unet"}, "classes": None, "training": {"steps": 3}}


def tensors(dtype: torch.dtype = torch.float32) -> dict[str, Tensor]:
    values = torch.arange(12, dtype=torch.float32).reshape(3, 4).to(dtype)
    return {
        "weight": values,
        "count": torch.tensor(7),
        "none": torch.zeros(0, 2),
        "turned": values.T.contiguous(),
    }


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64])
def test_what_was_written_comes_back_and_its_bytes_are_the_same_every_time(tmp_path, dtype):
    for name in ("a", "b"):
        model_file.write(tmp_path / name, tensors(dtype), ABOUT)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    about, found = model_file.read(tmp_path / "a")
    assert about == ABOUT
    assert found.keys() == tensors().keys()
    for name, tensor in tensors(dtype).items():
        assert found[name].dtype == tensor.dtype and torch.equal(found[name], tensor)


@pytest.mark.parametrize("place", range(-144, 0, 16))
def test_a_single_flipped_bit_in_the_weights_is_noticed(tmp_path, place):
    file = tmp_path / FILE
    model_file.write(file, tensors(), ABOUT)
    data = bytearray(file.read_bytes())
    data[place // 2] ^= 4
    file.write_bytes(data)
    with pytest.raises(UserError, match=r"damaged \(its weights are not those that were written\); fetch it"):
        model_file.read(file)


def test_weights_of_another_name_or_number_type_are_noticed(tmp_path):
    file = tmp_path / FILE
    model_file.write(file, tensors(), ABOUT)
    with safe_open(file, "pt") as stored:
        metadata = stored.metadata()
    for changed in (
        {"other": tensors()["weight"], **{k: v for k, v in tensors().items() if k != "weight"}},
        tensors() | {"weight": tensors()["weight"].view(torch.int32)},
        tensors() | {"weight": tensors()["weight"].reshape(4, 3)},
        {name: tensor for name, tensor in tensors().items() if name != "count"},
    ):
        save_file(changed, file, metadata)
        with pytest.raises(UserError, match="damaged"):
            model_file.read(file)


@pytest.mark.parametrize("version", [None, 0, 2, "1"])
def test_a_model_of_another_version_says_which_and_what_to_do(tmp_path, version):
    file = tmp_path / FILE
    model_file.write(file, tensors(), ABOUT)
    with safe_open(file, "pt") as stored:
        about = json.loads(stored.metadata()["tintype"])
    del about["format"]
    about |= {} if version is None else {"format": version}
    save_file(tensors(), file, {"tintype": json.dumps(about)})
    with pytest.raises(
        UserError, match=r"another version of Tintype .* reads 1\); train it again with `dvc repro`"
    ):
        model_file.read(file)


def others(file) -> dict:
    """Ways to write a file that is no model of Tintype's."""
    return {
        "text": lambda: file.write_text("not a model"),
        "empty": lambda: file.write_bytes(b""),
        "pickle": lambda: file.write_bytes(pickle.dumps(tensors())),
        "torch": lambda: torch.save(tensors(), file),
        "plain": lambda: save_file(tensors(), file),
        "others": lambda: save_file(tensors(), file, {"format": "pt"}),
        "no json": lambda: save_file(tensors(), file, {"tintype": "{"}),
        "list": lambda: save_file(tensors(), file, {"tintype": "[1]"}),
        "number": lambda: save_file(tensors(), file, {"tintype": "1"}),
    }


@pytest.mark.parametrize("kind", others(None))
def test_what_is_no_model_of_tintypes_is_refused(tmp_path, kind):
    file = tmp_path / FILE
    others(file)[kind]()
    with pytest.raises(UserError, match=f"{FILE}: not a model written by Tintype"):
        model_file.read(file)


def test_a_pickle_is_not_run(tmp_path):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "sprung"), "w"))

    (tmp_path / FILE).write_bytes(pickle.dumps(Trap()))
    with pytest.raises(UserError):
        model_file.read(tmp_path / FILE)
    assert not (tmp_path / "sprung").exists()


def test_where_there_is_no_model_it_says_how_to_come_by_one(tmp_path):
    for path in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(UserError, match="no model here; `dvc repro` trains one"):
            model_file.read(path)


def test_a_truncated_file_is_refused(tmp_path):
    file = tmp_path / FILE
    model_file.write(file, tensors(), ABOUT)
    data = file.read_bytes()
    for length in (4, 100, len(data) // 2, len(data) - 1):
        file.write_bytes(data[:length])
        with pytest.raises(UserError, match="not a model written by Tintype"):
            model_file.read(file)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_model_in_half_precision_colours_nearly_alike(tmp_path, dtype):
    torch.manual_seed(0)
    generator = {
        "backbone": "unet",
        "width": 8,
        "depth": 2,
        "output_stride": 2,
        "head": "l1",
        "color_space": "lab",
    }
    model = Colorizer(generator, None).eval()
    halves = {name: t.to(dtype) if t.is_floating_point() else t for name, t in model.state_dict().items()}
    model_file.write(tmp_path / FILE, halves, model.about | {"training": {}})
    loaded, L = Colorizer.load(tmp_path), 100 * torch.rand(1, 1, 16, 24)
    assert all(weight.dtype == torch.float32 for weight in loaded.parameters())
    with torch.no_grad():
        ab = model(L)
        assert 0 < (loaded(L) - ab).abs().max() < 0.05 * ab.abs().max()
