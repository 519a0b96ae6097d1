"""The gradient penalty R1 in closed form, and that one pass judges as two would."""

from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

from tintype.adversaries import energy, vanilla
from tintype.adversaries.penalty import judged
from tintype.networks.discriminators import autoencoder, patch


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


class Linear(nn.Module):
    """D(ab) = a sum of ab with a weight for each value; in `places` equal parts, if any."""

    def __init__(self, places: int = 0) -> None:
        super().__init__()
        self.weight, self.places = nn.Parameter(random(2, 3, 4)), places

    def forward(self, L: Tensor, ab: Tensor) -> Tensor:
        answer = (ab * self.weight).sum(dim=(1, 2, 3))
        return answer[:, None, None, None].expand(-1, 1, 1, self.places) if self.places else answer


class Quadratic(nn.Module):
    """D(ab) = half the square of the norm of ab, times a weight."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(3.0))

    def forward(self, L: Tensor, ab: Tensor) -> Tensor:
        return self.weight / 2 * ab.square().sum(dim=(1, 2, 3))


def planes(number: int = 5) -> tuple[Tensor, Tensor, Tensor]:
    """L, real and fake."""
    return torch.zeros(number, 1, 3, 4), 50 * random(number, 2, 3, 4, seed=1), 50 * random(number, 2, 3, 4)


def identity(judgement: Tensor) -> Tensor:
    return judgement


# Where a discriminator gives a judgement for each place, D is their mean.
@pytest.mark.parametrize("places", [0, 1, 6])
def test_the_penalty_of_a_linear_discriminator_is_its_slope_wherever_the_pictures_lie(places):
    network = Linear(places)
    _, penalty = judged(network, *planes(), 0.6, identity)
    torch.testing.assert_close(penalty, 0.6 / 2 * network.weight.square().sum())
    penalty.backward()
    torch.testing.assert_close(network.weight.grad, 0.6 * network.weight.detach())


def test_the_penalty_of_a_quadratic_discriminator_is_the_mean_square_of_real_pictures():
    network, (L, real, fake) = Quadratic(), planes()
    _, penalty = judged(network, L, real, fake, 2.0, identity)
    squares = real.square().sum(dim=(1, 2, 3)).mean()
    torch.testing.assert_close(penalty, 3.0**2 * squares)
    # It has a gradient of its own, which teaches the discriminator: d/dw w^2 E|x|^2.
    (of_weight,) = torch.autograd.grad(penalty, network.weight)
    torch.testing.assert_close(of_weight, 2 * 3.0 * squares)


def test_fake_pictures_have_no_part_in_the_penalty():
    L, real, fake = planes()
    penalties = [judged(Quadratic(), L, real, other, 1.0, identity)[1] for other in (fake, 9 * fake)]
    assert torch.equal(*penalties)


@pytest.mark.parametrize("r1", [0.0, 1.0])
@pytest.mark.parametrize("module", [patch, autoencoder])
def test_one_pass_over_both_judges_as_one_pass_each_would(module, r1):
    torch.manual_seed(0)
    network = module.build(width=8, channels=2).eval()
    L, real, fake = (
        100 * torch.rand(3, 1, 16, 16),
        50 * random(3, 2, 16, 16),
        50 * random(3, 2, 16, 16, seed=1),
    )
    judgement = identity if module is patch else lambda answer: answer.energy
    passes = []
    network.register_forward_hook(lambda *_: passes.append(1))
    of_real, of_fake = judged(network, L, real, fake, r1, judgement)[0].chunk(2)
    assert len(passes) == 1
    torch.testing.assert_close(of_real, judgement(network(L, real)))
    torch.testing.assert_close(of_fake, judgement(network(L, fake)))


def test_without_a_weight_there_is_no_penalty_and_no_gradient_into_pictures():
    network, (L, real, fake) = Quadratic(), planes()
    found, penalty = judged(network, L, real, fake, 0.0, identity)
    assert penalty.item() == 0 and not penalty.requires_grad
    found.sum().backward()
    assert real.grad is None and network.weight.grad > 0


def test_the_callers_pictures_stay_as_they_are():
    L, real, fake = planes()
    before = real.clone()
    judged(Quadratic(), L, real, fake, 1.0, identity)[1].backward()
    assert torch.equal(real, before) and not real.requires_grad and real.grad is None


@pytest.mark.parametrize("module", [vanilla, energy])
def test_an_objective_adds_the_penalty_to_the_discriminators_loss_and_to_no_figure(module):
    torch.manual_seed(0)
    network = {vanilla: patch, energy: autoencoder}[module].build(width=8, channels=2).eval()
    L, real, fake = (
        100 * torch.rand(3, 1, 16, 16),
        50 * random(3, 2, 16, 16),
        50 * random(3, 2, 16, 16, seed=1),
    )
    settings = SimpleNamespace(margin=2.0, pull_away=0.1)
    objective = module.Objective(settings)
    (plain, without), (penalised, with_it) = (
        objective.discriminator(network, L, real, fake, r1) for r1 in (0.0, 5.0)
    )
    judgement = identity if module is vanilla else lambda answer: answer.energy
    _, penalty = judged(network, L, real, fake, 5.0, judgement)
    assert penalty > 0
    unit = objective.unit if module is energy else 1  # in which energies are measured
    torch.testing.assert_close(penalised - plain, penalty / unit**2, rtol=1e-3, atol=1e-6)
    torch.testing.assert_close(with_it, without)
