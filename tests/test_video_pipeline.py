"""A line of threads: in order, no further ahead than agreed, ended by whatever goes wrong anywhere."""

import threading
from contextlib import closing

import pytest

from tintype.video.pipeline import ahead, closed


def workers() -> set[str]:
    return {thread.name for thread in threading.enumerate() if thread.name.startswith("made-")}


def passing(items):
    with closed(items) as source:
        yield from source


def test_a_stage_that_fails_ends_those_before_it():
    def failing(items):
        with closed(items) as source:
            for item in source:
                raise ValueError(f"found {item}")
                yield

    line = ahead(failing(ahead(iter(range(9)), 1, "made-numbers")), 1, "made-failing")
    with pytest.raises(ValueError, match="found 0"):
        next(line)
    assert not workers()


def test_items_come_in_their_order():
    line = ahead((2 * i for i in ahead(iter(range(100)), 3, "made-first")), 2, "made-second")
    assert list(line) == list(range(0, 200, 2))
    assert not workers()


def test_the_thread_is_no_further_ahead_than_agreed():
    taken, full = [], threading.Semaphore(0)

    def numbers():
        for i in range(100):
            taken.append(i)
            full.release()
            yield i

    with closing(ahead(numbers(), 3, "made-numbers")) as line:
        for wanted in range(20):
            assert next(line) == wanted
            assert len(taken) <= wanted + 1 + 3 + 1  # what was had, what waits, and what is in its hands
        for _ in range(20 + 3 + 1):  # and it does get so far ahead
            assert full.acquire(timeout=60)
    assert not workers()


def test_what_goes_wrong_is_raised_after_what_went_well():
    def failing():
        yield 1
        yield 2
        raise ValueError("no third")

    line = ahead(passing(ahead(failing(), 5, "made-failing")), 5, "made-passing")
    assert [next(line), next(line)] == [1, 2]
    with pytest.raises(ValueError, match="no third"):
        next(line)
    assert not workers()


def test_when_nobody_wants_more_every_thread_ends_and_closes_what_it_reads():
    closed = []

    def endless():
        try:
            while True:
                yield 0
        finally:
            closed.append(threading.current_thread().name)

    line = ahead(passing(ahead(endless(), 1, "made-endless")), 1, "made-passing")
    next(line)
    line.close()
    assert closed == ["made-endless"] and not workers()
