"""Pictures that are the same, or look the same, found without comparing each with each.

A picture's signature is a 64-bit perceptual hash and a 4 x 4 thumbnail. The hash is the signs of the lowest
frequencies of its cosine transform about their median (Zauner, "Implementation and Benchmarking of Perceptual
Image Hash Functions", 2010, section 3.2.1): scaling and compressing a picture again change few of its bits.
As it is blind to colour, and among many pictures two hashes are near by accident, the thumbnails have to
agree as well.
"""

from collections.abc import Iterator
from itertools import combinations_with_replacement, pairwise

import numpy as np

from tintype.resizing import resized

# Rows 0 to 7 of the cosine transform (DCT-II) of 32 samples.
_COSINES = np.cos(np.pi / 64 * np.outer(np.arange(8), 2 * np.arange(32) + 1)).astype(np.float32)
_THUMBNAILS_AGREE = 16  # levels of 255, which no value of the thumbnails may differ by more than
_ROWS = 1024  # compared with as many at a time


def signature(rgb: np.ndarray) -> tuple[int, np.ndarray]:
    """The hash (64 bits) and the thumbnail, uint8 (48,), of a picture, uint8 (H, W, 3)."""
    small = resized(rgb, 32, 32).astype(np.float32)
    waves = _COSINES @ small.mean(axis=2) @ _COSINES.T
    bits = np.packbits(waves > np.sort(waves, axis=None)[31:33].mean())  # the median, without its overhead
    thumbnail = small.reshape(4, 8, 4, 8, 3).mean(axis=(1, 3)).round().astype(np.uint8)
    return int.from_bytes(bits.tobytes(), "big"), thumbnail.reshape(-1)


def same(digests: np.ndarray) -> np.ndarray:
    """For each digest, uint64 (N, K), the number of the first that equals it, or its own: int64 (N,)."""
    _, first, which = np.unique(digests, axis=0, return_index=True, return_inverse=True)
    return first[which.reshape(-1)]


def alike(hashes: np.ndarray, thumbnails: np.ndarray, groups: np.ndarray, bits: int) -> np.ndarray:
    """For each picture the number of the first, before it, that looks like it; its own where there is none.

    hashes: uint64 (N,); thumbnails: uint8 (N, 48); groups: (N,), pictures that share one are not compared;
    bits: of 64, in which hashes may differ. Returns int64 (N,).

    Two hashes that differ in at most `bits` bits are equal in at least one of `bits` + 1 bands (the
    pigeonhole principle), so that only pictures with a band in common need comparing: exact, without all
    pairs.
    """
    first = np.arange(len(hashes))
    for band in _bands(hashes, bits + 1):
        order = np.argsort(band, kind="stable")
        edges = np.flatnonzero(np.diff(band[order])) + 1
        for bucket in np.split(order, edges):
            # Also what a group shares in plenty, such as the frames of a film, costs nothing.
            if len(bucket) < 2 or (groups[bucket] == groups[bucket[0]]).all():
                continue
            blocks = [bucket[start : start + _ROWS] for start in range(0, len(bucket), _ROWS)]
            for columns, rows in combinations_with_replacement(blocks, 2):
                near = np.bitwise_count(hashes[rows, None] ^ hashes[columns]) <= bits
                near &= (columns < rows[:, None]) & (groups[rows, None] != groups[columns])
                pairs = np.argwhere(near)
                one, other = rows[pairs[:, 0]], columns[pairs[:, 1]]
                apart = np.abs(thumbnails[one].astype(np.int16) - thumbnails[other]).max(axis=1, initial=0)
                agree = apart <= _THUMBNAILS_AGREE
                np.minimum.at(first, one[agree], other[agree])
    return first


def _bands(hashes: np.ndarray, count: int) -> Iterator[np.ndarray]:
    edges = np.linspace(0, 64, count + 1).round().astype(int)
    for low, high in pairwise(edges):
        yield (hashes >> np.uint64(low)) & np.uint64(2 ** int(high - low) - 1)
