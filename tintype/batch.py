"""The one thing that flows through training and evaluation: a batch of pictures."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from tintype.color import bytes_to_lab

if TYPE_CHECKING:
    from tintype.store import Split  # and no more: to colour a photograph takes no tables


@dataclass(frozen=True)
class Batch:
    """Pictures of one size: what a generator is given, and what it should answer.

    input: (N, 1, H, W), the lightness of the grey picture, in [0, 100]. L: (N, 1, H, W), the colour picture's
    own lightness, in [0, 100]; equal to `input` where the grey conversion is `lab`. ab: (N, 2, H, W), the
    colours to find, in about [-110, 110].

    What a generator may be told besides the lightness, where there is such: condition, (N, K) in {0, 1},
    one-hot attributes that the colours depend on; hints, (N, 3, H, W), clicks of colour as `hints.points` has
    them; z and other_z, (N, Z, h, w), random numbers as `noise.drawn` has them.
    """

    input: Tensor
    L: Tensor
    ab: Tensor
    condition: Tensor | None = None
    hints: Tensor | None = None
    z: Tensor | None = None
    other_z: Tensor | None = None

    @classmethod
    def read(cls, split: "Split", numbers: np.ndarray, device: torch.device | str = "cpu") -> "Batch":
        """Records of a store, by their numbers in a split, which are of one size."""
        return cls.of_records(split.batch(numbers), device, split.conditions(numbers))

    @classmethod
    def of_records(
        cls,
        records: np.ndarray | Tensor,
        device: torch.device | str = "cpu",
        conditions: np.ndarray | None = None,
    ) -> "Batch":
        """A batch of stored records, uint8 (N, 4, H, W), and of their conditions, uint8 (N, K)."""
        stored = torch.as_tensor(records).to(device)
        lab = bytes_to_lab(stored[:, 1:])
        condition = None if conditions is None else torch.as_tensor(conditions).to(device).float()
        return cls(stored[:, :1].float() / 2.55, L=lab[:, :1], ab=lab[:, 1:], condition=condition)

    def shrunk(self, factor: int) -> "Batch":
        """The same pictures at 1/`factor` of their size, each pixel a mean; itself for factor 1."""
        if factor == 1:
            return self
        input, L, ab = (F.avg_pool2d(plane, factor) for plane in (self.input, self.L, self.ab))
        return replace(self, input=input, L=L, ab=ab, hints=_shrunk_hints(self.hints, factor))

    @property
    def grey(self) -> Tensor:
        """What a generator is given, without colour, in Lab (N, 3, H, W)."""
        return torch.cat([self.input, torch.zeros_like(self.ab)], dim=1)

    @property
    def lab(self) -> Tensor:
        """The truth, (N, 3, H, W)."""
        return torch.cat([self.L, self.ab], dim=1)


def _shrunk_hints(hints: Tensor | None, factor: int) -> Tensor | None:
    """A pixel is a hint where one of those that it is made of was; its colour is their mean."""
    if hints is None:
        return None
    ab, share = F.avg_pool2d(hints, factor).split([2, 1], dim=1)
    return torch.cat([ab / share.clamp(min=1 / factor**2), (share > 0).to(ab)], dim=1)
