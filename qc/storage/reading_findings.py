"""What is to be known of the files and rows of a line's shift: what was left out, what is odd."""

from __future__ import annotations

from collections.abc import Sequence
from zoneinfo import ZoneInfo

from qc.findings import Finding, Severity
from qc.plant import Line, Plant, Shift
from qc.records import Reject
from qc.storage.item_ids import LONG_ID, NO_ID
from qc.wording import THIN, grouped

SURPLUS, CONFLICTING = "surplus copy", "conflicting duplicate"
SHOWN = 5  # rows that a sentence names
SHOWN_NAME = 40  # characters of a name that is no batch
NEXT_STEPS = {
    NO_ID: "Find out why no id was recorded; rejects.parquet lists the rows",
    LONG_ID: "Find out what writes such ids; rejects.parquet lists the rows",
    SURPLUS: "Nothing, if files were sent twice on purpose; one copy of each item was kept",
    CONFLICTING: "Find out which reading is right and deliver it alone; no copy was used",
}


def refused_finding(line: Line, refused: Sequence[Reject], n_read: int) -> tuple[Finding, ...]:
    """Tell of the files that could not be used."""
    if not refused:
        return ()
    return (
        Finding(
            "readings.file_refused",
            Severity.ACTION,
            f"{len(refused)} of {len(refused) + n_read} files of line {line.name} could not be "
            f"used: {details(refused)}.",
            remedy=refused[0].remedy,
        ),
    )


def details(refused: Sequence[Reject]) -> str:
    """Path and reason of the first files that could not be used."""
    more = "; ..." if len(refused) > SHOWN else ""
    return "; ".join(f"{met.path}: {met.detail}" for met in refused[:SHOWN]) + more


def reject_findings(rejects: Sequence[Reject]) -> list[Finding]:
    """Tell of the rows that were left out, a finding for each reason."""
    rows: dict[str, list[Reject]] = {}
    for reject in rejects:
        if reject.row is not None:
            rows.setdefault(reject.reason, []).append(reject)
    return [
        Finding(
            f"readings.{reason.replace(' ', '_')}",
            Severity.CAUTION,
            f"{grouped(len(met))} {'row was' if len(met) == 1 else 'rows were'} left out "
            f"({reason}): "
            f"{_places(met)}.",
            remedy=NEXT_STEPS[reason],
        )
        for reason, met in rows.items()
    ]


def _places(met: Sequence[Reject]) -> str:
    """The first rows of the first file, and how many files there are beside it."""
    path = met[0].path
    in_file = [str(reject.row) for reject in met if reject.path == path]
    more = ", …" if len(in_file) > SHOWN else ""
    others = len({reject.path for reject in met}) - 1
    beside = f" and {others} more {'file' if others == 1 else 'files'}" if others else ""
    noun = "row" if len(in_file) == 1 else "rows"
    return f"{noun} {', '.join(in_file[:SHOWN])}{more} of {path}{beside}"


def _first(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")


def stranger_finding(plant: Plant, line: Line, strangers: dict[str, int]) -> tuple[Finding, ...]:
    """Tell of names that are no batch of the line, with their counts."""
    if not strangers:
        return ()
    names = [f"{name[:SHOWN_NAME]!r} ({grouped(count)})" for name, count in strangers.items()]
    count = sum(strangers.values())
    noun = "item" if count == 1 else "items"
    whose = "a batch that line" if len(names) == 1 else "batches that line"
    return (
        Finding(
            "readings.unknown_batch",
            Severity.CAUTION,
            f"Column {plant.columns.known_batch!r} states {whose} {line.name} does not have for "
            f"{grouped(count)} {noun}: {_first(names)}; there the batch counts as not stated.",
            remedy="Write it as in plant.toml, or add a [[line.batch]] of that name",
        ),
    )


def late_finding(
    plant: Plant, line: Line, shift: Shift, late: int, ids: Sequence[str], n_items: int
) -> tuple[Finding, ...]:
    """Tell of items that were measured outside of the shift.

    Parameters
    ----------
    late : int
        How many of the n_items there are.
    ids : sequence of str
        The first of their ids.
    """
    if not late:
        return ()
    zone = ZoneInfo(plant.time_zone)
    start, end = (f"{at.astimezone(zone):%Y-%m-%d %H:%M}" for at in (shift.start, shift.end))
    limit = line.policy.max_invalid_share
    many = late > limit * n_items
    beyond = f"; more than {100 * limit:.3g}{THIN}% of the line's items" if many else ""
    return (
        Finding(
            "readings.outside_shift",
            # A clock that is wrong makes no reading wrong; that many are for somebody to look at.
            Severity.ACTION if many else Severity.CAUTION,
            f"{grouped(late)} items were measured outside of the shift, from {start} "
            f"to {end} in "
            f"{plant.time_zone}; they were kept: {_first([repr(name) for name in ids])}{beyond}.",
            remedy="Check the clocks, and whether the file was put into the right shift",
        ),
    )


def lookalike_finding(alike: Sequence[str]) -> tuple[Finding, ...]:
    """Tell of different ids that look alike; they are different items all the same."""
    if not alike:
        return ()
    return (
        Finding(
            "readings.lookalike_ids",
            Severity.CAUTION,
            f"{grouped(len(alike))} items have ids that differ from another one by case, width, "
            "spaces or characters that cannot be seen, and were kept apart: "
            f"{_first([repr(name) for name in alike])}.",
            remedy="Find out whether they are one item each; correct what writes the ids",
        ),
    )
