"""The plain way to train the networks of params.yaml, with which benchmarks/train.py compares.

The same networks, losses and batches, written as most reimplementations are: float32; NCHW; an optimiser that
goes from tensor to tensor; pictures converted one by one with scikit-image; the soft encoding of Zhang et al.
(2016) from the distances of every pixel to every class; each loss read at each step. No averaged weights, no
norms of gradients. It runs in a process of its own, which keeps torch's settings as they are.
"""

import os
import random
from collections.abc import Iterator
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import torch
from skimage.color import rgb2lab
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

from benchmarks.recipes import EVEN, colorizer, now
from tintype import ab_classes
from tintype.color import bytes_to_lab, lab_to_rgb, to_uint8
from tintype.params import PRETRAINED, Params
from tintype.store import Split

_ONE_BY_ONE = {"foreach": False, "fused": False}
_PICTURES = 4096  # at most, taken from the store


def serve(pipe: Connection, name: str, params: Params, data: Path, device: torch.device) -> None:
    """Train a model of params.yaml: as many steps as come through the pipe, for whose seconds it answers."""
    recipe = (Cnn if name == PRETRAINED else Adversarial)(name, params, device)
    batches = stream(pictures(Split(data, "train")), recipe.batch_size, device)
    while True:
        steps = pipe.recv()
        began = now()
        for _ in range(steps):
            recipe.step(*next(batches))
        pipe.send(now() - began)


def pictures(split: Split) -> np.ndarray:
    """The first records of a split as RGB pictures, uint8 (N, H, W, 3)."""
    records = torch.from_numpy(split.batch(np.arange(min(len(split), _PICTURES))))
    return to_uint8(lab_to_rgb(bytes_to_lab(records[:, 1:])))


class Pictures(Dataset):
    """Lab of RGB pictures, mirrored at random: float32 (3, H, W), converted when asked for."""

    def __init__(self, rgb: np.ndarray) -> None:
        self.rgb = rgb

    def __len__(self) -> int:
        return len(self.rgb)

    def __getitem__(self, number: int) -> Tensor:
        picture = self.rgb[number]
        if random.random() < 0.5:
            picture = picture[:, ::-1]
        return torch.from_numpy(rgb2lab(picture).astype(np.float32).transpose(2, 0, 1))


def stream(rgb: np.ndarray, batch_size: int, device: torch.device) -> Iterator[tuple[Tensor, Tensor]]:
    """(L, ab) without end. Processes of their own convert pictures for a GPU; the cores of a CPU are busy."""
    workers = os.cpu_count() if device.type == "cuda" else 0
    loader = DataLoader(Pictures(rgb), batch_size, shuffle=True, drop_last=True, num_workers=workers)
    while True:
        for lab in loader:
            lab = lab.to(device)
            yield lab[:, :1], lab[:, 1:]


class Cnn:
    """The CNN baseline."""

    def __init__(self, name: str, params: Params, device: torch.device) -> None:
        p, classes = params.pretrain, params.classes
        self.batch_size, self.neighbours, self.sigma = p.batch_size, classes.neighbours, classes.sigma
        self.colorizer = colorizer(params).to(device)
        prior = ab_classes.prior(EVEN, self.colorizer.head.centres.cpu(), classes.sigma)
        self.weights = ab_classes.class_weights(prior, classes.rebalance).to(device)
        self.optimizer = torch.optim.AdamW(
            self.colorizer.network.parameters(), p.lr, p.betas, weight_decay=p.weight_decay, **_ONE_BY_ONE
        )

    def step(self, L: Tensor, ab: Tensor) -> list[float]:
        """One step; its losses."""
        logits = self.colorizer.network(L)
        target = self.encoded(F.adaptive_avg_pool2d(ab, logits.shape[-2:]))
        loss = -(target * F.log_softmax(logits, dim=1)).sum(dim=1)
        loss = (self.weights[target.argmax(dim=1)] * loss).mean()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return [loss.item()]

    def encoded(self, ab: Tensor) -> Tensor:
        """The soft encoding of ab (N, 2, H, W): (N, Q, H, W)."""
        number, _, height, width = ab.shape
        pixels = ab.permute(0, 2, 3, 1).reshape(-1, 2)
        distance, nearest = torch.cdist(pixels, self.colorizer.head.centres).topk(
            self.neighbours, largest=False
        )
        shares = torch.exp(-(distance**2) / (2 * self.sigma**2))
        target = torch.zeros(len(pixels), len(self.colorizer.head.centres), device=ab.device)
        target.scatter_(1, nearest, shares / shares.sum(dim=1, keepdim=True))
        return target.reshape(number, height, width, -1).permute(0, 3, 1, 2)


class Adversarial:
    """A generator and a discriminator."""

    def __init__(self, name: str, params: Params, device: torch.device) -> None:
        p, self.model = params.adversarial.shared, params.adversarial.models[name]
        self.batch_size, self.r1 = p.batch_size, p.r1
        self.colorizer = colorizer(params).to(device)
        discriminator = import_module(f"tintype.networks.discriminators.{self.model.discriminator}")
        self.D = discriminator.build(width=self.model.width, channels=2).to(device)
        self.objective = import_module(f"tintype.adversaries.{self.model.objective}").Objective(self.model)
        G, D = self.colorizer.network.parameters(), self.D.parameters()
        self.G_optimizer = torch.optim.Adam(G, p.lr, p.betas, **_ONE_BY_ONE)
        self.D_optimizer = torch.optim.Adam(D, p.discriminator_lr, p.betas, **_ONE_BY_ONE)

    def step(self, L: Tensor, ab: Tensor) -> list[float]:
        """One step of both; their losses."""
        fake = self.colorizer.head(self.colorizer.network(L))
        L, ab = (F.adaptive_avg_pool2d(plane, fake.shape[-2:]) for plane in (L, ab / 110))
        D_loss, _ = self.objective.discriminator(self.D, L, ab, fake.detach(), self.r1)
        self.D_optimizer.zero_grad()
        D_loss.backward()
        self.D_optimizer.step()

        self.D.requires_grad_(False)
        adversarial, _ = self.objective.generator(self.D, L, fake)
        pixel = F.l1_loss(fake, ab)
        G_loss = self.model.pixel * pixel + self.model.adversarial * adversarial
        self.G_optimizer.zero_grad()
        G_loss.backward()
        self.D.requires_grad_(True)
        self.G_optimizer.step()
        return [loss.item() for loss in (D_loss, adversarial, pixel)]
