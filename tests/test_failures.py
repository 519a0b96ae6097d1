"""Failures: the step that broke, too little memory, and collapses told from answers that are imperfect."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from skimage import color, data
from torch import Tensor
from torch.nn import functional as F

from tintype.batch import Batch
from tintype.console import Failure
from tintype.training.device import explained
from tintype.training.failures import likeness, problems, ratios, refuse_broken

STRIDES = (1, 2, 4)
FINE = {"val_chroma_ratio": 1.0, "val_spread_ratio": 1.0, "val_roughness_ratio": 1.0}


@pytest.fixture(scope="module", params=["astronaut", "chelsea", "coffee"])
def batch(request) -> Batch:
    """A photograph as tiles (N, 3, 64, 64) of Lab."""
    lab = color.rgb2lab(getattr(data, request.param)()[:256:2, :384:2]).astype(np.float32)
    planes = torch.from_numpy(lab).movedim(-1, 0)
    tiles = planes.unfold(1, 64, 64).unfold(2, 64, 64).reshape(3, -1, 64, 64).movedim(0, 1)
    return Batch(input=tiles[:, :1], L=tiles[:, :1], ab=tiles[:, 1:])


def figures(ab: Tensor, batch: Batch, stride: int = 2) -> dict[str, float]:
    return ratios(likeness(ab, batch, stride), batch.L.numel())


def chequered(batch: Batch, stride: int, mode: str, ab: float = 100.0) -> Tensor:
    """Blocks of full orange and full blue that alternate at the output stride, enlarged as a model does."""
    rows, columns = (torch.arange(side // stride) for side in batch.L.shape[-2:])
    signs = (-1.0) ** (rows[:, None] + columns)
    small = (ab * signs).expand(len(batch.L), 2, -1, -1)
    smooth = {"align_corners": False} if mode == "bilinear" else {}
    return F.interpolate(small, scale_factor=stride, mode=mode, **smooth)


def steps(*losses: float) -> list[dict[str, Tensor]]:
    return [{"loss": torch.tensor(loss), "grad_norm": torch.tensor(0.5)} for loss in losses]


# Numbers that are none


@pytest.mark.parametrize(("broken", "word"), [(np.nan, "nan"), (np.inf, "inf"), (-np.inf, "-inf")])
def test_the_first_step_that_broke_is_named_with_all_its_figures_and_what_to_do(broken, word):
    with pytest.raises(Failure) as failure:
        refuse_broken(40, steps(2.0, 1.5, broken, np.nan, 3.0), "The state after step 30 is kept in a.pt")
    message = str(failure.value)
    assert f"diverged at step 42: loss {word}, grad_norm 0.5." in message
    assert "The state after step 30 is kept in a.pt." in message and "learning rate" in message


def test_steps_may_differ_in_their_figures():
    later = {"G_pixel": torch.tensor(np.nan), "loss": torch.tensor(1.0)}
    with pytest.raises(Failure, match=r"step 3: G_pixel nan, loss 1\."):
        refuse_broken(1, [*steps(1.0, 1.0), later], "")


def test_finite_figures_and_no_figures_pass():
    refuse_broken(1, steps(1e30, -1e30, 0.0), "")
    refuse_broken(1, [], "")


# Too little memory


def fill_memory() -> None:
    torch.empty(2**60)


def fill_memory_of_numpy() -> None:
    np.empty(2**58)


def fill_memory_of_a_gpu() -> None:
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")


@pytest.mark.parametrize("fill", [fill_memory, fill_memory_of_numpy, fill_memory_of_a_gpu])
def test_too_little_memory_is_a_failure_that_names_settings_to_lower(fill):
    fabric = SimpleNamespace(device="cuda:3", world_size=1)
    with pytest.raises(Failure, match=r"out of memory on cuda:3") as failure, explained(fabric):
        fill()
    for setting in ("training.accumulate", "batch_size", "prepare.photos.side", "generator.width"):
        assert setting in str(failure.value)
    assert failure.value.__cause__ is not None


def test_another_error_is_not_taken_for_too_little_memory():
    fabric = SimpleNamespace(device="cpu", world_size=2)
    with pytest.raises(RuntimeError, match="size"), explained(fabric):
        torch.zeros(2) + torch.zeros(3)


def test_a_process_that_has_gone_is_a_failure_that_says_what_is_kept():
    fabric = SimpleNamespace(device="cpu", world_size=2)
    with (
        pytest.raises(Failure, match=r"another process of this training has ended\. Kept\."),
        explained(fabric, lambda: "Kept."),
    ):
        raise RuntimeError("[pair.cc:553] Connection closed by peer [127.0.0.1]:57")


# How an answer compares with the truth


def test_ratios_of_an_answer_twice_as_colourful_are_two(batch):
    found = figures(2 * batch.ab, batch)
    for name in ("chroma", "spread", "roughness"):
        assert found[f"val_{name}_ratio"] == pytest.approx(2)
    assert found["val_ab_error"] == pytest.approx(batch.ab.norm(dim=1).mean().item(), rel=1e-5)


def test_a_shift_of_all_colours_is_an_error_and_changes_no_spread_or_roughness(batch):
    found = figures(batch.ab + torch.tensor([30.0, -40.0])[:, None, None], batch)
    assert found["val_ab_error"] == pytest.approx(50, rel=1e-5)
    assert [found["val_spread_ratio"], found["val_roughness_ratio"]] == pytest.approx([1, 1], rel=1e-5)


def test_the_spread_is_the_standard_deviation_over_all_pixels_and_the_roughness_the_mean_difference(batch):
    ab = torch.randn(batch.ab.shape, generator=torch.Generator().manual_seed(0)).cumsum(dim=-1)
    for stride in STRIDES:
        found = figures(ab, batch, stride)
        spreads = [
            planes.double().var(dim=(0, 2, 3), correction=0).sum().sqrt().item() for planes in (ab, batch.ab)
        ]
        rough = [
            np.abs(planes[..., stride:].numpy() - planes[..., :-stride].numpy()).sum()
            + np.abs(planes[..., stride:, :].numpy() - planes[..., :-stride, :].numpy()).sum()
            for planes in (ab, batch.ab)
        ]
        assert found["val_spread_ratio"] == pytest.approx(spreads[0] / spreads[1], rel=1e-5)
        assert found["val_roughness_ratio"] == pytest.approx(rough[0] / rough[1], rel=1e-5)


def test_sums_of_two_batches_make_the_ratios_of_both_together(batch):
    ab = torch.roll(batch.ab, 5, dims=-1) * 0.7
    halves = [
        likeness(ab[part], Batch(batch.input[part], batch.L[part], batch.ab[part]), 2)
        for part in (slice(0, 2), slice(2, None))
    ]
    together = {name: halves[0][name] + halves[1][name] for name in halves[0]}
    assert ratios(together, batch.L.numel()) == pytest.approx(figures(ab, batch), rel=1e-9)


# Collapses


@pytest.mark.parametrize("stride", STRIDES)
def test_the_truth_and_what_comes_near_it_is_no_collapse(batch, stride):
    blurred = F.avg_pool2d(batch.ab, 5, stride=1, padding=2, count_include_pad=False)
    noisy = batch.ab + 5 * torch.randn(batch.ab.shape, generator=torch.Generator().manual_seed(0))
    block = F.interpolate(F.avg_pool2d(batch.ab, 8), scale_factor=8, mode="nearest")
    for ab in (batch.ab, blurred, noisy, block, 0.3 * batch.ab, 2 * batch.ab, batch.ab.flip(0)):
        assert problems(figures(ab, batch, stride)) == []


@pytest.mark.parametrize("stride", STRIDES)
def test_all_grey_is_a_collapse(batch, stride):
    for ab in (torch.zeros_like(batch.ab), 0.02 * batch.ab):
        assert problems(figures(ab, batch, stride)) == ["the generator's colours collapsed to grey"]


@pytest.mark.parametrize("colour", [(10.0, 15.0), (-60.0, 40.0), (90.0, 0.0)])
def test_a_single_colour_is_a_collapse_however_strong_it_is(batch, colour):
    ab = torch.tensor(colour)[:, None, None].expand_as(batch.ab)
    slightly_uneven = ab + 0.01 * batch.ab
    for answer in (ab, slightly_uneven):
        assert problems(figures(answer, batch)) == ["the generator's colours collapsed to a single one"]


@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
@pytest.mark.parametrize("stride", STRIDES)
def test_a_saturated_pattern_at_the_output_stride_is_a_collapse(batch, stride, mode):
    (problem,) = problems(figures(chequered(batch, stride, mode), batch, stride))
    assert problem == "the generator's colours collapsed to a pattern of saturated blocks"


def test_a_pattern_that_is_pale_is_none(batch):
    ab = batch.ab + chequered(batch, 2, "nearest", ab=0.1 * batch.ab.norm(dim=1).mean().item())
    assert problems(figures(ab, batch)) == []


def test_a_discriminator_that_tells_nearly_all_pictures_has_won():
    (problem,) = problems(FINE | {"D_accuracy": 0.995})
    assert "discriminator has won" in problem
    assert problems(FINE | {"D_accuracy": 0.95}) == problems(FINE) == []


def test_a_collapse_and_a_discriminator_that_won_are_both_named():
    assert len(problems(FINE | {"val_chroma_ratio": 0.0, "D_accuracy": 1.0})) == 2
