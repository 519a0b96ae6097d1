"""Which devices train, and in which precision: chosen once, and said with the reason."""

import atexit
import ctypes
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from lightning_fabric import Fabric

from tintype.console import Failure, UserError
from tintype.params_schema import Runtime, Training

# What PyTorch says when memory runs out, on the CPU and in libraries of a GPU; and when a connection breaks.
_NO_MEMORY = ("allocate memory", "ALLOC_FAILED")
_NO_PEER = ("closed by peer", "reset by peer", "Broken pipe", "remote process exited")
_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # of malloc.h


def start(runtime: Runtime, training: Training, batch_size: int) -> Fabric:
    """A Fabric on the devices of `runtime`, made reproducible; prints the choice and why.

    With several devices or nodes, this process starts the others, or is one of them: each trains on its part
    of a batch of `batch_size`. Raises UserError where the devices are not there, or the batch cannot be
    divided.
    """
    # cuBLAS is reproducible only with a fixed workspace, which must be set before the first call.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # a debugging aid, a tenth of a step
    torch.backends.cudnn.benchmark = False
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # it would say the same in other words
    on_cuda = runtime.accelerator == "cuda" or (runtime.accelerator == "auto" and torch.cuda.is_available())
    if on_cuda and torch.cuda.device_count() < runtime.devices:
        raise UserError(
            f"runtime.accelerator: found {runtime.accelerator} with {runtime.devices} devices, but PyTorch "
            f"sees {torch.cuda.device_count()} here; use auto or cpu, or lower runtime.devices"
        )
    processes = runtime.devices * runtime.nodes
    if batch_size % (processes * training.accumulate):
        raise UserError(
            f"batch_size: found {batch_size}, allowed: a multiple of {processes * training.accumulate}, for "
            f"{processes} devices (runtime) and training.accumulate {training.accumulate} divide it"
        )
    precision, _ = _precision(training, on_cuda)
    fabric = Fabric(
        accelerator="cuda" if on_cuda else "cpu",
        devices=runtime.devices,
        num_nodes=runtime.nodes,
        strategy="ddp" if processes > 1 else "auto",
        precision="bf16-mixed" if precision == "bfloat16" else "32-true",
    )
    atexit.register(_end_others, fabric)
    fabric.launch()
    if fabric.is_global_zero:
        print(f"device: {chosen(fabric, training)}")
    return fabric


def keep_memory() -> None:
    """From now on the C library keeps what a step frees for the next: fresh pages cost a tenth of a step."""
    if hasattr(libc := ctypes.CDLL(None), "mallopt"):  # glibc's, of Linux
        libc.mallopt(_M_MMAP_MAX, 0)
        libc.mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)


def chosen(fabric: Fabric, training: Training) -> str:
    """Devices, precision and other choices that make training fast, in words, with their reasons."""
    on_cuda = fabric.device.type == "cuda"
    name = torch.cuda.get_device_name(fabric.device) if on_cuda else "CPU"
    precision, reason = _precision(training, on_cuda)
    return (
        f"{fabric.world_size} x {name}, {torch.get_num_threads()} threads; precision: {precision} "
        f"({reason}); channels_last (faster convolutions); fused optimisers; "
        f"{'compiled' if training.compile else 'not compiled'} (training.compile)"
    )


def _end_others(fabric: Fabric) -> None:
    """End the processes that this one started: without it they would wait for it, or fail with tracebacks."""
    started = getattr(fabric.strategy.launcher, "procs", [])
    others = started.copy()
    started.clear()  # first: Lightning watches this list, and kills this process where one of them is gone
    for other in others:
        other.kill()
        other.wait()


def kind(fabric: Fabric) -> list:
    """What of the devices shapes the numbers: their kind, how many there are, the precision."""
    on_cuda = fabric.device.type == "cuda"
    name = (
        torch.cuda.get_device_name(fabric.device) if on_cuda else sorted(torch.cpu.get_capabilities().items())
    )
    return [name, fabric.world_size, str(fabric._precision.precision)]


def agreed(fabric: Fabric, *flags: bool) -> list[bool]:
    """For each flag whether any rank raises it."""
    if fabric.world_size == 1:
        return list(flags)
    raised = fabric.all_reduce(
        torch.tensor(flags, dtype=torch.float32, device=fabric.device), reduce_op="sum"
    )
    return [bool(value) for value in raised]


@contextmanager
def explained(fabric: Fabric, kept: Callable[[], str] = lambda: "") -> Iterator[None]:
    """Raise Failure where memory is too small, which says what to lower, or another process has ended.

    kept: tells where the last good state is, in words.
    """
    try:
        yield
    except (MemoryError, torch.OutOfMemoryError) as error:
        raise _too_little(fabric) from error
    except RuntimeError as error:
        if any(sign in str(error) for sign in _NO_MEMORY):
            raise _too_little(fabric) from error
        if fabric.world_size > 1 and any(sign in str(error) for sign in _NO_PEER):
            raise Failure(f"another process of this training has ended. {kept()}") from error
        raise


def _too_little(fabric: Fabric) -> Failure:
    return Failure(
        f"out of memory on {fabric.device}. Raise training.accumulate (the same batch in more parts), or "
        f"lower batch_size, prepare.photos.side, generator.width or the width of the discriminator"
    )


def _precision(training: Training, on_cuda: bool) -> tuple[str, str]:
    """The precision of products, and why."""
    if training.precision != "auto":
        return training.precision, "set in params.yaml"
    if on_cuda:
        if torch.cuda.is_bf16_supported(including_emulation=False):
            return "bfloat16", "this GPU multiplies bfloat16 faster"
        return "float32", "this GPU has no bfloat16 arithmetic"
    features = torch.cpu.get_capabilities()
    for feature in ("avx512_bf16", "amx_bf16"):
        if features.get(feature):
            return "bfloat16", f"this CPU has {feature}, which multiplies bfloat16 faster"
    return "float32", "this CPU has no bfloat16 arithmetic"
