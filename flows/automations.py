"""The automations that we ship: killed runs are marked as crashed, and people are called.

They are Prefect's own and may be looked at, paused and copied in its UI. None of them is the only
place of an alarm: see `alerts.py`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, cast
from urllib.parse import urlsplit
from uuid import UUID

from prefect.blocks.webhook import Webhook
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import StateType
from prefect.events.actions import CallWebhook, ChangeFlowRunState
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.types import SecretDict
from pydantic import SecretStr

from flows.alerts import HOLD, MISSING, line_id
from flows.deployments import deployment_name
from flows.prefect_settings import NOTIFY_URL, SILENCE
from qc.errors import ConfigError
from qc.plant import Plant

NO_DATA = "NoData"  # a run without data; the missing shift is told, once
FLOWS = ("inspect-shift", "backfill", "catch-up", "render-reports")
KILLED = "shiftmix: mark killed runs as crashed"  # one for all plants of a server
HEARTBEAT = "prefect.flow-run.heartbeat"
# Names of final states, Prefect's and our own.
ENDED = ("Completed", "Failed", "Crashed", "Cancelled", "TimedOut", NO_DATA, "Refused")

# What the webhook is given, rendered by Prefect; `text` is what most chat programs show.
ALARM_BODY = """{
  "text": {{ event.payload.headline | tojson }},
  "event": {{ event.event | tojson }},
  "plant": {{ event.payload.plant | tojson }},
  "date": {{ event.payload.date | tojson }},
  "shift": {{ event.payload.shift | tojson }},
  "line": {{ event.payload.line | default(none) | tojson }},
  "held": {{ event.payload.figures.held.value | default(none) | tojson }},
  "items": {{ event.payload.figures["items"].value | default(none) | tojson }},
  "report": {{ event.payload.report | default(none) | tojson }},
  "version": {{ event.payload.version | default(none) | tojson }}
}"""
RUN_BODY = """{
  "text": {{ (event.resource["prefect.resource.name"] ~ ": "
    ~ event.resource["prefect.state-name"] ~ ". "
    ~ event.resource.get("prefect.state-message", "")) | tojson }},
  "event": {{ event.event | tojson }},
  "plant": PLANT,
  "run": {{ event.resource["prefect.resource.name"] | tojson }},
  "state": {{ event.resource["prefect.state-name"] | tojson }},
  "message": {{ event.resource.get("prefect.state-message", "") | tojson }},
  "link": {{ flow_run | ui_url | tojson }}
}"""


def ensure_automations(
    plant: Plant,
    notify_url: str = "",
    *,
    silence: timedelta = SILENCE,
) -> None:
    """Create what is missing of the automations, and change what is different; as often as liked.

    One that somebody has paused in the UI stays paused.

    Parameters
    ----------
    notify_url : str
        Where people are called; empty: what `SHIFTMIX_NOTIFY_URL` holds. With neither, those that
        call people are left as they are.
    silence : timedelta
        How long after its last heartbeat a run counts as killed.

    Raises
    ------
    ConfigError
        If the address is none.
    prefect.exceptions.PrefectHTTPStatusError, httpx.HTTPError
        If the server does not take them.
    """
    url = notify_url or os.environ.get(NOTIFY_URL, "")
    wanted = [killed_runs(silence)]
    if url:
        _judge(url)
        wanted += callers(plant, _webhook(plant, url))
    with get_client(sync_client=True) as client:
        for automation in wanted:
            _ensure(client, automation)


def killed_runs(silence: timedelta) -> AutomationCore:
    """Mark a run as crashed whose heartbeats have stopped without an end.

    A heartbeat may arrive after the run's end and then starts the wait anew. That is no harm:
    without `force` the server lets no run leave an end for ``Crashed``.
    """
    return AutomationCore(
        name=KILLED,
        description=(
            f"A run of shiftmix that was heard of, and then not for {silence.total_seconds():.0f} "
            "s, was killed together with the process that watched it."
        ),
        trigger=EventTrigger(
            posture=Posture.Proactive,
            match={"prefect.resource.id": "prefect.flow-run.*"},
            # Only runs that `shiftmix serve` or a worker started: these have our heartbeat.
            match_related=[_flows(), {"prefect.resource.role": "deployment"}],
            for_each={"prefect.resource.id"},
            after={HEARTBEAT},
            expect={HEARTBEAT, *(f"prefect.flow-run.{state}" for state in ENDED)},
            threshold=1,
            within=silence,
        ),
        actions=[
            ChangeFlowRunState(
                name=None,
                force=False,
                state=StateType.CRASHED,
                message=f"No sign of life for {silence.total_seconds():.0f} s: the run was killed.",
            )
        ],
    )


def callers(plant: Plant, webhook: UUID) -> list[AutomationCore]:
    """What calls people: a hold exceeded, a shift missing, a run that crashed or failed."""
    lines = {"prefect.resource.id": line_id(plant, "*")}
    shifts = {"prefect.resource.id": f"shiftmix.shift.{deployment_name(plant)}.*"}
    runs = {
        "prefect.resource.id": "prefect.flow-run.*",
        "prefect.state-type": ["CRASHED", "FAILED"],
        "prefect.state-name": f"!{NO_DATA}",
    }
    of_plant = {
        "prefect.resource.role": "deployment",
        "prefect.resource.name": deployment_name(plant),
    }
    # As text of the template: a brace of the name is none of the template's.
    name = json.dumps(plant.name).replace("{", "\\u007b")
    held = "more items of a line are held than max_held_share of plant.toml allows"
    missing = "there is nothing to read of a shift that is due"
    failed = "a run crashed or failed, unless it is of a shift without data"
    return [
        _caller(plant, "items on hold exceeded", held, webhook, ALARM_BODY, HOLD, lines),
        _caller(plant, "shift without data", missing, webhook, ALARM_BODY, MISSING, shifts),
        _caller(
            plant,
            "run crashed or failed",
            failed,
            webhook,
            RUN_BODY.replace("PLANT", name),
            "prefect.flow-run.*",
            runs,
            [_flows(), of_plant],
        ),
    ]


def _caller(
    plant: Plant,
    what: str,
    when: str,
    webhook: UUID,
    body: str,
    event: str,
    match: dict[str, Any],
    match_related: Sequence[dict[str, Any]] = (),
) -> AutomationCore:
    return AutomationCore(
        name=f"shiftmix {plant.name}: call for {what}",
        description=f"Calls the webhook that shiftmix serve was given whenever {when}.",
        trigger=EventTrigger(
            posture=Posture.Reactive,
            expect={event},
            match=match,
            match_related=list(match_related),
            threshold=1,
            within=timedelta(0),
        ),
        actions=[CallWebhook(block_document_id=webhook, payload=body)],
    )


def _flows() -> dict[str, Any]:
    return {"prefect.resource.role": "flow", "prefect.resource.name": list(FLOWS)}


def _judge(url: str) -> None:
    """Refuse what is no address; without saying it, since it may be a secret all the same."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(
            "the address for notifications is no http or https address",
            remedy=f"State it in full in {NOTIFY_URL}, beginning with https://",
        )


def _webhook(plant: Plant, url: str) -> UUID:
    """The block that holds the address, encrypted in the server's database."""
    block = Webhook(
        method="POST",
        url=SecretStr(url),
        headers=SecretDict({"Content-Type": "application/json"}),
        allow_private_urls=True,
    )
    return cast("UUID", block.save(f"shiftmix-{deployment_name(plant)}", overwrite=True))


def _ensure(client: SyncPrefectClient, wanted: AutomationCore) -> None:
    found = client.read_automations_by_name(wanted.name)
    if not found:
        client.create_automation(wanted)
        return
    kept, *surplus = sorted(found, key=lambda one: str(one.id))
    for one in surplus:
        client.delete_automation(one.id)
    wanted = wanted.model_copy(update={"enabled": kept.enabled})
    if _content(kept) != _content(wanted):
        client.update_automation(kept.id, wanted)


def _content(automation: AutomationCore) -> dict[str, Any]:
    names = AutomationCore.model_fields.keys() - {"owner_resource"}
    return automation.model_dump(mode="json", include=names)
