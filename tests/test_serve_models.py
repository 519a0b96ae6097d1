"""Which models the page offers, and how it has photographs coloured."""

import re

import numpy as np
import pytest
import torch
from served import KINDS, UNET, write_models, write_photograph

from tintype import full_size, models
from tintype.colorizer import FILE, Colorizer
from tintype.console import UserError
from tintype.files import write_json
from tintype.page import choice, photograph


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder with models: of photographs, told this or that, of drawings, and one without colours."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(models, "SHIPPED", tmp_path / "shipped")
    monkeypatch.setattr(models, "DEFAULT", "gan")
    drawing = {"backbone": "transposed_unet", "width": 4, "depth": 2, "head": "l1"}
    kinds = {name: UNET for name in ("a", "b", "c", "d")} | {
        "told": UNET | {"given": {"condition": True}},
        "h": UNET | KINDS["hinted"],
        "sketch": drawing | {"color_space": "drawing"},
        "z": UNET | KINDS["many"],
        "grey": UNET | {"color_space": "lightness"},
    }
    for name, generator in kinds.items():
        told = {"hair": ["red", "brown"]} if name == "told" else None
        Colorizer(generator, None, told).eval().save(tmp_path / "models" / name, {})
    for name, value in (("b", 9.0), ("d", 8.5), ("sketch", 1.0)):
        write_json(tmp_path / f"reports/metrics/{name}.json", {"ciede2000": value})
    (tmp_path / "models/broken").mkdir()
    (tmp_path / "models/broken/model.safetensors").write_bytes(b"no")
    return tmp_path


def test_by_default_the_best_models_of_photographs_and_one_of_each_other_kind_are_offered(project):
    found = choice.offered([])
    assert [(model.name, model.compared) for model in found] == [
        *(("d", True), ("b", True), ("a", True), ("h", False), ("z", False))
    ]
    assert found[0].words.endswith("off by 8.5 on average (CIEDE2000; 0 is perfect).")
    assert found[3].takes_hints and not found[3].takes_z and found[4].takes_z
    named = choice.offered(["z", str(project / "models/c")])
    assert [(model.name, model.compared) for model in named] == [("z", True), ("c", True)]


def test_shipped_models_are_offered_first_and_theirs_takes_the_hints(project):
    for name, kind in (("cnn", "first"), ("ebgan", "first"), ("gan", "first"), ("hints", "hinted")):
        Colorizer(UNET | KINDS[kind], None).save(project, {})
        models.SHIPPED.mkdir(exist_ok=True)
        (project / FILE).rename(models.SHIPPED / f"{name}.safetensors")
    write_json(models.SHIPPED / "gan.json", {"ciede2000": 7.5})
    write_json(models.SHIPPED / "cnn.json", {"ciede2000": "not available"})
    found = choice.offered([])
    assert [(model.name, model.compared) for model in found] == [
        *((f"shipped/{name}", name != "hints") for name in ("gan", "cnn", "ebgan", "hints")),
        *((name, False) for name in ("d", "b", "a", "z")),
    ]
    assert next(model for model in found if model.takes_hints).name == "shipped/hints"
    assert "On test photographs of its own its colours are off by 7.5" in found[0].words
    assert found[1].words.endswith("How far off its colours are was not measured here.")
    assert "On test photographs its colours are off by 8.5" in found[4].words
    assert [model.name for model in choice.offered(["hints", "h"])] == ["shipped/hints", "h"]
    for file in models.SHIPPED.glob("[ce]*.safetensors"):
        file.unlink()
    compared = [model.name for model in choice.offered([]) if model.compared]
    assert compared == ["shipped/gan", "d", "b"]


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (["sketch"], "found sketch, which colours drawings; allowed: models of photographs"),
        (["told"], "found told, which has to be told a condition"),
        (["grey"], "found grey, which knows no colours"),
        (["a", "a"], "found two that are called 'a'"),
        (["e"], "found 'e', allowed: a model's folder, or one of these"),
        (["broken"], "not a model written by Tintype"),
    ],
)
def test_models_that_cannot_be_offered_are_refused(project, names, reason):
    with pytest.raises(UserError, match=re.escape(reason)):
        choice.offered(names)


def test_without_models_it_says_how_to_get_some(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(models, "PROJECT", tmp_path)
    monkeypatch.setattr(models, "SHIPPED", tmp_path)
    with pytest.raises(UserError, match="make repro"):
        choice.offered([])


def test_in_a_smaller_copy_the_colour_of_a_click_spreads_farther(tmp_path):
    (hinted,) = choice.offered([write_models(tmp_path)["hinted"]])
    found = photograph.opened(write_photograph(tmp_path / "photo.png"), tmp_path)
    click = photograph.Click(0.5, 0.5, (200, 40, 60))
    reached = []
    for size in (160, 80, 40):
        with_it, without = (
            photograph.coloured(found.shown, hinted, photograph.Wish(clicks=clicks, size=size))
            for clicks in ((click,), ())
        )
        reached.append((with_it != without).any(axis=-1).mean())
    assert 0 < reached[0] < reached[1] < reached[2]


def test_clicks_fall_on_the_pixels_that_the_network_sees_and_the_latest_holds():
    pixels = np.full((400, 600), 250, np.uint8)  # a border of paper, 60 pixels wide
    pixels[60:-60, 60:-60] = np.random.default_rng(0).integers(20, 180, (280, 480))
    seen, wish = [], lambda *clicks: photograph.Wish(clicks=clicks)
    full_size.colorize(pixels, lambda batch: seen.append(batch.input.shape[-2:]) or batch.ab)
    (size,) = seen
    blue, red = (40, 60, 200), (200, 40, 60)
    inside = photograph.Click(0.5, 0.25, blue)
    later, border = photograph.Click(0.5, 0.25, red), photograph.Click(0.02, 0.5, blue)
    planes = photograph.planes(pixels, wish(inside, border), size)
    rows, columns = planes[0, 2].nonzero(as_tuple=True)
    assert len(rows) == 9
    assert abs(rows.float().mean() / size[0] - 0.5) < 0.01
    assert abs(columns.float().mean() / size[1] - (0.25 * 600 - 60) / 480) < 0.01
    assert torch.allclose(planes[0, :2, rows[0], columns[0]], torch.tensor(photograph.ab_of(blue)).float())
    again = photograph.planes(pixels, wish(inside, later), size)
    assert torch.allclose(again[0, :2, rows[0], columns[0]], torch.tensor(photograph.ab_of(red)).float())


@pytest.mark.parametrize("text", ["#b8282f", "rgb(184, 40, 47)", "rgba(184.2, 39.8, 47, 1)"])
def test_colours_of_the_picker_are_understood(text):
    assert photograph.rgb_of(text) == (184, 40, 47)


@pytest.mark.parametrize("text", ["", "red", "#12345", "rgb(1, 2)", "rgb(1e9, 0, 0)"])
def test_other_colours_are_refused(text):
    with pytest.raises(ValueError, match="allowed: a colour such as"):
        photograph.rgb_of(text)
