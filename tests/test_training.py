"""Training: it learns, in an order and with an average that can be relied on."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from tintype import ab_classes
from tintype.adversaries import energy, vanilla
from tintype.batch import Batch
from tintype.color import lab_to_bytes
from tintype.colorizer import Colorizer
from tintype.console import UserError
from tintype.networks import autoencoder, patch
from tintype.store import Split
from tintype.training.device import start
from tintype.training.loop import Average, Journal, batches

CLASSES = {"grid": 10, "temperature": 0.38}


def tiny(width: int = 8, depth: int = 2) -> Colorizer:
    torch.manual_seed(0)
    return Colorizer({"backbone": "unet", "width": width, "depth": depth, "output_stride": 2}, CLASSES)


def pictures(number: int, size: int = 16, seed: int = 0) -> Batch:
    """Pictures whose left half is dark and red and whose right half is light and blue, with noise in L."""
    rng = np.random.default_rng(seed)
    L = torch.full((number, 1, size, size), 30.0)
    ab = torch.zeros(number, 2, size, size)
    ab[:, 0, :, : size // 2], ab[:, 1, :, size // 2 :] = 50.0, -60.0
    L[..., size // 2 :] = 70.0
    L += torch.from_numpy(rng.normal(0, 3, L.shape)).float()
    return Batch(input=L, L=L, ab=ab)


@pytest.fixture
def split(tmp_path, make_store) -> Split:
    records = [np.full((4, 4, 4), number, dtype=np.uint8) for number in range(10)]
    for record in records:
        record[0, 0, 0] = 200  # so that a mirrored picture differs
    make_store(tmp_path, "train", records)
    return Split(tmp_path, "train")


def test_a_tiny_network_learns_one_batch_by_heart():
    colorizer, batch = tiny(), pictures(4)
    optimizer = torch.optim.AdamW(colorizer.network.parameters(), lr=1e-2)
    nearest, shares = ab_classes.soft_encoding(colorizer.centres)
    target = nn.functional.avg_pool2d(batch.ab, 2)
    classes, weights = ab_classes.look_up(nearest, target), ab_classes.look_up(shares, target)
    # No distribution predicts a soft-encoded target better than the target itself: its entropy is the floor.
    floor = -(weights * weights.clamp(min=1e-12).log()).sum(dim=1).mean()
    first = None
    for _ in range(60):
        loss = ab_classes.cross_entropy(colorizer.network(batch.input), classes, weights)
        first = first or loss.item()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert first > 4 and loss < floor + 0.3
    ab = colorizer.eval()(batch.input)
    assert (ab - batch.ab).norm(dim=1).median() < 8


@pytest.mark.parametrize("name", ["vanilla", "energy"])
def test_adversarial_training_pulls_a_grey_generator_towards_the_real_colours(name):
    torch.manual_seed(0)
    batch = pictures(8, size=32)
    settings = SimpleNamespace(margin=2.0, pull_away=0.1)
    objective = {"vanilla": vanilla, "energy": energy}[name].Objective(settings)
    D = {"vanilla": patch, "energy": autoencoder}[name].build(width=16)
    G = nn.Sequential(nn.Conv2d(1, 16, 5, padding=2), nn.ReLU(), nn.Conv2d(16, 2, 5, padding=2))
    nn.init.zeros_(G[2].weight)
    nn.init.zeros_(G[2].bias)
    G_optimizer = torch.optim.Adam(G.parameters(), lr=2e-3, betas=(0.5, 0.999))
    D_optimizer = torch.optim.Adam(D.parameters(), lr=2e-3, betas=(0.5, 0.999))
    before = (batch.ab).norm(dim=1).mean().item()
    for _ in range(60):
        fake = 110 * G(batch.L / 50 - 1)
        loss, figures = objective.discriminator(D, batch.L, batch.ab, fake.detach())
        D_optimizer.zero_grad()
        loss.backward()
        D_optimizer.step()
        loss, _ = objective.generator(D, batch.L, fake)
        G_optimizer.zero_grad()
        loss.backward()
        G_optimizer.step()
    assert all(torch.isfinite(value) for value in figures.values())
    assert (fake - batch.ab).norm(dim=1).mean() < 0.8 * before


def test_every_epoch_shows_every_record_once_in_another_order(split):
    def order(steps: int, seed: int) -> list[int]:
        stream = batches(
            split, steps=steps, batch_size=4, flip=False, film=0.0, seed=seed, device=torch.device("cpu")
        )
        return [int(value) for _, batch in stream for value in (batch.L[:, 0, 1, 1] * 2.55).round()]

    seen = order(steps=5, seed=1)
    assert sorted(seen[:10]) == sorted(seen[10:]) == list(range(10))
    assert seen[:10] != seen[10:]
    assert order(steps=5, seed=1) == seen != order(steps=5, seed=2)
    assert order(steps=2, seed=1) == seen[:8], "what a step sees must not depend on how many follow"


def test_film_ages_the_input_alone_and_the_same_at_the_same_step(split):
    settings = {"steps": 3, "batch_size": 10, "flip": True, "seed": 1, "device": torch.device("cpu")}
    clean, aged, again = (list(batches(split, film=film, **settings)) for film in (0.0, 1.0, 1.0))
    for (_, before), (_, after), (_, same) in zip(clean, aged, again, strict=True):
        assert torch.equal(before.lab, after.lab) and torch.equal(after.input, same.input)
        assert (before.input != after.input).any()
    # A step is the same without the steps before it.
    assert torch.equal(next(iter(batches(split, film=1.0, **settings)))[1].input, aged[0][1].input)


def test_flips_mirror_all_planes_of_a_picture_together_and_about_half_of_the_pictures(split):
    stream = batches(split, steps=25, batch_size=10, flip=True, film=0.0, seed=1, device=torch.device("cpu"))
    corners = torch.cat([batch.input[:, 0, 0] for _, batch in stream]) > 70
    assert (corners[:, 0] ^ corners[:, -1]).all()
    assert 0.35 < corners[:, -1].float().mean() < 0.65


def test_the_average_follows_the_weights_and_copies_the_statistics():
    model = nn.Sequential(nn.Linear(1, 1, bias=False), nn.BatchNorm1d(1))
    nn.init.zeros_(model[0].weight)
    average = Average(model, decay=0.5)
    expected = 0.0
    for step in range(1, 5):
        nn.init.constant_(model[0].weight, float(step))
        model[1].running_mean.fill_(step)
        average.update(model)
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * step
    assert average.model[0].weight.item() == pytest.approx(expected)
    assert average.model[1].running_mean.item() == 4
    assert not average.model.training and not any(p.requires_grad for p in average.model.parameters())


def test_the_journal_averages_between_two_rows_and_shows_the_same_pictures(tmp_path, make_store):
    batch = pictures(10)
    lab = lab_to_bytes(batch.lab).numpy()
    records = [np.concatenate([picture[:1], picture]) for picture in lab]
    make_store(tmp_path, "val", records)
    logged = SimpleNamespace(metrics=lambda step, row: None, images=[])
    logged.image = lambda key, step, picture: logged.images.append((key, step, picture))
    journal = Journal(logged, Split(tmp_path, "val"), every=2, device=torch.device("cpu"))
    model = tiny().eval()
    for step in journal.watch(iter([1, 2, 3]), "try", 3):
        journal.step(step, {"loss": torch.tensor(float(step))}, model, last=step == 3)
    journal.write(tmp_path / "curve.csv")
    curve = pd.read_csv(tmp_path / "curve.csv")
    assert list(curve["step"]) == [2, 3] and list(curve["loss"]) == [1.5, 3.0]
    assert curve["val_ab_error"].between(1, 200).all() and (curve["val_chroma_ratio"] > 0).all()
    assert [(key, step) for key, step, _ in logged.images] == [("val", 2), ("val", 3)]
    assert (logged.images[0][2] == logged.images[1][2]).all(), "same model, same pictures, same sheet"


def test_the_choice_of_device_and_precision_is_said_with_its_reason(capsys):
    fabric = start("cpu", "float32")
    assert fabric.device.type == "cpu"
    said = capsys.readouterr().out
    assert "CPU" in said and "float32 (set in params.yaml)" in said
    start("cpu", "auto")
    assert "this CPU has" in capsys.readouterr().out


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
def test_asking_for_cuda_where_there_is_none_is_a_mistake_that_is_explained():
    with pytest.raises(UserError, match=r"runtime\.accelerator: found cuda"):
        start("cuda", "auto")
