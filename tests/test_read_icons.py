"""What reading a study's icons promises: right and wrong where they belong, floors, a sheet."""

import itertools
from operator import attrgetter
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from test_colour_reader import HAIR, SHIRT, SIDE, icon

from stages import read_icons
from tintype import store
from tintype.batch import Batch
from tintype.color import lab_to_bytes, lab_to_rgb, to_uint8
from tintype.colorizer import Colorizer
from tintype.colour_reader import Reader
from tintype.conditions import Vocabulary
from tintype.console import UserError
from tintype.files import sha256
from tintype.report.wheel import wheel

SEEDS = {"told-1": 1, "told-2": 2, "blind-1": 1}
HELD_OUT = ["hair=black shirt=white", "hair=red shirt=green"]
SHIRTS = slice(3, 5)  # of the one-hot conditions


def stored(folder: Path) -> Path:
    """Three characters in six combinations: a and b to train with, less two combinations; c held out."""
    combinations = list(itertools.product("abc", HAIR, SHIRT))
    records, rows, texts = [], [], []
    for _, hair, shirt in combinations:
        lab = lab_to_bytes(icon(hair, shirt)).numpy()
        records.append(np.concatenate([np.full_like(lab[:1], 255), lab]))
        texts.append(f"hair={hair} shirt={shirt}")
    folder.mkdir()
    offsets, _ = store.write_shard(folder, "0.bin", records)
    for (group, hair, shirt), text, offset in zip(combinations, texts, offsets, strict=True):
        split = "test" if group == "c" else "test_conditions" if text in HELD_OUT else "train"
        about = (split, f"{group}-{hair}-{shirt}.png", group, "", text, 0, 0, 0, SIDE, SIDE)
        rows.append((*about, "0.bin", offset))
    store.write_csv(folder / store.INDEX, store.COLUMNS, rows)
    vocabulary = Vocabulary.of(texts)
    np.save(folder / store.CONDITIONS, np.stack([vocabulary.one_hot(text) for text in texts]))
    files = ("0.bin", store.INDEX, store.CONDITIONS)
    store.write_contents(folder, {name: sha256(folder / name) for name in files})
    summary = pd.Series({"records": {"test": 6, "test_conditions": 4, "train": 8}})
    summary["conditions"] = vocabulary.table
    summary.to_json(folder / "summary.json")
    return folder


class Told:
    """A model that knows what hair is asked for, and gives each a green shirt."""

    space = SimpleNamespace(coloured=True, whole=True)
    values = sorted(HAIR)

    def refuse_other(self, conditions: dict[str, list[str]]) -> None:
        assert conditions.keys() == {"hair", "shirt"}

    def colours(self, batch: Batch) -> torch.Tensor:
        return torch.stack([icon(self.values[int(one[:3].argmax())], "green") for one in batch.condition])


class Blind(Told):
    """A model that colours nothing, and has the true lightness."""

    space = SimpleNamespace(coloured=True, whole=False)

    def colours(self, batch: Batch) -> torch.Tensor:
        return torch.cat([batch.L, torch.zeros_like(batch.ab)], dim=1)


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return stored(tmp_path_factory.mktemp("icons") / "store")


def run(data: Path, out: Path, monkeypatch, seeds: dict[str, int], *more: str) -> Path:
    def load(path: Path) -> Told:
        return Told() if path.name.startswith("told") else Blind()

    monkeypatch.setattr(Colorizer, "load", load)
    monkeypatch.setattr(read_icons.parameters, "study", lambda path: SimpleNamespace(seeds=seeds))
    paths = {"params": out / "p.yaml", "data": data, "models": out / "models"}
    paths |= {"pictures": out / "own", "out": out / "results"}
    read_icons.main([*itertools.chain(*((f"--{name}", str(path)) for name, path in paths.items())), *more])
    return out


def test_rows_are_100_or_0_for_the_icons_of_each_kind(data, tmp_path, monkeypatch):
    out = run(data, tmp_path, monkeypatch, SEEDS)
    assert {file.stem for file in (out / "own").iterdir()} == {"drawing", "grey", *SEEDS, "truth"}
    rows = pd.read_csv(out / "own/told-1.csv").set_index("photograph")
    names = ["hair_combinations", "shirt_combinations", "hair_character", "shirt_character"]
    assert list(rows.columns) == names
    assert len(rows) == 4 + 6 and set(rows.index.str[0]) == {"a", "b", "c"}
    of_character = rows.index.str.startswith("c")
    assert rows[~of_character][names[2:]].isna().all(axis=None)
    assert rows[of_character][names[:2]].isna().all(axis=None)
    assert (rows[of_character]["hair_character"] == 100).all()
    assert (rows[~of_character]["hair_combinations"] == 100).all()
    green = rows.index.str.contains("green")
    assert (rows["shirt_character"].fillna(rows["shirt_combinations"]) == np.where(green, 100, 0)).all()


def test_the_table_has_floors_models_and_truth_with_shares_in_percent(data, tmp_path, monkeypatch):
    out = run(data, tmp_path, monkeypatch, SEEDS)
    table = pd.read_csv(out / "results/accuracy.csv").set_index("model")
    assert list(table.index) == ["drawing", "grey", "told", "blind", "truth"]
    names = ["hair_combinations", "shirt_combinations", "hair_character", "shirt_character"]
    assert table.loc["truth", names].tolist() == [100] * 4
    assert table.loc["told", names].tolist() == [100, 50, 100, 50]
    third = pytest.approx(100 / 3, abs=1e-3)
    # White paper is blond and white: no one asked for blond where combinations are held out.
    assert table.loc["drawing", names].tolist() == [0, 50, third, 50]
    assert table.loc["grey", names].tolist() == table.loc["blind", names].tolist()
    assert table.loc["grey", "hair_combinations"] == 50, "the true lightness tells that hair is black"
    assert table.loc["told", "seeds"] == 2 and np.isnan(table.loc["truth", "seeds"])


def test_the_notes_count_icons_and_characters_and_name_chance_and_data(data, tmp_path, monkeypatch):
    text = (run(data, tmp_path, monkeypatch, SEEDS) / "results/accuracy.md").read_text()
    assert "hair_combinations (%, up)" in text and "by chance hair 33.3 %, shirt 50 %" in text
    assert "4 icons in combinations held out, of characters trained with (2)" in text
    assert "6 icons of characters held out (1)" in text
    assert sha256(data / store.CONTENTS)[:12] in text and "grey: the true lightness" in text


def test_grey_is_a_row_only_where_a_model_is_given_the_true_lightness(data, tmp_path, monkeypatch):
    out = run(data, tmp_path, monkeypatch, {"told-1": 1})
    assert list(pd.read_csv(out / "results/accuracy.csv")["model"]) == ["drawing", "told", "truth"]
    assert "grey" not in (out / "results/accuracy.md").read_text()


def test_the_same_models_give_the_same_bytes(data, tmp_path, monkeypatch):
    files = [
        sorted(path for path in run(data, tmp_path / name, monkeypatch, SEEDS).rglob("*") if path.is_file())
        for name in ("one", "two")
    ]
    assert len(files[0]) == len(["drawing", "grey", *SEEDS, "truth"]) + 3
    for one, two in zip(*files, strict=True):
        assert one.name == two.name and one.read_bytes() == two.read_bytes()


def test_the_sheet_is_of_the_model_asked_for_and_else_of_the_first(data, tmp_path, monkeypatch):
    sheets = {
        name: np.asarray(
            Image.open(run(data, tmp_path / name, monkeypatch, SEEDS, *more) / "results/wheel.png")
        )
        for name, more in {"first": [], "told": ["--sheet", "told"], "blind": ["--sheet", "blind"]}.items()
    }
    np.testing.assert_array_equal(sheets["first"], sheets["told"])
    assert (sheets["told"] != sheets["blind"]).any()
    np.testing.assert_array_equal(sheets["told"], wheel(data, Reader(data), read_icons.in_gamut(Told())))


@pytest.mark.parametrize(
    ("seeds", "more", "message"),
    [
        (SEEDS, ["--sheet", "told-1"], "--sheet: found told-1, allowed: told, blind"),
        ({"drawing-1": 1}, [], "found drawing, which every table has"),
    ],
)
def test_names_that_do_not_do_are_an_error(data, tmp_path, monkeypatch, seeds, more, message):
    with pytest.raises(UserError, match=message):
        run(data, tmp_path, monkeypatch, seeds, *more)
    assert not list(tmp_path.iterdir())


def test_the_wheel_has_the_model_left_and_the_truth_right_in_every_combination(data):
    reader = Reader(data)
    sheet = wheel(data, reader, Told().colours)
    gap, patch = 4, 32
    parts = np.split(sheet, 2)
    lefts = gap + patch + gap + (SIDE + gap) * np.arange(5)  # drawing, model twice, truth twice
    for part, group in zip(parts, "ac", strict=True):
        first = len(part) - 3 * (SIDE + gap)
        for row, hair in enumerate(sorted(HAIR)):
            top = first + row * (SIDE + gap)
            cells = [part[top : top + SIDE, left : left + SIDE].astype(int) for left in lefts]
            assert (cells[0] == 255).all(), "the drawing"
            for column, shirt in enumerate(("green", "white")):
                model, true = cells[1 + column], cells[3 + column]
                framed = group == "a" and f"hair={hair} shirt={shirt}" in HELD_OUT
                inside = slice(2, -2) if framed else slice(None)
                for shown, lab in ((model, icon(hair, "green")), (true, icon(hair, shirt))):
                    expected = to_uint8(lab_to_rgb(lab[None]))[0].astype(int)
                    assert np.abs(shown - expected)[inside, inside].max() <= 4  # 8-bit Lab
                    assert ((shown[[0, 1, -2, -1]] == 0).all() and (shown[:, [0, -1]] == 0).all()) == framed
            shade = part[top : top + SIDE, gap : gap + patch].astype(int)
            asked = torch.tensor(HAIR[hair]).float()[None, :, None, None]
            assert np.abs(shade - to_uint8(lab_to_rgb(asked))[0].astype(int)).max() <= 4


def test_a_combination_that_no_icon_has_is_white_on_the_wheel(tmp_path):
    data = stored(tmp_path / "store")
    index = pd.read_csv(data / store.INDEX)
    gone = (index["group"] == "c") & (index["condition"] == "hair=red shirt=white")
    index[~gone].to_csv(data / store.INDEX, index=False)
    np.save(data / store.CONDITIONS, np.load(data / store.CONDITIONS)[~gone])
    files = ("0.bin", store.INDEX, store.CONDITIONS)
    store.write_contents(data, {name: sha256(data / name) for name in files})
    sheet = wheel(data, Reader(data), attrgetter("lab"))
    last = sheet[-4 - SIDE : -4]
    assert (last[:, -4 - SIDE : -4] == 255).all() and (last[:, -8 - 2 * SIDE : -8 - SIDE] < 255).any()
