"""Attributes that a picture's colours depend on, such as its hair colour, as text and as one-hot vectors.

A condition is written `hair=red shirt=blue`: attributes in alphabetical order, one space between them. Where
the colours depend on nothing but the picture, it is empty.
"""

from collections.abc import Iterable, Mapping
from typing import Self

import numpy as np

from tintype.console import UserError


def write(attributes: Mapping[str, str]) -> str:
    """Attributes and their values as one line of text, which `read` reads back.

    Raises UserError for a name or value that is empty, or holds white space or "=".
    """
    for name, value in attributes.items():
        for word in (name, value):
            if "=" in word or word.split() != [word]:
                raise UserError(
                    f"{name}={value}: {word!r} must be one word without '='; write light-red, not light red"
                )
    return " ".join(f"{name}={attributes[name]}" for name in sorted(attributes))


def read(condition: str) -> dict[str, str]:
    """The attributes of a condition and their values.

    Raises UserError for anything else than `name=value` words with different names.
    """
    attributes = {}
    for word in condition.split():
        name, equals, value = word.partition("=")
        if not (name and equals and value) or "=" in value:
            raise UserError(f"condition {condition!r}: {word!r} is not name=value, such as hair=red")
        if name in attributes:
            raise UserError(f"condition {condition!r}: {name} stands there twice; give it one value")
        attributes[name] = value
    return attributes


class Vocabulary:
    """All attributes and values that occur in a set of conditions: what a one-hot vector has room for.

    table: attribute -> its values, all sorted. `Vocabulary(table)` of one that was kept as JSON is the same.
    size: length of the vectors, the number of values of all attributes.
    """

    def __init__(self, table: dict[str, list[str]]) -> None:
        self.table = {name: sorted(table[name]) for name in sorted(table)}
        self.size = sum(len(values) for values in self.table.values())

    @classmethod
    def of(cls, conditions: Iterable[str]) -> Self:
        """The vocabulary of these conditions, in whatever order and however often they come."""
        values: dict[str, set[str]] = {}
        for condition in set(conditions):
            for name, value in read(condition).items():
                values.setdefault(name, set()).add(value)
        return cls({name: list(some) for name, some in values.items()})

    def one_hot(self, condition: str | Mapping[str, str]) -> np.ndarray:
        """A condition as uint8 (size,): for each attribute in turn a 1 at its value, 0 elsewhere.

        Raises UserError unless the condition gives each attribute of the table, and no other, a value that
        the table has: so an empty one suits an empty table only.
        """
        given = read(condition) if isinstance(condition, str) else condition
        for name in given:
            if name not in self.table:
                allowed = ", ".join(self.table) or "none: these colours depend on the picture alone"
                raise UserError(f"{name}: no attribute of these pictures; allowed: {allowed}")
        parts = []
        for name, values in self.table.items():
            if given.get(name) not in values:
                found = f"found {given[name]!r}" if name in given else "missing"
                raise UserError(f"{name}: {found}, allowed: {', '.join(values)}")
            parts.append(np.array(values) == given[name])
        return np.concatenate(parts).astype(np.uint8) if parts else np.zeros(0, np.uint8)
