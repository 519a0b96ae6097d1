"""What every Tintype program promises: exit statuses, and what goes to stderr with them."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# As it is for most people; with PYTHONUNBUFFERED nothing would be left to write at exit.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}


def program(body: str) -> list[str]:
    lines = "\n    ".join(body.splitlines())
    head = "import sys, time\nfrom pathlib import Path\nfrom tintype.console import Failure, UserError, run"
    return [sys.executable, "-c", f"{head}\ndef main():\n    {lines}\nrun(main)"]


def run(body: str, **options) -> subprocess.CompletedProcess:
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "timeout": 30} | options
    return subprocess.run(program(body), cwd=ROOT, env=ENVIRONMENT, text=True, **options)


def test_a_program_that_returns_exits_with_0():
    done = run("print('done')")
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")


def test_a_users_mistake_exits_with_2_and_its_message_alone():
    done = run("raise UserError('a.yaml: found 3, allowed: 4')")
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "error: a.yaml: found 3, allowed: 4\n")


def test_work_that_failed_exits_with_1_and_its_message_alone():
    done = run("raise Failure('training diverged at step 7: loss nan')")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "error: training diverged at step 7: loss nan\n"


def test_a_mistake_of_ours_exits_with_1_and_its_traceback():
    done = run("raise ValueError('oh')")
    assert done.returncode == 1
    assert done.stderr.startswith("Traceback") and done.stderr.endswith("ValueError: oh\n")


def test_a_status_that_the_program_chooses_is_kept():
    assert run("sys.exit(3)").returncode == 3


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_program_that_is_stopped_clears_up_and_exits_with_130(tmp_path, number):
    body = f"""from tintype.files import new_folder
with new_folder(Path({str(tmp_path / "out")!r})) as folder:
    (folder / "half").write_text("")
    print("ready", flush=True)
    time.sleep(60)"""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(program(body), cwd=ROOT, env=ENVIRONMENT, **pipes) as process:
        assert process.stdout.readline() == "ready\n"
        assert any(tmp_path.iterdir())
        process.send_signal(number)
        _, stderr = process.communicate(timeout=30)
    assert (process.returncode, stderr) == (130, "stopped\n")
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("lines", [1, 100_000])
def test_a_reader_that_went_away_is_no_accident(lines):
    # One line is written only at exit, many are while the program runs.
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = run(f"for _ in range({lines}): print('a line')", stdout=writing)
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (1, "")
