"""A variational autoencoder of colour: the numbers between encoder and decoder are drawn, not computed.

Kingma and Welling, "Auto-Encoding Variational Bayes" (ICLR 2014), with the encoder and the decoder of
`bottleneck`. What is encoded is L, which is known when a picture is coloured, and not the colours: a
variational information bottleneck (Alemi et al., ICLR 2017) between the two.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from tintype import ranks
from tintype.networks.backbones.bottleneck import Bottleneck


class Answer(NamedTuple):
    """`planes` (N, outputs, h, w); `penalty` (N,): what to add to each picture's loss."""

    planes: Tensor
    penalty: Tensor


class Variational(Bottleneck):
    """The generator: lightness in, `latent` numbers z ~ q(z | L), a diagonal Gaussian, `outputs` planes out.

    `kl` weights the divergence of q(z | L) from a standard Gaussian against the loss of a picture.
    """

    def __init__(
        self, outputs: int, encoder: str, latent: int, width: int, output_stride: int, kl: float
    ) -> None:
        super().__init__(outputs, encoder, latent, width, output_stride)
        self.kl = kl
        self.log_variance = nn.Linear(self.code.in_features, latent)
        # With a variance of 1 at first, z would be all noise, and the decoder would learn to do without it.
        nn.init.constant_(self.log_variance.bias, -4.0)

    def forward(self, L: Tensor) -> Tensor | Answer:
        """(N, 1, H, W) in [0, 100] -> planes (N, outputs, H / output_stride, W / output_stride).

        In training mode an Answer with planes of a drawn z; in evaluation mode planes alone, of the mean z.
        H and W must be multiples of `self.multiple`.
        """
        mean, log_variance = self.encode(L)
        if not self.training:
            return self.decode(mean, self.size(L))
        noise = ranks.drawn(*mean.shape, draw=torch.randn).to(mean)
        planes = self.decode(_moved(mean, log_variance, noise), self.size(L))
        return Answer(planes, self.kl * divergence(mean, log_variance))

    def encode(self, L: Tensor) -> tuple[Tensor, Tensor]:
        """(N, 1, H, W) in [0, 100] -> mean and log variance of q(z | L), (N, latent) each, float32."""
        x = self.pooled(L)
        # Beyond these bounds exp tells nothing new, and one bad step could make it infinite.
        return self.code(x).float(), self.log_variance(x).float().clamp(-10, 10)

    def sample(self, L: Tensor, number: int, generator: torch.Generator) -> Tensor:
        """L (N, 1, H, W) -> `number` colourings of each, (number, N, outputs, h, w), of z ~ q(z | L).

        Batch normalisation has to be in evaluation mode for a colouring to depend on its z alone.
        """
        mean, log_variance = self.encode(L)
        noise = torch.randn(number, *mean.shape, generator=generator, device=generator.device).to(mean)
        z = _moved(mean, log_variance, noise)
        return self.decode(z.flatten(0, 1), self.size(L)).unflatten(0, (number, len(L)))


def _moved(mean: Tensor, log_variance: Tensor, noise: Tensor) -> Tensor:
    """z of q(z | L), made from standard Gaussian noise (section 2.4 of the paper)."""
    return mean + torch.exp(log_variance / 2) * noise


def divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL(q(z | L) || N(0, 1)) in nats (appendix B of the paper), of (N, latent) each -> (N,)."""
    return (mean.square() + log_variance.exp() - 1 - log_variance).sum(dim=1) / 2


def build(
    outputs: int, *, encoder: str, latent: int, width: int, output_stride: int, kl: float
) -> Variational:
    """The generator named `variational` in params.yaml; `encoder` is a name of `ENCODERS`."""
    return Variational(outputs, encoder, latent, width, output_stride, kl)
