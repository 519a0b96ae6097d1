"""Both recipes: several adversaries, LPIPS to learn by, other colour spaces, networks that have a penalty."""

import io
from dataclasses import replace
from itertools import product
from types import SimpleNamespace

import lpips_by_hand
import numpy as np
import pytest
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from tintype.batch import Batch
from tintype.color import lab_to_bytes, lab_to_rgb, rgb_to_lab
from tintype.color_spaces import RGB
from tintype.colorizer import Colorizer, planes_and_penalty
from tintype.console import UserError
from tintype.lpips_metric import Lpips
from tintype.networks.backbones.variational import divergence
from tintype.store import Split
from tintype.training.adversarial import Adversarial
from tintype.training.device import start
from tintype.training.journal import Journal
from tintype.training.pretraining import Pretraining

CLASSES = SimpleNamespace(grid=40, neighbours=5, sigma=15.0, rebalance=1.0, temperature=0.38)
SETTINGS = {
    **{"steps": 10, "warm_up": 0.0, "decay": "constant", "lr": 1e-3, "betas": (0.9, 0.99), "clip": None},
    **{"weight_decay": 0.0, "discriminator_lr": 1e-3, "discriminator_first": 0, "r1": 0.0},
}
MODEL = {"objective": "vanilla", "discriminator": "patch", "width": 4, "pixel": 1.0, "adversarial": 0.2}
MODEL |= {"perceptual": None}
ENERGY = {"objective": "energy", "discriminator": "autoencoder", "margin": 2.0, "pull_away": 0.1}
RUNTIME = SimpleNamespace(accelerator="cpu", devices=1, nodes=1)
TRAINING = SimpleNamespace(precision="float32", compile=False, accumulate=1)
UNET = {"backbone": "unet", "width": 4, "depth": 2, "output_stride": 2}
VARIATIONAL = {"backbone": "variational", "encoder": "alexnet", "latent": 4, "width": 4, "output_stride": 2}


@pytest.fixture(scope="module")
def fabric() -> Fabric:
    return start(RUNTIME, TRAINING, 4)


def pictures(number: int, size: int = 32) -> Batch:
    """Pictures whose left half is dark and red and whose right half is light and blue, with noise in L."""
    L = torch.full((number, 1, size, size), 30.0)
    ab = torch.zeros(number, 2, size, size)
    ab[:, 0, :, : size // 2], ab[:, 1, :, size // 2 :] = 50.0, -40.0
    L[..., size // 2 :] = 60.0
    L += torch.from_numpy(np.random.default_rng(0).normal(0, 3, L.shape)).float()
    return Batch(input=L, L=L, ab=ab)


def colorizer(space: str = "lab", head: str = "l1", seed: int = 0, **generator) -> Colorizer:
    torch.manual_seed(seed)
    classes = {"grid": CLASSES.grid, "temperature": CLASSES.temperature} if head == "classes" else None
    return Colorizer({"head": head, "color_space": space, **(generator or UNET)}, classes)


def pretraining(made: Colorizer, fabric: Fabric, **settings) -> Pretraining:
    histogram, settings = torch.ones(256, 256).long(), SimpleNamespace(**SETTINGS | settings)
    return Pretraining(made, fabric, settings, CLASSES, histogram, compile=False)


def adversarial(
    made: Colorizer, fabric: Fabric, adversaries: str, model=None, perceptual=None, **settings
) -> Adversarial:
    model = SimpleNamespace(**MODEL | {"adversaries": adversaries} | (model or {}))
    settings = SimpleNamespace(**SETTINGS | settings)
    return Adversarial(made, fabric, settings, model, compile=False, perceptual=perceptual)


def gradients(network: nn.Module) -> list[Tensor]:
    return [weight.grad.clone() for weight in network.parameters()]


def same(one: list[Tensor], other: list[Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


# Several adversaries


@pytest.mark.parametrize(
    ("space", "adversaries", "channels"),
    [
        ("rgb", "joint", [[0, 1, 2]]),
        ("rgb", "each", [[0, 1, 2], [0], [1], [2]]),
        ("lab", "joint", [[0, 1]]),
        ("lab", "each", [[0, 1], [0], [1]]),
    ],
)
def test_each_adversary_is_shown_its_own_channels_real_and_generated(fabric, space, adversaries, channels):
    recipe, batch = adversarial(colorizer(space), fabric, adversaries), pictures(2)
    fake, real = recipe.colorizer.network(batch.input), recipe.colorizer.space.scaled(batch.L, batch.ab)
    real = nn.functional.avg_pool2d(real, 2)
    seen = [[] for _ in recipe.adversaries]
    for calls, adversary in zip(seen, recipe.adversaries, strict=True):
        adversary.discriminator.register_forward_pre_hook(lambda _, args, calls=calls: calls.append(args))
    recipe.step(1, [batch])
    for (judged, led), own in zip(seen, channels, strict=True):
        torch.testing.assert_close(judged[1], torch.cat([real, fake])[:, own])
        torch.testing.assert_close(led[1], fake[:, own])
        torch.testing.assert_close(led[0], nn.functional.avg_pool2d(batch.L, 2))


@pytest.mark.parametrize("changed", range(3))
def test_what_a_channels_discriminator_learns_depends_on_that_channel_alone(fabric, changed):
    class Other(RGB):
        def scaled(self, L: Tensor, ab: Tensor) -> Tensor:
            colours = super().scaled(L, ab)
            colours[:, changed] *= 0.5
            return colours

    found = []
    for space in (RGB(), Other()):
        recipe = adversarial(colorizer("rgb"), fabric, "each")
        recipe.colorizer.space = space
        recipe.step(1, [pictures(4)])
        found.append([gradients(adversary.discriminator) for adversary in recipe.adversaries])
        assert all(any(g.abs().max() > 0 for g in of_one) for of_one in found[-1])
    alike = [same(one, other) for one, other in zip(*found, strict=True)]
    assert alike == [False, *(channel != changed for channel in range(3))]


def test_the_generator_is_led_by_the_mean_of_its_adversaries(fabric):
    class Wants:
        """An objective that asks for less of what its discriminator sees."""

        def __init__(self, weight: float, objective) -> None:
            self.weight, self.discriminator = weight, objective.discriminator

        def generator(self, network: nn.Module, L: Tensor, fake: Tensor) -> tuple[Tensor, dict]:
            return self.weight * fake.mean(), {}

    recipe = adversarial(colorizer("rgb"), fabric, "each", {"pixel": 0.0, "adversarial": 2.0})
    for adversary, weight in zip(recipe.adversaries, (3.0, 1.0, 2.0, 6.0), strict=True):
        adversary.objective = Wants(weight, adversary.objective)
    batch = pictures(2)
    red, green, blue = recipe.colorizer.network(batch.input).detach().mean(dim=(0, 2, 3))
    expected = ((red + green + blue) + red + 2 * green + 6 * blue).item() / 4
    figures = recipe.step(1, [batch])
    assert figures["G_adversarial"].item() == pytest.approx(expected, rel=1e-4)
    # Of each channel: a third of the joint one's 3, and its own; half of that, as 2 / 4.
    torch.testing.assert_close(recipe.colorizer.network.head.bias.grad, torch.tensor([1.0, 1.5, 3.5]))


@pytest.mark.parametrize("model", [{}, ENERGY])
@pytest.mark.parametrize("adversaries", ["joint", "each"])
def test_a_recipe_goes_on_from_its_state_to_the_same_next_step(fabric, adversaries, model):
    whole, later = (adversarial(colorizer("rgb", seed=seed), fabric, adversaries, model) for seed in (0, 1))
    batch, file = pictures(4), io.BytesIO()
    for step in (1, 2):
        whole.step(step, [batch])
    held = whole.state()
    for number, adversary in enumerate(whole.adversaries):
        assert held[f"discriminator_{number}"] is adversary.discriminator
        assert held[f"objective_{number}"] is adversary.objective
    assert len(held) == 2 + 3 * len(whole.adversaries)
    torch.save({name: holder.state_dict() for name, holder in held.items()}, file)
    states = torch.load(io.BytesIO(file.getvalue()), weights_only=True)
    for name, holder in later.state().items():
        holder.load_state_dict(states[name])
    expected, found = (recipe.step(3, [batch]) for recipe in (whole, later))
    assert found == expected
    for ours, theirs in zip(later.adversaries, whole.adversaries, strict=True):
        assert same(list(ours.discriminator.parameters()), list(theirs.discriminator.parameters()))
    assert same(list(later.colorizer.parameters()), list(whole.colorizer.parameters()))


# LPIPS among what the generator learns by

PERCEPTUAL = {"pixel": 0.0, "adversarial": 1e-9, "perceptual": 3.0}


@pytest.mark.parametrize(("space", "stride"), [("lab", 2), ("rgb", 2), ("drawing", 2), ("lab", 1)])
def test_the_perceptual_term_is_lpips_of_pictures_at_full_size_times_its_weight(
    fabric, squeezenet, space, stride
):
    made, batch = colorizer(space, **UNET | {"output_stride": stride}), pictures(2)
    # As the recipe has it: rounded otherwise, some ReLU would be on the other side of its kink.
    colours = made.network.to(memory_format=torch.channels_last)(batch.input)
    if space == "lab":
        small = 110 * colours
    else:
        small = rgb_to_lab((colours / 2 + 0.5).clamp(0, 1))[:, 0 if space == "drawing" else 1 :]
    answer = nn.functional.interpolate(small, size=(32, 32), mode="bilinear", align_corners=False)
    answer = answer if space == "drawing" else torch.cat([batch.L, answer], dim=1)
    rgb, truth = lab_to_rgb(answer), lab_to_rgb(torch.cat([batch.L, batch.ab], dim=1))
    distance = lpips_by_hand.distance(squeezenet, rgb, truth).mean()
    expected = torch.autograd.grad(3 * distance, list(made.network.parameters()))

    perceptual = Lpips("squeeze", squeezenet.state_dict())
    before = [weight.clone() for weight in perceptual.parameters()]
    figures = adversarial(made, fabric, "joint", PERCEPTUAL, perceptual).step(1, [batch])
    assert figures["G_perceptual"].item() == pytest.approx(distance.item(), rel=1e-4)
    largest = max(gradient.abs().max().item() for gradient in expected)
    for own, gradient in zip(gradients(made.network), expected, strict=True):
        torch.testing.assert_close(own, gradient, rtol=1e-3, atol=1e-4 * largest)
    assert same(list(perceptual.parameters()), before)


def test_it_adds_to_the_other_terms(fabric, squeezenet):
    found, terms = [], ({"pixel": 2.0}, {"pixel": 0.0, "perceptual": 3.0}, {"pixel": 2.0, "perceptual": 3.0})
    for model in terms:
        made, perceptual = colorizer(), Lpips("squeeze", squeezenet.state_dict())
        adversarial(made, fabric, "joint", {"adversarial": 0.0} | model, perceptual).step(1, [pictures(2)])
        found.append(gradients(made.network))
    for pixel, perceived, both in zip(*found, strict=True):
        torch.testing.assert_close(both, pixel + perceived, rtol=1e-3, atol=1e-6)


def test_in_bfloat16_it_leads_the_same_way(squeezenet):
    distances, found = [], []
    for precision in ("float32", "bfloat16"):
        training = SimpleNamespace(**vars(TRAINING) | {"precision": precision})
        made, perceptual = colorizer(), Lpips("squeeze", squeezenet.state_dict())
        recipe = adversarial(made, start(RUNTIME, training, 4), "joint", PERCEPTUAL, perceptual)
        distances.append(recipe.step(1, [pictures(4)])["G_perceptual"].item())
        found.append(torch.cat([gradient.flatten() for gradient in gradients(made.network)]))
    assert distances[1] == pytest.approx(distances[0], rel=0.02)
    assert torch.cosine_similarity(*found, dim=0) > 0.5


def test_by_the_perceptual_term_alone_a_batch_comes_to_look_like_the_truth(fabric, squeezenet):
    made, batch = colorizer(), pictures(4)
    perceptual = Lpips("squeeze", squeezenet.state_dict())
    terms = {"pixel": 0.0, "adversarial": 0.0, "perceptual": 1.0}
    recipe = adversarial(made, fabric, "joint", terms, perceptual, lr=1e-2)
    found = [recipe.step(step, [batch])["G_perceptual"].item() for step in range(1, 41)]
    assert found[-1] < 0.3 * found[0]


def test_without_it_lpips_is_not_asked_and_nothing_is_otherwise(fabric):
    def refuse(*_):
        raise AssertionError("LPIPS was computed")

    asked, found = SimpleNamespace(loss=refuse, to=refuse), []
    for perceptual in (None, asked):
        made = colorizer()
        figures = adversarial(made, fabric, "joint", perceptual=perceptual).step(1, [pictures(4)])
        found.append((figures, list(made.parameters())))
        assert "G_perceptual" not in figures
    (one, ours), (other, theirs) = found
    assert one == other and same(ours, theirs)


def test_without_the_weights_of_lpips_nothing_can_be_learned_by_it(fabric):
    with pytest.raises(UserError, match=r"perceptual: found 3\.0, allowed: left out, .*name a file of them"):
        adversarial(colorizer(), fabric, "joint", PERCEPTUAL)


# A network's own penalty


def divergence_of(made: Colorizer, batch: Batch) -> Tensor:
    return divergence(*made.network.encode(batch.input)).mean()


def test_the_divergence_of_a_variational_generator_is_part_of_what_pretraining_lowers(fabric):
    batch, losses = pictures(4), []
    for kl in (0.0, 0.5):
        recipe = pretraining(colorizer(**VARIATIONAL, kl=kl), fabric)
        expected = kl * divergence_of(recipe.colorizer, batch).item()
        torch.manual_seed(3)  # of the drawn z
        losses.append(recipe.step(1, [batch])["loss"].item())
    assert expected > 1e-3
    assert losses[1] - losses[0] == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("kl", [0.0, 0.5])
def test_the_divergence_of_a_variational_generator_is_part_of_what_adversarial_training_lowers(fabric, kl):
    batch, made = pictures(4), colorizer("rgb", **VARIATIONAL, kl=kl)
    recipe = adversarial(made, fabric, "joint", {"pixel": 0.0, "adversarial": 0.0})
    layer = made.network.code.weight
    (expected,) = torch.autograd.grad(kl * divergence_of(made, batch), layer)
    assert (expected.abs().max() > 0) == (kl > 0)
    recipe.step(1, [batch])
    torch.testing.assert_close(layer.grad, expected)


def test_most_networks_have_no_penalty():
    planes, penalty = planes_and_penalty(torch.ones(3, 2, 4, 4))
    assert torch.equal(planes, torch.ones(3, 2, 4, 4)) and torch.equal(penalty, torch.zeros(3))


# Colours drawn at random


def test_a_variational_generator_that_was_trained_draws_different_colourings_by_its_z_alone(fabric):
    made, batch = colorizer(head="l2", **VARIATIONAL, kl=1e-3), pictures(8)
    recipe = pretraining(made, fabric, lr=3e-3)
    torch.manual_seed(0)
    for step in range(1, 16):
        recipe.step(step, [batch])
    model, L = made.eval(), batch.input[:2]
    two = Batch(L, batch.L[:2], batch.ab[:2])
    with torch.no_grad():
        sure = model(L)
        torch.manual_seed(99)  # no draw of torch's own matters any more
        assert torch.equal(model(L), sure)
    one, again, other = (model.sample(two, 4, seed) for seed in (1, 1, 2))
    assert one.shape == (4, 2, 3, 32, 32)
    one, again, other = (drawn[:, :, 1:] for drawn in (one, again, other))
    assert torch.equal(one, again)
    spread = (one - one.mean(dim=0)).norm(dim=2).mean()
    assert spread > 0.5, "units of ab"
    assert (one - other).norm(dim=2).mean() > 0.5 * spread

    nn.init.zeros_(made.network.log_variance.weight)
    nn.init.constant_(made.network.log_variance.bias, -1e4)  # hardly any variance
    drawn = model.sample(two, 4, 1)[:, :, 1:]
    assert (drawn - sure).norm(dim=2).mean() < 0.03 * spread
    assert torch.equal(made(L), sure), "the mean is still the same"


# Other colour spaces and heads


HEADS = [("lab", "classes"), *product(("lab", "rgb"), ("l1", "l2", "smooth_l1"))]


@pytest.mark.parametrize(("space", "head"), HEADS)
def test_any_head_learns_the_colours_of_a_batch_in_any_space_that_it_has(fabric, space, head):
    recipe, batch = pretraining(colorizer(space, head), fabric, lr=1e-2), pictures(4)
    for step in range(1, 61):
        recipe.step(step, [batch])
    model = recipe.colorizer.eval()
    with torch.no_grad():
        far = (model(batch.input) - batch.ab).norm(dim=1)
    assert far.median() < 20 < batch.ab.norm(dim=1).median()


class Run:
    """A run of tracking that keeps what is told of problems."""

    def __init__(self) -> None:
        self.tags = []

    def tag(self, key: str, value: str) -> None:
        self.tags.append((key, value))

    def metrics(self, step: int, values: dict[str, float]) -> None:
        pass

    def image(self, key: str, step: int, picture: np.ndarray) -> None:
        pass


def test_a_generator_of_lightness_learns_it_and_its_grey_is_no_problem(fabric, tmp_path, make_store):
    batch, validated = pictures(4), {}
    lab = lab_to_bytes(batch.lab).numpy()
    make_store(tmp_path, "val", [np.concatenate([picture[:1], picture]) for picture in lab])
    for space in ("lightness", "lab"):
        recipe, run = pretraining(colorizer(space), fabric, lr=1e-2), Run()
        grey = replace(batch, ab=torch.zeros_like(batch.ab))  # what a generator of Lab is to give up on
        split = Split(tmp_path, "val")
        journal = Journal(run, split, recipe.validate, recipe.score, torch.device("cpu"))
        with journal.shown("train try", 0, 60):
            for step in range(1, 61):
                journal.step(recipe.step(step, [grey]))
            row = journal.row(60, recipe.colorizer.eval())
        validated[space] = row, run.tags
    row, tags = validated["lightness"]
    assert row["val_loss"] < 0.1, "5 units of lightness"
    assert row["val_chroma_ratio"] == 0 and not tags
    ((key, value),) = validated["lab"][1]
    assert key == "problem" and "grey" in value
