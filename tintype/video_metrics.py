"""Figures of coloured video: do colours stay as they are from frame to frame?

Frames are sRGB, uint8 (H, W, 3); flows (H, W, 2) floating-point, in pixels: what is at (x, y) of one frame is
at (x + flow[y, x, 0], y + flow[y, x, 1]) of the other. All raise TypeError for frames that are not uint8, and
ValueError for other shapes and for flows that are not finite.
"""

import math
from collections import deque
from collections.abc import Iterable

import numpy as np

STEPS = (1, 2, 4)  # frames between the two that CDC compares


def color_consistency(frames: Iterable[np.ndarray]) -> float:
    """CDC in [0, log 2], lower is steadier (Liu et al. 2021, "Temporally Consistent Video Colorization").

    The mean over R, G, B and t in {1, 2, 4} of the Jensen-Shannon divergence (natural logarithm) between the
    256-bin histograms of frames i and i + t, averaged over i. 0 for a video that stands still, whatever its
    colours, and low for a grey one, so it says something only beside the colourfulness, and beside the CDC
    of the true video, whose scene changes too.

    frames: an array (T, H, W, 3), or an iterator, which may be long: no more than five histograms are kept.
    Raises ValueError for fewer than five frames.
    """
    sums, pairs = dict.fromkeys(STEPS, 0.0), dict.fromkeys(STEPS, 0)
    kept: deque[np.ndarray] = deque(maxlen=max(STEPS))
    for frame in frames:
        shares = _shares(_checked(frame))
        for step in STEPS:
            if step <= len(kept):
                sums[step] += float(_divergence(kept[-step], shares).mean())
                pairs[step] += 1
        kept.append(shares)
    if not all(pairs.values()):
        raise ValueError(f"found a video of less than {max(STEPS) + 1} frames, which CDC needs")
    return sum(sums[step] / pairs[step] for step in STEPS) / len(STEPS)


def warp_error(previous: np.ndarray, frame: np.ndarray, flow: np.ndarray, visible: np.ndarray) -> float:
    """Warp error in [0, 1], lower is steadier (Lai et al. 2018): do colours move with their things?

    The mean squared difference, of values in [0, 1], between the frame and the one before it, warped to it by
    the backward `flow` (from the frame to the previous one; bilinear), over R, G, B and the pixels that are
    `visible` (H, W) in both; pixels that come from outside the previous frame are not. A video's figure is
    the mean over its pairs of frames. The paper warps the next frame to the one before: exchange the frames
    and give the forward flow. Flows are those of the true video, for all models alike.

    nan where no pixel is visible, as at a cut.
    """
    first, second = _checked(previous), _checked(frame)
    if first.shape != second.shape or visible.shape != second.shape[:2]:
        raise ValueError(
            f"found frames {first.shape} and {second.shape}, visible pixels {visible.shape}; all must agree"
        )
    x, y, inside = _sources(flow, second.shape[:2])
    counted = inside & visible.astype(bool)
    if not counted.any():
        return math.nan
    difference = _bilinear(first / 255, x, y) - second / 255
    return float(np.square(difference)[counted].mean())


def visible(forward: np.ndarray, backward: np.ndarray) -> np.ndarray:
    """Which pixels of a frame were there in the frame before, bool (H, W).

    By the consistency of flows (Sundaram, Brox & Keutzer 2010): to follow the backward flow w_b
    from the frame, and from there the forward flow w_f back, ends where it began, or
    |w_f + w_b|^2 < 0.01 (|w_f|^2 + |w_b|^2) + 0.5, with w_f interpolated bilinearly. Pixels that come from
    outside the previous frame were not there.
    """
    if forward.shape != backward.shape:
        raise ValueError(f"found flows of shapes {forward.shape} and {backward.shape}; they must agree")
    x, y, inside = _sources(backward, backward.shape[:2])
    _sources(forward, forward.shape[:2])
    back = backward.astype(np.float64)
    forth = _bilinear(forward.astype(np.float64), x, y)
    gap, lengths = (np.square(a).sum(axis=2) for a in (forth + back, np.concatenate([forth, back], axis=2)))
    return inside & (gap < 0.01 * lengths + 0.5)


def _shares(frame: np.ndarray) -> np.ndarray:
    """The shares (3, 256) of a frame's pixels that have each value of R, G, B."""
    counts = [np.bincount(frame[..., channel].ravel(), minlength=256) for channel in range(3)]
    return np.stack(counts) / (frame.shape[0] * frame.shape[1])


def _divergence(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """The Jensen-Shannon divergence of the last axis, natural logarithm."""
    middle = (p + q) / 2
    with np.errstate(divide="ignore", invalid="ignore"):  # 0 log 0 is 0
        terms = [np.where(a > 0, a * np.log(a / middle), 0.0) for a in (p, q)]
    return (terms[0] + terms[1]).sum(axis=-1) / 2


def _sources(flow: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where each pixel comes from, x and y, (H, W) each, and which of these places are inside the picture."""
    height, width = size
    if flow.shape != (height, width, 2):
        raise ValueError(f"found a flow of shape {flow.shape}; {(height, width, 2)} is needed")
    if not np.isfinite(flow).all():
        raise ValueError("found a flow that is not finite (NaN or infinite)")
    x = np.arange(width) + flow[..., 0].astype(np.float64)
    y = np.arange(height)[:, None] + flow[..., 1].astype(np.float64)
    return x, y, (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)


def _bilinear(planes: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Values (H, W, C) of planes (H, W, C) at places between pixels; outside, those of the nearest edge."""
    height, width = planes.shape[:2]
    x, y = x.clip(0, width - 1), y.clip(0, height - 1)
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    right, bottom = (left + 1).clip(max=width - 1), (top + 1).clip(max=height - 1)
    across, down = (x - left)[..., None], (y - top)[..., None]
    above = planes[top, left] * (1 - across) + planes[top, right] * across
    below = planes[bottom, left] * (1 - across) + planes[bottom, right] * across
    return above * (1 - down) + below * down


def _checked(frame: np.ndarray) -> np.ndarray:
    if frame.dtype != np.uint8:
        raise TypeError(f"found a {frame.dtype} frame; uint8 ones are needed, sRGB in 0..255")
    if frame.ndim != 3 or frame.shape[2] != 3 or frame.size == 0:
        raise ValueError(f"found a frame of shape {frame.shape}; (H, W, 3) is needed")
    return frame
