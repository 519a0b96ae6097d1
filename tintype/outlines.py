"""Line drawings of photographs, as a person would make them with a pen: dark lines on white paper."""

import numpy as np
from skimage import feature, filters

METHODS: tuple[str, ...] = ("canny", "xdog")

# Canny: the least step between two areas that starts a line, as a share of black to white, and the height
# of the gradient that skimage's Sobel filter finds at a step of 1 blurred by a sigma of 1.
_STEP = 0.18
_SOBEL = 3.0
# XDoG: sharpness p, threshold epsilon, softness phi, and the ratio k of the two Gaussians' sigmas.
_P, _EPSILON, _PHI, _K = 20.0, 0.75, 4.0, 1.6


def outlines(L: np.ndarray, method: str) -> np.ndarray:
    """A line drawing of one picture: float32 (H, W) in [0, 100], 0 for ink and 100 for paper.

    L: float32 (H, W), lightness in [0, 100]. Lines are as wide, relative to the shorter side, at any size
    that has the pixels for it. An area of one lightness is left white, however dark.

    `canny`: even lines along edges (Canny 1986). `xdog`: lines that swell with contrast, on the dark side of
    edges (Winnemoeller, Kyprianidis and Olsen 2012, "XDoG").

    method: one of METHODS; raises ValueError for any other.
    """
    if method not in METHODS:
        raise ValueError(f"method {method!r}; one of {', '.join(METHODS)} is allowed")
    ink = (_canny if method == "canny" else _xdog)(L.astype(np.float32) / 100)
    return (100 * (1 - ink.clip(0, 1))).astype(np.float32)


def _canny(light: np.ndarray) -> np.ndarray:
    """Ink in [0, 1] and beyond: Canny's edges, one pixel wide, widened to a pen's line."""
    sigma = max(1.0, min(light.shape) / 150)
    # Blur flattens a step's gradient in proportion, and must not decide what is a step.
    threshold = _STEP * _SOBEL / sigma
    edges = feature.canny(
        np.pad(light, 1, mode="edge"),  # for Canny draws nothing in the outermost pixels
        sigma=sigma,
        low_threshold=0.4 * threshold,
        high_threshold=threshold,
        mode="nearest",
    )[1:-1, 1:-1]
    pen = min(light.shape) / 400
    # sqrt(2 pi) pen is what blurring takes from the middle of a line.
    return filters.gaussian(edges.astype(np.float32), pen) * max(1.0, np.sqrt(2 * np.pi) * pen)


def _xdog(light: np.ndarray) -> np.ndarray:
    """Ink in [0, 1]: one less the paper's equation 5 (soft threshold) of its equation 7 (sharpening).

    Equation 7 adds p times the difference of Gaussians to the blurred picture. Here it is added to white
    paper, for the picture's own tone would fill dark areas with ink.
    """
    sigma = max(0.6, min(light.shape) / 300)
    sharpened = 1 + _P * filters.difference_of_gaussians(light, sigma, _K * sigma)
    return np.where(sharpened >= _EPSILON, 0.0, -np.tanh(_PHI * (sharpened - _EPSILON)))
