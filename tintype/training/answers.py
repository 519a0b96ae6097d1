"""What a generator answers while it trains."""

from dataclasses import replace

import torch
from torch import Tensor, nn

from tintype import noise
from tintype.batch import Batch
from tintype.colorizer import Colorizer, planes_and_penalty


def answer(colorizer: Colorizer, network: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
    """Planes (N, C, h, w), and a penalty (N,) to add to each picture's loss.

    network: the colorizer's, as training wraps it. Where z is to make a difference (`given.z.diversity`), it
    answers for other_z too, and the penalty falls by how far the two answers are apart.
    """
    z = colorizer.told.get("z")
    if not z or not z["diversity"]:
        return planes_and_penalty(network(colorizer.given(batch)))
    # In one pass, because distributed training allows one before each backward pass.
    both = torch.cat([colorizer.given(batch), colorizer.given(replace(batch, z=batch.other_z))])
    (planes, others), (penalty, _) = (part.chunk(2) for part in planes_and_penalty(network(both)))
    colours = (colorizer.head(part) for part in (planes, others))
    return planes, penalty - z["diversity"] * noise.diversity(*colours, batch.z, batch.other_z, z["most"])
