"""Which files hold a shift's measurements: listed by ourselves, regular files below the root only.

Where the readings are in an object store, what it has of the shift is fetched first (`intake`).

Symbolic links are not followed, names are not decoded, and whatever lies in a shift's folder that
is not read is reported. Names that begin with "." or "_" and do not end in ".parquet" (temporary
files, markers) are passed over, as every reader of such folders does.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from qc.errors import ConfigError, ReadingsError, Where
from qc.plant import Plant, Shift
from qc.records import Reject
from qc.storage.delivery import BESIDE, MANIFEST
from qc.storage.intake import (
    HIDDEN,
    LINE_KEY,
    SUFFIX,
    Brought,
    bring,
    is_in_store,
    listed_bytes,
    problem_with_name,
)
from qc.storage.line_column import footer_rows, line_counts
from qc.storage.paths import is_name, shown
from qc.storage.refusal import refuse
from qc.wording import grouped


@dataclass(frozen=True, slots=True)
class UnknownLine:
    """A line in the data that the configuration does not know."""

    name: str
    n_files: int
    n_rows: int


@dataclass(frozen=True, slots=True)
class ShiftFiles:
    """The files of one shift.

    Attributes
    ----------
    by_line : dict of str to tuple of str
        Every line of the plant -> its files, relative to the root of the readings, sorted; empty
        where there are none.
    unknown_lines : tuple of UnknownLine
    problems : tuple of Reject
        What could not be taken and belongs to no line of the plant.
    line_problems : dict of str to tuple of Reject
        What could not be taken of a line; they come back in the line's readings.
    manifests : dict of str to str
        The producer's manifest of a line's files, where there is one, relative to the root.
    """

    by_line: dict[str, tuple[str, ...]]
    unknown_lines: tuple[UnknownLine, ...]
    problems: tuple[Reject, ...]
    line_problems: dict[str, tuple[Reject, ...]]
    manifests: dict[str, str] = field(default_factory=dict)

    @property
    def has_any(self) -> bool:
        """Whether there is anything at all of the shift, usable or not."""
        of_lines = (*self.by_line.values(), *self.line_problems.values())
        return any(of_lines) or bool(self.manifests or self.unknown_lines or self.problems)


def discover(plant: Plant, shift: Shift) -> ShiftFiles:
    """List the files of a shift.

    Raises
    ------
    ReadingsError
        If the root of the readings is not there, or cannot be listed.
    ConfigError
        If the layout has several lines in a file and no column tells which.
    StoreError
        If the readings are in an object store that does not answer, or refuses.
    WriteError
        If what is fetched from there cannot be written.
    """
    root = Path(plant.readings)
    if is_in_store(plant):
        brought = bring(plant, shift)
        if plant.layout == "hive":
            return _discover_hive(plant, shift, root, brought.lines, brought)
        return _discover_file(plant, shift, root, brought)
    try:
        names = sorted(entry.name for entry in os.scandir(root))
    except OSError as error:
        raise ReadingsError(
            f"the folder of the readings cannot be listed: {error.strerror}",
            Where(str(root)),
            f"Correct [plant] readings in {plant.source}, or mount the folder",
        ) from error
    if plant.layout == "hive":
        return _discover_hive(plant, shift, root, names, Brought())
    return _discover_file(plant, shift, root, Brought())


def has_readings(plant: Plant, shift: Shift) -> bool:
    """Whether there is anything at all of a shift; nothing is fetched (errors as `discover`)."""
    if is_in_store(plant):
        return listed_bytes(plant, shift) is not None
    return discover(plant, shift).has_any


def bytes_of_readings(plant: Plant, shift: Shift) -> int:
    """Bytes of the files of a shift's lines; nothing is fetched (errors as `discover`)."""
    if is_in_store(plant):
        return listed_bytes(plant, shift) or 0
    files = [name for names in discover(plant, shift).by_line.values() for name in names]
    return sum((Path(plant.readings) / name).stat().st_size for name in files)


def expected_place(plant: Plant, line: str, shift: Shift) -> str:
    """Where a line's files of a shift are looked for, relative to the root of the readings."""
    if plant.layout == "hive":
        return f"{LINE_KEY}{line}/{_shift_part(shift)}/*{SUFFIX}"
    assert plant.pattern is not None
    return plant.pattern.replace("{date}", shift.date.isoformat()).replace("{shift}", shift.name)


def _discover_hive(
    plant: Plant, shift: Shift, root: Path, names: Sequence[str], brought: Brought
) -> ShiftFiles:
    by_line: dict[str, tuple[str, ...]] = {line.name: () for line in plant.lines}
    line_problems: dict[str, tuple[Reject, ...]] = {line.name: () for line in plant.lines}
    problems = list(brought.problems)
    unknown: list[UnknownLine] = []
    manifests: dict[str, str] = {}
    for name in names:
        if not name.startswith(LINE_KEY):
            continue
        line = name.removeprefix(LINE_KEY)
        if line not in by_line and not is_name(line):
            remedy = "Name the folder line=NAME, with letters, digits, '.', '_' and '-' only"
            problems.append(refuse(shown(name), f"{line!a} is no name of a line", remedy))
            continue
        files, met, manifest = _list_shift(root, name, _shift_part(shift))
        met = (*met, *brought.by_folder.get(name, ()))
        if line in by_line:
            by_line[line], line_problems[line] = files, met
            manifests |= {} if manifest is None else {line: manifest}
        elif files or met:
            n_rows = sum(footer_rows(root / file) for file in files)
            unknown.append(UnknownLine(line, len(files), n_rows))
            problems += met
    return ShiftFiles(by_line, tuple(unknown), tuple(problems), line_problems, manifests)


def _shift_part(shift: Shift) -> str:
    return f"date={shift.date.isoformat()}/shift={shift.name}"


def _list_shift(
    root: Path, line: str, part: str
) -> tuple[tuple[str, ...], tuple[Reject, ...], str | None]:
    """Files of one line's shift, what else lies there, and the producer's manifest of them."""
    relative = f"{line}/{part}"
    met = _first_problem(root, relative)
    if met is not None:
        return (), (met,), None
    try:
        entries = sorted(os.scandir(root / relative), key=lambda entry: entry.name)
    except FileNotFoundError:
        return (), (), None
    except OSError as error:
        detail = f"the folder cannot be listed: {error.strerror}"
        return (), (refuse(relative, detail, "Let the user of this process read it"),), None
    files, problems, manifest = [], [], None
    for entry in entries:
        if entry.name.startswith(HIDDEN) and not entry.name.endswith(SUFFIX):
            continue
        path = f"{relative}/{entry.name}"
        if entry.name == MANIFEST and entry.is_file(follow_symlinks=False):
            manifest = path
            continue
        problem = _problem_with(entry)
        if problem is None:
            files.append(path)
        else:
            problems.append(refuse(f"{relative}/{shown(entry.name)}", *problem))
    return tuple(files), tuple(problems), manifest


def _problem_with(entry: os.DirEntry[str]) -> tuple[str, str] | None:
    """What keeps an entry of a shift's folder from being read, and the remedy."""
    if entry.name.isprintable() and not entry.is_file(follow_symlinks=False):
        return f"{_kind(entry.stat(follow_symlinks=False))}, not a file", "Put the file there"
    return problem_with_name(entry.name)


def _first_problem(root: Path, relative: str) -> Reject | None:
    """The first part of a path that is there but is no folder."""
    path = root
    for part in Path(relative).parts:
        path = path / part
        try:
            status = path.lstat()
        except FileNotFoundError:
            return None
        except OSError as error:
            where = path.relative_to(root).as_posix()
            return refuse(where, f"cannot be listed: {error.strerror}", "Let this process read it")
        if not stat.S_ISDIR(status.st_mode):
            where = path.relative_to(root).as_posix()
            return refuse(where, f"{_kind(status)}, not a folder", "Put the folder itself there")
    return None


def _kind(status: os.stat_result) -> str:
    if stat.S_ISLNK(status.st_mode):
        return "a symbolic link"
    if stat.S_ISDIR(status.st_mode):
        return "a folder"
    return "a regular file" if stat.S_ISREG(status.st_mode) else "a special file"


def _discover_file(plant: Plant, shift: Shift, root: Path, brought: Brought) -> ShiftFiles:
    lines = [line.name for line in plant.lines]
    nothing: dict[str, tuple[Reject, ...]] = dict.fromkeys(lines, ())
    path = expected_place(plant, "", shift)
    if plant.columns.line is None and len(lines) > 1:
        raise ConfigError(
            f"{len(lines)} lines share a file, and no column tells which",
            Where(plant.source, column="plant.columns.line"),
            "Name the column with the line under [plant.columns], as `line`",
        )
    met = _unusable(root, path)
    refused = (*brought.by_folder.get("", ()), *(() if met is None else (met,)))
    if refused:
        return ShiftFiles(dict.fromkeys(lines, ()), (), (), dict.fromkeys(lines, refused))
    manifest = f"{path}{BESIDE}"
    stated = (root / manifest).is_file() and not (root / manifest).is_symlink()
    manifests = dict.fromkeys(lines, manifest) if stated else {}
    if not (root / path).exists():
        return ShiftFiles(dict.fromkeys(lines, ()), (), (), nothing, manifests)
    counts = None if plant.columns.line is None else line_counts(plant, path)
    if not isinstance(counts, dict):
        # One line only, or a file that cannot be read: each line's reader will say why.
        return ShiftFiles(dict.fromkeys(lines, (path,)), (), (), nothing, manifests)
    by_line: dict[str, tuple[str, ...]] = {
        name: (path,) if counts.get(name) else () for name in lines
    }
    unknown = tuple(UnknownLine(name, 1, n) for name, n in _others(counts, lines))
    problems = []
    if counts.get(None):
        detail = f"{grouped(counts[None])} rows name no line in column {plant.columns.line!r}"
        problems.append(refuse(path, detail, "Record the line of each item"))
    manifests = {name: manifest for name in manifests if by_line[name]}
    return ShiftFiles(by_line, unknown, tuple(problems), nothing, manifests)


def _others(counts: dict[str | None, int], lines: Iterable[str]) -> Iterator[tuple[str, int]]:
    known = set(lines)
    for name in sorted(name for name in counts if name is not None and name not in known):
        yield shown(name), counts[name]


def _unusable(root: Path, path: str) -> Reject | None:
    """What keeps the one file of a shift from being read; None where it is fine, or not there."""
    if Path(path).is_absolute() or ".." in Path(path).parts:
        return refuse(path, "it lies outside of the readings", "Correct [plant] pattern")
    met = _first_problem(root, Path(path).parent.as_posix())
    if met is not None:
        return met
    try:
        status = (root / path).lstat()
    except FileNotFoundError:
        return None
    except OSError as error:
        return refuse(path, f"cannot be read: {error.strerror}", "Let this process read it")
    if stat.S_ISREG(status.st_mode):
        return None
    return refuse(path, f"{_kind(status)}, not a file", "Put the file itself there")
