"""What the table of diversity promises: figures of drawn colourings, and floors that have but one."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from stages import diversity
from tintype import sample_scoring
from tintype.batch import Batch
from tintype.colorizer import Colorizer
from tintype.console import UserError
from tintype.files import write_json
from tintype.sample_metrics import ab_distance
from tintype.store import Split

NUMBER, K = 5, 3


@pytest.fixture
def data(tmp_path, make_store):
    """A store of test pictures whose colours sRGB can show."""
    (tmp_path / "data").mkdir()
    rng = np.random.default_rng(0)
    make_store(tmp_path / "data", "test", list(rng.integers(115, 141, (NUMBER, 4, 16, 24), dtype=np.uint8)))
    write_json(tmp_path / "data/summary.json", {"mean_lab": [50, 6, -8]})
    return tmp_path / "data"


def colorizer(seed: int, **given) -> Colorizer:
    torch.manual_seed(seed)
    settings = {"backbone": "unet", "width": 4, "depth": 2, "output_stride": 1, "head": "l1"}
    return Colorizer(settings | {"color_space": "lab", "given": given}, None).eval()


def drawing(seed: int) -> Colorizer:
    return colorizer(seed, z={"whole": 2, "spatial": 1})


def around(offsets: list[tuple[float, float]]) -> sample_scoring.Draw:
    """The truth, moved by each of these offsets as a whole, and the truth itself."""
    moved = torch.tensor(offsets).view(-1, 1, 2, 1, 1)

    def draw(batch: Batch, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
        ab = batch.ab + moved
        return torch.cat([batch.L.expand(len(ab), -1, -1, -1, -1), ab], dim=2), batch.lab

    return draw


def apart(rgb: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """In LPIPS's place."""
    assert (rgb >= 0).all() and (rgb <= 1).all() and rgb.shape[1] == 3
    return (rgb - other).abs().mean(dim=(1, 2, 3))


def test_a_draw_with_known_errors_has_them_in_every_row(data):
    draw = around([(3.0, 4.0), (-3.0, -4.0), (0.0, 10.0), (0.0, -10.0)])
    found = sample_scoring.rows(draw, Split(data, "test"), None, 0, "fake")
    assert list(found[["photograph", "left", "top"]].iloc[0]) == ["a", 0, 0] and len(found) == NUMBER
    expected = {"ab_error": 7.5, "best_ab_error": 5, "mean_ab_error": 0}
    # Pairs: 10 and 20 apart; and 5, 5, and twice the root of 3^2 + 6^2, and of 3^2 + 14^2.
    expected["ab_diversity"] = (10 + 20 + 2 * 45**0.5 + 2 * 205**0.5) / 6
    # The truth itself, moved: the root of the mean square, 62.5, with a divisor of K - 1.
    expected["noise_best_ab_error"] = (62.5 * 4 / 3) ** 0.5
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-5, atol=1e-5, err_msg=name)
    variance = Split(data, "test").batch(np.arange(NUMBER))[:, 2:].astype(float).var(axis=(2, 3)).sum(axis=1)
    np.testing.assert_allclose(found["explained"], 62.5 / (62.5 + variance), rtol=1e-5)
    assert "lpips_diversity" not in found


def test_one_colouring_has_no_diversity_and_the_same_error_however_it_is_picked(data):
    predict = colorizer(0).colours
    with torch.no_grad():
        found = sample_scoring.rows(sample_scoring.of_one(predict), Split(data, "test"), apart, 0, "one")
        batch = Batch.read(Split(data, "test"), np.arange(NUMBER))
        errors = ab_distance(predict(batch)[:, 1:], batch.ab)
    for name in ("lpips_diversity", "ab_diversity", "explained"):
        assert (found[name] == 0).all(), name
    for name in ("ab_error", "best_ab_error", "mean_ab_error", "noise_best_ab_error"):
        np.testing.assert_allclose(found[name], errors, rtol=1e-5, err_msg=name)


def test_a_model_is_scored_by_what_it_draws_and_by_its_seed(data, monkeypatch):
    model, test = drawing(0), Split(data, "test")
    monkeypatch.setattr(sample_scoring, "_BATCH", 2)
    with torch.no_grad():
        rows = [
            sample_scoring.rows(sample_scoring.of_model(model, K), test, apart, s, "z") for s in (0, 0, 1)
        ]
        samples = torch.cat(
            [
                model.sample(Batch.read(test, np.arange(start, min(start + 2, NUMBER))), K, start)
                for start in range(0, NUMBER, 2)
            ],
            dim=1,
        )
    pd.testing.assert_frame_equal(rows[0], rows[1])
    assert (rows[0]["ab_diversity"] != rows[2]["ab_diversity"]).all()
    assert (rows[0][["ab_diversity", "lpips_diversity", "explained"]] > 0).all(axis=None)
    truth = Batch.read(test, np.arange(NUMBER)).ab
    samples = samples[:, :, 1:]
    errors = torch.stack([ab_distance(ab, truth) for ab in samples])
    np.testing.assert_allclose(rows[0]["ab_error"], errors.mean(dim=0), rtol=1e-5)
    np.testing.assert_allclose(rows[0]["best_ab_error"], errors.amin(dim=0), rtol=1e-5)


def test_a_model_without_z_draws_nothing():
    assert sample_scoring.draws(drawing(0)) and not sample_scoring.draws(colorizer(0))


def test_the_sheet_shows_what_is_named_or_the_first_that_draws():
    assert diversity.asked(None, ["a-1", "b-1"]) == ["a-1"]
    assert diversity.asked("b-1,a-1", ["a-1", "b-1", "c-1"]) == ["b-1", "a-1"]
    for names in ("d-1", "a-1,b-1,c-1", "a-1,"):
        with pytest.raises(UserError, match=f"found {names}, allowed: one or two of a-1, b-1, c-1"):
            diversity.asked(names, ["a-1", "b-1", "c-1"])
    with pytest.raises(UserError, match=r"found none, .* trainings with z, of which the study has none"):
        diversity.asked(None, [])


def test_the_stage_writes_rows_a_table_and_a_sheet_the_same_each_time(data, tmp_path, monkeypatch):
    seeds = {"z-1": 1, "z-2": 2, "plain-1": 1}
    for name, model in {"z-1": drawing(1), "z-2": drawing(2), "plain-1": colorizer(1)}.items():
        model.save(tmp_path / "models" / name, {})
    params = SimpleNamespace(seed=0, evaluate=SimpleNamespace(metrics=SimpleNamespace(lpips="squeeze")))
    monkeypatch.setattr(diversity.parameters, "load", lambda path: params)
    monkeypatch.setattr(diversity.parameters, "study", lambda path: SimpleNamespace(seeds=seeds))
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights/manifest.csv").write_text("name,status,sha256,origin,detail\nsqueeze,missing,,,\n")
    places = {"params": "p.yaml", "data": "data", "weights": "weights", "models": "models"}
    outputs = []
    for turn in ("first", "second"):
        written = places | {"pictures": f"{turn}/own", "out": f"{turn}/results"}
        arguments = [f"--{name}={tmp_path / place}" for name, place in written.items()]
        diversity.main([*arguments, f"--colourings={K}", "--sheet=z-1,z-2"])
        files = sorted(path for path in (tmp_path / turn).rglob("*") if path.is_file())
        outputs.append({path.relative_to(tmp_path / turn).as_posix(): path.read_bytes() for path in files})
    assert outputs[0] == outputs[1]
    names = [f"own/{name}.csv" for name in ("grey", "mean", "plain-1", "z-1", "z-2")]
    names += [f"results/{name}" for name in ("diversity.csv", "diversity.md", "samples.png")]
    assert list(outputs[0]) == names
    table = pd.read_csv(tmp_path / "first/results/diversity.csv").set_index("model")
    assert list(table.index) == ["grey", "mean", "z", "plain"] and table.loc["z", "seeds"] == 2
    assert (table["lpips_diversity"] == "not available").all()
    assert (table["ab_diversity"] > 0).tolist() == [False, False, True, False]
    assert (table["best_ab_error"] < table["ab_error"]).tolist() == [False, False, True, False]
    text = (tmp_path / "first/results/diversity.md").read_text()
    assert "best_ab_error (oracle, " in text and "- lpips_diversity, of squeeze: not available: " in text
    # Two models, of each the one photograph: grey, the colourings, the truth.
    sheet = np.asarray(Image.open(tmp_path / "first/results/samples.png"))
    assert sheet.shape[1] == (K + 2) * 24 + (K + 3) * 4
    with pytest.raises(UserError, match="found 1, allowed: at least 2"):
        diversity.main([*arguments, "--colourings=1"])
    with pytest.raises(UserError, match="found plain-1, allowed: one or two of z-1, z-2"):
        diversity.main([*arguments, f"--colourings={K}", "--sheet=plain-1"])
