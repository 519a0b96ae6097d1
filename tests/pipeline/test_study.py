"""A study, small, in a copy of the project of its own: what `dvc repro studies/NAME/dvc.yaml` promises."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from mlflow import MlflowClient
from PIL import Image
from torchvision.models import vgg

from tintype.colorizer import Colorizer

FOLDER, ROOTS = "studies/channels", ["download@photos", "download@weights", "prepare@photos"]
PARAMS, STAGES = f"{FOLDER}/params.yaml", f"{FOLDER}/dvc.yaml"
# Trained, with the modules that the study's stages list among them: a generator per channel has U-Nets.
PRETRAINED, FURTHER = ["rgb-apart-1", "rgb-apart-2"], ["rgb-apart-gan-1"]


def stages(*names: str) -> set[str]:
    return {f"{STAGES}:{name}" for name in names}


def keep(models, *names: str) -> None:
    for name in [name for name in models if name not in names]:
        del models[name]


def cut(params) -> None:
    keep(params["models"]["pretrained"], *PRETRAINED)
    keep(params["models"]["adversarial"], *FURTHER)
    small = params["small"]
    small["backbones"]["unet_per_channel"].update(width=4, depth=2)
    small["model"]["width"] = 8
    small["training"]["validate_every"] = 2
    small["pretrain"]["steps"] = small["adversarial"]["shared"]["steps"] = 4


AFTER_EDIT = stages(f"adversarial-train@{FURTHER[0]}", "compare")


def edited(params) -> None:
    params["models"]["adversarial"][FURTHER[0]]["model"]["pixel"] = 0.5


def out_of_date(project, *targets: str) -> set[str]:
    return set(json.loads(project.run("dvc", "status", "--json", *targets).stdout))


@pytest.fixture(scope="module")
def project(copied):
    project = copied("study")
    (project.imports / FOLDER).mkdir(parents=True)
    project.edit(cut, PARAMS)
    project.ran = project.repro(STAGES)
    return project


def test_a_study_runs_its_stages_and_those_of_the_root_that_it_needs(project):
    trained = [f"pretrain-generator@{name}" for name in PRETRAINED]
    trained += [f"adversarial-train@{name}" for name in FURTHER]
    assert project.ran == {*ROOTS, *stages(*trained, "compare")}


def test_the_table_has_floors_and_each_model_with_its_seeds_pooled(project):
    table = pd.read_csv(project.folder / FOLDER / "results/comparison.csv").set_index("model")
    assert list(table.index) == ["grey", "mean", "random", "rgb-apart", "rgb-apart-gan", "truth"]
    assert table["seeds"].fillna(0).tolist() == [0, 0, 0, 2, 1, 0]
    assert table["colorfulness_spread"].notna().tolist() == [False, False, False, True, False, False]
    assert table.loc["grey", "colorfulness"] < 0.1 < table.loc["rgb-apart", "colorfulness"]
    assert (table["lpips_squeeze"].drop("truth") > 0).all()
    pictures = project.folder / "reports/studies/channels/pictures"
    psnr = [pd.read_csv(pictures / f"{name}.csv")["psnr"].mean() for name in PRETRAINED]
    assert psnr[0] != psnr[1]
    assert table.loc["rgb-apart", "psnr"] == pytest.approx(np.mean(psnr), abs=1e-4)


def test_the_results_are_there_to_read_and_to_look_at(project):
    results = project.folder / FOLDER / "results"
    lines = (results / "comparison.md").read_text().splitlines()
    (row,) = [line for line in lines if line.startswith("| rgb-apart |")]
    assert "±" in row and " | 2 | " in row
    for name in ("figures", "curves", "sheet"):
        with Image.open(results / f"{name}.png") as picture:
            assert min(picture.size) > 100 and picture.convert("L").getextrema() != (255, 255)


def test_every_training_has_one_current_run_in_the_studys_experiment(project):
    client = MlflowClient(f"sqlite:///{project.folder}/mlflow.db")
    assert client.get_experiment_by_name("tintype") is None
    experiment = client.get_experiment_by_name("tintype-channels").experiment_id
    runs = client.search_runs([experiment], "tags.pipeline = 'current'")
    runs = {run.data.tags["model"]: run for run in runs}
    assert sorted(runs) == sorted(["grey", "mean", "random", *PRETRAINED, *FURTHER])
    for name in (*PRETRAINED, *FURTHER):
        assert runs[name].info.status == "FINISHED"
        assert {"val_ab_error", "test_psnr", "test_colorfulness"} <= runs[name].data.metrics.keys()
        assert runs[name].data.params["seed"] == name[-1]


def test_every_stage_lists_the_files_it_imports_and_no_others(project):
    project.check_imports(FOLDER)


def test_a_model_describes_itself_and_colours_without_any_params(project, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = Colorizer.load(project.folder / "models/channels/rgb-apart-gan-1")
    generator = {"backbone": "unet_per_channel", "head": "l1", "color_space": "rgb"}
    assert model.about["generator"] == generator | {"width": 4, "depth": 2, "output_stride": 2}
    training = {
        "seed": 1,
        "steps": 4,
        "objective": "vanilla",
        "discriminator": "patch",
        "adversaries": "each",
    }
    assert training.items() <= model.about["training"].items()
    assert model.colorize(np.full((30, 41), 120, np.uint8)).shape == (30, 41, 3)


def test_nothing_runs_when_nothing_changed(project):
    assert project.repro(STAGES) == set()


def test_another_studys_values_and_the_large_ones_run_nothing(project):
    project.edit(lambda params: params["small"]["model"].update(pixel=3.0), "studies/objectives/params.yaml")
    project.edit(lambda params: params["large"]["pretrain"].update(steps=9), PARAMS)
    assert project.repro(STAGES) == set()


def test_one_models_edit_is_one_for_that_model_and_compare_and_none_for_the_root(project):
    project.edit(edited, PARAMS)
    assert out_of_date(project, STAGES) == AFTER_EDIT
    assert out_of_date(project, *ROOTS) == set()


@pytest.mark.slow
def test_one_models_edit_runs_that_model_and_compare_alone(project):
    project.edit(edited, PARAMS)
    assert project.repro(STAGES) == AFTER_EDIT


@pytest.mark.slow
def test_a_study_that_trains_on_its_own_samples_lists_what_it_imports(copied):
    def cut(params):
        for group, names in {
            "pretrained": ["vae-1"],
            "adversarial": ["vae-gan-1"],
            "more": ["vae-gan-more-1"],
        }.items():
            keep(params["models"][group], *names)
        small = params["small"]
        for backbone in small["backbones"].values():
            backbone.update(latent=4, width=4)
        small["model"]["width"] = 8
        small["training"]["validate_every"] = 2
        small["pretrain"]["steps"] = small["adversarial"]["shared"]["steps"] = 2

    project, folder = copied("autoencoder"), "studies/autoencoder"
    (project.imports / folder).mkdir(parents=True)
    project.edit(cut, f"{folder}/params.yaml")
    # Else the study would look for an encoder's weights, of another study's stage, on the network.
    (project.imports / "studies/backbones").mkdir(parents=True)
    weights, layers = project.folder.parent / "vgg16.pth", vgg.make_layers(vgg.cfgs["D"])
    torch.save({f"features.{name}": value for name, value in layers.state_dict().items()}, weights)
    of_encoders = "studies/backbones/params.yaml"
    project.edit(lambda params: params["download"]["vgg16"].update(file=str(weights)), of_encoders)
    assert f"{folder}/dvc.yaml:sample" in project.repro(f"{folder}/dvc.yaml")
    assert project.repro(f"{folder}/dvc.yaml") == set()
    project.check_imports(folder)
    samples = pd.read_csv(project.folder / folder / "results/samples.csv")
    assert (samples["ab_spread"] > 0).all()
    more, fewer = (
        len(pd.read_csv(project.folder / f"data/prepared/{name}/index.csv").query("split == 'train'"))
        for name in ("sampled", "photos")
    )
    assert more == fewer + round(fewer / 2)
