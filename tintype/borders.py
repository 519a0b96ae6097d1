"""Where a photograph's border ends: paper around a print, film around a frame, captions on it.

A border has no colour to find, and a network that sees one learns the wrong brightness of everything. What
counts as one: lines from an edge inward that are mostly of one tone, near white or near black, and end at a
straight line, so that a blank sky is none; on two opposite sides at least, or below, where captions stand.
"""

from torch import Tensor

TONE = 6.0  # units of L by which border pixels differ from their tone
MOSTLY = 0.6  # share of a line's pixels that have the tone: the rest may be writing or scratches
HARDLY, BEHIND = 0.3, 5  # share that still has it close behind a straight end, within so many lines
BLACK, WHITE = 20.0, 70.0  # the tone is below or above
AT_MOST = 0.3  # share of a side that a border can take


def inside(L: Tensor) -> tuple[slice, slice]:
    """Rows and columns of a lightness (1, 1, h, w) in [0, 100] within its border; all, if there is none."""
    plane = L[0, 0]
    height, width = plane.shape
    top = bottom = left = right = 0
    for _ in range(2):  # each of both sides between the others, which would count as what lies behind it
        within = plane[:, left : width - right]
        top, bottom = _strip(within), _strip(within.flip(0))
        within = plane[top : height - bottom].T
        left, right = _strip(within), _strip(within.flip(0))
    if not (top and bottom) and not (left and right):
        top, left, right = 0, 0, 0
    return slice(top, height - bottom), slice(left, width - right)


def _strip(lines: Tensor) -> int:
    """How many lines, from the first on, are a border; 0 if too many, or if it has no straight end."""
    tone = lines[0].median()
    if BLACK < tone < WHITE:
        return 0
    share = ((lines - tone).abs() < TONE).float().mean(dim=1)
    found = int((share >= MOSTLY).int().cumprod(0).sum())
    if not 0 < found <= AT_MOST * len(lines) or share[found : found + BEHIND].min() > HARDLY:
        return 0
    return found
