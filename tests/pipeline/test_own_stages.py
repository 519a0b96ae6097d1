"""The studies that judge models by figures of their own: each, small, in a copy of the project."""

from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest
from PIL import Image

# The models that stay, by group, and what the study's own stage writes: tables, pictures.
STUDIES: dict[str, tuple[dict[str, list[str]], list[str], list[str]]] = {
    "icons": (
        {"pretrained": ["untold-1"], "adversarial": ["told-gan-1"]},
        ["accuracy"],
        ["wheel"],
    ),
    "sketches": ({"pretrained": ["l1-1"], "adversarial": ["gan-1"]}, [], []),
    "hints": ({"pretrained": ["alone-1", "hinted-1"]}, ["hints"], ["hints", "clicks"]),
    "diversity": (
        {"pretrained": ["plain-1", "diverse-1"], "adversarial": ["diverse-gan-1"]},
        ["diversity"],
        ["samples"],
    ),
    "uncertainty": (
        {"pretrained": ["even-1", "rebalanced-1"]},
        ["uncertainty"],
        ["calibration", "doubt"],
    ),
}


def cut(models: dict[str, list[str]]) -> Callable[[Any], None]:
    """A change of a study's params: few models, small ones, trained for a moment."""

    def change(params: Any) -> None:
        for group, names in params["models"].items():
            for name in [name for name in names if name not in models.get(group, [])]:
                del names[name]
        small = params["small"]
        for backbone in small["backbones"].values():
            backbone.update(width=4, depth=2)
        if "model" in small:
            small["model"]["width"] = 8
            small["adversarial"]["shared"]["steps"] = 2
        if "photos" in small:
            small["photos"].update(side=32)
        small["training"]["validate_every"] = 2
        small["pretrain"]["steps"] = 2
        if "colourings" in params.get("shown", {}):
            params["shown"]["colourings"] = 2
        if params.get("shown", {}).get("sheet", "").count(","):
            params["shown"]["sheet"] = "diverse-1,diverse-gan-1"

    return change


@pytest.mark.parametrize(
    "name", ["icons", *(pytest.param(name, marks=pytest.mark.slow) for name in list(STUDIES)[1:])]
)
def test_a_study_trains_judges_lists_what_it_imports_and_is_done(copied, name):
    models, tables, pictures = STUDIES[name]
    project, folder = copied(name), f"studies/{name}"
    (project.imports / folder).mkdir(parents=True)
    project.edit(cut(models), f"{folder}/params.yaml")
    ran = project.repro(f"{folder}/dvc.yaml")
    trained = [model for names in models.values() for model in names]
    assert {stage.split("@")[1] for stage in ran if stage.startswith(folder) and "@" in stage} >= {*trained}
    project.check_imports(folder)
    assert project.repro(f"{folder}/dvc.yaml") == set()
    results = project.folder / folder / "results"
    for table in tables:
        rows = pd.read_csv(results / f"{table}.csv").set_index("model")
        assert {model.removesuffix("-1") for model in trained} <= set(rows.index)
        assert len(set(rows.index) - {model.removesuffix("-1") for model in trained}) >= 1, "floors"
        lines = (results / f"{table}.md").read_text()
        assert "95 % bootstrap" in lines and " data " in lines.lower()
    for picture in [*pictures, "figures", "curves", "sheet"]:
        with Image.open(results / f"{picture}.png") as shown:
            assert min(shown.size) > 60 and shown.convert("L").getextrema() != (255, 255)
