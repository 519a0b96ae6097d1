"""The recipe that trains a generator further, or from scratch, against one or several discriminators.

A discriminator sees the lightness, or the drawing, and the condition, where there is one, with either the
true colours or the generator's, both scaled to about [-1, 1] and at the scale of the generator's output. What
"real" and "fake" mean is the objective's: tintype/adversaries.
"""

from importlib import import_module
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor
from torch.nn import functional as F
from torch.nn.utils import clip_grad_norm_

from tintype.batch import Batch
from tintype.color import into_gamut, lab_to_rgb
from tintype.colorizer import Colorizer
from tintype.console import UserError
from tintype.lpips_metric import Lpips
from tintype.metrics import colorfulness
from tintype.training.answers import answers, nearest
from tintype.training.schedules import factor, set_rate


class Adversary:
    """A discriminator, what it sees, its objective and its optimiser.

    channels: of the colours, that it is shown, `number` of them. known: planes that it is told besides.
    """

    def __init__(
        self,
        channels: slice,
        number: int,
        known: int,
        fabric: Fabric,
        settings: Any,
        model: Any,
        compile: bool,
    ):
        self.channels = channels
        self.objective = import_module(f"tintype.adversaries.{model.objective}").Objective(model)
        network = import_module(f"tintype.networks.discriminators.{model.discriminator}")
        more = {"known": known} if known > 1 else {}
        try:
            built = network.build(width=model.width, channels=number, **more)
        except TypeError as error:
            raise UserError(f"discriminator {model.discriminator}: takes no condition: {error}") from error
        self.discriminator = built.to(memory_format=torch.channels_last)
        parameters, betas = self.discriminator.parameters(), settings.betas
        optimizer = torch.optim.Adam(parameters, lr=settings.discriminator_lr, betas=betas, fused=True)
        # Penalties need second derivatives, of which a compiled network has none.
        twice = settings.r1 or self.objective.differentiates_twice
        compiled = torch.compile(built, dynamic=False) if compile and not twice else built
        self.D, self.optimizer = fabric.setup(compiled, optimizer)


class Adversarial:
    """A colorizer, its adversaries, their optimisers, and the step that trains all. See `loop.Recipe`.

    settings: `adversarial.shared` of params.yaml; model: one of `adversarial.models`. perceptual: LPIPS,
    where its weights are there. Raises UserError where they are not, and the model learns by it.
    """

    falls, keeps_best, answer_sides = "val_score", True, (8, 16)  # which discriminators shrink on

    def __init__(
        self,
        colorizer: Colorizer,
        fabric: Fabric,
        settings: Any,
        model: Any,
        compile: bool,
        perceptual: Lpips | None,
    ) -> None:
        if model.perceptual and not perceptual:
            raise UserError(
                f"perceptual: found {model.perceptual}, allowed: left out, where LPIPS has no weights; "
                "name a file of them under `download`, or connect to the network and gather them again"
            )
        self.fabric, self.settings, self.model = fabric, settings, model
        self.idle = settings.discriminator_first
        # Twice as fast, and as the colours come that it is to judge.
        self.perceptual = perceptual.to(memory_format=torch.channels_last) if model.perceptual else perceptual
        self.colorizer = colorizer.to(fabric.device, memory_format=torch.channels_last)
        number = colorizer.space.channels
        shown = [(slice(None), number)]
        if model.adversaries == "each":
            shown += [(slice(channel, channel + 1), 1) for channel in range(number)]
        self.adversaries = [
            Adversary(channels, count, colorizer.known_planes, fabric, settings, model, compile)
            for channels, count in shown
        ]
        parameters, betas = colorizer.network.parameters(), settings.betas
        optimizer = torch.optim.Adam(parameters, lr=settings.lr, betas=betas, fused=True)
        # Of one shape at a time (dynamic=False), or a resumed training would be compiled otherwise.
        G = torch.compile(colorizer.network, dynamic=False) if compile else colorizer.network
        self.G, self.G_optimizer = fabric.setup(G, optimizer)

    def step(self, step: int, parts: list[Batch]) -> dict[str, Tensor]:
        """A step of each discriminator, then, once they have warmed up, one of the generator."""
        p = self.settings
        share = factor(step, p.steps, p.warm_up, p.decay)
        set_rate(self.G_optimizer, p.lr * share)
        figures: dict[str, list[Tensor]] = {}
        generator_learns = step > p.discriminator_first
        self.G.train(generator_learns)
        # With several parts, the graphs of all of them would fill the memory that parts are to save.
        with torch.set_grad_enabled(generator_learns and len(parts) == 1):
            fakes = [self._fake(batch) for batch in parts]
        shown = [self._shown(batch, fake) for batch, ([fake, *_], _) in zip(parts, fakes, strict=True)]

        # (1) The discriminators learn to tell real colours from the generator's.
        for adversary in self.adversaries:
            set_rate(adversary.optimizer, p.discriminator_lr * share)
            adversary.optimizer.zero_grad(set_to_none=True)
            for number, ((L, real), ([fake, *_], _)) in enumerate(zip(shown, fakes, strict=True), start=1):
                real, fake = (colours[:, adversary.channels] for colours in (real, fake.detach()))
                with self.fabric.no_backward_sync(adversary.D, enabled=number < len(parts)):
                    # Fabric's wrapper would refuse the penalty's own gradient; what it wraps is called.
                    with self.fabric.autocast():
                        loss, found = adversary.objective.discriminator(
                            adversary.D._forward_module, L, real, fake, p.r1
                        )
                    self.fabric.backward(loss / len(parts))
                _note(figures, {"D_loss": loss, **found})
            norm = clip_grad_norm_(adversary.discriminator.parameters(), p.clip or torch.inf)
            _note(figures, {"D_grad_norm": norm})
            adversary.optimizer.step()

        # (2) The generator learns to pass for real, and to stay near the truth.
        if generator_learns:
            self.G_optimizer.zero_grad(set_to_none=True)
            for number, (batch, (L, real)) in enumerate(zip(parts, shown, strict=True), start=1):
                with self.fabric.no_backward_sync(self.G, enabled=number < len(parts)):
                    found, penalty = fakes[0] if len(parts) == 1 else self._fake(batch)
                    adversarial = self._judged(L, found[0], figures)
                    pixel = self._pixel(found, real)
                    loss = self.model.pixel * pixel + self.model.adversarial * adversarial + penalty.mean()
                    if self.model.perceptual:
                        perceived = self._perceived(batch, found[0])
                        loss = loss + self.model.perceptual * perceived
                        _note(figures, {"G_perceptual": perceived})
                    self.fabric.backward(loss / len(parts))
                _note(figures, {"G_adversarial": adversarial, "G_pixel": pixel})
            norm = clip_grad_norm_(self.colorizer.network.parameters(), p.clip or torch.inf)
            _note(figures, {"G_grad_norm": norm})
            self.G_optimizer.step()
        return {name: torch.stack(values).detach().float().mean() for name, values in figures.items()}

    def validate(self, model: Colorizer, batch: Batch, planes: Tensor, lab: Tensor) -> dict[str, Tensor]:
        """What `score` needs of each picture: distances to the truth, and how far colourfulness is off.

        The distance is LPIPS; where LPIPS is not there, the mean distance in Lab, which of pictures that keep
        their lightness is that in the ab plane.
        """
        grey = torch.cat([batch.L, torch.zeros_like(batch.ab)], dim=1)
        rgb, truth, of_grey = (lab_to_rgb(into_gamut(x)) for x in (lab, batch.lab, grey))
        if self.perceptual:
            far, grey_far = self.perceptual(rgb, truth), self.perceptual(of_grey, truth)
        else:
            far, grey_far = ((batch.lab - x).norm(dim=1).mean(dim=(1, 2)) for x in (lab, grey))
        wanted = colorfulness(truth)
        off = (colorfulness(rgb) - wanted).abs() / wanted.clamp(min=1)
        return {"far": far, "grey_far": grey_far, "off": off}

    def score(self, means: dict[str, float]) -> dict[str, float]:
        """`val_score`: how far the answers are from the truth, and how far their colourfulness is off.

        The first is the mean distance, as a share of the grey pictures'; the second the mean of |C - C'| / C'
        of the colourfulness C (Hasler and Suesstrunk 2003) and the truth's C' (at least 1). Grey has a score
        of about 2, the truth 0.
        """
        found = {"val_lpips": means["far"]} if self.perceptual else {}
        return found | {"val_score": means["far"] / means["grey_far"] + means["off"]}

    def state(self) -> dict[str, Any]:
        held = {"generator": self.colorizer.network, "G_optimizer": self.G_optimizer}
        for number, adversary in enumerate(self.adversaries):
            held[f"discriminator_{number}"] = adversary.discriminator
            held[f"D_optimizer_{number}"] = adversary.optimizer
            held[f"objective_{number}"] = adversary.objective
        return held

    def _fake(self, batch: Batch) -> tuple[list[Tensor], Tensor]:
        """The generator's colours, the first of which are judged, and the penalty of its own (N,)."""
        found, penalty = answers(self.colorizer, self.G, batch)
        return [self.colorizer.head(planes) for planes in found], penalty

    def _shown(self, batch: Batch, fake: Tensor) -> tuple[Tensor, Tensor]:
        """What discriminators are told, and true colours, at the scale of the generator's answer."""
        colours, known = self.colorizer.space.scaled(batch.L, batch.ab), self.colorizer.known(batch)
        return tuple(F.adaptive_avg_pool2d(plane, fake.shape[-2:]) for plane in (known, colours))

    def _pixel(self, fakes: list[Tensor], real: Tensor) -> Tensor:
        """The mean absolute distance of colourings, mostly of the nearest of each picture's."""
        if len(fakes) == 1:
            return F.l1_loss(fakes[0], real)
        distances = [(fake - real).abs().mean(dim=(1, 2, 3)) for fake in fakes]
        return nearest(distances, self.colorizer).mean()

    def _perceived(self, batch: Batch, fake: Tensor) -> Tensor:
        """The mean LPIPS of pictures in the generator's colours, at full size, from the true ones."""
        rgb, truth = (lab_to_rgb(lab) for lab in (self.colorizer.joined(fake, batch.L), batch.lab))
        with self.fabric.autocast():
            return self.perceptual.loss(rgb, truth).float().mean()

    def _judged(self, L: Tensor, fake: Tensor, figures: dict[str, list[Tensor]]) -> Tensor:
        """The generator's adversarial loss, a mean over its adversaries, whose figures are noted."""
        losses = []
        for adversary in self.adversaries:
            adversary.discriminator.requires_grad_(False)
            # Not through the wrapper that collects the discriminator's gradients from all ranks.
            with self.fabric.autocast():
                loss, found = adversary.objective.generator(
                    adversary.discriminator, L, fake[:, adversary.channels]
                )
            losses.append(loss)
            _note(figures, found)
            adversary.discriminator.requires_grad_(True)
        return torch.stack(losses).mean()


def _note(figures: dict[str, list[Tensor]], found: dict[str, Tensor]) -> None:
    for name, value in found.items():
        figures.setdefault(name, []).append(value.detach())
