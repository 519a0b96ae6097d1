"""Every figure that is reported, each with its definition and its source.

Unless said otherwise a function takes a batch and returns one value per picture: a float64 tensor of shape
(N,). Work is done in float64. RGB is sRGB in [0, 1], shape (N, 3, H, W); L in [0, 100], shape (N, 1, H, W);
ab shape (N, 2, H, W); Lab shape (N, 3, H, W). All raise TypeError for integer tensors, whose differences wrap
around, and ValueError for a wrong shape, for two pictures of different shapes, for values that are not
finite, and for RGB outside [0, 1].
"""

import math

import torch

GREY_CHROMA = 4.0
"""Chroma, in ab units, below which `grey_share` calls a pixel grey.

Under two just noticeable differences of CIE Lab (2.3 units each; Mahy, Van Eycken & Oosterlinck 1994), so
that a patch seen by itself passes for grey, yet well above what rounding to 8 bits does to a grey (below 1).
"""

HUES = 36  # parts of the hue circle, of 10 degrees each


def psnr(rgb: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """Peak signal-to-noise ratio in dB, higher is better: 10 log10(1 / MSE), over pixels and channels.

    Identical pictures give infinity. There is no cap: a cap is a made-up number that lifts every mean it
    enters. A table has to say how it treats the infinite ones, and those of truly grey pictures, which any
    model can render almost perfectly.
    """
    rgb, truth = checked_rgb_pair(rgb, truth)
    return -10 * torch.log10((rgb - truth).square().mean(dim=(1, 2, 3)))


def ssim(rgb: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """Structural similarity in [-1, 1], higher is better (Wang, Bovik, Sheikh & Simoncelli 2004, eq. 13).

    SSIM(x, y) = (2 mx my + C1) (2 sxy + C2) / ((mx^2 + my^2 + C1) (sx^2 + sy^2 + C2)), with means m,
    variances s^2 and covariance sxy under an 11 x 11 Gaussian window of sigma 1.5, C1 = 0.01^2, C2 = 0.03^2;
    averaged over R, G and B and over the positions where the window lies wholly inside the picture.

    Raises ValueError for pictures smaller than the window.
    """
    rgb, truth = checked_rgb_pair(rgb, truth)
    if min(rgb.shape[2:]) < 11:
        raise ValueError(
            f"SSIM needs pictures of at least 11 x 11 pixels; these have shape {tuple(rgb.shape)}"
        )
    # One picture at a time: what the window goes over then stays in the processor's cache, which is ten
    # times faster.
    return torch.cat([_ssim(*pair) for pair in zip(rgb.split(1), truth.split(1), strict=True)])


def ciede2000(lab: torch.Tensor, truth_lab: torch.Tensor) -> torch.Tensor:
    """CIEDE2000 colour difference of every pixel, shape (N, H, W), >= 0, lower is better.

    About 1 is just noticeable. Tables report the mean, `ciede2000(lab, truth_lab).mean(dim=(1, 2))`.
    Equations 2 to 22 of Sharma, Wu & Dalal 2005, with kL = kC = kH = 1; angles in degrees.
    """
    lab, truth_lab = _pair(lab, truth_lab, channels=3)
    (L1, a1, b1), (L2, a2, b2) = lab.unbind(1), truth_lab.unbind(1)

    # Equations 2 to 7: stretch a where chroma is low, then chroma and hue.
    stretch = 1.5 - 0.5 * _chroma_saturation((torch.hypot(a1, b1) + torch.hypot(a2, b2)) / 2)
    a1, a2 = stretch * a1, stretch * a2
    C1, C2 = torch.hypot(a1, b1), torch.hypot(a2, b2)
    h1, h2 = torch.rad2deg(torch.atan2(b1, a1)) % 360, torch.rad2deg(torch.atan2(b2, a2)) % 360

    # Equations 8 to 14. The short way round the hue circle: rounding may put exactly opposite hues on either
    # side of 180 degrees, hence the margin. Greys need no case of their own: with no chroma, dH is 0.
    wraps = (h2 - h1).abs() > 180 + 1e-9
    dh = torch.where(wraps, h2 - h1 - 360 * torch.sign(h2 - h1), h2 - h1)
    dL, dC, dH = L2 - L1, C2 - C1, 2 * (C1 * C2).sqrt() * torch.sin(torch.deg2rad(dh / 2))
    L, C = (L1 + L2) / 2, (C1 + C2) / 2
    h = torch.where(wraps, (h1 + h2) / 2 + 180, (h1 + h2) / 2) % 360

    # Equations 15 to 22.
    T = 1 - 0.17 * _cos(h - 30) + 0.24 * _cos(2 * h) + 0.32 * _cos(3 * h + 6) - 0.20 * _cos(4 * h - 63)
    SL = 1 + 0.015 * (L - 50).square() / (20 + (L - 50).square()).sqrt()
    SC = 1 + 0.045 * C
    SH = 1 + 0.015 * C * T
    rotation = 30 * torch.exp(-((h - 275) / 25).square())
    RT = -torch.sin(torch.deg2rad(2 * rotation)) * 2 * _chroma_saturation(C)
    square = (dL / SL).square() + (dC / SC).square() + (dH / SH).square() + RT * (dC / SC) * (dH / SH)
    return square.clamp(min=0).sqrt()  # rounding can leave a difference of nothing a little below zero


def colorfulness(rgb: torch.Tensor) -> torch.Tensor:
    """Colourfulness of Hasler & Suesstrunk 2003, their M3, on the 0..255 scale.

    M3 = sqrt(std(rg)^2 + std(yb)^2) + 0.3 sqrt(mean(rg)^2 + mean(yb)^2), with signed rg = R - G and
    yb = (R + G) / 2 - B and population standard deviations. Grey has 0, photographs have about 40. Higher is
    not better: the nearer to the true picture's value, the better.
    """
    return _m3(*_opponents(rgb))


def colorfulness_abs(rgb: torch.Tensor) -> torch.Tensor:
    """`colorfulness` with |rg| and |yb| in place of rg and yb: the variant behind published tables.

    The code of DDColor, CT2 and ColorFormer, among others, takes absolute values first, which gives lower
    values (about 38 where M3 has 41). Only this one may stand beside their numbers; only `colorfulness` was
    checked against people's judgement. Here too the better value is the nearer to the true picture's.
    """
    rg, yb = _opponents(rgb)
    return _m3(rg.abs(), yb.abs())


def hue_entropy(ab: torch.Tensor) -> torch.Tensor:
    """How many hues a picture has: the entropy of its hues, in bits, in [0, 5.17].

    -sum p log2 p over HUES equal parts of the hue circle, atan2(b, a), where p is the share of the picture's
    chroma, not of its pixels, that falls into a part. Pixels that pass for grey (GREY_CHROMA) do not count:
    their hue is noise. 0 where there is one hue, or none. Higher is not better: the nearer to the true
    picture's value, the better. A model that tints everything brown may match a picture's colourfulness,
    and not this.
    """
    ab = _pictures(ab, channels=2)
    chroma = torch.linalg.vector_norm(ab, dim=1)
    chroma = torch.where(chroma < GREY_CHROMA, 0.0, chroma)
    part = (torch.atan2(ab[:, 1], ab[:, 0]) / (2 * math.pi) * HUES).floor().remainder(HUES).long()
    picture = torch.arange(len(ab), device=ab.device).view(-1, 1, 1).expand_as(part)
    sums = chroma.new_zeros(len(ab), HUES).index_put((picture, part), chroma, accumulate=True)
    share = sums / sums.sum(dim=1, keepdim=True).clamp(min=1e-300)
    return torch.special.entr(share).sum(dim=1) / math.log(2)


def auc(ab: torch.Tensor, truth_ab: torch.Tensor, weights: torch.Tensor | None = None) -> torch.Tensor:
    """Area under the curve of ab accuracy, in [0, 100], higher is better (Zhang et al. 2016, sec. 3.1).

    The curve is the share of pixels whose Euclidean ab error is at most t, at t = 0, 1, ..., 150; its area,
    by the trapezoidal rule, is divided by 150. `weights` (N, H, W), >= 0, weighs pixels; inverse class
    frequencies give the rebalanced AuC.

    The area is linear in the pixels, so the figure over all pixels of a set of pictures is exactly the mean
    of the per-picture figures, weighted by each picture's `weights.sum(dim=(1, 2))`, or by its number of
    pixels where there are no weights.

    Raises ValueError for weights of another shape, with a negative value, or a sum of 0 in a picture.
    """
    ab, truth_ab = _pair(ab, truth_ab, channels=2)
    # One pixel's curve steps from 0 to 1 at t = ceil(error). The rule halves both ends, so a step at 1 <= t
    # <= 150 has the area 150.5 - t, and one at 0 the whole 150.
    step = torch.linalg.vector_norm(ab - truth_ab, dim=1).ceil()
    area = torch.where(step == 0, 150.0, (150.5 - step).clamp(min=0)) / 150 * 100  # (N, H, W)
    if weights is None:
        return area.mean(dim=(1, 2))
    if weights.shape != area.shape:
        raise ValueError(
            f"weights have shape {tuple(weights.shape)}; one a pixel is needed: {tuple(area.shape)}"
        )
    weights = weights.double()
    total = weights.sum(dim=(1, 2))
    if not ((weights >= 0).all() and (total > 0).all() and total.isfinite().all()):
        raise ValueError("weights must be finite, none negative, with a sum above 0 in every picture")
    return (weights * area).sum(dim=(1, 2)) / total


def out_of_gamut_share(rgb_unclipped: torch.Tensor) -> torch.Tensor:
    """Share of pixels, in [0, 1], that sRGB cannot show; lower is better.

    Such a pixel has a channel below 0 or above 1 before clipping. Overshoots of up to 1/510, half a step of
    8 bits, vanish on rounding and do not count.
    """
    rgb = _pictures(rgb_unclipped, channels=3)
    outside = (rgb < -1 / 510) | (rgb > 1 + 1 / 510)
    return outside.any(dim=1).double().mean(dim=(1, 2))


def grey_share(ab: torch.Tensor, threshold: float = GREY_CHROMA) -> torch.Tensor:
    """Share of pixels, in [0, 1], with a chroma sqrt(a^2 + b^2) below `threshold`: what was left grey.

    Neither direction is better by itself; 1 is a model that colours nothing. For the value see `GREY_CHROMA`.
    """
    chroma = torch.linalg.vector_norm(_pictures(ab, channels=2), dim=1)
    return (chroma < threshold).double().mean(dim=(1, 2))


def edge_alignment(L: torch.Tensor, ab: torch.Tensor) -> torch.Tensor:
    """Do colours end where things end? In [-1, 1], higher is better; needs no true colours.

    Pearson correlation, over the pixels of a picture, of the gradient magnitudes of L and of ab. Derivatives
    are central differences, (x[i+1] - x[i-1]) / 2, at pixels that have all four neighbours; the magnitude is
    the root of the sum of squared derivatives in both directions, and for ab over both channels, so that a
    change of hue alone is an edge too. 0 where either magnitude is constant (standard deviation below 0.001,
    which only rounding leaves): nothing to align.

    Raises ValueError for pictures smaller than 3 x 3.
    """
    L, ab = _pictures(L, channels=1), _pictures(ab, channels=2)
    if L.shape[0] != ab.shape[0] or L.shape[2:] != ab.shape[2:]:
        raise ValueError(
            f"L has shape {tuple(L.shape)} and ab {tuple(ab.shape)}: only the channels may differ"
        )
    if min(L.shape[2:]) < 3:
        raise ValueError(
            f"edge alignment needs pictures of at least 3 x 3 pixels; L has shape {tuple(L.shape)}"
        )
    x, y = _gradient_magnitude(L).flatten(1), _gradient_magnitude(ab).flatten(1)
    std = x.std(dim=1, correction=0), y.std(dim=1, correction=0)
    covariance = ((x - x.mean(dim=1, keepdim=True)) * (y - y.mean(dim=1, keepdim=True))).mean(dim=1)
    constant = torch.minimum(*std) < 1e-3
    return torch.where(constant, 0.0, (covariance / (std[0] * std[1])).clamp(-1, 1))


def _ssim(rgb: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    moments = torch.stack((rgb, truth, rgb * rgb, truth * truth, rgb * truth))  # (5, N, 3, H, W)
    mx, my, mxx, myy, mxy = _gaussian_means(_gaussian_means(moments, dim=3), dim=4)
    c1, c2 = 0.01**2, 0.03**2
    luminance = (2 * mx * my + c1) / (mx * mx + my * my + c1)
    structure = (2 * (mxy - mx * my) + c2) / (mxx - mx * mx + myy - my * my + c2)
    return (luminance * structure).mean(dim=(1, 2, 3))


def _gaussian_means(x: torch.Tensor, dim: int) -> torch.Tensor:
    """Means along one dimension under SSIM's window, at the positions where it fits: `dim` shrinks by 10."""
    weights = [math.exp(-(offset**2) / (2 * 1.5**2)) for offset in range(-5, 6)]
    length = x.shape[dim] - 10
    # Faster than a convolution, which is slow in float64.
    means = x.narrow(dim, 0, length) * weights[0]
    for place, weight in enumerate(weights[1:], start=1):
        means.add_(x.narrow(dim, place, length), alpha=weight)
    return means / sum(weights)


def _gradient_magnitude(x: torch.Tensor) -> torch.Tensor:
    """(N, C, H, W) -> (N, H - 2, W - 2)."""
    dx = (x[:, :, 1:-1, 2:] - x[:, :, 1:-1, :-2]) / 2
    dy = (x[:, :, 2:, 1:-1] - x[:, :, :-2, 1:-1]) / 2
    return (dx.square() + dy.square()).sum(dim=1).sqrt()


def _opponents(rgb: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    red, green, blue = (255 * _rgb(rgb)).unbind(1)
    return red - green, (red + green) / 2 - blue


def _m3(rg: torch.Tensor, yb: torch.Tensor) -> torch.Tensor:
    variance = rg.var(dim=(1, 2), correction=0) + yb.var(dim=(1, 2), correction=0)
    return variance.sqrt() + 0.3 * torch.hypot(rg.mean(dim=(1, 2)), yb.mean(dim=(1, 2)))


def _chroma_saturation(chroma: torch.Tensor) -> torch.Tensor:
    """sqrt(C^7 / (C^7 + 25^7)) of CIEDE2000: 0 for greys, towards 1 for strong colours."""
    return (chroma**7 / (chroma**7 + 25.0**7)).sqrt()


def _cos(degrees: torch.Tensor) -> torch.Tensor:
    return torch.cos(torch.deg2rad(degrees))


def _pictures(pictures: torch.Tensor, channels: int) -> torch.Tensor:
    """The pictures in float64, after the checks that the module's docstring promises."""
    if not pictures.is_floating_point():
        raise TypeError(
            f"found a {pictures.dtype} picture, where differences wrap around (3 - 5 is 254 in uint8): "
            "convert it to floating point in the documented units first, for RGB `rgb.float() / 255`"
        )
    if pictures.ndim != 4 or pictures.shape[1] != channels:
        raise ValueError(f"found a tensor of shape {tuple(pictures.shape)}; (N, {channels}, H, W) is needed")
    if not pictures.isfinite().all():
        raise ValueError("found values that are not finite (NaN or infinite) in a picture")
    return pictures.double()


def _pair(first: torch.Tensor, second: torch.Tensor, channels: int) -> tuple[torch.Tensor, torch.Tensor]:
    if first.shape != second.shape:
        raise ValueError(f"found shapes {tuple(first.shape)} and {tuple(second.shape)}; they must agree")
    return _pictures(first, channels), _pictures(second, channels)


def _rgb(rgb: torch.Tensor) -> torch.Tensor:
    rgb = _pictures(rgb, channels=3)
    outside = rgb[(rgb < 0) | (rgb > 1)]
    if outside.numel():
        raise ValueError(f"found an RGB value of {outside[0]:.6g}; [0, 1] is needed: divide by 255, or clip")
    return rgb


def checked_rgb_pair(rgb: torch.Tensor, truth: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Both pictures in float64, after the checks that the module's docstring promises."""
    rgb, truth = _pair(rgb, truth, channels=3)
    return _rgb(rgb), _rgb(truth)
