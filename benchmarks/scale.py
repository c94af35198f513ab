"""Scale: many lines, many files, one large line beside small ones, many days.

    python -m benchmarks.scale [--quick] [--only files ...] [--write]

Each part runs in a process of its own. Its memory, and that of its children, is summed over the
process tree. What was measured is kept in scale_measured.json, so that a part can be measured
again by itself; `--quick` has small sizes, takes two minutes and keeps nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import scale_data, scale_page, speed_data
from benchmarks.scale_data import Sizes
from benchmarks.speed_child import idle_decoder

MEASURED = Path(__file__).with_name("scale_measured.json")
LOOK = 0.05  # seconds between two looks at the memory
MIB = 2**20

Told = dict[str, Any]


def watched(task: str, config: Path, *more: object) -> Told:
    """What a process of its own says of its work, with the most memory of it and its children."""
    idle = idle_decoder()
    command = [sys.executable, "-m", "benchmarks.scale_child", task, str(config), *map(str, more)]
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as trouble:
        child = subprocess.Popen(command, stdout=out, stderr=trouble)
        most = {"tree_mb": 0.0, "own_mb": 0.0, "above_mb": 0.0}
        while child.poll() is None:
            tree = of_tree(child.pid)
            own = tree.pop(child.pid, 0.0)
            above = own + sum(max(each - idle, 0.0) for each in tree.values())
            now = {"tree_mb": own + sum(tree.values()), "own_mb": own, "above_mb": above}
            most = {kind: max(most[kind], now[kind]) for kind in most}
            time.sleep(LOOK)
        out.seek(0)
        trouble.seek(0)
        if child.returncode != 0:
            raise RuntimeError(f"{task} {config}: {trouble.read()[-2000:]}")
        first, *_, last = out.read().splitlines()
    told: Told = json.loads(first) | json.loads(last)
    most["above_mb"] -= told["imports_mb"]
    return told | most


def of_tree(root: int) -> dict[int, float]:
    """What a process and all that descend from it have in memory, in MB, by number."""
    parents: dict[int, int] = {}
    held: dict[int, float] = {}
    page = os.sysconf("SC_PAGE_SIZE")
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit():
            continue
        try:
            stat = Path(entry.path, "stat").read_text(encoding="utf-8", errors="replace")
            statm = Path(entry.path, "statm").read_text(encoding="ascii")
        except OSError:  # it has ended meanwhile
            continue
        parents[int(entry.name)] = int(stat.rpartition(")")[2].split()[1])
        held[int(entry.name)] = int(statm.split()[1]) * page / MIB
    own, fresh = {root}, {root}
    while fresh:
        fresh = {pid for pid, parent in parents.items() if parent in fresh} - own
        own |= fresh
    return {pid: held[pid] for pid in own if pid in held}


def many_lines(home: Path, sizes: Sizes) -> Told:
    """Many lines through the flow, against the same work without Prefect."""
    config = speed_data.write_plant(home, sizes.lines, sizes.items)
    told = watched("lines", config, sizes.rounds)
    return told | {"lines": sizes.lines, "items": sizes.items}


def many_files(home: Path, sizes: Sizes) -> Told:
    """One line whose shift lies in more and more small files."""
    rows = []
    for number in sizes.files:
        config = scale_data.many_files(home / str(number), number, sizes.rows_a_file)
        rows.append(watched("shift", config) | {"files": number})
        shutil.rmtree(config.parent)
    return {"rows": rows, "rows_a_file": sizes.rows_a_file}


def one_large(home: Path, sizes: Sizes) -> Told:
    """A line of very many rows beside small ones."""
    config = scale_data.one_large(home, sizes.large, sizes.beside, sizes.beside_items)
    told = watched("shift", config)
    told |= {"in_bytes": parquet_bytes(home / "readings")}
    told |= {"out_bytes": parquet_bytes(home / "results")}
    return told | {"n": sizes.large, "beside": sizes.beside, "items": sizes.beside_items}


def parquet_bytes(folder: Path) -> int:
    """Bytes of all Parquet files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*.parquet"))


def many_days(home: Path, sizes: Sizes) -> Told:
    """Shift after shift, with all that earlier shifts have published."""
    config = scale_data.many_days(home, sizes.daily_lines)
    told = watched("days", config, sizes.days, sizes.daily_items)
    return told | {"lines": sizes.daily_lines, "items": sizes.daily_items, "days": sizes.days}


PARTS: Mapping[str, Callable[[Path, Sizes], Told]] = {
    "lines": many_lines,
    "files": many_files,
    "large": one_large,
    "days": many_days,
}


def measured(name: str, home: Path, sizes: Sizes) -> Told:
    """One part, with the day and the load of the machine before and after it."""
    before = os.getloadavg()[0]
    began = time.perf_counter()
    told = PARTS[name](home, sizes)
    shutil.rmtree(home)
    took = time.perf_counter() - began
    load = [round(before, 1), round(os.getloadavg()[0], 1)]
    print(f"{name}: {took:.0f} s, load averages {load}", flush=True)
    return told | {"date": f"{datetime.now(UTC):%Y-%m-%d}", "load": load, "took": took}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes, two minutes")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), help="parts")
    parser.add_argument("--write", action="store_true", help="write docs/reference/scale.md")
    chosen = parser.parse_args()
    sizes = scale_data.QUICK if chosen.quick else scale_data.FULL
    found: dict[str, Told] = {}
    for name in chosen.only:
        with tempfile.TemporaryDirectory(prefix="shiftmix-scale-") as folder:
            found[name] = rounded(measured(name, Path(folder) / name, sizes))
        if not chosen.quick:
            keep(name, found[name])
    parts = scale_page.page(found if chosen.quick else kept())
    print("\n\n".join(parts))
    if chosen.write:
        scale_page.write(parts)


def kept() -> dict[str, Told]:
    """What was measured of each part."""
    if not MEASURED.exists():
        return {}
    found: dict[str, Told] = json.loads(MEASURED.read_text(encoding="utf-8"))
    return found


def keep(name: str, told: Told) -> None:
    """Keep what was measured of a part."""
    MEASURED.write_text(json.dumps(kept() | {name: told}, indent=1) + "\n", encoding="utf-8")


def rounded(value: Any) -> Any:
    """The same with four figures of each number: more mean nothing."""
    if isinstance(value, dict):
        return {name: rounded(one) for name, one in value.items()}
    if isinstance(value, list):
        return [rounded(one) for one in value]
    return float(f"{value:.4g}") if isinstance(value, float) else value


if __name__ == "__main__":
    main()
