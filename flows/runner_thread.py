"""Prefect's runner, which starts the runs that are due, in a thread of its own.

In a thread, since it would take the signals of the main one. It gives up a server that is away for
some minutes, so it is begun anew until it is stopped.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import CancelledError
from contextlib import suppress
from uuid import UUID

import httpx
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterId,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import State, StateType
from prefect.exceptions import PrefectHTTPStatusError
from prefect.runner import Runner
from prefect.settings import PREFECT_API_URL, PREFECT_UI_URL
from prefect.states import Scheduled

from flows.automations import ensure_automations
from flows.catching_up import start_catch_up
from flows.deployments import deployments_of, remove_old_schedules
from qc.errors import ShiftmixError
from qc.plant import Plant
from qc.wording import plural

AGAIN = 5.0  # seconds before a server that is away is tried again
CANCEL_LIMIT = 10.0  # seconds in which runs that are under way are told to the server as cancelled
PUT_BACK_LIMIT = 5.0  # seconds in which runs that were not begun are scheduled again
STOP_LIMIT = 10.0  # seconds more until the processes of these runs must be gone


def reachable() -> str:
    """Ask the Prefect server of this process whether it is there; returns its UI's address.

    Raises
    ------
    ShiftmixError
        If it does not answer, or refuses.
    """
    with get_client(sync_client=True) as client:
        trouble = client.api_healthcheck()
    if trouble is not None:
        raise _not_there(trouble)
    return str(PREFECT_UI_URL.value())


class RunnerThread:
    """Registers a plant's deployments, and runs what Prefect schedules of them."""

    def __init__(self, plant: Plant, notify_url: str = "") -> None:
        self._plant = plant
        self._notify_url = notify_url
        self._thread = threading.Thread(target=self._go, name="runner", daemon=True)
        self._registered = threading.Event()
        self._stopping = threading.Event()
        self._error: Exception | None = None
        self._away = False  # the server, as far as it was told
        self._loop: asyncio.AbstractEventLoop | None = None
        self._runner: Runner | None = None
        self._deployments: list[UUID] = []
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin; returns once the deployments are registered (ShiftmixError if they cannot be)."""
        self._thread.start()
        self._registered.wait()
        if isinstance(self._error, httpx.HTTPError | PrefectHTTPStatusError):
            raise _not_there(self._error) from self._error
        if self._error is not None:
            raise self._error

    def stop(self) -> None:
        """End the runs that are under way, tell the server, and end."""
        self._stopping.set()
        loop = self._loop
        if loop is not None and loop.is_running():
            ended = asyncio.run_coroutine_threadsafe(self._end(), loop)
            # The loop may end by itself first.
            with suppress(TimeoutError, CancelledError, RuntimeError):
                ended.result(CANCEL_LIMIT + STOP_LIMIT)
        if self._thread.ident is not None:
            self._thread.join(STOP_LIMIT)

    def _go(self) -> None:
        while not self._stopping.is_set():
            try:
                asyncio.run(self._serve())
            except asyncio.CancelledError:
                pass
            except Exception as error:
                if not self._registered.is_set():
                    self._error = error
                    self._registered.set()
                    return
                if not self._away and not self._stopping.is_set():
                    _say(f"runs are not started now, and it is tried again: {_first(error)}")
                self._away = True
            self._stopping.wait(AGAIN)
        with suppress(Exception):  # done at the next start, where the server is away now
            asyncio.run(asyncio.wait_for(put_back(self._deployments), PUT_BACK_LIMIT))

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        runner = Runner(
            name="shiftmix",
            limit=self._plant.operation.runs_at_once,
            # Shifts go on while nobody serves: they are scheduled, and run late.
            pause_on_shutdown=False,
        )
        await asyncio.to_thread(remove_old_schedules, self._plant)
        self._deployments = [
            await runner.aadd_deployment(deployment) for deployment in deployments_of(self._plant)
        ]
        await put_back(self._deployments)
        await asyncio.to_thread(ensure_automations, self._plant, self._notify_url)
        # What was under way when a server went away for long was ended with the runner.
        missed = await asyncio.to_thread(start_catch_up, self._plant)
        if missed:
            _say(f"{plural(missed, 'missed shift')}: inspected now, oldest first")
        self._runner = runner
        self._task = asyncio.create_task(runner.start())
        if self._away:
            _say("runs are started again")
            self._away = False
        self._registered.set()
        await self._task

    async def _end(self) -> None:
        """Cancel runs as Prefect does it, or end their processes if its server is away."""
        if self._runner is not None and self._runner.started:
            try:
                await asyncio.wait_for(self._runner.astop(), CANCEL_LIMIT)
            except Exception as error:
                _say(f"runs under way could not be told as cancelled: {error!r}")
        # Prefect's watch over cancellations takes its own end for an error, with a long trace.
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        if self._task is not None:
            self._task.cancel()


async def put_back(deployments: Sequence[UUID]) -> None:
    """Schedule again, for when they were due, runs that somebody took and never began.

    A runner that ends between the two leaves them so for ever, each in a place of those that may
    run side by side.
    """
    taken = FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.PENDING]))
    ours = DeploymentFilter(id=DeploymentFilterId(any_=list(deployments)))
    async with get_client() as client:
        for run in await client.read_flow_runs(
            flow_run_filter=FlowRunFilter(state=taken), deployment_filter=ours
        ):
            again: State[None] = Scheduled(scheduled_time=run.expected_start_time)
            await client.set_flow_run_state(run.id, again, force=True)


def _not_there(trouble: Exception) -> ShiftmixError:
    said = str(trouble).split("\n", 1)[0] or type(trouble).__name__
    return ShiftmixError(
        f"the Prefect server at {PREFECT_API_URL.value()} cannot be used: {said}",
        remedy="Start it; or give its user:password in PREFECT_API_AUTH_STRING; or unset "
        "PREFECT_API_URL, and one is started here",
    )


def _first(error: BaseException) -> BaseException:
    """What went wrong, out of the groups in which tasks wrap it."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _say(text: str) -> None:
    print(f"shiftmix: {text}", file=sys.stderr, flush=True)
