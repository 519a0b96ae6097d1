"""The colorizer: any size in, the same size out; a file that describes itself and is read strictly."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from tintype import model_file
from tintype.batch import Batch
from tintype.color import rgb_to_lab
from tintype.colorizer import FILE, Colorizer
from tintype.console import UserError
from tintype.images import UnreadablePicture
from tintype.params_generator import Bottleneck, UNet
from tintype.params_schema import Classes

UNET = {"backbone": "unet", "width": 8, "depth": 3, "output_stride": 2}
ENCODED = {"encoder": "alexnet", "latent": 4, "width": 4, "output_stride": 2}
BACKBONES = [
    UNET,
    UNET | {"backbone": "unet_per_channel"},
    {"backbone": "zhang16", "width": 4},
    {"backbone": "torchvision_unet", "encoder": "resnet18", "width": 4, "output_stride": 1},
    ENCODED | {"backbone": "bottleneck"},
    ENCODED | {"backbone": "variational", "kl": 0.1},
]


@pytest.fixture
def colorizer() -> Colorizer:
    torch.manual_seed(0)
    generator = {"head": "classes", "color_space": "lab", **UNET}
    return Colorizer(generator, {"grid": 10, "temperature": 0.38}).eval()


def batch_of(L: Tensor) -> Batch:
    """Pictures without colours of their own."""
    return Batch(L, L, torch.zeros_like(L).expand(-1, 2, -1, -1))


def regression(space: str, backbone: dict, head: str = "l1") -> Colorizer:
    return Colorizer({"head": head, "color_space": space, **backbone}, None).eval()


@pytest.mark.parametrize("size", [(8, 8), (64, 64), (33, 57), (1, 5), (100, 7)])
def test_any_size_comes_back_as_it_went_in(colorizer, size):
    with torch.no_grad():
        ab = colorizer(torch.rand(2, 1, *size) * 100)
    assert ab.shape == (2, 2, *size)
    assert ab.isfinite().all() and ab.abs().max() <= 120


@pytest.mark.parametrize("backbone", BACKBONES, ids=lambda backbone: backbone["backbone"])
@pytest.mark.parametrize(("space", "size"), [("rgb", (33, 57)), ("lab", (1, 5)), ("lightness", (17, 3))])
def test_an_odd_picture_is_answered_as_if_its_edges_went_on(backbone, space, size):
    torch.manual_seed(0)
    model, (height, width) = regression(space, backbone), size
    L, multiple = 100 * torch.rand(2, 1, height, width), model.network.multiple
    larger = L[..., torch.arange(height + -height % multiple).clamp(max=height - 1), :]
    larger = larger[..., torch.arange(width + -width % multiple).clamp(max=width - 1)]
    with torch.no_grad():
        ab = model(L)
        assert ab.shape == (2, 2, *size) and ab.isfinite().all()
        assert (ab.abs().max() > 0) == (space != "lightness")
        assert torch.equal(ab, model(larger)[..., :height, :width])
    if backbone["backbone"] == "variational":
        drawn = model.sample(batch_of(L), 3, seed=1)
        assert drawn.shape == (3, 2, 3, *size) and drawn.isfinite().all()
        assert torch.equal(drawn, model.sample(batch_of(larger), 3, seed=1)[..., :height, :width])


@pytest.mark.parametrize("backbone", BACKBONES[:-1], ids=lambda backbone: backbone["backbone"])
def test_drawing_from_a_generator_that_knows_one_answer_is_a_mistake_that_names_it(backbone):
    with pytest.raises(UserError, match=rf"backbone {backbone['backbone']}, without z, knows one"):
        regression("lab", backbone).sample(batch_of(torch.zeros(1, 1, 16, 16)), 2, seed=0)


GREY = np.round(np.linspace(0, 65535, 50 * 70)).reshape(50, 70).astype(np.uint16)


def lab_of(picture: np.ndarray) -> Tensor:
    three = picture if picture.ndim == 3 else np.repeat(picture[..., None], 3, axis=2)
    return rgb_to_lab(torch.from_numpy(three / np.iinfo(picture.dtype).max).permute(2, 0, 1))


def vivid(colorizer: Colorizer) -> Colorizer:
    """One that has learned nothing and yet gives colours."""
    torch.nn.init.normal_(colorizer.network.head.weight, std=2.0, generator=torch.Generator().manual_seed(1))
    return colorizer


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_colouring_keeps_the_lightness_the_size_and_the_depth(colorizer, dtype):
    picture = (GREY // 257).astype(np.uint8) if dtype == np.uint8 else GREY
    coloured = vivid(colorizer).colorize(picture)
    assert coloured.shape == (50, 70, 3) and coloured.dtype == dtype
    change = (lab_of(coloured)[0] - lab_of(picture)[0]).abs()
    assert change.mean() <= 0.3 and change.max() <= 1
    assert lab_of(coloured)[1:].norm(dim=0).mean() > 3


def test_a_path_a_pillow_image_and_samples_are_coloured_alike(colorizer, tmp_path):
    model, grey = vivid(colorizer), (GREY // 257).astype(np.uint8)
    expected = model.colorize(grey)
    image = Image.fromarray(grey)
    image.save(tmp_path / "a.png")
    for path in (tmp_path / "a.png", str(tmp_path / "a.png")):
        np.testing.assert_array_equal(model.colorize(path), expected)
    answer = model.colorize(image)
    assert answer.mode == "RGB" and answer.size == image.size
    np.testing.assert_array_equal(np.array(answer), expected)
    assert model.colorize(Image.fromarray(GREY)).mode == "RGB", "Pillow has no colours of 16 bits"
    Image.fromarray(GREY).save(tmp_path / "deep.png")
    np.testing.assert_array_equal(model.colorize(tmp_path / "deep.png"), model.colorize(GREY))


@pytest.mark.parametrize("size", [(8, 8), (1, 1), (1, 500), (64, 33)])
def test_pictures_of_any_size_are_coloured(colorizer, size):
    assert colorizer.colorize(np.full(size, 99, np.uint8), size=32).shape == (*size, 3)


def test_saturation_and_the_size_that_the_network_sees_make_a_difference(colorizer):
    model = vivid(colorizer)
    grey, whole = (lab_of(model.colorize(GREY, saturation=s))[1:].norm(dim=0).mean() for s in (0, 1))
    assert grey < 0.1 < whole
    assert not np.array_equal(model.colorize(GREY, size=16), model.colorize(GREY))


def test_of_a_model_with_z_a_seed_draws_one_of_its_colourings():
    torch.manual_seed(0)
    z = {"whole": 2, "spatial": 1, "diversity": 0.0, "most": 0.5, "others": 0.5}
    model = vivid(regression("lab", UNET | {"given": {"z": z}}))
    mean, one, two = (model.colorize(GREY, seed=seed) for seed in (None, 1, 2))
    assert not np.array_equal(one, two) and not np.array_equal(one, mean)
    np.testing.assert_array_equal(model.colorize(GREY, seed=1), one)


def test_a_seed_for_a_model_without_z_is_a_mistake(colorizer):
    with pytest.raises(UserError, match="backbone unet has no z: it knows one colouring"):
        colorizer.colorize(GREY, seed=1)


def test_what_is_no_picture_is_refused(colorizer, tmp_path):
    (tmp_path / "a.jpg").write_text("no picture")
    with pytest.raises(UnreadablePicture, match="no picture"):
        colorizer.colorize(tmp_path / "a.jpg")
    with pytest.raises(FileNotFoundError):
        colorizer.colorize(tmp_path / "nowhere.jpg")


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
    assert about["training"] == {"steps": 3} == loaded.about["training"]
    assert about["generator"] == colorizer.about["generator"]
    assert about["generator"]["backbone"] == "unet" and about["generator"]["color_space"] == "lab"


@pytest.mark.parametrize("head", ["l1", "l2", "smooth_l1"])
@pytest.mark.parametrize("space", ["lab", "rgb"])
def test_a_model_that_has_no_classes_comes_back_from_its_file_alone(tmp_path, space, head):
    model, L = regression(space, UNET, head), torch.rand(1, 1, 24, 40) * 100
    model.save(tmp_path, {"steps": 7, "head": head})
    loaded = Colorizer.load(tmp_path / FILE)
    assert loaded.about == model.about | {"training": {"steps": 7, "head": head}}
    assert loaded.about["classes"] is None and type(loaded.head) is type(model.head)
    with torch.no_grad():
        assert torch.equal(loaded(L), model(L)) and loaded(L).abs().max() > 0


@pytest.mark.parametrize(("head", "used"), [("classes", {"grid": 20, "temperature": 0.5}), ("l1", None)])
def test_what_a_model_is_made_of_is_read_from_two_sections_of_params(head, used):
    classes = Classes(grid=20, neighbours=5, sigma=5.0, rebalance=0.5, temperature=0.5)
    generator = {"head": head, "color_space": "lab"}
    for section, backbone in ((UNet, UNET), (Bottleneck, BACKBONES[4])):
        model = Colorizer.of(section(**generator, **backbone), classes)
        assert model.about == {"generator": generator | backbone, "classes": used}


def rewrite(folder, change) -> None:
    """Save the model in a folder again, with its tensors changed, as another program would have made it."""
    about, tensors = model_file.read(folder / FILE)
    change(tensors)
    model_file.write(folder / FILE, tensors, about)


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


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"backbone": "no_such"}, "not a model that this Tintype can build .*no_such"),
        ({"head": "no_such"}, "not a model that this Tintype can build .*no_such"),
        ({"color_space": "cmyk"}, "not a model that this Tintype can build .*cmyk"),
        ({"head": "classes"}, "not a model that this Tintype can build"),  # which the file does not have
        ({"stranger": 3}, "generator.backbone unet: these settings do not fit: .*stranger"),
        ({"backbone": "zhang16"}, "generator.backbone zhang16: these settings do not fit: .*depth"),
        ({"color_space": "rgb"}, "the weights do not fit .*network.head.weight"),
        ({"width": 4}, "the weights do not fit .*network.stem"),
    ],
)
def test_a_generator_that_is_not_there_or_that_settings_do_not_fit_is_named(tmp_path, change, said):
    model = regression("lab", UNET)
    model.about["generator"] |= change
    model.save(tmp_path, {})
    with pytest.raises(UserError, match=f"(?s){said}"):
        Colorizer.load(tmp_path)


@pytest.mark.parametrize("missing", ["generator", "classes", "training"])
def test_a_file_that_does_not_say_all_is_refused(tmp_path, missing):
    regression("lab", UNET).save(tmp_path, {})
    with safe_open(tmp_path / FILE, "pt") as stored:
        about = json.loads(stored.metadata()["tintype"])
    del about[missing]
    save_file(load_file(tmp_path / FILE), tmp_path / FILE, {"tintype": json.dumps(about)})
    with pytest.raises(UserError, match=f"not a model that this Tintype can build .*{missing}"):
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


@pytest.mark.parametrize(
    ("space", "head", "ours"),
    # Of a head of 1 x 1 convolutions from 16 planes: its weights and biases, where their number is another.
    [("lab", "l2", 0), ("rgb", "l1", 3 * 17), ("lightness", "smooth_l1", 17), ("lab", "classes", None)],
)
def test_a_model_takes_over_weights_of_the_same_name_and_shape_and_counts_them(space, head, ours):
    torch.manual_seed(0)
    other = regression("lab", UNET)
    classes = {"grid": 30, "temperature": 0.38} if head == "classes" else None
    model = Colorizer({"head": head, "color_space": space, **UNET}, classes)
    theirs = {name: t.clone() for name, t in other.network.state_dict().items()}
    before = {name: t.clone() for name, t in model.network.state_dict().items()}
    ours = model.head.planes * 17 if ours is None else ours
    total = sum(t.numel() for t in before.values())
    assert model.take_over(other) == (total - ours, total)
    own = {"head.weight", "head.bias"} if ours else set()
    for name, tensor in model.network.state_dict().items():
        assert torch.equal(tensor, before[name] if name in own else theirs[name]), name
    assert not torch.equal(before["head.weight"].flatten()[:16], theirs["head.weight"].flatten()[:16])
    # They are copies: what the model learns from then on is its own.
    for weight in model.network.parameters():
        weight.data.add_(1)
    assert all(torch.equal(t, theirs[name]) for name, t in other.network.state_dict().items())


def test_from_another_network_a_model_takes_over_what_they_share():
    torch.manual_seed(0)
    other, model = (regression("lab", backbone) for backbone in BACKBONES[-2:])
    with_draws = model.network.log_variance.weight.clone()
    taken, total = model.take_over(other)
    assert total - taken == 4 * (256 * 4 + 1), "the layer of the log variance"
    assert torch.equal(model.network.code.weight, other.network.code.weight)
    assert torch.equal(model.network.log_variance.weight, with_draws)
    smaller = regression("lab", UNET | {"width": 4})
    before = {name: t.clone() for name, t in smaller.network.state_dict().items()}
    taken, _ = smaller.take_over(regression("rgb", UNET))
    counts = sum(name.endswith("num_batches_tracked") for name in before)
    assert taken == counts, "nothing else has the same shape"
    assert all(torch.equal(t, before[name]) for name, t in smaller.network.state_dict().items())
