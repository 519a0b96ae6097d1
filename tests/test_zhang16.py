"""The network of Zhang et al. 2016: its table of layers, what a logit sees, and that all of it learns."""

import pytest
import torch
from torch import Tensor, nn

from tintype.networks.backbones import zhang16
from tintype.networks.batch_norm import BatchNorm2d

# Channels of the paper's blocks, and their number of convolutions.
CHANNELS, NUMBERS = [64, 128, 256, 512, 512, 512, 512, 256], [2, 2, 3, 3, 3, 3, 3, 3]


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def lightness(number: int, height: int, width: int) -> Tensor:
    return 100 * torch.rand(number, 1, height, width)


def parameters_by_hand(outputs: int, share: int) -> int:
    """Weights and biases, layer by layer, where every block has 1 / `share` of the paper's channels."""
    total, inputs = 0, 1
    for block, (paper, number) in enumerate(zip(CHANNELS, NUMBERS, strict=True), start=1):
        channels = paper // share
        for layer in range(number):
            kernel = 4 * 4 if (block, layer) == (8, 0) else 3 * 3  # block 8 begins by doubling the size
            total += kernel * inputs * channels + channels
            inputs = channels
        if block < 8:
            total += 2 * channels  # batch normalisation's scale and shift
    return total + inputs * outputs + outputs


@pytest.mark.parametrize(("width", "expected"), [(64, 32_235_385), (16, 2_032_585)])
def test_it_has_the_papers_number_of_parameters(width, expected):
    with torch.device("meta"):
        network = zhang16.build(313, width=width)
    assert sum(weight.numel() for weight in network.parameters()) == expected
    assert parameters_by_hand(313, share=64 // width) == expected


@pytest.mark.parametrize(("height", "width"), [(8, 8), (24, 16), (40, 64)])
def test_it_answers_at_a_quarter_of_the_size(height, width):
    network = zhang16.build(7, width=4).eval()
    assert (network.multiple, network.stride) == (8, 4)
    assert network(lightness(2, height, width)).shape == (2, 7, height // 4, width // 4)


def test_its_layers_are_those_of_the_table():
    network = zhang16.build(5, width=64)
    for number, (block, channels) in enumerate(zip(network.blocks, CHANNELS, strict=True), start=1):
        convolutions = [layer for layer in block if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)]
        assert len(convolutions) == NUMBERS[number - 1]
        assert {layer.out_channels for layer in convolutions} == {channels}
        assert {layer.dilation[0] for layer in convolutions} == ({2} if number in (5, 6) else {1})
        strides = [layer.stride[0] for layer in convolutions]
        expected = [1] * len(strides)
        if number <= 3:
            expected[-1] = 2
        if number == 8:
            expected[0] = 2
        assert strides == expected
        assert sum(isinstance(layer, nn.ReLU) for layer in block) == len(convolutions)
        norms = [place for place, layer in enumerate(block) if isinstance(layer, nn.BatchNorm2d)]
        assert norms == ([len(block) - 1] if number < 8 else [])
        assert all(isinstance(block[place], BatchNorm2d) for place in norms)


def test_every_parameter_takes_part():
    network = zhang16.build(5, width=8)
    network(lightness(4, 32, 48)).square().sum().backward()
    for name, weight in network.named_parameters():
        assert weight.grad.isfinite().all() and weight.grad.abs().sum() > 0, name


def test_a_logit_sees_349_pixels_of_which_the_dilation_adds_96():
    network = zhang16.build(1, width=1).double().eval()
    for weight in network.parameters():
        weight.data.abs_()  # with light input no unit rests, so that what is seen is all that can be seen
    L = (50 + lightness(1, 400, 400).double() / 2).requires_grad_()
    (seen,) = torch.autograd.grad(network(L)[0, 0, 50, 50], L)
    # What each kernel adds beside its middle, in pixels of the input: blocks 1 to 3 at strides 1, 2 and 4,
    # 4 to 7 at stride 8. Then 4 places of stride 8 in a row make the 5 that the end of block 8 takes in.
    expected = 1 + 2 * (2 * 1 + 2 * 2 + 3 * 4 + 3 * 8 + 2 * (3 * 8 * 2) + 3 * 8) + 3 * 8
    for plane in seen[0, 0].nonzero().unbind(1):
        assert plane.max() - plane.min() + 1 == expected == 349


def test_it_learns_what_is_light():
    network, L = zhang16.build(2, width=4), torch.rand(16, 1, 4, 4)
    L = 100 * nn.functional.interpolate(L, scale_factor=4, mode="nearest")
    truth = (nn.functional.avg_pool2d(L, 4) > 50).long()[:, 0]
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
    for _ in range(80):
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(L), truth).backward()
        optimizer.step()
    assert (network(L).argmax(dim=1) == truth).float().mean() > 0.95


def test_the_memory_format_does_not_change_the_answer_and_bfloat16_hardly_does():
    network, L = zhang16.build(5, width=8), lightness(2, 32, 48)
    network(L)  # fills the statistics of batch normalisation
    network.eval()
    expected = network(L)
    network.to(memory_format=torch.channels_last)
    L = L.to(memory_format=torch.channels_last)
    torch.testing.assert_close(network(L), expected, atol=1e-5, rtol=1e-4)
    with torch.autocast("cpu", torch.bfloat16):
        answer = network(L)
    assert answer.dtype == torch.bfloat16
    torch.testing.assert_close(answer.float(), expected, atol=0.05, rtol=0.05)
