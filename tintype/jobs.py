"""Where many independent tasks run: processes of this machine, or a Dask cluster, to the same results."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import Any

from joblib import Parallel, delayed, parallel_config


@contextmanager
def workers(backend: str, jobs: int) -> Iterator[Callable[[Callable, Iterable[tuple]], Iterator]]:
    """Yield `map(function, tasks)`: calls function(*task) in workers; gives the results in the tasks' order.

    Tasks are made when a worker is near to take them, so that there may be any number. backend: "loky" for
    `jobs` processes; "dask" for the cluster whose scheduler the environment variable DASK_SCHEDULER_ADDRESS
    names, else for one of `jobs` processes on this machine. After the block, which may be left early, no task
    is begun; processes of this machine have ended theirs, those of a cluster finish what they have begun.
    """
    with ExitStack() as stack:
        jobs = stack.enter_context(_started(backend, jobs))
        yield lambda function, tasks: stack.enter_context(closing(_mapped(function, tasks, jobs)))


@contextmanager
def _started(backend: str, jobs: int) -> Iterator[int]:
    """Have joblib work with a backend; yields the number of jobs to ask it for."""
    if backend == "loky":
        yield jobs
        return
    # Only here: it takes a second, and most runs need none of it.
    import dask
    from distributed import Client

    address = dask.config.get("scheduler-address", None)
    here = {"n_workers": jobs, "threads_per_worker": 1, "dashboard_address": "127.0.0.1:0"}
    with Client(address) if address else Client(**here), parallel_config(backend="dask"):
        yield -1


def _mapped(function: Callable, tasks: Iterable[tuple], jobs: int) -> Iterator[Any]:
    return Parallel(n_jobs=jobs, return_as="generator")(delayed(function)(*task) for task in tasks)
