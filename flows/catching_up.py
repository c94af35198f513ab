"""Missed shifts: those of the calendar that ended, and that nobody published or tried.

What was tried is known from the results themselves: an inspection that ended, however it ended,
leaves the lock of its shift behind. So it is known without a server, and to every process alike.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from qc.plant import Plant, Shift
from qc.storage.attempt import was_tried
from qc.storage.discover import has_readings
from qc.storage.paths import shift_folder
from qc.storage.published import first_published_day, read_pointer

CATCH_UP = "catch-up"  # the flow that runs them; its deployment has the name of all the plant's


def missed_shifts(plant: Plant, now: datetime) -> list[Shift]:
    """The shifts of the last `catch_up_days` that ended and settled, and were missed; oldest first.

    A shift without readings is missed if nobody has tried it: the one try says so, by a state and
    an event. One with readings that is not published is missed, whoever tried it: its files came
    late, or a run was killed. Before the plant's first published shift only readings count, so that
    a plant that begins today is not told of a week that it never recorded.

    Parameters
    ----------
    now : datetime
        Aware.
    """
    today = now.astimezone(ZoneInfo(plant.time_zone)).date()
    settled = now - timedelta(minutes=plant.operation.settle_minutes)
    earliest = now - timedelta(days=plant.operation.catch_up_days)
    began = first_published_day(plant.storage)
    days = [
        today - timedelta(days=back) for back in range(plant.operation.catch_up_days + 2, -1, -1)
    ]
    shifts = [
        shift
        for day in days
        for shift in plant.shifts_of(day)
        if earliest <= shift.end <= settled
        and read_pointer(shift_folder(plant.storage, shift.date, shift.name)) is None
    ]
    return [
        shift
        for shift in shifts
        if has_readings(plant, shift)
        or (began is not None and shift.date >= began and not was_tried(plant, shift))
    ]


def start_catch_up(plant: Plant, deployment_name: str = "") -> int:
    """Have the plant's missed shifts inspected on the server, if there are any.

    One flow run does them all, one after the other: fit windows and trends rest on the shifts
    before, and runs of their own would start side by side. The run looks for itself what is missed
    when it starts, so that two of them do each shift once.

    Parameters
    ----------
    deployment_name : str
        Of any deployment of the plant, with or without the name of its flow; empty for the plant's
        own name.

    Returns
    -------
    int
        How many shifts were missed; no run is made for none.
    """
    from prefect.client.orchestration import get_client

    from flows.deployments import deployment_name as own_name

    missed = missed_shifts(plant, datetime.now(UTC))
    if missed:
        name = deployment_name.rpartition("/")[2] or own_name(plant)
        with get_client(sync_client=True) as client:
            deployment = client.read_deployment_by_name(f"{CATCH_UP}/{name}")
            client.create_flow_run_from_deployment(deployment.id)
    return len(missed)
