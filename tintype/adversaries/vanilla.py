"""The original adversarial objective, with the non-saturating loss for the generator.

Goodfellow et al., "Generative Adversarial Nets" (NeurIPS 2014), section 3, conditional on L.
"""

from torch import Tensor, nn
from torch.nn import functional as F

from tintype.adversaries.penalty import judged


def discriminator_loss(real: Tensor, fake: Tensor) -> Tensor:
    """-E log D(x) - E log(1 - D(G(z))), from logits of any shape; a scalar in nats."""
    return F.softplus(-real).mean() + F.softplus(fake).mean()


def generator_loss(fake: Tensor) -> Tensor:
    """-E log D(G(z)), from logits of any shape; a scalar in nats."""
    return F.softplus(-fake).mean()


class Objective:
    """What the training loop calls: each method gives a loss and the figures worth watching."""

    def __init__(self, settings) -> None:
        pass

    def discriminator(
        self, network: nn.Module, L: Tensor, real: Tensor, fake: Tensor, r1: float
    ) -> tuple[Tensor, dict]:
        """The discriminator's loss on real and generated ab (N, 2, H, W); `fake` comes detached.

        r1: weight of the gradient penalty on real pictures.
        """
        logits, penalty = judged(network, L, real, fake, r1, lambda logits: logits.float())
        real_logits, fake_logits = logits.chunk(2)
        right = (real_logits > 0).float().mean() + (fake_logits < 0).float().mean()
        figures = {
            "D_real": real_logits.detach().sigmoid().mean(),
            "D_fake": fake_logits.detach().sigmoid().mean(),
            "D_accuracy": right / 2,
        }
        return discriminator_loss(real_logits, fake_logits) + penalty, figures

    def generator(self, network: nn.Module, L: Tensor, fake: Tensor) -> tuple[Tensor, dict]:
        """The generator's adversarial loss on its ab, with the gradient into it."""
        return generator_loss(network(L, fake).float()), {}

    def state_dict(self) -> dict:
        return {}

    def load_state_dict(self, state: dict) -> None:
        pass
