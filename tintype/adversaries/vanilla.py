"""The original adversarial objective, with the non-saturating loss for the generator.

Goodfellow et al., "Generative Adversarial Nets" (NeurIPS 2014), section 3, conditional on L.
"""

from torch import Tensor
from torch.nn import functional as F

from tintype.adversaries import objective


def discriminator_loss(real: Tensor, fake: Tensor) -> Tensor:
    """-E log D(x) - E log(1 - D(G(z))), in nats."""
    return F.softplus(-real).mean() + F.softplus(fake).mean()


def generator_loss(fake: Tensor) -> Tensor:
    """-E log D(G(z)), in nats."""
    return F.softplus(-fake).mean()


class Objective(objective.Objective):
    """The answers are logits."""

    discriminator_loss, generator_loss = staticmethod(discriminator_loss), staticmethod(generator_loss)

    def shown(self, answers: Tensor) -> Tensor:
        """Probabilities of being real."""
        return answers.sigmoid()
