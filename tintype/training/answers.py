"""What a generator answers while it trains."""

from dataclasses import replace

import torch
from torch import Tensor, nn

from tintype import noise
from tintype.batch import Batch
from tintype.colorizer import Colorizer, planes_and_penalty


def answers(colorizer: Colorizer, network: nn.Module, batch: Batch) -> tuple[list[Tensor], Tensor]:
    """Planes (N, C, h, w), one or several of them, and a penalty (N,) to add to each picture's loss.

    network: the colorizer's, as training wraps it. Where z is to make a difference (`given.z`), it answers
    for other_z too, and the penalty falls by `diversity` times how far the two answers are apart.
    """
    z = colorizer.told.get("z")
    if not z or (z["diversity"] == 0 and z["others"] == 0.5):
        planes, penalty = planes_and_penalty(network(colorizer.given(batch)))
        return [planes], penalty
    # In one pass, because distributed training allows one before each backward pass.
    both = torch.cat([colorizer.given(batch), colorizer.given(replace(batch, z=batch.other_z))])
    planes, (penalty, _) = (part.chunk(2) for part in planes_and_penalty(network(both)))
    apart = noise.diversity(*map(colorizer.head, planes), batch.z, batch.other_z, z["most"])
    return list(planes), penalty - z["diversity"] * apart


def nearest(losses: list[Tensor], colorizer: Colorizer) -> Tensor:
    """The loss (N,) of the answer that is nearest to the truth, picture by picture, and some of the others'.

    sum_k delta_k l_k, where delta is 1 - epsilon for the smallest l and epsilon / (K - 1) for the others, and
    epsilon is `given.z.others`. So these are free to be something else that is plausible, but not to be
    anything: Rupprecht et al., "Learning in an Uncertain World: Representing Ambiguity Through Multiple
    Hypotheses" (ICCV 2017), section 3.
    """
    if len(losses) == 1:
        return losses[0]
    least = torch.stack(losses).amin(dim=0)
    others = (sum(losses) - least) / (len(losses) - 1)
    share = colorizer.told["z"]["others"]
    return (1 - share) * least + share * others
