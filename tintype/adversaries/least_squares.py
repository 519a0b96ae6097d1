"""The least-squares adversarial objective.

Mao et al., "Least Squares Generative Adversarial Networks" (ICCV 2017), equation 9, conditional on L: fake is
0, real is 1, and the generator wants 1.
"""

from torch import Tensor

from tintype.adversaries import objective


def discriminator_loss(real: Tensor, fake: Tensor) -> Tensor:
    """1/2 E (D(x) - 1)^2 + 1/2 E D(G(z))^2."""
    return ((real - 1).square().mean() + fake.square().mean()) / 2


def generator_loss(fake: Tensor) -> Tensor:
    """1/2 E (D(G(z)) - 1)^2."""
    return (fake - 1).square().mean() / 2


class Objective(objective.Objective):
    """The answers are drawn to 0 and 1."""

    discriminator_loss, generator_loss = staticmethod(discriminator_loss), staticmethod(generator_loss)
    real_from = 0.5
