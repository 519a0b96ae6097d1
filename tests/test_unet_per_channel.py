"""A U-Net for each plane: the same network as many times, and no plane knows of another's."""

import pytest
import torch
from torch import Tensor, nn

from tintype.networks.backbones import unet, unet_per_channel
from tintype.networks.batch_norm import BatchNorm2d


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def lightness(number: int, height: int, width: int) -> Tensor:
    return 100 * torch.rand(number, 1, height, width)


@pytest.mark.parametrize("output_stride", [1, 2, 4])
@pytest.mark.parametrize(("depth", "height", "width"), [(2, 12, 20), (3, 8, 24)])
def test_it_answers_at_its_output_stride(depth, height, width, output_stride):
    network = unet_per_channel.build(3, width=4, depth=depth, output_stride=output_stride).eval()
    assert (network.multiple, network.stride) == (2**depth, output_stride)
    answer = network(lightness(2, height, width))
    assert answer.shape == (2, 3, height // output_stride, width // output_stride)


def test_it_has_as_many_parameters_as_a_unet_for_each_plane():
    settings = {"width": 4, "depth": 2, "output_stride": 2}
    one, many = unet.build(1, **settings), unet_per_channel.build(3, **settings)
    # Convolutions without biases, with batch normalisation, of 4, 8 and 16 channels; a step up; the head.
    stem, down = 9 * 4 + 8, (9 * 4 * 8 + 9 * 8 * 8 + 32) + (9 * 8 * 16 + 9 * 16 * 16 + 64)
    up, head = (16 * 8 + 16) + (9 * 16 * 8 + 16), 8 + 1
    assert sum(weight.numel() for weight in one.parameters()) == stem + down + up + head
    assert sum(weight.numel() for weight in many.parameters()) == 3 * (stem + down + up + head)
    assert all(
        isinstance(layer, BatchNorm2d) for layer in many.modules() if isinstance(layer, nn.BatchNorm2d)
    )


def test_each_plane_is_learned_by_its_own_network_alone():
    network = unet_per_channel.build(3, width=4, depth=2, output_stride=2)
    for plane in range(3):
        network.zero_grad()
        network(lightness(2, 16, 24))[:, plane].square().sum().backward()
        for name, weight in network.named_parameters():
            gradient = torch.zeros(1) if weight.grad is None else weight.grad
            assert gradient.isfinite().all()
            assert (gradient.abs().sum() > 0) == name.startswith(f"planes.{plane}."), name


def test_each_plane_is_the_answer_of_its_own_network():
    network, L = unet_per_channel.build(3, width=4, depth=2, output_stride=2).eval(), lightness(2, 16, 24)
    before = network(L)
    for plane, alone in enumerate(network.planes):
        assert torch.equal(before[:, plane : plane + 1], alone(L))
    assert not torch.allclose(before[:, 0], before[:, 1])  # they begin with weights of their own
    for weight in network.planes[1].parameters():
        nn.init.zeros_(weight)
    after = network(L)
    assert torch.equal(after[:, [0, 2]], before[:, [0, 2]]) and not after[:, 1].any()


def test_the_memory_format_does_not_change_the_answer_and_bfloat16_hardly_does():
    network, L = unet_per_channel.build(2, width=4, depth=2, output_stride=2), lightness(2, 16, 24)
    network(L)  # fills the statistics of batch normalisation
    network.eval()
    expected = network(L)
    network.to(memory_format=torch.channels_last)
    L = L.to(memory_format=torch.channels_last)
    torch.testing.assert_close(network(L), expected, atol=1e-5, rtol=1e-4)
    with torch.autocast("cpu", torch.bfloat16):
        answer = network(L)
    torch.testing.assert_close(answer.float(), expected, atol=0.1, rtol=0.1)
