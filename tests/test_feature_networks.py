"""What networks make of pictures: torchvision's and torch-fidelity's own answers; what real weights say."""

import io
import tarfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
from torchvision.transforms import v2

from tintype import feature_networks
from tintype.console import UserError
from tintype.feature_networks import FEATURES, Classifier, indices, read_classes
from tintype.set_metrics import kernel_distance
from tintype.sources import backbones

SHARED = Path(__file__).parents[2] / "shared"
WEIGHTS = SHARED / "weights" / "squeezenet1_1_torchvision_fp16.npz"
ARCHIVE = SHARED / "data" / "imagenette-160.tgz"
# Where the archive's ten classes lie among ImageNet's thousand.
IMAGENETTE = {
    "n01440764": 0,
    "n02102040": 217,
    "n02979186": 482,
    "n03000684": 491,
    "n03028079": 497,
    "n03394916": 566,
    "n03417042": 569,
    "n03425413": 571,
    "n03445777": 574,
    "n03888257": 701,
}


def pictures(number: int = 2, height: int = 40, width: int = 56, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (number, 3, height, width), generator=generator) / 255


def random_state(name: str) -> dict[str, Tensor]:
    """Weights of a backbone that let its answers differ from picture to picture."""
    generator, state = torch.Generator().manual_seed(1), {}
    for key, like in backbones.skeleton(name).state_dict().items():
        if key.endswith("num_batches_tracked"):
            state[key] = torch.tensor(0)
        elif key.endswith("running_var"):
            state[key] = torch.rand(like.shape, generator=generator) + 0.5
        elif like.ndim > 1:
            state[key] = torch.randn(like.shape, generator=generator) * (2 / like[0].numel()) ** 0.5
        else:
            state[key] = 0.1 * torch.randn(like.shape, generator=generator) + ("bn.weight" in key)
    return state


@pytest.fixture(scope="module", params=["squeeze", "inception", "torchvision_inception"])
def gathered(request, tmp_path_factory) -> tuple[str, dict[str, Tensor], Path]:
    """A backbone's name, all of its weights, and a folder that download@weights filled with it."""
    folder = tmp_path_factory.mktemp(request.param)
    (folder / "weights").mkdir()
    state = random_state(request.param)
    torch.save(state, folder / "mine.pth")
    settings = SimpleNamespace(nets={request.param: str(folder / "mine.pth")})
    backbones.gather(settings, folder / "weights")
    return request.param, state, folder / "weights"


def expected(name: str, state: dict[str, Tensor], rgb: Tensor) -> Tensor:
    """What the package that a backbone comes from makes of pictures."""
    if name == "inception":
        weights = io.BytesIO()
        torch.save(state, weights)
        weights.seek(0)
        network = FeatureExtractorInceptionV3("all", ["2048"], feature_extractor_weights_path=weights)
        return network((rgb * 255).round().byte())[0]
    if name == "squeeze":
        network = torchvision.models.squeezenet1_1(weights=None).eval()
        network.load_state_dict(state)
        as_trained = v2.Compose(
            [v2.Resize((224, 224)), v2.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))]
        )
        return F.adaptive_avg_pool2d(network.features(as_trained(rgb)), 1).flatten(1)
    # The two steps of DDColor: to [0, 1], as if from [-1, 1]; and torchvision's own, of normalised pictures.
    network = torchvision.models.inception_v3(weights=None, init_weights=False, transform_input=True).eval()
    network.load_state_dict(state)
    network.fc = nn.Identity()
    return network(F.interpolate(rgb, (299, 299), mode="bilinear", align_corners=False) * 0.5 + 0.5)


def test_features_are_those_of_the_package_with_the_same_weights(gathered):
    name, state, folder = gathered
    network, why_not = feature_networks.load(name, folder)
    rgb = pictures()
    with torch.no_grad():
        features, theirs = network(rgb), expected(name, state, rgb)
    assert why_not == "" and features.dtype == torch.float64
    assert features.shape == (2, {"squeeze": 512}.get(name, 2048))
    torch.testing.assert_close(features, theirs.double(), rtol=1e-3, atol=1e-4 * theirs.abs().max().item())
    assert (features[0] - features[1]).abs().max() > 1e-3 * features.abs().max()


def test_pictures_are_taken_one_by_one_and_nothing_is_learned(gathered):
    name, _, folder = gathered
    network, _ = feature_networks.load(name, folder)
    rgb = pictures(3, 33, 65)
    one_by_one = torch.cat([network(one[None]) for one in rgb])
    torch.testing.assert_close(network(rgb), one_by_one, rtol=1e-4, atol=1e-5 * one_by_one.max().item())
    assert not network.training and not any(weight.requires_grad for weight in network.parameters())
    assert not any(tensor.is_meta for tensor in network.state_dict().values())


def test_building_a_network_downloads_unpickles_and_draws_nothing(gathered, monkeypatch):
    name, _, folder = gathered

    def refuse(*_, **__):
        raise AssertionError("no weights come from here")

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", refuse)
    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)
    monkeypatch.setattr(
        "torch_fidelity.feature_extractor_inceptionv3.load_state_dict_from_url", refuse, raising=True
    )
    before = torch.get_rng_state()
    feature_networks.load(name, folder)
    assert torch.equal(torch.get_rng_state(), before)


def test_other_weights_and_other_pictures_are_refused(gathered):
    name, _, folder = gathered
    weights = load_file(folder / f"{name}.safetensors")
    network = FEATURES[name](weights)
    for wrong, error, problem in [
        (pictures() * 255, ValueError, r"outside \[0, 1\]"),
        (pictures() * torch.nan, ValueError, "not finite"),
        (pictures()[0], ValueError, r"found a tensor of shape \(3, 40, 56\)"),
        (pictures().byte(), TypeError, "found torch.uint8 pictures"),
    ]:
        with pytest.raises(error, match=problem):
            network(wrong)
    with pytest.raises(RuntimeError, match="Missing key"):
        FEATURES[name](dict(list(weights.items())[:-2]))


@pytest.mark.parametrize("net", ["squeeze", "alex", "vgg"])
def test_a_classifier_is_torchvisions(net):
    state = random_state(net)
    theirs = torchvision.models.get_model(backbones.BACKBONES[net], weights=None).eval()
    theirs.load_state_dict(state)
    as_trained = v2.Compose(
        [v2.Resize((224, 224)), v2.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))]
    )
    rgb = pictures(5) * torch.linspace(0.2, 1, 5).view(5, 1, 1, 1)
    with torch.no_grad():
        classes, answers = Classifier(net, state)(rgb), theirs(as_trained(rgb))
    assert classes.shape == (5,) and classes.dtype == torch.int64
    chosen = answers.gather(1, classes[:, None])[:, 0]
    torch.testing.assert_close(chosen, answers.max(dim=1).values, rtol=1e-3, atol=1e-3)


def test_what_is_not_there_is_none_with_the_reason(tmp_path, monkeypatch):
    monkeypatch.setattr(backbones, "_torch_cache", lambda name: None)
    state = {key: t for key, t in random_state("squeeze").items() if key.startswith("features.")}
    torch.save(state, tmp_path / "mine.pth")
    nets = {"inception": None, "squeeze": str(tmp_path / "mine.pth"), "alex": None}
    backbones.gather(SimpleNamespace(nets=nets), tmp_path)
    network, why_not = feature_networks.load("inception", tmp_path)
    assert network is None and why_not.startswith("not available: inception-2015-12-05 is not in torch's ca")
    network, why_not = feature_networks.load("squeeze", tmp_path)
    assert network(pictures()).shape == (2, 512) and why_not == ""
    network, why_not = feature_networks.load_classifier("squeeze", tmp_path)
    assert network is None and why_not.startswith("not available: mine.pth has no classifier; name a file")
    network, why_not = feature_networks.load_classifier("alex", tmp_path)
    assert network is None and why_not.startswith("not available: alexnet is not in torch's cache")
    with pytest.raises(UserError, match="no backbone 'vgg'; there is inception, squeeze, alex"):
        feature_networks.load_classifier("vgg", tmp_path)


def test_classes_are_read_from_the_first_word_of_each_line(tmp_path):
    kaggle, caffe = tmp_path / "LOC_synset_mapping.txt", tmp_path / "synsets.txt"
    kaggle.write_bytes(b"n01440764 tench, Tinca tinca\r\nn01443537\tgoldfish\r\nn01484850 shark\r\n\r\n")
    caffe.write_bytes(b"\xef\xbb\xbfn01440764\nn01443537\nn01484850")
    for path in (kaggle, caffe):
        classes = read_classes(path, 3)
        assert classes == {"n01440764": 0, "n01443537": 1, "n01484850": 2}
    found = indices(["n01484850", "n01440764", "n01484850"], classes, caffe)
    assert found.tolist() == [2, 0, 2] and found.dtype == torch.int64


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"a\nb\na\n", "a is in lines 1 and 3; each label has one"),
        (b"a\nb\n", r"found 2 lines, allowed: 3, one for each of the network's classes, in its order"),
        (b"a\nb\nc\nd\n", "found 4 lines, allowed: 3"),
        (b"", "found 0 lines, allowed: 3"),
        (b"a\n \nc\n", "line 2 is empty"),
        (b"a\nb\n\xff\n", "cannot be read .UnicodeDecodeError.; name a text file"),
        (None, "cannot be read .FileNotFoundError."),
    ],
)
def test_a_wrong_list_of_classes_is_explained(tmp_path, content, problem):
    path = tmp_path / "classes.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=f"^evaluate.metrics.top1.classes: .*classes.txt: {problem}"):
        read_classes(path, 3)


def test_labels_that_no_class_has_are_named(tmp_path):
    classes = {"a": 0, "b": 1}
    with pytest.raises(UserError, match="pictures have labels that are not there: none at all, c; list"):
        indices(["a", "c", "", "c"], classes, Path("classes.txt"))
    with pytest.raises(UserError, match=r"not there: c, d, e and 2 more; list .* or put null"):
        indices("gfedcba", classes, Path("classes.txt"))


@pytest.fixture(scope="module")
def real(tmp_path_factory) -> tuple[Path, Tensor, Tensor]:
    """The real weights, and 100 validation photographs (ten of each class, squashed) and their classes."""
    if not (WEIGHTS.exists() and ARCHIVE.exists()):
        pytest.skip("the real weights and photographs are not beside this project")
    out = tmp_path_factory.mktemp("real")
    backbones.gather(SimpleNamespace(nets={"squeeze": str(WEIGHTS)}), out)
    taken: dict[str, list[Tensor]] = {label: [] for label in IMAGENETTE}
    with tarfile.open(ARCHIVE) as archive:
        for member in archive:
            *_, split, label, _ = ["", "", *Path(member.name).parts]
            if member.isfile() and split == "val" and len(taken[label]) < 10:
                picture = np.array(Image.open(archive.extractfile(member)).convert("RGB"))
                taken[label].append(torch.from_numpy(picture).permute(2, 0, 1) / 255)
    rgb = torch.stack([picture for label in IMAGENETTE for picture in taken[label]])
    return out, rgb, torch.tensor(list(IMAGENETTE.values())).repeat_interleave(10)


def greyed(rgb: Tensor) -> Tensor:
    """Rec. 601 luma, in all three channels."""
    return (rgb * torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)).sum(1, keepdim=True).expand_as(rgb)


def test_real_weights_know_photographs_and_know_them_less_in_grey(real):
    folder, rgb, classes = real
    network, _ = feature_networks.load_classifier("squeeze", folder)
    colour, grey = ((network(one) == classes).double().mean().item() for one in (rgb, greyed(rgb)))
    print(f"top-1 of 100: {colour:.2f}, in grey {grey:.2f}")
    assert colour > 0.4 and grey < colour - 0.1  # of pictures of 160 pixels, squashed


def test_real_features_tell_grey_photographs_from_coloured_ones(real):
    folder, rgb, _ = real
    network, _ = feature_networks.load("squeeze", folder)
    features, grey = network(rgb), network(greyed(rgb))
    halves = kernel_distance(features[::2], features[1::2])
    between = kernel_distance(grey[::2], features[1::2])
    paired = kernel_distance(grey, features, range(len(features)))
    print(f"KID of halves {halves:.4g}; of grey and another half {between:.4g}, of the same {paired:.4g}")
    assert between > halves and paired > abs(halves)
