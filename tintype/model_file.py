"""A model on disk: safetensors, with what it is and the digest of its weights in the same file."""

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from tintype.console import UserError
from tintype.files import new_file

FORMAT = 1  # changes where files that were written before can no longer be understood


def write(path: Path, tensors: dict[str, Tensor], about: dict[str, Any]) -> None:
    """Write tensors and what they are (JSON values), atomically; the same give the same bytes."""
    described = about | {"format": FORMAT, "sha256": _digest(tensors)}
    with new_file(path) as file:
        # One JSON string: safetensors writes several metadata keys in random order.
        save_file(tensors, file, metadata={"tintype": json.dumps(described, sort_keys=True)})


def read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """What `write` wrote. Raises UserError where it did not write this, or the weights changed since."""
    if not path.is_file():
        raise UserError(
            f"{path}: no model here; `dvc repro` trains one, `dvc pull` fetches one that was shared"
        )
    try:
        path.open("rb").close()  # safetensors calls all that it may not read missing
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}; let yourself read it (chmod)") from None
    try:
        with safe_open(path, framework="pt") as stored:
            about = json.loads((stored.metadata() or {})["tintype"])
            tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
        version, digest = about.pop("format", 0), about.pop("sha256", None)
    except (SafetensorError, KeyError, TypeError, AttributeError, RuntimeError, ValueError) as error:
        raise UserError(
            f"{path}: not a model written by Tintype, or cut short ({type(error).__name__}: {error}); fetch "
            "it again, or install Tintype again where it came with it"
        ) from None
    if version != FORMAT:
        raise UserError(
            f"{path}: a model of another version of Tintype (its format is {version}, this version reads "
            f"{FORMAT}); train it again with `dvc repro`, or use the version that wrote it"
        )
    if digest != _digest(tensors):
        raise UserError(f"{path}: damaged (its weights are not those that were written); fetch it again")
    return about, tensors


def _digest(tensors: dict[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
