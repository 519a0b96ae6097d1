"""Batch normalisation over the batch of all ranks (Ioffe and Szegedy, ICML 2015, algorithm 1).

torch's own layer for that, SyncBatchNorm, works on GPUs alone.
"""

import torch
from torch import Tensor, nn

from tintype import ranks


class BatchNorm2d(nn.BatchNorm2d):
    """torch's layer, whose statistics in training are those of the whole batch, however it is spread."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) of any float type -> the same, normalised by channel."""
        if not self.training or ranks.count() == 1:
            return super().forward(x)
        values = x.float()
        mean = ranks.mean(values.mean(dim=(0, 2, 3)))
        centred = values - mean[:, None, None]
        variance = ranks.mean(centred.square().mean(dim=(0, 2, 3)))
        with torch.no_grad():
            number = ranks.count() * x.numel() / x.shape[1]
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * number / (number - 1), self.momentum)
            self.num_batches_tracked += 1
        scale = self.weight * torch.rsqrt(variance + self.eps)
        return (centred * scale[:, None, None] + self.bias[:, None, None]).to(x.dtype)
