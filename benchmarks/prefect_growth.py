"""What runs cost on a Prefect server: seconds a run and a line, and bytes in its database.

    python -m benchmarks.prefect_growth [--runs 20] [--write]

The real flow on a real server with SQLite, with lines that cost nothing: what is left is Prefect.
The year is reckoned with the settings that `shiftmix serve` gives its server, and without them.
"""

from __future__ import annotations

import argparse
import logging
import sqlite3
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path

import flows.inspect_shift
from benchmarks.page import table, write_page
from config import EXAMPLE, load_plant
from flows.inspect_shift import inspect_shift
from flows.one_shift import EachLine, ShiftOutcome, inspect, serially
from flows.prefect_settings import EVENTS_KEPT, RUNS_KEPT
from flows.server import prefect_server
from qc.plant import Plant, Shift
from qc.records import ShiftRecord
from qc.storage.attempt import Published
from qc.storage.simulated import write_simulation

SIZES = (3, 50, 200, 500)  # lines; above 200 they are inspected in groups
SHIFTS_A_YEAR = 3 * 365
FIRST_DAY = date(2026, 1, 1)
# The server writes events in batches; their number has settled when it is the same for so long.
SETTLED = 12.0  # seconds
OF_EVENTS = ("event", "ix_event")  # tables and indexes that are named so hold events


@dataclass(frozen=True)
class Cost:
    """What a run with `lines` lines adds."""

    lines: int
    seconds: float
    plain_seconds: float
    run_bytes: float
    event_bytes: float
    by_table: Mapping[str, float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=20, help="runs of each size")
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES), help="lines")
    parser.add_argument("--write", action="store_true", help="write docs/reference/prefect.md")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        costs = measure(Path(folder), chosen.sizes, chosen.runs)
    parts = page(costs, chosen.runs)
    print("\n\n".join(parts))
    if chosen.write:
        write_page("prefect", *parts)


def measure(folder: Path, sizes: Sequence[int], runs: int) -> list[Cost]:
    """Run the flow `runs` times for each number of lines, on one server."""
    logging.disable(logging.INFO)
    home = folder / "prefect"
    line = one_line(folder / "line")
    costs = []
    with prefect_server(home):
        for lines in sizes:
            config = plant_of(folder, lines)
            run_once(config, line, 0)  # what only the first run of a kind adds
            before = settled(home / "prefect.db")
            began = time.perf_counter()
            for number in range(runs):
                run_once(config, line, number + 1)
            seconds = (time.perf_counter() - began) / runs
            after = settled(home / "prefect.db")
            added = {name: (size - before.get(name, 0)) / runs for name, size in after.items()}
            events = sum(size for name, size in added.items() if name.startswith(OF_EVENTS))
            total = sum(added.values())
            plain = plainly(config, line)
            costs.append(Cost(lines, seconds, plain, total - events, events, added))
            print(f"{lines} lines: {seconds:.2f} s a run, {total / 1e3:.0f} kB", flush=True)
    return costs


def one_line(folder: Path) -> ShiftRecord:
    """A shift of Springfield as it is published: its line B stands for every line."""
    folder.mkdir()
    (folder / "plant.toml").write_text(EXAMPLE.read_text(encoding="utf-8"), encoding="utf-8")
    plant = load_plant(folder / "plant.toml")
    shifts = write_simulation(plant, items_per_shift=800, truth=folder / "truth")
    return inspect(plant, shifts[0]).record


def plant_of(folder: Path, lines: int) -> Path:
    """A plant with as many lines, each like line B of Springfield."""
    head, _, rest = EXAMPLE.read_text(encoding="utf-8").partition("\n[[line]]\n")
    own = next(part for part in rest.split("\n[[line]]\n") if 'name = "B"' in part)
    text = head + "".join(
        "\n[[line]]\n" + own.replace('name = "B"', f'name = "L{number:03}"', 1)
        for number in range(lines)
    )
    config = folder / f"plant-{lines}.toml"
    config.write_text(text.replace('"Springfield"', f'"Plant of {lines}"'), encoding="utf-8")
    return config


def run_once(config: Path, of: ShiftRecord, number: int) -> None:
    """One run of the flow, whose lines are done at once."""
    flows.inspect_shift.inspect = Nothing(of)  # type: ignore[assignment]
    day = FIRST_DAY + timedelta(days=number)
    state = inspect_shift(str(config), day, "early", return_state=True)
    if not state.is_completed():
        raise RuntimeError(f"the run ended as {state}")


def plainly(config: Path, of: ShiftRecord) -> float:
    """Seconds of the same without Prefect."""
    began = time.perf_counter()
    plant = load_plant(config)
    Nothing(of)(plant, plant.shift(FIRST_DAY, "early"))
    return time.perf_counter() - began


class Nothing:
    """Stands for the inspection: every line is as the one that is known."""

    def __init__(self, of: ShiftRecord) -> None:
        self.of = of

    def __call__(
        self,
        plant: Plant,
        shift: Shift,
        _lines: Sequence[str] = (),
        each_line: EachLine = serially,
        *_run: object,
    ) -> ShiftOutcome:
        names = [line.name for line in plant.lines]
        each_line(lambda name: f"line {name}: ok", names)
        own = self.of.lines[1]
        records = tuple(replace(own, line=line, shift=shift) for line in plant.lines)
        record = replace(self.of, plant=plant.name, shift=shift, lines=records)
        folder = Path(plant.storage) / "v0001-00000000"
        published = Published(folder.name, folder, "", changed=True)
        return ShiftOutcome(record, published, folder / "report" / "index.html")


def settled(database: Path) -> dict[str, int]:
    """Bytes of each table and index, once the server has written all that it was told."""
    last, since = sizes_of(database), time.monotonic()
    while time.monotonic() - since < SETTLED:
        time.sleep(1)
        now = sizes_of(database)
        if now != last:
            last, since = now, time.monotonic()
    return last


def sizes_of(database: Path) -> dict[str, int]:
    with sqlite3.connect(database, timeout=60) as connection:
        rows = connection.execute("SELECT name, SUM(pgsize) FROM dbstat GROUP BY name").fetchall()
    connection.close()
    return dict(rows)


def page(costs: Sequence[Cost], runs: int) -> list[str]:
    """What was measured, as parts of a page."""
    rows, years = [], []
    for cost in costs:
        total = cost.run_bytes + cost.event_bytes
        overhead = cost.seconds - cost.plain_seconds
        rows.append(
            [
                f"{cost.lines}",
                f"{overhead:.2f}",
                f"{1e3 * overhead / cost.lines:.0f}",
                f"{total / 1e3:.0f}",
                f"{total / 1e3 / cost.lines:.2g}",
                f"{cost.event_bytes / 1e3:.0f}",
            ]
        )
        kept = 3 * RUNS_KEPT.days * cost.run_bytes + 3 * EVENTS_KEPT.days * cost.event_bytes
        week = 3 * 7 * cost.event_bytes
        years.append(
            [
                f"{cost.lines}",
                f"{kept / 1e6:.0f}",
                f"{(SHIFTS_A_YEAR * cost.run_bytes + week) / 1e6:.0f}",
                f"{SHIFTS_A_YEAR * total / 1e6:.0f}",
            ]
        )
    head = ["lines", "s a run", "ms a line", "kB a run", "kB a line", "of these kB events"]
    head_of_years = ["lines", "as served (MB)", "Prefect's defaults (MB)", "nothing removed (MB)"]
    return [
        "# What Prefect costs",
        (
            f"{runs} runs of each number of lines, with lines that cost nothing, on a server with "
            "SQLite: what Prefect adds to a run in time and in the server's database."
        ),
        table(head, rows),
        "## The database after a year of three shifts a day",
        (
            f"As served, runs are kept for {RUNS_KEPT.days} days, events for {EVENTS_KEPT.days}; "
            "Prefect by itself keeps runs for ever and events for a week."
        ),
        table(head_of_years, years),
        "Seconds are of a machine with two cores that had other work; bytes do not depend on it.",
        f"Made by `python -m benchmarks.prefect_growth --runs {runs} --write`.",
    ]


if __name__ == "__main__":
    main()
