"""Pretrained networks: what metrics compare pictures with, and general encoders. Fetched as pictures are.

`gather` writes one of them, `NAME.safetensors` (float32, torchvision's state dict without the classifier),
and `manifest.csv`, which says where it came from, or why it is not there. Without the internet it may be
missing: that is no error, but a fact to record, and to show beside what needs it.
"""

import http.client
import socket
import sys
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tintype.console import UserError
from tintype.files import sha256
from tintype.sources.manifest import NAME, load_csv, save_csv

if TYPE_CHECKING:
    import torch

# What the lpips package calls them -> torchvision's name. They are the set `weights`.
LPIPS = {"squeeze": "squeezenet1_1", "alex": "alexnet", "vgg": "vgg16"}
# Encoders go by torchvision's own names, in any set.
ENCODERS = ["alexnet", "vgg16", "resnet18", "resnet50", "resnet152", "inception_v3"]
BACKBONES = LPIPS | {name: name for name in ENCODERS}
COLUMNS = ["name", "status", "sha256", "origin", "detail"]
AVAILABLE, NOT_AVAILABLE = "available", "not available"
TIMEOUT = 20  # seconds without an answer, after which a server counts as out of reach


def gather(settings: Any, out: Path) -> str:
    """Fetch the backbone `settings.net` into the folder `out`; say in a line whether it is available.

    `settings.net` is a key of `BACKBONES`. It is read from `settings.file` (.pth or .npz, any floating-point
    precision); where that is null, from torch's cache, into which it is downloaded if need be.
    `out/manifest.csv` says how it went: name; status, "available" or "not available"; sha256 of the
    safetensors file; origin: kind, name and sha256 of the file it was made from; detail: the reason and the
    remedy where it is not available.

    Raises UserError for a file that is named but missing, damaged, or another network's, and for a damaged
    file in the cache.
    """
    found = _gather(settings.net, settings.file, out)
    save_csv(out / NAME, pd.DataFrame([found], columns=COLUMNS))
    return f"{settings.net}: {found['status']}"


def available(folder: Path) -> dict[str, Path]:
    """The backbones in a folder that `gather` filled: name -> safetensors file.

    Raises UserError when the manifest or a file that it calls available is not there.
    """
    table = load_csv(folder / NAME, COLUMNS)
    files = {name: folder / f"{name}.safetensors" for name in table["name"][table["status"] == AVAILABLE]}
    for file in files.values():
        if not file.is_file():
            again = f"dvc repro -f {_place(file.stem)[2]}"
            raise UserError(f"{file}: missing, though {NAME} lists it; run `{again}`")
    return files


def listed(folder: Path) -> list[str]:
    """The backbones that a folder was to hold, available or not."""
    return list(load_csv(folder / NAME, COLUMNS)["name"])


def why_not(folder: Path, name: str) -> str:
    """Why the backbone `name` is not available, and what to do; empty where it is.

    Raises UserError when the manifest is not there or does not know `name`.
    """
    table = load_csv(folder / NAME, COLUMNS)
    if name not in set(table["name"]):
        raise UserError(f"{folder / NAME}: no backbone {name!r}; there is {', '.join(table['name'])}")
    return table.set_index("name")["detail"][name]


def _gather(name: str, file: str | None, out: Path) -> dict[str, str]:
    path = Path(file) if file else _torch_cache(name)
    if path is None:
        key, file, stage = _place(name)
        detail = (
            f"{BACKBONES[name]} is not in torch's cache and could not be downloaded; name a file of its "
            f"weights under {key} in {file} and run `dvc repro`, or connect to the network and run "
            f"`dvc repro -f {stage}`"
        )
        print(detail, file=sys.stderr)
        return {"name": name, "status": NOT_AVAILABLE, "sha256": "", "origin": "", "detail": detail}
    from safetensors.torch import save  # here, because torch takes seconds, and readers need none

    copy = out / f"{name}.safetensors"
    copy.write_bytes(save(_encoder(_read(path, name), path, name)))
    # A download and a cached file look the same here: running the stage again must not change its output.
    origin = f"{'file in params' if file else 'torch cache'}: {path.name}, sha256 {sha256(path)}"
    return {"name": name, "status": AVAILABLE, "sha256": sha256(copy), "origin": origin, "detail": ""}


def _place(name: str) -> tuple[str, str, str]:
    """What names the file of a network's weights, in which params file; and the stage that gathers them."""
    if name in LPIPS:
        return "download.weights.file", "params.yaml", "download@weights"
    study = "studies/backbones"
    return f"download.{name}.file", f"{study}/params.yaml", f"{study}/dvc.yaml:weights@{name}"


def _torch_cache(name: str) -> Path | None:
    """The weights file in torch's cache, downloaded if need be; None if it cannot be had."""
    import torch

    url = _url(name)
    path = Path(torch.hub.get_dir()) / "checkpoints" / PurePosixPath(url).name
    digest = path.stem.rsplit("-", 1)[1]  # torchvision's files carry the start of their sha256
    if not path.is_file():
        before = socket.getdefaulttimeout()
        socket.setdefaulttimeout(TIMEOUT)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(url, str(path), hash_prefix=digest, progress=False)
        except (OSError, http.client.HTTPException, RuntimeError) as error:  # RuntimeError: another digest
            print(f"{url} could not be downloaded: {error}", file=sys.stderr)
            return None
        finally:
            socket.setdefaulttimeout(before)
    if not sha256(path).startswith(digest):
        raise UserError(f"{path}: damaged: its sha256 does not start with {digest}; delete it and run again")
    return path


def _url(name: str) -> str:
    import torchvision

    return torchvision.models.get_model_weights(BACKBONES[name]).DEFAULT.url


def _read(path: Path, name: str) -> Any:
    import torch

    key, *_ = _place(name)
    if not path.is_file():
        raise UserError(f"{key}: {path}: no such file; name a .pth or .npz file, or put null")
    if path.suffix not in (".pth", ".npz"):
        raise UserError(f"{key}: {path}: must end in .pth (written by torch.save) or .npz (by numpy.savez)")
    try:
        if path.suffix == ".pth":
            return torch.load(path, map_location="cpu", weights_only=True)
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as arrays:
            return {entry: torch.from_numpy(arrays[entry]) for entry in arrays.files}
    except Exception as error:  # what these two raise for a damaged file has no common class
        problem = f"damaged, or not a {path.suffix} file that holds weights and nothing else"
        raise UserError(f"{key}: {path}: {problem} ({type(error).__name__})") from error


def _encoder(weights: Any, path: Path, name: str) -> "dict[str, torch.Tensor]":
    """The kept tensors of a state dict as float32, once they are exactly those of the network."""
    import torch

    where = f"{_place(name)[0]}: {path}"
    if not (isinstance(weights, Mapping) and all(isinstance(t, torch.Tensor) for t in weights.values())):
        raise UserError(f"{where}: not a state dict, which maps names to tensors")
    expected = _shapes(name)
    given = {key: t for key, t in weights.items() if _is_kept(key, name)}
    problems = [f"{key} is missing" for key in expected if key not in given]
    problems += [f"{key} is unknown" for key in given if key not in expected]
    for key in expected.keys() & given.keys():
        if given[key].shape != expected[key]:
            problems.append(f"{key} has shape {tuple(given[key].shape)} instead of {tuple(expected[key])}")
        elif not given[key].is_floating_point() or not given[key].isfinite().all():
            problems.append(f"{key} holds something else than finite floating-point numbers")
    if problems:
        first = "; ".join(sorted(problems)[:3]) + ("; and more" if len(problems) > 3 else "")
        raise UserError(f"{where}: not the weights of torchvision's {BACKBONES[name]}: {first}")
    return {key: given[key].float().clone(memory_format=torch.contiguous_format) for key in expected}


def _shapes(name: str) -> "dict[str, torch.Size]":
    """The kept entries of torchvision's network: their names and shapes."""
    import torch
    import torchvision

    # Its own initialisation is slow, and warns.
    settings = {"init_weights": False} if name == "inception_v3" else {}
    with torch.device("meta"):  # shapes only: no memory, and no random number is drawn
        model = torchvision.models.get_model(BACKBONES[name], weights=None, **settings)
    return {key: t.shape for key, t in model.state_dict().items() if _is_kept(key, name)}


def _is_kept(key: str, name: str) -> bool:
    """Whether an entry is the encoder's, and not its classifier's or a count of training steps."""
    if name.startswith(("resnet", "inception")):
        return not key.startswith(("fc.", "AuxLogits.")) and not key.endswith(".num_batches_tracked")
    return key.startswith("features.")
