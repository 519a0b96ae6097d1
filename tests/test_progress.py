"""Promises of tintype.progress: a bar on a terminal, whole lines elsewhere."""

import io
import sys

import pytest

from tintype.progress import progress


@pytest.fixture
def clock(monkeypatch):
    """tqdm's clock, in seconds, which stands still unless a test moves it."""
    now = [1000.0]
    monkeypatch.setattr("tqdm.std.time", lambda: now[0])
    monkeypatch.setattr("tqdm.tqdm.monitor_interval", 0)
    return now


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_log_gets_whole_lines_about_ten_seconds_apart_and_a_last_one(clock, capsys):
    for _ in progress(range(50), "train gan", "steps"):
        clock[0] += 0.5
    err = capsys.readouterr().err
    assert "\r" not in err
    assert err.splitlines() == [
        "train gan: 20/50 steps [00:10<00:15,  2.00 steps/s]",
        "train gan: 40/50 steps [00:20<00:05,  2.00 steps/s]",
        "train gan: 50/50 steps [00:25<00:00,  2.00 steps/s]",
    ]


def test_a_short_job_gets_one_line_with_count_and_rate(clock, capsys):
    for _ in progress(range(6), "evaluate cnn", "pictures"):
        clock[0] += 0.5
    assert capsys.readouterr().err == "evaluate cnn: 6/6 pictures [00:03<00:00,  2.00 pictures/s]\n"


def test_an_iterator_without_length_is_counted_without_remaining_time(clock, capsys):
    for _ in progress(iter_without_length(6), "decode", "pictures"):
        clock[0] += 0.5
    assert capsys.readouterr().err == "decode: 6 pictures [00:03,  2.00 pictures/s]\n"


def test_a_given_total_stands_in_for_the_length(clock, capsys):
    for _ in progress(iter_without_length(6), "decode", "pictures", total=6):
        clock[0] += 0.5
    assert capsys.readouterr().err == "decode: 6/6 pictures [00:03<00:00,  2.00 pictures/s]\n"


def test_without_an_iterable_what_is_done_is_counted_as_it_is_told(clock, capsys):
    with progress(None, "train gan", "steps", total=50) as bar:
        for _ in range(50):
            clock[0] += 0.5
            bar.update()
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(" [")[0] for line in lines] == [f"train gan: {done}/50 steps" for done in (20, 40, 50)]


def test_a_message_goes_along_with_the_count(clock, capsys):
    bar = progress(range(6), "train gan", "steps")
    for step in bar:
        clock[0] += 0.5
        bar.set_postfix_str(f"loss {step:.2f}", refresh=False)
    assert "2.00 steps/s, loss 5.00]\n" in capsys.readouterr().err


def test_a_loop_that_raises_leaves_a_line_that_says_how_far_it_came(clock, capsys):
    bar = progress(range(6), "decode", "pictures")
    with pytest.raises(ValueError), bar:
        for number in bar:
            clock[0] += 0.5
            if number == 3:
                raise ValueError("broken picture")
    assert capsys.readouterr().err.startswith("decode: 3/6 pictures")


def test_a_job_inside_a_job_moves_no_cursor(clock, capsys):
    for _ in progress(range(2), "outer", "models"):
        for _ in progress(range(2), "inner", "pictures"):
            clock[0] += 1
    lines = capsys.readouterr().err.splitlines()
    assert [line[:11] for line in lines] == ["inner: 2/2 ", "inner: 2/2 ", "outer: 2/2 "]


def test_a_terminal_gets_a_bar_that_is_redrawn(clock, monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    for _ in progress(range(4), "train gan", "steps"):
        clock[0] += 0.5
    drawn = sys.stderr.getvalue().split("\r")
    assert drawn[1].startswith("train gan:   0%|")
    assert drawn[-1].startswith("train gan: 100%|")
    assert drawn[-1].rstrip().endswith("4/4 steps [00:02<00:00,  2.00 steps/s]")


def test_every_item_comes_through_in_order():
    assert list(progress("abc", "spell", "letters")) == ["a", "b", "c"]


def iter_without_length(count: int):
    yield from range(count)
