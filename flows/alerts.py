"""Alarms as Prefect events: what a published shift asks of people, told to those who listen.

An alarm is a finding, and so it is in the report and in the artifacts already; the event is for
whoever wants to be called. It is told once: when a version says it and the one before did not.
Nothing here fails or delays a run for long, whatever becomes of the server.
"""

from __future__ import annotations

import contextvars
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import NAMESPACE_URL, UUID, uuid5

from prefect import get_run_logger
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.context import FlowRunContext
from prefect.events import Event, RelatedResource, Resource
from prefect.events.filters import EventFilter, EventIDFilter
from prefect.settings import PREFECT_API_URL

from flows.links import url_of
from flows.one_shift import ShiftOutcome
from qc.errors import StorageError
from qc.findings import Finding, Severity
from qc.plant import Plant, Shift
from qc.records import LineRecord, ShiftRecord, Verdict
from qc.storage.published import version_named
from qc.wording import plural

SUSPECT = "shiftmix.line.suspect"
DRIFT = "shiftmix.line.drift"
HOLD = "shiftmix.hold.exceeded"
MISSING = "shiftmix.shift.missing"

# Which findings make which event; a suspect line is one whose fit is not to be believed.
DRIFT_CODES = ("trend.step", "trend.drift", "batch.drift")
HOLD_CODES = ("hold.exceeded",)
DOUBT_CODES = ("batch.unknown_size", "known.disagree")
DOUBT_PREFIX = "fit."

PATIENCE = timedelta(seconds=15)  # for all that is told of a run; its results are published by then

Figure = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Alarm:
    """What a line's shift asks of people: the event's name, and the findings that it is made of."""

    event: str
    line: LineRecord
    findings: tuple[Finding, ...]

    @property
    def said(self) -> tuple[object, ...]:
        """What must differ for the alarm to be told again."""
        return self.event, self.line.line.name, tuple(one.sentence for one in self.findings)


def tell(plant: Plant, outcome: ShiftOutcome) -> None:
    """Emit the events of a shift that was just published, as far as they are new.

    Nothing is told where no version was published, and of a new version only what the one that it
    supersedes did not say. Never raises because of the server, and waits `PATIENCE` at most.
    """
    if not (PREFECT_API_URL.value() and outcome.published.changed):
        return
    before = {alarm.said for alarm in alarms_of(_superseded(plant, outcome))}
    alarms = [alarm for alarm in alarms_of(outcome.record) if alarm.said not in before]
    if alarms:
        events = [_event(plant, outcome, alarm) for alarm in alarms]
        _send(events, f"{plural(len(events), 'alarm')} of {plant.name}, {outcome.record.shift}")


def tell_missing(plant: Plant, shift: Shift, said: str) -> None:
    """Emit the event that a shift has no data; once a shift, as long as the server remembers."""
    if not PREFECT_API_URL.value():
        return
    resource = shift_id(plant, str(shift.date), shift.name)
    payload = {
        **_of_shift(plant, shift),
        "sentence": said,
        "headline": f"{plant.name} {shift}: {said}",
    }
    event = Event(
        id=_id(MISSING, resource),
        event=MISSING,
        resource=_resource(resource, str(shift)),
        related=_related(plant, shift)[:1] + _run(),
        payload=payload,
    )
    _send([event], f"that {plant.name}, {shift} is missing", once=True)


def alarms_of(record: ShiftRecord | None) -> tuple[Alarm, ...]:
    """All alarms of a shift, in order of its lines; none where there is no record."""
    return tuple(
        Alarm(event, line, findings)
        for line in (() if record is None else record.lines)
        for event, findings in (
            (HOLD, _with_code(line, HOLD_CODES)),
            (SUSPECT, _doubts(line)),
            (DRIFT, _with_code(line, DRIFT_CODES)),
        )
        if findings
    )


def line_id(plant: Plant, line: str) -> str:
    """Resource of a line's events: ``shiftmix.line.<plant>.<line>``, such as springfield and B."""
    return f"shiftmix.line.{_key(plant)}.{line}"


def shift_id(plant: Plant, day: str, name: str) -> str:
    """Resource of a shift: ``shiftmix.shift.<plant>.<date>.<shift>``."""
    return f"shiftmix.shift.{_key(plant)}.{day}.{name}"


def _key(plant: Plant) -> str:
    # Here, since a deployment is made of the flow, and the flow tells alarms.
    from flows.deployments import deployment_name

    return deployment_name(plant)


def _with_code(line: LineRecord, codes: Sequence[str]) -> tuple[Finding, ...]:
    return tuple(finding for finding in line.findings if finding.code in codes)


def _doubts(line: LineRecord) -> tuple[Finding, ...]:
    if line.verdict in (None, Verdict.GOOD):
        return ()
    asking = [one for one in line.findings if one.severity is not Severity.NOTE]
    why = [one for one in asking if one.code.startswith(DOUBT_PREFIX) or one.code in DOUBT_CODES]
    return tuple(why or asking)


def _superseded(plant: Plant, outcome: ShiftOutcome) -> ShiftRecord | None:
    """The record of the version before; None where there is none, or it cannot be read."""
    shift = outcome.record.shift
    try:
        now = version_named(plant.storage, shift.date, shift.name, outcome.published.version)
        if now.manifest.supersedes is None:
            return None
        before = now.manifest.supersedes
        return version_named(plant.storage, shift.date, shift.name, before).record()
    except StorageError:  # an alarm told twice is better than one not told at all
        return None


def _event(plant: Plant, outcome: ShiftOutcome, alarm: Alarm) -> Event:
    name, shift = alarm.line.line.name, outcome.record.shift
    gravest = _gravest(alarm.findings)
    resource = line_id(plant, name)
    payload = {
        **_of_shift(plant, shift),
        "line": name,
        "status": str(alarm.line.status),
        "verdict": None if alarm.line.verdict is None else str(alarm.line.verdict),
        "sentence": gravest.sentence,
        "headline": f"{plant.name} {shift}, line {name}: {gravest.sentence}",
        "findings": [
            {
                "code": one.code,
                "severity": str(one.severity),
                "sentence": one.sentence,
                "remedy": one.remedy,
            }
            for one in alarm.findings
        ],
        "figures": figures(alarm),
        "report": url_of(plant, outcome.report.with_name(f"line-{name}.html")),
        "version": outcome.published.version,
    }
    return Event(
        # Two runs that tell the same of the same version are one event.
        id=_id(alarm.event, resource, str(shift), outcome.published.version),
        event=alarm.event,
        resource=Resource(
            {"prefect.resource.id": resource, "prefect.resource.name": f"line {name}"}
        ),
        related=_related(plant, shift) + _run(),
        payload=payload,
    )


def _gravest(findings: Sequence[Finding]) -> Finding:
    """The first of the findings that ask most."""
    return max(findings, key=lambda one: list(Severity).index(one.severity))


def figures(alarm: Alarm) -> dict[str, Figure]:
    """The figures of an alarm by name, each with its value and its unit."""
    line, counts = alarm.line.line, alarm.line.counts
    valid = counts.items - counts.invalid
    told: dict[str, Figure] = {
        "items": _figure(valid, "items"),
        "held": _figure(counts.held, "items"),
    }
    if alarm.event == HOLD:
        told["held_share"] = _figure(round(100 * counts.held / valid, 3), "%")
        told["allowed_share"] = _figure(100 * line.policy.max_held_share, "%")
    of_batches = {one.component for one in alarm.findings if alarm.event == DRIFT}
    for batch in alarm.line.batches:
        place = [one.name for one in line.batches].index(batch.name)
        if place in of_batches and batch.mean is not None and batch.sd is not None:
            told[f"mean of {batch.name}"] = _figure(batch.mean, line.unit)
            told[f"sd of {batch.name}"] = _figure(batch.sd, line.unit)
    return told


def _figure(value: float, unit: str) -> Figure:
    return {"value": value, "unit": unit}


def _of_shift(plant: Plant, shift: Shift) -> dict[str, object]:
    return {"plant": plant.name, "date": shift.date.isoformat(), "shift": shift.name}


def _resource(identity: str, name: str) -> Resource:
    return Resource({"prefect.resource.id": identity, "prefect.resource.name": name})


def _related(plant: Plant, shift: Shift) -> list[RelatedResource]:
    of_plant = {"prefect.resource.id": f"shiftmix.plant.{_key(plant)}"}
    of_shift = {"prefect.resource.id": shift_id(plant, str(shift.date), shift.name)}
    return [
        RelatedResource({**of_plant, "prefect.resource.role": "plant"}),
        RelatedResource({**of_shift, "prefect.resource.role": "shift"}),
    ]


def _run() -> list[RelatedResource]:
    """The flow run that tells, with its flow and deployment; empty outside of one."""
    context = FlowRunContext.get()
    run = None if context is None else context.flow_run
    if run is None:
        return []
    ids = {"flow-run": run.id, "flow": run.flow_id, "deployment": run.deployment_id}
    return [
        RelatedResource(
            {"prefect.resource.id": f"prefect.{role}.{one}", "prefect.resource.role": role}
        )
        for role, one in ids.items()
        if one is not None
    ]


def _id(*parts: str) -> UUID:
    return uuid5(NAMESPACE_URL, "/".join(parts))


def _send(events: Sequence[Event], what: str, *, once: bool = False) -> None:
    """Hand events to the server, which confirms them; a warning in the run's log where it cannot.

    Not by Prefect's own queue: with the server away it would hold up the end of the process for a
    time that grows with the number of events.
    """

    def send() -> None:
        with get_client(sync_client=True) as client:
            if not (once and _are_known(client, events)):
                body = [event.model_dump(mode="json") for event in events]
                client.request("POST", "/events", json=body).raise_for_status()

    trouble = _attempted(send)
    if trouble:
        _log().warning(
            "The server was not told %s (%s); the report tells it all the same", what, trouble
        )
    else:
        _log().info("Told %s", what)


def _are_known(client: SyncPrefectClient, events: Sequence[Event]) -> bool:
    ids = EventIDFilter(id=[event.id for event in events])
    return client.read_events(EventFilter(id=ids), limit=len(events)).total >= len(events)


def _attempted(send: Callable[[], None]) -> str:
    """What kept `send` from being done within `PATIENCE`; empty where nothing did."""
    trouble = [f"no answer within {PATIENCE.total_seconds():.0f} s"]

    def attempt() -> None:
        try:
            send()
        except Exception as error:  # an alarm must not fail a published shift
            trouble[0] = f"{type(error).__name__}: {error}".splitlines()[0]
        else:
            trouble[0] = ""

    # A thread that is left behind: Prefect's client tries again for longer than a run may wait.
    thread = threading.Thread(target=contextvars.copy_context().run, args=(attempt,), daemon=True)
    thread.start()
    thread.join(PATIENCE.total_seconds())
    return trouble[0]


def _log() -> logging.Logger | logging.LoggerAdapter[logging.Logger]:
    return get_run_logger() if FlowRunContext.get() else logging.getLogger(__name__)
