"""The floors on photographs of ImageNet, beside what was published and measured for them elsewhere.

The figures that hang on nothing but their definition: a wrong factor, range or variant would show here.
"""

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tintype import scoring
from tintype.batch import Batch
from tintype.color import lab_to_bytes, rgb_to_lab
from tintype.lpips_metric import Lpips

SHARED = Path(__file__).parents[2] / "shared"
ARCHIVE, WEIGHTS = SHARED / "data/imagenette-160.tgz", SHARED / "weights/squeezenet1_1_torchvision_fp16.npz"
EVERY = 4  # of the 600 validation photographs

THERE = ARCHIVE.exists() and WEIGHTS.exists()

pytestmark = pytest.mark.skipif(not THERE, reason=f"no photographs or weights in {SHARED}")


@pytest.fixture(scope="module")
def grey() -> dict[str, float]:
    """The mean figures of photographs without their colours."""
    with np.load(WEIGHTS) as file:
        lpips = Lpips("squeeze", {name: torch.from_numpy(file[name]) for name in file.files})
    rows = []
    for batch in photographs():
        weights = torch.ones(batch.L.shape[0], *batch.L.shape[2:], dtype=torch.float64)
        lab = torch.cat([batch.L, torch.zeros_like(batch.ab)], dim=1)
        rows.append(scoring.score(batch, lab, weights, {"lpips_squeeze": lpips}))
    return {name: float(np.concatenate([row[name] for row in rows]).mean()) for name in rows[0]}


def photographs(size: int = 25):
    with tarfile.open(ARCHIVE) as archive:
        names = sorted(one.name for one in archive if "/val/" in one.name and one.isfile())
        pictures = [Image.open(io.BytesIO(archive.extractfile(name).read())) for name in names[::EVERY]]
        pictures = [np.asarray(picture.convert("RGB").resize((160, 160))) for picture in pictures]
    assert len(pictures) == 150
    for start in range(0, len(pictures), size):
        rgb = torch.from_numpy(np.stack(pictures[start : start + size])).permute(0, 3, 1, 2) / 255
        lab = lab_to_bytes(rgb_to_lab(rgb))
        yield Batch.of_records(torch.cat([lab[:, :1], lab], dim=1))


@pytest.mark.parametrize(
    ("figure", "published", "apart"),
    [
        ("auc", 89.1, 1.5),  # "gray" of Zhang et al. 2016, table 1, on 10,000 other photographs
        ("psnr", 24.5, 1.0),
        ("ssim", 0.92, 0.03),
        ("lpips_squeeze", 0.188, 0.02),
        ("ciede2000", 10.3, 1.0),
        ("true_colorfulness_abs", 37.6, 5.0),
        ("true_colorfulness", 40.8, 6.0),
    ],
)
def test_the_grey_floor_is_where_it_is_known_to_be(grey, figure, published, apart):
    assert grey[figure] == pytest.approx(published, abs=apart)


def test_the_variant_of_published_tables_is_the_smaller_one(grey):
    assert 0.8 < grey["true_colorfulness_abs"] / grey["true_colorfulness"] < 0.98
    assert grey["colorfulness"] < 0.1
