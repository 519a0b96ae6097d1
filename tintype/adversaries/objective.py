"""What adversarial objectives have in common."""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from tintype.adversaries.penalty import judged


class Objective:
    """What the training loop calls: each method gives a loss and the figures worth watching.

    A subclass names two losses of a discriminator's answers, of any shape, each a scalar; or has methods of
    its own. settings: of the model in params.yaml.
    """

    discriminator_loss: Callable[[Tensor, Tensor], Tensor]  # of the answers to real and to generated colours
    generator_loss: Callable[[Tensor], Tensor]  # of the answers to generated ones
    real_from = 0.0  # an answer above it calls a picture real
    differentiates_twice = False  # whether a gradient of the discriminator is in its loss

    def __init__(self, settings: Any) -> None:
        pass

    def shown(self, answers: Tensor) -> Tensor:
        """Answers as they are watched."""
        return answers

    def discriminator(
        self, network: nn.Module, L: Tensor, real: Tensor, fake: Tensor, r1: float
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The discriminator's loss on real and generated colours (N, C, H, W); `fake` comes detached.

        r1: weight of the gradient penalty on real pictures.
        """
        answers, penalty = judged(network, L, real, fake, r1, lambda answers: answers.float())
        of_real, of_fake = answers.chunk(2)
        right = (of_real > self.real_from).float().mean() + (of_fake < self.real_from).float().mean()
        figures = {
            "D_real": self.shown(of_real.detach()).mean(),
            "D_fake": self.shown(of_fake.detach()).mean(),
            "D_accuracy": right / 2,
        }
        return self.discriminator_loss(of_real, of_fake) + penalty, figures

    def generator(self, network: nn.Module, L: Tensor, fake: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """The generator's adversarial loss on its colours, with the gradient into them."""
        return self.generator_loss(network(L, fake).float()), {}

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        pass
