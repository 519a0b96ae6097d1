"""Figures under each film: every conversion of the true colours, and the model sees that and nothing else."""

import numpy as np
import pytest
import torch

from tintype import film, film_scoring
from tintype.color import lab_to_rgb
from tintype.store import Split


@pytest.fixture
def test_split(tmp_path, make_store):
    rng = np.random.default_rng(0)
    records = [rng.integers(110, 146, (4, 12, 12), dtype=np.uint8) for _ in range(5)]
    make_store(tmp_path, "test", records, [("a", 12 * place, 0) for place in range(5)])
    return Split(tmp_path, "test")


def even(ab: torch.Tensor) -> torch.Tensor:
    return torch.ones(len(ab), *ab.shape[2:], dtype=torch.float64)


def test_every_film_has_a_row_per_picture_and_shows_the_model_its_own_grey(test_split):
    seen = []

    def predict(batch):
        seen.append(batch)
        return batch.lab

    rows = film_scoring.rows(predict, test_split, even, "model")
    assert rows.groupby("film", sort=False).size().to_dict() == dict.fromkeys(film.CONVERSIONS, 5)
    assert rows["left"].tolist() == [0, 12, 24, 36, 48] * len(film.CONVERSIONS)
    for conversion, batch in zip(film.CONVERSIONS, seen, strict=True):
        plane = film.grey_plane(lab_to_rgb(batch.lab), conversion)
        assert (batch.input - plane).abs().max() < 0.2, "rounded to 8 bits"
    assert (seen[0].input - seen[-1].input).abs().max() > 1
    # The truth is the right answer to every film, with its own lightness.
    assert (rows["ciede2000"] < 1e-6).all() and (rows["auc_rebalanced"] == 100).all()


def test_a_model_that_goes_by_the_grey_is_worse_where_the_grey_is_another(test_split):
    def by_brightness(batch):
        return torch.cat([batch.L, batch.ab + (batch.input - batch.L)], dim=1)

    rows = film_scoring.rows(by_brightness, test_split, even, "model")
    means = rows.groupby("film")["ciede2000"].mean()
    assert means.idxmin() == "lab" and means["blue"] > 2 * means["lab"] + 0.5


def test_of_many_pictures_some_from_all_over_are_coloured(test_split, monkeypatch):
    monkeypatch.setattr(film_scoring, "PICTURES", 3)
    rows = film_scoring.rows(lambda batch: batch.lab, test_split, even, "model")
    assert rows[rows["film"] == "lab"]["left"].tolist() == [0, 24, 48]
