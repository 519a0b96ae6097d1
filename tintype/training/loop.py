"""The training loop, the same for every recipe: steps, an averaged copy, validation, resume, an end."""

import copy
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, Protocol

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from tintype import ranks, tracking
from tintype.batch import Batch
from tintype.colorizer import FILE, Colorizer
from tintype.console import UserError
from tintype.files import new_folder, sha256
from tintype.params import Params
from tintype.store import CONTENTS, Split
from tintype.training.batches import ahead, batches
from tintype.training.checkpoint import Checkpoint, fingerprint
from tintype.training.device import agreed, chosen, explained, keep_memory, kind
from tintype.training.failures import refuse_broken
from tintype.training.journal import Journal
from tintype.training.schedules import shrinking
from tintype.training.stopping import Stopping


class Recipe(Protocol):
    """What a step is: `pretraining.Pretraining`, `adversarial.Adversarial`."""

    colorizer: Colorizer  # that is trained; not its average
    falls: str  # the validation figure that has to fall, or training stops
    keeps_best: bool  # whether the weights at that figure's lowest are the result, or the last ones
    idle: int  # steps at first in which the colorizer does not learn
    answer_sides: tuple[int, int]  # what the sides of the generator's answers are multiples of, and at least
    settings: Any  # its section of params.yaml: steps, batch_size, ema, patience, smaller, among others

    def step(self, step: int, parts: list[Batch]) -> dict[str, Tensor]:
        """One step of the optimisers on a batch, in parts; scalars to watch, on the device."""

    def validate(self, model: Colorizer, batch: Batch, planes: Tensor, lab: Tensor) -> dict[str, Tensor]:
        """Its own figures of validation pictures, each (N,). planes: the network's; lab: the model's."""

    def score(self, means: dict[str, float]) -> dict[str, float]:
        """What their means over the whole split come to, by name; `falls` is one of them."""

    def state(self) -> dict[str, Any]:
        """By name, what has a state: networks, optimisers, objectives."""


class Average:
    """An exponential moving average of a model's weights (EMA), smoother than the weights of any step.

    `model` holds it. Buffers, such as the statistics of batch normalisation, are copied as they are.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model = copy.deepcopy(model).eval().requires_grad_(False)
        self.decay = decay
        self._steps = 0

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Take in the weights after a step."""
        self._steps += 1
        # Early on the average follows more closely, or it would remember the random start for long.
        decay = min(self.decay, (1 + self._steps) / (10 + self._steps))
        torch._foreach_lerp_(list(self.model.parameters()), list(model.parameters()), 1 - decay)
        for ours, theirs in zip(self.model.buffers(), model.buffers(), strict=True):
            ours.copy_(theirs)

    def state_dict(self) -> dict[str, Any]:
        return {"model": self.model.state_dict(), "steps": self._steps}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        self._steps = state["steps"]


def train(
    recipe: Recipe,
    fabric: Fabric,
    params: Params,
    *,
    data: Path,
    out: Path,
    curve: Path,
    about: dict[str, Any],
) -> str:
    """Train a recipe on a prepared store; write the model into `out`, and its curve; say what was done.

    about: the settings that shape the result, kept in the model's file.

    An interrupted training goes on where its state was last saved (`checkpoint`), to the same bytes as
    without interruption. Raises UserError where the pictures' size does not fit the generator,
    KeyboardInterrupt when stopped, Failure when the numbers break or memory is short.
    """
    settings, writes = recipe.settings, fabric.is_global_zero
    split, validation = Split(data, "train"), Split(data, "val")
    _refuse_small(split[0].shape[-1], recipe, data)
    digest = sha256(data / CONTENTS)  # which has those of all files that training reads; Split checked them
    own = {"model": out.name, "colorizer": recipe.colorizer.about, "data": digest, "device": kind(fabric)}
    identity = fingerprint({"about": about, **own})
    checkpoint = Checkpoint(identity, params.runtime.checkpoint_every)
    with ExitStack() as stack:
        stack.enter_context(explained(fabric, checkpoint.kept))
        stack.enter_context(checkpoint.held(writes))
        average, stopping = Average(recipe.colorizer, settings.ema), Stopping(settings.patience)
        best, step = {}, 0
        resumed = fabric.broadcast(checkpoint.load() if writes else None)
        holders = recipe.state() | {"average": average, "stopping": stopping}
        if writes:
            folder = stack.enter_context(new_folder(out))
            run = stack.enter_context(
                tracking.training_run(
                    params.runtime.tracking,
                    model=out.name,
                    params=about,
                    data_digest=digest,
                    goes_on=resumed["run"] if resumed else "",
                )
            )
            run.tag("device", chosen(fabric, params.training))
            journal = holders["journal"] = Journal(
                run, validation, recipe.validate, recipe.score, fabric.device
            )
        if resumed:
            checkpoint.restore_generators(resumed)
            for name, holder in holders.items():
                holder.load_state_dict(resumed[name])
            best, step = resumed["best"], resumed["step"]
            if writes:
                print(f"{out}: goes on after step {step}, from {checkpoint.path}")
        every = validation_steps(params.training.validate_every, len(split), settings.batch_size)
        stream = stack.enter_context(closing(_stream(split, params, recipe, fabric, first=step + 1)))
        if writes:
            stack.enter_context(journal.shown(f"train {out.name}", step, settings.steps))
            if step == 0:
                journal.samples(step, average.model)
        keep_memory()
        over = stopping.over or step == settings.steps
        while not over:
            step, parts = next(stream)
            figures = recipe.step(step, parts)
            average.update(recipe.colorizer)
            values = ranks.mean(torch.stack([value.float() for value in figures.values()]))
            over = step == settings.steps
            if writes:
                journal.step(dict(zip(figures, values, strict=True)))
                if over or step % every == 0:
                    journal.check(step, checkpoint.kept())
                    figure = journal.row(step, average.model)[recipe.falls]
                    refuse_broken(step, [{recipe.falls: torch.tensor(figure)}], checkpoint.kept())
                    if step > recipe.idle and stopping.update(step, figure) and recipe.keeps_best:
                        best = {name: value.clone() for name, value in average.model.state_dict().items()}
            over, stopped = agreed(fabric, over or stopping.over, checkpoint.stopped)
            if writes and (over or stopped or checkpoint.due):
                journal.check(step, checkpoint.kept())
                state = {name: holder.state_dict() for name, holder in holders.items()}
                checkpoint.save(state | {"step": step, "best": best, "run": run.id})
            if stopped and not over:
                # Lightning kills the whole training where another rank ends with anything but 0.
                raise KeyboardInterrupt if writes else SystemExit(0)
        if writes:
            average.model.load_state_dict(best or average.model.state_dict())
            average.model.save(folder, about)
            run.weights(sha256(folder / FILE))
            journal.write(curve)
    if writes:
        checkpoint.forget()
    kept = f", those of step {stopping.best_step} kept" if best else ""
    return f"{out}: trained for {step} steps{kept} on {len(split)} pictures"


def validation_steps(every: int | str, pictures: int, batch_size: int) -> int:
    """Steps from one validation to the next; in an `epoch` each picture is seen once, the last batch full."""
    return -(-pictures // batch_size) if every == "epoch" else every


def _refuse_small(side: int, recipe: Recipe, data: Path) -> None:
    """Raise UserError where the generator, or what judges its answers, cannot take pictures of this side."""
    network, smaller = recipe.colorizer.network, recipe.settings.smaller
    for size in (side, side // smaller.factor if smaller else side):
        answer, (multiple, least) = size // network.stride, recipe.answer_sides
        if size % network.multiple or answer % multiple or answer < least:
            either = "" if size == side else f" and, at first, of {size} (smaller.factor {smaller.factor})"
            raise UserError(
                f"{data}: found pictures of {side} pixels{either}, allowed: multiples of {network.multiple} "
                f"and of {multiple * network.stride}, at least {least * network.stride}, for this generator "
                "and its discriminators; set prepare.photos.side"
            )


def _stream(
    split: Split, params: Params, recipe: Recipe, fabric: Fabric, first: int
) -> Iterator[tuple[int, list[Batch]]]:
    """The steps from `first` on, each with this rank's share of the batch, in parts."""
    settings = recipe.settings
    stream = batches(
        split,
        steps=settings.steps,
        batch_size=settings.batch_size,
        flip=params.training.flip,
        film=params.training.film,
        hidden=params.training.masked,
        told=recipe.colorizer.told,
        seed=params.seed,
        device=fabric.device,
        first=first,
        parts=params.training.accumulate,
        rank=fabric.global_rank,
        ranks=fabric.world_size,
    )
    for step, parts in ahead(stream):
        factor = shrinking(step, settings.steps, settings.smaller)
        yield step, [part.shrunk(factor) for part in parts]
