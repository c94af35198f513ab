"""How large are the pages, what do they cost to make, and how fast do they open?

    python -m benchmarks.pages [--write]

A plant with a line each of 2, 3 and 5 batches is simulated and inspected, shift after shift, until
its trend is full. The pages of its last shift are made from what is published.
"""

from __future__ import annotations

import argparse
import gzip
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

import reports
from benchmarks.page import table, write_page
from config import load_plant
from flows.one_shift import inspect
from qc.records import LineEvidence, LineRecord, ShiftRecord
from qc.storage import PublishedShift, load_published
from qc.storage.inputs import TREND_SHIFTS
from qc.storage.simulated import write_simulation

BATCHES = (2, 3, 5)
DAYS, SHIFTS = 9, 27  # three shifts a day: 25 earlier ones, and one that is left out of the trend
ITEMS = 6000  # of each line in each shift: enough that 100 are held
STEP, SD = 0.44, 0.1  # between nominals, 4.4 sds: some items are ambiguous in every shift
MANY = 500  # lines of the large plant
REPEATS = 15
OPENED = 5
LINE_LIMIT, CPU_LIMIT = 120_000, 60.0  # bytes, ms: what a line's page is promised to stay under
CHROMIUM = "/usr/bin/chromium"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]

HEAD = """\
# The pages in figures

What a line's page weighs and costs with {held} held items listed and a trend of {trend} shifts, and
what a shift's page of {many} lines does. Lines of 2, 3 and 5 batches were simulated and inspected
through {shifts} shifts of {items:,} items; the pages are of the last.

- **bytes**, **gzip**: of the page, style sheet included; nothing else is loaded.
- **CPU**: processor time to make the page's text from the published record, tally and held items,
  median of {repeats}. Templates are compiled once a process, which is not counted.
- **opened**: from the call to the load event in headless Chromium, from a local file, median of
  {opened}."""
TAIL = """\
The promise for a line's page is at most {limit:,} bytes and {cpu:.0f} ms of processor time; a row
that breaks it is bold. Sizes are the same on every machine; times are of a shared machine with 2
cores, and only their order of magnitude is. Made by

```sh
python -m benchmarks.pages --write
```"""


def plant_toml() -> str:
    """A plant with a line for each number of batches."""
    lines = ['[plant]\nname = "Springfield"\ntime_zone = "Europe/Berlin"\nstorage = "results"']
    lines.append('readings = "readings"\nlayout = "hive"\n[plant.columns]\nlot = "lot"')
    lines.append('measured_at = "measured_at"')
    for name, start, end in (("early", 6, 14), ("late", 14, 22), ("night", 22, 6)):
        lines.append(f'[[shift]]\nname = "{name}"\nstart = "{start:02}:00"\nend = "{end:02}:00"')
    for k in BATCHES:
        lines.append(f'[[line]]\nname = "{k}"\ncharacteristic = "diameter"\nunit = "mm"')
        lines.append('column = "d"\ngauge = { resolution = 0.01, range = [5.0, 20.0] }')
        for b in range(k):
            nominal = 10 + STEP * b
            lines.append(f'[[line.batch]]\nname = "{nominal:.2f}"\nnominal = {nominal:.2f}')
            lines.append(f"usual_sd = {SD}\nlsl = {nominal - 0.35:.2f}\nusl = {nominal + 0.35:.2f}")
    return "\n".join(lines)


def last_shift(home: Path) -> PublishedShift:
    """Simulate and inspect the plant; what its last shift has published."""
    (home / "plant.toml").write_text(plant_toml(), encoding="utf-8")
    plant = load_plant(home / "plant.toml")
    shifts = write_simulation(plant, n_days=DAYS, items_per_shift=ITEMS, truth=home / "truth")
    for shift in shifts:
        inspect(plant, shift)
    return load_published(plant.storage, shifts[-1].date, shifts[-1].name)


def cpu_ms(work: Callable[[], object], repeats: int = REPEATS) -> float:
    """Processor time of some work, in ms: the median."""
    spent = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        spent.append(1000 * (time.process_time() - start))
    return statistics.median(spent)


def open_ms(browser: Browser, path: Path) -> float:
    """Time to open a page in a fresh context, in ms: the median."""
    spent = []
    for _ in range(OPENED):
        page = browser.new_context().new_page()
        start = time.perf_counter()
        page.goto(path.as_uri(), wait_until="load")
        spent.append(1000 * (time.perf_counter() - start))
        page.context.close()
    return statistics.median(spent)


def many_lines(shift: PublishedShift) -> tuple[ShiftRecord, dict[str, LineEvidence]]:
    """The same lines under other names, until there are `MANY`."""
    lines: list[LineRecord] = []
    evidence = {}
    for k in range(MANY):
        line = shift.record.lines[k % len(shift.record.lines)]
        name = f"L{k:03d}"
        lines.append(replace(line, line=replace(line.line, name=name)))
        evidence[name] = shift.evidence[line.line.name]
    return replace(shift.record, lines=tuple(lines)), evidence


def line_rows(shift: PublishedShift, browser: Browser, home: Path) -> list[list[str]]:
    """A row for the page of each line."""
    nothing = cpu_ms(lambda: reports.pages_of(replace(shift.record, lines=()), {}))
    rows = []
    for line in shift.record.lines:
        name = line.line.name
        held = len(shift.evidence[name].held)
        assert held == 100, (name, held)
        assert line.trend is not None
        assert len(line.trend.shifts) == TREND_SHIFTS + 1
        alone = replace(shift.record, lines=(line,))
        cpu = cpu_ms(lambda alone=alone: reports.pages_of(alone, shift.evidence)) - nothing
        path = home / f"line-{name}.html"
        text = reports.pages_of(alone, shift.evidence)[path.name]
        path.write_text(text, encoding="utf-8")
        size = len(text.encode())
        kept = size <= LINE_LIMIT and cpu < CPU_LIMIT
        cells = [f"{size:,}", f"{len(gzip.compress(text.encode(), mtime=0)):,}", f"{cpu:.0f}"]
        rows.append(
            [
                f"line of {name} batches",
                *(cell if kept else f"**{cell}**" for cell in cells),
                f"{open_ms(browser, path):.0f}",
            ]
        )
    return rows


def shift_row(shift: PublishedShift, browser: Browser, home: Path) -> list[str]:
    """The row for the page of a shift with many lines."""
    record, evidence = many_lines(shift)
    start = time.process_time()
    pages = reports.pages_of(record, evidence)
    cpu = 1000 * (time.process_time() - start)
    path = home / "many.html"
    path.write_text(pages["index.html"], encoding="utf-8")
    content = pages["index.html"].encode()
    return [
        f"shift of {MANY} lines, and their {MANY} pages",
        f"{len(content):,}",
        f"{len(gzip.compress(content, mtime=0)):,}",
        f"{cpu:,.0f}",
        f"{open_ms(browser, path):.0f}",
    ]


def main() -> None:
    """Measure, and print or write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="write docs/reference/pages.md")
    write = parser.parse_args().write
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        home = Path(folder)
        shift = last_shift(home)
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        rows = [*line_rows(shift, browser, home), shift_row(shift, browser, home)]
        browser.close()
    head = ("page", "bytes", "gzip", "CPU ms", "opened ms")
    facts = {"held": 100, "trend": TREND_SHIFTS + 1, "many": MANY, "shifts": SHIFTS}
    facts |= {"items": ITEMS, "repeats": REPEATS, "opened": OPENED}
    parts = (
        HEAD.format(**facts),
        table(head, rows),
        TAIL.format(limit=LINE_LIMIT, cpu=CPU_LIMIT),
    )
    if write:
        write_page("pages", *parts)
    else:
        print(parts[1])


if __name__ == "__main__":
    main()
