"""The one thing that flows through training and evaluation: a batch of pictures."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from tintype.color import bytes_to_lab


@dataclass(frozen=True)
class Batch:
    """Pictures of one size: what a generator is given, and what it should answer.

    input: (N, 1, H, W), the lightness of the grey picture, in [0, 100]. L: (N, 1, H, W), the colour picture's
    own lightness, in [0, 100]; equal to `input` where the grey conversion is `lab`. ab: (N, 2, H, W), the
    colours to find, in about [-110, 110]. condition: (N, K) in {0, 1}, one-hot attributes that the colours
    depend on, where the pictures have such.
    """

    input: Tensor
    L: Tensor
    ab: Tensor
    condition: Tensor | None = None

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
        return replace(self, input=input, L=L, ab=ab)

    @property
    def lab(self) -> Tensor:
        """The truth, (N, 3, H, W)."""
        return torch.cat([self.L, self.ab], dim=1)
