"""Which device trains, and in which precision: chosen once, and said with the reason."""

import logging
import os

import torch
from lightning_fabric import Fabric

from tintype.console import UserError


def start(accelerator: str, precision: str) -> Fabric:
    """A Fabric on one device, made reproducible; prints the choice and why.

    accelerator: `auto`, `cpu` or `cuda`. precision: `auto`, `float32` or `bfloat16` (autocast, weights
    in float32).
    """
    # cuBLAS is reproducible only with a fixed workspace, which must be set before the first call.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.backends.cudnn.benchmark = False
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # it would say the same in other words
    on_cuda = accelerator == "cuda" or (accelerator == "auto" and torch.cuda.is_available())
    if on_cuda and not torch.cuda.is_available():
        raise UserError(
            "runtime.accelerator: found cuda, but PyTorch sees no CUDA device here; use auto or cpu"
        )
    if precision == "auto":
        precision, reason = _best(on_cuda)
    else:
        reason = "set in params.yaml"
    fabric = Fabric(
        accelerator="cuda" if on_cuda else "cpu",
        devices=1,
        precision="bf16-mixed" if precision == "bfloat16" else "32-true",
    )
    fabric.launch()
    name = torch.cuda.get_device_name(fabric.device) if on_cuda else f"CPU, {torch.get_num_threads()} threads"
    print(f"device: {name}; precision: {precision} ({reason}); channels_last (faster convolutions)")
    return fabric


def _best(on_cuda: bool) -> tuple[str, str]:
    if on_cuda:
        if torch.cuda.is_bf16_supported(including_emulation=False):
            return "bfloat16", "this GPU multiplies bfloat16 faster"
        return "float32", "this GPU has no bfloat16 arithmetic"
    features = torch.cpu.get_capabilities()
    for feature in ("avx512_bf16", "amx_bf16"):
        if features.get(feature):
            return "bfloat16", f"this CPU has {feature}, which multiplies bfloat16 faster"
    return "float32", "this CPU has no bfloat16 arithmetic"
