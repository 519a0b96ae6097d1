"""Pictures that another system coloured: found by name, compared by their colours, and none passed over."""

import sys

import numpy as np
import pytest
import torch
from PIL import Image

from tintype import external
from tintype.color import lab_to_rgb, to_uint8
from tintype.console import UserError
from tintype.images import decode
from tintype.store import Split

SQUARES = [("cats/a.jpg", 0, 0), ("cats/b.png", 0, 0), ("dogs/a.jpg", 0, 0)]
TILES = [("a.jpg", 0, 0), ("a.jpg", 64, 0), ("b.jpg", 0, 128)]


@pytest.fixture
def pictures(tmp_path, make_store):
    """A function that makes a store of three pictures at such places, and returns its test split."""
    rng = np.random.default_rng(0)
    blocks = [rng.integers(110, 146, (4, 2, 3), dtype=np.uint8) for _ in range(3)]
    records = [block.repeat(8, axis=1).repeat(8, axis=2) for block in blocks]

    def make(places):
        (tmp_path / "data").mkdir()
        make_store(tmp_path / "data", "test", records, places)
        return Split(tmp_path / "data", "test")

    return make


def colour(split: Split, folder, suffix: str = ".png", scale: int = 1) -> list[torch.Tensor]:
    """Write the true pictures, of another lightness, as another system might; returns their ab."""
    found = []
    for number, name in enumerate(external.names(split)):
        lab = external.Batch.read(split, np.array([number])).lab
        lab[:, 0] += 10
        file = folder / f"{name}{suffix}"
        file.parent.mkdir(parents=True, exist_ok=True)
        image = Image.fromarray(to_uint8(lab_to_rgb(lab))[0])
        image.resize((image.width * scale, image.height * scale), Image.Resampling.NEAREST).save(file)
        found.append(lab[:, 1:])
    return found


def test_a_picture_is_called_by_its_path_and_a_tile_by_its_corner_too(pictures):
    assert external.names(pictures(SQUARES)) == ["cats/a", "cats/b", "dogs/a"]


def test_a_tile_is_called_by_its_corner_too(pictures):
    assert external.names(pictures(TILES)) == ["a-0-0", "a-64-0", "b-0-128"]


def test_two_pictures_that_differ_in_their_suffix_alone_are_refused(pictures):
    with pytest.raises(UserError, match="called cats/a, but for their suffix"):
        external.names(pictures([("cats/a.jpg", 0, 0), ("cats/a.png", 0, 0), ("b.png", 0, 0)]))


@pytest.mark.parametrize(("suffix", "scale"), [(".png", 1), (".WEBP", 1), (".png", 3)])
def test_the_colours_count_and_the_lightness_is_the_true_one(pictures, tmp_path, suffix, scale):
    split = pictures(SQUARES)
    truth = torch.cat(colour(split, tmp_path / "theirs", suffix, scale))
    ((batch, lab),) = external.answers(tmp_path / "theirs", split)
    assert torch.equal(lab[:, :1], batch.L)
    error, apart = ((lab[order, 1:] - truth).abs().mean() for order in ([0, 1, 2], [1, 2, 0]))
    assert error < (0.6 if suffix == ".png" else 4) < apart, "each has its own"


def test_what_the_report_shows_may_differ_in_size(tmp_path, make_store):
    rng = np.random.default_rng(1)
    records = [rng.integers(120, 130, (4, side, side + 9), dtype=np.uint8) for side in (20, 33)]
    make_store(tmp_path, "test_region", records, [("a.jpg", 0, 0), ("b.jpg", 0, 0)])
    split = Split(tmp_path, "test_region")
    colour(split, tmp_path / "theirs" / external.SHOWN)
    sizes = [tuple(lab.shape[2:]) for _, lab in external.answers(tmp_path / "theirs", split)]
    assert sizes == [(20, 29), (33, 42)]


def test_a_file_that_is_no_picture_is_named_and_so_are_two_of_one_name(pictures, tmp_path):
    split = pictures(SQUARES)
    colour(split, tmp_path / "theirs")
    broken = tmp_path / "theirs/cats/b.png"
    broken.write_bytes(b"not a picture")
    with pytest.raises(UserError, match=r"b\.png: not a picture that can be read: "):
        next(external.answers(tmp_path / "theirs", split))
    broken.with_suffix(".webp").write_bytes(b"")
    with pytest.raises(UserError, match=r"b\.webp: b\.png has the same name"):
        external.answers(tmp_path / "theirs", split)


def test_pictures_that_are_missing_are_named(pictures, tmp_path):
    split = pictures(SQUARES)
    colour(split, tmp_path / "theirs")
    (tmp_path / "theirs/cats/b.png").unlink()
    with pytest.raises(UserError, match=r"of 3 pictures 1 are missing: cats/b; .*tintype.external"):
        next(external.answers(tmp_path / "theirs", split))
    with pytest.raises(UserError, match="no such folder"):
        next(external.answers(tmp_path / "nowhere", split))


def test_a_picture_that_was_cut_is_refused(pictures, tmp_path):
    split = pictures(SQUARES)
    colour(split, tmp_path / "theirs")
    Image.new("RGB", (16, 16)).save(tmp_path / "theirs/cats/b.png")
    with pytest.raises(UserError, match=r"b\.png: 16 x 16 pixels, where the test picture has 24 x 16"):
        next(external.answers(tmp_path / "theirs", split))


def test_the_grey_pictures_are_written_under_the_names_that_are_looked_for(pictures, tmp_path, monkeypatch):
    split = pictures(SQUARES)
    monkeypatch.setattr(sys, "argv", ["external", f"--data={tmp_path}/data", f"--out={tmp_path}/grey"])
    external.main()
    for number, name in enumerate(external.names(split)):
        picture = decode(tmp_path / f"grey/{name}.png")
        assert (picture[..., 0] == picture[..., 1]).all()
        expected = to_uint8(lab_to_rgb(external.Batch.read(split, np.array([number])).grey))[0]
        assert np.array_equal(picture, expected)
    ((_, lab),) = external.answers(tmp_path / "grey", split)
    assert lab[:, 1:].abs().max() < 0.1, "uncoloured, they are the grey floor"
