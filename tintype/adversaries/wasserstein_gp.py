"""The Wasserstein objective with gradient penalty.

Gulrajani et al., "Improved Training of Wasserstein GANs" (NeurIPS 2017), equation 3, conditional on L. The
discriminator is a critic, whose answers have no zero; a higher learning rate (`discriminator_lr`) stands in
for its several steps per step of the generator (Heusel et al., NeurIPS 2017).
"""

from typing import Any

import torch
from torch import Tensor, nn

from tintype import ranks
from tintype.adversaries import objective
from tintype.adversaries.penalty import judged


def discriminator_loss(real: Tensor, fake: Tensor) -> Tensor:
    """E D(G(z)) - E D(x): minus the Wasserstein distance, as far as the critic is 1-Lipschitz."""
    return fake.mean() - real.mean()


def generator_loss(fake: Tensor) -> Tensor:
    """-E D(G(z))."""
    return -fake.mean()


class Objective(objective.Objective):
    """settings.gradient_penalty: lambda, the weight of (|grad D(x^)| - 1)^2."""

    discriminator_loss, generator_loss = staticmethod(discriminator_loss), staticmethod(generator_loss)
    differentiates_twice = True

    def __init__(self, settings: Any) -> None:
        self.gradient_penalty = settings.gradient_penalty

    def discriminator(
        self, network: nn.Module, L: Tensor, real: Tensor, fake: Tensor, r1: float
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """As in the base class; the penalty is at points x^ drawn evenly between real and generated."""
        mixed = torch.lerp(fake, real, ranks.drawn(len(real)).to(real)[:, None, None, None]).requires_grad_()
        answers, penalty = judged(
            network, L, real, torch.cat([fake, mixed]), r1, lambda answers: answers.float()
        )
        of_real, of_fake, of_mixed = (part.flatten(1).mean(dim=1) for part in answers.chunk(3))
        (gradient,) = torch.autograd.grad(of_mixed.sum(), mixed, create_graph=True)
        norm = gradient.flatten(1).norm(dim=1)
        figures = {
            "D_real": of_real.detach().mean(),
            "D_fake": of_fake.detach().mean(),
            "D_slope": norm.detach().mean(),
            # Without a zero, a pair is told apart when its real picture has the higher answer.
            "D_accuracy": (of_real[:, None] > of_fake).float().mean(),
        }
        penalty = penalty + self.gradient_penalty * (norm - 1).square().mean()
        return self.discriminator_loss(of_real, of_fake) + penalty, figures
