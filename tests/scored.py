"""Figures of test pictures, as evaluation writes them, for tests of what is made from them."""

import numpy as np
import pandas as pd


def rows(photographs: int = 30, tiles: int = 4, **shift: float) -> pd.DataFrame:
    """Rows as evaluation writes them, of pictures that are hard and easy alike for every model."""
    rng = np.random.default_rng(0)
    count = photographs * tiles
    found = {"photograph": np.repeat([f"{number:03d}" for number in range(photographs)], tiles)}
    found |= {"left": np.tile(np.arange(tiles), photographs), "top": 0, "weights": "0123456789ab"}
    for name in ("ciede2000", "auc", "auc_rebalanced", "colorfulness", "true_colorfulness", "psnr"):
        hard = np.repeat(rng.normal(0, 8, photographs), tiles)
        found[name] = 50 + hard + rng.normal(0, 1, count) + shift.get(name, 0)
    found["colorfulness"] = found["true_colorfulness"] + 5 + shift.get("colorfulness", 0)
    return pd.DataFrame(found | {"auc_rebalanced_weight": rng.uniform(1, 9, count)})
