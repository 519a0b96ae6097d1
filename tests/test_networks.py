"""The networks' shapes, what each output sees, and an autoencoder that learns what is real."""

import copy

import pytest
import torch
from torch import Tensor, nn

from tintype.networks.backbones import unet
from tintype.networks.discriminators import autoencoder, patch, whole


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def pictures(number: int, height: int, width: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """L in [0, 100] and colours in [-1, 1] of random pixels."""
    random = torch.Generator().manual_seed(seed)
    L = 100 * torch.rand(number, 1, height, width, generator=random)
    return L, 2 * torch.rand(number, 2, height, width, generator=random) - 1


def assert_every_weight_takes_part(network: nn.Module, output: Tensor) -> None:
    output.square().sum().backward()
    unused = [name for name, weight in network.named_parameters() if not weight.grad.abs().sum() > 0]
    assert not unused


@pytest.mark.parametrize("output_stride", [1, 2, 4])
@pytest.mark.parametrize(("depth", "height", "width"), [(2, 4, 4), (2, 12, 20), (3, 8, 24), (4, 16, 32)])
def test_unet_answers_at_its_output_stride(depth, height, width, output_stride):
    network = unet.build(7, width=4, depth=depth, output_stride=output_stride).eval()
    assert network.multiple == 2**depth
    L, _ = pictures(2, height, width)
    assert network(L).shape == (2, 7, height // output_stride, width // output_stride)


@pytest.mark.parametrize(("depth", "output_stride"), [(4, 1), (4, 2), (2, 4), (1, 2)])
def test_every_weight_of_the_unet_takes_part(depth, output_stride):
    network = unet.build(5, width=4, depth=depth, output_stride=output_stride)
    assert_every_weight_takes_part(network, network(pictures(2, 32, 32)[0]))


def count(network: nn.Module) -> int:
    return sum(weight.numel() for weight in network.parameters())


def test_the_parameters_of_the_unet_are_those_of_its_layers():
    def conv(inputs: int, outputs: int, kernel: int = 3) -> int:
        return inputs * outputs * kernel**2 + 2 * outputs  # no bias, but batch normalisation

    down = [conv(1, 4), conv(4, 8), conv(8, 8), conv(8, 16), conv(16, 16)]
    # The decoder stops at half the size: one step up, from 16 channels to 8, which join the encoder's 8.
    up, head = [conv(16, 8, kernel=1), conv(16, 8)], 8 * 5 + 5
    assert count(unet.build(5, width=4, depth=2, output_stride=2)) == sum(down + up) + head


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_the_parameters_of_the_discriminators_are_those_of_their_layers(channels):
    layers = [(1 + channels, 8), (8, 16), (16, 32), (32, 1)]
    assert count(patch.build(width=8, channels=channels)) == sum(16 * a * b + b for a, b in layers)
    encoder, decoder = [(1 + channels, 4), (4, 8), (8, 4)], [(5, 8), (9, 4), (5, 4), (4, channels)]
    expected = sum(16 * a * b + b for a, b in encoder) + sum(9 * a * b + b for a, b in decoder)
    assert count(autoencoder.build(width=8, channels=channels)) == expected


def test_unet_widens_to_eight_times_its_width_and_no_further():
    network = unet.build(5, width=4, depth=5, output_stride=1)
    assert [down[0][0].out_channels for down in network.down] == [8, 16, 32, 32, 32]


@pytest.mark.parametrize(("height", "width"), [(8, 8), (32, 32), (33, 45), (64, 128)])
def test_the_discriminator_of_whole_pictures_gives_one_answer_a_picture_of_any_size(height, width):
    assert whole.build(width=4, channels=2)(*pictures(3, height, width)).shape == (3, 1)


def test_every_weight_of_the_discriminator_of_whole_pictures_takes_part():
    network = whole.build(width=4, channels=2)
    # Three convolutions of 4 x 4, and a plane of 4 x 4 answers for each of 16 channels; with biases.
    expected = 16 * (3 * 4 + 4 * 8 + 8 * 16) + 4 + 8 + 16 + 16 * 16 + 1
    assert sum(weight.numel() for weight in network.parameters()) == expected
    assert_every_weight_takes_part(network, network(*pictures(2, 32, 32)))


def test_the_discriminator_of_whole_pictures_sees_all_of_a_picture():
    network, (L, ab) = whole.build(width=4, channels=2).eval(), pictures(1, 64, 64)
    ab.requires_grad_()
    (seen,) = torch.autograd.grad(network(L, ab).sum(), ab)
    assert (seen.abs().sum(dim=1) > 0).float().mean() > 0.99


@pytest.mark.parametrize("size", [24, 40, 20])
def test_unet_refuses_a_size_whose_halves_do_not_meet(size):
    network = unet.build(5, width=4, depth=4, output_stride=2).eval()
    with pytest.raises(RuntimeError, match="size"):
        network(pictures(1, size, size)[0])


def test_unet_sees_far_around_each_pixel():
    network = unet.build(3, width=4, depth=3, output_stride=2).eval()
    L = pictures(1, 64, 64)[0].requires_grad_()
    (seen,) = torch.autograd.grad(network(L)[0, :, 16, 16].sum(), L)
    rows = seen[0, 0].abs().sum(dim=1).nonzero().flatten()
    # Down to the bottleneck alone: a 3 x 3 convolution at full size, then two at each of three halvings.
    assert rows.max() - rows.min() + 1 >= 1 + 2 * 1 + 2 * (1 + 2) + 2 * (2 + 4) + 2 * (4 + 8)


def test_the_unets_decoder_sees_the_encoders_features_of_its_scale():
    network = unet.build(3, width=4, depth=3, output_stride=2).eval()
    nn.init.zeros_(network.down[-1][0][0].weight)  # the bottleneck tells nothing
    L = pictures(1, 16, 16)[0].requires_grad_()
    (seen,) = torch.autograd.grad(network(L).square().sum(), L)
    assert seen.abs().max() > 0


def test_unet_judges_each_picture_by_itself_once_trained():
    network = unet.build(4, width=4, depth=2, output_stride=2)
    L, _ = pictures(3, 16, 16)
    network(L)  # fills the statistics of batch normalisation
    network.eval()
    alone = torch.cat([network(one[None]) for one in L])
    torch.testing.assert_close(network(L), alone, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(("size", "logits"), [((34, 34), (6, 6)), ((64, 64), (14, 14)), ((32, 48), (6, 10))])
def test_patch_discriminator_gives_a_logit_a_patch(size, logits):
    # Halved twice, then one less twice.
    assert patch.build(width=4, channels=2)(*pictures(2, *size)).shape == (2, 1, *logits)


def test_a_patch_is_34_pixels_square():
    network = patch.build(width=8, channels=2).eval()
    L, ab = pictures(1, 64, 64)
    L.requires_grad_(), ab.requires_grad_()
    for plane in torch.autograd.grad(network(L, ab)[0, 0, 7, 7], (L, ab)):
        rows, columns = plane[0].abs().sum(dim=0).nonzero().unbind(1)
        assert rows.max() - rows.min() + 1 == 34 and columns.max() - columns.min() + 1 == 34


def test_patch_discriminator_judges_each_picture_by_itself_even_in_training():
    network = patch.build(width=4, channels=2).train()
    (L, ab), (_, other) = pictures(3, 32, 32), pictures(3, 32, 32, seed=1)
    company = torch.cat([ab[:1], other[1:]])
    twin = copy.deepcopy(network)
    torch.testing.assert_close(network(L, ab)[0], twin(L, company)[0])
    network.eval()
    alone = torch.cat([network(*(plane[number : number + 1] for plane in (L, ab))) for number in range(3)])
    torch.testing.assert_close(network(L, ab), alone, atol=1e-5, rtol=1e-4)


def test_patch_discriminator_is_spectrally_normalised():
    network = patch.build(width=4, channels=2).train()
    for _ in range(60):  # one power iteration a pass
        network(*pictures(1, 34, 34))
    convolutions = [layer for layer in network.layers if isinstance(layer, nn.Conv2d)]
    largest = [torch.linalg.matrix_norm(layer.weight.flatten(1), 2).item() for layer in convolutions]
    assert largest == pytest.approx([1.0] * 4, abs=0.02)
    assert_every_weight_takes_part(network, network(*pictures(1, 34, 34)))


@pytest.mark.parametrize("size", [(8, 8), (16, 24), (32, 32)])
def test_autoencoder_gives_an_energy_and_a_code_a_picture(size):
    network = autoencoder.build(width=8, channels=2)
    energy, code = network(*pictures(3, *size))
    assert energy.shape == (3,) and energy.dtype == torch.float32 and (energy > 0).all()
    assert code.shape == (3, 4 * size[0] // 8 * size[1] // 8)
    assert_every_weight_takes_part(network, energy)


def test_the_code_is_smaller_than_the_colours_it_is_made_from():
    _, ab = pictures(1, 32, 32)
    _, code = autoencoder.build(width=64, channels=2)(*pictures(1, 32, 32))
    assert code.numel() <= ab.numel() / 4


def test_autoencoder_refuses_a_size_that_is_no_multiple_of_8():
    with pytest.raises(RuntimeError, match="size"):
        autoencoder.build(width=8, channels=2)(*pictures(1, 20, 20))


def test_energy_is_the_mean_squared_error():
    network = autoencoder.build(width=8, channels=2)
    nn.init.zeros_(network.last.weight)
    with torch.no_grad():
        network.last.bias.copy_(torch.tensor([0.5, 0.0]))  # it reconstructs (0.5, 0) everywhere
    ab = torch.zeros(2, 2, 8, 8)
    ab[0, 0], ab[1, 1] = 1.0, -2.0
    # Errors 0.5 and 0, then 0.5 and 2, over two planes.
    energy = network(pictures(2, 8, 8)[0], ab).energy
    torch.testing.assert_close(energy, torch.tensor([0.25 / 2, (0.25 + 4) / 2]))


def test_energies_of_a_batch_are_those_of_its_pictures():
    network = autoencoder.build(width=8, channels=2)
    L, ab = pictures(4, 16, 16)
    together = network(L, ab)
    for number in range(4):
        one = slice(number, number + 1)
        alone = network(L[one], ab[one])
        torch.testing.assert_close(together.energy[one], alone.energy, atol=1e-6, rtol=1e-5)
        torch.testing.assert_close(together.code[one], alone.code, atol=1e-5, rtol=1e-4)


def test_both_halves_of_the_autoencoder_see_lightness():
    network = autoencoder.build(width=8, channels=2)
    (L, ab), (other, _) = pictures(2, 16, 16), pictures(2, 16, 16, seed=1)
    assert (network(L, ab).code - network(other, ab).code).abs().max() > 1e-3
    for layer in network.encoder:
        nn.init.zeros_(layer.weight)  # the code tells nothing
    assert torch.equal(network(L, ab).code, network(other, ab).code)
    assert (network(L, ab).energy - network(other, ab).energy).abs().max() > 1e-6


def test_a_trained_autoencoder_finds_shuffled_colours_less_likely():
    # Colours that follow from lightness; those of another picture do not.
    patches = torch.rand(16, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    L = 100 * nn.functional.interpolate(patches, scale_factor=4, mode="bilinear")
    ab = torch.cat([torch.sin(L / 10), torch.cos(L / 15)], dim=1) * 0.55
    network = autoencoder.build(width=16, channels=2)
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
    for _ in range(200):
        optimizer.zero_grad()
        network(L, ab).energy.mean().backward()
        optimizer.step()
    with torch.no_grad():
        own, shuffled = network(L, ab).energy.mean(), network(L, ab.roll(1, dims=0)).energy.mean()
    assert own < 0.1 * ab.square().mean() and own < 0.2 * shuffled
