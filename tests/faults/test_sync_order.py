"""What would survive a loss of power: the order of writes, syncs and renames, as the system saw it.

A file system may keep a rename and lose the content, or keep both and lose the folder's entry. So
each rename must come after a sync of what is renamed, and before a sync of its folder; and when the
pointer is swapped, every file and folder of the version must have been synced since it was written.
The calls are those that strace saw of a real run, in whatever library they were made.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults.small_site import Site, build

TRACED = "openat,open,creat,write,pwrite64,writev,fsync,fdatasync,rename,renameat,renameat2,mkdir"
LINE = re.compile(r"^(\d+)\s+(?:(\w+)\((.*)|<\.\.\. (\w+) resumed>(.*))$")
HANDLE = re.compile(r"^\d+<([^>]*)>")
QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True)
class Call:
    """A call that succeeded: its name, and the files it was about."""

    name: str
    path: str
    target: str = ""


def calls_of(trace: str, root: Path) -> list[Call]:
    """The calls below a folder, in the order in which they ended."""
    begun: dict[str, tuple[str, str]] = {}
    made = []
    for line in trace.splitlines():
        found = LINE.match(line)
        if found is None:
            continue
        process, name, rest, resumed, tail = found.groups()
        if name is not None and rest.endswith("<unfinished ...>"):
            begun[process] = name, rest.removesuffix("<unfinished ...>")
            continue
        if resumed is not None:
            name, rest = begun.pop(process, (resumed, ""))
            rest += tail
        if " = -1 " in rest:
            continue
        made += [call for call in _calls(name, rest) if call.path.startswith(str(root))]
    return made


def _calls(name: str, rest: str) -> Iterator[Call]:
    handle, quoted = HANDLE.match(rest), QUOTED.findall(rest)
    if name in ("write", "pwrite64", "writev") and handle:
        yield Call("write", handle[1])
    elif name in ("fsync", "fdatasync") and handle:
        yield Call("fsync", handle[1])
    elif name.startswith("rename") and len(quoted) == 2:
        yield Call("rename", quoted[0], quoted[1])
    elif name == "mkdir" and quoted:
        yield Call("create", quoted[0])
    elif name in ("open", "openat", "creat") and quoted and "O_CREAT" in rest:
        yield Call("create", quoted[-1])


def faults_of(calls: Sequence[Call], pointer: str) -> list[str]:
    """What a loss of power could take away from what is already shown."""
    dirty: set[str] = set()  # files whose content is not safe
    loose: dict[str, str] = {}  # new entries, by path, with the folder that must be synced
    found = []
    for call in calls:
        if call.name == "write":
            dirty.add(call.path)
        elif call.name == "create":
            loose[call.path] = str(Path(call.path).parent)
        elif call.name == "fsync":
            dirty.discard(call.path)
            loose = {path: home for path, home in loose.items() if home != call.path}
        else:
            if call.path in dirty:
                found.append(f"renamed before its content was synced: {call.target}")
            loose.pop(call.path, None)
            if call.target.endswith(pointer):
                home = str(Path(call.target).parent)
                found += [f"not synced when the pointer was swapped: {p}" for p in _in(dirty, home)]
                found += [f"not in its folder then: {p}" for p in _in(loose, home)]
            loose[call.target] = str(Path(call.target).parent)
    found += [f"its folder was never synced: {path}" for path in loose if Path(path).exists()]
    return found


def _in(paths: object, home: str) -> list[str]:
    assert isinstance(paths, set | dict)
    # The lock is a file without content that each run may make anew.
    return sorted(p for p in paths if p.startswith(f"{home}/v") and not p.endswith(".tmp"))


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory) -> tuple[Site, list[Call]]:
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace is not installed: `apt-get install strace`")
    site = build(tmp_path_factory.mktemp("traced") / "site")
    log = site.folder / "strace.log"
    program = "from flows.cli import main; main()"
    shift = ["--date", str(site.shift.date), "--shift", site.shift.name]
    command = ["inspect", "--config", str(site.folder / "plant.toml"), *shift]
    tracing = [strace, "-f", "-y", "-qq", "-s", "200", "-e", f"trace={TRACED}", "-o", str(log)]
    done = subprocess.run(
        [*tracing, sys.executable, "-c", program, *command],
        capture_output=True,
        check=False,
        timeout=300,
        cwd=Path(__file__).parents[2],
    )
    if b"PTRACE" in done.stderr:
        pytest.skip(f"strace may not trace here: {done.stderr.decode()[:200]}")
    assert done.returncode == 0, done.stderr.decode()
    assert site.seen()
    return site, calls_of(log.read_text(errors="replace"), site.folder.resolve())


@pytest.mark.fault("H6")
def test_h6_nothing_is_shown_before_it_is_safe(traced: tuple[Site, list[Call]]) -> None:
    _, calls = traced
    renamed = [Path(call.target).name for call in calls if call.name == "rename"]
    assert {"current.json", "manifest.json", "shift.json", "index.html"} <= set(renamed)
    assert sum(call.name == "fsync" for call in calls) > len(renamed)
    assert faults_of(calls, "current.json") == []


@pytest.mark.fault("H6")
@pytest.mark.parametrize("name", ["manifest.json", "part-00000.parquet", "report/line-C.html"])
def test_h6_the_rule_finds_a_sync_that_is_left_out(
    traced: tuple[Site, list[Call]], name: str
) -> None:
    """The rule is no formality: without the syncs of one file, or of its folder, it complains."""
    _, calls = traced
    stem = Path(name).name
    without = [c for c in calls if not (c.name == "fsync" and stem in c.path)]
    assert len(without) < len(calls)
    assert any(stem in fault for fault in faults_of(without, "current.json"))
    homes = {str(Path(c.target or c.path).parent) for c in calls if stem in (c.target or c.path)}
    without = [c for c in calls if not (c.name == "fsync" and c.path in homes)]
    assert faults_of(without, "current.json")
