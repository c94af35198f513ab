"""``shiftmix demo``: a simulated plant and a real one, inspected on a Prefect server of their own.

Everything is below one folder, which may be removed afterwards. A second run finds the same
readings, configuration and code, and publishes nothing new.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import reports
from config import EXAMPLE, HIDALGO, load_plant
from flows.paths import shown
from flows.server import prefect_server
from qc.plant import Plant, Shift
from qc.records import LineStatus, ShiftRecord
from qc.storage import load_published
from qc.storage.simulated import FIRST_DAY, write_simulation
from qc.wording import plural
from reports.formatting import count
from reports.words import STATUS_MARKS

HIDALGO_DAY = date(1872, 1, 1)


@dataclass(frozen=True, slots=True)
class Site:
    """A plant of the demo: its configuration, and the shifts to inspect, in order of time."""

    config: Path
    plant: Plant
    shifts: Sequence[Shift]


def run_demo(folder: Path) -> int:
    """Set up the demo's plants, inspect their shifts and tell; returns the exit code."""
    started = time.monotonic()
    sites = (_springfield(folder / "springfield"), _hidalgo(folder / "hidalgo"))
    print("starting a Prefect server ...", flush=True)
    # The flow runs' logs are on the server; the terminal shows one line a shift.
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
    with prefect_server(folder / "prefect"):
        records = [_inspected(site, shift) for site in sites for shift in site.shifts]
    print(f"done in {time.monotonic() - started:.0f} s")
    for line in _summary(sites, records):
        print(line)
    statuses = [line.status for record in records for line in record.lines]
    return int(LineStatus.ERROR in statuses)


def _inspected(site: Site, shift: Shift) -> ShiftRecord:
    """Run the flow on one shift, and say how it went."""
    from flows.inspecting import run_flow

    before = time.monotonic()
    run_flow(site.config, shift)
    record = load_published(site.plant.storage, shift.date, shift.name).record
    took = time.monotonic() - before
    sentence = reports.sentence(record)
    print(f"{site.plant.name}, {shift} ({took:.1f} s): {sentence}", flush=True)
    return record


def _springfield(folder: Path) -> Site:
    config = _copied(EXAMPLE, folder / "plant.toml")
    plant = load_plant(config)
    print(f"simulating {plant.name} ...", flush=True)
    shifts = write_simulation(plant, first_day=FIRST_DAY, truth=folder / "truth")
    return Site(config, plant, shifts)


def _hidalgo(folder: Path) -> Site:
    shutil.copytree(HIDALGO.parent / "readings", folder / "readings", dirs_exist_ok=True)
    config = _copied(HIDALGO, folder / "plant.toml")
    plant = load_plant(config)
    return Site(config, plant, plant.shifts_of(HIDALGO_DAY))


def _copied(source: Path, target: Path) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    return target


def _summary(sites: Sequence[Site], records: Sequence[ShiftRecord]) -> Iterator[str]:
    """Say in three lines where the reports are and what they say."""
    indexes = [shown(Path(site.plant.storage) / "index.html") for site in sites]
    yield f"Reports: {' and '.join(indexes)}"
    lines = [line for record in records for line in record.lines]
    held = sum(line.counts.held for line in lines)
    items = sum(line.counts.items for line in lines)
    yield f"{plural(len(records), 'shift')}, {plural(items, 'item')}: HOLD {count(held)}."
    asking = [
        f"{line.line.name} ({record.shift}: {STATUS_MARKS[line.status].word})"
        for record in records
        for line in record.lines
        if line.status is not LineStatus.OK
    ]
    fine = f"{len(lines) - len(asking)} of {len(lines)} inspected lines are OK"
    yield f"{fine}; look at {', '.join(asking)}." if asking else f"{fine}."
