"""The thread with Prefect's runner: begun anew when it gives up, and ended when it is told to."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from flows import runner_thread
from flows.runner_thread import RunnerThread
from qc.errors import ShiftmixError
from qc.plant import Plant


class FakeRunner:
    """Gives up for each reason of `given_up`, then stays; `registers`: what registering meets."""

    given_up: list[str]
    stays: threading.Event
    registers: list[Exception | None]
    made: list[dict[str, Any]]

    def __init__(self, **settings: Any) -> None:
        self.made.append(settings)
        self.started = False

    async def aadd_deployment(self, _deployment: object) -> UUID:
        trouble = self.registers.pop(0) if self.registers else None
        if trouble is not None:
            raise trouble
        return uuid4()

    async def start(self) -> None:
        if self.given_up:
            raise ExceptionGroup("tasks", [RuntimeError(self.given_up.pop(0))])
        self.started = True
        self.stays.set()
        await asyncio.Event().wait()

    async def astop(self) -> None:
        self.started = False


@pytest.fixture
def runner(monkeypatch: pytest.MonkeyPatch) -> type[FakeRunner]:
    kind = type("Runner", (FakeRunner,), {"stays": threading.Event()})
    kind.given_up, kind.registers, kind.made = [], [], []

    async def nothing(_deployments: Sequence[UUID]) -> None:
        pass

    monkeypatch.setattr(runner_thread, "Runner", kind)
    monkeypatch.setattr(runner_thread, "deployments_of", lambda _plant: [object()])
    monkeypatch.setattr(runner_thread, "put_back", nothing)
    monkeypatch.setattr(runner_thread, "remove_old_schedules", lambda _plant: None)
    monkeypatch.setattr(runner_thread, "ensure_automations", lambda _plant, _url: None)
    missed = iter([0, 2])  # at the start, and when the server is there again
    monkeypatch.setattr(runner_thread, "start_catch_up", lambda _plant: next(missed, 0))
    monkeypatch.setattr(runner_thread, "AGAIN", 0.01)
    return kind


def test_a_runner_that_gives_up_is_begun_anew_and_told(
    plant: Plant, runner: type[FakeRunner], capsys: pytest.CaptureFixture[str]
) -> None:
    runner.given_up = ["Service exceeded error threshold.", "still away"]
    runner.registers = [None, httpx.ConnectError("refused")]  # away when it is begun anew
    thread = RunnerThread(plant)
    thread.start()
    assert runner.stays.wait(60)
    thread.stop()
    away = "shiftmix: runs are not started now, and it is tried again: "
    again = "shiftmix: runs are started again"
    assert capsys.readouterr().err.splitlines() == [
        f"{away}Service exceeded error threshold.",
        "shiftmix: 2 missed shifts: inspected now, oldest first",
        again,
        f"{away}still away",
        again,
    ]
    assert len(runner.made) == 4
    assert "runner" not in {each.name for each in threading.enumerate()}
    assert {made["pause_on_shutdown"] for made in runner.made} == {False}
    assert runner.made[0]["limit"] == plant.operation.runs_at_once


def test_a_server_that_does_not_take_the_deployments_ends_the_start(
    plant: Plant, runner: type[FakeRunner]
) -> None:
    runner.registers = [httpx.ConnectError("refused")]
    thread = RunnerThread(plant)
    with pytest.raises(ShiftmixError, match=r"cannot be used: refused\. Start it"):
        thread.start()
    thread.stop()
    assert len(runner.made) == 1
