"""Heads: distances by hand, what constant answer each of them likes best, and colour as classes."""

import math
from importlib import import_module
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from tintype import ab_classes
from tintype.color_spaces import SPACES
from tintype.colorizer import FILE, Colorizer
from tintype.networks.heads import classes, l1, l2, smooth_l1

REGRESSION = ["l1", "l2", "smooth_l1"]
CLASSES = SimpleNamespace(grid=30, neighbours=5, sigma=15.0, rebalance=1.0)
FLAT = torch.ones(256, 256).long()


def loss(name: str, planes: Tensor, colours: Tensor) -> Tensor:
    """Of the head `name`, which needs neither classes nor a histogram."""
    head = import_module(f"tintype.networks.heads.{name}").Head(planes.shape[1], None)
    return head.loss(FLAT, None)(planes, colours)


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (l1, [0, 0.05, 0.1, 0.3, 2]),
        (l2, [0, 0.00125, 0.005, 0.045, 2]),
        # Below 0.1 squared, (1/20)^2 / (2/10); above, a line that is 1/20 lower than that of l1.
        (smooth_l1, [0, 0.0125, 0.05, 0.25, 1.95]),
    ],
)
def test_each_distance_by_hand(head, expected):
    x, difference = torch.tensor([0.0, 0.5, -0.2, 0.7, -1]), torch.tensor([0.0, 0.05, 0.1, 0.3, 2])
    for sign in (1, -1):
        torch.testing.assert_close(head.Head.distance(x, x + sign * difference), torch.tensor(expected))


@pytest.mark.parametrize(
    ("name", "of_1", "of_2"), [("l1", 1, 2), ("l2", 1 / 2, 2), ("smooth_l1", 0.95, 1.95)]
)
def test_the_loss_is_a_mean_over_pixels_and_channels_of_each_picture(name, of_1, of_2):
    colours = torch.zeros(2, 3, 2, 2)
    colours[0, 1] = 1  # one channel of three
    colours[1, 2, 0, 1] = -2  # one value of twelve
    found = loss(name, torch.zeros(2, 3, 2, 2), colours)
    torch.testing.assert_close(found, torch.tensor([of_1 / 3, of_2 / 12]))


@pytest.mark.parametrize(
    ("name", "slopes"),
    [("l1", [1, 1, -1, 0]), ("l2", [0.04, 0.3, -2, 0]), ("smooth_l1", [0.4, 1, -1, 0])],
)
def test_the_gradient_reaches_the_planes(name, slopes):
    planes = torch.tensor([0.04, 0.3, -2, 0])[None, None, None].requires_grad_()
    loss(name, planes, torch.zeros(1, 1, 1, 4)).sum().backward()
    torch.testing.assert_close(planes.grad.flatten(), torch.tensor(slopes) / 4)


@pytest.mark.parametrize(
    ("name", "best"),
    # Of smooth_l1: the slopes 3 c / 0.1 + (c - 0.1) / 0.1 - 1 are 0 at 1/20.
    [("l1", 0.0), ("l2", 0.2), ("smooth_l1", 0.05)],
)
def test_the_best_constant_is_the_median_or_the_mean_or_between_them(name, best):
    plausible, constants = torch.tensor([0, 0, 0, 0.1, 0.9]), torch.linspace(-1, 1, 401)
    shape = (401, 1, 1, 5)
    found = loss(name, constants[:, None, None, None].expand(shape), plausible.expand(shape))
    assert constants[found.argmin()].item() == pytest.approx(best, abs=1e-6)


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
@pytest.mark.parametrize("name", REGRESSION)
def test_planes_of_regression_are_the_colours_themselves(name, space):
    head = import_module(f"tintype.networks.heads.{name}").Head(space.channels, None)
    assert head.planes == space.channels and not head.state_dict()
    planes = torch.randn(2, space.channels, 3, 4).bfloat16()
    assert head(planes).dtype == torch.float32 and torch.equal(head(planes), planes.float())
    assert loss(name, planes, torch.zeros(planes.shape)).dtype == torch.float32


# Classes


def classes_head(temperature: float = 0.38, **settings):
    """The head, and the loss that it learns by, with a histogram in which all but a few pixels are grey."""
    settings = SimpleNamespace(**vars(CLASSES) | settings)
    head = classes.Head(2, {"grid": settings.grid, "temperature": temperature})
    histogram = torch.zeros(256, 256).long()
    histogram[128, 128], histogram[128 + 60, 128 + 60] = 9999, 1
    return head, head.loss(histogram, settings)


def flat(*colours: tuple[float, float]) -> Tensor:
    """Scaled colours: a picture (2, 2, 2) of each (a, b)."""
    return torch.tensor(colours)[:, :, None, None].expand(-1, 2, 2, 2) / 110


@pytest.mark.parametrize("rebalance", [0.0, 0.5, 1.0])
def test_the_loss_of_classes_is_the_cross_entropy_of_what_is_looked_up(rebalance):
    head, loss = classes_head(rebalance=rebalance)
    random = torch.Generator().manual_seed(0)
    logits = torch.randn(2, head.planes, 3, 4, generator=random)
    ab = 120 * torch.rand(2, 2, 3, 4, generator=random) - 60
    tables = ab_classes.soft_encoding(head.centres, CLASSES.neighbours, CLASSES.sigma)
    histogram = torch.zeros(256, 256).long()
    histogram[128, 128], histogram[128 + 60, 128 + 60] = 9999, 1
    weights = ab_classes.class_weights(ab_classes.prior(histogram, head.centres, CLASSES.sigma), rebalance)
    expected = ab_classes.cross_entropy(logits, *(ab_classes.look_up(t, ab) for t in tables), weights)
    assert expected.shape == (2,)
    torch.testing.assert_close(loss(logits, ab / 110), expected)


def test_rebalanced_wholly_all_classes_weigh_alike_and_otherwise_rare_ones_more():
    pictures = flat((0, 0), (60, 60))  # frequent, rare
    head, loss = classes_head(rebalance=1.0)
    undecided = torch.zeros(2, head.planes, 2, 2)
    torch.testing.assert_close(loss(undecided, pictures), torch.full((2,), math.log(head.planes)))
    _, loss = classes_head(rebalance=0.5)
    frequent, rare = loss(undecided, pictures) / math.log(head.planes)
    assert frequent < 1 < rare


def test_sure_of_the_right_class_nothing_is_lost_and_of_another_much():
    head, loss = classes_head(neighbours=1)
    right = int((head.centres == torch.tensor([30.0, -30.0])).all(dim=1).nonzero())
    logits = torch.zeros(2, head.planes, 2, 2)
    logits[0, right], logits[1, right - 1] = 50, 50
    logits.requires_grad_()
    found = loss(logits, flat((30, -30), (30, -30)))
    torch.testing.assert_close(found, torch.tensor([0.0, 50.0]))
    found.sum().backward()
    # Each of four pixels: the probabilities minus the truth.
    torch.testing.assert_close(logits.grad[1, right], torch.full((2, 2), -1 / 4))


def test_the_colour_of_classes_is_their_annealed_mean_at_the_scale_of_all_colours():
    head, _ = classes_head(temperature=0.5)
    logits = torch.full((1, head.planes, 1, 2), -1e4)
    logits[0, 3], logits[0, 8] = 0, 0
    logits[0, 3, 0, 1] = math.log(3) / 2  # at temperature 1/2, three times as likely
    expected = torch.stack(
        [(head.centres[3] + head.centres[8]) / 2, (3 * head.centres[3] + head.centres[8]) / 4]
    )
    torch.testing.assert_close(head(logits)[0, :, 0].T, expected / 110)


def test_the_centres_are_saved_with_the_model(tmp_path):
    settings = {"width": 4, "depth": 1, "output_stride": 2}
    colorizer = Colorizer(
        {"backbone": "unet", "head": "classes", "color_space": "lab", **settings},
        {"grid": 30, "temperature": 0.38},
    )
    colorizer.head.centres += 1  # as another way to choose them would
    colorizer.save(tmp_path, {})
    expected = ab_classes.displayable_centres(30) + 1
    assert torch.equal(load_file(tmp_path / FILE)["head.centres"], expected)
    assert torch.equal(Colorizer.load(tmp_path).head.centres, expected)
