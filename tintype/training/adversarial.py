"""The recipe that trains a pretrained generator further, against a discriminator.

The discriminator sees the lightness with either the true colours or the generator's (their annealed mean,
which has a gradient), both at the scale of the generator's output. What "real" and "fake" mean is the
objective's: tintype/adversaries.
"""

from collections.abc import Callable
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
from tintype.metrics import colorfulness
from tintype.training.schedules import factor, set_rate


class Adversarial:
    """A colorizer, a discriminator, their optimisers, and the step that trains both. See `loop.Recipe`.

    settings: `adversarial.shared` of params.yaml; model: one of `adversarial.models`. perceptual: LPIPS, as
    (rgb, rgb) -> (N,), where its weights are there.
    """

    falls, keeps_best = "val_score", True

    def __init__(
        self,
        colorizer: Colorizer,
        fabric: Fabric,
        settings: Any,
        model: Any,
        compile: bool,
        perceptual: Callable[[Tensor, Tensor], Tensor] | None,
    ) -> None:
        self.fabric, self.settings, self.model = fabric, settings, model
        self.idle = settings.discriminator_first
        self.perceptual = perceptual
        self.colorizer = colorizer.to(fabric.device, memory_format=torch.channels_last)
        self.objective = import_module(f"tintype.adversaries.{model.objective}").Objective(model)
        discriminator = import_module(f"tintype.networks.{model.discriminator}").build(width=model.width)
        self.discriminator = discriminator.to(memory_format=torch.channels_last)
        adam = {"betas": settings.betas, "fused": True}
        G_optimizer = torch.optim.Adam(colorizer.network.parameters(), lr=settings.lr, **adam)
        D_optimizer = torch.optim.Adam(discriminator.parameters(), lr=settings.discriminator_lr, **adam)
        # Of one shape at a time (dynamic=False), or a resumed training would be compiled otherwise. Penalties
        # need second derivatives, of which a compiled network has none.
        twice = settings.r1 or self.objective.differentiates_twice
        G = torch.compile(colorizer.network, dynamic=False) if compile else colorizer.network
        D = torch.compile(discriminator, dynamic=False) if compile and not twice else discriminator
        self.G, self.G_optimizer = fabric.setup(G, G_optimizer)
        self.D, self.D_optimizer = fabric.setup(D, D_optimizer)

    def step(self, step: int, parts: list[Batch]) -> dict[str, Tensor]:
        """A step of the discriminator, then, once it has warmed up, one of the generator."""
        p = self.settings
        share = factor(step, p.steps, p.warm_up, p.decay)
        set_rate(self.D_optimizer, p.discriminator_lr * share)
        set_rate(self.G_optimizer, p.lr * share)
        figures: dict[str, list[Tensor]] = {}
        generator_learns = step > p.discriminator_first
        self.G.train(generator_learns)

        # (1) The discriminator learns to tell real colours from the generator's.
        self.D_optimizer.zero_grad(set_to_none=True)
        fakes = []
        for number, batch in enumerate(parts, start=1):
            # With several parts, the graphs of all of them would fill the memory that parts are to save.
            with torch.set_grad_enabled(generator_learns and len(parts) == 1):
                fakes.append(self._fake(batch))
            L, real = _shown(batch, fakes[-1])
            with self.fabric.no_backward_sync(self.D, enabled=number < len(parts)):
                # Fabric's wrapper would refuse the penalty's own gradient; what it wraps is called instead.
                with self.fabric.autocast():
                    loss, found = self.objective.discriminator(
                        self.D._forward_module, L, real, fakes[-1].detach(), p.r1
                    )
                self.fabric.backward(loss / len(parts))
            _note(figures, {"D_loss": loss, **found})
        norm = clip_grad_norm_(self.discriminator.parameters(), p.clip or torch.inf)
        _note(figures, {"D_grad_norm": norm})
        self.D_optimizer.step()

        # (2) The generator learns to pass for real, and to stay near the truth (in units of 110 ab).
        if generator_learns:
            self.G_optimizer.zero_grad(set_to_none=True)
            self.discriminator.requires_grad_(False)
            for number, (batch, fake) in enumerate(zip(parts, fakes, strict=True), start=1):
                with self.fabric.no_backward_sync(self.G, enabled=number < len(parts)):
                    fake = fake if len(parts) == 1 else self._fake(batch)
                    L, real = _shown(batch, fake)
                    # Not through the wrapper that collects the discriminator's gradients from all ranks.
                    with self.fabric.autocast():
                        adversarial, found = self.objective.generator(self.discriminator, L, fake)
                    pixel = F.l1_loss(fake, real) / 110
                    loss = self.model.pixel * pixel + self.model.adversarial * adversarial
                    self.fabric.backward(loss / len(parts))
                _note(figures, {"G_adversarial": adversarial, "G_pixel": pixel, **found})
            self.discriminator.requires_grad_(True)
            norm = clip_grad_norm_(self.colorizer.network.parameters(), p.clip or torch.inf)
            _note(figures, {"G_grad_norm": norm})
            self.G_optimizer.step()
        return {name: torch.stack(values).detach().float().mean() for name, values in figures.items()}

    def validate(self, model: Colorizer, batch: Batch, ab: Tensor) -> dict[str, Tensor]:
        """What `score` needs of each picture: distances to the truth, and how far colourfulness is off.

        The distance is LPIPS; where LPIPS is not there, the mean distance in the ab plane.
        """
        grey = torch.zeros_like(ab)
        rgb, truth, of_grey = (
            lab_to_rgb(into_gamut(torch.cat([batch.L, x], dim=1))) for x in (ab, batch.ab, grey)
        )
        if self.perceptual:
            far, grey_far = self.perceptual(rgb, truth), self.perceptual(of_grey, truth)
        else:
            far, grey_far = ((batch.ab - x).norm(dim=1).mean(dim=(1, 2)) for x in (ab, grey))
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
        return {
            "generator": self.colorizer.network,
            "discriminator": self.discriminator,
            "G_optimizer": self.G_optimizer,
            "D_optimizer": self.D_optimizer,
            "objective": self.objective,
        }

    def _fake(self, batch: Batch) -> Tensor:
        return self.colorizer.annealed_mean(self.G(batch.input))


def _shown(batch: Batch, fake: Tensor) -> tuple[Tensor, Tensor]:
    """Lightness and true colours at the scale of the generator's answer."""
    L, real = (F.adaptive_avg_pool2d(plane, fake.shape[-2:]) for plane in (batch.L, batch.ab))
    return L, real


def _note(figures: dict[str, list[Tensor]], found: dict[str, Tensor]) -> None:
    for name, value in found.items():
        figures.setdefault(name, []).append(value.detach())
