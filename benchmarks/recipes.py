"""The recipes of params.yaml, made and fed as training does it."""

import time
from collections.abc import Iterator

import torch
from lightning_fabric import Fabric

from tintype.batch import Batch
from tintype.colorizer import Colorizer
from tintype.params import PRETRAINED, Params
from tintype.store import Split
from tintype.training.adversarial import Adversarial
from tintype.training.batches import ahead, batches
from tintype.training.device import keep_memory, start
from tintype.training.pretraining import Pretraining

EVEN = torch.ones(256, 256, dtype=torch.int64)  # a histogram: what it holds costs no time


def device(params: Params) -> Fabric:
    """The device of params.yaml; one, for a second one would measure beside the first."""
    alone = params.runtime.model_copy(update={"devices": 1, "nodes": 1})
    return start(alone, params.training, params.pretrain.batch_size)


def made(name: str, params: Params, fabric: Fabric) -> Pretraining | Adversarial:
    """The recipe of a model, `cnn` or one of `adversarial.models`, with new weights: all cost the same."""
    compiled, adversarial = params.training.compile, params.adversarial
    if name == PRETRAINED:
        recipe = Pretraining(colorizer(params), fabric, params.pretrain, params.classes, EVEN, compiled)
    else:
        model = adversarial.models[name]
        recipe = Adversarial(colorizer(params), fabric, adversarial.shared, model, compiled, None)
    keep_memory()
    return recipe


def colorizer(params: Params) -> Colorizer:
    """A generator with new weights."""
    torch.manual_seed(params.seed)
    return Colorizer.of(params.generator, params.classes)


def stream(
    split: Split, params: Params, batch_size: int, device: torch.device
) -> Iterator[tuple[int, list[Batch]]]:
    """Batches without end, as training gets them."""
    training = params.training
    return ahead(
        batches(
            split,
            steps=10**9,
            batch_size=batch_size,
            flip=training.flip,
            film=training.film,
            hidden=training.masked,
            seed=params.seed,
            device=device,
            parts=training.accumulate,
        )
    )


def now() -> float:
    """Seconds on a clock, once the device has done all that it was given."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()
