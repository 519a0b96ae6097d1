"""The recipe of the CNN baseline, which is also how the generator of adversarial training begins.

As in Zhang, Isola and Efros, "Colorful Image Colorization" (ECCV 2016), where the head is `classes`; other
heads learn the colours themselves.
"""

from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor
from torch.nn import functional as F

from tintype.batch import Batch
from tintype.colorizer import Colorizer
from tintype.training.answers import answers, nearest
from tintype.training.schedules import factor, set_rate


class Pretraining:
    """A colorizer, its optimiser, and the step that trains it. See `loop.Recipe`.

    classes: the section of params.yaml. histogram: pixels of the training split by 8-bit ab value,
    int64 (256, 256). compile: whether torch.compile makes the network faster first.
    """

    falls, keeps_best, idle, answer_sides = "val_loss", False, 0, (1, 1)

    def __init__(
        self,
        colorizer: Colorizer,
        fabric: Fabric,
        settings: Any,
        classes: Any,
        histogram: Tensor,
        compile: bool,
    ) -> None:
        self.fabric, self.settings = fabric, settings
        self.colorizer = colorizer.to(fabric.device, memory_format=torch.channels_last)
        optimizer = torch.optim.AdamW(
            colorizer.network.parameters(),
            lr=settings.lr,
            betas=settings.betas,
            weight_decay=settings.weight_decay,
            fused=True,
        )
        # Of one shape at a time (dynamic=False), or a resumed training would be compiled otherwise.
        network = torch.compile(colorizer.network, dynamic=False) if compile else colorizer.network
        self.network, self.optimizer = fabric.setup(network, optimizer)
        self.loss = colorizer.head.loss(histogram, classes)

    def step(self, step: int, parts: list[Batch]) -> dict[str, Tensor]:
        """One step of the optimiser."""
        p = self.settings
        set_rate(self.optimizer, p.lr * factor(step, p.steps, p.warm_up, p.decay))
        self.optimizer.zero_grad(set_to_none=True)
        losses = []
        for number, batch in enumerate(parts, start=1):
            with self.fabric.no_backward_sync(self.network, enabled=number < len(parts)):
                found, penalty = answers(self.colorizer, self.network, batch)
                found = [self.loss(planes, self._colours(batch, planes)) for planes in found]
                losses.append((nearest(found, self.colorizer) + penalty).mean())
                self.fabric.backward(losses[-1] / len(parts))
        norm = torch.nn.utils.clip_grad_norm_(self.colorizer.network.parameters(), p.clip or torch.inf)
        self.optimizer.step()
        return {"loss": torch.stack(losses).detach().mean(), "grad_norm": norm}

    def validate(self, model: Colorizer, batch: Batch, planes: Tensor, lab: Tensor) -> dict[str, Tensor]:
        """The loss of each validation picture."""
        return {"val_loss": self.loss(planes, self._colours(batch, planes))}

    def score(self, means: dict[str, float]) -> dict[str, float]:
        """The mean loss."""
        return means

    def state(self) -> dict[str, Any]:
        return {"network": self.colorizer.network, "optimizer": self.optimizer}

    def _colours(self, batch: Batch, planes: Tensor) -> Tensor:
        """The true colours at the scale of the network's answer."""
        return F.adaptive_avg_pool2d(self.colorizer.space.scaled(batch.L, batch.ab), planes.shape[-2:])
