"""What the report's page shows, gathered from what the stages wrote."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from ruamel.yaml import YAML

from tintype.batch import Batch
from tintype.color import lab_to_rgb, to_uint8
from tintype.files import sha256
from tintype.images import decode
from tintype.params_schema import Params
from tintype.report import gallery, tables
from tintype.report.page import Old, Picture
from tintype.sources import backbones
from tintype.store import CONTENTS, Split

# Per picture; those of a whole set say nothing there.
SHOWN = ["lpips", "ciede2000", "psnr", "ssim", "auc", "auc_rebalanced", "top1", "colorfulness"]
SHOWN += ["delta_colorfulness_per_image"]
OLD = 512  # pixels of the longer side of a real black-and-white picture


def pictures(test: Split, samples: Path, models: Mapping[str, pd.DataFrame]) -> list[Picture]:
    """The test pictures that the gallery shows, as each model coloured them, with their figures.

    samples: folder of the models' archives (`gallery.FILE`). models: rows per picture, in the split's order.
    """
    numbers = gallery.chosen(test)
    archives = [gallery.read(samples / model / gallery.FILE, numbers) for model in models]
    figures = {model: _figures(rows) for model, rows in models.items()}
    first = next(iter(models.values()))
    tiles = test.index["photograph"].duplicated().any()
    found = []
    for number, *coloured in zip(numbers, *archives, strict=True):
        batch, row = Batch.read(test, np.array([number])), test.index.iloc[number]
        grey, truth = (gallery.encoded(to_uint8(lab_to_rgb(lab))[0]) for lab in (batch.grey, batch.lab))
        place = f" at {row['left']}, {row['top']}" if tiles else ""
        values = {model: each.iloc[number].dropna().to_dict() for model, each in figures.items()}
        values["truth"] = {"colorfulness": float(first["true_colorfulness"].iloc[number])}
        by_model = dict(zip(models, coloured, strict=True))
        name, group = f"{row['photograph']}{place}", row["label"] or row["group"]
        found.append(Picture(name, group, grey, truth, by_model, values))
    return found


def old(pictures: Split, folder: Path, models: Sequence[str]) -> list[Old]:
    """The real black-and-white pictures, as each model coloured them into `folder`/MODEL."""
    coloured = [sorted((folder / model).glob("*.png")) for model in models]
    found = []
    for number, files in enumerate(zip(*coloured, strict=True)):
        grey = to_uint8(lab_to_rgb(Batch.read(pictures, np.array([number])).grey))[0]
        shown = {model: gallery.encoded(decode(file), OLD) for model, file in zip(models, files, strict=True)}
        found.append(Old(pictures.index["photograph"][number], gallery.encoded(grey, OLD), shown))
    return found


def why_missing(figure: str, weights: Path) -> str:
    """Why a figure that a network makes is not available, by what download@weights recorded."""
    kind, _, net = figure.partition("_")
    reason = backbones.why_no_classifier if kind == "top1" else backbones.why_not
    one = "it compares photographs, and the test pictures come from one"
    return f"{tables.MISSING}: {reason(weights, net) or one}"


def values(params: Params) -> str:
    """All values of params.yaml that shape a result, as YAML."""
    text, yaml = io.StringIO(), YAML()
    yaml.default_flow_style, yaml.width = None, 100
    yaml.dump(params.model_dump(mode="json", exclude={"runtime"}, exclude_unset=True), text)
    return text.getvalue()


def digests(data: Path, bw: Path, weights: Path, models: Mapping[str, pd.DataFrame]) -> dict[str, str]:
    """What the page was made from, by what it is: SHA-256, of models its start; or why it is not there."""
    found = {"prepared photographs": sha256(data / CONTENTS)}
    found |= {"prepared black-and-white pictures": sha256(bw / CONTENTS)}
    found |= {f"model {model}": rows["weights"].iloc[0] for model, rows in models.items()}
    files = backbones.available(weights)
    for net in backbones.listed(weights):
        found[f"weights of {net}"] = sha256(files[net]) if net in files else backbones.why_not(weights, net)
    return found


def _figures(rows: pd.DataFrame) -> pd.DataFrame:
    parts = {name: part for name, part in tables.figures(rows).items() if tables.kind(name) in SHOWN}
    return pd.DataFrame({name: top / weight for name, (top, weight) in parts.items()})
