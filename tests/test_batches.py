"""Batches: what a step sees is the seed's and the step's alone; and a thread that works a little ahead."""

import itertools
import threading
from dataclasses import fields

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from tintype import hints, store
from tintype.batch import Batch
from tintype.files import sha256
from tintype.store import Split
from tintype.training.batches import ahead, batches

RECORDS, STEPS = 10, 4
TOLD = {"hints": {"most": 3, "without": 0.2}, "z": {"whole": 1, "spatial": 2}}
CHANGING = {"flip": "both", "film": 1.0, "hidden": 0.3, "told": TOLD}


@pytest.fixture
def split(tmp_path, make_store) -> Split:
    """Ten pictures of noise, whose lightness tells their number; conditions tell an even from an odd one."""
    records = np.random.default_rng(0).integers(0, 256, (RECORDS, 4, 8, 8), dtype=np.uint8)
    records[:, 1] = np.arange(RECORDS)[:, None, None]
    make_store(tmp_path, "train", list(records))
    np.save(tmp_path / store.CONDITIONS, np.eye(2, dtype=np.uint8)[np.arange(RECORDS) % 2])
    files = ("0000000.bin", store.INDEX, store.CONDITIONS)
    store.write_contents(tmp_path, {name: sha256(tmp_path / name) for name in files})
    return Split(tmp_path, "train")


def stream(split: Split, **settings) -> list[tuple[int, list[Batch]]]:
    settings = {
        "steps": STEPS,
        "batch_size": 12,
        "flip": False,
        "film": 0.0,
        "hidden": 0.0,
        "told": {},
        "seed": 1,
    } | settings
    return list(batches(split, device=torch.device("cpu"), **settings))


def joined(parts: list[Batch]) -> Batch:
    planes = {field.name: [getattr(part, field.name) for part in parts] for field in fields(Batch)}
    return Batch(
        **{name: None if tensors[0] is None else torch.cat(tensors) for name, tensors in planes.items()}
    )


def same(one: Batch, other: Batch) -> bool:
    pairs = [(getattr(one, field.name), getattr(other, field.name)) for field in fields(Batch)]
    return all(x is y is None or torch.equal(x, y) for x, y in pairs)


def numbers(batch: Batch) -> list[int]:
    return (batch.L[:, 0, 0, 0] * 2.55).round().int().tolist()


# What a step sees


@pytest.mark.parametrize("settings", [{}, CHANGING])
@pytest.mark.parametrize(("parts", "ranks"), [(1, 2), (2, 1), (2, 3), (3, 2), (12, 1), (1, 12)])
def test_parts_and_ranks_divide_a_batch_and_change_nothing_in_it(split, parts, ranks, settings):
    whole = stream(split, **settings)
    shares = [stream(split, parts=parts, rank=rank, ranks=ranks, **settings) for rank in range(ranks)]
    for (step, (batch,)), *mine in zip(whole, *shares, strict=True):
        assert {number for number, _ in mine} == {step}
        assert all(len(share) == parts for _, share in mine)
        # A part is divided among the ranks, so that all of them work on the same part at the same time.
        ordered = [share[part] for part in range(parts) for _, share in mine]
        assert {len(piece.input) for piece in ordered} == {12 // (parts * ranks)}
        assert same(joined(ordered), batch)


@pytest.mark.parametrize("settings", [{}, CHANGING])
@pytest.mark.parametrize("first", [2, STEPS, STEPS + 1])
def test_a_step_does_not_depend_on_the_steps_before_it(split, first, settings):
    whole, later = stream(split, **settings), stream(split, first=first, **settings)
    assert [step for step, _ in later] == list(range(first, STEPS + 1))
    assert all(same(a, b) for (_, (a,)), (_, (b,)) in zip(whole[first - 1 :], later, strict=True))


def test_a_step_does_not_depend_on_how_many_follow(split):
    short, long = stream(split, steps=2, **CHANGING), stream(split, steps=5, **CHANGING)
    assert all(same(a, b) for (_, (a,)), (_, (b,)) in zip(short, long[:2], strict=True))


@pytest.mark.parametrize("batch_size", [1, 4, 12, 25])
def test_every_epoch_has_every_record_once_in_an_order_of_its_own(split, batch_size):
    def seen(seed: int) -> list[int]:
        steps = -(-3 * RECORDS // batch_size)
        found = stream(split, steps=steps, batch_size=batch_size, seed=seed)
        return [number for _, (batch,) in found for number in numbers(batch)][: 3 * RECORDS]

    epochs = [seen(1)[start : start + RECORDS] for start in range(0, 3 * RECORDS, RECORDS)]
    assert [sorted(epoch) for epoch in epochs] == [list(range(RECORDS))] * 3
    assert len({tuple(epoch) for epoch in epochs}) == 3
    assert seen(1) == seen(1) != seen(2)


def test_a_record_comes_as_it_is_stored_with_its_condition(split):
    for _, (batch,) in stream(split):
        assert same(
            batch, Batch.of_records(split.batch(numbers(batch)), conditions=split.conditions(numbers(batch)))
        )
        assert batch.condition.argmax(dim=1).tolist() == [number % 2 for number in numbers(batch)]


def test_flips_mirror_all_planes_of_a_picture_together_and_about_half_of_the_pictures(split):
    mirrored = []
    settings = {"steps": 25, "batch_size": 12}
    for (_, (plain,)), (_, (batch,)) in zip(
        stream(split, **settings), stream(split, flip=True, **settings), strict=True
    ):
        before, after = (torch.cat([found.input, found.lab], dim=1) for found in (plain, batch))
        turned = (before != after).flatten(1).any(dim=1)
        assert torch.equal(after, torch.where(turned[:, None, None, None], before.flip(-1), before))
        mirrored.append(turned)
    assert 0.4 < torch.cat(mirrored).float().mean() < 0.6
    assert len({tuple(turned.tolist()) for turned in mirrored}) == 25


def test_film_ages_the_input_and_never_the_truth_and_each_time_in_another_way(split):
    clean, aged, again = (stream(split, film=film, steps=5) for film in (0.0, 1.0, 1.0))
    versions = set()
    for (_, (before,)), (_, (after,)), (_, (repeated,)) in zip(clean, aged, again, strict=True):
        assert torch.equal(before.lab, after.lab) and same(after, repeated)
        changed = (before.input != after.input).flatten(1).any(dim=1)
        assert changed.float().mean() > 0.8
        versions |= {
            (number, picture.numpy().tobytes())
            for number, picture, differs in zip(numbers(after), after.input, changed, strict=True)
            if differs
        }
    assert len(versions) > 45  # of 60 pictures, which show each record six times


def test_masks_hide_a_share_of_the_input_and_never_the_truth_and_each_time_other_squares(split):
    clean, hiding, again = (stream(split, hidden=hidden, steps=5) for hidden in (0.0, 0.4, 0.4))
    shares, masks = [], set()
    for (_, (before,)), (_, (after,)), (_, (repeated,)) in zip(clean, hiding, again, strict=True):
        assert torch.equal(before.lab, after.lab) and same(after, repeated)
        hidden = before.input != after.input
        assert (after.input[hidden] == 50).all()
        shares.append(hidden.float().mean())
        masks |= {mask.numpy().tobytes() for mask in hidden}
    assert torch.stack(shares).mean() == pytest.approx(0.4, abs=0.05)
    assert len(masks) == 60


def test_clicks_have_the_true_colours_of_the_picture_as_it_is_after_flips(split):
    told = {"hints": {"most": 2, "without": 0.0}}
    for _, (batch,) in stream(split, flip="both", told=told):
        means = F.avg_pool2d(batch.ab, 3, stride=1, padding=1, count_include_pad=False)
        for ab, mean, (*hint, mask) in zip(batch.ab, means, batch.hints, strict=True):
            assert mask.any() and ab.std() > 10
            hinted = torch.stack(hint)[:, mask > 0]
            # Each is the mean around some pixel of this picture, and of hardly any other picture's.
            assert (hinted[:, :, None] - mean.flatten(1)[:, None]).abs().sum(dim=0).amin(dim=1).max() < 1e-3


def test_upside_down_and_mirrored_are_drawn_apart(split):
    stored = torch.from_numpy(np.stack([split[number] for number in range(RECORDS)]))
    seen = set()
    for _, (batch,) in stream(split, flip="both", steps=8):
        for ab, number in zip(batch.ab, numbers(batch), strict=True):
            own = Batch.of_records(stored[number][None]).ab[0]
            turns = {(): own, (-1,): own.flip(-1), (-2,): own.flip(-2), (-2, -1): own.flip(-2, -1)}
            seen |= {turn for turn, expected in turns.items() if torch.equal(ab, expected)}
    assert seen == {(), (-1,), (-2,), (-2, -1)}


@pytest.mark.parametrize("factor", [2, 4])
def test_shrunk_clicks_keep_their_colours_and_no_more_than_a_pixel_around(factor):
    clicks = hints.at((16, 16), 5, 9, (30.0, -20.0))
    L = torch.zeros(1, 1, 16, 16)
    small = Batch(L, L, torch.zeros(1, 2, 16, 16), hints=clicks).shrunk(factor).hints[0]
    mask = small[2] > 0
    assert set(small[2].unique().tolist()) == {0.0, 1.0}
    torch.testing.assert_close(small[:2, mask], torch.tensor([[30.0], [-20.0]]).expand(-1, int(mask.sum())))
    assert not small[:2, ~mask].any()
    assert torch.equal(mask, F.max_pool2d(clicks[:, 2:], factor)[0, 0] > 0)


@pytest.mark.parametrize("factor", [2, 4])
def test_a_shrunk_batch_has_means_of_pixels_and_keeps_its_conditions(split, factor):
    ((_, (batch,)),) = stream(split, steps=1)
    small = batch.shrunk(factor)

    def means(planes: Tensor) -> Tensor:
        return planes.unflatten(3, (-1, factor)).unflatten(2, (-1, factor)).mean(dim=(3, 5))

    for name in ("input", "L", "ab"):
        torch.testing.assert_close(getattr(small, name), means(getattr(batch, name)))
    assert torch.equal(small.condition, batch.condition)
    assert batch.shrunk(1) is batch


# Working ahead


def workers() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name.startswith("batches")}


@pytest.mark.parametrize("count", [0, 1, 2, 3, 500])
def test_the_same_items_come_in_the_same_order(count):
    assert list(ahead(iter(range(count)))) == list(range(count))


def test_an_item_is_made_before_it_is_asked_for_but_only_a_few_are():
    made = [threading.Event() for _ in range(100)]

    def items():
        for number, event in enumerate(made):
            event.set()
            yield number

    few = ahead(items())
    assert not made[0].is_set()
    assert next(few) == 0
    assert made[2].wait(timeout=30)
    assert not made[5].wait(timeout=0.3)
    few.close()


@pytest.mark.parametrize("error", [ValueError("broken picture"), KeyboardInterrupt()])
def test_an_error_is_raised_where_the_items_are_wanted_after_those_before_it(error):
    def items():
        yield from (1, 2)
        raise error

    found = []
    with pytest.raises(type(error)) as raised:
        found.extend(ahead(items()))
    assert raised.value is error
    found = ahead(items())
    assert [next(found), next(found)] == [1, 2]


@pytest.mark.parametrize("taken", [1, 7])
def test_its_thread_ends_when_nobody_asks_any_more(taken):
    before = workers()
    endless = ahead(itertools.count())
    assert [next(endless) for _ in range(taken)] == list(range(taken))
    (thread,) = workers() - before
    endless.close()
    assert not thread.is_alive()


def test_its_thread_ends_with_the_items():
    before = workers()
    for number in ahead(iter(range(3))):
        if number == 0:
            (thread,) = workers() - before
    assert not thread.is_alive()
