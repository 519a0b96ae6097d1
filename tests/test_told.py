"""Generators that are told more than the lightness: conditions, clicks, z; and what they make of it."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from test_recipes import adversarial, fabric, pretraining  # noqa: F401
from torch import Tensor, nn

from tintype import hints, noise
from tintype.batch import Batch
from tintype.colorizer import CLICK, Colorizer
from tintype.console import UserError
from tintype.training.answers import answers, nearest

UNET = {"backbone": "unet", "width": 8, "depth": 2, "output_stride": 2, "head": "l1", "color_space": "lab"}
COLOURS = {"hair": ["blue", "red"], "shirt": ["green"]}
HINTS = {"most": 4, "without": 0.1}
Z = {"whole": 2, "spatial": 1, "diversity": 0.0, "most": 0.5, "others": 0.5}
DIVERSE = Z | {"diversity": 0.2, "others": 0.25}
SIDE = 16


def told(conditions: dict | None = None, seed: int = 0, generator: dict = UNET, **given) -> Colorizer:
    torch.manual_seed(seed)
    return Colorizer(generator | ({"given": given} if given else {}), None, conditions)


def pictures(ab: Tensor, **more) -> Batch:
    """Pictures (N, ..., SIDE, SIDE) of noise in L, each of one colour of ab (N, 2)."""
    ab = ab[:, :, None, None].expand(-1, -1, SIDE, SIDE)
    L = 50 + 10 * torch.rand(len(ab), 1, SIDE, SIDE, generator=torch.Generator().manual_seed(len(ab)))
    return Batch(L, L, ab.clone(), **more)


# What the network is given


def test_the_planes_are_the_lightness_then_condition_hints_and_z():
    model = told(COLOURS, condition=True, hints=HINTS, z=Z)
    clicks = hints.at((SIDE, SIDE), 3, 4, (55.0, -11.0))
    z = noise.drawn(np.array([5]), whole=2, spatial=1)
    batch = pictures(torch.zeros(1, 2), condition=torch.tensor([[0.0, 1.0, 1.0]]), hints=clicks, z=z)
    given = model.given(batch)[0]
    assert given.shape == (1 + 3 + 3 + 3, SIDE, SIDE)
    assert torch.equal(given[0], batch.input[0, 0])
    assert [plane.unique().tolist() for plane in given[1:4]] == [[0.0], [1.0], [1.0]]
    assert given[4:7, 3, 4].tolist() == pytest.approx([5, -1, 10])
    assert not given[4:7, 8:].any()
    assert given[7:9, 0, 0].tolist() == pytest.approx(z[0, :2, 0, 0].tolist())
    assert given[7:9].flatten(1).std(dim=1).max() < 1e-6 < given[9].std()


def test_without_hints_and_z_they_are_none_and_the_mean():
    given = told(hints=HINTS, z=Z).given(pictures(torch.zeros(2, 2)))
    assert given.shape == (2, 7, SIDE, SIDE) and not given[:, 1:].any()


def test_a_generator_that_is_told_nothing_is_given_the_lightness_whatever_a_batch_has():
    batch = pictures(torch.zeros(2, 2), condition=torch.ones(2, 3), hints=torch.ones(2, 3, SIDE, SIDE))
    assert torch.equal(told().given(batch), batch.input)


@pytest.mark.parametrize("condition", [None, torch.ones(2, 2)])
def test_pictures_of_other_conditions_are_a_mistake_that_names_those_known(condition):
    model = told(COLOURS, condition=True)
    with pytest.raises(UserError, match=r"allowed: of 3 \(hair: blue, red; shirt: green\)"):
        model.given(pictures(torch.zeros(2, 2), condition=condition))


@pytest.mark.parametrize("space", ["lab", "drawing"])
def test_a_discriminator_is_told_the_condition_and_the_lightness_or_of_a_drawing_the_drawing(space):
    condition = torch.tensor([[1.0, 0.0, 1.0]])
    batch = replace(pictures(torch.zeros(1, 2), condition=condition), L=torch.full((1, 1, SIDE, SIDE), 7.0))
    known = told(COLOURS, condition=True, generator=UNET | {"color_space": space}).known(batch)
    assert torch.equal(known[:, :1], batch.input if space == "drawing" else batch.L)
    assert known[0, 1:, 2, 2].tolist() == [1.0, 0.0, 1.0]


def test_conditions_of_other_names_are_a_mistake_though_there_are_as_many():
    model = told(COLOURS, condition=True)
    model.refuse_other(dict(COLOURS))
    told().refuse_other({"hat": ["any"]})
    with pytest.raises(UserError, match=r"have the conditions .*hat.*, the model knows .*hair"):
        model.refuse_other({"hat": ["a", "b", "c"]})
    with pytest.raises(UserError, match="have the conditions none"):
        model.refuse_other(None)


def test_a_click_at_the_edge_does_not_go_on_beyond_it():
    model = told(COLOURS, condition=True, hints=HINTS, z=Z)
    clicks = hints.at((17, 19), 16, 18, (20.0, 20.0))
    L = torch.full((1, 1, 17, 19), 40.0)
    given = model.given(Batch(L, L, torch.zeros(1, 2, 17, 19), condition=torch.eye(3)[:1], hints=clicks))
    padded = model.padded(given)
    assert padded.shape[-2:] == (20, 20)
    assert padded[0, 6].sum() == given[0, 6].sum() == 4 * CLICK
    assert (padded[0, :2] == given[0, :2, :1, :1]).all(), "lightness and condition go on"


@pytest.mark.parametrize("told_z", [{"hints": HINTS}, {"z": Z}])
def test_lightness_alone_is_without_hints_and_of_the_mean_z(told_z):
    model, batch = told(**told_z).eval(), pictures(torch.zeros(2, 2))
    with torch.no_grad():
        assert torch.equal(model(batch.input), model.colours(batch)[:, 1:])
    grey = np.full((SIDE, SIDE), 99, np.uint8)
    assert model.colorize(grey).shape == (SIDE, SIDE, 3)
    with pytest.raises(UserError, match="found conditions of 0 values"):
        told(COLOURS, condition=True)(batch.input)
    with pytest.raises(UserError, match="found conditions of 0 values"):
        told(COLOURS, condition=True).colorize(grey)


@pytest.mark.parametrize("backbone", ["zhang16", "unet_per_channel"])
def test_a_backbone_that_takes_the_lightness_alone_says_so(backbone):
    settings = {"backbone": backbone, "width": 4, "head": "l1", "color_space": "lab"}
    settings |= {"depth": 2, "output_stride": 2} if backbone == "unet_per_channel" else {}
    with pytest.raises(
        UserError, match=rf"backbone {backbone}: these settings do not fit: .*`known`: what it is told, hints"
    ):
        told(generator=settings, hints=HINTS)


TRANSPOSED = {"backbone": "transposed_unet", "width": 4, "depth": 3, "head": "l1", "color_space": "drawing"}
ENCODED = {"backbone": "torchvision_unet", "encoder": "squeezenet1_1", "width": 4, "output_stride": 4}
ENCODED |= {"head": "l1", "color_space": "lab"}
TELLABLE = pytest.mark.parametrize("generator", [UNET, TRANSPOSED, ENCODED], ids=lambda one: one["backbone"])


@TELLABLE
@pytest.mark.parametrize("size", [(16, 16), (33, 57), (1, 5)])
def test_pictures_of_any_size_can_be_told_all(size, generator):
    model = told(COLOURS, generator=generator, condition=True, hints=HINTS, z=Z).eval()
    nn.init.kaiming_normal_(next(model.network.parameters()))  # an encoder ignores at first what it is told
    L = 100 * torch.rand(2, 1, *size)
    clicks = hints.at(size, 0, 0, (20.0, 20.0)).expand(2, -1, -1, -1)
    batch = Batch(L, L, torch.zeros(2, 2, *size), condition=torch.eye(3)[:2], hints=clicks)
    with torch.no_grad():
        assert model.colours(batch).shape == (2, 3, *size)
        assert torch.equal(model.colours(batch)[:, :1], L) == (generator["color_space"] == "lab")
        drawn = model.sample(batch, 3, seed=1)
    assert drawn.shape == (3, 2, 3, *size) and drawn.isfinite().all()
    assert torch.equal(drawn, model.sample(batch, 3, seed=1))
    assert not torch.equal(drawn, model.sample(batch, 3, seed=2))


@TELLABLE
def test_a_model_file_says_what_the_model_is_told(tmp_path, generator):
    model = told(COLOURS, generator=generator, condition=True, z=Z).eval()
    model.save(tmp_path, {})
    loaded = Colorizer.load(tmp_path)
    assert loaded.about["conditions"] == COLOURS
    assert loaded.about["generator"]["given"] == {"condition": True, "z": Z}
    batch = pictures(torch.zeros(2, 2), condition=torch.eye(3)[:2])
    with torch.no_grad():
        assert torch.equal(loaded.colours(batch), model.colours(batch))
    assert "conditions" not in told(z=Z).about


def test_a_drawing_is_answered_with_a_lightness_of_its_own():
    model = told(generator=UNET | {"color_space": "drawing"}).eval()
    batch = pictures(torch.zeros(2, 2))
    with torch.no_grad():
        lab = model.colours(batch)
    assert lab.shape == (2, 3, SIDE, SIDE)
    assert not torch.allclose(lab[:, :1], batch.L, atol=5)
    other = replace(batch, L=batch.L / 2)
    with torch.no_grad():
        assert torch.equal(model.colours(other), lab), "what is not known is not used"


# What they make of it


RED, BLUE = torch.tensor([50.0, 30.0]), torch.tensor([0.0, -50.0])


def trained(model: Colorizer, fabric, batches, steps: int = 60, **settings) -> Colorizer:  # noqa: F811
    recipe = pretraining(model, fabric, lr=1e-2, **settings)
    for step in range(1, steps + 1):
        recipe.step(step, [batches(step)])
    return model.eval()


@torch.no_grad()
def answered(model: Colorizer, batch: Batch) -> Tensor:
    return model.colours(batch)[:, 1:]


def two_colours(step: int) -> Batch:
    """Eight pictures alike but for noise, half of them red, half blue, as their condition says."""
    is_red = torch.arange(8) % 2 == 0
    ab = torch.where(is_red[:, None], RED, BLUE)
    L = 50 + 10 * torch.rand(8, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(step))
    condition = torch.stack([~is_red, is_red], dim=1).float()
    return replace(pictures(ab, condition=condition), input=L, L=L)


def distances(model: Colorizer, condition: Tensor) -> tuple[float, float]:
    """Of a new picture's colours, asked for by a condition, to red and to blue."""
    batch = pictures(torch.zeros(1, 2), condition=condition[None])
    ab = answered(model, batch)
    return tuple(float((ab - colour.view(1, 2, 1, 1)).norm(dim=1).mean()) for colour in (RED, BLUE))


def test_a_condition_decides_the_colour_and_without_one_nothing_does(fabric):  # noqa: F811
    conditions = {"colour": ["blue", "red"]}
    blue, red = torch.eye(2)
    model = trained(told(conditions, condition=True), fabric, two_colours)
    to_red, to_blue = distances(model, red)
    assert to_red < 12 < 60 < to_blue
    to_red, to_blue = distances(model, blue)
    assert to_blue < 12 < 60 < to_red

    def shuffled(step: int) -> Batch:
        batch = two_colours(step)
        order = np.random.default_rng(step).permutation(8)
        return replace(batch, condition=batch.condition[order])

    # Untrained, or told conditions that have nothing to do with the colours: they decide hardly anything.
    for other in (
        told(conditions, condition=True).eval(),
        trained(told(conditions, condition=True), fabric, shuffled),
    ):
        far = np.array([distances(other, condition) for condition in (red, blue)])
        assert abs(far[0] - far[1]).max() < 20 and max(far[0, 0], far[1, 1]) > 30


def test_against_a_discriminator_that_is_told_too_a_condition_decides_the_colour(fabric):  # noqa: F811
    model = told({"colour": ["blue", "red"]}, condition=True, generator=UNET | {"output_stride": 1})
    recipe = adversarial(model, fabric, "joint", {"discriminator": "plain"}, lr=1e-2)
    for step in range(1, 61):
        batch = two_colours(step)
        larger = {name: getattr(batch, name).repeat(1, 1, 2, 2) for name in ("input", "L", "ab")}
        recipe.step(step, [replace(batch, **larger)])
    first = recipe.adversaries[0].discriminator.layers[0].weight
    assert first.shape[1] == 1 + 2 + 2, "lightness, condition, colours"
    model = model.eval()
    blue, red = torch.eye(2)
    (red_red, red_blue), (blue_red, blue_blue) = distances(model, red), distances(model, blue)
    assert red_red < 0.5 * red_blue and blue_blue < 0.5 * blue_red


def halves(step: int) -> Batch:
    """Pictures with a dark and a light half, each of any colour, and clicks on them."""
    rng = np.random.default_rng(step)
    ab = torch.from_numpy(rng.uniform(-60, 60, (16, 2, 1, 2)).repeat(SIDE // 2, 3).repeat(SIDE, 2)).float()
    L = torch.full((16, 1, SIDE, SIDE), 25.0)
    L[..., SIDE // 2 :] = 75.0
    return Batch(L, L, ab, hints=hints.drawn(ab, rng.integers(2**31, size=16), most=4, without=0.1))


def test_a_click_colours_its_region_and_not_beyond(fabric):  # noqa: F811
    model = trained(told(hints=HINTS), fabric, halves, steps=250)
    batch = replace(halves(0), hints=None)
    batch = Batch(batch.input[:1], batch.L[:1], torch.zeros(1, 2, SIDE, SIDE))
    before = answered(model, batch)
    for column, inside, outside in ((3, slice(0, 8), slice(8, 16)), (12, slice(8, 16), slice(0, 8))):
        clicked = replace(batch, hints=hints.at((SIDE, SIDE), 8, column, (40.0, -40.0)))
        change = answered(model, clicked) - before
        share = (change[:, 0] - change[:, 1])[0] / 80
        assert share[:, inside].mean() > 0.4
        assert share[:, outside].abs().mean() < 0.35 * share[:, inside].mean()
    more = torch.cat([hints.at((SIDE, SIDE), 8, 3, (50.0, 0.0)), hints.at((SIDE, SIDE), 8, 12, (0.0, 50.0))])
    ab = answered(model, replace(batch, hints=more.sum(dim=0, keepdim=True)))
    assert ab[0, 0, :, :8].mean() > 25 > ab[0, 0, :, 8:].mean()
    assert ab[0, 1, :, 8:].mean() > 25 > ab[0, 1, :, :8].mean()


def either(step: int) -> Batch:
    """Pictures of which nothing tells whether they are red or blue, with z."""
    rng = np.random.default_rng(step)
    ab = torch.where(torch.from_numpy(rng.random((8, 1)) < 0.5), RED, BLUE)
    z, other_z = (noise.drawn(rng.integers(2**31, size=8), 2, 1) for _ in range(2))
    return pictures(ab, z=z, other_z=other_z)


def spread(model: Colorizer) -> float:
    drawn = model.sample(pictures(torch.zeros(1, 2)), 12, seed=3)[:, :, 1:]
    return float((drawn - drawn.mean(dim=0)).norm(dim=2).mean())


def test_z_makes_a_difference_where_the_term_asks_for_it_and_hardly_any_without(fabric):  # noqa: F811
    ignored = trained(told(z=Z), fabric, either, steps=100)
    diverse = trained(told(z=DIVERSE), fabric, either, steps=100)
    assert spread(diverse) > 10 and spread(diverse) > 3 * spread(ignored)
    # Plausible, too: the best of several is far nearer to either colour than the one of z = 0 can be to both.
    drawn = diverse.sample(pictures(torch.zeros(1, 2)), 12, seed=3)[:, 0, 1:].mean(dim=(2, 3))
    for colour in (RED, BLUE):
        assert (drawn - colour).norm(dim=1).min() < 0.35 * (RED - BLUE).norm()


@pytest.mark.parametrize("number", [1, 2])
def test_against_a_discriminator_too_z_makes_a_difference_however_the_batch_is_divided(fabric, number):  # noqa: F811
    model = told(z=DIVERSE, generator=UNET | {"output_stride": 1})
    recipe = adversarial(model, fabric, "joint", {"discriminator": "plain", "pixel": 0.0}, lr=1e-3)
    before = spread(model.eval())
    for step in range(1, 11):
        batch = either(step)
        larger = {name: getattr(batch, name).repeat(1, 1, 2, 2) for name in ("input", "L", "ab")}
        batch = replace(batch, **larger)
        fields = {name: getattr(batch, name) for name in ("input", "L", "ab", "z", "other_z")}
        parts = zip(*(plane.chunk(number) for plane in fields.values()), strict=True)
        figures = recipe.step(step, [Batch(**dict(zip(fields, part, strict=True))) for part in parts])
    assert all(value.isfinite() for value in figures.values())
    assert spread(model.eval()) > 1.3 * before


def test_of_two_answers_the_nearer_counts_and_both_are_driven_apart():
    model, batch = told(z=DIVERSE), either(1)
    planes, penalty = answers(model, model.network, batch)
    assert len(planes) == 2 and penalty.shape == (8,) and (penalty <= 0).all()
    apart = noise.diversity(*planes, batch.z, batch.other_z, Z["most"])
    torch.testing.assert_close(penalty, -0.2 * apart)
    losses = [torch.tensor([1.0, 5.0]), torch.tensor([2.0, 3.0])]
    mixed = [0.75 * 1 + 0.25 * 2, 0.75 * 3 + 0.25 * 5]
    assert nearest(losses, model).tolist() == pytest.approx(mixed)
    assert nearest(losses[:1], model).tolist() == [1.0, 5.0]
    three = [torch.tensor([value]) for value in (4.0, 2.0, 6.0)]
    assert nearest(three, model).tolist() == pytest.approx([0.75 * 2 + 0.25 * 5])
    alone, nothing = answers(told(z=Z), model.network, batch)
    assert len(alone) == 1 and not nothing.any()
