"""What working in parallel promises: the same bytes from any workers, errors that arrive, a clean stop."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import dask
import numpy as np
import pytest
from distributed import Client, LocalCluster
from PIL import Image
from ruamel.yaml import YAML

from stages import prepare
from tintype.console import UserError
from tintype.jobs import workers
from tintype.sources import manifest, places

ROOT = Path(__file__).parents[1]
COMMON = {
    "input": {"training": "lab", "test": "lab"},
    "filters": {"min_side": 20, "min_chroma": 1.0, "near_duplicates": 4},
    "side": 16,
}
CHANGES = {"copies": 1, "flip": True, "scale": [0.5, 2.0], "rotation": 20.0, "exposure": 0.3}
REGIONS = {"cell": 48, "val": 0.15, "test": 0.2, "margin": 2}
LAYOUTS = {
    "tiles": COMMON | {"layout": "tiles", "stride": 16, "split": REGIONS, "augment": CHANGES},
    "squares": COMMON
    | {"layout": "squares", "fit": "crop", "split": {"val": 0.2, "test": 0.2, "conditions": 0.0}},
}
DASK = pytest.param("dask", marks=pytest.mark.slow)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory) -> Iterator[LocalCluster]:
    """A cluster whose processes work in another folder than the project's, as those of other machines do."""
    with contextlib.chdir(tmp_path_factory.mktemp("elsewhere")):
        cluster = LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0")
    with cluster:
        yield cluster


@pytest.fixture(params=["loky", "dask", "cluster"])
def backend(request) -> Iterator[str]:
    """Each way to work, as `runtime.job_backend` names it."""
    if request.param != "cluster":
        yield request.param
        return
    address = request.getfixturevalue("cluster").scheduler_address
    with dask.config.set({"scheduler-address": address}):
        yield "dask"


@pytest.fixture(scope="module")
def raw(tmp_path_factory) -> Path:
    return gather(tmp_path_factory.mktemp("pictures") / "raw")


@pytest.fixture(scope="module")
def expected(raw, tmp_path_factory) -> dict[str, dict[str, bytes]]:
    """Layout -> the files that a single process writes."""
    folder = tmp_path_factory.mktemp("alone")
    return {layout: contents(run(raw, folder / layout, layout)) for layout in LAYOUTS}


def gather(raw: Path, **about: str) -> Path:
    """A folder as the download stage leaves it: 12 photographs, some of them alike, the same, or grey."""
    raw.mkdir()
    rows = []
    for number in range(12):
        coarse = np.random.default_rng(number // 3).integers(0, 256, (12, 16, 3), dtype=np.uint8)
        image = Image.fromarray(coarse).resize((160, 120)).convert("L" if number == 7 else "RGB")
        name = f"{number:02d}.png"
        image.save(raw / name, compress_level=1 + number % 2)
        row = {"path": name, "source": "", "licence": "", "group": name} | about
        rows.append(manifest.Picture(**row, **manifest.about((raw / name).read_bytes())))
    manifest.write(raw, rows)
    return raw


def arguments(raw: Path, out: Path, layout: str, backend: str = "loky", jobs: int = 1) -> list[str]:
    tree = YAML(typ="safe").load(ROOT / "params.yaml")
    tree["prepare"]["photos"] = LAYOUTS[layout]
    tree["prepare"]["shared"] = {"max_pixels": 1_000_000, "pictures_per_shard": 1}
    tree["runtime"] |= {"jobs": jobs, "job_backend": backend}
    tree["generator"] |= {"depth": 4, "output_stride": 1}
    params = out.parent / f"{out.name}.yaml"
    params.write_text(json.dumps(tree))  # JSON is YAML too
    return ["--set", "photos", "--raw", str(raw), "--out", str(out), "--params", str(params)]


def run(raw: Path, out: Path, *settings) -> Path:
    prepare.main(arguments(raw, out, *settings))
    return out


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def processes(address: str) -> set[int]:
    with Client(address) as client:
        return set(client.run(os.getpid).values())


def test_results_come_in_the_order_of_the_tasks(backend):
    with workers(backend, 2) as mapped:
        tasks = ((number, 7) for number in range(50))
        assert list(mapped(divmod, tasks)) == [divmod(number, 7) for number in range(50)]
        assert list(mapped(divmod, [])) == []


def test_tasks_are_made_as_they_are_needed(backend):
    made = []

    def endless() -> Iterator[tuple[float]]:
        for number in count():
            made.append(number)
            yield (0.01,)

    with workers(backend, 2) as mapped, warnings.catch_warnings(action="ignore"):
        results = mapped(time.sleep, endless())
        assert [next(results) for _ in range(3)] == [None] * 3
        results.close()  # which warns of results that nobody asked for
    assert len(made) < 1000


def test_work_goes_to_the_cluster_that_the_environment_names(cluster):
    program = "from tintype.jobs import workers; import os\n"
    program += "with workers('dask', 1) as mapped: print(*mapped(os.getpid, [()] * 20))"
    environment = os.environ | {"DASK_SCHEDULER_ADDRESS": cluster.scheduler_address}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert {int(number) for number in done.stdout.split()} <= processes(cluster.scheduler_address)


def test_without_a_cluster_dask_works_in_processes_of_its_own(cluster):
    # Beside another cluster, and nothing to warn of.
    with warnings.catch_warnings(action="error"), workers("dask", 2) as mapped:
        found = set(mapped(os.getpid, [()] * 50))
    assert len(found) <= 2 and found.isdisjoint(processes(cluster.scheduler_address) | {os.getpid()})
    for number in found:
        with pytest.raises(ProcessLookupError):
            os.kill(number, 0)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("backend", ["loky", "cluster", DASK], indirect=True)
def test_any_workers_write_the_same_bytes(backend, raw, expected, tmp_path, layout):
    assert contents(run(raw, tmp_path / "out", layout, backend, 2)) == expected[layout]


@pytest.mark.parametrize("backend", ["loky", "cluster", DASK], indirect=True)
def test_paths_may_start_at_the_current_folder_wherever_workers_are(
    backend, raw, expected, tmp_path, monkeypatch
):
    rows = [row._replace(place="pictures") for row in manifest.read(raw)]
    (tmp_path / "raw").mkdir()
    manifest.write(tmp_path / "raw", rows)
    (tmp_path / "pictures").symlink_to(raw)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    assert contents(run(Path("raw"), Path("out"), "squares", backend, 2)) == expected["squares"]


@pytest.mark.parametrize("backend", ["loky", "cluster", DASK], indirect=True)
@pytest.mark.filterwarnings("ignore:.*tasks")  # whose results nobody asked for
def test_stopped_between_two_shards_it_leaves_the_old_output_and_nothing_else(
    backend, raw, expected, tmp_path, monkeypatch
):
    def stopped(done: Iterator, *about, **more) -> Iterator:
        yield next(done)
        raise KeyboardInterrupt

    out = run(raw, tmp_path / "out", "squares")
    monkeypatch.setattr(prepare, "progress", stopped)
    with pytest.raises(KeyboardInterrupt):
        run(raw, out, "tiles", backend, 2)
    assert contents(out) == expected["squares"]
    assert {path.name for path in tmp_path.iterdir()} == {"out", "out.yaml"}


@pytest.mark.parametrize("backend", ["loky", DASK], indirect=True)
@pytest.mark.filterwarnings("ignore:.*tasks")  # whose results nobody asked for
def test_no_task_writes_on_after_a_block_that_is_left_early(backend, tmp_path):
    def write(number: int) -> None:
        for part in range(20):
            (tmp_path / f"{number} {part}").touch()
            time.sleep(0.05)

    with pytest.raises(KeyboardInterrupt), workers(backend, 2) as mapped:
        results = mapped(write, ((number,) for number in range(20)))
        while not any(tmp_path.iterdir()):
            time.sleep(0.01)
        raise KeyboardInterrupt
    left = set(tmp_path.iterdir())
    time.sleep(0.5)
    assert set(tmp_path.iterdir()) == left
    assert list(results) == []  # which is kept until here: one that nobody keeps would end by itself


def test_an_error_in_a_worker_arrives_as_it_is(backend, tmp_path):
    with workers(backend, 2) as mapped:
        with pytest.raises(ValueError, match=r"literal for int.*'x'"):
            list(mapped(int, [("1",), ("x",), ("3",)]))
        with pytest.raises(UserError, match=r"gone: not there, though .* names it"):
            list(mapped(places.find, [(tmp_path, ""), (tmp_path, str(tmp_path / "gone"))]))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "backend", "shards"),
    [
        (signal.SIGINT, "loky", 0),
        (signal.SIGINT, "loky", 5),
        (signal.SIGINT, "dask", 2),
        (signal.SIGKILL, "loky", 5),
        (signal.SIGKILL, "dask", 2),
    ],
)
def test_a_program_killed_at_any_moment_leaves_the_old_output_and_can_run_again(
    raw, expected, tmp_path, number, backend, shards
):
    out = run(raw, tmp_path / "out", "squares")
    command = [sys.executable, "-m", "stages.prepare", *arguments(raw, out, "tiles", backend, 2)]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, cwd=ROOT, start_new_session=True, **quiet) as process:
        while len(list(tmp_path.glob(".unfinished-*/*.bin"))) < shards or not unfinished(tmp_path):
            assert process.poll() is None
            time.sleep(0.005)
        os.killpg(process.pid, number)  # as a terminal does it, or a machine that runs out of memory
        process.wait(timeout=60)
    assert process.returncode == (130 if number == signal.SIGINT else -number)
    assert contents(out) == expected["squares"]
    assert number == signal.SIGKILL or not unfinished(tmp_path)
    assert contents(run(raw, out, "tiles")) == expected["tiles"]
    assert not unfinished(tmp_path)


def unfinished(folder: Path) -> list[Path]:
    return list(folder.glob(".unfinished-*"))
