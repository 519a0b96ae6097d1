"""What the download stage promises: one set, by its name in params.yaml, whole or not at all."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from stages.download import main
from tintype.console import UserError
from tintype.sources import bundled, manifest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def params(tmp_path_factory) -> Path:
    """The project's params.yaml, whatever it asks for, with a `download:` section that these tests know."""
    values = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    values["download"] = {
        "photos": {"source": "bundled", "pictures": "colour", "watch": "."},
        "bw": {"source": "bundled", "pictures": "grey", "watch": "."},
        "weights": {"source": "backbones", "nets": {"squeeze": "gone.npz"}, "watch": "."},
    }
    path = tmp_path_factory.mktemp("params") / "params.yaml"
    path.write_text(yaml.safe_dump(values), encoding="utf-8")
    return path


def test_a_set_is_gathered_by_its_name(tmp_path, params, capsys):
    out = tmp_path / "data" / "raw" / "bw"
    main(["--set", "bw", "--out", str(out), "--params", str(params)])
    pictures = {row.path for row in manifest.read(out)}
    assert "camera.png" in pictures
    assert {path.name for path in out.iterdir()} == {*pictures, "manifest.csv", "left_out.csv"}
    assert capsys.readouterr().out == f"{out}: {len(pictures)} pictures in manifest.csv\n"


def test_an_older_folder_is_replaced_whole(tmp_path, params):
    out = tmp_path / "photos"
    out.mkdir()
    (out / "left over.png").write_bytes(b"")
    main(["--set", "photos", "--out", str(out), "--params", str(params)])
    assert not (out / "left over.png").exists() and (out / "astronaut.png").exists()


@pytest.mark.parametrize("stop", [UserError("no"), KeyboardInterrupt(), OSError("disk full")])
def test_a_failure_half_way_leaves_the_older_folder_and_nothing_else(tmp_path, params, monkeypatch, stop):
    out = tmp_path / "photos"
    out.mkdir()
    (out / "older.png").write_bytes(b"older")
    copied = []

    def fail_at_the_third(origin, copy):
        copied.append(origin)
        if len(copied) == 3:
            raise stop
        copy.write_bytes(origin.read_bytes())

    monkeypatch.setattr(bundled.shutil, "copyfile", fail_at_the_third)
    with pytest.raises(type(stop)):
        main(["--set", "photos", "--out", str(out), "--params", str(params)])
    assert len(copied) == 3
    assert [path.name for path in out.iterdir()] == ["older.png"]
    assert [path.name for path in tmp_path.iterdir()] == ["photos"]


def test_an_unknown_set_is_explained(tmp_path, params):
    with pytest.raises(UserError, match=r"--set: there is no 'icons'.*photos, bw, weights"):
        main(["--set", "icons", "--out", str(tmp_path / "out"), "--params", str(params)])
    assert not list(tmp_path.iterdir())


def test_a_named_weights_file_that_is_missing_ends_the_program_with_status_2(tmp_path, params):
    """Run as DVC runs it: a mistake in params.yaml stops the pipeline with a message and no traceback."""
    command = [sys.executable, "-m", "stages.download", "--set", "weights", "--out", "out"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [*command, "--params", str(params)], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "error: download.weights.nets.squeeze: gone.npz: no such file" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())
