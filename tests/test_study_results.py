"""What a study's README shows is what its stages wrote."""

import re
from pathlib import Path

import pandas as pd
import pytest

from tintype import params
from tintype.floors import FLOORS
from tintype.report import seeds

STUDIES = sorted((Path(__file__).parents[1] / "studies").iterdir())


@pytest.mark.parametrize("study", STUDIES, ids=lambda study: study.name)
def test_the_readme_has_the_command_the_table_and_its_pictures(study):
    readme, table = ((study / name).read_text() for name in ("README.md", "results/comparison.md"))
    assert f"dvc repro studies/{study.name}/dvc.yaml" in readme
    assert table.strip() in readme, "paste results/comparison.md into the README"
    assert re.search(r"data [0-9a-f]{12}", table), "the digest of the data"
    for picture in re.findall(r"!\[.*?\]\((.*?)\)", readme):
        assert (study / picture).stat().st_size > 1000
    assert "TODO" not in readme


@pytest.mark.parametrize("study", STUDIES, ids=lambda study: study.name)
def test_the_table_has_a_row_for_each_model_of_the_study_and_for_the_floors(study):
    asked = params.study(study / "params.yaml")
    coloured = [
        name
        for name, model in asked.all_models.items()
        if model.generator.get("color_space", "lab") != "lightness"
    ]
    table = pd.read_csv(study / "results/comparison.csv").set_index("model")
    assert list(table.index) == [*FLOORS, *seeds.grouped(coloured, asked.seeds), "truth"]
    for model, names in seeds.grouped(coloured, asked.seeds).items():
        assert table.loc[model, "seeds"] == len(names)
        assert table.loc[model, "psnr_low"] <= table.loc[model, "psnr"] <= table.loc[model, "psnr_high"]
