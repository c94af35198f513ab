"""Prefect understands the settings that we give it, as they are meant."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from prefect.settings import Settings

from flows.automations import HEARTBEAT
from flows.prefect_settings import RUN_SETTINGS, SERVER_SETTINGS, SILENCE

OPERATIONS = Path(__file__).parents[2] / "docs/operations.md"


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name, value in {**RUN_SETTINGS, **SERVER_SETTINGS}.items():
        monkeypatch.setenv(name, value)
    return Settings()


def test_old_runs_and_events_are_removed(settings: Settings) -> None:
    vacuum = settings.server.services.db_vacuum
    assert vacuum.enabled_vacuum_types >= {"events", "flow_runs"}
    assert vacuum.retention_period == timedelta(days=90)
    assert vacuum.event_retention_overrides == {HEARTBEAT: timedelta(days=1)}
    assert settings.server.events.retention_period == timedelta(days=10)


def test_a_killed_run_is_noticed_within_three_minutes(settings: Settings) -> None:
    heartbeat = timedelta(seconds=settings.flows.heartbeat_frequency or 0)
    assert heartbeat == timedelta(seconds=30)
    look = settings.server.events.proactive_granularity
    assert SILENCE + 2 * look < timedelta(minutes=3)
    assert 4 * heartbeat < SILENCE  # some may be lost on a busy host


def test_the_page_for_operators_has_these_settings() -> None:
    page = OPERATIONS.read_text(encoding="utf-8")
    for name, value in {**RUN_SETTINGS, **SERVER_SETTINGS}.items():
        assert f"{name}={value}" in page
