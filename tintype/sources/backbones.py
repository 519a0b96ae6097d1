"""Pretrained networks: what metrics compare pictures with, and general encoders. Fetched as pictures are.

`gather` writes each as `NAME.safetensors` (float32, the state dict of torchvision's or torch-fidelity's
network, as far as it is used), and `manifest.csv`, which says where each came from, or why it is not there.
Without the internet one may be missing: that is no error, but a fact to record, and to show beside what needs
it.
"""

import http.client
import io
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

# What the lpips package calls them -> torchvision's name. Classifiers are kept too, where a file has one.
LPIPS = {"squeeze": "squeezenet1_1", "alex": "alexnet", "vgg": "vgg16"}
FIDELITY = "inception"  # torch-fidelity's: TensorFlow's Inception of 2015, of which FID was defined
# The set `weights`: what metrics compare pictures with.
METRICS = LPIPS | {FIDELITY: "inception-2015-12-05", "torchvision_inception": "inception_v3"}
# Encoders go by torchvision's own names, in any set.
ENCODERS = ["alexnet", "vgg16", "resnet18", "resnet50", "resnet152", "inception_v3", "squeezenet1_1"]
BACKBONES = METRICS | {name: name for name in ENCODERS}
COLUMNS = ["name", "status", "sha256", "origin", "detail"]
AVAILABLE, NOT_AVAILABLE = "available", "not available"
TIMEOUT = 20  # seconds without an answer, after which a server counts as out of reach


def gather(settings: Any, out: Path) -> str:
    """Fetch backbones into the folder `out`, and nothing else; say in a line which are available.

    `settings.nets` maps keys of `BACKBONES` to files; an encoder's set has one, `settings.net`, and
    `settings.file`. Each is read from its file (.pth or .npz, any floating-point precision); where that is
    null, from torch's cache, into which it is downloaded if need be. `out/manifest.csv` has a row for each:
    name; status, "available" or "not available"; sha256 of the safetensors file; origin: kind, name and
    sha256 of the file it was made from; detail: the reason and the remedy where it is not available, or where
    it is, but without the classifier that others of its kind have.

    Raises UserError for a file that is named but missing, damaged, or another network's, and for a damaged
    file in the cache.
    """
    nets = settings.nets if hasattr(settings, "nets") else {settings.net: settings.file}
    found = [_gather(name, file, out) for name, file in nets.items()]
    save_csv(out / NAME, pd.DataFrame(found, columns=COLUMNS))
    return ", ".join(f"{row['name']}: {row['status']}" for row in found)


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
    row = _row(folder, name)
    return "" if row["status"] == AVAILABLE else row["detail"]


def why_no_classifier(folder: Path, name: str) -> str:
    """Why the classifier of a key of `LPIPS` is not available, and what to do; empty where it is.

    Raises UserError as `why_not` does.
    """
    return _row(folder, name)["detail"]


def skeleton(name: str) -> "torch.nn.Module":
    """The network of a backbone, in evaluation mode, on the meta device: no numbers, no memory, no draws.

    torchvision's, whole; for `FIDELITY` torch-fidelity's, which answers with its 2,048 features.
    """
    import torch

    with torch.device("meta"):
        if name == FIDELITY:
            return _fidelity().eval()
        import torchvision

        # Inception's own initialisation is slow, and warns.
        settings = {"init_weights": False} if BACKBONES[name] == "inception_v3" else {}
        return torchvision.models.get_model(BACKBONES[name], weights=None, **settings).eval()


def _fidelity() -> "torch.nn.Module":
    import torch
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    class Unfilled(FeatureExtractorInceptionV3):
        # The constructor unpickles a file, or downloads one: it is given an empty one.
        def load_state_dict(self, state: Mapping, **how: Any) -> Any:
            return super().load_state_dict(state, **how) if state else None

    empty = io.BytesIO()
    torch.save({}, empty)
    empty.seek(0)
    return Unfilled(FIDELITY, ["2048"], feature_extractor_weights_path=empty)


def _row(folder: Path, name: str) -> dict[str, str]:
    table = load_csv(folder / NAME, COLUMNS)
    if name not in set(table["name"]):
        raise UserError(f"{folder / NAME}: no backbone {name!r}; there is {', '.join(table['name'])}")
    return table[table["name"] == name].iloc[0].to_dict()


def _gather(name: str, file: str | None, out: Path) -> dict[str, str]:
    path = Path(file) if file else _torch_cache(name)
    key, place, stage = _place(name)
    if path is None:
        detail = (
            f"{BACKBONES[name]} is not in torch's cache and could not be downloaded; name a file of its "
            f"weights under {key} in {place} and run `dvc repro`, or connect to the network and run "
            f"`dvc repro -f {stage}`"
        )
        print(detail, file=sys.stderr)
        return {"name": name, "status": NOT_AVAILABLE, "sha256": "", "origin": "", "detail": detail}
    from safetensors.torch import save  # here, because torch takes seconds, and readers need none

    copy = out / f"{name}.safetensors"
    weights = _kept(_read(path, name), path, name)
    copy.write_bytes(save(weights))
    detail = ""
    if name in LPIPS and not any(entry.startswith("classifier.") for entry in weights):
        detail = (
            f"{path.name} has no classifier; name a file of all of torchvision's {BACKBONES[name]} under "
            f"{key} in {place} and run `dvc repro`"
        )
    # A download and a cached file look the same here: running the stage again must not change its output.
    origin = f"{'file in params' if file else 'torch cache'}: {path.name}, sha256 {sha256(path)}"
    return {"name": name, "status": AVAILABLE, "sha256": sha256(copy), "origin": origin, "detail": detail}


def _place(name: str) -> tuple[str, str, str]:
    """What names the file of a network's weights, in which params file; and the stage that gathers them."""
    if name in METRICS:
        return f"download.weights.nets.{name}", "params.yaml", "download@weights"
    study = "studies/release" if name == "squeezenet1_1" else "studies/backbones"
    return f"download.{name}.file", f"{study}/params.yaml", f"{study}/dvc.yaml:weights@{name}"


def _torch_cache(name: str) -> Path | None:
    """The weights file in torch's cache, downloaded if need be; None if it cannot be had."""
    import torch

    url = _url(name)
    path = Path(torch.hub.get_dir()) / "checkpoints" / PurePosixPath(url).name
    digest = path.stem.rsplit("-", 1)[1]  # these files carry the start of their sha256
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
    if name == FIDELITY:
        from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3

        return URL_INCEPTION_V3
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


def _kept(weights: Any, path: Path, name: str) -> "dict[str, torch.Tensor]":
    """The kept tensors of a state dict as float32, once they are exactly those of the network."""
    import torch

    where = f"{_place(name)[0]}: {path}"
    if not (isinstance(weights, Mapping) and all(isinstance(t, torch.Tensor) for t in weights.values())):
        raise UserError(f"{where}: not a state dict, which maps names to tensors")
    expected = _shapes(name)
    given = {key: t for key, t in weights.items() if _is_kept(key, name)}
    if not any(key.startswith("classifier.") for key in given):
        expected = {key: shape for key, shape in expected.items() if not key.startswith("classifier.")}
    problems = [f"{key} is missing" for key in expected if key not in given]
    problems += [f"{key} is unknown" for key in given if key not in expected]
    for key in expected.keys() & given.keys():
        if given[key].shape != expected[key]:
            problems.append(f"{key} has shape {tuple(given[key].shape)} instead of {tuple(expected[key])}")
        elif not given[key].is_floating_point() or not given[key].isfinite().all():
            problems.append(f"{key} holds something else than finite floating-point numbers")
    if problems:
        first = "; ".join(sorted(problems)[:3]) + ("; and more" if len(problems) > 3 else "")
        whose = "torch-fidelity's" if name == FIDELITY else "torchvision's"
        raise UserError(f"{where}: not the weights of {whose} {BACKBONES[name]}: {first}")
    return {key: given[key].float().clone(memory_format=torch.contiguous_format) for key in expected}


def _shapes(name: str) -> "dict[str, torch.Size]":
    """The kept entries of the network: their names and shapes."""
    return {key: t.shape for key, t in skeleton(name).state_dict().items() if _is_kept(key, name)}


def _is_kept(key: str, name: str) -> bool:
    """Whether an entry is used: not a count of training steps, and of classifiers those of `LPIPS` alone."""
    if BACKBONES[name].startswith(("resnet", "inception")):
        return not key.startswith(("fc.", "AuxLogits.")) and not key.endswith(".num_batches_tracked")
    return key.startswith(("features.", "classifier.") if name in LPIPS else "features.")
