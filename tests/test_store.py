"""What the store promises: the records that were written, read lazily, and errors that say what to do."""

import resource
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from tintype import store
from tintype.batch import Batch
from tintype.color import lab_to_bytes
from tintype.console import UserError
from tintype.files import sha256, write_json

SIZES = [(8, 8), (3, 17), (40, 5), (1, 1)]  # height, width
NAMES = ["b/é, 1.png", "NA", "007", "null"]


def records(seed: int = 0, sizes: list[tuple[int, int]] = SIZES) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.integers(0, 256, (4, *size), dtype=np.uint8) for size in sizes]


def row(split: str, photograph: str, record: np.ndarray, shard: str, offset: int, **more) -> dict:
    """A row of the index."""
    _, height, width = record.shape
    found = {"split": split, "photograph": photograph, "group": "", "label": "", "condition": ""}
    found |= {"left": 4, "top": 9, "copy": 0, "width": width, "height": height}
    return found | {"shard": shard, "offset": offset} | more


def complete(folder, rows: list[dict], *more: str) -> None:
    """Write the tables of a store whose shards are there."""
    store.write_csv(folder / "index.csv", store.COLUMNS, [tuple(row.values()) for row in rows])
    names = {*(row["shard"] for row in rows), "index.csv", *more}
    store.write_contents(folder, {name: sha256(folder / name) for name in names})


def write(folder, splits: dict[str, list[np.ndarray]]) -> None:
    """A store with a shard for each split."""
    rows = []
    for split, some in splits.items():
        shard = f"{split}-00000.bin"
        offsets, digest = store.write_shard(folder, shard, some)
        assert digest == sha256(folder / shard)
        for number, (record, offset) in enumerate(zip(some, offsets, strict=True)):
            rows.append(row(split, NAMES[number % len(NAMES)], record, shard, offset, copy=number))
    complete(folder, rows)


def test_records_of_any_size_come_back_in_the_order_of_the_index(tmp_path):
    write(tmp_path, {"train": records(0), "test": records(1)})
    for split, seed in (("train", 0), ("test", 1)):
        stored = store.Split(tmp_path, split)
        assert len(stored) == 4
        for written, read in zip(records(seed), stored, strict=True):
            assert read.dtype == np.uint8
            np.testing.assert_array_equal(read, written)


def test_a_split_may_lie_in_several_shards(tmp_path):
    rows = []
    for number, record in enumerate(records()):
        shard = f"all-{number:05d}.bin"
        (offset,), _ = store.write_shard(tmp_path, shard, [record])
        rows.append(row("all", f"{number}.png", record, shard, offset))
    complete(tmp_path, rows[::-1])
    for written, read in zip(records()[::-1], store.Split(tmp_path, "all"), strict=True):
        np.testing.assert_array_equal(read, written)


def test_the_index_says_what_each_record_is_and_where_it_lies(tmp_path):
    write(tmp_path, {"train": records(0), "test": records(1)})
    text = (tmp_path / "index.csv").read_bytes()
    columns = b"split,photograph,group,label,condition,left,top,copy,width,height,shard,offset\n"
    assert text.startswith(columns) and b"\r" not in text
    index = store.Split(tmp_path, "test").index
    assert list(index.columns) == store.COLUMNS and list(index.index) == [0, 1, 2, 3]
    assert list(index["photograph"]) == NAMES, "a name is text, whatever it looks like"
    assert list(index["copy"]) == [0, 1, 2, 3] and set(index["left"]) == {4} and set(index["top"]) == {9}
    assert list(zip(index["height"], index["width"], strict=True)) == SIZES
    assert list(index["offset"]) == [0, 256, 256 + 204, 256 + 204 + 800]
    assert (tmp_path / "test-00000.bin").read_bytes() == b"".join(map(np.ndarray.tobytes, records(1)))
    pd.testing.assert_frame_equal(index, store.Split(tmp_path, "test").index)


def test_the_same_records_make_the_same_bytes(tmp_path):
    contents = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write(tmp_path / name, {"train": records()})
        contents.append({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()})
    assert contents[0] == contents[1] and set(contents[0]) == {"contents.csv", "index.csv", "train-00000.bin"}


def test_records_are_read_from_disk_when_asked_for_and_not_before(tmp_path):
    write(tmp_path, {"train": records()})
    split = store.Split(tmp_path, "train")
    changed = np.memmap(tmp_path / "train-00000.bin", np.uint8, "r+")
    changed[:] = 77
    changed.flush()
    assert (split[2] == 77).all() and split[2].shape == (4, 40, 5)


def test_reading_leaves_the_store_as_it_is(tmp_path):
    write(tmp_path, {"train": records()})
    before = (tmp_path / "train-00000.bin").read_bytes()
    split = store.Split(tmp_path, "train")
    split.batch(np.array([0, 0]))[:] = 0
    np.testing.assert_array_equal(split[0], records()[0])
    assert (tmp_path / "train-00000.bin").read_bytes() == before


def test_a_batch_holds_the_records_asked_for_in_that_order(tmp_path):
    written = records(0, [(6, 5)] * 7)
    write(tmp_path, {"train": written})
    batch = store.Split(tmp_path, "train").batch(np.array([4, 0, 4]))
    assert batch.dtype == np.uint8 and batch.shape == (3, 4, 6, 5)
    np.testing.assert_array_equal(batch, np.stack([written[4], written[0], written[4]]))


def test_a_missing_store_and_an_empty_split_are_explained(tmp_path):
    with pytest.raises(UserError, match=r"nowhere: no contents.csv here; run `dvc repro prepare`"):
        store.Split(tmp_path / "nowhere", "train")
    with pytest.raises(UserError, match=r"nowhere: no summary.json here; run `dvc repro prepare`"):
        store.read_summary(tmp_path / "nowhere")
    write(tmp_path, {"train": records(), "all": records()})
    with pytest.raises(UserError, match=r"no records of split 'val' \(found: all, train\)"):
        store.Split(tmp_path, "val")
    complete(tmp_path, [])
    with pytest.raises(UserError, match=r"no records of split 'val' \(found: nothing\)"):
        store.Split(tmp_path, "val")


def test_the_histogram_is_the_one_in_the_summary(tmp_path):
    listed = [[-128, -128, 1], [0, 0, 5_000_000_000], [127, -3, 7], [-3, 127, 9]]
    write_json(tmp_path / "summary.json", {"ab_histogram": listed})
    histogram = store.ab_histogram(tmp_path)
    assert histogram.dtype == np.int64 and histogram.shape == (256, 256)
    assert histogram[0, 0] == 1 and histogram[128, 128] == 5_000_000_000
    assert histogram[255, 125] == 7 and histogram[125, 255] == 9
    assert histogram.sum() == 5_000_000_017


def test_a_batch_is_in_the_units_of_lab():
    stored = np.zeros((2, 4, 1, 3), np.uint8)
    stored[0, :, 0] = [[0, 51, 255], [255, 102, 0], [128, 0, 255], [127, 255, 0]]
    batch = Batch.of_records(stored)
    assert {part.dtype for part in (batch.input, batch.L, batch.ab, batch.lab)} == {torch.float32}
    assert batch.input.shape == batch.L.shape == (2, 1, 1, 3) and batch.ab.shape == (2, 2, 1, 3)
    torch.testing.assert_close(batch.input[0, 0, 0], torch.tensor([0.0, 20, 100]))
    torch.testing.assert_close(batch.L[0, 0, 0], torch.tensor([100.0, 40, 0]))
    torch.testing.assert_close(batch.ab[0, :, 0], torch.tensor([[0.0, -128, 127], [-1, 127, -128]]))
    assert torch.equal(batch.lab, torch.cat([batch.L, batch.ab], dim=1))
    assert torch.equal(lab_to_bytes(batch.lab), torch.from_numpy(stored[:, 1:]))
    again = Batch.of_records(torch.from_numpy(stored))
    assert torch.equal(again.input, batch.input) and torch.equal(again.lab, batch.lab)


def test_stored_records_make_a_batch_without_a_warning(tmp_path):
    write(tmp_path, {"train": records()})
    torch.set_warn_always(True)  # else torch warns once a process, perhaps in an earlier test
    try:
        with warnings.catch_warnings(action="error"):
            batch = Batch.of_records(store.Split(tmp_path, "train")[1][None])
    finally:
        torch.set_warn_always(False)
    assert torch.equal(lab_to_bytes(batch.lab)[0], torch.from_numpy(records()[1][1:]))


@pytest.mark.parametrize("damage", ["flip", "cut", "remove"])
@pytest.mark.parametrize("name", ["train-00000.bin", "test-00000.bin", "index.csv"])
def test_a_damaged_file_is_named_before_anything_is_read(tmp_path, name, damage):
    write(tmp_path, {"train": records(0), "test": records(1)})
    data = bytearray((tmp_path / name).read_bytes())
    data[-2] ^= 1
    if damage == "remove":
        (tmp_path / name).unlink()
    else:
        (tmp_path / name).write_bytes(data if damage == "flip" else data[:-2])
    with pytest.raises(UserError, match=rf"{name}: .*dvc repro -f prepare"):
        store.Split(tmp_path, "train")


def test_more_shards_than_a_process_may_have_open_files_can_be_read(tmp_path):
    rows, many = [], 300
    for number in range(many):
        shard, record = f"{number:05d}.bin", np.full((4, 2, 2), number % 256, np.uint8)
        (offset,), _ = store.write_shard(tmp_path, shard, [record])
        rows.append(row("train", f"{number:05d}.png", record, shard, offset))
    complete(tmp_path, rows)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = len(list(Path("/proc/self/fd").iterdir()))
    split = store.Split(tmp_path, "train")
    resource.setrlimit(resource.RLIMIT_NOFILE, (used + 280, limits[1]))
    try:
        batch = split.batch(np.arange(many))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    np.testing.assert_array_equal(batch[:, 0, 0, 0], np.arange(many) % 256)


def test_conditions_go_with_their_records(tmp_path):
    write(tmp_path, {"train": records(0), "test": records(1)})
    assert store.Split(tmp_path, "test").conditions(np.array([0])) is None
    one_hot = np.eye(8, dtype=np.uint8)
    np.save(tmp_path / "conditions.npy", one_hot)
    index = pd.read_csv(tmp_path / "index.csv", keep_default_na=False, dtype=str).to_dict("records")
    complete(tmp_path, index, "conditions.npy")
    split = store.Split(tmp_path, "test")
    np.testing.assert_array_equal(split.conditions(np.array([2, 0])), one_hot[[6, 4]])
    batch = Batch.of_records(split.batch(np.array([1])), conditions=split.conditions(np.array([1])))
    assert batch.condition.dtype == torch.float32 and batch.condition.tolist() == [one_hot[5].tolist()]


@pytest.mark.parametrize("split", ["test", "test_region"])
def test_what_is_shown_is_one_each_of_photographs_from_all_over_the_test_split(tmp_path, split):
    some = records(0, [(3, 3)] * 46)
    offsets, _ = store.write_shard(tmp_path, "0000000.bin", some)
    rows = [
        row(split, f"{number // 2:02d}.png", some[number], "0000000.bin", offsets[number])
        for number in range(46)
    ]
    complete(tmp_path, [*rows, row("test", "more.png", some[0], "0000000.bin", 0)])
    if split == "test_region":  # then these are shown, and no tiles
        assert len(store.Split(tmp_path, "test")) == 1
    shown = store.Split.shown(tmp_path)
    assert len(shown) == 12 and list(shown.index.index) == list(range(12))
    if split == "test_region":
        assert list(shown.index["photograph"]) == [f"{2 * number:02d}.png" for number in range(12)]
        for number in range(12):
            np.testing.assert_array_equal(shown[number], some[4 * number])
    assert shown.index["photograph"].is_unique


# A copy with more records

CONDITION = np.eye(6, dtype=np.uint8)


def source(folder, conditions: bool) -> dict[str, list[np.ndarray]]:
    """A store whose splits take turns in its index."""
    folder.mkdir()
    order = ["test", "train", "val", "train", "train", "val"]
    some = records(0, [(5, 4), (3, 6), (8, 2), (2, 2), (7, 1), (4, 4)])
    offsets, _ = store.write_shard(folder, "0000000.bin", some)
    rows = [
        row(split, [*NAMES, "e.png", "f.png"][number], some[number], "0000000.bin", offsets[number], copy=1)
        | {"label": "NA", "left": 10 * number}
        for number, split in enumerate(order)
    ]
    write_json(folder / "summary.json", {"ab_histogram": [[0, 0, 5]]})
    if conditions:
        np.save(folder / "conditions.npy", CONDITION)
    complete(folder, rows, *(["conditions.npy"] if conditions else []))
    return {split: [r for r, of in zip(some, order, strict=True) if of == split] for split in set(order)}


@pytest.mark.parametrize("conditions", [False, True])
def test_an_extended_copy_has_the_new_records_to_train_on_and_all_else_as_it_was(tmp_path, conditions):
    ours, out = tmp_path / "ours", tmp_path / "out"
    written = source(ours, conditions)
    before = {path.name: path.read_bytes() for path in ours.iterdir()}
    out.mkdir()
    numbers = np.array([1, 2])  # of the training records, which are rows 1, 3 and 4
    new = [255 - written["train"][number] for number in numbers]
    store.extend(ours, out, "more.bin", numbers, iter(new))

    for split in ("val", "test"):
        old, copied = store.Split(ours, split), store.Split(out, split)
        pd.testing.assert_frame_equal(old.index, copied.index)
        for one, other in zip(written[split], copied, strict=True):
            np.testing.assert_array_equal(one, other)
    train, old = store.Split(out, "train"), store.Split(ours, "train")
    for one, other in zip([*written["train"], *new], train, strict=True):
        np.testing.assert_array_equal(one, other)
    pd.testing.assert_frame_equal(train.index[:3], old.index)
    kept = [column for column in store.COLUMNS if column not in ("copy", "shard", "offset")]
    added = train.index[3:].reset_index(drop=True)
    pd.testing.assert_frame_equal(added[kept], old.index.loc[numbers, kept].reset_index(drop=True))
    assert list(added["photograph"]) == ["null", "e.png"] and set(added["label"]) == {"NA"}
    assert set(added["copy"]) == {2}, "a copy that the source does not have"
    if conditions:
        all = train.conditions(np.arange(5))
        np.testing.assert_array_equal(all, CONDITION[[1, 3, 4, 3, 4]])
        np.testing.assert_array_equal(store.Split(out, "val").conditions(np.arange(2)), CONDITION[[2, 5]])
    else:
        assert train.conditions(np.arange(5)) is None
    assert (out / "summary.json").read_bytes() == before["summary.json"]
    assert {path.name: path.read_bytes() for path in ours.iterdir()} == before, "the source stays as it is"
    assert {path.name for path in out.iterdir()} == {*before, "more.bin"}


@pytest.mark.parametrize("name", ["0000000.bin", "more.bin", "index.csv", "conditions.npy"])
def test_a_damaged_file_of_an_extended_copy_is_named(tmp_path, name):
    ours, out = tmp_path / "ours", tmp_path / "out"
    written = source(ours, conditions=True)
    out.mkdir()
    store.extend(ours, out, "more.bin", np.array([0]), written["train"][:1])
    data = bytearray((out / name).read_bytes())
    data[-2] ^= 1
    (out / name).write_bytes(data)
    with pytest.raises(UserError, match=rf"{name}: damaged"):
        store.Split(out, "val")


def test_a_store_is_not_extended_twice_by_shards_of_one_name_and_none_at_all_is_fine(tmp_path, make_store):
    source, once, twice, same = (tmp_path / name for name in ("source", "once", "twice", "same"))
    picture = np.zeros((4, 8, 8), np.uint8)
    for folder in (source, once, twice, same):
        folder.mkdir()
    make_store(source, "train", [picture])
    (source / "summary.json").write_text("{}")
    store.extend(source, once, "more.bin", np.array([0]), [picture + 1])
    with pytest.raises(UserError, match=r"more\.bin already"):
        store.extend(once, twice, "more.bin", np.array([0]), [picture + 2])
    store.extend(source, same, "more.bin", np.array([], int), [])
    assert len(store.Split(same, "train")) == 1 and (store.Split(same, "train")[0] == 0).all()
