"""The journal: rows of means and validation figures, sample pictures, and problems said once."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from tintype.batch import Batch
from tintype.color import lab_to_bytes
from tintype.color_spaces import SPACES
from tintype.console import Failure
from tintype.store import Split
from tintype.training import journal as module
from tintype.training.failures import likeness, ratios
from tintype.training.journal import Journal


class Run:
    """A run of tracking that keeps what it is told."""

    def __init__(self) -> None:
        self.rows, self.images, self.tags = [], [], []

    def metrics(self, step: int, values: dict[str, float]) -> None:
        self.rows.append((step, values))

    def image(self, key: str, step: int, picture: np.ndarray) -> None:
        self.images.append((key, step, picture))

    def tag(self, key: str, value: str) -> None:
        self.tags.append((key, value))


class Answer(nn.Module):
    """A model whose colours are a share of the lightness: red in step with it, blue against it."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share, self.space, self.network = share, SPACES["lab"], nn.Identity()
        self.network.stride = 2

    def planes(self, batch: Batch) -> Tensor:
        return batch.input

    def lab(self, planes: Tensor, L: Tensor) -> Tensor:
        return torch.cat([L, self.share * (planes - 20), self.share * (60 - planes)], dim=1)

    def colours(self, batch: Batch) -> Tensor:
        return self.lab(self.planes(batch), batch.L)


def pictures(number: int) -> Batch:
    """Pictures (number, ..., 8, 8) each of a lightness and colours of its own."""
    random = torch.Generator().manual_seed(0)
    L = 80 * torch.rand(number, 1, 8, 8, generator=random)
    ab = torch.cat([L - 20, 60 - L], dim=1) + 20 * torch.rand(number, 2, 1, 1, generator=random)
    return Batch(input=L, L=L, ab=ab)


@pytest.fixture
def split(tmp_path, make_store):
    """A function that gives the validation split of a store of some pictures."""

    def make(number: int) -> Split:
        lab = lab_to_bytes(pictures(number).lab).numpy()
        make_store(tmp_path, "val", [np.concatenate([picture[:1], picture]) for picture in lab])
        return Split(tmp_path, "val")

    return make


def distance(model: nn.Module, batch: Batch, planes: Tensor, lab: Tensor) -> dict[str, Tensor]:
    return {"val_loss": (lab[:, 1:] - batch.ab).abs().mean(dim=(1, 2, 3))}


def journal_of(split: Split, run: Run | None = None, figures=distance, score=dict) -> Journal:
    return Journal(run or Run(), split, figures, score, torch.device("cpu"))


def tell(journal: Journal, *steps: dict[str, float]) -> None:
    for figures in steps:
        journal.step({name: torch.tensor(value) for name, value in figures.items()})


def test_a_row_has_the_means_of_the_steps_since_the_last_row(split):
    run = Run()
    journal = journal_of(split(3), run)
    with journal.shown("train try", 0, 3):
        tell(journal, {"loss": 1.0}, {"loss": 2.0})
        first = journal.row(2, Answer(1.0))
        tell(journal, {"loss": 3.0})
        second = journal.row(3, Answer(1.0))
    assert first["loss"] == 1.5 and second["loss"] == 3.0
    assert journal.rows == [{"step": 2, **first}, {"step": 3, **second}]
    assert run.rows == [(2, first), (3, second)]


def test_a_figure_that_some_steps_lack_is_the_mean_of_those_that_have_it(split):
    journal = journal_of(split(3))
    with journal.shown("train try", 0, 5):
        tell(journal, {"D_loss": 1.0})
        assert "G_pixel" not in journal.row(1, Answer(1.0))
        tell(journal, {"D_loss": 1.0}, {"D_loss": 3.0, "G_pixel": 5.0}, {"D_loss": 5.0, "G_pixel": 7.0})
        row = journal.row(4, Answer(1.0))
    assert (row["D_loss"], row["G_pixel"]) == (3.0, 6.0)


@pytest.mark.parametrize("number", [1, 64, 70])
def test_validation_is_over_all_pictures_however_they_are_batched(split, number):
    validation, model = split(number), Answer(0.8)
    found = journal_of(validation).validate(1, model)
    batch = Batch.of_records(validation.batch(np.arange(number)))
    expected = ratios(likeness(model.colours(batch)[:, 1:], batch, 2), batch.L.numel())
    expected["val_loss"] = distance(model, batch, batch.input, model.colours(batch))["val_loss"].mean().item()
    assert found == pytest.approx(expected, rel=1e-5)


def test_a_score_is_made_of_the_means_over_all_pictures(split):
    def score(means: dict[str, float]) -> dict[str, float]:
        return {"val_score": means["val_loss"] ** 2}

    validation, model = split(70), Answer(0.8)
    loss = journal_of(validation).validate(1, model)["val_loss"]
    found = journal_of(validation, score=score).validate(1, model)
    assert found["val_score"] == loss**2 and "val_loss" not in found


def test_validation_builds_no_graph(split):
    model = Answer(1.0)
    model.share = nn.Parameter(torch.tensor(0.5))

    def figures(model: nn.Module, batch: Batch, planes: Tensor, lab: Tensor) -> dict[str, Tensor]:
        found = distance(model, batch, planes, lab)
        assert not found["val_loss"].requires_grad
        return found

    assert journal_of(split(3), figures=figures).validate(1, model)["val_loss"] > 0


@pytest.mark.parametrize(("number", "shown"), [(3, 3), (30, module.SAMPLES)])
def test_the_samples_are_the_same_pictures_at_every_row(split, number, shown):
    run = Run()
    journal = journal_of(split(number), run)
    for step in (5, 10):
        journal.validate(step, Answer(1.0))
    journal.validate(15, Answer(-1.0))
    assert [(key, step) for key, step, _ in run.images] == [("val", 5), ("val", 10), ("val", 15)]
    first, again, other = (picture for _, _, picture in run.images)
    assert first.dtype == np.uint8 and first.shape == (3 * 8 + 4 * 4, shown * (8 + 4) + 4, 3)
    assert (first == again).all()
    # Rows of the sheet: what is given, the answer, the truth.
    differs = (first != other).any(axis=(1, 2))
    assert differs[16:24].all() and not differs[:16].any() and not differs[24:].any()


def test_a_problem_is_said_once_and_every_row_that_has_it_tags_the_run(split, capsys):
    run = Run()
    journal = journal_of(split(3), run)
    with journal.shown("train try", 0, 4):
        for step, share in ((1, 0.0), (2, 1.0), (3, 0.0)):
            tell(journal, {"loss": 1.0, "D_accuracy": 0.5})
            journal.row(step, Answer(share))
        tell(journal, {"loss": 1.0, "D_accuracy": 1.0})
        journal.row(4, Answer(1.0))
    warnings = [line for line in capsys.readouterr().err.splitlines() if line.startswith("warning: ")]
    assert [line.split(":")[1] for line in warnings] == [" step 1", " step 4"]
    assert "collapsed to grey" in warnings[0] and "discriminator has won" in warnings[1]
    assert [key for key, _ in run.tags] == ["problem"] * 3
    assert [value.split(":")[0] for _, value in run.tags] == ["step 1", "step 3", "step 4"]


def test_the_step_that_broke_is_counted_from_the_last_row(split):
    journal = journal_of(split(3))
    with journal.shown("train try", 10, 20):
        tell(journal, {"loss": 1.0}, {"loss": 2.0})
        journal.check(12, "")
        journal.row(12, Answer(1.0))
        journal.check(12, "")
        tell(journal, {"loss": 1.0}, {"loss": float("nan")}, {"loss": 3.0})
        with pytest.raises(Failure, match=r"step 14: loss nan.*No state was kept yet"):
            journal.check(15, "No state was kept yet")


def test_figures_are_noted_without_their_graph(split):
    journal = journal_of(split(3))
    weight = torch.tensor(2.0, requires_grad=True)
    with journal.shown("train try", 0, 1):
        journal.step({"loss": weight**2})
    assert not any(value.requires_grad for one in journal.state_dict()["steps"] for value in one.values())


def test_the_curve_is_a_table_of_six_digits_with_gaps_where_a_row_lacks_a_figure(split, tmp_path):
    journal = journal_of(split(3))
    with journal.shown("train try", 0, 2):
        tell(journal, {"loss": 1 / 3})
        journal.row(1, Answer(1.0))
        tell(journal, {"loss": 1e-7, "late": 123456789.0})
        journal.row(2, Answer(1.0))
    journal.write(tmp_path / "curves/try.csv")
    assert b"\r" not in (tmp_path / "curves/try.csv").read_bytes()
    curve = pd.read_csv(tmp_path / "curves/try.csv", dtype=str)
    assert list(curve["step"]) == ["1", "2"]
    assert list(curve["loss"]) == ["0.333333", "1e-07"]
    assert curve["late"].isna().tolist() == [True, False] and curve["late"][1] == "1.23457e+08"
    assert {"val_ab_error", "val_chroma_ratio", "val_loss"} <= set(curve)


def test_its_state_goes_through_a_file_in_the_middle_of_a_row(split, tmp_path):
    validation, steps = split(3), [{"loss": float(step), "sometimes": 1.0} for step in range(1, 5)]
    del steps[2]["sometimes"]
    whole, before, after = (journal_of(validation) for _ in range(3))
    with whole.shown("train try", 0, 4):
        tell(whole, *steps[:2])
        whole.row(2, Answer(0.5))
        tell(whole, *steps[2:])
        whole.row(4, Answer(1.0))
    with before.shown("train try", 0, 4):
        tell(before, *steps[:2])
        before.row(2, Answer(0.5))
        tell(before, steps[2])
    torch.save(before.state_dict(), tmp_path / "state.pt")
    after.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    with after.shown("train try", 3, 4):
        tell(after, steps[3])
        after.row(4, Answer(1.0))
    assert after.rows == whole.rows


def test_the_bar_starts_where_the_training_goes_on_and_shows_the_last_row(split, capsys):
    journal = journal_of(split(3))
    with journal.shown("train try", 6, 8):
        tell(journal, {"loss": 0.25}, {"loss": 0.75})
        journal.row(8, Answer(1.0))
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("train try: 8/8 steps") and "loss 0.5, val_ab_error" in line
