"""What runs a network that colours: PyTorch, or ONNX Runtime, which is often faster on a CPU."""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.nn import functional as F

from tintype.batch import Batch
from tintype.colorizer import Colorizer
from tintype.console import UserError
from tintype.onnx_export import GIVEN, Answering, refuse_colourless, session, to_onnx


class Predictor:
    """A trained model as a function from pictures to colours, on the CPU.

    runtime: a key of RUNTIMES; both give the same colours, to 1e-3 units of ab. threads: of each call, by
    default as many as PyTorch has. Calls from several threads at once are allowed, and with `threads` of 1
    get the most pictures out of several cores. Raises UserError for another runtime, and for a model without
    colours.
    """

    def __init__(self, colorizer: Colorizer, runtime: str = "torch", threads: int | None = None) -> None:
        if runtime not in RUNTIMES:
            raise UserError(f"runtime: found {runtime!r}, allowed: {', '.join(RUNTIMES)}")
        threads = torch.get_num_threads() if threads is None else threads
        if threads < 1:
            raise UserError(f"threads: found {threads}, allowed: 1 or more")
        refuse_colourless(colorizer)
        self._colorizer = colorizer
        self._run = RUNTIMES[runtime](colorizer, threads)

    def __call__(self, batch: Batch) -> Tensor:
        """ab (N, 2, h, w), float32, of pictures whose `input` is (N, 1, h, w), L in [0, 100]; any size.

        Of `hints`, `z` and `condition` the model takes what it knows, as `Colorizer.given` does. Raises
        UserError where that does, and for a model of drawings, whose ab goes with a lightness of its own.
        """
        if self._colorizer.space.whole:
            space = self._colorizer.about["generator"]["color_space"]
            raise UserError(
                f"generator.color_space {space}: this model colours drawings, and ab without its own "
                "lightness is not what it means; name a model of photographs"
            )
        return self._answers(batch)

    def colours(self, batch: Batch) -> Tensor:
        """Lab (N, 3, h, w) as `Colorizer.colours` has it: of pictures with their own L, of drawings all."""
        answers = self._answers(batch)
        return answers if self._colorizer.space.whole else torch.cat([batch.L, answers], dim=1)

    @torch.no_grad()
    def _answers(self, batch: Batch) -> Tensor:
        height, width = batch.input.shape[-2:]
        padded = self._colorizer.padded(self._colorizer.given(batch))
        answers, size = self._run(padded), padded.shape[-2:]
        answers = F.interpolate(answers, size=size, mode="bilinear", align_corners=False)
        return answers[..., :height, :width].contiguous()


def _torch(colorizer: Colorizer, threads: int) -> Callable[[Tensor], Tensor]:
    answering = Answering(copy.deepcopy(colorizer)).cpu().eval().to(memory_format=torch.channels_last)

    def run(given: Tensor) -> Tensor:
        with _threads(threads), torch.inference_mode():
            return answering(given.to(memory_format=torch.channels_last))

    return run


def _onnx(colorizer: Colorizer, threads: int) -> Callable[[Tensor], Tensor]:
    exported = session(to_onnx(colorizer), threads)

    def run(given: Tensor) -> Tensor:
        (answers,) = exported.run(None, {GIVEN: given.contiguous().numpy()})
        return torch.from_numpy(answers)

    return run


RUNTIMES = {"onnx": _onnx, "torch": _torch}
DEFAULT_RUNTIME = "onnx"  # the faster one on a CPU: benchmarks/runtimes.py


@contextmanager
def _threads(number: int) -> Iterator[None]:
    """Have PyTorch compute with so many threads."""
    before = torch.get_num_threads()
    if number != before:
        torch.set_num_threads(number)
    try:
        yield
    finally:
        if number != before:
            torch.set_num_threads(before)
