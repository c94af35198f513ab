"""What became of each line in a shift, in few words, and what the shifts before tell of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from qc.records.decisions import LineStatus


@dataclass(frozen=True, slots=True)
class LineOutcome:
    """What became of a line in a shift: `held` of `items`, and of those `decided` by somebody."""

    line: str
    status: LineStatus
    held: int
    items: int
    decided: int = 0


@dataclass(frozen=True, slots=True)
class Since:
    """The unbroken run of published shifts, up to this one, in which a line had a finding.

    Attributes
    ----------
    code : str
        Of the finding.
    date, shift : date, str
        The first shift of the run; this shift itself where the finding is new.
    n_shifts : int
        Published shifts in the run, this one too.
    or_before : bool
        Whether the run may begin earlier than that: earlier shifts were not looked at.
    """

    line: str
    code: str
    date: date
    shift: str
    n_shifts: int
    or_before: bool = False


@dataclass(frozen=True, slots=True)
class ShiftPast:
    """What the published shifts before this one tell of it.

    Attributes
    ----------
    date, shift : date, str
        The last of them.
    lines : tuple of LineOutcome
        What became of each line there.
    since : tuple of Since
        For each finding, but notes, that a line has now.
    """

    date: date
    shift: str
    lines: tuple[LineOutcome, ...]
    since: tuple[Since, ...]

    def line(self, name: str) -> LineOutcome | None:
        """What became of a line in the last shift; None where it was not inspected."""
        return next((line for line in self.lines if line.line == name), None)

    def since_of(self, line: str) -> dict[str, Since]:
        """The runs of a line's findings, by code."""
        return {run.code: run for run in self.since if run.line == line}
