"""How far a long job is, on stderr: a bar for a person at a terminal, a few whole lines for a log file."""

import operator
import sys
from collections.abc import Iterable
from typing import TextIO

from tqdm import tqdm

SECONDS_BETWEEN_LINES = 10.0


def progress(iterable: Iterable | None, what: str, unit: str, total: int | None = None) -> tqdm:
    """Iterate over `iterable` while stderr shows count, rate and remaining time.

    On a terminal that is a moving bar. Elsewhere (a log file, a continuous-integration run) it is one
    line about every 10 seconds, and a last line with the final count and the mean rate.

    what: the job, e.g. "train gan"; unit: what is counted, in the plural, e.g. "steps";
    total: how many there will be, where `iterable` has no length; without it no remaining time is shown.

    With None for the iterable, each `bar.update()` counts one. The result is a tqdm object, so a message can
    go along with the count:
        bar = progress(range(400), "train gan", "steps")
        for step in bar:
            bar.set_postfix_str(f"loss {loss:.2f}", refresh=False)
    """
    total = total or operator.length_hint(iterable) or None
    if total:
        counts = "{n_fmt}/{total_fmt}{unit} [{elapsed}<{remaining}, {rate_noinv_fmt}{postfix}]"
        bar = "{desc}: {percentage:3.0f}%|{bar}| "
    else:
        counts = "{n_fmt}{unit} [{elapsed}, {rate_noinv_fmt}{postfix}]"
        bar = "{desc}: "
    settings = {"desc": what, "unit": f" {unit}", "total": total}
    if sys.stderr.isatty():
        return tqdm(iterable, file=sys.stderr, bar_format=bar + counts, dynamic_ncols=True, **settings)
    lines = tqdm(
        iterable,
        file=_Lines(sys.stderr),
        bar_format="{desc}: " + counts,
        position=0,  # also inside another one: tqdm would move the cursor up and down
        mininterval=SECONDS_BETWEEN_LINES,
        delay=SECONDS_BETWEEN_LINES,  # no line that says 0
        **settings,
    )
    lines.delay = 0  # tqdm leaves out the last line, too, of what ends within its delay
    return lines


class _Lines:
    """A file for tqdm: each update, which starts with a carriage return, becomes a line of its own."""

    def __init__(self, file: TextIO):
        self.file = file

    def write(self, text: str) -> None:
        line = text.strip()
        if line:
            self.file.write(line + "\n")

    def flush(self) -> None:
        self.file.flush()
