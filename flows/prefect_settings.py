"""Prefect's own settings that our runs and our server are started with; known without Prefect."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType

NOTIFY_URL = "SHIFTMIX_NOTIFY_URL"  # holds a secret: never in plant.toml, logs or reports

# Prefect sends no heartbeat more often than this, whatever it is told.
HEARTBEAT = timedelta(seconds=30)
# Four heartbeats may be lost on a busy host; with the five seconds between two looks of the server
# a killed run is marked as crashed within three minutes.
SILENCE = timedelta(seconds=150)
# What a run said and showed in the server's UI; the published results stay whatever happens here.
RUNS_KEPT = timedelta(days=90)
# Longer than a plant looks back for missed shifts: so long a missing one is told once.
EVENTS_KEPT = timedelta(days=10)
HEARTBEATS_KEPT = timedelta(days=1)


def _seconds(time: timedelta) -> str:
    return f"{time.total_seconds():.0f}"


RUN_SETTINGS: Mapping[str, str] = MappingProxyType(
    {"PREFECT_FLOWS_HEARTBEAT_FREQUENCY": _seconds(HEARTBEAT)}
)
"""Environment of every process that runs our flows, or starts processes that do."""

SERVER_SETTINGS: Mapping[str, str] = MappingProxyType(
    {
        # Of a run that keeps a place among few: a server that begins anew must not forget it.
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": (
            "prefect.server.concurrency.lease_storage.filesystem"
        ),
        "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
        "PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD": _seconds(RUNS_KEPT),
        # The one of these that Prefect does not take in seconds.
        "PREFECT_SERVER_EVENTS_RETENTION_PERIOD": f"P{EVENTS_KEPT.days}D",
        "PREFECT_SERVER_SERVICES_DB_VACUUM_EVENT_RETENTION_OVERRIDES": (
            f'{{"prefect.flow-run.heartbeat": {_seconds(HEARTBEATS_KEPT)}}}'
        ),
    }
)
"""Environment of a Prefect server, so that its database does not grow without end."""
