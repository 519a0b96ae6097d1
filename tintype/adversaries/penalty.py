"""Real and generated pictures judged in one pass, with the gradient penalty on real ones."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn


def judged(
    network: nn.Module, L: Tensor, real: Tensor, fake: Tensor, r1: float, judgement: Callable[[Any], Tensor]
) -> tuple[Tensor, Tensor]:
    """A discriminator's judgement of real pictures, then of fake ones, and the penalty R1.

    R1 = r1 / 2 E |grad_x D(x)|^2 over real x, scaled colours (Mescheder, Geiger and Nowozin, ICML 2018,
    equation 9). One pass over both, because distributed training allows one before each backward pass.
    judgement: what of the network's answer is D, for real, then for fake. There may be several fake
    pictures, one set after the other, for each L.
    """
    real = real.detach().requires_grad_(r1 > 0)
    lightness = L.repeat(1 + len(fake) // len(real), 1, 1, 1)
    found = judgement(network(lightness, torch.cat([real, fake])))
    if not r1:
        return found, found.new_zeros(())
    of_real = found[: len(real)].flatten(1) if found.dim() > 1 else found[: len(real), None]
    (gradient,) = torch.autograd.grad(of_real.mean(dim=1).sum(), real, create_graph=True)
    return found, r1 / 2 * gradient.square().sum(dim=(1, 2, 3)).mean()
