"""Which trained models are here, which is the best, and how one is named."""

import json
from pathlib import Path

import pytest
import torch

from tintype import models
from tintype.__main__ import main
from tintype.colorizer import Colorizer
from tintype.console import UserError

GENERATOR = {
    "backbone": "unet",
    "width": 4,
    "depth": 2,
    "output_stride": 2,
    "head": "l1",
    "color_space": "lab",
}


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A function that puts a model, with its figures, into the folder that one works in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(models, "PROJECT", tmp_path)
    monkeypatch.setattr(models, "SHIPPED", tmp_path / "none")

    def put(name: str, **figures: float) -> Path:
        folder = tmp_path / "models" / name
        folder.mkdir(parents=True)
        torch.manual_seed(0)
        Colorizer(GENERATOR, None).save(folder, {})
        if figures:
            file = (tmp_path / "reports/metrics" / name).with_suffix(".json")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(figures))
        return folder.relative_to(tmp_path)

    return put


def test_the_best_comes_first_then_those_without_figures_by_name(project):
    project("studies/z-1")
    project("gan", lpips_squeeze=0.2, ciede2000=9.0)
    project("cnn", lpips_squeeze=0.1, ciede2000=10.0)
    project("b", ciede2000=7.0)
    project("a", ciede2000=8.0)
    project("empty", psnr=20.0)
    (Path("models/no-model")).mkdir()
    found = models.known()
    assert [of.name for of in found] == ["cnn", "gan", "b", "a", "empty", "studies/z-1"]
    assert found[0].path == Path("models/cnn") and found[0].figures["ciede2000"] == 10.0
    assert found[-1].figures == {}
    assert models.find(None) == Path("models/cnn")


def test_a_model_is_named_by_its_name_its_folder_or_its_file(project, tmp_path):
    folder = project("hints/clicks")
    for wanted in ("hints/clicks", str(folder), str(tmp_path / folder), str(folder / models.FILE)):
        assert Colorizer.load(models.find(wanted)).about["generator"] == GENERATOR


def test_in_another_folder_the_models_are_those_of_the_code(project, tmp_path, monkeypatch):
    project("cnn", psnr=3.0)
    elsewhere = tmp_path / "photographs"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    (found,) = models.known()
    assert (found.name, found.path, found.figures) == ("cnn", tmp_path / "models/cnn", {"psnr": 3.0})


def test_an_unknown_name_is_answered_with_near_ones_first_and_not_with_all(project):
    for number in range(8):
        project(f"study/net-{number}")
    with pytest.raises(
        UserError, match=r"one of these: study/net-7, .*, \.\.\. \(`tintype models` lists all\)"
    ):
        models.find("net-7")


def test_a_name_that_is_not_there_is_answered_with_those_that_are(project):
    with pytest.raises(UserError, match=r"--model: found 'x', allowed: .*none: `make repro` trains some"):
        models.find("x")
    project("cnn")
    project("gan")
    with pytest.raises(
        UserError, match="--model: found 'cn', allowed: a model's folder, or one of these: cnn, gan"
    ):
        models.find("cn")


def test_where_there_is_no_model_it_says_how_to_come_by_one(project, tmp_path):
    with pytest.raises(UserError, match=rf"no model below {tmp_path / 'models'}, and none .* `make repro`"):
        models.find(None)
    with pytest.raises(UserError, match="no model below"):
        main(["models"])


@pytest.mark.parametrize("text", ["{", "", "\xff"])
def test_broken_figures_are_told_by_their_file(project, text):
    project("cnn", psnr=3.0)
    Path("reports/metrics/cnn.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(
        UserError, match=r"reports/metrics/cnn.json: not the figures of a model .*`dvc checkout`"
    ):
        models.known()


def test_the_command_lists_models_with_their_figures(project, capsys):
    project(
        "cnn",
        lpips_squeeze=0.123456,
        psnr=22.0,
        ciede2000=9.5,
        colorfulness=20.5,
        delta_colorfulness_mean=-10.0,
    )
    project("hints/clicks")
    main(["models"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["model", "LPIPS", "CIEDE2000", "PSNR", "colourful", "of", "truth"]
    assert lines[1].split() == ["cnn", "0.1235", "9.5", "22", "20.5", "30.5"]
    assert lines[2].split() == ["hints/clicks", "-", "-", "-", "-", "-"]
    assert "cnn is used where no --model is named" in lines[-1]


def test_the_command_gives_all_that_is_known_as_json(project, capsys):
    project("cnn", lpips_squeeze=0.123456)
    main(["models", "--json"])
    (about,) = json.loads(capsys.readouterr().out)
    assert about == {
        "name": "cnn",
        "path": "models/cnn",
        "figures": {"lpips_squeeze": 0.123456},
        "shipped": False,
    }
