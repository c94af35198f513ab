"""A replay of three shifts, for the tests of its page."""

from __future__ import annotations

from qc.records import Changes, KeyChange, LineReplay, LineStatus, ReplayRecord, Verdict
from tests.reports.samples import NIGHT

THEN, NOW = "shiftmix 0.1.0+000000000000", "shiftmix 0.1.0+111111111111"
PROMISE = KeyChange("policy.max_misassigned_ppm", "none", "50")
QUIET = Changes(items=500, held_then=4, held_now=4, assigned_then=496, assigned_now=496, known=9)
FEWER = Changes(
    items=1200, held_then=30, held_now=20, assigned_then=1170, assigned_now=1180,
    disposition_changed=14, newly_held=2, released=12, batch_changed=3,
    known=1200, escapes_then=1, escapes_now=4,
)  # fmt: skip
MORE = Changes(
    items=1200, held_then=30, held_now=80, assigned_then=1170, assigned_now=1120,
    disposition_changed=50, newly_held=50, known=0,
)  # fmt: skip


def line(name: str, changes: Changes | None, skipped: str = "") -> LineReplay:
    return LineReplay(
        shift=NIGHT,
        line=name,
        version="v0001-00000000",
        software=THEN,
        status_then=LineStatus.ERROR if skipped else LineStatus.OK,
        verdict_then=None if skipped else Verdict.GOOD,
        verdict_now=None if skipped else Verdict.SUSPECT,
        expected_then=None if skipped else 120e-6,
        config_changes=() if skipped else (PROMISE,),
        changes=changes,
        skipped=skipped,
    )


def replay(text: str = "Springfield", *lines: LineReplay) -> ReplayRecord:
    """Most held, most escapes, nothing, and not replayed; `text` wherever a text is free."""
    usual = (
        line("A", QUIET),
        line("B", MORE),
        line("C", FEWER),
        line("D", None, f"it was in error: {text}"),
    )
    return ReplayRecord(text, text, NIGHT.date, NIGHT.date, NOW, text, lines or usual)
