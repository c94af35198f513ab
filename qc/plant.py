"""The plant as records: lines, gauges, batches, policy, and the calendar of shifts.

`config/` reads them from plant.toml; every other wing receives them. They are frozen and already
judged: a record that exists is valid.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from qc.errors import ConfigError

Layout = Literal["hive", "files"]
Fixed = Literal["", "mean", "sd", "both"]
Spread = Literal["free", "common", "proportional"]
Runner = Literal["threads", "processes", "dask"]


@dataclass(frozen=True, slots=True)
class Gauge:
    """What is known of the instrument, in the line's unit.

    Attributes
    ----------
    resolution : float or None
        Step between two values the instrument can show; readings are rounded to the nearest.
    origin : float
        A value on the grid of the instrument (0 unless the grid is shifted).
    range : (float, float) or None
        Lowest and highest reading the instrument can give; readings outside are invalid.
    sentinels : tuple of float
        Values that mean "no reading", such as 9.999.
    repeatability : float or None
        Standard deviation of repeated readings of one item: makes a guard band at the spec limits.
    """

    resolution: float | None = None
    origin: float = 0.0
    range: tuple[float, float] | None = None
    sentinels: tuple[float, ...] = ()
    repeatability: float | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """One size that the line may run; all but the name may be unknown.

    Attributes
    ----------
    nominal : float or None
        Design target, in the line's unit.
    max_drift : float or None
        How far the batch's mean may lie from its nominal (a hard bound), in the line's unit.
    usual_sd : float or None
        The batch's usual standard deviation, in the line's unit.
    lsl, usl : float or None
        Lower and upper specification limits, in the line's unit.
    fixed : {"", "mean", "sd", "both"}
        What is known so well that it is not fitted: the mean is the nominal, the sd the usual one.
    """

    name: str
    nominal: float | None = None
    max_drift: float | None = None
    usual_sd: float | None = None
    lsl: float | None = None
    usl: float | None = None
    fixed: Fixed = ""


@dataclass(frozen=True, slots=True)
class Policy:
    """The plant's rules for one line.

    Attributes
    ----------
    min_posterior : float
        An item is ambiguous when the posterior of its batch is below this.
    max_misassigned_ppm : float or None
        Where stated, it replaces `min_posterior`: hold the fewest items that keep the expected
        misassigned share of the assigned ones under it.
    atypical_level : float
        An item is atypical when its two-sided tail probability is below this under every batch.
    min_items : int
        Fewer valid items than this are not assessed.
    fit_window : int
        Shifts that one fit covers: 1 is this shift alone.
    max_invalid_share : float
        More invalid readings than this and the line's shift is not assessed.
    max_held_share : float
        More held items than this and the line needs action.
    anchor_known : bool
        Whether readings of known items inform the mean and the sd of their batch.
    unique_ids : bool
        Whether items delivered twice are looked for; False: the producer vouches that there are
        none.
    """

    min_posterior: float = 0.95
    max_misassigned_ppm: float | None = None
    atypical_level: float = 1e-6
    min_items: int = 50
    fit_window: int = 1
    max_invalid_share: float = 0.05
    max_held_share: float = 0.05
    anchor_known: bool = False
    unique_ids: bool = True


@dataclass(frozen=True, slots=True)
class Operation:
    """How a plant's shifts are run by themselves; no result depends on it.

    Attributes
    ----------
    settle_minutes : int
        How long after a shift's end its inspection waits for files that are still on their way.
    catch_up_days : int
        How many days back `shiftmix serve` looks for shifts that nobody inspected.
    runs_at_once : int
        Runs of `shiftmix serve` that may be at work side by side.
    retention_days : int
        Age of a shift from which `shiftmix retention` lists its versions; it deletes nothing.
    reports_url : str
        Where browsers find the results' folder; empty: where `shiftmix serve` serves it.
    runner : {"threads", "processes", "dask"}
        Who scans the files and writes the items of all lines.
    workers : int or None
        How many of them; None: as many as there are cores.
    dask_address : str
        Of a Dask scheduler; empty: a cluster on this host is started and ended.
    """

    settle_minutes: int = 15
    catch_up_days: int = 7
    runs_at_once: int = 2
    retention_days: int = 3650
    reports_url: str = ""
    runner: Runner = "threads"
    workers: int | None = None
    dask_address: str = ""


@dataclass(frozen=True, slots=True)
class Baseline:
    """A period whose shifts say what the later ones are to be like: their trend's control limits.

    Attributes
    ----------
    first, last : date
        Production dates, both included.
    name : str
        What the plant calls it, such as "after overhaul".
    """

    first: date
    last: date
    name: str


@dataclass(frozen=True, slots=True)
class Line:
    """A production line and what is measured on it.

    Attributes
    ----------
    baseline : Baseline or None
        None: control limits come from the shifts just before.
    spread : {"free", "common", "proportional"}
        Whether each batch has its own sd, all have one, or all have one coefficient of variation.
    """

    name: str
    characteristic: str
    unit: str
    column: str
    batches: tuple[Batch, ...]
    gauge: Gauge = field(default_factory=Gauge)
    policy: Policy = field(default_factory=Policy)
    spread: Spread = "free"
    baseline: Baseline | None = None


@dataclass(frozen=True, slots=True)
class ShiftTimes:
    """A shift of the calendar: its name and local start and end; it may run over midnight."""

    name: str
    start: time
    end: time


@dataclass(frozen=True, slots=True)
class Shift:
    """A work period: production date (the local date on which it starts) and shift name.

    Attributes
    ----------
    start, end : datetime
        In UTC, so that differences are true on the nights of daylight saving; `end` is exclusive.
    """

    date: date
    name: str
    start: datetime
    end: datetime

    def __str__(self) -> str:
        return f"{self.date} {self.name}"


@dataclass(frozen=True, slots=True)
class Columns:
    """Names of the input's columns; None where the plant records nothing of the kind.

    `item` None means that no id is recorded: items are then named by file and row.
    """

    item: str | None = "item_id"
    measured_at: str | None = None
    line: str | None = None
    lot: str | None = None
    known_batch: str | None = None


@dataclass(frozen=True, slots=True)
class Plant:
    """The whole configuration.

    Attributes
    ----------
    storage, readings : str
        Root folder of the results and of the measurements (absolute); of what is in an object
        store it is the folder of its local mirror.
    layout : {"hive", "files"}
        ``hive``: ``line=A/date=2026-11-22/shift=early/*.parquet`` under `readings`;
        ``files``: one file per shift by `pattern`, with a line column.
    pattern : str or None
        For ``files``: path below `readings` with ``{date}`` and ``{shift}``.
    column_prefix : str
        Put before the names of our own columns in the published items.
    templates : str or None
        Folder of the plant's own templates for its pages (absolute).
    source : str
        The file the configuration was read from.
    reaction : dict of str to str
        The reaction plan: what to do, in the plant's own words, by finding code or by the first
        word of one. It is a text of reports; no result depends on it.
    """

    name: str
    time_zone: str
    storage: str
    readings: str
    layout: Layout
    pattern: str | None
    columns: Columns
    shifts: tuple[ShiftTimes, ...]
    lines: tuple[Line, ...]
    column_prefix: str = ""
    templates: str | None = None
    source: str = "plant.toml"
    reaction: dict[str, str] = field(default_factory=dict)
    operation: Operation = field(default_factory=Operation)

    def line(self, name: str) -> Line:
        """The line of that name; ConfigError where there is none."""
        for line in self.lines:
            if line.name == name:
                return line
        known = ", ".join(line.name for line in self.lines)
        raise ConfigError(
            f"no line {name!r} in {self.source}", remedy=f"Name one of its lines: {known}"
        )

    def shift(self, day: date, name: str) -> Shift:
        """The work period that starts on `day` under that name.

        Times are the plant's wall clock. On the nights of daylight saving a shift is an hour
        shorter or longer; a boundary that the clock skips is taken when the clock resumes, one
        that comes twice the first time it comes.
        """
        for times in self.shifts:
            if times.name == name:
                ends = day if times.end > times.start else day + timedelta(days=1)
                return Shift(
                    day, name, self._moment(day, times.start), self._moment(ends, times.end)
                )
        known = ", ".join(times.name for times in self.shifts)
        raise ConfigError(
            f"no shift {name!r} in {self.source}", remedy=f"Name one of its shifts: {known}"
        )

    def shifts_of(self, day: date) -> tuple[Shift, ...]:
        """The work periods that start on `day`, in order of their start."""
        shifts = (self.shift(day, times.name) for times in self.shifts)
        return tuple(sorted(shifts, key=lambda shift: (shift.start, shift.name)))

    def last_ended_shift(self, now: datetime) -> Shift:
        """The shift that ended last before the aware moment `now`."""
        today = now.astimezone(ZoneInfo(self.time_zone)).date()
        days = (today - timedelta(days=back) for back in range(3))
        ended = [shift for day in days for shift in self.shifts_of(day) if shift.end <= now]
        return max(ended, key=lambda shift: (shift.end, shift.start))

    def _moment(self, day: date, wall: time) -> datetime:
        return datetime.combine(day, wall, tzinfo=ZoneInfo(self.time_zone)).astimezone(UTC)


def config_sha256(plant: Plant, line: Line, shift: Shift) -> str:
    """Hash of the configuration that a line's result depends on, in one shift.

    Its own section with policy, the shift's times and the input's columns; other lines and the
    wording of reports do not count.
    """
    content = json.dumps(
        {
            "line": asdict(line),
            "shift": asdict(shift),
            "columns": asdict(plant.columns),
            "prefix": plant.column_prefix,
        },
        sort_keys=True,
        default=str,
    )
    return hashlib.sha256(content.encode()).hexdigest()
