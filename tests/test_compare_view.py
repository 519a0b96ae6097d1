"""Promises of MLflow's pages, in a browser: the dashboard's addresses show the models side by side."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from mlflow import MlflowClient

from tintype import params, tracking
from tintype.files import sha256

REPOSITORY = Path(tracking.__file__).parents[1]
FLOORS, TRAINED = ["grey", "mean"], ["cnn", "gan", "ebgan"]
MODELS = [*FLOORS, *TRAINED]
# Wide enough for every chart: MLflow draws those alone that are in sight.
WINDOW = {"width": 1400, "height": 3600}
PATIENCE = 60_000  # milliseconds


@pytest.fixture(scope="module")
def addresses(tmp_path_factory):
    """The addresses that the dashboard prints, while it serves runs of five models, and an older one."""
    folder = tmp_path_factory.mktemp("project")
    shutil.copy(REPOSITORY / "params.yaml", folder)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("MLFLOW_TRACKING_URI", "DVC_ROOT"):
            patch.delenv(name, raising=False)
        patch.setattr(os, "environ", os.environ.copy())
        patch.chdir(folder)
        log_runs(params.load().runtime.tracking)
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        command = [sys.executable, "-m", "tintype.dashboard", "--port", str(port)]
        environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
        with open("out", "w") as out:
            process = subprocess.Popen(
                command, env=environment, stdout=out, stderr=out, start_new_session=True
            )
        try:
            wait_until_it_answers(f"http://127.0.0.1:{port}/health", process)
            yield re.findall(r"http://\S+", Path("out").read_text())
        finally:
            os.killpg(process.pid, signal.SIGINT)
            process.wait(timeout=60)


def log_runs(settings):
    """A training of gan that is no longer current, then a whole story of each model."""
    for model in ("gan", *MODELS):
        identity = f"floor {model}"
        if model in TRAINED:
            file = Path("models", model, "model.safetensors")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(os.urandom(8))
            identity = sha256(file)
            about = {"seed": 1, "steps": 100, "lr": 1e-3, "batch_size": 16, "head": "classes"}
            with tracking.training_run(settings, model=model, params=about, data_digest="d" * 64) as run:
                for step in (0, 50, 100):
                    run.image("val", step, noise())
                    run.metrics(step, {"val_ab_error": 20 - step / 10, "grad_norm": 1.0})
                run.weights(identity)
        with tracking.evaluation_run(settings, model=model, identity=identity) as run:
            run.dataset("test pictures", "d" * 64, "test")
            run.metrics(0, {"test_psnr": 24.0 + len(model)})
            run.image("test", 0, noise())
        tracking.mark_current(settings, {model: identity})
    client = MlflowClient(tracking.tracking_uri(settings))
    experiment = client.get_experiment_by_name(settings.experiment).experiment_id
    assert len(client.search_runs([experiment])) == len(MODELS) + 1


def noise():
    return np.random.default_rng(0).integers(0, 256, (96, 128, 3), dtype=np.uint8)


def wait_until_it_answers(url, process):
    end = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < end:
        try:
            return urllib.request.urlopen(url, timeout=5).close()
        except OSError:
            time.sleep(0.2)
    raise AssertionError(Path("out").read_text())


@pytest.fixture(scope="module")
def page(browser, addresses):
    """The page of all charts, MLflow's assistant closed; `strangers`: what it asked other hosts for."""
    page = browser.new_page(viewport=WINDOW)
    page.set_default_timeout(PATIENCE)
    page.strangers = []
    own = urlsplit(addresses[0]).netloc

    def asked(request):
        if request.url.startswith("http") and urlsplit(request.url).netloc != own:
            page.strangers.append(request.url)

    page.on("request", asked)
    page.goto(addresses[0])
    page.locator('[data-component-id="mlflow.assistant.chat_panel.close"]').click()
    yield page
    page.close()


def card(page, title):
    """A chart, by its title."""
    return page.get_by_test_id("experiment-view-compare-runs-card").filter(
        has=page.get_by_text(title, exact=True)
    )


def drawn(page, title):
    """The traces of a chart, once it is drawn, as (names, numbers of points)."""
    plot = card(page, title).locator(".js-plotly-plot")
    plot.wait_for()
    return plot.evaluate("plot => plot.data.map(trace => [trace.name, (trace.x || []).length])")


def test_the_list_shows_every_models_present_run_and_no_older_one(page):
    names = page.locator('.ag-row [col-id*="Name"] a, .ag-row a[href*="/runs/"]')
    names.first.wait_for()
    assert sorted(set(names.all_inner_texts())) == sorted(MODELS)
    assert page.get_by_text(f"{len(MODELS)} matching runs").is_visible()


def test_a_chart_of_curves_and_one_of_scores_show_every_model(page):
    assert card(page, "grad_norm").count() == 0
    curves = {name.split(" ")[0]: points for name, points in drawn(page, "val_ab_error") if points}
    assert curves == dict.fromkeys(TRAINED, 3)
    (bars, *_) = drawn(page, "test_psnr")
    assert bars[1] == len(MODELS)


def test_pictures_of_every_model_are_side_by_side_and_in_sight(page):
    card(page, "test").locator("[data-component-id=fullscreen_button_chartcard]").click()
    page.set_viewport_size({"width": 1400, "height": 900})
    try:
        shown = page.get_by_role("dialog")
        pictures = shown.locator("img[src*='get-artifact']")
        pictures.nth(len(MODELS) - 1).wait_for()
        page.wait_for_function(
            "() => [...document.querySelectorAll('[role=dialog] img')].every(i => i.complete)"
        )
        assert pictures.count() == len(MODELS)
        assert all(pictures.evaluate_all("images => images.map(image => image.naturalWidth > 0)"))
        bottoms = [box["y"] + box["height"] for box in (each.bounding_box() for each in pictures.all())]
        assert max(bottoms) < 900, "without scrolling"
        assert set(MODELS) <= set(shown.inner_text().splitlines())
    finally:
        page.keyboard.press("Escape")
        page.set_viewport_size(WINDOW)


def test_one_table_compares_the_settings_and_the_figures_of_all(page, addresses):
    page.goto(addresses[1])
    page.get_by_text(f"Comparing {len(MODELS)} Runs").wait_for()
    for text in ("settings.head", "steps", "test_psnr", *MODELS):
        page.get_by_text(text, exact=True).first.wait_for()


def test_the_pages_ask_no_other_host_for_anything(page):
    assert page.strangers == []
