"""Has a picture colours of its own, or only a tint, as sepia has? A tint follows the brightness."""

import numpy as np

# Of photographs 97 % are above, and of old black-and-white prints, sepia, stained and faded, 95 % below.
COLOURFUL = 4.0
SHADES = 16
SIDE = 96  # pixels of the shorter side of what is looked at


def off_tint(luma: np.ndarray, *differences: np.ndarray) -> float:
    """How far, in levels of Cb and Cr (root mean square), colours are from the mean of their brightness.

    luma, differences: Y, and Cb and Cr, of the same pixels, in 0..255; any shape.
    """
    shade = (luma.ravel().astype(float) * SHADES / 256).astype(int)
    pixels = np.bincount(shade, minlength=SHADES).clip(min=1)
    squares = []
    for plane in differences:
        values = plane.ravel().astype(float)
        means = np.bincount(shade, values, SHADES) / pixels
        squares.append(np.square(values - means[shade]).mean())
    return float(np.sqrt(np.mean(squares)))
