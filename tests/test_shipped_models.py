"""The models that come with Tintype: how they are called, when they are used, that nothing else is needed."""

import json
import socket
from pathlib import Path

import numpy as np
import pytest
import torch
from colouring import GREY, UNET, coloured, model, put, written
from films import decoded, lumas, plane, write_film
from PIL import Image

from tintype import models
from tintype.__main__ import main
from tintype.colorizer import FILE, Colorizer
from tintype.console import UserError
from tintype.files import write_json


@pytest.fixture
def ship(tmp_path, monkeypatch):
    """A function that puts a model among those that come with Tintype. One works in an empty folder."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setattr(models, "PROJECT", tmp_path / "nowhere")
    monkeypatch.setattr(models, "SHIPPED", tmp_path / "weights")
    monkeypatch.setattr(models, "DEFAULT", "gan")

    def put(name: str, **figures: float | str) -> Path:
        file = tmp_path / f"weights/{name}.safetensors"
        file.parent.mkdir(exist_ok=True)
        (model(tmp_path / "made" / name) / FILE).rename(file)
        if figures:
            write_json(file.with_suffix(".json"), figures)
        return file

    return put


def test_the_default_comes_first_then_the_other_shipped_ones_then_the_projects(ship):
    for name in ("hints", "gan", "cnn"):
        ship(name, ciede2000=9.0)
    for name, error in (("gan", 2.0), ("ebgan", 1.0)):
        model(Path("models", name))
        write_json(Path("reports/metrics", f"{name}.json"), {"ciede2000": error})
    (models.SHIPPED / ".unfinished-1-ebgan.safetensors").write_bytes(b"half")
    (models.SHIPPED / "README.md").touch()
    found = [(of.name, of.shipped) for of in models.known()]
    assert found == [
        *((f"shipped/{name}", True) for name in ("gan", "cnn", "hints")),
        *(("ebgan", False), ("gan", False)),
    ]
    assert models.find(None) == models.SHIPPED / "gan.safetensors"
    (models.SHIPPED / "gan.safetensors").unlink()
    assert models.find(None) == models.known()[0].path == Path("models/ebgan")


def test_a_plain_name_is_the_projects_where_it_has_one_of_it(ship):
    gan, hints = ship("gan"), ship("hints")
    for wanted, path in {"gan": gan, "shipped/gan": gan, "hints": hints, str(hints): hints}.items():
        assert models.find(wanted) == path
    model(Path("models/gan"))
    assert models.find("gan") == Path("models/gan")
    assert models.find("shipped/gan") == gan
    model(Path("models/shipped/gan"))
    assert models.find("shipped/gan") == gan
    gan.unlink()
    model(Path("models/shipped/hints"))
    assert models.find("shipped/hints") == hints  # where the default is missing, too


def test_an_unknown_name_is_answered_with_shipped_ones_too(ship):
    ship("gan")
    model(Path("models/mine"))
    with pytest.raises(UserError, match=r"found 'x', allowed: .* one of these: shipped/gan, mine"):
        models.find("x")


@pytest.mark.parametrize("empty", [False, True])
def test_without_shipped_models_all_is_as_if_there_were_none(ship, empty):
    if empty:
        models.SHIPPED.mkdir()
    assert models.known() == []
    with pytest.raises(UserError, match=r"no model below .*, and none came with Tintype: install it again"):
        models.find(None)
    model(Path("models/mine"))
    assert models.find(None) == Path("models/mine")


def test_without_the_default_and_a_project_another_shipped_one_is_used(ship):
    cnn = ship("cnn")
    assert models.find(None) == cnn


def test_broken_figures_of_a_shipped_model_say_what_to_do(ship):
    file = ship("gan").with_suffix(".json")
    for broken in ("{", "[]"):
        file.write_text(broken)
        with pytest.raises(UserError, match=r"gan.json: not the figures of a model .*; install Tin"):
            models.known()


def test_the_command_lists_them_and_says_where_their_figures_are_from(ship, capsys):
    ship("gan", ciede2000=9.5)
    ship("cnn", ciede2000=11.0)
    ship("hints")
    model(Path("models/mine"))
    main(["models"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == ["shipped/gan", "-", "9.5", "-", "-", "-"]
    assert [line.split()[0] for line in lines[2:5]] == ["shipped/cnn", "shipped/hints", "mine"]
    assert "shipped/gan is used where no --model is named" in lines[-2]
    assert "of test pictures of their own, which their cards describe" in lines[-1]
    assert str(models.SHIPPED) in lines[-1]
    main(["models", "--json"])
    about = json.loads(capsys.readouterr().out)
    assert [(of["name"], of["shipped"]) for of in about[2:]] == [("shipped/hints", True), ("mine", False)]
    assert about[0]["path"] == str(models.SHIPPED / "gan.safetensors")
    assert about[0]["figures"]["ciede2000"] == 9.5


def test_of_shipped_models_without_figures_the_command_says_no_more(ship, capsys):
    figures = ship("gan", psnr=23.0).with_suffix(".json")
    main(["models"])
    assert "their figures are of test pictures of their own, which" in capsys.readouterr().out
    figures.unlink()
    main(["models"])
    assert "came with Tintype" not in capsys.readouterr().out


def test_in_an_empty_folder_and_offline_a_photograph_is_coloured(ship, capsys, monkeypatch):
    def refuse(*arguments, **options):
        raise AssertionError("it asked the network")

    for name in ("socket", "create_connection", "getaddrinfo"):
        monkeypatch.setattr(socket, name, refuse)
    file = ship("gan")
    put("photo.png")
    main(["colorize", "photo.png"])
    assert "coloured: 1 coloured, with shipped/gan" in capsys.readouterr().out
    assert set(written(".")) == {"photo.png", "coloured/photo.png"} and coloured("coloured/photo.png")
    expected = Colorizer.load(file).colorize(Image.fromarray(GREY))
    found = np.array(Image.open("coloured/photo.png")).astype(int)
    assert np.abs(found - np.array(expected)).max() <= 1  # ONNX Runtime, and PyTorch
    main(["colorize", "photo.png", "-o", "out", "--model", "gan", "--json"])
    assert json.loads(capsys.readouterr().out)["model"] == "shipped/gan"


def test_a_model_that_takes_hints_colours_without_any(ship, tmp_path, capsys):
    torch.manual_seed(0)
    told = {"given": {"hints": {"most": 20, "without": 0.1}}}
    Colorizer(UNET | told, None).save(tmp_path, {})
    ship("gan")
    (tmp_path / FILE).rename(models.SHIPPED / "hints.safetensors")
    put("photo.png")
    main(["colorize", "photo.png", "--model", "hints"])
    assert "1 coloured, with shipped/hints" in capsys.readouterr().out


def test_a_shipped_model_is_exported_by_its_name(ship, capsys):
    ship("cnn")
    main(["export", "cnn", "-o", "cnn.onnx"])
    assert "differs from PyTorch by at most" in capsys.readouterr().out


def test_a_film_is_coloured_with_the_default(ship, capsys):
    ship("gan")
    film = write_film(Path("film.mp4"), lumas(3), codec="libx264")
    main(["video", str(film), "-o", "colour.mkv", "--size", "32", "--json"])
    assert json.loads(capsys.readouterr().out)["model"] == "shipped/gan"
    assert plane(decoded(Path("colour.mkv"))[1], 1).std() > 0
