"""What reading colours promises: masks without edges, the nearest value, icons read as drawn."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from tintype import store
from tintype.color import lab_to_bytes, rgb_to_lab
from tintype.colour_reader import Reader
from tintype.conditions import Vocabulary
from tintype.console import UserError
from tintype.files import sha256
from tintype.resizing import resized
from tintype.sources import icon_drawing

SIDE = 8
HAIR = {"black": (20, 0, 0), "blond": (80, 4, 60), "red": (50, 60, 40)}
SHIRT = {"green": (50, -50, 30), "white": (95, 0, 0)}
SKIN = (70, 16, 18)
TRUTH = dict[tuple[str, str], Tensor]  # (group, condition) -> Lab (3, H, W)


def icon(hair: str, shirt: str, top: int = 0) -> Tensor:
    """Three rows of hair from `top` on, one of half hair, half skin, and two of shirt at the bottom."""
    hair, shirt, skin = (torch.tensor(lab).float()[:, None, None] for lab in (HAIR[hair], SHIRT[shirt], SKIN))
    lab = skin.repeat(1, SIDE, SIDE)
    lab[:, top : top + 3], lab[:, top + 3 : top + 4], lab[:, 6:] = hair, (hair + skin) / 2, shirt
    return lab


def icons(top: int = 0, group: str = "a") -> TRUTH:
    """A character in all combinations."""
    return {
        (group, f"hair={hair} shirt={shirt}"): icon(hair, shirt, top)
        for hair, shirt in itertools.product(HAIR, SHIRT)
    }


def stored(folder: Path, truth: TRUTH) -> Path:
    """A prepared store of these icons, every second one in the training split, the rest in the test split."""
    folder.mkdir(exist_ok=True)
    labs = [lab_to_bytes(lab).numpy() for lab in truth.values()]
    records = [np.concatenate([np.full_like(lab[:1], 255), lab]) for lab in labs]
    (offsets, _), rows = store.write_shard(folder, "0.bin", records), []
    for number, ((group, condition), offset) in enumerate(zip(truth, offsets, strict=True)):
        split, (height, width) = ("train", "test")[number % 2], labs[number].shape[1:]
        about = (split, f"{number}.png", group, "", condition, 0, 0, 0, width, height)
        rows.append((*about, "0.bin", offset))
    store.write_csv(folder / store.INDEX, store.COLUMNS, rows)
    store.write_contents(folder, {name: sha256(folder / name) for name in ("0.bin", store.INDEX)})
    conditions = Vocabulary.of(condition for _, condition in truth).table
    summary = {"records": {"train": 1, "test": 1}, "conditions": conditions}
    (folder / "summary.json").write_text(json.dumps(summary))
    return folder


def asked(truth: TRUTH) -> dict[str, list[str]]:
    """What their conditions say of icons, in the form that a reader gives."""
    words = [dict(word.split("=") for word in condition.split()) for _, condition in truth]
    return {name: [word[name] for word in words] for name in ("hair", "shirt")}


def accuracy(reader: Reader, lab: Tensor, truth: TRUTH) -> dict[str, float]:
    """The share of pictures (N, 3, H, W) of which each attribute is read as their condition says."""
    read, wanted = reader.read(lab, [group for group, _ in truth]), asked(truth)
    return {name: float(np.mean(np.array(read[name]) == np.array(wanted[name]))) for name in wanted}


@pytest.fixture(scope="module")
def drawn() -> TRUTH:
    """The 250 icons that `icon_drawing` makes, 64 pixels wide."""
    numbered = enumerate(icon_drawing.CHARACTERS)
    combinations = itertools.product(numbered, icon_drawing.HAIR, icon_drawing.SHIRT)
    truth = {}
    for (number, character), hair, shirt in combinations:
        rgb = torch.from_numpy(resized(icon_drawing.draw(character, hair, shirt), 64, 64))
        truth[f"{number}", f"hair={hair} shirt={shirt}"] = rgb_to_lab(rgb.permute(2, 0, 1) / 255)
    return truth


@pytest.fixture(scope="module")
def reader(drawn, tmp_path_factory) -> Reader:
    return Reader(stored(tmp_path_factory.mktemp("drawn"), drawn))


def test_masks_are_where_an_attribute_alone_changes_colours_without_edges(tmp_path):
    reader = Reader(stored(tmp_path / "store", icons(0, "a") | icons(2, "b")))
    for group, top in (("a", 0), ("b", 2)):
        expected = torch.zeros(2, SIDE, SIDE, dtype=torch.bool)
        expected[0, top : top + 3], expected[1, 6:] = True, True
        assert (reader.masks[group]["hair"] == expected[0]).all()
        assert (reader.masks[group]["shirt"] == expected[1]).all()


def test_colours_are_the_true_ones_by_attribute_and_value(tmp_path):
    reader = Reader(stored(tmp_path / "store", icons()))
    assert reader.values == {"hair": ["black", "blond", "red"], "shirt": ["green", "white"]}
    for name, colours in (("hair", HAIR), ("shirt", SHIRT)):
        expected = torch.tensor([colours[value] for value in reader.values[name]]).float()
        torch.testing.assert_close(reader.colours[name], expected, atol=0.2, rtol=0)  # 8 bits


def test_a_colour_is_the_mean_over_characters(tmp_path):
    darker = {
        (group, text): lab - torch.tensor([10.0, 0, 0])[:, None, None]
        for (group, text), lab in icons(0, "b").items()
    }
    reader = Reader(stored(tmp_path / "store", icons() | darker))
    expected = torch.tensor([SHIRT["green"], SHIRT["white"]]) - torch.tensor([5.0, 0, 0])
    torch.testing.assert_close(reader.colours["shirt"], expected, atol=0.2, rtol=0)


@pytest.mark.parametrize(
    ("shirt", "read"),
    [  # half way from green (50, -50, 30) to white (95, 0, 0) is the plane 45 L + 50 a - 30 b = 1562.5
        ((80, -30, 15), "white"),  # 1650
        ((70, -30, 15), "green"),  # 1200
        ((80, -35, 15), "green"),  # 1400
        ((80, -30, 25), "green"),  # 1350
        ((50, 0, 0), "white"),  # 2250, though its lightness is that of green
    ],
)
def test_the_value_with_the_nearest_colour_is_read(tmp_path, shirt, read):
    reader = Reader(stored(tmp_path / "store", icons()))
    lab = icon("red", "green")
    lab[:, 6:] = torch.tensor(shirt).float()[:, None, None]
    assert reader.read(lab[None], ["a"]) == {"hair": ["red"], "shirt": [read]}


def test_what_is_beside_the_masks_and_a_few_wrong_pixels_do_not_matter(tmp_path):
    reader = Reader(stored(tmp_path / "store", icons()))
    lab = icon("black", "white")
    lab[:, 3:6] = torch.tensor([50.0, 60.0, 40.0])[:, None, None]
    lab[:, 0, :] = torch.tensor([80.0, 4.0, 60.0])[:, None]  # a third of the hair
    assert reader.read(lab[None], ["a"]) == {"hair": ["black"], "shirt": ["white"]}


def test_each_picture_is_read_where_its_own_character_has_the_attribute(tmp_path):
    truth = icons(0, "a") | icons(2, "b")
    reader = Reader(stored(tmp_path / "store", truth))
    lab = torch.stack([icon("red", "white", 2), icon("black", "green", 0), icon("blond", "white", 2)])
    read = {"hair": ["red", "black", "blond"], "shirt": ["white", "green", "white"]}
    assert reader.read(lab, ["b", "a", "b"]) == read


def test_drawn_icons_are_read_as_they_were_drawn(reader, drawn):
    lab = torch.stack(list(drawn.values()))
    assert reader.read(lab, [group for group, _ in drawn]) == asked(drawn)


def test_of_a_drawing_without_colours_one_in_five_is_read_by_chance(reader, drawn):
    outlines = {
        f"{number}": torch.from_numpy(resized(icon_drawing.outline(character)[..., None], 64, 64))
        for number, character in enumerate(icon_drawing.CHARACTERS)
    }
    L = torch.stack([outlines[group][..., 0] for group, _ in drawn]).float()[:, None] / 2.55
    found = accuracy(reader, torch.cat([L, torch.zeros(len(L), 2, 64, 64)], dim=1), drawn)
    assert found == {"hair": 0.2, "shirt": 0.2}


@pytest.mark.parametrize("wrong", ["noise", "shift", "blur", "pale"])
def test_colours_somewhat_wrong_or_blurred_are_read_right(reader, drawn, wrong):
    rng = torch.Generator().manual_seed(0)
    lab = torch.stack(list(drawn.values()))
    match wrong:
        case "noise":
            lab = lab + 20 * torch.randn(lab.shape, generator=rng)
        case "shift":  # of each whole picture, in any direction; 2.3 is just noticeable
            lab = lab + 10 * F.normalize(torch.randn(len(lab), 3, 1, 1, generator=rng), dim=1)
        case "blur":  # planes at a quarter of the size, as a generator of output stride 4 gives them
            lab = F.interpolate(F.avg_pool2d(lab, 4), scale_factor=4, mode="bilinear")
        case "pale":
            lab = lab * torch.tensor([1, 0.8, 0.8])[:, None, None]
    assert accuracy(reader, lab, drawn) == {"hair": 1.0, "shirt": 1.0}


def test_what_has_the_colours_of_another_icon_is_read_as_that_one(reader, drawn):
    others = [(group, text) for group, text in drawn if group == "3"]
    lab = torch.stack([drawn[other] for other in others[1:] + others[:1]])  # each has the next one's colours
    found = accuracy(reader, lab, {other: drawn[other] for other in others})
    assert found == {"hair": 20 / 25, "shirt": 0}  # five shirts for each hair, so that hair changes last


def test_a_store_without_conditions_has_nothing_to_read(tmp_path):
    with pytest.raises(UserError, match="no conditions to read; prepare icons"):
        Reader(stored(tmp_path / "store", {("a", ""): icon("red", "green")}))


def test_a_character_whose_icons_do_not_differ_in_an_attribute_alone_is_named(tmp_path):
    pair = {(group, text): lab for (group, text), lab in icons(0, "b").items() if "black" in text}
    with pytest.raises(UserError, match="b: no two of its pictures differ in hair alone"):
        Reader(stored(tmp_path / "store", icons() | pair))


def test_a_character_that_does_not_show_an_attribute_is_named(tmp_path):
    hat = {(group, text): lab for (group, text), lab in icons(0, "b").items()}
    for lab in hat.values():
        lab[:, :4] = torch.tensor([40.0, 10, -30])[:, None, None]
    with pytest.raises(UserError, match="b: no pixel shows which hair"):
        Reader(stored(tmp_path / "store", icons() | hat))


def test_a_character_that_the_store_has_not_is_an_error(tmp_path):
    reader = Reader(stored(tmp_path / "store", icons()))
    with pytest.raises(UserError, match="c: no icons of it, by which to read; there are a"):
        reader.read(icon("red", "green")[None].repeat(2, 1, 1, 1), ["a", "c"])


@pytest.mark.parametrize("shape", [(1, 3, SIDE, SIDE), (2, 2, SIDE, SIDE), (2, 3, SIDE, 2 * SIDE)])
def test_pictures_of_another_number_or_size_are_an_error(tmp_path, shape):
    reader = Reader(stored(tmp_path / "store", icons()))
    with pytest.raises(ValueError, match=r"pictures have shape .*; 2 groups need \(2, 3, 8, 8\)"):
        reader.read(torch.zeros(shape), ["a", "a"])
