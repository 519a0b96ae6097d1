"""The stage that colours real black-and-white pictures: as a user gets them, the same each time."""

from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import MagicMock

import numpy as np
import pandas as pd
import pytest
import torch
from pages import photograph

from stages import real_bw_test
from tintype import borders, full_size, metrics, real_bw, store
from tintype.batch import Batch
from tintype.color import lab_to_bytes, lab_to_rgb, rgb_to_lab
from tintype.colorizer import Colorizer
from tintype.console import UserError
from tintype.files import sha256, write_json
from tintype.images import decode
from tintype.runtimes import Predictor

PHOTOS = {"train": 6, "val": 1, "test": 3}


def colorizer() -> Colorizer:
    torch.manual_seed(0)
    known = {"backbone": "unet", "width": 4, "depth": 3, "output_stride": 2, "head": "l1"}
    return Colorizer(known | {"color_space": "lab"}, None).eval()


def write_store(folder: Path, splits: dict[str, list[np.ndarray]]) -> None:
    folder.mkdir()
    pictures = [(split, record) for split, some in splits.items() for record in some]
    offsets, digest = store.write_shard(folder, "0.bin", [record for _, record in pictures])
    found = [
        (split, f"{number}.png", "", "", "", 0, 0, 0, *record.shape[:0:-1], "0.bin", offset)
        for number, ((split, record), offset) in enumerate(zip(pictures, offsets, strict=True))
    ]
    store.write_csv(folder / store.INDEX, store.COLUMNS, found)
    store.write_contents(folder, {"0.bin": digest, store.INDEX: sha256(folder / store.INDEX)})
    write_json(folder / "summary.json", {"records": {split: len(some) for split, some in splits.items()}})


def record(seed: int, height: int, width: int, coloured: bool = True) -> np.ndarray:
    lab = rgb_to_lab(torch.tensor(photograph(seed, height, width)).permute(2, 0, 1) / 255)
    stored = lab_to_bytes(lab if coloured else lab * torch.tensor([1, 0, 0]).view(3, 1, 1)).numpy()
    return np.concatenate([stored[:1], stored])


@pytest.fixture
def stage(tmp_path, monkeypatch):
    """A function that runs the stage in a folder of its own, and what it told tracking."""
    whole = {"all": [record(seed, *size, False) for seed, size in enumerate([(40, 61), (90, 33), (16, 16)])]}
    write_store(tmp_path / "bw", whole)
    photos = {split: [record(seed, 32, 32) for seed in range(number)] for split, number in PHOTOS.items()}
    write_store(tmp_path / "photos", photos | {"test_region": [record(8, 48, 40), record(9, 48, 48)]})
    colorizer().save(tmp_path / "model", {})
    settings = SimpleNamespace(side=48, films=("blue", "orthochromatic"), age=0.5)
    runtime = SimpleNamespace(tracking=None)
    monkeypatch.setattr(
        real_bw_test.parameters, "load", lambda path: SimpleNamespace(real_bw=settings, runtime=runtime)
    )
    tracked = MagicMock()
    monkeypatch.setattr(real_bw_test.tracking, "evaluation_run", lambda *_, **__: nullcontext(tracked))

    def run(out: str = "out", **places: str) -> dict[str, bytes]:
        given = {"data": "bw", "photos": "photos", "made-from": "model", "out": out} | places
        real_bw_test.main(["--model=m", *(f"--{name}={tmp_path / place}" for name, place in given.items())])
        return {path.name: path.read_bytes() for path in sorted((tmp_path / out).iterdir())}

    run.folder, run.tracked, run.settings = tmp_path, tracked, settings
    return run


def test_the_stage_colours_every_picture_as_a_user_would_have_it(stage):
    files = stage()
    assert list(files) == ["0000-0.png", "0001-1.png", "0002-2.png", "figures.csv", "gap.csv"]
    predict = Predictor(Colorizer.load(stage.folder / "model"), "torch")
    split = store.Split(stage.folder / "bw", "all")
    for number in range(3):
        grey = real_bw.grey_values(Batch.of_records(split[number][None]).input)
        coloured = decode(stage.folder / f"out/{number:04d}-{number}.png")
        assert coloured.shape == (*grey.shape, 3)
        with torch.no_grad():
            np.testing.assert_array_equal(coloured, full_size.colorize(grey, predict, size=48))
    assert stage("again") == files
    stage.tracked.metrics.assert_called()
    assert stage.tracked.image.call_args[0][2].ndim == 3


def test_grids_are_looked_for_where_the_network_saw_the_picture():
    framed = np.full((120, 100), 250, np.uint8)
    framed[10:110, 16:84] = photograph(5, 100, 68).mean(axis=-1)
    painter, seen = real_bw_test.Painter(colorizer(), 64), []
    network = painter._predict
    painter._predict = lambda batch: seen.append(batch.input) or network(batch)
    with torch.no_grad():
        painter.painted(framed)
    small = full_size.small(real_bw_test.lightness(framed), 64)
    inside = borders.inside(small)
    assert small.shape[-2:] == (77, 64) and small[(..., *inside)].shape[-2:] != (77, 64), "framed"
    for given in seen:
        torch.testing.assert_close(given, small[(..., *inside)])


def test_the_stage_writes_figures_of_every_picture_and_the_gap(stage):
    stage()
    figures = pd.read_csv(stage.folder / "out/figures.csv")
    assert figures["picture"].tolist() == ["0.png", "1.png", "2.png"]
    assert figures.notna().all(axis=None)
    assert (figures["lightness_shift"] <= 0.3).all() and (figures["lightness_shift_max"] <= 1).all()
    assert figures[["grey_share", "out_of_gamut_share"]].stack().between(0, 1).all()
    rgb = torch.tensor(decode(stage.folder / "out/0000-0.png")).permute(2, 0, 1)[None] / 255
    assert figures["colorfulness"][0] == pytest.approx(metrics.colorfulness(rgb).item(), rel=1e-4)
    gap = pd.read_csv(stage.folder / "out/gap.csv").set_index("figure")
    assert gap.loc["pictures", list(real_bw.SIDES)].tolist() == [3, 4, 2, 6], "regions, where there are some"
    assert gap.loc["photographs", list(real_bw.SIDES)].tolist() == [3, 2, 2, 6]
    assert gap.loc["colorfulness", "real"] == pytest.approx(figures["colorfulness"].mean(), rel=1e-4)
    truth = [Batch.of_records(one[None]).lab for one in (record(8, 48, 40), record(9, 48, 48))]
    each = [metrics.colorfulness((lab_to_rgb(lab) * 255).round() / 255).item() for lab in truth]
    assert gap.loc["colorfulness", "truth"] == pytest.approx(np.mean(each), rel=1e-4)


def test_strips_of_a_large_picture_have_the_figures_of_the_whole(stage, monkeypatch):
    whole = stage()["figures.csv"]
    monkeypatch.setattr(full_size, "STRIP", 150)
    strips = stage("strips")["figures.csv"]
    first, second = (pd.read_csv(stage.folder / out / "figures.csv") for out in ("out", "strips"))
    pd.testing.assert_frame_equal(first, second, rtol=1e-4)
    assert len(whole) == pytest.approx(len(strips), abs=30)


def test_where_test_pictures_are_whole_they_are_what_films_see(stage):
    write_store(stage.folder / "squares", {"train": [record(1, 32, 32)], "test": [record(2, 32, 32)]})
    stage(photos="squares")
    gap = pd.read_csv(stage.folder / "out/gap.csv").set_index("figure")
    assert gap.loc["pictures", ["films", "truth", "training"]].tolist() == [2, 1, 1]
    assert gap.loc["colorfulness", ["films_low", "gap_high", "truth_low", "training_low"]].isna().all()


@pytest.mark.parametrize(
    ("places", "message"),
    [
        ({"made-from": "nowhere"}, r"nowhere: no model here; `dvc repro` trains one"),
        ({"data": "nowhere"}, r"nowhere: no contents.csv here; run `dvc repro prepare`"),
        ({"data": "photos"}, r"photos: no records of split 'all' \(found: test, test_region, train, val\)"),
        ({"photos": "nowhere"}, r"nowhere: no summary.json here; run `dvc repro prepare`"),
        ({"photos": "bw"}, r"bw: no records of split 'test'"),
    ],
)
def test_what_is_not_there_or_not_what_it_should_be_is_named_and_nothing_is_written(stage, places, message):
    with pytest.raises(UserError, match=message):
        stage(**places)
    assert not (stage.folder / "out").exists()


def test_a_damaged_store_is_named_and_what_was_there_stays(stage):
    before = stage()
    shard = stage.folder / "bw/0.bin"
    shard.write_bytes(shard.read_bytes()[:-1])
    (stage.folder / "bw" / store.CONTENTS).touch()
    with pytest.raises(UserError, match=r"0.bin: [\d,]+ bytes instead of [\d,]+"):
        stage()
    assert {path.name: path.read_bytes() for path in sorted((stage.folder / "out").iterdir())} == before


def test_grey_values_and_their_lightness_are_each_others_inverse():
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
    L = real_bw_test.lightness(grey)
    np.testing.assert_array_equal(real_bw.grey_values(L), grey)
    expected = rgb_to_lab(torch.tensor(grey).expand(1, 3, 16, 16) / 255)[:, :1]
    torch.testing.assert_close(L, expected)
