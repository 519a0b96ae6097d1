"""Networks with a few numbers between encoder and decoder, computed or drawn."""

import math

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Normal, kl_divergence

from tintype.networks.backbones import bottleneck, variational
from tintype.networks.batch_norm import BatchNorm2d
from tintype.networks.encoders import ENCODERS

ALIKE = {"encoder": "alexnet", "latent": 5, "width": 2}


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def lightness(number: int, height: int, width: int, seed: int = 0) -> Tensor:
    return 100 * torch.rand(number, 1, height, width, generator=torch.Generator().manual_seed(seed))


def assert_every_weight_takes_part(network: nn.Module, loss: Tensor) -> None:
    loss.backward()
    sums = {name: weight.grad.abs().sum() for name, weight in network.named_parameters()}
    assert not [name for name, total in sums.items() if not (total > 0 and total.isfinite())]


@pytest.mark.parametrize(
    ("name", "output_stride", "height", "width"),
    [(name, 2, 32, 96) for name in ENCODERS] + [("alexnet", 1, 64, 64), ("resnet18", 4, 256, 160)],
)
def test_it_answers_at_its_output_stride(name, output_stride, height, width):
    with torch.device("meta"):  # shapes alone
        network = bottleneck.build(7, encoder=name, latent=9, width=2, output_stride=output_stride)
        L = torch.empty(2, 1, height, width)
        assert network.encode(L).shape == (2, 9)
        assert network(L).shape == (2, 7, height // output_stride, width // output_stride)
    assert network.multiple == network.encoder.strides[-1] and network.stride == output_stride


@pytest.mark.parametrize("encoder", ["alexnet", "vgg16", "resnet18"])
def test_every_weight_takes_part(encoder):
    network = bottleneck.build(3, encoder=encoder, latent=5, width=2, output_stride=2)
    norms = {type(layer) for layer in network.modules() if isinstance(layer, nn.BatchNorm2d)}
    assert norms == {BatchNorm2d}
    assert_every_weight_takes_part(network, network(lightness(2, 64, 64)).square().mean())


def test_the_decoder_has_the_weights_that_it_says():
    network = bottleneck.build(7, encoder="alexnet", latent=100, width=3, output_stride=2)
    # z to 24 planes of 4 x 4; 24, 12, 6 and 3 planes between three transposed convolutions of 4 x 4 without
    # biases; two numbers a plane of batch normalisation; a convolution of 3 x 3.
    expected = 101 * 24 * 16 + 16 * (24 * 12 + 12 * 6 + 6 * 3) + 2 * (24 + 12 + 6 + 3) + 7 * (3 * 9 + 1)
    parts = (network.start, network.decoder)
    assert sum(weight.numel() for part in parts for weight in part.parameters()) == expected
    # 2 x 2 places of AlexNet's 256 last features.
    assert network.code.weight.shape == (100, 1024)


def test_nothing_but_z_passes():
    network = bottleneck.build(3, **ALIKE, output_stride=2).eval()
    one, other = lightness(2, 64, 32), lightness(2, 64, 32, seed=1)
    with torch.no_grad():
        planes = network(one)
        assert torch.equal(planes, network.decode(network.encode(one), (32, 16)))
        assert (planes - network(other)).abs().max() > 0
        network.code.weight.zero_()
        assert torch.equal(network(one), network(other))


def test_planes_of_another_size_are_resized_and_those_of_32_are_not():
    network = bottleneck.build(3, **ALIKE, output_stride=1).eval()
    z = torch.randn(2, 5)
    with torch.no_grad():
        own = network.decode(z, (32, 32))
        assert torch.equal(own, network.decoder(network.start(z).reshape(2, 16, 4, 4)))
        torch.testing.assert_close(network.decode(z, (16, 16)), nn.functional.avg_pool2d(own, 2))


def test_it_takes_torchvisions_weights():
    network = bottleneck.build(3, **ALIKE, output_stride=2)
    weights = {f"features.{name}": t.clone() + 1 for name, t in network.encoder.layers.state_dict().items()}
    weights["features.0.weight"] = weights["features.0.weight"].expand(-1, 3, -1, -1)
    network.load_imagenet(weights)
    assert torch.equal(network.encoder.layers[3].weight, weights["features.3.weight"])
    with pytest.raises(ValueError, match=r"features\.0\.bias is missing"):
        network.load_imagenet({name: t for name, t in weights.items() if name != "features.0.bias"})


def vae(kl: float = 0.5, output_stride: int = 2) -> variational.Variational:
    return variational.build(3, **ALIKE, output_stride=output_stride, kl=kl)


def test_the_divergence_by_hand_and_as_torch_has_it():
    # Standard: nothing. Mean 2: 2^2 / 2. Variance e^2: (e^2 - 1 - 2) / 2.
    mean, log_variance = torch.tensor([[0.0, 0], [2, 0], [0, 0]]), torch.tensor([[0.0, 0], [0, 0], [0, 2]])
    expected = torch.tensor([0, 2, (math.e**2 - 3) / 2])
    torch.testing.assert_close(variational.divergence(mean, log_variance), expected)
    mean, log_variance = torch.randn(4, 6), torch.randn(4, 6)
    posterior = Normal(mean, torch.exp(log_variance / 2))
    expected = kl_divergence(posterior, Normal(0.0, 1.0)).sum(dim=1)
    torch.testing.assert_close(variational.divergence(mean, log_variance), expected)


def test_in_training_it_gives_planes_of_a_drawn_z_and_the_weighted_divergence():
    network, L = vae(kl=0.25).train(), lightness(3, 64, 32)
    torch.manual_seed(5)
    planes, penalty = network(L)
    assert planes.shape == (3, 3, 32, 16) and penalty.shape == (3,)
    mean, log_variance = network.encode(L)  # AlexNet's has no batch normalisation
    torch.testing.assert_close(penalty, 0.25 * variational.divergence(mean, log_variance))
    torch.manual_seed(5)
    z = mean + log_variance.exp().sqrt() * torch.randn(3, 5)
    torch.testing.assert_close(planes, network.decode(z, (32, 16)))
    assert_every_weight_takes_part(network, planes.square().mean() + penalty.mean())


def test_both_loss_and_penalty_reach_mean_and_variance():
    network, L = vae().train(), lightness(2, 64, 64)
    for part in range(2):
        network.zero_grad()
        network(L)[part].square().sum().backward()
        for layer in (network.code, network.log_variance):
            assert layer.weight.grad.abs().sum() > 0


def test_a_variance_beyond_all_bounds_stays_finite():
    network, L = vae().train(), lightness(2, 64, 64)
    nn.init.constant_(network.log_variance.bias, 1e4)
    answer = network(L)
    assert answer.planes.isfinite().all() and answer.penalty.isfinite().all()
    assert (network.encode(L)[1] == 10).all()


def test_in_evaluation_it_gives_the_planes_of_the_mean():
    network, L = vae().eval(), lightness(2, 64, 64)
    with torch.no_grad():
        planes = network(L)
        assert torch.equal(planes, network(L))
        assert torch.equal(planes, network.decode(network.encode(L)[0], (32, 32)))


def test_samples_follow_their_generator():
    network, L = vae().eval(), lightness(2, 64, 32)
    with torch.no_grad():
        one, again, other = (network.sample(L, 4, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
        assert one.shape == (4, 2, 3, 32, 16)
        assert torch.equal(one, again) and not torch.equal(one, other)
        assert (one[0] - one[1]).abs().max() > 0
        nn.init.zeros_(network.log_variance.weight)
        nn.init.constant_(network.log_variance.bias, -1e4)  # hardly any variance: the mean's
        sure = network.sample(L, 4, torch.Generator().manual_seed(1))
        spread = (one - one.mean(dim=0)).abs().max()
        assert (sure - network(L)).abs().max() < 0.1 * spread


def test_samples_have_the_mean_and_variance_that_the_encoder_gives():
    network, L, seen = vae().eval(), lightness(1, 32, 32), []
    network.start.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    with torch.no_grad():
        nn.init.constant_(network.log_variance.bias, -2)
        network.sample(L, 4000, torch.Generator().manual_seed(0))
        mean, log_variance = network.encode(L)
    (z,) = seen
    torch.testing.assert_close(z.mean(dim=0), mean[0], rtol=0, atol=0.03)
    torch.testing.assert_close(z.var(dim=0), log_variance[0].exp(), rtol=0.1, atol=0)


@pytest.mark.parametrize("kind", ["bottleneck", "variational"])
def test_it_learns_in_bfloat16_and_channels_last(kind):
    network = vae() if kind == "variational" else bottleneck.build(3, **ALIKE, output_stride=2)
    network = network.to(memory_format=torch.channels_last)
    L = lightness(2, 64, 64).to(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        answer = network(L)
    planes, penalty = answer if kind == "variational" else (answer, torch.zeros(2))
    assert penalty.dtype == torch.float32  # a sum of a hundred terms
    assert_every_weight_takes_part(network, planes.float().square().mean() + penalty.mean())
