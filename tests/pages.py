"""A report's page to test with: pictures like photographs, random figures, names meant to do harm."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
from playwright.sync_api import Page as Opened

from tintype.report import cells
from tintype.report.gallery import encoded
from tintype.report.page import Old, Page, Picture

MODELS = ("mean", "cnn", "gan")
FIGURES = ("ciede2000", "auc_rebalanced", "colorfulness")
HOSTILE = "</script><script>window.hacked=1</script>\"'><img src=x onerror=window.hacked=1> été 灰.png"


def photograph(seed: int, height: int = 48, width: int = 64, detail: float = 1.0) -> np.ndarray:
    """uint8 (H, W, 3) whose spectrum falls as 1 / f^detail: about 1 in photographs, 0 in noise."""
    rng = np.random.default_rng(seed)
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)) + 1 / max(height, width)
    planes = np.fft.fft2(rng.normal(size=(3, height, width))) / frequency**detail
    lightness, *chroma = (plane / plane.std() for plane in np.fft.ifft2(planes).real)
    # Colours differ less than lightness does, and more slowly.
    parts = [lightness * 45, *(one * 12 for one in chroma)]
    rgb = np.stack([parts[0] + parts[1], parts[0] - parts[1] / 2, parts[0] + parts[2]], axis=-1)
    return np.clip(128 + rgb, 0, 255).astype(np.uint8)


def grey(picture: np.ndarray) -> np.ndarray:
    return np.repeat(picture.mean(axis=-1, keepdims=True), 3, axis=-1).astype(np.uint8)


def pictures(number: int, names: dict[int, str] | None = None, models=MODELS) -> list[Picture]:
    """Pictures with figures drawn at random, in two groups; of three different ones in turn."""
    rng = np.random.default_rng(1)
    shots = [(encoded(grey(one)), encoded(one)) for one in map(photograph, range(3))]
    found = []
    for place in range(number):
        shot, truth = shots[place % 3]
        figures = {model: dict(zip(FIGURES, rng.uniform(0, 40, 3).round(3), strict=True)) for model in models}
        figures |= {"truth": {"colorfulness": 20.0}}
        name = (names or {}).get(place, f"photograph {place}")
        group = ("street", "garden")[place % 2]
        found.append(Picture(name, group, shot, truth, dict.fromkeys(models, truth), figures))
    return found


def table(figures=FIGURES) -> pd.DataFrame:
    rng = np.random.default_rng(2)
    rows = []
    for model in MODELS:
        row = {"model": model, "weights": "0123456789ab", "pictures": 30, "photographs": 9}
        for name in figures:
            value = float(rng.uniform(5, 40))
            row |= {name: value, f"{name}_low": value - 2, f"{name}_high": value + 3}
        sizes = {"parameters": 1_926_657, "gflops": 0.41} if model != "mean" else {}
        rows.append(row | sizes)
    rows.append({"model": cells.TRUTH, "colorfulness": 20.0})
    return pd.DataFrame(rows)


def differences() -> pd.DataFrame:
    rows = [("mean", "cnn", 3.0, 1.0, 5.0, 4, 26, "cnn"), ("cnn", "gan", 0.5, -1.0, 2.0, 14, 16, "")]
    columns = ["model", "other", "difference", "low", "high", "won", "lost", "better"]
    return pd.DataFrame(rows, columns=columns).assign(figure="ciede2000", pictures=30)


def breakdowns() -> pd.DataFrame:
    rows = [("label", part, 15, model) for part in ("street", HOSTILE) for model in MODELS]
    named = pd.DataFrame(rows, columns=["breakdown", "part", "pictures", "model"]).assign(photographs=9)
    return named.assign(figure="ciede2000", value=9.0, low=np.nan, high=np.nan)


def films() -> pd.DataFrame:
    rows = [("cnn", "lab", 9.0, np.nan, np.nan, np.nan), ("cnn", "red", 11.0, 2.0, 1.5, 2.5)]
    rows += [("gan", "lab", 8.0, np.nan, np.nan, np.nan), ("gan", "red", 7.5, -0.5, -1.0, 0.25)]
    columns = ["model", "film", "value", "loss", "loss_low", "loss_high"]
    return pd.DataFrame(rows, columns=columns).assign(
        figure="ciede2000", low=5.0, high=12.0, pictures=30, photographs=9
    )


def gaps() -> pd.DataFrame:
    """Of two models, with differences beyond chance (colorfulness) and not (grey)."""
    rows = []
    for model in MODELS[1:]:
        for name, numbers in (("pictures", (63, 75, 25, 1000)), ("photographs", (63, 9, 9, 11))):
            counts = dict(zip(cells.SIDES, numbers, strict=True))
            rows.append({"model": model, "figure": name} | counts)
        for name, value in (("colorfulness", 9.0), ("grey", -0.25), ("lightness_shift", 0.0)):
            row = {"model": model, "figure": name, "gap": value, "gap_low": value - 1, "gap_high": value + 1}
            for side in cells.SIDES[: 2 if name == "lightness_shift" else 4]:
                row |= {side: 30.0, f"{side}_low": 25.0, f"{side}_high": 35.0}
            rows.append(row)
    return pd.DataFrame(rows)


def curves() -> dict[str, pd.DataFrame]:
    step = np.arange(50, 550, 50)
    cnn = pd.DataFrame({"step": step, "loss": 100 / step, "val_ab_error": 12 + 100 / step})
    return {"cnn": cnn, "gan": cnn.drop(columns="loss").assign(val_ab_error=cnn["val_ab_error"] + 1)}


def page(**changes) -> Page:
    first = encoded(photograph(9))
    whole = Page(
        verdict=["Nearest to the truth: gan, with ciede2000 9; better than mean.", "Few pictures."],
        table=table(),
        notes=["30 test pictures of 9 photographs.", HOSTILE],
        differences=differences(),
        breakdowns=breakdowns(),
        films=films(),
        gaps=gaps(),
        pictures=pictures(30, {3: HOSTILE}),
        more="",
        old=[Old(HOSTILE, encoded(grey(photograph(9))), {"cnn": first, "gan": first})],
        curves=curves(),
        params="seed: 1  # </pre><script>window.hacked=1</script>\n",
        digests={"model cnn": "0" * 64, "LPIPS weights": "not available: no network"},
        commands=["make repro", "dvc repro report > '<out>'"],
    )
    return replace(whole, **changes)


def bare(**changes) -> Page:
    """A page of pictures alone, which is written fast."""
    empty = {"differences": differences()[:0], "breakdowns": breakdowns()[:0], "films": films()[:0]}
    empty |= {"gaps": gaps()[:0]}
    few = table(())
    return page(**({"table": few, "curves": {}, "old": []} | empty | changes))


def luminance(page: Opened, place: str, colour: str) -> float:
    """Relative luminance of a colour of the first element found (WCAG 2)."""
    drawn = page.locator(place).first.evaluate(f"one => getComputedStyle(one).{colour}")
    red, green, blue = (int(part) / 255 for part in re.findall(r"\d+", drawn)[:3])
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in (red, green, blue)
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: float, other: float) -> float:
    return (max(one, other) + 0.05) / (min(one, other) + 0.05)
