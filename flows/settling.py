"""The next version of a shift after people decided on held items; no file of readings is read.

It is made of what is published and of the records of decisions. Only the readings of items that
were measured again are judged, by a fit to the stored tallies.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

import reports
from flows.again import judge_of
from flows.auditing import recorded
from flows.index import rebuild_index
from flows.publishing import now, started, until_published
from flows.software import software
from qc.plant import Plant, Shift
from qc.storage import Attempt, Published, assemble, keep_base, publish
from qc.storage.attempt import open_base
from qc.storage.dispositions import read_records
from qc.storage.holds import is_shown
from qc.storage.published import current_version

LOOKED_UP_ANEW = "shift.past_unreadable"  # by each version, of the shifts before it


def settle_shift(
    plant: Plant, shift: Shift, run: Mapping[str, str] = MappingProxyType({})
) -> Published:
    """Publish a version of a shift that shows all decisions that are recorded for it.

    Returns
    -------
    Published
        What was published before, with `changed` False, where it shows them already.

    Raises
    ------
    ConfigError
        If a template of the plant's own fails.
    StorageError
        If nothing is published, or something cannot be read or written; PointerMoved if other
        runs won each of `TRIES` times.
    """
    current_version(plant.storage, shift.date, shift.name)  # says so where there is none
    templates = reports.load_templates(plant.templates)
    run = started(run)
    with recorded(plant, shift, run) as keep:
        published = until_published(
            plant, shift, lambda attempt: _attempt(plant, attempt, templates, run)
        )
        keep(published)
    if published.changed:
        rebuild_index(plant, templates)
    return published


def _attempt(
    plant: Plant, attempt: Attempt, templates: reports.Templates, run: Mapping[str, str]
) -> Published:
    base = open_base(attempt)
    assert base is not None  # somebody published it, and nothing takes that back
    if is_shown(base, read_records(plant.storage, attempt.shift)):
        return keep_base(attempt, base)
    record = base.record()
    # The plant as it was inspected: another configuration is a matter for an inspection.
    lines = tuple(line.line for line in record.lines)
    as_published = replace(
        plant,
        name=record.plant,
        time_zone=record.time_zone,
        lines=lines,
        reaction=record.reaction,
    )
    # What is told of earlier shifts is looked up anew, so that it is not said twice.
    findings = tuple(told for told in record.findings if told.code != LOOKED_UP_ANEW)
    attempt = replace(attempt, plant=as_published, shift=record.shift)
    record, evidence = assemble(attempt, findings, software(), judge=judge_of(plant))
    reports.write_report(attempt.folder / "report", record, evidence, templates)
    return publish(attempt, {**run, "ended": now()}, templates.sha256)
