"""What the published shifts before a shift tell of it: what has changed, and since when.

It is looked up for the whole shift, after its lines are decided on: no line's result depends on it.
Where an earlier shift is published anew, this one tells so in its own next version.
"""

from __future__ import annotations

from collections.abc import Sequence

from qc.errors import StorageError
from qc.findings import Finding, Severity
from qc.plant import Shift
from qc.records import LineOutcome, LineRecord, ShiftPast, Since
from qc.storage.history import EarlierLine, EarlierShift, History

SINCE_LOOK_BACK = 90  # published shifts over which a run is followed: a month of three a day

Told = tuple[str, str]  # line and code


def look_back(
    shift: Shift, lines: Sequence[LineRecord], history: History
) -> tuple[ShiftPast | None, tuple[Finding, ...]]:
    """What became of the lines in the last published shift, and since when findings stand.

    Earlier shifts are read only as far as some finding's run goes on.

    Parameters
    ----------
    shift : Shift
    lines : sequence of LineRecord
        The lines of this shift, decided on.
    history : History
        The published shifts before it.

    Returns
    -------
    ShiftPast or None
        None where no shift is published before this one, or the last cannot be read.
    tuple of Finding
        An earlier shift that cannot be read; runs are then followed up to it.
    """
    runs = {
        (line.line.name, met.code): Since(line.line.name, met.code, shift.date, shift.name, 1)
        for line in lines
        for met in line.findings
        if met.severity is not Severity.NOTE
    }
    going_on = set(runs)
    last: EarlierShift | None = None
    were: dict[str, EarlierLine] = {}
    damage: StorageError | None = None
    try:
        for n_before, earlier in enumerate(history):
            if last is not None and not going_on:
                break
            if n_before == SINCE_LOOK_BACK:
                _leave_open(runs, going_on)
                break
            had = earlier.lines()
            if last is None:
                last, were = earlier, had
            going_on = {told for told in going_on if _had(had, told)}
            for told in going_on:
                day, name = earlier.shift.date, earlier.shift.name
                runs[told] = Since(*told, day, name, runs[told].n_shifts + 1)
    except StorageError as error:
        damage = error
        _leave_open(runs, going_on)
    findings = () if damage is None else (_unreadable(damage),)
    if last is None:
        return None, findings
    outcomes = _outcomes(lines, were)
    return ShiftPast(last.shift.date, last.shift.name, outcomes, tuple(runs.values())), findings


def _had(had: dict[str, EarlierLine], told: Told) -> bool:
    line, code = told
    return line in had and code in had[line].codes


def _leave_open(runs: dict[Told, Since], going_on: set[Told]) -> None:
    """Mark runs that may begin before the shifts that were read."""
    for told in going_on:
        run = runs[told]
        runs[told] = Since(*told, run.date, run.shift, run.n_shifts, or_before=True)


def _outcomes(lines: Sequence[LineRecord], were: dict[str, EarlierLine]) -> tuple[LineOutcome, ...]:
    names = [line.line.name for line in lines]
    return tuple(were[name].outcome for name in names if name in were)


def _unreadable(error: StorageError) -> Finding:
    return Finding(
        "shift.past_unreadable",
        Severity.CAUTION,
        "What has changed, and since when, is told only as far as earlier shifts can be read: "
        f"{error.what} ({error.where}).",
        remedy=error.remedy,
    )
