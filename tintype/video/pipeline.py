"""Work in a line of threads, each a little ahead of the next, and no more."""

import threading
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")


class _Channel:
    """A queue of at most `room` items between two threads, which either may end."""

    def __init__(self, room: int) -> None:
        self.items: deque = deque()
        self.room, self.ended, self.abandoned = room, False, False
        self.error: BaseException | None = None
        self.changed = threading.Condition()

    def put(self, item: object) -> bool:
        """Wait for room and leave an item there; False where nobody wants more."""
        with self.changed:
            self.changed.wait_for(lambda: self.abandoned or len(self.items) < self.room)
            if not self.abandoned:
                self.items.append(item)
                self.changed.notify_all()
            return not self.abandoned

    def end(self, error: BaseException | None) -> None:
        with self.changed:
            self.ended, self.error = True, error
            self.changed.notify_all()

    def abandon(self) -> None:
        with self.changed:
            self.abandoned = True
            self.items.clear()
            self.changed.notify_all()

    def __iter__(self) -> Iterator:
        while True:
            with self.changed:
                self.changed.wait_for(lambda: self.items or self.ended)
                if not self.items:
                    if self.error is not None:
                        raise self.error
                    return
                item = self.items.popleft()
                self.changed.notify_all()
            yield item


@contextmanager
def closed(items: Iterable[T]) -> Iterator[Iterator[T]]:
    """The items, whose iterator is closed at the end, also where what went wrong still holds on to it."""
    iterator = iter(items)
    try:
        yield iterator
    finally:
        if hasattr(iterator, "close"):
            iterator.close()


def ahead(items: Iterable[T], room: int, name: str) -> Iterator[T]:
    """The same items, made by a thread that is at most `room` of them, and the one in its hands, ahead.

    What goes wrong in the thread is raised here, after the items before it. When the iterator is closed, or
    whoever uses it fails, the thread ends, and `items`, where they are a generator, are closed in it.
    """
    channel = _Channel(room)

    def work() -> None:
        error = None
        try:
            with closed(items) as source:
                for item in source:
                    if not channel.put(item):
                        break
        except BaseException as raised:  # noqa: BLE001 - raised again where it is seen
            error = raised
        channel.end(error)

    thread = threading.Thread(target=work, name=name, daemon=True)
    thread.start()
    try:
        yield from channel
    finally:
        channel.abandon()
        thread.join()
