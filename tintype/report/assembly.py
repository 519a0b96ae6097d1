"""What the report says and shows, gathered from what the stages wrote."""

import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from ruamel.yaml import YAML

from tintype.batch import Batch
from tintype.color import lab_to_rgb, to_uint8
from tintype.files import sha256
from tintype.floors import FLOORS
from tintype.images import decode
from tintype.params_schema import Params
from tintype.report import cells, gallery, tables
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


def of_sets(summary: dict[str, float | str]) -> dict[str, float]:
    """What a summary has that rows per picture do not: figures of the whole set, and what a model costs."""
    wanted = ("fid", "kid", "parameters", "gflops")
    found = {name: value for name, value in summary.items() if tables.kind(name) in wanted}
    found = {name: value for name, value in found.items() if not isinstance(value, str)}
    # Some have no interval, FID never: drawing pictures again would raise it by itself.
    figures = [
        name for name in found if tables.kind(name) in wanted[:2] and not name.endswith(("_low", "_high"))
    ]
    return {f"{name}_{end}": math.nan for name in figures for end in ("low", "high")} | found


def gaps(folder: Path, models: Sequence[str]) -> pd.DataFrame:
    """The rows of each model's table `folder`/MODEL/gap.csv, with its name first."""
    each = [pd.read_csv(folder / model / "gap.csv").assign(model=model) for model in models]
    rows = pd.concat(each, ignore_index=True)
    return rows[["model", *rows.columns.drop("model")]]


def of_real(gaps: pd.DataFrame) -> pd.DataFrame:
    """A row per model: its figures on real pictures with the ends of their intervals, taken from `gaps`."""
    found = []
    for model, rows in gaps.groupby("model", sort=False):
        row: dict[str, object] = {"model": model}
        for name, *ends in rows[["figure", "real", "real_low", "real_high"]].itertuples(index=False):
            counted = name in cells.COUNTS
            row |= {name: int(ends[0])} if counted else dict(zip(_with_ends(name), ends, strict=True))
        found.append(row)
    return pd.DataFrame(found)


def notes(models: dict[str, pd.DataFrame], missing: dict[str, str], shared: int) -> list[str]:
    """What a reader has to know. shared: of how many test photographs other parts are for training."""
    rows = next(iter(models.values()))
    said = [
        f"{len(rows)} test pictures, of {rows['photograph'].nunique()} photographs; "
        "[95 % bootstrap interval over photographs].",
        f"{', '.join(FLOORS)} are floors: what one gets without learning anything.",
        "One model is called better than another only where the interval of their paired difference "
        "excludes zero; of models that do not differ, about one pair in twenty does so by chance.",
        "psnr and ssim reward grey; read them beside the floor, never alone.",
        f"The truth is kept in 8-bit Lab, {rows['ciede2000_store'].mean():.3f} CIEDE2000 from the pictures "
        "on average: no model can come nearer than that.",
    ]
    if shared:
        said.append(
            f"Of {shared} of these photographs the models learned from other parts: on photographs that are "
            "new to them expect worse."
        )
    return [*said, *(f"{name}: {why}" for name, why in missing.items())]


def why_missing(figure: str, weights: Path) -> str:
    """Why a figure that a network makes is not available, by what download@weights recorded."""
    kind, _, net = figure.partition("_")
    if kind == "top1":
        return (
            f"{tables.MISSING}: {backbones.why_no_classifier(weights, net) or 'no test picture has a label'}"
        )
    return f"{tables.MISSING}: {backbones.why_not(weights, net) or 'there is one test photograph'}"


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
    found |= {f"{model}, its first 12 digits": rows["weights"].iloc[0] for model, rows in models.items()}
    files = backbones.available(weights)
    for net in backbones.listed(weights):
        found[f"weights of {net}"] = sha256(files[net]) if net in files else backbones.why_not(weights, net)
    return found


def _with_ends(name: str) -> list[str]:
    return [f"{name}{end}" for end in ("", "_low", "_high")]


def _figures(rows: pd.DataFrame) -> pd.DataFrame:
    parts = {name: part for name, part in tables.figures(rows).items() if tables.kind(name) in SHOWN}
    return pd.DataFrame({name: top / weight for name, (top, weight) in parts.items()})
