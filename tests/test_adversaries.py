"""Both adversarial objectives: closed forms, the equations written literally, and where gradients go."""

import math
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tintype.adversaries import energy, vanilla
from tintype.networks.discriminators import autoencoder, patch
from tintype.networks.discriminators.autoencoder import Autoencoder, Energy


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def slope(loss: Tensor, *inputs: Tensor) -> tuple[Tensor, ...]:
    return torch.autograd.grad(loss, inputs, retain_graph=True)


class Logits(nn.Module):
    """A discriminator whose logits are the mean of a and b: its answers are chosen through its input."""

    def forward(self, L: Tensor, ab: Tensor) -> Tensor:
        return ab.mean(dim=1, keepdim=True)


class Energies(nn.Module):
    """An energy of `scale` times the mean of ab, and ab itself as the code."""

    scale = 1.0

    def forward(self, L: Tensor, ab: Tensor) -> Energy:
        return Energy(self.scale * ab.mean(dim=(1, 2, 3)), ab.flatten(1))


def colours(*values: float) -> Tensor:
    """One flat ab picture (1, 2, 2, 2) for each value."""
    return torch.tensor(values)[:, None, None, None].expand(-1, 2, 2, 2)


def test_vanilla_losses_of_an_undecided_discriminator_are_multiples_of_log_2():
    undecided = torch.zeros(3, 1, 5, 5)
    assert vanilla.discriminator_loss(undecided, undecided).item() == pytest.approx(2 * math.log(2))
    assert vanilla.generator_loss(undecided).item() == pytest.approx(math.log(2))


def test_vanilla_losses_of_known_probabilities():
    # D(x) = 3/4 and D(G(z)) = 1/5: logits log 3 and -log 4.
    real, fake = torch.tensor([math.log(3)]), torch.tensor([-math.log(4)])
    assert vanilla.discriminator_loss(real, fake).item() == pytest.approx(-math.log(3 / 4) - math.log(4 / 5))
    assert vanilla.generator_loss(fake).item() == pytest.approx(math.log(5))


def test_vanilla_losses_are_binary_cross_entropies():
    real, fake = 3 * random(4, 1, 6, 7, seed=1), 3 * random(4, 1, 6, 7, seed=2)
    ones, zeros = torch.ones_like(real), torch.zeros_like(real)
    bce = F.binary_cross_entropy_with_logits
    torch.testing.assert_close(vanilla.discriminator_loss(real, fake), bce(real, ones) + bce(fake, zeros))
    torch.testing.assert_close(vanilla.generator_loss(fake), bce(fake, ones))


def test_vanilla_generator_still_learns_from_a_discriminator_that_is_sure():
    fake = torch.tensor([-30.0, -1000.0, 1000.0]).requires_grad_()
    loss = vanilla.generator_loss(fake)
    assert loss.item() == pytest.approx(1030 / 3)
    torch.testing.assert_close(slope(3 * loss, fake)[0], torch.tensor([-1.0, -1.0, 0.0]))


def test_vanilla_objective_gives_losses_and_figures():
    objective, L = vanilla.Objective(SimpleNamespace()), torch.zeros(2, 1, 2, 2)
    real, fake = colours(math.log(3), 0.0), colours(-math.log(4), -math.log(4)).clone().requires_grad_()
    loss, figures = objective.discriminator(Logits(), L, real, fake.detach(), 0.0)
    assert loss.item() == pytest.approx(-(math.log(3 / 4) + math.log(1 / 2)) / 2 - math.log(4 / 5))
    # Of two real pictures one is told, as the other's logit is 0; of two fakes both.
    assert {name: figure.item() for name, figure in figures.items()} == pytest.approx(
        {"D_real": 5 / 8, "D_fake": 1 / 5, "D_accuracy": 3 / 4}
    )
    loss, _ = objective.generator(Logits(), L, fake)
    # Each of 16 values moves one of 8 logits by a half: -(1 - D) / 16.
    torch.testing.assert_close(slope(loss, fake)[0], torch.full((2, 2, 2, 2), -0.8 / 16))


@pytest.mark.parametrize(
    ("fake", "loss"),
    [([0.5, 1.5], 1.5 + 1.0), ([2.5, 3.0], 1.5), ([0.5, 3.0], 1.5 + 0.75), ([2.0, 2.0], 1.5)],
    ids=["active", "inactive", "partly", "at the margin"],
)
def test_energy_losses_are_the_ones_on_paper(fake, loss):
    energies = torch.tensor(fake)
    assert energy.discriminator_loss(torch.tensor([1.0, 2.0]), energies, 2.0).item() == pytest.approx(loss)
    assert energy.generator_loss(energies).item() == pytest.approx(sum(fake) / 2)


def test_fakes_beyond_the_margin_teach_the_discriminator_nothing():
    real, fake = (
        torch.tensor([1.0, 2.0, 1.0]).requires_grad_(),
        torch.tensor([0.5, 2.5, 9.0]).requires_grad_(),
    )
    of_real, of_fake = slope(energy.discriminator_loss(real, fake, 2.0), real, fake)
    torch.testing.assert_close(of_real, torch.full((3,), 1 / 3))
    torch.testing.assert_close(of_fake, torch.tensor([-1 / 3, 0.0, 0.0]))
    torch.testing.assert_close(slope(energy.generator_loss(fake), fake)[0], torch.full((3,), 1 / 3))


def literal_pull_away(codes: Tensor) -> Tensor:
    total, number = torch.zeros(()), len(codes)
    for i in range(number):
        for j in range(number):
            if i != j:
                cosine = codes[i] @ codes[j] / (codes[i].norm() * codes[j].norm())
                total = total + cosine**2
    return total / (number * (number - 1))


def test_pull_away_of_known_codes():
    assert energy.pull_away(torch.eye(4)).item() == 0
    one_way = torch.tensor([[1.0, 2.0, -1.0]])
    assert energy.pull_away(one_way * torch.tensor([[1.0], [3.0], [0.1]])).item() == pytest.approx(1)
    # Opposite codes are as alike as equal ones: the cosine is squared.
    assert energy.pull_away(one_way * torch.tensor([[1.0], [-1.0]])).item() == pytest.approx(1)
    # Cosines 1/sqrt(2), 0 and -1/sqrt(2), each of two ordered pairs: (1/2 + 0 + 1/2) / 3.
    three = torch.tensor([[2.0, 0.0], [3.0, 3.0], [0.0, -5.0]])
    assert energy.pull_away(three).item() == pytest.approx(1 / 3)


@pytest.mark.parametrize("number", [2, 3, 8])
def test_pull_away_is_the_literal_double_sum_in_value_and_gradient(number):
    codes = random(number, 12, seed=number).requires_grad_()
    torch.testing.assert_close(energy.pull_away(codes), literal_pull_away(codes))
    torch.testing.assert_close(slope(energy.pull_away(codes), codes), slope(literal_pull_away(codes), codes))


def test_pull_away_sees_directions_only():
    codes = random(6, 20, seed=3)
    lengths = torch.tensor([1e-3, 0.1, 1.0, 7.0, 100.0, 1e4])[:, None]
    torch.testing.assert_close(energy.pull_away(lengths * codes), energy.pull_away(codes))


def objective(margin: float = 2.0, pull_away: float = 0.1) -> energy.Objective:
    return energy.Objective(SimpleNamespace(margin=margin, pull_away=pull_away))


def test_energy_objective_gives_losses_and_figures_in_units_of_real_energy():
    # Real energies 1 and 3: the unit is 2 and the margin 4; of the fakes' hinges 3 and 0, the mean is 1.5.
    L, real, fake = torch.zeros(2, 1, 2, 2), colours(1.0, 3.0), colours(1.0, 5.0)
    loss, figures = objective().discriminator(Energies(), L, real, fake, 0.0)
    assert loss.item() == pytest.approx((2 + 1.5) / 2)
    assert {name: figure.item() for name, figure in figures.items()} == pytest.approx(
        {"D_real": 2, "D_fake": 3, "margin": 4, "D_accuracy": 0.5}
    )


def test_the_unit_is_a_running_mean_of_real_energy():
    ours, L = objective(margin=3.0), torch.zeros(2, 1, 2, 2)
    _, first = ours.discriminator(Energies(), L, colours(2.0, 2.0), colours(1.0, 1.0), 0.0)
    loss, second = ours.discriminator(Energies(), L, colours(4.0, 4.0), colours(1.0, 1.0), 0.0)
    unit = 0.95 * 2 + 0.05 * 4
    assert first["margin"].item() == pytest.approx(6) and second["margin"].item() == pytest.approx(3 * unit)
    assert loss.item() == pytest.approx((4 + (3 * unit - 1)) / unit)


@pytest.mark.parametrize("scale", [1e-3, 50.0])
def test_the_margin_is_relative_so_that_the_scale_of_energies_changes_no_loss(scale):
    plain, scaled, L = objective(), objective(), torch.zeros(4, 1, 2, 2)
    network = Energies()
    network.scale = scale
    for step in range(3):
        real, fake = random(4, 2, 2, 2, seed=step).abs(), 2 * random(4, 2, 2, 2, seed=step + 9).abs()
        for method, arguments in (("discriminator", (real, fake, 0.0)), ("generator", (fake,))):
            expected, _ = getattr(plain, method)(Energies(), L, *arguments)
            torch.testing.assert_close(getattr(scaled, method)(network, L, *arguments)[0], expected)


def test_no_gradient_flows_through_the_unit():
    # Energies are the scale times 1 and 3, and 1 and 5: the unit is 2, the margin 4, one hinge is active.
    network, real, fake = Energies(), colours(1.0, 3.0), colours(1.0, 5.0).clone().requires_grad_()
    network.scale = torch.tensor(1.0, requires_grad=True)
    loss, _ = objective().discriminator(network, torch.zeros(2, 1, 2, 2), real, fake, 0.0)
    of_scale, of_fake = slope(loss, network.scale, fake)
    # (2 s + (4 - s) / 2) / 2; were the unit not held fixed, the scale would change nothing.
    torch.testing.assert_close(of_scale, torch.tensor((2 - 1 / 2) / 2))
    # A unit of 2, two pictures, eight values each.
    torch.testing.assert_close(of_fake, colours(-1 / (2 * 2 * 8), 0.0))


def test_pull_away_is_in_the_generators_loss_alone():
    L, real, fake = torch.zeros(3, 1, 2, 2), random(3, 2, 2, 2).abs(), random(3, 2, 2, 2, seed=1).abs()
    without, with_it = objective(pull_away=0.0), objective(pull_away=0.7)
    of_D = [ours.discriminator(Energies(), L, real, fake, 0.0)[0] for ours in (without, with_it)]
    assert torch.equal(*of_D)
    of_G, figures = zip(*(ours.generator(Energies(), L, fake) for ours in (without, with_it)), strict=True)
    torch.testing.assert_close(of_G[0], fake.mean() / real.mean())
    torch.testing.assert_close(of_G[1] - of_G[0], 0.7 * literal_pull_away(fake.flatten(1)))
    torch.testing.assert_close(figures[1]["pull_away"], literal_pull_away(fake.flatten(1)))


def test_the_generators_gradient_comes_through_the_input_and_the_target():
    torch.manual_seed(0)
    network = Autoencoder(8, 2)
    L, real, fake = (
        100 * torch.rand(3, 1, 16, 16),
        0.5 * random(3, 2, 16, 16),
        0.5 * random(3, 2, 16, 16, seed=1),
    )
    fake.requires_grad_()
    ours, seen = objective(pull_away=0.3), {}
    ours.discriminator(network, L, real, fake.detach(), 0.0)
    network.last.register_forward_hook(lambda module, inputs, output: seen.update(reconstruction=output))
    loss, _ = ours.generator(network, L, fake)
    code = network(L, fake).code
    real_energy = network(L, real).energy.mean().detach()
    network(L, fake)

    def literal(reconstruction: Tensor, target: Tensor) -> Tensor:
        return ((reconstruction - target) ** 2).mean() / real_energy

    through_input = slope(literal(seen["reconstruction"], fake.detach()), fake)[0]
    through_target = slope(literal(seen["reconstruction"].detach(), fake), fake)[0]
    of_pull_away = slope(0.3 * literal_pull_away(code), fake)[0]
    parts = (through_input, through_target, of_pull_away)
    assert all(part.abs().max() > 0 for part in parts)
    torch.testing.assert_close(slope(loss, fake)[0], sum(parts), rtol=1e-3, atol=1e-8)


def test_the_generators_loss_can_leave_the_discriminator_alone():
    torch.manual_seed(0)
    network, ours = Autoencoder(8, 2), objective()
    L, real, fake = 100 * torch.rand(2, 1, 8, 8), 0.5 * random(2, 2, 8, 8), 0.5 * random(2, 2, 8, 8, seed=1)
    ours.discriminator(network, L, real, fake, 0.0)[0].backward()
    assert all(weight.grad.abs().max() > 0 for weight in network.parameters())
    network.requires_grad_(False).zero_grad(set_to_none=True)
    fake.requires_grad_()
    ours.generator(network, L, fake)[0].backward()
    assert fake.grad.abs().max() > 0 and all(weight.grad is None for weight in network.parameters())


@pytest.mark.parametrize("steps", [0, 2])
def test_an_objective_goes_on_from_its_state(tmp_path, steps):
    before, after, L = objective(), objective(), torch.zeros(2, 1, 2, 2)
    planes = [
        (random(2, 2, 2, 2, seed=step).abs(), random(2, 2, 2, 2, seed=step + 9).abs()) for step in range(3)
    ]
    for real, fake in planes[:steps]:
        before.discriminator(Energies(), L, real, fake, 0.0)
    torch.save(before.state_dict(), tmp_path / "state.pt")
    after.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    losses = [ours.discriminator(Energies(), L, *planes[steps], 0.0)[0] for ours in (before, after)]
    assert torch.equal(*losses)
    assert vanilla.Objective(SimpleNamespace()).state_dict() == {}


def test_an_energy_at_the_margin_counts_as_told():
    # The unit is 1, the margin 2: fakes below, at and above it.
    L, real = torch.zeros(4, 1, 2, 2), colours(1.0, 1.0, 1.0, 1.0)
    _, figures = objective().discriminator(Energies(), L, real, colours(1.5, 1.9, 2.0, 7.0), 0.0)
    assert figures["D_accuracy"].item() == 0.5


def test_a_discriminator_that_is_always_right_has_an_accuracy_of_1_and_one_that_never_is_of_0():
    ours, L, low, high = vanilla.Objective(None), torch.zeros(1, 1, 2, 2), colours(-1.0), colours(3.0)
    for real, fake, accuracy in ((high, low, 1), (low, high, 0)):
        assert ours.discriminator(Logits(), L, real, fake, 0.0)[1]["D_accuracy"].item() == accuracy


@pytest.mark.parametrize("name", ["vanilla", "energy"])
def test_an_objective_pulls_a_grey_generator_towards_the_real_colours(name):
    # The left half is dark and red, the right one light and blue.
    torch.manual_seed(0)
    L, real = torch.full((8, 1, 32, 32), 30.0), torch.zeros(8, 2, 32, 32)
    L[..., 16:], real[:, 0, :, :16], real[:, 1, :, 16:] = 70.0, 0.45, -0.55
    L += 3 * random(8, 1, 32, 32)
    ours = {"vanilla": vanilla.Objective(None), "energy": objective()}[name]
    D = {"vanilla": patch, "energy": autoencoder}[name].build(width=16, channels=2)
    G = nn.Sequential(nn.Conv2d(1, 16, 5, padding=2), nn.ReLU(), nn.Conv2d(16, 2, 5, padding=2))
    nn.init.zeros_(G[2].weight)
    nn.init.zeros_(G[2].bias)
    G_optimizer, D_optimizer = (
        torch.optim.Adam(network.parameters(), lr=2e-3, betas=(0.5, 0.999)) for network in (G, D)
    )
    for _ in range(60):
        fake = G(L / 50 - 1)
        D_optimizer.zero_grad()
        ours.discriminator(D, L, real, fake.detach(), 0.0)[0].backward()
        D_optimizer.step()
        G_optimizer.zero_grad()
        ours.generator(D, L, fake)[0].backward()
        G_optimizer.step()
    assert (fake - real).norm(dim=1).mean() < 0.8 * real.norm(dim=1).mean()
