"""The gallery's pictures: all that are chosen, in their order, the same bytes each time."""

import io

import numpy as np
import torch
from PIL import Image

from tintype.batch import Batch
from tintype.color import lab_to_rgb, to_uint8
from tintype.report import gallery


def batches(count: int = 7, size: int = 3) -> list[tuple[Batch, torch.Tensor]]:
    rng = np.random.default_rng(0)
    smooth = np.repeat(np.repeat(rng.integers(110, 146, (count, 4, 2, 3), dtype=np.uint8), 8, 2), 8, 3)
    parts = [Batch.of_records(smooth[start : start + size]) for start in range(0, count, size)]
    return [(batch, batch.lab) for batch in parts]


def test_answers_pass_unchanged_and_the_chosen_ones_are_kept_in_their_order(tmp_path):
    numbers = np.array([0, 3, 4, 6])
    passed = list(gallery.kept(batches(), numbers, tmp_path / gallery.FILE))
    truth = torch.cat([lab for _, lab in batches()])
    assert torch.equal(torch.cat([lab for _, lab in passed]), truth)
    kept = list(gallery.read(tmp_path / gallery.FILE, numbers))
    shown = to_uint8(lab_to_rgb(truth))
    for number, data in zip(numbers, kept, strict=True):
        picture = np.asarray(Image.open(io.BytesIO(data)))
        apart = [np.abs(picture.astype(int) - other).mean() for other in shown]
        assert np.argmin(apart) == number and apart[number] < 3


def test_the_same_answers_make_the_same_bytes(tmp_path):
    for name in ("a.zip", "b.zip"):
        list(gallery.kept(batches(), np.arange(7), tmp_path / name))
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_of_many_pictures_some_from_all_over_are_chosen():
    assert gallery.chosen(range(12)).tolist() == list(range(12))
    many = gallery.chosen(range(25_000))
    assert len(set(many.tolist())) == gallery.LIMIT and many[0] == 0 and many[-1] == 24_999
    assert np.diff(many).max() <= 26
