"""The tags of a finished run, and the artifacts that stand with it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import flows.shown
from flows.links import REPORTS_URL
from flows.one_shift import inspect
from flows.shown import OURS, publish_artifacts, tags_of
from qc.plant import Plant, Shift
from qc.records import LineStatus


def line(status: LineStatus, open_holds: int = 0) -> SimpleNamespace:
    return SimpleNamespace(status=status, open_holds=open_holds)


@pytest.mark.parametrize(
    ("lines", "tags"),
    [
        ([line(LineStatus.OK)], ()),
        ([line(LineStatus.OK, 3)], ("held",)),
        ([line(LineStatus.ACTION, 3), line(LineStatus.OK)], ("action", "held")),
        ([line(LineStatus.ERROR), line(LineStatus.NOT_ASSESSED)], ("error", "not-assessed")),
    ],
)
def test_tags_say_what_a_shift_asks_for(lines: list[Any], tags: tuple[str, ...]) -> None:
    record: Any = SimpleNamespace(lines=lines)
    assert tags_of(record) == tags
    assert set(tags) < OURS


def test_every_tag_is_told_to_operators() -> None:
    page = Path(__file__).parents[2] / "docs" / "operations.md"
    text = page.read_text(encoding="utf-8")
    assert all(f"| `{tag}` |" in text for tag in OURS)


@pytest.mark.parametrize("url", ["", "http://127.0.0.1:4280"])
def test_a_link_stands_with_a_run_where_somebody_serves_the_report(
    plant: Plant, early: Shift, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv(REPORTS_URL, url)
    made: dict[str, Any] = {}
    described: dict[str, str] = {}
    logged: list[str] = []

    def keep(content: str = "", *, key: str, description: str, **_: Any) -> None:
        made[key] = content
        described[key] = description

    def info(words: str, *given: object) -> None:
        logged.append(words % given)

    for kind in ("markdown", "table", "link"):
        monkeypatch.setattr(flows.shown, f"create_{kind}_artifact", keep)

    monkeypatch.setattr(flows.shown, "get_run_logger", lambda: SimpleNamespace(info=info))

    def tell(_what: str, call: Callable[[], object]) -> None:
        call()

    outcome = inspect(plant, early)
    publish_artifacts(plant, outcome, tell)  # type: ignore[arg-type]
    place = outcome.report.relative_to(plant.storage).as_posix()
    told = f"({url}/{place})" if url else f"`{outcome.report}`"
    assert f"Report: {'' if not url else f'[{early}]'}{told}" in made["shift-springfield-early"]
    assert made.get("report-springfield-early") == (f"{url}/{place}" if url else None)
    # One click from the run's log, and from the artifact's history.
    assert logged == [f"Report: {url}/{place}" if url else f"Report: {outcome.report}"]
    link = f"[Open the report]({url}/{place})" if url else None
    assert described.get("report-springfield-early") == link
