"""Colouring at full size: any size and depth, the picture's own lightness, colours within their edges."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from pages import photograph
from torch import Tensor

from tintype import borders, full_size
from tintype.batch import Batch
from tintype.color import rgb_to_lab

ROOT = Path(__file__).parents[1]
RNG = np.random.default_rng(0)


def grey(batch: Batch) -> Tensor:
    """Predicts no colour."""
    return batch.input.new_zeros(1, 2, *batch.input.shape[-2:])


def wild(strength: float):
    """Predicts other colours for each pixel, most of which no screen can show."""

    def predict(batch: Batch) -> Tensor:
        generator = torch.Generator().manual_seed(1)
        return strength * (2 * torch.rand(1, 2, *batch.input.shape[-2:], generator=generator) - 1)

    return predict


def lab(picture: np.ndarray) -> Tensor:
    """Lab (3, H, W) of samples."""
    three = picture if picture.ndim == 3 else np.repeat(picture[..., None], 3, axis=2)
    return rgb_to_lab(torch.from_numpy(three / np.iinfo(picture.dtype).max).permute(2, 0, 1))


def random_picture(kind: str, dtype: type, size: tuple[int, int]) -> np.ndarray:
    levels = np.iinfo(dtype).max
    if kind == "photograph":
        picture = photograph(3, *size) / 255
    elif kind == "noise":
        picture = RNG.random((*size, 3))
    elif kind == "sepia":
        picture = RNG.random((*size, 1)) ** [0.8, 1.0, 1.3]
    elif kind == "dark":
        picture = 0.08 * RNG.random(size)
    else:
        picture = RNG.random(size)
    return np.round(picture * levels).astype(dtype)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("kind", ["photograph", "noise", "sepia", "dark", "grey"])
@pytest.mark.parametrize("strength", [1.0, 40.0, 128.0, 1000.0])
def test_the_lightness_stays_whatever_colours_are_predicted(kind, dtype, strength):
    picture = random_picture(kind, dtype, (60, 85))
    coloured = full_size.colorize(picture, wild(strength), size=20)
    assert coloured.shape == (60, 85, 3) and coloured.dtype == dtype
    before, after = lab(picture), lab(coloured)
    change = (after[0] - before[0]).abs()
    assert change.mean() <= 0.3 and change.max() <= 1
    if strength > 1:
        assert after[1:].norm(dim=0).mean() > (0.1 if kind == "dark" else 3), "and yet it has colours"


@pytest.mark.parametrize("size", [(8, 8), (1, 1), (1, 500), (500, 1), (7, 9), (3, 300), (257, 256)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_any_size_comes_back_as_it_went_in(size, dtype):
    picture = random_picture("grey", dtype, size)
    coloured = full_size.colorize(picture, wild(60), size=64)
    assert coloured.shape == (*size, 3) and coloured.dtype == dtype
    assert (lab(coloured)[0] - lab(picture)[0]).abs().max() <= 1


def test_without_colours_every_grey_stays_as_it_is():
    picture = np.arange(256, dtype=np.uint8).reshape(16, 16)
    np.testing.assert_array_equal(full_size.colorize(picture, grey), np.repeat(picture[..., None], 3, axis=2))
    deep = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    coloured = full_size.colorize(deep, grey).astype(int)
    assert np.abs(coloured - deep[..., None]).max() <= 2  # of 65535: in float32


def test_of_colours_only_the_lightness_is_used():
    picture = photograph(2, 40, 56)
    seen = []

    def predict(batch: Batch) -> Tensor:
        seen.append(batch.input)
        return grey(batch)

    coloured = full_size.colorize(picture, predict)
    assert np.ptp(coloured.astype(int), axis=2).max() <= 1  # of 255: rounding
    torch.testing.assert_close(seen[0][0, 0], lab(picture)[0].float(), atol=1e-3, rtol=0)


@pytest.mark.parametrize(
    ("size", "seen"),
    [((600, 900), (40, 60)), ((900, 600), (60, 40)), ((30, 500), (10, 160)), ((20, 20), (20, 20))],
)
def test_the_model_sees_means_over_areas_and_never_an_enlarged_picture(size, seen):
    L = 100 * torch.rand(1, 1, *size, generator=torch.Generator().manual_seed(0))
    small = full_size.small(L, 40)
    assert small.shape[-2:] == seen
    assert small.mean() == pytest.approx(L.mean().item(), abs=0.5)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("shape", [(70, 90), (70, 90, 3)])
def test_in_strips_it_is_the_same_picture(monkeypatch, shape, dtype):
    picture = RNG.integers(0, np.iinfo(dtype).max + 1, shape).astype(dtype)
    whole = full_size.colorize(picture, wild(50), size=16)
    for strip in (1, 90 * 7, 90 * 16):
        monkeypatch.setattr(full_size, "STRIP", strip)
        parts = full_size.colorize(picture, wild(50), size=16)
        difference = np.abs(parts.astype(int) - whole)
        # Powers of vectors and of what is left over differ in the last bit, which 16 bits can show.
        assert difference.max() <= (dtype == np.uint16) and (difference > 0).mean() < 0.01


def test_saturation_multiplies_chroma():
    picture = np.full((32, 32), 128, np.uint8)

    def predict(batch: Batch) -> Tensor:
        return torch.tensor([6.0, -8.0]).view(1, 2, 1, 1).expand(1, 2, *batch.input.shape[-2:])

    chroma = [
        lab(full_size.colorize(picture, predict, saturation=factor))[1:].norm(dim=0).mean().item()
        for factor in (0.0, 0.5, 1.0, 2.0)
    ]
    assert chroma == pytest.approx([0, 5, 10, 20], abs=0.6)


def test_what_is_cleaned_is_the_models_copy_alone():
    picture, seen = random_picture("grey", np.uint8, (40, 40)), []

    def predict(batch: Batch) -> Tensor:
        seen.append(batch.input)
        return grey(batch)

    coloured = full_size.colorize(picture, predict, clean=lambda L: torch.full_like(L, 33.0))
    assert seen[0].unique().tolist() == [33.0]
    np.testing.assert_array_equal(coloured, np.repeat(picture[..., None], 3, axis=2))


def test_colours_keep_within_an_edge_that_the_small_copy_does_not_show():
    picture = np.where(np.arange(300) < 173, 90, 200).astype(np.uint8)[None].repeat(240, axis=0)

    def predict(batch: Batch) -> Tensor:
        right = (batch.input - lab(picture)[0].min()) / np.ptp(lab(picture)[0].numpy())
        return torch.cat([30 - 50 * right, 20 - 50 * right], dim=1).float()

    after = lab(full_size.colorize(picture, predict, size=24))[1]
    near = after[:, 165:173].mean(), after[:, 173:181].mean()
    assert near[0] == pytest.approx(30, abs=4) and near[1] == pytest.approx(-20, abs=4)


@pytest.mark.parametrize(
    ("picture", "error", "said"),
    [
        (np.zeros((8, 8), np.float32), TypeError, "samples of float32; uint8 and uint16"),
        (np.zeros((8, 8), bool), TypeError, "samples of bool"),
        (np.zeros((8, 8, 4), np.uint8), ValueError, r"shape \(8, 8, 4\)"),
        (np.zeros((0, 8), np.uint8), ValueError, r"shape \(0, 8\)"),
        (np.zeros(8, np.uint8), ValueError, r"shape \(8,\)"),
    ],
)
def test_other_samples_are_refused(picture, error, said):
    with pytest.raises(error, match=said):
        full_size.colorize(picture, grey)


def test_a_border_stays_grey_and_the_model_does_not_see_it():
    """A print of white paper, with a caption at its foot, at four times the size of what the model sees."""
    picture = np.full((480, 400), 245, np.uint8)
    picture[40:380, 40:360] = 30 + 150 * RNG.random((340, 320))
    picture[410:440, 120:280:6] = 20
    seen = []

    def predict(batch: Batch) -> Tensor:
        seen.append(batch.input)
        return torch.full((1, 2, *batch.input.shape[-2:]), 15.0)

    coloured = full_size.colorize(picture, predict, size=100)
    assert seen[0].shape == (1, 1, 85, 80) and seen[0].max() < 85
    assert borders.inside(full_size.small(lab(picture)[None, :1].float(), 100)) == (
        slice(10, 95),
        slice(10, 90),
    )
    outside = np.ones((480, 400), bool)
    outside[36:384, 36:364] = False  # but for what enlarging smooths: the width of a small pixel
    assert np.ptp(coloured[outside].astype(int), axis=1).max() <= 1
    assert np.ptp(coloured[44:376, 44:356].astype(int), axis=2).mean() > 10


MEASURED = """
import json, resource, sys, time
import numpy as np, torch
from tintype import full_size
height, width, dtype = int(sys.argv[1]), int(sys.argv[2]), np.dtype(sys.argv[3])
row = np.linspace(0, np.iinfo(dtype).max, width).astype(dtype)
picture = np.empty((height, width, 3), dtype)
picture[:] = row[None, :, None]
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
began = time.perf_counter()
coloured = full_size.colorize(picture, lambda batch: torch.full((1, 2, *batch.input.shape[-2:]), 30.0))
assert coloured.shape == picture.shape and coloured.dtype == picture.dtype
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps([peak * 1024, time.perf_counter() - began]))
"""


@pytest.mark.slow
@pytest.mark.parametrize(("size", "dtype"), [((9000, 12000), "uint8"), ((6000, 8400), "uint16")])
def test_a_very_large_scan_takes_less_than_4_gb_of_memory(size, dtype):
    command = [sys.executable, "-c", MEASURED, *map(str, size), dtype]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=600)
    peak, _ = json.loads(done.stdout)
    assert peak < 4e9
