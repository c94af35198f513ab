"""What Prefect is told of lines: tasks and their groups, what is tried again, and no server."""

from __future__ import annotations

import errno
import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import httpx
import pytest
from prefect.exceptions import PrefectHTTPStatusError
from prefect.logging import disable_run_logger
from prefect.states import Failed

import flows.shown
import flows.tasks
from flows.backfill import backfill, catch_up
from flows.inspect_shift import inspect_shift
from flows.render_reports import render_reports
from flows.shown import Progress, Telling, slug
from flows.tasks import as_tasks, groups_of, inspect_lines, is_trouble_of_the_disk, name_of, named
from qc.errors import ReadingsError, StorageError


@pytest.fixture(autouse=True)
def _without_a_run() -> Iterator[None]:
    with disable_run_logger():
        yield


def caused_by(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.fault("K5")
@pytest.mark.parametrize(
    ("error", "again"),
    [
        (OSError(errno.EIO, "the drive went away"), True),
        (TimeoutError(), True),
        (caused_by(StorageError("cannot write"), OSError(errno.ENOSPC, "no space")), True),
        (FileNotFoundError(), False),
        (PermissionError(), False),
        (ReadingsError("the column holds text"), False),
        (ZeroDivisionError(), False),
    ],
)
def test_only_trouble_of_the_disk_is_tried_again(error: Exception, again: bool) -> None:
    run: Any = None
    assert is_trouble_of_the_disk(None, run, Failed(data=error)) is again


@pytest.mark.parametrize(
    ("names", "key"),
    [
        (("Springfield", "early"), "springfield-early"),
        (("Hidalgo issue of 1872", "issue"), "hidalgo-issue-of-1872-issue"),
        (("Köln_2", "L.1"), "k-ln-2-l-1"),
        (("工厂", "early"), "early"),
    ],
)
def test_keys_are_what_prefect_accepts(names: tuple[str, ...], key: str) -> None:
    assert slug(*names) == key


# Groups


def lines(n: int) -> list[str]:
    return [f"L{k:04}" for k in range(n)]


@pytest.mark.parametrize(
    ("n", "tasks", "largest"), [(1, 1, 1), (200, 200, 1), (201, 23, 9), (500, 25, 20), (7, 7, 1)]
)
def test_many_lines_share_tasks(n: int, tasks: int, largest: int) -> None:
    groups = groups_of(lines(n))
    assert (len(groups), max(map(len, groups))) == (tasks, largest)
    assert [line for group in groups for line in group] == lines(n)


def test_a_task_is_named_by_its_lines() -> None:
    assert name_of(["A"]) == "line A"
    assert name_of(lines(20)) == "lines L0000 to L0019"


def test_a_message_names_some_lines_and_counts_the_others() -> None:
    assert named(["A", "B"]) == "A, B"
    assert named(lines(5), 3) == "L0000, L0001, L0002 and 2 more"


# Without a flow run: the body of a task, and what becomes of lines that no task did


class Lines:
    """A line step that counts its calls, and fails as often as it is told to."""

    def __init__(self, **failing: tuple[Exception, int]) -> None:
        self.failing = failing
        self.calls: list[str] = []

    def __call__(self, line: str) -> str:
        self.calls.append(line)
        error, times = self.failing.get(line, (None, 0))
        if error is not None and self.calls.count(line) <= times:
            raise error
        return f"line {line}: ok"


def gone_through(
    step: Callable[[str], str], group: Sequence[str], times: int = 1
) -> tuple[Any, dict[str, str | Exception]]:
    outcomes: dict[str, str | Exception] = {}
    for _ in range(times):
        state = flows.tasks._go_through(step, group, outcomes)
    return state, outcomes


def test_a_line_in_error_stops_no_other_of_its_group_and_is_named() -> None:
    bad = ReadingsError("the file is cut short")
    state, outcomes = gone_through(Lines(B=(bad, 9)), ["A", "B", "C"])
    assert outcomes == {"A": "line A: ok", "B": bad, "C": "line C: ok"}
    assert state.is_failed()
    assert state.message == "Lines in error: B"
    assert not is_trouble_of_the_disk(None, Any, state)


def test_another_try_does_only_what_may_turn_out_better() -> None:
    away = OSError(errno.EIO, "the drive went away")
    step = Lines(A=(away, 1), B=(ReadingsError("cut short"), 9))
    state, _ = gone_through(step, ["A", "B", "C"])
    # The error that is worth a try goes first, or the whole group would stay as it is.
    assert is_trouble_of_the_disk(None, Any, state)
    step = Lines(A=(away, 1), B=(ReadingsError("cut short"), 9))
    state, outcomes = gone_through(step, ["A", "B", "C"], times=2)
    assert step.calls == ["A", "B", "C", "A"]
    assert outcomes["A"] == "line A: ok"
    assert state.message == "Lines in error: B"


def test_a_task_of_one_line_says_what_became_of_it() -> None:
    state, _ = gone_through(Lines(), ["A"])
    assert (state.is_completed(), state.message) == (True, "line A: ok")
    state, _ = gone_through(Lines(), lines(9))
    assert state.message == "9 lines inspected"


@pytest.mark.parametrize("tasks_made", [0, 2])
def test_lines_are_inspected_where_prefect_makes_no_tasks(
    monkeypatch: pytest.MonkeyPatch, tasks_made: int
) -> None:
    class Future:
        pass

    made: list[str] = []

    def submit(name: str, work: Callable[[], Any]) -> Future:
        if len(made) == tasks_made:
            raise httpx.ConnectError("all connection attempts failed")
        made.append(name)
        if name != "line A":  # the server took this task, and never ran it
            work()
        return Future()

    monkeypatch.setattr(flows.tasks.inspect_lines, "submit", submit)
    monkeypatch.setattr(flows.tasks, "wait", lambda futures: None)
    bad = ReadingsError("cut short")
    step = Lines(D=(bad, 9))
    outcomes = as_tasks(step, ["A", "B", "C", "D"])
    assert outcomes == ["line A: ok", "line B: ok", "line C: ok", bad]
    assert sorted(step.calls) == ["A", "B", "C", "D"]


# Telling the server


@pytest.fixture
def warned(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> pytest.LogCaptureFixture:
    monkeypatch.setattr(flows.shown, "get_run_logger", lambda: logging.getLogger("telling"))
    return caplog


def test_a_server_that_is_away_is_warned_of_once_and_not_asked_again(
    warned: pytest.LogCaptureFixture,
) -> None:
    asked = []

    def call() -> None:
        asked.append(1)
        raise httpx.ConnectError("all connection attempts failed")

    tell = Telling()
    tell("the table of lines", call)
    tell("the run's tags", call)
    assert len(asked) == 1
    said = "ConnectError: all connection attempts failed"
    assert warned.messages == [f"the Prefect server did not take the table of lines: {said}"]


def test_what_the_server_does_not_like_keeps_nothing_else_from_it(
    warned: pytest.LogCaptureFixture,
) -> None:
    request = httpx.Request("POST", "http://127.0.0.1/api/artifacts/")
    refused = PrefectHTTPStatusError(
        "422 Unprocessable", request=request, response=httpx.Response(422, request=request)
    )
    told = []

    def call() -> None:
        raise refused

    tell = Telling()
    tell("the short report", call)
    tell("the table of lines", lambda: told.append(1))
    assert told == [1]
    assert len(warned.messages) == 1


def test_a_mistake_of_ours_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError):
        Telling()("the table of lines", lambda: 1 / 0)


def test_progress_is_told_where_it_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[Any, ...]] = []

    def create(share: float, description: str) -> str:
        told.append((share, description))
        return "the artifact"

    def update(artifact: str, share: float, description: str) -> None:
        told.append((artifact, share, description))

    monkeypatch.setattr(flows.shown, "create_progress_artifact", create)
    monkeypatch.setattr(flows.shown, "update_progress_artifact", update)
    progress = Progress(Telling(), 40)
    for done in (0, 0, 10, 10, 40):
        progress.show(done)
    assert told == [
        (0.0, "0 of 40 lines"),
        ("the artifact", 25.0, "10 of 40 lines"),
        ("the artifact", 100.0, "40 of 40 lines"),
    ]


@pytest.mark.fault("K9")
def test_no_result_of_a_run_or_a_task_is_stored_and_none_could_be_a_pickle() -> None:
    for one in (inspect_shift, backfill, catch_up, render_reports, inspect_lines):
        assert one.persist_result is False, one.name
        assert one.result_serializer == "json", one.name
