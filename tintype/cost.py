"""What a model costs: how many weights, how much arithmetic, how long a picture takes."""

import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor

from tintype.batch import Batch
from tintype.colorizer import Colorizer


@torch.no_grad()
def size(colorizer: Colorizer, picture: Batch) -> dict[str, float]:
    """`parameters`, trained numbers of the network, and `gflops`, 10^9 operations for a picture of this size.

    A multiplication and an addition are two operations, as PyTorch's counter has it; it counts convolutions
    and products of matrices, which is nearly all there is.
    """
    from torch.utils.flop_counter import FlopCounterMode  # here, for it takes seconds

    with FlopCounterMode(display=False) as counter:
        colorizer.planes(picture)
    parameters = sum(weight.numel() for weight in colorizer.network.parameters())
    return {"parameters": parameters, "gflops": round(counter.get_total_flops() / 1e9, 3)}


@torch.no_grad()
def milliseconds(predict: Callable[[Batch], Tensor], picture: Batch, times: int = 10) -> float:
    """How long one picture takes, from grey to Lab: the median of several times, after two to warm up."""
    spans = []
    for _ in range(times + 2):
        began = time.perf_counter()
        predict(picture).sum().item()  # waits for a GPU
        spans.append(1000 * (time.perf_counter() - began))
    return statistics.median(spans[2:])
