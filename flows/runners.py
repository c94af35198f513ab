"""Who scans the files and writes the items of a plant's shifts: `runner` of [operation].

No result depends on it. Dask is imported where it is asked for, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from qc.errors import ConfigError, Where
from qc.plant import Plant
from qc.storage.workers import Workers, in_processes, in_threads

EXTRA = ("distributed", "prefect_dask")  # what shiftmix[dask] installs


@contextmanager
def workers_of(plant: Plant) -> Iterator[Workers]:
    """The plant's workers, for as many shifts as are inspected inside.

    Raises
    ------
    ConfigError
        If its runner is Dask, which is not installed.
    RunnerError
        If they cannot be started or reached.
    """
    operation = plant.operation
    if operation.runner == "dask":
        _judge_extra(plant)
        from flows.on_dask import on_dask

        with on_dask(plant) as workers:
            yield workers
        return
    begin = in_processes if operation.runner == "processes" else in_threads
    with begin(operation.workers) as workers:
        yield workers


def _judge_extra(plant: Plant) -> None:
    missing = [name for name in EXTRA if find_spec(name) is None]
    if missing:
        raise ConfigError(
            f'operation.runner: "dask" needs {" and ".join(missing)}, which is not installed',
            Where(path=plant.source),
            'Install shiftmix[dask], or set runner = "threads"',
        )
