"""Arguments that several commands check alike."""

import argparse
from collections.abc import Callable


def number(kind: type, least: float, most: float) -> Callable[[str], float]:
    """What argparse takes for a type: numbers of a kind (int, float), within limits that its error tells."""

    def read(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            value = None
        if value is None or not least <= value <= most:
            what = "whole numbers" if kind is int else "numbers"
            raise argparse.ArgumentTypeError(f"found {text!r}, allowed: {what} from {least} to {most}")
        return value

    return read
