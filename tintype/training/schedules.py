"""How the learning rate changes while training: a factor for every step, from the step's number alone."""

import math
from typing import Any

from torch.optim import Optimizer

_DROPS = (0.6, 0.85)  # of the steps, after which `step` decay divides the rate by 10


def factor(step: int, steps: int, warm_up: float, decay: str) -> float:
    """What the learning rate is multiplied by at `step` of 1 .. `steps`.

    warm_up: the share of the steps over which the factor rises evenly to 1. After that, `decay` is
    "constant"; "cosine", half a wave down to 0 (Loshchilov and Hutter, ICLR 2017, equation 5, without
    restarts); or "step", a tenth after each of 60 % and 85 % of the steps.
    """
    rise = warm_up * steps
    if step <= rise:
        return step / rise
    if decay == "cosine":
        return (1 + math.cos(math.pi * max(step - 1 - rise, 0) / (steps - rise))) / 2
    if decay == "step":
        return 0.1 ** sum(step > drop * steps for drop in _DROPS)
    return 1.0


def shrinking(step: int, steps: int, smaller: Any) -> int:
    """By how much pictures are shrunk: `smaller.factor` in the first `smaller.until` of the steps, else 1.

    Progressive growing (Karras et al., ICLR 2018) of the pictures alone: small ones first, which are cheap.
    smaller: None for none.
    """
    return smaller.factor if smaller and step <= smaller.until * steps else 1


def set_rate(optimizer: Optimizer, lr: float) -> None:
    """Set the learning rate of the next step."""
    for group in optimizer.param_groups:
        group["lr"] = lr
