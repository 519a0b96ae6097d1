"""torchvision's networks as encoders of a grey plane, and what else is known, of random and of given weights;
U-Nets over them."""

import pytest
import torch
import torchvision
from torch import Tensor, nn
from torchvision.models.feature_extraction import create_feature_extractor

from tintype import hints
from tintype.batch import Batch
from tintype.colorizer import Colorizer
from tintype.networks.backbones import torchvision_unet
from tintype.networks.batch_norm import BatchNorm2d
from tintype.networks.encoders import ENCODERS, Encoder

RESNETS = ("resnet18", "resnet50", "resnet152")
FINEST = {"alexnet": 4, "vgg16": 1, **dict.fromkeys(RESNETS, 2), "inception_v3": 2, "squeezenet1_1": 2}


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def lightness(number: int, height: int, width: int, seed: int = 0) -> Tensor:
    return 100 * torch.rand(number, 1, height, width, generator=torch.Generator().manual_seed(seed))


def torchvisions(name: str) -> nn.Module:
    settings = {"init_weights": False} if name == "inception_v3" else {}
    return torchvision.models.get_model(name, weights=None, **settings)


def assert_every_weight_takes_part(network: nn.Module, output: Tensor) -> None:
    output.float().square().mean().backward()
    sums = {name: weight.grad.abs().sum() for name, weight in network.named_parameters()}
    assert not [name for name, total in sums.items() if not (total > 0 and total.isfinite())]


@pytest.fixture(scope="module")
def unets() -> dict[str, torchvision_unet.TorchvisionUNet]:
    return {name: torchvision_unet.build(3, encoder=name, width=2, output_stride=2) for name in ENCODERS}


@pytest.mark.parametrize("size", [(64, 64), (32, 96), (160, 32)])
@pytest.mark.parametrize("name", ENCODERS)
def test_features_are_exact_parts_of_the_size(name, size):
    with torch.device("meta"):  # shapes alone
        encoder = Encoder(name)
        features = encoder(torch.empty(2, 1, *size))
    assert encoder.strides[0] == FINEST[name] and encoder.strides[-1] in (16, 32)
    expected = [
        (2, channels, size[0] // stride, size[1] // stride)
        for channels, stride in zip(encoder.channels, encoder.strides, strict=True)
    ]
    assert [tuple(one.shape) for one in features] == expected


@pytest.mark.parametrize("name", ENCODERS)
def test_an_encoder_is_torchvisions_network_of_one_channel_and_without_its_classifier(name):
    with torch.device("meta"):
        encoder, whole = Encoder(name), torchvisions(name)
    own = {
        weight_name: weight.numel()
        for weight_name, weight in whole.named_parameters()
        if not weight_name.startswith(("classifier", "fc", "AuxLogits"))
    }
    first = next(iter(own))
    expected = sum(own.values()) - own[first] * 2 // 3
    assert sum(weight.numel() for weight in encoder.parameters()) == expected
    # Inception's batch normalisation has an epsilon of its own.
    own, expected = (
        {(layer.eps, layer.momentum) for layer in network.modules() if isinstance(layer, nn.BatchNorm2d)}
        for network in (encoder, whole)
    )
    assert own == expected


@pytest.mark.parametrize("name", ENCODERS)
def test_every_weight_of_the_unet_takes_part(name, unets):
    network = unets[name].train()
    norms = {type(layer) for layer in network.modules() if isinstance(layer, nn.BatchNorm2d)}
    assert norms == {BatchNorm2d}
    L = lightness(2, 64, 64)
    with torch.no_grad():
        kept, copied = network.encoder(L), []
        hooks = [
            layer.register_forward_hook(lambda *call: copied.append(call[-1].clone()))
            for layer_name, layer in network.encoder.layers.named_children()
            if layer_name in network.encoder.plan.taps
        ]
        network.encoder(L)
    for hook in hooks:
        hook.remove()
    for one, copy in zip(kept, copied, strict=True):
        torch.testing.assert_close(one, copy)  # nothing that comes after changes a feature
    assert_every_weight_takes_part(network, network(L))


@pytest.mark.parametrize("name", ENCODERS)
def test_pictures_are_judged_by_themselves_once_trained(name, unets):
    network = unets[name].eval()
    L = lightness(2, 32, 64)
    with torch.no_grad():
        together, alone = network(L), torch.cat([network(one[None]) for one in L])
    assert together.shape == (2, 3, 16, 32) and together.isfinite().all()
    torch.testing.assert_close(together, alone, rtol=1e-3, atol=1e-4 * together.abs().max().item())


@pytest.mark.parametrize("output_stride", [1, 2, 4])
@pytest.mark.parametrize("name", ENCODERS)
def test_the_unet_answers_at_its_output_stride(name, output_stride):
    with torch.device("meta"):
        network = torchvision_unet.build(7, encoder=name, width=2, output_stride=output_stride)
        planes = network(torch.empty(2, 1, 32, 96))
    assert network.multiple == network.encoder.strides[-1] and network.stride == output_stride
    assert planes.shape == (2, 7, 32 // output_stride, 96 // output_stride)
    # A step of the decoder for each halving, with the encoder's features wherever there are any.
    assert 2 ** len(network.up) * output_stride == network.multiple
    with_features = [stride for stride in network.encoder.strides[:-1] if stride >= output_stride]
    assert sorted(map(int, network.sides)) == with_features


@pytest.mark.parametrize("name", ["alexnet", "resnet18"])
def test_every_weight_takes_part_where_the_decoder_goes_on_without_features(name):
    network = torchvision_unet.build(3, encoder=name, width=2, output_stride=1)
    assert_every_weight_takes_part(network, network(lightness(2, 64, 64)))


def test_the_decoder_sees_the_encoders_features_of_each_scale(unets):
    network, seen = unets["resnet18"].eval(), []
    hook = network.encoder.register_forward_hook(lambda *call: seen.extend(call[-1]))
    planes = network(lightness(1, 64, 64)).square().sum()
    hook.remove()
    # To each directly, not only by way of the coarser ones that are made of it.
    cut = [one.detach().requires_grad_() for one in seen]
    hook = network.encoder.register_forward_hook(lambda *call: cut)
    again = network(lightness(1, 64, 64)).square().sum()
    hook.remove()
    torch.testing.assert_close(again, planes)
    assert all(gradient.abs().sum() > 0 for gradient in torch.autograd.grad(again, cut))


def test_the_unet_learns_in_bfloat16_and_channels_last():
    network = torchvision_unet.build(3, encoder="resnet18", width=2, output_stride=2)
    network = network.to(memory_format=torch.channels_last)
    L = lightness(2, 64, 64).to(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        planes = network(L)
    assert planes.dtype == torch.bfloat16
    assert_every_weight_takes_part(network, planes)


def test_random_weights_follow_the_seed():
    one = Encoder("resnet18").state_dict()
    torch.manual_seed(0)
    again = Encoder("resnet18").state_dict()
    other = Encoder("resnet18").state_dict()
    assert all(torch.equal(one[name], again[name]) for name in one)
    assert not torch.equal(one["layers.conv1.weight"], other["layers.conv1.weight"])
    # He et al.: variance 2 / fan out; the first convolution's is of a sum of three.
    assert one["layers.layer2.0.conv1.weight"].std().item() == pytest.approx((2 / (128 * 9)) ** 0.5, rel=0.02)
    assert one["layers.conv1.weight"].std().item() == pytest.approx((3 * 2 / (64 * 49)) ** 0.5, rel=0.05)


def filled(name: str) -> nn.Module:
    """torchvision's network, whose statistics of batch normalisation are not those it starts with."""
    network = torchvisions(name).eval()
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.uniform_(layer.running_mean, -0.1, 0.1)
            nn.init.uniform_(layer.running_var, 0.5, 2)
            nn.init.uniform_(layer.weight, 0.5, 1)
            nn.init.uniform_(layer.bias, -0.1, 0.1)
    return network


@pytest.mark.parametrize("name", ["resnet18", "vgg16"])
def test_with_torchvisions_weights_it_sees_what_torchvisions_network_makes_of_a_grey_picture(name):
    whole, encoder, L = filled(name), Encoder(name).eval(), lightness(2, 64, 96)
    encoder.load_imagenet(whole.state_dict())
    taps = ["relu", "layer1", "layer2", "layer3", "layer4"]
    taps = taps if name == "resnet18" else [f"features.{layer}" for layer in (3, 8, 15, 22, 29)]
    grey = ((L / 100 - 0.449) / 0.226).expand(-1, 3, -1, -1)
    with torch.no_grad():
        expected = create_feature_extractor(whole, taps)(grey)
        for own, tap in zip(encoder(L), taps, strict=True):
            torch.testing.assert_close(own, expected[tap], rtol=1e-3, atol=1e-4)


def test_inceptions_and_alexnets_first_layers_see_what_torchvisions_make_of_a_padded_grey_picture():
    L = lightness(1, 64, 64)
    grey = (L / 100).expand(-1, 3, -1, -1)
    mean, std = (torch.tensor(x)[:, None, None] for x in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))
    whole, encoder = filled("inception_v3"), Encoder("inception_v3").eval()
    encoder.load_imagenet(whole.state_dict())
    whole.transform_input = True  # as torchvision has it with its own weights
    with torch.no_grad():
        own = encoder.layers.Conv2d_1a_3x3((L / 100 - encoder.plan.mean) / encoder.plan.std)
        padded = nn.functional.pad(grey, (1, 1, 1, 1), value=0.5)  # nothing, once normalised
        expected = whole.Conv2d_1a_3x3(whole._transform_input((padded - mean) / std))
    torch.testing.assert_close(own, expected, rtol=1e-3, atol=1e-4)

    whole, encoder = filled("alexnet"), Encoder("alexnet").eval()
    encoder.load_imagenet(whole.state_dict())
    grey = ((L / 100 - 0.449) / 0.226).expand(-1, 3, -1, -1)
    with torch.no_grad():
        expected = whole.features[:2](nn.functional.pad(grey, (3, 3, 3, 3)))
        torch.testing.assert_close(encoder(L)[0], expected, rtol=1e-3, atol=1e-4)


def test_squeezenet_sees_what_torchvisions_makes_of_a_grey_picture_padded_before_each_halving():
    whole, encoder, L = filled("squeezenet1_1"), Encoder("squeezenet1_1").eval(), lightness(2, 64, 96)
    encoder.load_imagenet(whole.state_dict())
    x = ((L / 100 - 0.449) / 0.226).expand(-1, 3, -1, -1)
    with torch.no_grad():
        parts = (whole.features[start:end] for start, end in ((0, 2), (2, 5), (5, 8), (8, 13)))
        for own, part in zip(encoder(L), parts, strict=True):
            x = part(nn.functional.pad(x, (1, 0, 1, 0)))
            torch.testing.assert_close(own, x, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", ["alexnet", "resnet50", "inception_v3", "squeezenet1_1"])
def test_classifiers_and_counts_may_be_there_or_not(name):
    whole = torchvisions(name).state_dict()
    ignored = ("classifier.", "fc.", "AuxLogits.")
    bare = {
        key: t
        for key, t in whole.items()
        if not key.startswith(ignored) and not key.endswith("num_batches_tracked")
    }
    assert len(bare) < len(whole)
    one, other = Encoder(name), Encoder(name)
    one.load_imagenet(whole)
    other.load_imagenet(bare)
    for key, t in one.state_dict().items():
        assert torch.equal(t, other.state_dict()[key])
    first = next(iter(bare.values()))
    torch.testing.assert_close(next(one.parameters()).detach()[:, 0], first[:, 0] + first[:, 1] + first[:, 2])
    assert all(weight.requires_grad for weight in one.parameters())


def test_weights_of_another_network_are_refused_by_name_and_nothing_is_taken():
    encoder = Encoder("resnet18")
    before = {name: t.clone() for name, t in encoder.state_dict().items()}
    good = torchvisions("resnet18").state_dict()
    missing = {name: t for name, t in good.items() if name != "layer3.0.bn1.running_var"}
    wrong = {
        "layer3.0.bn1.running_var is missing": missing,
        "layer9.weight is unknown": good | {"layer9.weight": torch.zeros(1)},
        r"conv1.weight has shape \(64, 1, 7, 7\) instead of \(64, 3, 7, 7\)": (
            good | {"conv1.weight": torch.zeros(64, 1, 7, 7)}
        ),
        "bn1.bias is torch.float16": good | {"bn1.bias": torch.zeros(64).half()},
        "is missing; .* and more": torchvisions("alexnet").state_dict(),
    }
    network = torchvision_unet.build(3, encoder="resnet18", width=2, output_stride=2)
    for message, weights in wrong.items():
        for one in (encoder, network):
            with pytest.raises(ValueError, match=f"resnet18: .*{message}"):
                one.load_imagenet(weights)
    assert all(torch.equal(t, before[name]) for name, t in encoder.state_dict().items())
    network.load_imagenet(good)
    assert torch.equal(network.encoder.layers.layer4[0].conv1.weight, good["layer4.0.conv1.weight"])


# Told more than the lightness


def told(number: int, height: int, width: int, known: int) -> Tensor:
    """The lightness, and planes of other values beside it."""
    more = torch.randn(number, known - 1, height, width, generator=torch.Generator().manual_seed(1))
    return torch.cat([lightness(number, height, width), 10 * more], dim=1)


@pytest.mark.parametrize("imagenet", [False, True], ids=["random", "imagenet"])
@pytest.mark.parametrize("name", ["alexnet", "resnet18", "inception_v3", "squeezenet1_1"])
def test_what_else_it_is_told_changes_nothing_at_first_and_has_a_gradient(name, imagenet):
    torch.manual_seed(0)
    plain = Encoder(name)
    torch.manual_seed(0)
    more = Encoder(name, known=4)
    first = more.layers.get_parameter(more._first)
    if imagenet:
        nn.init.ones_(first)
        weights = filled(name).state_dict()
        for encoder in (plain, more):
            encoder.load_imagenet(weights)
    assert first.shape[1] == 4 and not first[:, 1:].any()
    assert torch.equal(first[:, :1], plain.layers.get_parameter(plain._first))
    own, others = more.layers.state_dict(), plain.layers.state_dict()
    assert all(torch.equal(own[key], others[key]) for key in own if key != more._first)

    given = told(2, 64, 64, known=4)
    for one, expected in zip(more(given), plain(given[:, :1]), strict=True):
        torch.testing.assert_close(one, expected, rtol=1e-4, atol=1e-4)
    sum(one.square().mean() for one in more(given)).backward()
    gradient = first.grad.abs().sum(dim=(0, 2, 3))
    assert gradient.isfinite().all() and (gradient > 0).all(), "each plane can be learned from"


def test_once_its_weights_for_what_else_it_is_told_are_not_zero_it_answers_otherwise():
    encoder = Encoder("squeezenet1_1", known=3).eval()
    first, given = encoder.layers.get_parameter(encoder._first), told(1, 64, 64, known=3)
    with torch.no_grad():
        before = encoder(given)
        first[:, 2] = 0.1
        silent = given.clone()
        silent[:, 2] = 0
        for one, quiet, old in zip(encoder(given), encoder(silent), before, strict=True):
            torch.testing.assert_close(quiet, old)
            assert (one - old).abs().max() > 1e-3


HINTED = {"most": 3, "without": 0.1}


@pytest.mark.parametrize("encoder", ["squeezenet1_1", "resnet18"])
def test_a_unet_that_is_told_hints_answers_as_one_that_is_not_until_it_has_learned_from_them(encoder):
    unet = {"backbone": "torchvision_unet", "encoder": encoder, "width": 4, "output_stride": 2}
    generator = {"head": "l1", "color_space": "lab", **unet}
    torch.manual_seed(0)
    plain = Colorizer(generator, None).train()
    torch.manual_seed(0)
    model = Colorizer(generator | {"given": {"hints": HINTED}}, None).train()
    assert model.told_planes() == {"hints": 3}
    L = lightness(2, 64, 64)
    clicks = hints.at((64, 64), 20, 30, (40.0, -30.0)).expand(2, -1, -1, -1)
    clicked, unclicked = (Batch(L, L, torch.zeros(2, 2, 64, 64), hints=given) for given in (clicks, None))
    with torch.no_grad():
        for batch in (clicked, unclicked):
            torch.testing.assert_close(model.colours(batch), plain.colours(batch), rtol=1e-4, atol=1e-4)
    assert_every_weight_takes_part(model.network, model.planes(clicked))
    first = model.network.encoder.layers.get_parameter(model.network.encoder._first)
    assert (first.grad.abs().sum(dim=(0, 2, 3)) > 0).all(), "colours of clicks, and where they are"
    with torch.no_grad():
        first -= first.grad / first.grad.norm()
        far = (model.colours(clicked) - model.colours(unclicked)).abs()
    assert far.max() > 0.01
