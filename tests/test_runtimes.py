"""Whatever runs a network, its colours are those of the Colorizer."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import torch
from test_onnx_export import BACKBONES, TOLD, TRANSPOSED, UNET, model_of, of_backbone

from tintype.batch import Batch
from tintype.colorizer import Colorizer
from tintype.console import UserError
from tintype.onnx_export import pictures
from tintype.runtimes import RUNTIMES, Predictor

both = pytest.mark.parametrize("runtime", RUNTIMES)


def assert_the_same(model: Colorizer, predict: Predictor, batch: Batch) -> None:
    with torch.no_grad():
        expected = model.colours(batch)
    found = predict.colours(batch)
    assert found.shape == expected.shape and found.dtype == torch.float32
    assert (found - expected).abs().max() < 1e-3
    assert expected[:, 1:].std() > 1e-3
    if not model.space.whole:
        assert torch.equal(predict(batch), found[:, 1:])


@both
@pytest.mark.parametrize("backbone", BACKBONES, ids=of_backbone)
def test_every_backbone_answers_as_itself_at_any_size(runtime, backbone):
    model = model_of(backbone)
    predict = Predictor(model, runtime)
    for number, size in ((1, (8, 8)), (2, (33, 57)), (1, (70, 9))):
        assert_the_same(model, predict, pictures(model, number, size))


@both
@pytest.mark.parametrize(("head", "space"), [("classes", "lab"), ("l2", "rgb"), ("smooth_l1", "drawing")])
def test_every_head_and_colour_space_does(runtime, head, space):
    model = model_of(UNET, head, space)
    assert_the_same(model, Predictor(model, runtime), pictures(model, 2, (33, 57)))


@both
@pytest.mark.parametrize("backbone", [UNET, TRANSPOSED], ids=of_backbone)
def test_conditions_clicks_and_z_count_and_are_left_out_where_there_are_none(runtime, backbone):
    model = model_of(backbone, **TOLD)
    predict, batch = Predictor(model, runtime), pictures(model, 2, (33, 57))
    told = predict(batch)
    for name in ("condition", "hints", "z"):
        value = torch.zeros_like(batch.condition) if name == "condition" else None
        less = replace(batch, **{name: value})
        assert_the_same(model, predict, less)
        assert (predict(less) - told).abs().max() > 1e-2, name
    with pytest.raises(UserError, match="found conditions of 0 values, allowed: of 3"):
        predict(replace(batch, condition=None))


@both
def test_a_click_at_the_edge_does_not_go_on_beyond_it(runtime):
    model = model_of(UNET, hints=TOLD["hints"])
    batch = pictures(model, 1, (17, 19))
    hints = torch.zeros_like(batch.hints)
    hints[0, :, 16, 18] = torch.tensor([60.0, -40.0, 1.0])
    assert_the_same(model, Predictor(model, runtime), replace(batch, hints=hints))


@both
def test_answers_are_ones_own_to_change(runtime):
    model = model_of(UNET)
    predict, batch = Predictor(model, runtime), pictures(model, 2, (33, 57))
    first = predict(batch)
    assert first.is_contiguous() and not first.requires_grad and not first.is_inference()
    kept = first.clone()
    second = predict(batch)
    second *= 0
    assert torch.equal(first, kept) and torch.equal(predict(batch), kept)


@both
def test_the_model_stays_as_it_was_and_a_predictor_as_it_was_made(runtime):
    model = model_of(UNET).train()
    weight = model.network.stem[0].weight
    strides, before = weight.stride(), weight.detach().clone()
    batch, threads = pictures(model, 1, (16, 16)), torch.get_num_threads()
    predict = Predictor(model, runtime, threads=threads + 1)
    answer = predict(batch)
    assert model.training and weight.stride() == strides and torch.equal(weight, before)
    assert torch.get_num_threads() == threads
    model.network.head.bias.data += 1
    assert torch.equal(predict(batch), answer)


def test_pytorch_computes_with_as_many_threads_as_it_was_told():
    seen = []
    model = model_of(UNET)
    model.network.register_forward_pre_hook(lambda *_: seen.append(torch.get_num_threads()))
    batch = pictures(model, 1, (16, 16))
    Predictor(model, "torch", threads=3)(batch)
    Predictor(model, "torch")(batch)
    assert seen == [3, torch.get_num_threads()]


@both
def test_several_threads_can_ask_at_once(runtime):
    model = model_of(UNET, "classes")
    predict = Predictor(model, runtime, threads=1)
    batches = [pictures(model, 1, (16 + 8 * number, 40), seed=number) for number in range(6)]
    alone = [predict(batch) for batch in batches]
    with ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(predict, batches * 5))
    assert all(torch.equal(found, alone[number % 6]) for number, found in enumerate(answers))


@both
def test_drawings_have_no_ab_without_their_own_lightness(runtime):
    model = model_of(TRANSPOSED, space="drawing")
    predict, batch = Predictor(model, runtime), pictures(model, 1, (16, 16))
    assert (predict.colours(batch)[:, :1] - batch.L).abs().max() > 1
    with pytest.raises(UserError, match=r"color_space drawing: this model colours drawings"):
        predict(batch)


@both
def test_a_model_without_colours_is_refused(runtime):
    with pytest.raises(UserError, match="color_space lightness: this model knows no colours"):
        Predictor(model_of(UNET, space="lightness"), runtime)


def test_what_is_no_runtime_and_no_number_of_threads_is_refused():
    with pytest.raises(UserError, match="runtime: found 'tensorrt', allowed: onnx, torch"):
        Predictor(model_of(UNET), "tensorrt")
    with pytest.raises(UserError, match="threads: found 0, allowed: 1 or more"):
        Predictor(model_of(UNET), "onnx", threads=0)
