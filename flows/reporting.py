"""``shiftmix report``: the pages of published shifts made anew, from their results alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import reports
from config import load_plant
from flows.auditing import recorded
from flows.index import rebuild_index
from flows.pages import make_pages
from flows.paths import shown
from flows.publishing import started, until_published
from qc.errors import ConfigError, ShiftmixError, StorageError, Where
from qc.plant import Plant
from qc.storage import Published, list_published
from qc.storage.published import REPORT, current_version
from qc.wording import plural

Named = tuple[date, str]


@dataclass(frozen=True, slots=True)
class Remade:
    """What became of one shift's pages.

    Attributes
    ----------
    published : Published or None
        None where they could not be made; `error` says why.
    """

    date: date
    shift: str
    published: Published | None
    error: StorageError | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of all of them, and what keeps the index of all shifts from being written."""

    shifts: tuple[Remade, ...]
    index_error: StorageError | None = None

    @property
    def failed(self) -> bool:
        """Whether anything did not go well."""
        errors = (self.index_error, *(one.error for one in self.shifts))
        return any(error is not None for error in errors)


def report_and_tell(
    config: Path, days: Sequence[date], shifts: Sequence[str], *, as_json: bool
) -> int:
    """Make the pages of published shifts anew, print what is new, and return the exit code."""
    plant = load_plant(config)
    outcome = remake(plant, which_published(plant, days, shifts))
    print(told_as_json(plant, outcome) if as_json else told(plant, outcome))
    return int(outcome.failed)


def which_published(plant: Plant, days: Sequence[date], shifts: Sequence[str]) -> list[Named]:
    """The shifts that are meant by dates and names, in order of date and name.

    Parameters
    ----------
    days, shifts : sequence
        As many of the one as of the other: pairs. One kind alone: all published shifts of these
        days, or of these names. None: all that is published.

    Raises
    ------
    ConfigError
        If there are some of both, and not as many.
    ShiftmixError
        If no such shift is published.
    """
    if days and shifts:
        if len(days) != len(shifts):
            raise ConfigError(
                f"{plural(len(days), 'date')} and {plural(len(shifts), 'shift')} are named",
                remedy="Name a --shift for each --date, or one kind alone",
            )
        return list(dict.fromkeys(zip(days, shifts, strict=True)))
    found = [
        (day, name)
        for day, name, _, _ in list_published(plant.storage)
        if (day in days or not days) and (name in shifts or not shifts)
    ]
    if not found:
        raise ShiftmixError(
            "no such shift is published" if days or shifts else "no shift is published",
            Where(plant.storage),
            "Check the dates and names, or inspect the shift first",
        )
    return found


def remake(
    plant: Plant, named: Sequence[Named], after_each: Callable[[Remade], object] = lambda _: None
) -> Outcome:
    """Make the pages of shifts anew, then the index; a shift that is damaged stops no other.

    Parameters
    ----------
    after_each : callable
        Is told what became of each shift as soon as it is known.

    Raises
    ------
    ConfigError
        If a template of the plant's own fails; shifts before that one may have been published.
    """
    templates = reports.load_templates(plant.templates)
    remade = []
    for day, shift in named:
        try:
            remade.append(Remade(day, shift, _remade(plant, day, shift, templates)))
        except StorageError as error:
            remade.append(Remade(day, shift, None, error))
        after_each(remade[-1])
    try:
        rebuild_index(plant, templates)
    except StorageError as error:  # of a shift that nobody may have asked for
        return Outcome(tuple(remade), error)
    return Outcome(tuple(remade))


def told(plant: Plant, outcome: Outcome) -> str:
    """Say for each shift whether there is a new version, and where the report is."""
    lines = []
    for one in outcome.shifts:
        name = f"{plant.name} {one.date} {one.shift}"
        if one.published is None:
            lines.append(f"{name}: {one.error}")
            continue
        changed, version = one.published.changed, one.published.version
        same = "the pages are as published, no new version"
        lines.append(f"{name}: {f'new pages, version {version}' if changed else same}")
        lines.append(f"  report: {shown(one.published.folder / REPORT)}")
    if outcome.index_error is not None:
        lines.append(f"the index of all shifts is as it was: {outcome.index_error}")
    return "\n".join(lines)


def told_as_json(plant: Plant, outcome: Outcome) -> str:
    """Say the same as one JSON object."""
    index_error = outcome.index_error
    content = {
        "plant": plant.name,
        "shifts": [_shift_json(one) for one in outcome.shifts],
        "index_error": None if index_error is None else str(index_error),
    }
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)


def _remade(plant: Plant, day: date, name: str, templates: reports.Templates) -> Published:
    shift = current_version(plant.storage, day, name).manifest.shift
    run = started({"trigger": "shiftmix report"})
    with recorded(plant, shift, run) as keep:
        published = until_published(
            plant, shift, lambda attempt: make_pages(attempt, templates, run)[1]
        )
        keep(published)
    return published


def _shift_json(one: Remade) -> dict[str, object]:
    published = one.published
    return {
        "date": one.date.isoformat(),
        "shift": one.shift,
        "version": None if published is None else published.version,
        "changed": published is not None and published.changed,
        "report": None if published is None else str(published.folder / REPORT),
        "error": None if one.error is None else str(one.error),
    }
