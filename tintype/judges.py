"""The figures that need a network: which are wanted, which are there, and why the others are not."""

from collections.abc import Callable, Hashable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn

from tintype import feature_networks, lpips_metric, set_metrics
from tintype.batch import Batch
from tintype.report.tables import MISSING
from tintype.scoring import Answers, Judge, pictures


class Judges:
    """The networks that `evaluate.metrics` wants, with the weights in a folder that download@weights filled.

    labels: of the test pictures, for `top1`. Raises UserError for labels that the list of classes lacks.

    Attributes: `each`, by column, judges of single pictures for `scoring.rows`; `missing`, by figure, why it
    is not available.
    """

    def __init__(
        self, wanted: Any, folder: Path, device: torch.device | str, labels: Sequence[str] = ()
    ) -> None:
        self.each: dict[str, Judge] = {}
        self.missing: dict[str, str] = {}
        self._wanted, self._features = wanted, {}
        perceptual = self._found(f"lpips_{wanted.lpips}", *lpips_metric.load(wanted.lpips, folder), device)
        if perceptual:
            self.each[f"lpips_{wanted.lpips}"] = perceptual
        if wanted.top1:
            name = f"top1_{wanted.top1.net}"
            classify = self._found(name, *feature_networks.load_classifier(wanted.top1.net, folder), device)
            if not any(labels):
                self.missing[name] = f"{MISSING}: the test pictures have no labels"
            elif classify:
                path = Path(wanted.top1.classes)
                classes = feature_networks.read_classes(path)
                self._own = feature_networks.indices(labels, classes, path).numpy()
                self.each |= {
                    name: lambda rgb, _: classify(rgb),
                    f"true_{name}": lambda _, rgb: classify(rgb),
                }
        for figure in (f"{kind}_{getattr(wanted, kind)}" for kind in ("fid", "kid") if getattr(wanted, kind)):
            net = figure.partition("_")[2]
            network = self._found(figure, *feature_networks.load(net, folder), device)
            if network:
                self._features[net] = network, []

    def passing(self, answers: Answers) -> Iterator[tuple[Batch, Tensor]]:
        """Hand answers on, and keep the features of their pictures, for the figures of whole sets."""
        for batch, lab in answers:
            rgb, truth = pictures(batch, lab) if self._features else (None, None)
            for network, seen in self._features.values():
                seen.append((network(rgb).cpu(), network(truth).cpu()))
            yield batch, lab

    def of_set(self, photographs: Sequence[Hashable]) -> dict[str, float]:
        """The figures of all pictures that passed, six digits, KID with the ends of its interval.

        photographs: of each picture, which for the interval are left out one at a time; two have none.
        """
        figures = {}
        for net, (_, seen) in self._features.items():
            both = [torch.cat(features) for features in zip(*seen, strict=True)]
            if self._wanted.fid == net:
                figures[f"fid_{net}"] = _rounded(set_metrics.frechet_distance(*both))
            if self._wanted.kid == net:
                # Pairs within a photograph are left out, its own truth among them: of one, none are left.
                if len(set(photographs)) < 2:
                    self.missing[f"kid_{net}"] = f"{MISSING}: it compares photographs, and there is one"
                    continue
                figures[f"kid_{net}"] = _rounded(set_metrics.kernel_distance(*both, photographs))
                if len(set(photographs)) > 2:
                    bounds = set_metrics.kernel_distance_interval(*both, photographs)
                    figures |= zip((f"kid_{net}_low", f"kid_{net}_high"), map(_rounded, bounds), strict=True)
        return figures

    def right(self, rows: pd.DataFrame) -> pd.DataFrame:
        """The rows, with 100 in place of a class that is a picture's own, by its label, and 0 of another."""
        columns = [name for name in rows if name.startswith(("top1_", "true_top1_"))]
        return rows.assign(**{name: 100 * (rows[name] == self._own).astype(int) for name in columns})

    def _found(self, figure: str, network: nn.Module | None, missing: str, device: Any) -> Callable | None:
        if network is None:
            self.missing[figure] = missing
            return None
        return network.to(device)


def _rounded(value: float) -> float:
    return float(f"{value:.6g}")
