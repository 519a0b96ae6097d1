"""The U-Net of transposed convolutions, and the plain discriminator."""

import pytest
import torch
from torch import Tensor, nn

from tintype.networks.backbones import transposed_unet, unet
from tintype.networks.discriminators import autoencoder, patch, plain, whole
from tintype.networks.planes import scaled


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def known(number: int, height: int, width: int, planes: int = 1) -> Tensor:
    """Planes, the first of them in [0, 100], the others in [0, 1]."""
    found = torch.rand(number, planes, height, width)
    found[:, :1] *= 100
    return found


def count(network: nn.Module) -> int:
    return sum(weight.numel() for weight in network.parameters())


def unused(network: nn.Module) -> list[str]:
    return [name for name, weight in network.named_parameters() if not weight.grad.abs().sum() > 0]


@pytest.mark.parametrize("planes", [1, 11])
@pytest.mark.parametrize(("depth", "height", "width"), [(1, 2, 6), (2, 4, 12), (3, 16, 8), (5, 64, 32)])
def test_it_answers_at_full_size_between_minus_1_and_1(depth, height, width, planes):
    network = transposed_unet.build(3, width=4, depth=depth, known=planes).eval()
    assert (network.multiple, network.stride) == (2**depth, 1)
    answer = network(known(2, height, width, planes))
    assert answer.shape == (2, 3, height, width) and answer.abs().max() < 1


@pytest.mark.parametrize("size", [36, 24])
def test_it_refuses_a_size_whose_halves_do_not_meet(size):
    with pytest.raises(RuntimeError):
        transposed_unet.build(3, width=4, depth=4)(known(2, size, size))


@pytest.mark.parametrize("planes", [1, 4])
def test_its_parameters_are_those_of_its_layers(planes):
    def conv(inputs: int, outputs: int) -> int:
        return inputs * outputs * 16 + 2 * outputs  # no bias, but batch normalisation

    down = [planes * 4 * 16 + 4, conv(4, 8), conv(8, 16)]  # the first has a bias instead
    up = [conv(16, 8), conv(8 + 8, 4), (4 + 4) * 3 * 16 + 3]
    assert count(transposed_unet.build(3, width=4, depth=3, known=planes)) == sum(down + up)


def test_it_widens_to_eight_times_its_width_and_no_further():
    network = transposed_unet.build(3, width=4, depth=6)
    assert [down[0].out_channels for down in network.down] == [4, 8, 16, 32, 32, 32]


@pytest.mark.parametrize("depth", [1, 2, 5])
def test_every_weight_takes_part(depth):
    network = transposed_unet.build(3, width=4, depth=depth, known=3)
    network(known(2, 32, 32, 3)).square().sum().backward()
    assert not unused(network)


def test_the_decoder_sees_the_encoders_features_of_its_scale():
    network, L = transposed_unet.build(3, width=4, depth=3).eval(), known(1, 16, 16)
    before = network(L)
    with torch.no_grad():
        for up in network.up:
            up[0].weight.zero_()  # nothing comes from below any more
    assert not torch.equal(network(L), network(known(1, 16, 16)))
    assert not torch.equal(network(L), before)


@pytest.mark.parametrize("build", [unet.build, transposed_unet.build], ids=["unet", "transposed_unet"])
def test_every_plane_beside_the_lightness_makes_a_difference(build):
    settings = {"output_stride": 2} if build is unet.build else {}
    network, given = build(2, width=4, depth=2, known=4, **settings).eval(), known(1, 8, 8, 4)
    answer = network(given)
    for plane in range(4):
        other = given.clone()
        other[:, plane] += 0.5
        assert not torch.allclose(network(other), answer)


def test_lightness_is_scaled_and_other_planes_are_not():
    planes = torch.tensor([[0.0, 0.3, -2.0], [100.0, 1.0, 5.0]]).view(2, 3, 1, 1)
    assert scaled(planes).flatten(1).tolist() == torch.tensor([[-1.0, 0.3, -2.0], [1.0, 1.0, 5.0]]).tolist()
    assert scaled(planes[:, :1]).flatten().tolist() == [-1.0, 1.0]


# Discriminators


@pytest.mark.parametrize(("size", "logits"), [((16, 16), (1, 1)), ((64, 64), (7, 7)), ((32, 50), (3, 5))])
def test_the_plain_discriminator_gives_a_logit_a_patch(size, logits):
    network = plain.build(width=4, channels=3)
    assert network(known(2, *size), torch.rand(2, 3, *size)).shape == (2, 1, *logits)


def test_a_patch_of_the_plain_discriminator_is_46_pixels_square():
    network, colours = plain.build(width=4, channels=3), torch.rand(1, 3, 112, 112, requires_grad=True)
    network(known(1, 112, 112), colours)[0, 0, 6, 6].backward()
    seen = colours.grad.abs().sum(dim=(0, 1))
    assert (int(seen.any(dim=0).sum()), int(seen.any(dim=1).sum())) == (46, 46)


def test_the_plain_discriminator_has_convolutions_and_nothing_else():
    network = plain.build(width=4, channels=3)
    assert {type(layer) for layer in network.layers} == {nn.Conv2d, nn.LeakyReLU}
    layers = [(4, 4), (4, 8), (8, 16), (16, 1)]
    assert count(network) == sum(inputs * outputs * 16 + outputs for inputs, outputs in layers)


def answer_of(network: nn.Module, planes: Tensor, colours: Tensor) -> Tensor:
    found = network(planes, colours)
    return found.energy if hasattr(found, "energy") else found


@pytest.mark.parametrize("module", [plain, patch, whole, autoencoder], ids=lambda module: module.__name__)
def test_every_discriminator_can_be_told_a_condition_and_uses_every_plane_of_it(module):
    network = module.build(width=8, channels=3, known=4).eval()
    planes, colours = known(2, 32, 32, 4), torch.rand(2, 3, 32, 32)
    answer_of(network, planes, colours).square().sum().backward()
    assert not unused(network)
    before = answer_of(network, planes, colours)
    for plane in range(4):
        other = planes.clone()
        other[:, plane] += 0.5
        assert not torch.allclose(answer_of(network, other, colours), before)


def test_what_a_network_is_told_costs_the_weights_of_its_first_convolution_and_no_others():
    settings = {"width": 4, "depth": 2, "output_stride": 2}
    assert count(unet.build(5, **settings, known=4)) - count(unet.build(5, **settings)) == 3 * 4 * 9
    for module in (plain, patch):
        assert count(module.build(width=8, channels=3, known=4)) - count(
            module.build(width=8, channels=3)
        ) == (3 * 8 * 16)
    # What comes before each step of the decoder is told, too.
    more = 3 * (4 * 16 + (8 + 4 + 4) * 9)
    told, alone = (autoencoder.build(width=8, channels=3, known=known) for known in (4, 1))
    assert count(told) - count(alone) == more
