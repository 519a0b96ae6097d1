"""How a training ends: after its steps, by measurement, or because it broke or had too little memory."""

import math
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from lightning_fabric import Fabric
from torch import Tensor

from tintype import store, tracking
from tintype.batch import Batch
from tintype.colorizer import Colorizer
from tintype.console import Failure
from tintype.files import sha256
from tintype.training.loop import train
from tintype.training.stopping import Stopping


def told(stopping: Stopping, figures: list[float], first: int = 1) -> list[tuple[bool, bool]]:
    """Of each figure whether it was the best, and whether it was the last."""
    return [(stopping.update(step, figure), stopping.over) for step, figure in enumerate(figures, first)]


def test_training_is_over_after_as_many_validations_without_a_new_low_as_patience_says():
    stopping = Stopping(patience=2)
    assert not stopping.over
    found = told(stopping, [3.0, 2.0, 2.5, 1.0, 1.5, 4.0])
    assert [best for best, _ in found] == [True, True, False, True, False, False]
    assert [over for _, over in found] == [False] * 5 + [True]
    assert (stopping.best, stopping.best_step) == (1.0, 4)


def test_an_equal_figure_is_no_new_low():
    stopping = Stopping(patience=1)
    assert told(stopping, [2.0, 2.0]) == [(True, False), (False, True)]
    assert stopping.best_step == 1


def test_without_patience_training_is_never_over_and_the_best_is_known_all_the_same():
    stopping = Stopping(None)
    assert not any(over for _, over in told(stopping, [1.0, *map(float, range(2, 500))]))
    assert (stopping.best, stopping.best_step) == (1.0, 1)


@pytest.mark.parametrize("figure", [math.nan, math.inf])
def test_a_figure_that_is_no_number_is_never_the_best(figure):
    stopping = Stopping(patience=2)
    assert told(stopping, [figure, figure]) == [(False, False), (False, True)]
    assert (stopping.best, stopping.best_step) == (math.inf, 0)


@pytest.mark.parametrize("taken", range(7))
def test_its_state_goes_through_a_file_and_goes_on_as_if_nothing_had_happened(tmp_path, taken):
    figures = [3.0, 2.0, 2.5, 1.0, 1.5, 4.0, 0.5]
    whole, before, after = (Stopping(patience=2) for _ in range(3))
    expected = told(whole, figures)
    told(before, figures[:taken])
    torch.save(before.state_dict(), tmp_path / "state.pt")
    after.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    assert told(after, figures[taken:], first=taken + 1) == expected[taken:]
    assert (after.best, after.best_step) == (whole.best, whole.best_step)


# A training, whose recipe is scripted


class Scripted:
    """A recipe whose step gives the next of the `losses` and turns the weights into the step's number.

    The figure that should fall is the next of the `figures`, one for each validation. `too_large`: what needs
    more memory than there is.
    """

    falls, keeps_best, idle, answer_sides = "val_loss", False, 0, (1, 1)

    def __init__(self, figures: list[float], losses: list[float] | None = None, **settings) -> None:
        self.settings = SimpleNamespace(
            **{
                "steps": len(losses or figures),
                "batch_size": 2,
                "ema": 0.0,
                "patience": None,
                "smaller": None,
            }
            | settings
        )
        generator = {
            "backbone": "unet",
            "head": "classes",
            "color_space": "lab",
            "width": 4,
            "depth": 1,
            "output_stride": 2,
        }
        self.colorizer = Colorizer(generator, {"grid": 60, "temperature": 0.38})
        self.figures, self.losses = iter(figures), iter(losses or [1.0] * len(figures))
        self.too_large, self.taken, self.sides = "", 0, []

    def step(self, step: int, parts: list[Batch]) -> dict[str, Tensor]:
        self.taken = step
        self.sides.append([part.L.shape[-1] for part in parts])
        torch.empty(2**60 if self.too_large == "step" else 1)
        torch.nn.init.constant_(self.colorizer.network.head.bias, step)
        return {"loss": torch.tensor(next(self.losses))}

    def validate(self, model: Colorizer, batch: Batch, planes: Tensor, ab: Tensor) -> dict[str, Tensor]:
        torch.empty(2**60 if self.too_large == "validation" else 1)
        return {"val_loss": torch.full((len(batch.L),), next(self.figures))}

    def score(self, means: dict[str, float]) -> dict[str, float]:
        return means

    def state(self) -> dict[str, torch.nn.Module]:
        return {"network": self.colorizer.network}


class Run:
    """A run of tracking that remembers no more than the weights."""

    id, digest = "", ""

    def weights(self, digest: str) -> None:
        self.digest = digest

    def metrics(self, *_) -> None: ...
    def image(self, *_) -> None: ...
    def tag(self, *_) -> None: ...


@pytest.fixture
def data(tmp_path) -> Path:
    """A store of three pictures, which are both the training and the validation split."""
    folder = tmp_path / "data"
    folder.mkdir()
    records = np.random.default_rng(0).integers(0, 256, (3, 4, 8, 8), dtype=np.uint8)
    offsets, digest = store.write_shard(folder, "0.bin", records)
    places = [(split, offset) for split in ("train", "val") for offset in offsets]
    rows = [(split, "", "", "", "", 0, 0, 0, 8, 8, "0.bin", offset) for split, offset in places]
    store.write_csv(folder / store.INDEX, store.COLUMNS, rows)
    store.write_contents(folder, {"0.bin": digest, store.INDEX: sha256(folder / store.INDEX)})
    return folder


@pytest.fixture
def trained(tmp_path, monkeypatch, data):
    """A function that trains a recipe into `models/try`; gives the model, its curve and what was said."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    run = Run()
    monkeypatch.setattr(tracking, "training_run", lambda *_, **__: nullcontext(run))

    def run_it(recipe: Scripted, validate_every: int = 1, checkpoint_every: float = 1e9):
        params = SimpleNamespace(
            seed=1,
            runtime=SimpleNamespace(checkpoint_every=checkpoint_every, tracking=None),
            training=SimpleNamespace(
                flip=False,
                film=0.0,
                masked=0.0,
                precision="float32",
                compile=False,
                accumulate=1,
                validate_every=validate_every,
            ),
        )
        paths = {"data": data, "out": tmp_path / "models/try", "curve": tmp_path / "try.csv"}
        fabric = Fabric(accelerator="cpu", devices=1)
        said = train(recipe, fabric, params, **paths, about={"steps": recipe.settings.steps})
        assert run.digest == sha256(paths["out"] / "model.safetensors")
        assert not list((tmp_path / ".resume").iterdir()), "a state that nobody needs any more"
        return Colorizer.load(paths["out"]), pd.read_csv(paths["curve"]), said

    return run_it


def step_of(model: Colorizer) -> float:
    """The step whose weights these are."""
    (value,) = set(model.network.head.bias.tolist())
    return value


def test_without_patience_all_steps_are_taken_and_the_last_weights_are_the_result(trained):
    recipe = Scripted([3.0, 1.0, 5.0, 6.0])
    model, curve, said = trained(recipe)
    assert recipe.taken == step_of(model) == 4 and list(curve["step"]) == [1, 2, 3, 4]
    assert "trained for 4 steps on 3 pictures" in said


def test_patience_ends_a_training_and_the_last_weights_are_the_result(trained):
    recipe = Scripted([3.0, 1.0, 5.0, 6.0, 0.0, 0.0], patience=2)
    model, curve, said = trained(recipe)
    assert recipe.taken == step_of(model) == 4 and list(curve["val_loss"]) == [3, 1, 5, 6]
    assert "trained for 4 steps" in said


@pytest.mark.parametrize(("patience", "steps"), [(2, 4), (None, 5)])
def test_a_recipe_may_keep_the_weights_of_its_best_validation(trained, patience, steps):
    recipe = Scripted([3.0, 1.0, 5.0, 6.0, 7.0], patience=patience)
    recipe.keeps_best = True
    model, curve, said = trained(recipe)
    assert step_of(model) == 2 and recipe.taken == curve["step"].max() == steps
    assert f"trained for {steps} steps, those of step 2 kept" in said


def test_what_is_found_while_the_colorizer_does_not_learn_is_never_the_best(trained):
    recipe = Scripted([1.0, 1.0, 1.0, 5.0, 4.0, 6.0, 7.0, 0.0], patience=2)
    recipe.keeps_best, recipe.idle = True, 3
    _, _, said = trained(recipe)
    assert recipe.taken == 7 and "trained for 7 steps, those of step 5 kept" in said


def test_validation_comes_every_few_steps_and_after_the_last_one(trained):
    recipe = Scripted([3.0, 1.0, 2.0], losses=[1.0, 2.0, 3.0, 5.0, 7.0])
    _, curve, _ = trained(recipe, validate_every=2)
    assert list(curve["step"]) == [2, 4, 5] and list(curve["loss"]) == [1.5, 4.0, 7.0]


def test_pictures_are_small_at_first_where_settings_say_so(trained):
    recipe = Scripted([1.0] * 5, smaller=SimpleNamespace(factor=4, until=0.4))
    trained(recipe)
    assert recipe.sides == [[2], [2], [8], [8], [8]]


def test_numbers_that_break_end_a_training_and_the_last_good_state_is_kept(trained, tmp_path):
    with pytest.raises(
        Failure, match=r"diverged at step 3: loss nan\. The state after step 2 is kept in "
    ) as error:
        trained(Scripted([1.0] * 5, losses=[1.0, 2.0, math.nan, 4.0, 5.0]), checkpoint_every=0.0)
    (kept,) = (tmp_path / ".resume").glob("*.pt")
    assert str(kept) in str(error.value)
    state = torch.load(kept, weights_only=True)
    assert state["step"] == 2 and (state["network"]["head.bias"] == 2).all()
    assert not (tmp_path / "models/try").exists() and not (tmp_path / "try.csv").exists()


def test_numbers_that_broke_between_two_rows_are_found_at_the_next_one(trained):
    recipe = Scripted([1.0, 1.0], losses=[1.0, math.inf, 3.0, 4.0, 5.0, 6.0])
    with pytest.raises(Failure, match=r"diverged at step 2: loss inf\. No state was kept yet\."):
        trained(recipe, validate_every=3)
    assert recipe.taken == 3


@pytest.mark.parametrize("where", ["step", "validation"])
def test_too_little_memory_ends_a_training_with_what_to_lower(trained, tmp_path, where):
    recipe = Scripted([1.0, 1.0])
    recipe.too_large = where
    with pytest.raises(Failure, match=r"out of memory on cpu.*training\.accumulate.*batch_size"):
        trained(recipe)
    assert not (tmp_path / "models/try").exists()
