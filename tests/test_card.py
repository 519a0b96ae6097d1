"""What a card is made of: which failures it shows, their picture, and the words of the shipped models'."""

import re
from pathlib import Path
from string import ascii_letters

import numpy as np
import pandas as pd
import pytest
import torch
from colouring import UNET
from dvc.utils.serialize import load_yaml
from pages import photograph

from tintype.batch import Batch
from tintype.color import into_gamut, lab_to_bytes, rgb_to_lab
from tintype.colorizer import Colorizer
from tintype.console import UserError
from tintype.report import card, sheets
from tintype.store import Split

RELEASE = Path(__file__).parents[1] / "studies/release"
NAMES = list(load_yaml(RELEASE / "dvc.yaml")["stages"]["card"]["foreach"])
TRAINING = {"steps": 9, "smaller": {"factor": 2, "until": 0.5}, "film": 0.3, "clip": None}
TRAINING |= {"encoder_weights": "ImageNet (squeezenet1_1, sha256 0123)"}
ADVERSARIAL = TRAINING | {"objective": "vanilla", "perceptual": 1.0, "started_from": "0123"}
GIVEN = {"hints": {"most": 20, "without": 0.25}}


def of(photographs: str, **columns: list[float]) -> pd.DataFrame:
    return pd.DataFrame({"photograph": list(photographs), **columns})


def test_failures_are_wrong_colours_and_pale_ones_of_a_photograph_each():
    rows = of(
        "abbcdef",
        ciede2000=[5, 9, 8, 30, 7, 4, 20],
        colorfulness_abs=[75, 90, 90, 10, 74, 0, 50],
        true_colorfulness_abs=[100, 80, 80, 60, 100, 99, 50],
    )
    assert card.failures(rows) == {"wrong": [6, 1, 0], "pale": [5, 3, 4]}


def test_no_more_than_the_worst_are_shown_and_none_twice():
    error = np.random.default_rng(0).permutation(3 * card.SHOWN)
    letters = ascii_letters[: len(error)]
    wrong = of(letters, ciede2000=error, colorfulness_abs=80, true_colorfulness_abs=100)
    found = card.failures(wrong)
    worst = np.argsort(-error)[: card.SHOWN]
    assert found["wrong"] == worst.tolist()
    assert found["pale"] == [number for number in range(len(error)) if number not in worst][: card.SHOWN]
    assert card.failures(wrong.assign(colorfulness_abs=100))["pale"] == []


@pytest.fixture
def pictures(tmp_path, make_store):
    """A function that makes a test split of so many photographs of a size, and a model to colour them."""

    def make(number: int, side: int) -> tuple[Colorizer, Split]:
        rgb = (torch.tensor(photograph(n, side, side)) / 255 for n in range(number))
        lab = [rgb_to_lab(one.permute(2, 0, 1)) for one in rgb]
        stored = [lab_to_bytes(one).numpy() for one in lab]
        make_store(tmp_path, "test", [np.concatenate([one[:1], one]) for one in stored])
        torch.manual_seed(0)
        model = Colorizer(UNET, None).eval()
        torch.nn.init.normal_(model.network.head.weight, std=0.3)
        return model, Split(tmp_path, "test")

    return make


@torch.no_grad()
def test_the_sheet_has_each_picture_grey_coloured_and_true(pictures):
    model, test = pictures(5, 32)
    sheet = card.sheet(model, test, [[4, 2], [3]], "gan")
    gap, step = 4, 32 + 4
    head = sheet.shape[0] - 2 * step - gap
    assert sheet.shape[1] == 6 * step + 12 + 2 * gap
    for number, row, left in ((4, 0, gap), (2, 1, gap), (3, 0, 3 * step + 12 + 2 * gap)):
        batch = Batch.read(test, np.array([number]))
        top = head + gap + row * step
        for lab in (batch.grey, into_gamut(model.colours(batch)), batch.lab):
            np.testing.assert_array_equal(sheet[top : top + 32, left : left + 32], sheets.shown(lab))
            left += step
    assert (sheet[head + step :, 3 * step + gap :] == 255).all(), "where a kind has fewer pictures"
    assert card.sheet(model, test, [[], [3]], "gan").shape[1] == 3 * step + gap


def test_values_are_told_as_in_a_sentence():
    assert card.told({"factor": 2, "until": 0.5}) == "factor 2, until 0.5"
    assert card.told([0.5, 0.999]) == "0.5, 0.999" and card.told(1e-4) == "0.0001"
    assert card.told(GIVEN) == "hints most 20, without 0.25"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("{{ nmae }}", r"words.md: 'nmae' is undefined; allowed: name, file, and what it sets"),
        ("one\n{% if %}", r"words.md: line 2: "),
        ("{% set time = {} %}{{ time[name] }}", r"words.md: .* has no attribute 'gan'"),
    ],
)
def test_a_template_that_is_wrong_is_named_with_its_place(tmp_path, words, said):
    (tmp_path / "words.md").write_text(words)
    with pytest.raises(UserError, match=said):
        card.rendered(tmp_path / "words.md", {"name": "gan", "file": "gan.safetensors"})


def rendered(name: str, training: dict, given: dict | None = None, **failures: int) -> str:
    """The words of the shipped models' cards, for one of them, in one line."""
    generator = {"backbone": "torchvision_unet", "encoder": "squeezenet1_1", "head": "smooth_l1"}
    generator |= {"color_space": "lab", "width": 24, "output_stride": 4} | ({"given": given} if given else {})
    facts = {"name": name, "file": f"{name}.safetensors", "bytes": 1, "sha256": "0", "parameters": 1}
    facts |= {"generator": generator, "training": training, "records": {"train": 1, "test": 1}, "side": 128}
    facts |= {"figures": "| |", "failures": {"wrong": 0, "pale": 0} | failures, "picture": "a.png"}
    text = card.rendered(RELEASE / "cards.md", facts)
    assert text.startswith(f"# {name}\n\n") and text.endswith(".\n")
    assert not re.search(r"[{}]|\| None|\n\n\n|\|\n\n\|", text)
    return " ".join(text.split())


def test_each_shipped_model_has_words_of_its_own():
    texts = {re.search("# .*? Black-and-white", rendered(name, TRAINING))[0] for name in NAMES}
    assert NAMES == ["cnn", "gan", "ebgan", "hints"] and len({text.split(" ", 2)[2] for text in texts}) == 4
    with pytest.raises(UserError, match="has no attribute 'other'"):
        rendered("other", TRAINING)


@pytest.mark.parametrize(
    ("said", "among"),
    [
        ("it flatters the model. CIEDE2000 and AuC are no part", {"gan"}),
        ("after the 33 of the network of classes from which it started", {"gan"}),
        ("tintype serve --model hints", {"hints"}),
        ("hints most 20, without 0.25", {"hints"}),
        ("Both are what clicks are for", {"hints"}),
        ("one answer each, without clicks;", {"hints"}),
        ("SqueezeNet 1.1 (code: BSD-3-Clause)", {"cnn", "gan", "hints"}),
        ("| loss | `smooth_l1`", {"cnn", "hints", "random"}),
        ("of 64 to 128 pixels", {"cnn", "gan", "hints"}),
        ("of 128 pixels", {"random"}),
        ("were aged while it learned (film 0.3)", {"cnn", "gan", "hints"}),
        ("It has learned from none", {"random"}),
        ("| clip |", set()),
        ("terms allow research", {"cnn", "gan", "hints", "random"}),
        ("not for evidence", {"cnn", "gan", "hints", "random"}),
    ],
)
def test_the_words_follow_what_a_model_is_and_learned_by(said, among):
    texts = {"cnn": rendered("cnn", TRAINING), "gan": rendered("gan", ADVERSARIAL)}
    texts |= {"hints": rendered("hints", TRAINING, GIVEN), "random": rendered("cnn", {"steps": 1})}
    assert {name for name, text in texts.items() if said in text} == among


@pytest.mark.parametrize(
    ("failures", "said", "unsaid"),
    [
        ({"wrong": 2, "pale": 2}, ("Left: *Wrong colours*", "Right: *Too pale*"), ()),
        ({"pale": 1}, (". *Too pale*",), ("*Wrong", "Left", "Right")),
        ({"wrong": 1}, (". *Wrong colours*",), ("*Too pale", "Left", "Right")),
    ],
)
def test_the_words_name_the_failures_that_there_are(failures, said, unsaid):
    text = rendered("cnn", TRAINING, **failures)
    assert all(one in text for one in said) and not any(one in text for one in unsaid)
