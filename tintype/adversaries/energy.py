"""The energy-based adversarial objective with the pull-away term.

Zhao, Mathieu and LeCun, "Energy-based Generative Adversarial Network" (ICLR 2017), equations 1 to 4,
conditional on L.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tintype import ranks
from tintype.adversaries import objective
from tintype.adversaries.penalty import judged


def discriminator_loss(real: Tensor, fake: Tensor, margin: Tensor | float) -> Tensor:
    """L_D = E D(x) + E [m - D(G(z))]+ from energies (N,); a scalar (equation 1)."""
    return real.mean() + F.relu(margin - fake).mean()


def generator_loss(fake: Tensor) -> Tensor:
    """L_G = E D(G(z)) from energies (N,); a scalar (equation 2)."""
    return fake.mean()


def pull_away(codes: Tensor) -> Tensor:
    """f_PT(S) = 1 / (N (N - 1)) sum_i sum_(j != i) (S_i . S_j / (|S_i| |S_j|))^2, S (N, D) (equation 4).

    A scalar in [0, 1]: 0 when all codes are orthogonal, 1 when all point one way. Needs N >= 2.
    """
    directions = F.normalize(codes, dim=1)
    squares = (directions @ directions.T) ** 2
    number = len(codes)
    return (squares.sum() - squares.diagonal().sum()) / (number * (number - 1))


class Objective(objective.Objective):
    """Energies depend on the network and on how well it reconstructs by now, so they are measured in units of
    their running mean over real data: the margin is `margin` times that mean, and both losses are divided by
    it.
    """

    momentum = 0.95

    def __init__(self, settings) -> None:
        self.margin = settings.margin
        self.pull_away = settings.pull_away
        self.unit: Tensor | None = None

    def discriminator(
        self, network: nn.Module, L: Tensor, real: Tensor, fake: Tensor, r1: float
    ) -> tuple[Tensor, dict]:
        """The discriminator's loss on real and generated colours (N, C, H, W); `fake` comes detached.

        r1: weight of the gradient penalty on real pictures, in units of energy like the rest.
        """
        energy, penalty = judged(network, L, real, fake, r1, lambda judgement: judgement.energy)
        real_energy, fake_energy = energy.chunk(2)
        now = ranks.mean(real_energy.detach().mean())
        self.unit = now if self.unit is None else torch.lerp(now, self.unit.to(now), self.momentum)
        margin = self.margin * self.unit
        figures = {
            "D_real": now,
            "D_fake": fake_energy.detach().mean(),
            "margin": margin,
            "D_accuracy": (fake_energy.detach() >= margin).float().mean(),  # where the hinge is inactive
        }
        loss = discriminator_loss(real_energy, fake_energy, margin) / self.unit
        return loss + penalty / self.unit**2, figures

    def generator(self, network: nn.Module, L: Tensor, fake: Tensor) -> tuple[Tensor, dict]:
        """The generator's adversarial loss on its colours, with the gradient into them and pull-away.

        Comes after the discriminator's loss of the same step, which measures the unit of energy.
        """
        energy, code = network(L, fake)
        term = pull_away(ranks.gathered(code))
        return generator_loss(energy) / self.unit + self.pull_away * term, {"pull_away": term.detach()}

    def state_dict(self) -> dict:
        return {"unit": self.unit}

    def load_state_dict(self, state: dict) -> None:
        self.unit = state["unit"]
