"""Both recipes learn, divide batches and clip as they say; the average of weights; the choice of devices."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.nn.utils import get_total_norm

from tintype.ab_classes import soft_encoding
from tintype.batch import Batch
from tintype.color import into_gamut, lab_to_rgb
from tintype.colorizer import Colorizer
from tintype.console import UserError
from tintype.lpips_metric import Lpips
from tintype.training.adversarial import Adversarial
from tintype.training.device import start
from tintype.training.loop import Average
from tintype.training.pretraining import Pretraining

CLASSES = SimpleNamespace(grid=30, neighbours=5, sigma=15.0, rebalance=1.0, temperature=0.38)
SETTINGS = {
    **{"steps": 10, "warm_up": 0.0, "decay": "constant", "lr": 1e-2, "betas": (0.9, 0.99), "clip": None},
    **{"weight_decay": 0.0, "discriminator_lr": 1e-3, "discriminator_first": 0, "r1": 0.0},
    **{"batch_size": 4, "ema": 0.0, "patience": None, "smaller": None},
}
MODEL = {
    "objective": "vanilla",
    "discriminator": "patch",
    "adversaries": "joint",
    "width": 8,
    "pixel": 1.0,
    "adversarial": 0.2,
    "perceptual": None,
}
ENERGY = {"objective": "energy", "discriminator": "autoencoder", "margin": 2.0, "pull_away": 0.1}
RUNTIME = SimpleNamespace(accelerator="cpu", devices=1, nodes=1, checkpoint_every=1e9, tracking=None)
TRAINING = SimpleNamespace(
    precision="float32", compile=False, accumulate=1, validate_every=1, flip=False, film=0.0, masked=0.0
)


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


@pytest.fixture(scope="module")
def fabric() -> Fabric:
    return start(RUNTIME, TRAINING, 4)


class Plain(nn.Sequential):
    """A generator without statistics of batches, with the same answer for a picture in any batch."""

    stride, multiple = 2, 2

    def __init__(self, outputs: int) -> None:
        super().__init__(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, outputs, 2, stride=2))


def colorizer(plain: bool = True) -> Colorizer:
    made = Colorizer(
        {
            "backbone": "unet",
            "head": "classes",
            "color_space": "lab",
            "width": 8,
            "depth": 2,
            "output_stride": 2,
        },
        {"grid": 30, "temperature": 0.38},
    )
    if plain:
        made.network = Plain(made.head.planes)
    return made


def pictures(number: int, size: int = 16) -> Batch:
    """Pictures whose left half is dark and red and whose right half is light and blue, with noise in L."""
    L = torch.full((number, 1, size, size), 30.0)
    ab = torch.zeros(number, 2, size, size)
    ab[:, 0, :, : size // 2], ab[:, 1, :, size // 2 :] = 50.0, -60.0
    L[..., size // 2 :] = 70.0
    L += torch.from_numpy(np.random.default_rng(0).normal(0, 3, L.shape)).float()
    return Batch(input=L, L=L, ab=ab)


def halves(batch: Batch) -> list[Batch]:
    middle = len(batch.L) // 2
    return [Batch(batch.input[s], batch.L[s], batch.ab[s]) for s in (slice(middle), slice(middle, None))]


def pretraining(fabric: Fabric, plain: bool = True, **settings) -> Pretraining:
    torch.manual_seed(0)
    found = SimpleNamespace(**SETTINGS | settings)
    return Pretraining(colorizer(plain), fabric, found, CLASSES, torch.ones(256, 256).long(), compile=False)


def adversarial(fabric: Fabric, model: dict | None = None, perceptual=None, **settings) -> Adversarial:
    torch.manual_seed(0)
    model = SimpleNamespace(**MODEL | (model or {}))
    settings = SimpleNamespace(**SETTINGS | settings)
    recipe = Adversarial(colorizer(), fabric, settings, model, compile=False, perceptual=perceptual)
    judge(recipe).eval()  # spectral normalisation then does not depend on how often it ran
    return recipe


def judge(recipe: Adversarial) -> nn.Module:
    return recipe.adversaries[0].discriminator


def gradients(network: nn.Module) -> list[Tensor]:
    return [weight.grad.clone() for weight in network.parameters()]


def weights(network: nn.Module) -> list[Tensor]:
    return [weight.detach().clone() for weight in network.parameters()]


def same(one: list[Tensor], other: list[Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


# The recipe of pretraining


def test_pretraining_learns_one_batch_by_heart(fabric):
    recipe, batch = pretraining(fabric, plain=False), pictures(4)
    losses = [recipe.step(step, [batch])["loss"].item() for step in range(1, 61)]
    # No distribution predicts a soft-encoded target better than the target itself: its entropy is the floor.
    _, tables = soft_encoding(recipe.colorizer.head.centres, CLASSES.neighbours, CLASSES.sigma)
    shares = tables[[178, 128], [128, 68]]
    floor = -(shares * shares.log()).sum(dim=1).mean()
    assert losses[0] > 3 and losses[-1] < floor + 0.3
    model = recipe.colorizer.eval()
    assert (model(batch.input) - batch.ab).norm(dim=1).median() < 12
    planes = model.network(batch.input)
    assert recipe.validate(model, batch, planes, model(batch.input))["val_loss"].shape == (4,)


def test_a_pretraining_step_in_two_parts_is_the_step_in_one(fabric):
    whole, parts = pretraining(fabric), pretraining(fabric)
    batch = pictures(4)
    found = whole.step(1, [batch]), parts.step(1, halves(batch))
    torch.testing.assert_close(found[0], found[1])
    for one, other in zip(gradients(whole.network), gradients(parts.network), strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("clip", [None, 1e-3])
def test_the_gradient_that_pretraining_applies_is_clipped_and_the_one_it_reports_is_not(fabric, clip):
    recipe = pretraining(fabric, clip=clip)
    norm = recipe.step(1, [pictures(4)])["grad_norm"]
    applied = get_total_norm(gradients(recipe.colorizer.network))
    assert norm > 1e-2
    torch.testing.assert_close(applied, torch.tensor(clip) if clip else norm, rtol=1e-3, atol=0)


def test_each_step_has_the_rate_of_the_schedule(fabric):
    ours, model = (recipe(fabric, warm_up=0.5) for recipe in (pretraining, adversarial))
    for step in (1, 5):
        for recipe in (ours, model):
            recipe.step(step, [pictures(4, size=32)])
        rates = [
            o.param_groups[0]["lr"]
            for o in (ours.optimizer, model.G_optimizer, model.adversaries[0].optimizer)
        ]
        assert rates == pytest.approx([step / 5 * rate for rate in (1e-2, 1e-2, 1e-3)])


# The adversarial recipe


@pytest.mark.parametrize("model", [{}, {"perceptual": 1.0}], ids=["plain", "perceptual"])
def test_an_adversarial_step_in_two_parts_is_the_step_in_one(fabric, squeezenet, model):
    whole, parts = (
        adversarial(fabric, model, Lpips("squeeze", squeezenet.state_dict()), discriminator_lr=1e-9, r1=1.0)
        for _ in range(2)
    )
    batch = pictures(4, size=32)
    found = whole.step(1, [batch]), parts.step(1, halves(batch))
    assert ("G_perceptual" in found[0]) == bool(model)
    torch.testing.assert_close(found[0], found[1], rtol=1e-4, atol=1e-6)
    for ours, theirs in ((judge(whole), judge(parts)), (whole.colorizer, parts.colorizer)):
        for one, other in zip(gradients(ours), gradients(theirs), strict=True):
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("parts", [1, 2])
def test_the_discriminator_learns_alone_at_first_and_then_both_do(fabric, parts):
    recipe, batch = adversarial(fabric, discriminator_first=2), pictures(4, size=32)
    pieces, G, D = [batch] if parts == 1 else halves(batch), recipe.colorizer.network, judge(recipe)
    start = weights(G)
    for step in (1, 2):
        before = weights(D)
        assert not any(name.startswith("G_") for name in recipe.step(step, pieces))
        assert same(weights(G), start) and not same(weights(D), before)
    assert {"G_pixel", "G_adversarial", "G_grad_norm"} <= set(recipe.step(3, pieces))
    assert not same(weights(G), start)


def test_the_generators_turn_gives_the_discriminator_no_gradient(fabric):
    batch, found = pictures(4, size=32), []
    for weight in (0.0, 1e6):
        recipe = adversarial(fabric, model={"adversarial": weight})
        recipe.step(1, [batch])
        assert all(parameter.requires_grad for parameter in judge(recipe).parameters())
        found.append(gradients(judge(recipe)))
    assert same(*found)


@pytest.mark.parametrize("clip", [None, 1e-4])
def test_the_gradients_that_both_networks_apply_are_clipped_and_those_reported_are_not(fabric, clip):
    recipe = adversarial(fabric, clip=clip)
    figures = recipe.step(1, [pictures(4, size=32)])
    for name, network in (("D", judge(recipe)), ("G", recipe.colorizer.network)):
        norm, applied = figures[f"{name}_grad_norm"], get_total_norm(gradients(network))
        assert norm > 1e-3
        torch.testing.assert_close(applied, torch.tensor(clip) if clip else norm, rtol=1e-2, atol=0)


@pytest.mark.parametrize("model", [{}, ENERGY])
def test_the_penalty_has_its_gradient_in_bfloat16_too(model):
    settings = changed(TRAINING, precision="bfloat16")
    figures = adversarial(start(RUNTIME, settings, 4), model, r1=2.0).step(1, [pictures(4, size=32)])
    plain = adversarial(start(RUNTIME, settings, 4), model).step(1, [pictures(4, size=32)])
    assert all(value.isfinite() for value in figures.values())
    assert figures["D_loss"] > plain["D_loss"] and figures["D_grad_norm"] != plain["D_grad_norm"]


@pytest.mark.parametrize("perceptual", [None, lambda rgb, truth: (rgb - truth).abs().mean(dim=(1, 2, 3))])
def test_the_score_of_the_truth_is_0_and_that_of_grey_2(fabric, perceptual):
    recipe, batch = adversarial(fabric, perceptual=perceptual), pictures(3)
    truth = into_gamut(batch.lab)[:, 1:]
    batch = Batch(batch.input, batch.L, truth)
    assert lab_to_rgb(batch.lab).std() > 0.1

    def scores(ab: Tensor) -> dict[str, float]:
        found = recipe.validate(recipe.colorizer, batch, ab, torch.cat([batch.L, ab], dim=1))
        assert all(values.shape == (3,) for values in found.values())
        return recipe.score({name: values.mean().item() for name, values in found.items()})

    for colours, score in ((truth, 0.0), (torch.zeros_like(truth), 2.0)):
        found = scores(colours)
        assert ("val_lpips" in found) == bool(perceptual)
        assert found["val_score"] == pytest.approx(score, abs=2e-3)
    assert 0.5 < scores(truth / 2)["val_score"] < 1.5


# The average of the weights


def test_the_average_follows_the_weights_and_copies_the_statistics(tmp_path):
    model = nn.Sequential(nn.Linear(1, 1, bias=False), nn.BatchNorm1d(1))
    nn.init.zeros_(model[0].weight)
    average, resumed = Average(model, decay=0.5), Average(model, decay=0.5)
    expected = 0.0
    for step in range(1, 5):
        nn.init.constant_(model[0].weight, float(step))
        model[1].running_mean.fill_(step)
        average.update(model)
        torch.save(average.state_dict(), tmp_path / "state.pt")
        resumed.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
        average, resumed = resumed, average
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * step
    assert average.model[0].weight.item() == pytest.approx(expected)
    assert average.model[1].running_mean.item() == 4
    assert not average.model.training and not any(p.requires_grad for p in average.model.parameters())


# Devices


def changed(namespace: SimpleNamespace, **values) -> SimpleNamespace:
    return SimpleNamespace(**vars(namespace) | values)


def test_the_choice_of_device_and_precision_is_said_with_its_reason(capsys):
    assert start(RUNTIME, TRAINING, 4).device.type == "cpu"
    said = capsys.readouterr().out
    assert "1 x CPU" in said and "float32 (set in params.yaml)" in said and "not compiled" in said
    start(RUNTIME, changed(TRAINING, precision="auto"), 4)
    assert "this CPU has" in capsys.readouterr().out


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
def test_asking_for_cuda_where_there_is_none_is_a_mistake_that_is_explained():
    with pytest.raises(
        UserError, match=r"runtime\.accelerator: found cuda with 1 devices, but PyTorch sees 0"
    ):
        start(changed(RUNTIME, accelerator="cuda"), TRAINING, 4)


@pytest.mark.parametrize(("devices", "nodes", "accumulate"), [(1, 1, 3), (3, 1, 1), (2, 2, 4), (1, 5, 1)])
def test_a_batch_that_devices_and_parts_do_not_divide_is_refused_before_any_process_starts(
    devices, nodes, accumulate
):
    several = changed(RUNTIME, devices=devices, nodes=nodes)
    with pytest.raises(
        UserError, match=rf"batch_size: found 8, .*multiple of {devices * nodes * accumulate},"
    ):
        start(several, changed(TRAINING, accumulate=accumulate), 8)
