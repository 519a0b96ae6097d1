"""Colour real black-and-white pictures with one model, at full size, and tell how well that went.

    python -m stages.real_bw_test --model gan --made-from models/gan --data data/prepared/bw \\
        --photos data/prepared/photos --out reports/real_bw/gan

Pictures take the way that those of `tintype colorize` take. Nobody knows their true colours, so the figures
need none (`tintype.real_bw`). Writes a PNG per picture; `figures.csv`, a row per picture; and `gap.csv`: the
figures beside those of test photographs that were made to look old, of their truth, and of training pictures.
Reads `real_bw.side`, `real_bw.films` and `real_bw.age` of params.yaml.
"""

import argparse
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd
import torch

from tintype import borders, full_size, metrics, real_bw, tracking
from tintype import params as parameters
from tintype.batch import Batch
from tintype.color import lab_to_rgb, rgb_to_lab, to_uint8
from tintype.colorizer import Colorizer, file_of
from tintype.console import run
from tintype.files import new_folder, sha256
from tintype.images import encode_png
from tintype.progress import progress
from tintype.report import sheets
from tintype.runtimes import Predictor
from tintype.store import CONTENTS, Split, read_summary

SHOWN = 9  # pictures on the sheet in MLflow


@torch.no_grad()
def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", required=True, help="the model's name")
    parser.add_argument("--made-from", type=Path, required=True, help="the model's folder or file")
    parser.add_argument("--data", type=Path, required=True, help="prepared black-and-white pictures")
    parser.add_argument("--photos", type=Path, required=True, help="prepared photographs, to compare with")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument("--params", type=Path, default="params.yaml")
    args = parser.parse_args(argv)
    params = parameters.load(args.params)
    torch.use_deterministic_algorithms(True)

    painter = Painter(Colorizer.load(args.made_from), params.real_bw.side)
    pictures, photographs = Split(args.data, "all"), held_out(args.photos)
    training = Split(args.photos, "train")
    chosen = set(real_bw.spread(len(pictures), SHOWN).tolist())
    real, shown = [], []
    with new_folder(args.out) as out:
        for number in progress(range(len(pictures)), f"colour {args.model}", "pictures"):
            name = pictures.index["photograph"][number]
            grey = real_bw.grey_values(Batch.of_records(pictures[number][None]).input)
            rgb, figures = painter.painted(grey)
            encode_png(out / f"{number:04d}-{PurePosixPath(name).stem}.png", rgb)
            if number in chosen:
                shown.append(sheets.fit(rgb, 256))
            real.append({"photograph": name} | figures)
        films, truth = through_films(photographs, painter, params.real_bw.films, params.real_bw.age)
        gap = real_bw.gap(pd.DataFrame(real), films, truth, of_training(training, painter))
        table = pd.DataFrame(real).rename(columns={"photograph": "picture"})
        for file, rows in (("figures.csv", table), ("gap.csv", gap)):
            rows.to_csv(out / file, index=False, lineterminator="\n", float_format="%.6g")

    identity = sha256(file_of(args.made_from))
    with tracking.evaluation_run(params.runtime.tracking, model=args.model, identity=identity) as tracked:
        tracked.dataset("black-and-white pictures", sha256(args.data / CONTENTS), "real_bw")
        tracked.metrics(0, {"real_bw_colorfulness": table["colorfulness"].mean()})
        tracked.image("real_bw", 0, sheets.grid([shown[at : at + 3] for at in range(0, len(shown), 3)]))
    print(f"{args.out}: {len(pictures)} pictures coloured")


class Painter:
    """A model that colours grey pictures as it does for a user, and the figures of what comes out."""

    def __init__(self, colorizer: Colorizer, size: int) -> None:
        self._predict, self._size = Predictor(colorizer, "torch"), size
        self.grids = real_bw.grids(colorizer)

    def painted(self, grey: np.ndarray) -> tuple[np.ndarray, dict[str, float]]:
        """A grey picture, uint8 (H, W), in colour, uint8 (H, W, 3), and its figures."""
        rgb = full_size.colorize(grey, self._predict, size=self._size)
        L = lightness(grey)
        small = full_size.small(L, self._size)
        figures = real_bw.figures(rgb, small.shape[-2:], self.grids, borders.inside(small))
        return rgb, figures | self._kept(L, rgb)

    def of_truth(self, rgb: np.ndarray) -> dict[str, float]:
        """The figures of true colours, uint8 (H, W, 3), with the grids of the network laid on them."""
        small = full_size.small(torch.zeros(1, 1, *rgb.shape[:2]), self._size)
        return real_bw.figures(rgb, small.shape[-2:], self.grids)

    def _kept(self, L: torch.Tensor, rgb: np.ndarray) -> dict[str, float]:
        """What became of the lightness, and how much of what was predicted a screen cannot show."""
        ab = full_size.predicted(L[0, 0], self._predict, self._size)
        rows = max(1, full_size.STRIP // rgb.shape[1])  # at a time, so that a large scan takes no more memory
        parts = []
        for top in range(0, len(rgb), rows):
            strip = slice(top, top + rows)
            written = torch.tensor(rgb[strip]).permute(2, 0, 1)[None] / 255
            shift = real_bw.lightness_shift(written, L[:, :, strip]).double()
            free = lab_to_rgb(torch.cat([L[:, :, strip], ab[:, :, strip]], dim=1), clip=False)
            outside = metrics.out_of_gamut_share(free).item()
            parts.append((shift.numel(), outside, shift.mean().item(), shift.max().item()))
        pixels, outside, shift, most = np.array(parts).T
        return {
            "out_of_gamut_share": float(np.average(outside, weights=pixels)),
            "lightness_shift": float(np.average(shift, weights=pixels)),
            "lightness_shift_max": float(most.max()),
        }


def lightness(grey: np.ndarray) -> torch.Tensor:
    """The lightness (1, 1, H, W), in [0, 100], of a grey picture, uint8 (H, W)."""
    of_values = rgb_to_lab((torch.arange(256) / 255).expand(1, 3, 1, 256))[0, 0, 0].numpy()
    return torch.from_numpy(of_values[grey])[None, None]


def held_out(photos: Path) -> Split:
    """The test pictures, or where photographs are cut up the largest parts of them that were held out."""
    return Split(photos, "test_region" if "test_region" in read_summary(photos)["records"] else "test")


def through_films(
    split: Split, painter: Painter, films: tuple[str, ...], age: float
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Figures of test photographs as old ones that the model coloured, a row per picture and film; and of
    their truth, a row per picture."""
    found, truth = [], []
    for number in progress(real_bw.spread(len(split), real_bw.PICTURES), "test photographs", "pictures"):
        name = {"photograph": split.index["photograph"][number]}
        lab = Batch.of_records(split[number][None]).lab
        for place, film in enumerate(films):
            old = real_bw.as_old(lab, film, age, seed=int(number) * len(films) + place)
            found.append(name | {"film": film} | painter.painted(real_bw.grey_values(old))[1])
        rgb = to_uint8(lab_to_rgb(lab))[0]
        truth.append(name | painter.of_truth(rgb))
    return pd.DataFrame(found), pd.DataFrame(truth)


def of_training(split: Split, painter: Painter) -> pd.DataFrame:
    """Figures of pictures that the model learned from, as they were stored first, from all over the split."""
    first = np.flatnonzero(split.index["copy"] == 0)
    rows = []
    for number in first[real_bw.spread(len(first), real_bw.TRAINING)]:
        rgb = to_uint8(lab_to_rgb(Batch.of_records(split[number][None]).lab))[0]
        rows.append({"photograph": split.index["photograph"][number]} | painter.of_truth(rgb))
    return pd.DataFrame(rows)


if __name__ == "__main__":
    run(main)
