"""When to stop, by measurement: a figure of the validation split that no longer falls."""

import math
from typing import Any


class Stopping:
    """Watches a figure that should fall; `over` once it has set no new low for `patience` validations.

    patience: None never stops. Attributes: `best`, the lowest figure, and `best_step`.
    """

    def __init__(self, patience: int | None) -> None:
        self.patience = patience
        self.best, self.best_step, self._waited = math.inf, 0, 0

    def update(self, step: int, figure: float) -> bool:
        """Take in the figure of a step; whether it is the best so far."""
        if figure < self.best:
            self.best, self.best_step, self._waited = figure, step, 0
            return True
        self._waited += 1
        return False

    @property
    def over(self) -> bool:
        return self.patience is not None and self._waited >= self.patience

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best, "best_step": self.best_step, "waited": self._waited}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.best, self.best_step, self._waited = state["best"], state["best_step"], state["waited"]
