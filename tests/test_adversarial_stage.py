"""The stage that trains against a discriminator: what it learns by, and what it says of that in the model."""

import pytest
from ruamel.yaml import YAML
from safetensors.torch import save_file
from trainings import Training, write_base

from stages import adversarial_train
from tintype.console import UserError
from tintype.files import sha256


@pytest.fixture
def training(tmp_path) -> Training:
    """A training of the project's GAN, from scratch."""
    (tmp_path / "base").mkdir()
    write_base(tmp_path / "base")
    made = Training(tmp_path / "gan", "gan", tmp_path / "base")
    made.arguments = [one for one in made.arguments[1:] if not one.startswith("--init")]
    return made


def change(training: Training, **settings) -> None:
    """Put settings into its model."""
    yaml, file = YAML(), training.folder / "params.yaml"
    params = yaml.load(file)
    params["adversarial"]["models"]["gan"] |= settings
    yaml.dump(params, file)


def begun(training: Training, monkeypatch) -> tuple[adversarial_train.Adversarial, dict]:
    """The recipe that it would train, and what the model's file would say of it."""
    found = []
    monkeypatch.setattr(
        adversarial_train, "train", lambda recipe, *_, about, **__: found.append((recipe, about)) or "done"
    )
    adversarial_train.main(training.arguments)
    (one,) = found
    return one


def test_a_model_says_that_it_learned_by_lpips_where_it_did_and_else_nothing(
    training, squeezenet, monkeypatch
):
    weights = training.base / "weights"
    save_file(dict(squeezenet.state_dict()), weights / "squeeze.safetensors")
    (weights / "manifest.csv").write_text("name,status,sha256,origin,detail\nsqueeze,available,,,\n")
    _, without = begun(training, monkeypatch)
    change(training, perceptual=0.5)
    recipe, with_it = begun(training, monkeypatch)
    assert "perceptual" not in without
    assert with_it == without | {"perceptual": 0.5}
    assert with_it["validated_by"] == f"squeeze {sha256(weights / 'squeeze.safetensors')}"
    assert recipe.model.perceptual == 0.5 and recipe.perceptual


def test_to_learn_by_lpips_without_its_weights_is_a_mistake_that_tells_what_to_do(training, monkeypatch):
    change(training, perceptual=0.5)
    before = training.files()
    with pytest.raises(UserError, match=r"perceptual: found 0\.5, allowed: left out, .*name a file of them"):
        begun(training, monkeypatch)
    assert training.files() == before
