"""Least squares, hinge and Wasserstein: values by hand, the penalty in closed form, and learning by each."""

from importlib import import_module
from types import SimpleNamespace
from typing import get_args

import pytest
import torch
from torch import Tensor, nn

from tintype import ranks
from tintype.adversaries import hinge, least_squares, wasserstein_gp
from tintype.networks.discriminators import patch, whole
from tintype.params_schema import Judging, WassersteinGP

REAL, FAKE = torch.tensor([2.0, 0.5, -1.0]), torch.tensor([-3.0, 0.0, 1.5])


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


class Answers(nn.Module):
    """Answers the mean of the colours times `slope`; a map with one place."""

    def __init__(self, slope: float = 1.0) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.tensor(slope))

    def forward(self, L: Tensor, ab: Tensor) -> Tensor:
        return self.slope * ab.mean(dim=(1, 2, 3), keepdim=True)


def colours(answers: Tensor) -> Tensor:
    """Flat ab pictures (N, 2, 2, 2) to which `Answers` gives these answers."""
    return answers[:, None, None, None].expand(-1, 2, 2, 2)


@pytest.mark.parametrize(
    ("objective", "of_discriminator", "of_generator"),
    [
        # ((1 + 1/4 + 4) / 3 + (9 + 0 + 9/4) / 3) / 2; (16 + 1 + 1/4) / 3 / 2
        (least_squares, 2.75, 2.875),
        # (0 + 1/2 + 2) / 3 + (0 + 1 + 5/2) / 3; the mean of the fakes is -1/2
        (hinge, 2.0, 0.5),
        (wasserstein_gp, -1.0, 0.5),
    ],
)
def test_losses_by_hand(objective, of_discriminator, of_generator):
    assert objective.discriminator_loss(REAL, FAKE).item() == pytest.approx(of_discriminator)
    assert objective.generator_loss(FAKE).item() == pytest.approx(of_generator)


def test_least_squares_has_nothing_to_learn_where_answers_are_0_and_1():
    ones, zeros = torch.ones(2, 1, 3, 3), torch.zeros(2, 1, 3, 3)
    assert least_squares.discriminator_loss(ones, zeros) == 0 == least_squares.generator_loss(ones)


def test_hinge_does_not_reward_answers_beyond_the_margin():
    beyond = torch.tensor([1.0, 30.0]).requires_grad_()
    hinge.discriminator_loss(beyond, -beyond).backward()
    assert beyond.grad.abs().max() == 0


@pytest.mark.parametrize(
    ("module", "accuracy"),
    # Real above and fakes below 1/2, or 0; of pairs, 6 of 9 have the real one higher.
    [(least_squares, (1 / 3 + 2 / 3) / 2), (hinge, (2 / 3 + 1 / 3) / 2), (wasserstein_gp, 6 / 9)],
)
def test_objectives_give_their_losses_and_how_often_the_discriminator_is_right(module, accuracy):
    objective = module.Objective(SimpleNamespace(gradient_penalty=0.0))
    L, real, fake = torch.zeros(3, 1, 2, 2), colours(REAL), colours(FAKE)
    loss, figures = objective.discriminator(Answers(), L, real, fake, 0.0)
    assert loss.item() == pytest.approx(module.discriminator_loss(REAL, FAKE).item())
    assert figures["D_real"].item() == pytest.approx(0.5) and figures["D_fake"].item() == pytest.approx(-0.5)
    assert figures["D_accuracy"].item() == pytest.approx(accuracy)
    loss, _ = objective.generator(Answers(), L, fake)
    assert loss.item() == pytest.approx(module.generator_loss(FAKE).item())
    assert not any(value.requires_grad for value in figures.values())


@pytest.mark.parametrize("slope", [1.0, 3.0, 20.0])
def test_the_gradient_penalty_is_how_far_the_slope_is_from_1(slope):
    critic, objective = Answers(slope), wasserstein_gp.Objective(SimpleNamespace(gradient_penalty=10.0))
    L, real, fake = torch.zeros(3, 1, 2, 2), colours(REAL), colours(FAKE)
    loss, figures = objective.discriminator(critic, L, real, fake, 0.0)
    # The mean of 8 values has a gradient of 1/8 in each.
    norm = slope * (8 * (1 / 8) ** 2) ** 0.5
    assert figures["D_slope"].item() == pytest.approx(norm)
    assert loss.item() == pytest.approx(-slope + 10 * (norm - 1) ** 2, rel=1e-5)
    loss.backward()
    assert critic.slope.grad.item() == pytest.approx(-1 + 20 * (norm - 1) * norm / slope, rel=1e-4)


def test_the_penalty_is_measured_between_real_and_generated_colours():
    seen = []

    class Watched(Answers):
        def forward(self, L: Tensor, ab: Tensor) -> Tensor:
            seen.append((len(L), ab))
            return super().forward(L, ab)

    real, fake = random(4, 2, 2, 2), random(4, 2, 2, 2, seed=1)
    objective = wasserstein_gp.Objective(SimpleNamespace(gradient_penalty=10.0))
    torch.manual_seed(5)
    objective.discriminator(Watched(), torch.zeros(4, 1, 2, 2), real, fake, 0.0)
    ((number, ab),) = seen
    assert number == 12 and torch.equal(ab[:8], torch.cat([real, fake]))
    torch.manual_seed(5)
    shares = torch.rand(4)[:, None, None, None]
    torch.testing.assert_close(ab[8:], shares * real + (1 - shares) * fake)


def test_ranks_draw_their_parts_of_one_draw(monkeypatch):
    torch.manual_seed(3)
    whole_draw, parts = torch.rand(6), []
    monkeypatch.setattr(ranks, "count", lambda: 2)
    for rank in range(2):
        monkeypatch.setattr(ranks.distributed, "get_rank", lambda rank=rank: rank)
        torch.manual_seed(3)
        parts.append(ranks.drawn(3))
    assert torch.equal(torch.cat(parts), whole_draw)


def names(section: type, key: str) -> tuple[str, ...]:
    return get_args(section.model_fields[key].annotation)


@pytest.mark.parametrize("discriminator", [patch, whole])
@pytest.mark.parametrize("name", [*names(Judging, "objective"), *names(WassersteinGP, "objective")])
def test_a_discriminator_learns_to_tell_colours_from_grey(name, discriminator):
    torch.manual_seed(0)
    objective = import_module(f"tintype.adversaries.{name}").Objective(SimpleNamespace(gradient_penalty=1.0))
    network = discriminator.build(width=8, channels=2)
    optimizer = torch.optim.Adam(network.parameters(), lr=5e-3, betas=(0.5, 0.999))
    L, real, fake = 50 + random(8, 1, 32, 32), 40 + random(8, 2, 32, 32), random(8, 2, 32, 32, seed=1)
    for _ in range(60):
        loss, figures = objective.discriminator(network, L, real, fake, 0.0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert figures["D_accuracy"] > 0.9 and figures["D_real"] > figures["D_fake"]
    colour = fake.clone().requires_grad_()
    objective.generator(network, L, colour)[0].backward()
    assert (colour - 1e3 * colour.grad).mean() > fake.mean(), "the generator is led towards the real colours"
