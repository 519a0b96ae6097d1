"""The stage that writes a model's card: the file's digest, the figures of the CSVs, and what it refuses."""

import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from colouring import UNET
from pages import photograph

from stages import model_card
from tintype import scoring
from tintype.color import lab_to_bytes, rgb_to_lab
from tintype.colorizer import FILE, Colorizer
from tintype.console import UserError
from tintype.files import sha256, write_json
from tintype.images import decode
from tintype.report import card, tables
from tintype.store import Split

WORDS = Path(__file__).parents[1] / "studies/release/cards.md"
TEST = 20  # pictures
TRAINING = {"steps": 1234, "lr": 2e-4, "ema": 0.995, "film": 0.3, "smaller": {"factor": 2, "until": 0.5}}
TRAINING |= {"objective": "vanilla", "perceptual": 1.5, "started_from": "ab" * 32}
TOLD = {"steps": "1234", "lr": "0.0002", "ema": "0.995", "smaller": "factor 2, until 0.5", "film": "0.3"}
TOLD |= {"objective": "vanilla", "perceptual": "1.5", "started_from": "ab" * 32}
SECTIONS = ["Use", "File", "Network", "Data", "Training", "Figures", "Known failures", "Limits"]
SECTIONS += ["What it is for", "Terms"]
LPIPS = "lpips_squeeze"
FIGURES = [LPIPS, "ciede2000", "auc_rebalanced", "psnr", "colorfulness_abs"]
FLOORS = {
    "grey": lambda batch: batch.grey,
    "mean": lambda batch: torch.cat([batch.L, torch.full_like(batch.ab, 9.0)], dim=1),
    "random": lambda batch: torch.cat([batch.L, batch.ab.flip(3)], dim=1),
}


def judge(rgb: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    return (rgb - truth).abs().mean(dim=(1, 2, 3))


def scored(predict, test: Split, weights: str) -> pd.DataFrame:
    """Rows as evaluation writes them."""
    answers = scoring.answers(predict, test, "a model")
    rows = scoring.rows(answers, test, lambda ab: torch.ones_like(ab[:, 0]).double(), {LPIPS: judge})
    return rows.assign(weights=weights)


def write_csv(path: Path, table: pd.DataFrame) -> None:
    table.to_csv(path, index=False, float_format="%.6g")


@pytest.fixture
def stage(tmp_path, make_store):
    """The stage's inputs, small, and `run`, which runs it and returns the card."""
    places = {name: tmp_path / name for name in ("data", "pictures", "figures")}
    places |= {"model": tmp_path / "gan.safetensors", "words": WORDS}
    places |= {"out": tmp_path / "weights/gan.md", "failures": tmp_path / "docs/images/gan-failures.png"}
    places["data"].mkdir()
    truth = [rgb_to_lab(torch.tensor(photograph(n, 32, 32)).permute(2, 0, 1) / 255) for n in range(TEST)]
    stored = [lab_to_bytes(lab).numpy() for lab in truth]
    records = [np.concatenate([lab[:1], lab]) for lab in stored]
    make_store(places["data"], "test", records, [(f"{n}.png", 0, 0) for n in range(TEST)])
    write_json(places["data"] / "summary.json", {"records": {"test": TEST, "train": 98765, "val": 7}})
    torch.manual_seed(0)
    colorizer = Colorizer(UNET, None)
    torch.nn.init.normal_(colorizer.network.head.weight, std=0.3)
    colorizer.save(tmp_path, TRAINING)
    (tmp_path / FILE).rename(places["model"])
    model, test = Colorizer.load(places["model"]), Split(places["data"], "test")
    write_csv(places["pictures"], scored(model.colours, test, sha256(places["model"])[:12]))
    floors = {name: scored(predict, test, "0" * 12) for name, predict in FLOORS.items()}
    write_csv(places["figures"], tables.comparison(floors | {"cnn": floors["mean"]}))

    def run(name: str = "gan", **others: Path) -> str:
        given = places | others
        model_card.main([f"--name={name}", *(f"--{key}={place}" for key, place in given.items())])
        return given["out"].read_text(encoding="utf-8")

    return SimpleNamespace(run=run, colorizer=model, test=test, folder=tmp_path, **places)


def change(path: Path, edit) -> None:
    write_csv(path, edit(pd.read_csv(path, dtype={"weights": str})))


def nothing_written(stage) -> bool:
    return not (stage.folder / "weights").exists() and not (stage.folder / "docs").exists()


def row(text: str, first: str) -> list[str]:
    """The cells after the first of the only row of a table that begins with it."""
    (line,) = re.findall(rf"^\| {re.escape(first)} \|(.*)\|$", text, re.M)
    return [cell.strip() for cell in line.split("|")]


def test_the_card_says_what_the_file_the_store_and_the_training_are(stage, capsys):
    text = stage.run()
    assert text.startswith("# gan\n") and re.findall(r"^## (.*)$", text, re.M) == SECTIONS
    assert f"\n{sha256(stage.model)}  gan.safetensors\n" in text
    assert f"{stage.model.stat().st_size:,} bytes" in text
    assert "tintype colorize photo.jpg -o gan --model gan\n" in text
    count = sum(weight.numel() for weight in stage.colorizer.network.parameters())
    assert row(text, "parameters") == [f"{count:,}"]
    assert row(text, "backbone") == ["`unet`, 4 channels at full size; answers at 1/2 of the size"]
    assert [row(text, split) for split in ("training", "validation", "test")] == [["98,765"], ["7"], ["20"]]
    assert {name: row(text, name) for name in TOLD} == {name: [value] for name, value in TOLD.items()}
    assert "pictures of 16 to 32 pixels" in text
    assert "dvc repro studies/release/dvc.yaml\n" in text
    assert "the card of gan, scored on 20 test pictures" in capsys.readouterr().out


def test_its_figures_are_those_of_the_csvs_with_intervals(stage):
    text = stage.run()
    rows, floors = tables.read(stage.pictures), pd.read_csv(stage.figures).set_index("model")
    bounds, values = tables.intervals(rows), tables.summary(rows)
    cells = {"gan": [(values[name], *bounds[name]) for name in FIGURES]}
    cells |= {floor: [floors.loc[floor, [n, f"{n}_low", f"{n}_high"]] for n in FIGURES] for floor in FLOORS}
    assert [head.split(" ")[0] for head in row(text, "")] == FIGURES
    for name, figures in cells.items():
        assert row(text, name) == ["{:.4g} [{:.4g}, {:.4g}]".format(*figure) for figure in figures], name
    assert row(text, "truth") == ["", "", "", "", f"{rows['true_colorfulness_abs'].mean():.4g}"]
    assert not re.search(r"^\| cnn \|", text, re.M)


def test_a_figure_that_could_not_be_had_is_said_to_be_missing(stage):
    change(stage.pictures, lambda rows: rows.drop(columns=LPIPS))
    missing = dict.fromkeys((LPIPS, f"{LPIPS}_low", f"{LPIPS}_high"), tables.MISSING)
    change(stage.figures, lambda table: table.assign(**missing))
    text = stage.run()
    assert {row(text, name)[0] for name in (*FLOORS, "gan")} == {tables.MISSING}


def test_the_picture_is_where_the_card_shows_it_and_of_the_worst(stage):
    (link,) = re.findall(r"!\[.*?\]\((.*?)\)", stage.run())
    assert (stage.out.parent / link).resolve() == stage.failures.resolve()
    failures = card.failures(tables.read(stage.pictures))
    assert min(map(len, failures.values())) > 0
    with torch.no_grad():
        expected = card.sheet(stage.colorizer, stage.test, [*failures.values()], "gan")
    np.testing.assert_array_equal(decode(stage.failures), expected)


def test_the_same_inputs_give_the_same_bytes(stage):
    text, folder = stage.run(), stage.folder / "again"
    again = {"out": folder / "weights/gan.md", "failures": folder / "docs/images/gan-failures.png"}
    assert stage.run(**again) == text
    assert again["failures"].read_bytes() == stage.failures.read_bytes()


@pytest.mark.parametrize(
    ("file", "edit", "said"),
    [
        (
            "pictures",
            lambda t: t.assign(weights="f" * 12),
            "found figures of the weights f{12}, allowed",
        ),
        ("pictures", lambda t: t[::-1], "found 20 pictures, allowed: the 20 of the store's test split, in"),
        ("pictures", lambda t: t[1:], "found 19 pictures, allowed: the 20 of the store's test split, in"),
        ("figures", lambda t: t[t["model"] != "mean"], "found no mean, allowed: a comparison with the"),
        ("figures", lambda t: t.replace({"pictures": 20}, 21), "not of the test pictures on which gan was"),
        (
            "figures",
            lambda t: t.assign(colorfulness=t["colorfulness"].where(t["model"] != "truth", 1.0)),
            "not of the test pictures on which gan was scored; score both alike",
        ),
    ],
)
def test_figures_of_another_model_or_of_other_pictures_are_refused(stage, file, edit, said):
    change(getattr(stage, file), edit)
    with pytest.raises(UserError, match=said):
        stage.run()
    assert nothing_written(stage)


def test_other_weights_in_the_same_file_are_refused(stage):
    with torch.no_grad():
        stage.colorizer.network.head.bias.add_(0.01)
    stage.colorizer.save(stage.folder, TRAINING)
    (stage.folder / FILE).rename(stage.model)
    with pytest.raises(UserError, match=f"allowed: of {sha256(stage.model)[:12]}, with which"):
        stage.run()
    assert nothing_written(stage)


@pytest.mark.parametrize(
    ("option", "place", "said"),
    [
        ("model", "nowhere/gan.safetensors", "nowhere/gan.safetensors: no model here"),
        ("model", "ebgan.safetensors", "--model: found .*ebgan.safetensors, allowed: a file gan.safetensors"),
        ("pictures", "nowhere", "nowhere: no such file; `dvc repro evaluate` writes it"),
        ("figures", "nowhere", "nowhere: no such file; `dvc repro compare`, of the study, writes it"),
        ("data", "nowhere", "nowhere: no contents.csv here; run `dvc repro prepare`"),
        ("words", "nowhere", "nowhere: no such file; name the template of the cards"),
    ],
)
def test_what_is_not_there_is_named_and_nothing_is_written(stage, option, place, said):
    with pytest.raises(UserError, match=said):
        stage.run(**{option: stage.folder / place})
    assert nothing_written(stage)
