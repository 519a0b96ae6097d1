"""Promises to those who know DVC: its plots, metrics and experiments show the models side by side."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from mlflow import MlflowClient
from ruamel.yaml import YAML

from tintype.images import encode_png

ROOT = Path(__file__).parents[2]
PIPELINE = YAML(typ="safe").load(ROOT / "dvc.yaml")
TRAINED = ["cnn", *YAML(typ="safe").load(ROOT / "params.yaml")["adversarial"]["models"]]
CHARTS = {name: props for plot in PIPELINE["plots"] if isinstance(plot, dict) for name, props in plot.items()}
DOCUMENT = (ROOT / "docs/tracking.md").read_text()
# Takes the place of Vega, and notes what it is to draw.
VEGA = "var drawn = {}; function vegaEmbed(place, chart) { drawn[place.slice(1)] = chart; }"


def test_each_chart_of_curves_has_those_of_every_model():
    assert len(CHARTS) >= 3
    for name, props in CHARTS.items():
        assert list(props["y"]) == [f"reports/curves/{model}.csv" for model in TRAINED], name


@pytest.fixture(scope="module")
def plotted(tmp_path_factory):
    """DVC's page of made-up curves and pictures, made with the template of docs/tracking.md."""
    folder = tmp_path_factory.mktemp("plots")
    for name in ("dvc.yaml", "params.yaml"):
        shutil.copy(ROOT / name, folder)
    columns = "step,loss,val_loss,val_ab_error,val_chroma_ratio,val_score,D_loss,G_adversarial"
    for number, model in enumerate(TRAINED):
        file = folder / f"reports/curves/{model}.csv"
        file.parent.mkdir(parents=True, exist_ok=True)
        rows = [[step, *[number + column / 10 for column in range(7)]] for step in (50, 100)]
        file.write_text("\n".join([columns, *(",".join(map(str, row)) for row in rows)]) + "\n")
    for name in ("comparison", "real_bw"):
        encode_png(folder / f"reports/{name}.png", np.full((20, 30, 3), 128, dtype=np.uint8))
    dvc(folder, "init", "--no-scm", "--quiet")
    for name in re.findall(r"[\w-]+\.min\.js", DOCUMENT):
        (folder / ".dvc/plots").mkdir(exist_ok=True)
        (folder / ".dvc/plots" / name).write_text(VEGA)
    (folder / ".dvc/plots/offline.html").write_text(re.search(r"```html\n(.*?)```", DOCUMENT, re.S)[1])
    dvc(folder, "config", "plots.html_template", "plots/offline.html")
    dvc(folder, "plots", "show", "dvc.yaml::")
    return folder / "dvc_plots/index.html"


def dvc(folder, *arguments):
    """Run DVC in a folder, whatever the surroundings; missing plots are no failure of it."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("DVC_")}
    environment |= {"DVC_SITE_CACHE_DIR": str(folder / "site-cache"), "DVC_NO_ANALYTICS": "1"}
    command = [Path(sys.executable).parent / "dvc", *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_dvcs_page_draws_curves_of_all_models_and_shows_pictures_without_a_network(plotted, browser):
    page = browser.new_page()
    errors, strangers = [], []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("request", lambda request: request.url.startswith("file:") or strangers.append(request.url))
    page.goto(plotted.as_uri())
    drawn = page.evaluate("drawn")
    sizes = page.evaluate(
        "[...document.images].map(image => [image.src.split('_').pop(), image.naturalWidth])"
    )
    page.close()
    assert (errors, strangers) == ([], [])
    charts = [json.dumps(chart) for chart in drawn.values()]
    for name, props in CHARTS.items():
        (values,) = [chart for chart in charts if name in chart]
        assert all(f"{model}.csv" in values for model in TRAINED), name
        assert props["x"] in values
    assert sorted(sizes) == [["bw.png", 30], ["comparison.png", 30]]


@pytest.mark.slow
def test_a_sweep_of_three_values_as_the_readme_has_it(copied):
    project = copied("sweep")
    project.repro()
    for command in ("add -A", "-c user.name=a -c user.email=a@b commit -qm results"):
        subprocess.run(["git", *command.split()], cwd=project.folder, check=True)
    for key in ("name", "email"):
        subprocess.run(["git", "config", f"user.{key}", "a@b"], cwd=project.folder, check=True)

    def said(*command):
        done = project.run(*command)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    metrics = json.loads(said("dvc", "metrics", "show", "--json"))[""]["data"]
    for name, file in metrics.items():
        assert all(isinstance(value, (int, float, str)) for value in file["data"].values()), f"{name} is flat"
        assert "psnr" in file["data"]

    value = "adversarial.models.ebgan.margin"
    readme = (ROOT / "README.md").read_text()
    queue, start, show = (
        re.search(rf"^(dvc {name} .*?)(  #.*)?$", readme, re.M)[1]
        for name in ("exp run --queue", "queue start", "exp show")
    )
    assert value in queue
    said("bash", "-c", queue)
    said("bash", "-c", start)
    end = time.monotonic() + 1200
    while "Queued" in (status := said("dvc", "queue", "status")) or "Running" in status:
        assert time.monotonic() < end, status
        time.sleep(3)
    said("dvc", "queue", "stop", "--kill")
    assert status.count("Success") == 3, status

    table = [line.split("|")[1:-1] for line in said("bash", "-c", f"{show} --md").splitlines() if "|" in line]
    heads = [cell.strip() for cell in table[0]]
    assert heads[0] == "Experiment" and len(heads) <= 6, "readable"
    column = heads.index(value)
    rows = {row[0].strip(): row[column].strip() for row in table[2:]}
    name, margin = next(
        (re.search(r"\[(.*)\]", key)[1], found) for key, found in rows.items() if found == "3"
    )
    assert sorted(float(found) for found in rows.values()) == [1.5, 2, 2, 3, 4]

    client = MlflowClient(f"sqlite:///{project.folder}/mlflow.db")
    experiment = client.get_experiment_by_name("tintype").experiment_id
    runs = client.search_runs([experiment], "tags.model = 'ebgan'")
    assert sorted(run.data.params["margin"] for run in runs) == ["1.5", "2.0", "3.0", "4.0"]
    (current,) = [run for run in runs if "pipeline" in run.data.tags]
    assert current.data.params["margin"] == "2.0", "until an experiment is applied"

    # Studies never ran here: DVC misses their results, having applied all that there is.
    project.run("dvc", "exp", "apply", name)
    params = YAML(typ="safe").load(project.folder / "params.yaml")
    assert str(params["adversarial"]["models"]["ebgan"]["margin"]) == margin
    assert project.repro() == set()
