"""`tintype colorize`: what its options do, and what is skipped."""

# ruff: noqa: F811  fixtures are imported

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from colouring import GREY, UNET, colour, coloured, model, plain, put, with_z, written  # noqa: F401
from skimage import data
from test_colorize_archive import kinds

from tintype import scans
from tintype.colorizer import Colorizer
from tintype.console import Failure, UserError


def test_what_is_done_is_skipped_and_coloured_again_only_when_asked(colour):
    put("in/a.jpg")
    assert "out: 1 coloured, with " in colour("in", "-o", "out")
    first = written("out")
    put("in/b.jpg", 255 - GREY)
    Path("out/a.jpg").write_bytes(b"kept")
    said = colour("in", "-o", "out")
    assert "1 coloured, with " in said
    assert "1 were there, by whatever model and options, and were left as they are: --overwrite" in said
    assert Path("out/a.jpg").read_bytes() == b"kept" and coloured("out/b.jpg")
    assert "2 coloured, with" in colour("in", "-o", "out", "--overwrite")
    assert written("out")["a.jpg"] == first["a.jpg"]


def test_the_same_command_gives_the_same_bytes(colour):
    for name, content in kinds().items():
        put(f"in/{name}").write_bytes(content)
    colour("in", "-o", "one", "--denoise", "--contrast")
    colour("in", "-o", "two", "--denoise", "--contrast")
    assert written("one") == written("two") and len(written("one")) == len(kinds())


def test_a_picture_in_colour_is_coloured_when_asked(colour):
    put("a.png", data.astronaut()[::8, ::8])
    with pytest.raises(Failure, match=r"a.png: it has colours already; --force colours it anew"):
        colour("a.png", "-o", "out")
    assert not Path("out").exists()
    colour("a.png", "-o", "out", "--force")
    grey = scans.read(Path("a.png")).pixels
    assert not np.array_equal(scans.read(Path("out/a.png")).pixels, grey)


def test_before_and_after_side_by_side(colour):
    put("in/a.png")
    colour("in", "-o", "out", "--compare")
    assert set(written("out")) == {"a.png", "a-compare.png"}
    both, after = (scans.read(Path("out", name)).pixels for name in ("a-compare.png", "a.png"))
    np.testing.assert_array_equal(both[:, :56], np.repeat(GREY[..., None], 3, axis=2))
    np.testing.assert_array_equal(both[:, 56:], after)
    Path("out/a-compare.png").unlink()
    colour("in", "-o", "out", "--compare")
    assert set(written("out")) == {"a.png", "a-compare.png"}


def test_a_comparison_too_wide_for_its_format_is_named_and_the_picture_kept(colour):
    put("in/wide.jpg", np.full((2, 40_000), 90, np.uint8))
    with pytest.raises(Failure, match=r"wide-compare.jpg: found 80000 x 2 pixels, allowed in .jpg: 65500"):
        colour("in", "-o", "out", "--compare")
    assert set(written("out")) == {"wide.jpg"}


def test_saturation_and_size_make_a_difference(colour):
    put("a.png")
    chroma = {}
    for name, options in {"none": ["0"], "some": ["1"], "more": ["2"]}.items():
        colour("a.png", "-o", f"{name}.png", "--saturation", *options)
        chroma[name] = np.ptp(scans.read(Path(f"{name}.png")).pixels.astype(int), axis=2).mean()
    assert chroma["none"] < 0.5 < chroma["some"] < chroma["more"]


def test_samples_of_a_model_with_z_differ_and_come_again_with_their_seed(colour, with_z):
    put("in/a.png")
    colour("in", "-o", "out", "--samples", "3", "--seed", "5", "--compare", of=with_z)
    names = {f"a-{k}{end}.png" for k in (1, 2, 3) for end in ("", "-compare")}
    assert set(written("out")) == names
    pictures = [scans.read(Path(f"out/a-{k}.png")).pixels for k in (1, 2, 3)]
    assert not any(np.array_equal(pictures[k], pictures[k - 1]) for k in range(3))
    colour("in", "-o", "again", "--seed", "6", of=with_z)
    np.testing.assert_array_equal(scans.read(Path("again/a.png")).pixels, pictures[1])
    both = scans.read(Path("out/a-3-compare.png")).pixels
    np.testing.assert_array_equal(both[:, 56:], pictures[2])


@pytest.mark.parametrize("options", [["--samples", "2"], ["--seed", "1"]])
def test_a_model_without_z_refuses_samples(colour, options):
    put("a.png")
    with pytest.raises(UserError, match=r"--samples, --seed: .*knows one colouring .*studies/diversity"):
        colour("a.png", *options)


def test_models_that_photographs_do_not_fit_are_refused(colour, tmp_path):
    put("a.png")
    drawings = model(tmp_path / "drawings", color_space="drawing")
    with pytest.raises(UserError, match="colours drawings, allowed: one that colours photographs"):
        colour("a.png", of=drawings)
    torch.manual_seed(0)
    Path("told").mkdir()
    Colorizer(UNET | {"given": {"condition": True}}, None, {"hair": ["red", "blue"]}).save(Path("told"), {})
    with pytest.raises(UserError, match="--model: found one that is told a condition, allowed"):
        colour("a.png", of=Path("told"))
    with pytest.raises(UserError, match="allowed: a model's folder"):
        colour("a.png", of=Path("nowhere"))
    assert "coloured" not in {path.name for path in Path(".").iterdir()}


def test_the_preview_is_one_sheet_of_pictures_from_all_over(colour):
    for number in range(30):
        put(f"in/{number:02d}.png", (GREY // 2 + 4 * number).astype(np.uint8))
    Path("in/00.png").write_bytes(b"broken")
    with pytest.raises(Failure, match=r"1 of those looked at cannot be coloured:\n *in/00.png: no picture"):
        colour("in", "-o", "out", "--preview")
    assert set(written("out")) == {"preview.png"}
    assert coloured("out/preview.png")
    Path("in/00.png").unlink()
    assert "out/preview.png: 24 of 29 pictures" in colour("in", "-o", "out", "--preview")
    assert json.loads(colour("in", "-o", "out", "--preview", "--json"))["pictures"] == 24
    put("a.png")
    put("mixed/a.png")
    put("mixed/colours.png", data.chelsea())
    with pytest.raises(Failure, match=r"1 of those looked at cannot be coloured:\n  mixed/colours.png"):
        colour("mixed", "-o", "out", "--preview")
    colour("a.png", "-o", "b.png", "--preview")
    assert "b-preview.png" in written(".")
    Path("in").rename("whole")
    for path in list(Path("whole").iterdir())[1:]:
        path.unlink()
    next(Path("whole").iterdir()).write_bytes(b"broken")
    with pytest.raises(Failure, match=r"none of the pictures for the sheet could be coloured\n  whole/"):
        colour("whole", "-o", "sheet", "--preview")


def test_json_says_what_was_done(colour, plain):
    put("in/a.png")
    put("in/b.png")
    colour("in/b.png", "-o", "out")
    done = json.loads(colour("in", "-o", "out", "--json"))
    expected = {
        "model": str(plain),
        "out": "out",
        "others": {},
        "coloured": ["in/a.png"],
        "skipped": ["in/b.png"],
        "failed": {},
    }
    assert done == expected
