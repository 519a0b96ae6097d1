"""The batches of a training, in an order that the seed decides, made ready while the device computes."""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
import torch

from tintype import hints, noise
from tintype.ageing import aged
from tintype.augment import flipped, masked
from tintype.batch import Batch
from tintype.store import Split

T = TypeVar("T")
_AHEAD = 2  # batches


def batches(
    split: Split,
    *,
    steps: int,
    batch_size: int,
    flip: bool | str,
    film: float,
    hidden: float,
    told: Mapping[str, Any],
    seed: int,
    device: torch.device,
    first: int = 1,
    parts: int = 1,
    rank: int = 0,
    ranks: int = 1,
) -> Iterator[tuple[int, list[Batch]]]:
    """Yield (step, parts of its batch) for steps `first`, ...

    Each epoch has every record once, in an order of its own. What a step sees depends on (seed, step) alone:
    not on the steps before it, nor on how the batch is divided into `parts`, and each part evenly among
    `ranks`. flip: whether pictures are mirrored left to right at random, or in `both` ways. film: in [0, 1],
    how far the input is aged (`ageing.aged`); hidden: the share of it that is masked (`augment.masked`). The
    truth is neither. told: `generator.given`, which says what hints and z to draw.
    """
    size, order, ordered = len(split), np.empty(0), -1
    for step in range(first, steps + 1):
        numbers = []
        for position in range((step - 1) * batch_size, step * batch_size):
            epoch, place = divmod(position, size)
            if epoch != ordered:
                order, ordered = np.random.default_rng([seed, epoch]).permutation(size), epoch
            numbers.append(order[place])
        turned = np.random.default_rng([seed, step, 6]).random(batch_size) < (0.5 if flip == "both" else 0)
        mirrored = np.random.default_rng([seed, step, 1]).random(batch_size) < (0.5 if flip else 0)
        masking = np.random.default_rng([seed, step, 3]).integers(2**63, size=batch_size)
        ageing = np.random.default_rng([seed, step, 2]).integers(2**63, size=batch_size)
        clicks = np.random.default_rng([seed, step, 4]).integers(2**63, size=batch_size)
        drawing = np.random.default_rng([seed, step, 5]).integers(2**63, size=(2, batch_size))
        made = []
        for part in np.split(np.arange(batch_size), parts):
            mine = np.split(part, ranks)[rank]
            chosen = np.array(numbers)[mine]
            records = torch.from_numpy(split.batch(chosen)).to(device)
            records = flipped(records, mirrored[mine], -1)
            records = flipped(records, turned[mine], -2) if flip == "both" else records
            batch = Batch.of_records(records, device, split.conditions(chosen))
            input = masked(aged(batch.input, film, ageing[mine]), hidden, masking[mine])
            batch = replace(batch, input=input)
            if of_hints := told.get("hints"):
                batch = replace(batch, hints=hints.drawn(batch.ab, clicks[mine], **of_hints))
            if of_z := told.get("z"):
                z, other_z = (
                    noise.drawn(seeds[mine], of_z["whole"], of_z["spatial"]).to(device) for seeds in drawing
                )
                batch = replace(batch, z=z, other_z=other_z)
            made.append(batch)
        yield step, made


def ahead(items: Iterable[T]) -> Iterator[T]:
    """The same items, made in a thread, a few ahead of when they are asked for."""
    left, end = iter(items), object()
    with ThreadPoolExecutor(1, "batches") as thread:
        made = deque(thread.submit(next, left, end) for _ in range(_AHEAD))
        while (item := made.popleft().result()) is not end:
            made.append(thread.submit(next, left, end))
            yield item
