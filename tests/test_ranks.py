"""Several processes that hold parts of a batch: figures and gradients are those of the whole batch."""

import pytest
import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from tintype import ranks
from tintype.adversaries.energy import pull_away
from tintype.networks.batch_norm import BatchNorm2d


def whole_batch() -> torch.Tensor:
    """(6, 3, 4, 5), far from zero, where a careless variance loses its digits."""
    return 3 * torch.randn(6, 3, 4, 5, generator=torch.Generator().manual_seed(0)) + 100


def network(norm: type[nn.BatchNorm2d]) -> nn.Module:
    torch.manual_seed(1)
    made = nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), norm(4), nn.ReLU(), norm(4))
    nn.init.uniform_(made[1].weight)
    return made


def loss(y: torch.Tensor) -> torch.Tensor:
    """Mean over pictures, with another weight for every value."""
    return (
        (y * torch.linspace(-1, 1, y[0].numel()).sin().reshape(y[0].shape)).square().sum(dim=(1, 2, 3)).mean()
    )


def one_of_two(rank: int, folder: str) -> None:
    """What a rank makes of its half of the batch."""
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", f"file://{folder}/meeting", rank=rank, world_size=2)
    x, made = whole_batch().chunk(2)[rank].requires_grad_(), {"count": ranks.count()}
    model = DistributedDataParallel(network(BatchNorm2d))  # which averages gradients over ranks
    for _ in range(2):
        model.zero_grad()
        x.grad = None
        y = model(x)
        loss(y).backward()
    made |= {"y": y.detach(), "state": model.module.state_dict(), "x_grad": x.grad}
    made["grads"] = [parameter.grad for parameter in model.parameters()]
    made["half"] = BatchNorm2d(3)(x.detach().bfloat16())

    own = torch.arange(4.0).reshape(2, 2) + 10 * rank
    for name, function in {"gathered": ranks.gathered, "mean": ranks.mean}.items():
        own.requires_grad_().grad = None
        value = function(own)
        (value * (value.detach() + rank)).sum().backward()
        made |= {name: value.detach(), f"{name}_grad": own.grad}
    codes = DistributedDataParallel(nn.Linear(3, 2))
    nn.init.eye_(codes.module.weight)
    pull_away(ranks.gathered(codes(x.detach().mean(dim=(2, 3)) - 100))).backward()
    made["pull_away_grad"] = codes.module.weight.grad
    torch.manual_seed(2)
    made["drawn"] = [ranks.drawn(3), ranks.drawn(2, 3), ranks.drawn(2, 3, 4, draw=torch.randn)]

    if rank == 0:  # alone, as when a model is validated
        made["eval"] = model.module.eval()(whole_batch()).detach()
    torch.save(made, f"{folder}/{rank}")
    torch.distributed.destroy_process_group()


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> list[dict]:
    folder = tmp_path_factory.mktemp("ranks")
    torch.multiprocessing.start_processes(one_of_two, (str(folder),), nprocs=2, start_method="forkserver")
    return [torch.load(folder / str(rank)) for rank in range(2)]


@pytest.fixture(scope="module")
def expected() -> dict:
    """What torch's layer makes of the whole batch."""
    x, model = whole_batch().requires_grad_(), network(nn.BatchNorm2d)
    for _ in range(2):
        model.zero_grad()
        x.grad = None
        y = model(x)
        loss(y).backward()
    state = {name: value.clone() for name, value in model.state_dict().items()}
    grads = [parameter.grad for parameter in model.parameters()]
    return {
        "y": y.detach(),
        "state": state,
        "x_grad": x.grad,
        "grads": grads,
        "eval": model.eval()(x).detach(),
    }


def test_batch_normalisation_over_ranks_is_that_of_the_whole_batch(made, expected):
    torch.testing.assert_close(torch.cat([one["y"] for one in made]), expected["y"], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(made[0]["eval"], expected["eval"], rtol=1e-4, atol=1e-5)
    half = nn.BatchNorm2d(3)(whole_batch().bfloat16())
    torch.testing.assert_close(torch.cat([one["half"] for one in made]), half)


def test_its_running_statistics_are_the_same_on_all_ranks_and_those_of_the_whole_batch(made, expected):
    for one in made:
        torch.testing.assert_close(one["state"], expected["state"], rtol=1e-5, atol=1e-6)
    for name, value in made[0]["state"].items():
        assert torch.equal(value, made[1]["state"][name])


def test_its_gradients_averaged_over_ranks_are_those_of_the_whole_batch(made, expected):
    for one in made:
        torch.testing.assert_close(one["grads"], expected["grads"], rtol=1e-4, atol=1e-4)
    # A rank's loss is a mean over its half of the pictures.
    of_inputs = torch.cat([one["x_grad"] for one in made]) / 2
    torch.testing.assert_close(of_inputs, expected["x_grad"], rtol=1e-3, atol=1e-5)


def test_parts_of_all_ranks_are_gathered_in_order_and_gradients_reach_every_part(made):
    both = torch.cat([torch.arange(4.0).reshape(2, 2) + 10 * rank for rank in range(2)])
    for rank, one in enumerate(made):
        assert one["count"] == 2 and torch.equal(one["gathered"], both)
        # Rank r makes sum(x (x + r)) of it, the second x a constant.
        assert torch.equal(one["gathered_grad"], (both + both + 1)[2 * rank : 2 * rank + 2])


def test_a_mean_over_ranks_and_its_gradient(made):
    mean = torch.arange(4.0).reshape(2, 2) + 5
    for one in made:
        assert torch.equal(one["mean"], mean) and torch.equal(one["mean_grad"], (mean + mean + 1) / 2)


def test_the_pull_away_term_compares_the_codes_of_all_ranks(made):
    codes = nn.Linear(3, 2)
    nn.init.eye_(codes.weight)
    torch.manual_seed(0)
    pull_away(codes(whole_batch().mean(dim=(2, 3)) - 100)).backward()
    for one in made:
        torch.testing.assert_close(one["pull_away_grad"], codes.weight.grad)


def test_ranks_draw_the_rows_that_one_process_would_draw_for_the_whole_batch(made):
    torch.manual_seed(2)
    whole = [torch.rand(6), torch.rand(4, 3), torch.randn(4, 3, 4)]
    for parts, expected in zip(zip(*(one["drawn"] for one in made), strict=True), whole, strict=True):
        assert torch.equal(torch.cat(parts), expected)
    torch.manual_seed(2)
    alone = [ranks.drawn(6), ranks.drawn(4, 3), ranks.drawn(4, 3, 4, draw=torch.randn)]
    assert all(torch.equal(one, expected) for one, expected in zip(alone, whole, strict=True))


def test_a_single_process_keeps_what_it_has():
    x = torch.randn(2, 3)
    assert ranks.count() == 1 and ranks.gathered(x) is x and ranks.mean(x) is x
