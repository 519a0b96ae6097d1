"""The hinge version of the adversarial objective.

Lim and Ye, "Geometric GAN" (2017); Miyato et al., "Spectral Normalization for Generative Adversarial
Networks" (ICLR 2018), equations 16 and 17; conditional on L.
"""

from torch import Tensor
from torch.nn import functional as F

from tintype.adversaries import objective


def discriminator_loss(real: Tensor, fake: Tensor) -> Tensor:
    """E max(0, 1 - D(x)) + E max(0, 1 + D(G(z)))."""
    return F.relu(1 - real).mean() + F.relu(1 + fake).mean()


def generator_loss(fake: Tensor) -> Tensor:
    """-E D(G(z))."""
    return -fake.mean()


class Objective(objective.Objective):
    """The answers count until they are on the right side of a margin of 1."""

    discriminator_loss, generator_loss = staticmethod(discriminator_loss), staticmethod(generator_loss)
