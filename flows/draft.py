"""``shiftmix init``: what a file of readings says of its plant, as far as a file can say it.

Columns, lines, the gauge's step and the evidence for the number of batches are guessed from the
file and marked as such; what only the plant knows is left as a TODO, and spec limits are never
made up. `draft_text` writes the TOML.
"""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from config import load_plant
from flows.draft_text import draft_text
from flows.guesses import Columns, guess_columns
from flows.paths import relative, shown
from qc.errors import ConfigError, ReadingsError, Where
from qc.mixture import Fit, Tally, detect_grid, fit_tally
from qc.storage.any_file import (
    Column,
    TableProfile,
    read_column,
    read_column_by_line,
    table_profile,
)
from qc.storage.schema import OUR_COLUMNS
from qc.wording import grouped, plural

Floats = NDArray[np.float64]

MOST_BATCHES = 5  # K = 1 to this are compared
WORSE_IN_A_ROW = 2  # numbers of batches beyond the best that are tried before it is believed
ENOUGH = 20_000  # readings to count batches by; a tally of continuous readings is as long as they
FAR = 20.0  # interquartile ranges beyond the quartiles: no reading of a batch
PREFIX = "shiftmix_"
LINE_NAME = re.compile(r"[A-Za-z0-9._-]{0,63}[A-Za-z0-9_-]")
DATE_IN_NAME = re.compile(r"\d{4}-\d{2}-\d{2}")
NOT_IN_A_PATTERN = re.compile(r'[*?\[\]\\:"<>|{}]')


@dataclass(frozen=True, slots=True, eq=False)
class LineDraft:
    """What the file says of one line.

    Attributes
    ----------
    fits : tuple of Fit
        Of K = 1, 2, ... batches.
    best : Fit or None
        The one with the lowest BIC; None where there are too few readings for any.
    far : tuple of (float, int)
        Readings far from all others, with their counts: strays, or marks of "no reading".
    sampled : int or None
        Readings that the batches were counted by, where those are not all.
    """

    name: str
    n: int
    low: float
    high: float
    resolution: float | None
    origin: float
    fits: tuple[Fit, ...]
    best: Fit | None
    far: tuple[tuple[float, int], ...]
    sampled: int | None


@dataclass(frozen=True, slots=True, eq=False)
class Draft:
    """What the file says of the plant.

    Attributes
    ----------
    readings, pattern : str
        Where the plant's files are, as plant.toml says it.
    must_copy : bool
        Whether the file has to be copied there first, since its name tells no date.
    column_prefix : str
        Set where the file has a column of a name that the results use.
    unusable : tuple of str
        Lines in the data whose names cannot be used.
    """

    file: Path
    profile: TableProfile
    columns: Columns
    day: date
    readings: str
    pattern: str
    must_copy: bool
    column_prefix: str
    lines: tuple[LineDraft, ...]
    unusable: tuple[str, ...]


def draft_and_tell(file: Path, out: Path, column: str, *, force: bool) -> None:
    """Write a draft of plant.toml for a file, and print what to do next.

    Raises
    ------
    ReadingsError
        If the file cannot be read, or has no column of readings.
    ConfigError
        If `out` exists and `force` is not given.
    """
    if out.exists() and not force:
        raise ConfigError(
            "there is a file of that name already",
            Where(path=str(out)),
            "Name another with --out, or replace it with --force",
        )
    draft = draft_of(file, out, column)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(draft_text(draft), encoding="utf-8")
    plant = load_plant(out)  # a draft that cannot be used as it is would be no help
    target = Path(plant.readings) / plant.pattern.format(date=draft.day) if plant.pattern else file
    print(
        f"{out}: {plural(len(draft.lines), 'line')} drafted from "
        f"{grouped(draft.profile.n_rows)} rows."
    )
    print("Look through its TODOs, then:")
    for command in next_commands(draft, out, target):
        print(f"  {command}")


def next_commands(draft: Draft, out: Path, target: Path) -> Iterable[str]:
    """List the commands that lead from the draft to a report."""
    config, day = shlex.quote(str(out)), draft.day
    if draft.must_copy:
        source, folder = shlex.quote(str(draft.file)), shlex.quote(shown(target.parent))
        yield f"mkdir -p {folder} && cp {source} {shlex.quote(shown(target))}"
    yield f"shiftmix check --config {config} --date {day} --shift day"
    yield f"shiftmix inspect --config {config} --date {day} --shift day"


def draft_of(file: Path, out: Path, column: str = "") -> Draft:
    """Read what a Parquet file says of its plant."""
    profile = table_profile(file)
    columns = guess_columns(profile, file, column)
    readings = (
        {"A": read_column(file, columns.reading)}
        if columns.line is None
        else read_column_by_line(file, columns.reading, columns.line)
    )
    usable = {n: c for n, c in readings.items() if LINE_NAME.fullmatch(n) and len(c.values)}
    if not usable:
        raise ReadingsError(
            "no line with a usable name has readings",
            Where(path=str(file), column=columns.reading),
            "Names of lines are 1 to 64 letters, digits, '.', '_' or '-'",
        )
    day, pattern = _day_and_pattern(file, columns.first)
    folder = relative(file.parent, out.parent)
    return Draft(
        file=file,
        profile=profile,
        columns=columns,
        day=day,
        readings=folder if pattern else "readings",
        pattern=pattern or "{date}.parquet",
        must_copy=not pattern,
        column_prefix=PREFIX if any(c.name in OUR_COLUMNS for c in profile.columns) else "",
        lines=tuple(_line(name, usable[name]) for name in usable),
        unusable=tuple(name for name in readings if name not in usable),
    )


def _line(name: str, column: Column) -> LineDraft:
    values = column.values
    grid = detect_grid(values)
    resolution, origin = (grid.resolution, grid.origin) if grid else (None, 0.0)
    near, far = _near_and_far(values)
    if resolution is None and len(near) > ENOUGH:
        near = np.random.default_rng(0).choice(near, ENOUGH, replace=False)
    tally = Tally.of(near, resolution=resolution, origin=origin)
    print(f"line {name}: counting the batches ...", file=sys.stderr, flush=True)
    fits = _fits(tally)
    return LineDraft(
        name=name,
        n=len(values),
        low=float(near.min()),
        high=float(near.max()),
        resolution=resolution,
        origin=origin,
        fits=fits,
        best=min(fits, key=_bic, default=None),
        far=far,
        sampled=None if len(near) + sum(n for _, n in far) == len(values) else len(near),
    )


def _fits(tally: Tally) -> tuple[Fit, ...]:
    """Fit one batch, two, three and so on, until more of them explain nothing more."""
    fits: list[Fit] = []
    for k in range(1, MOST_BATCHES + 1):
        fit = fit_tally(tally, k)
        if fit.failed:
            break
        fits.append(fit)
        if k - min(fits, key=_bic).n_batches == WORSE_IN_A_ROW:
            break
    return tuple(fits)


def _bic(fit: Fit) -> float:
    return fit.bic


def _near_and_far(values: Floats) -> tuple[Floats, tuple[tuple[float, int], ...]]:
    """Part the readings from those far from all others."""
    low, high = np.quantile(values, [0.25, 0.75])
    reach = FAR * (high - low)
    is_far = (values < low - reach) | (values > high + reach)
    if reach == 0 or not is_far.any():
        return values, ()
    where, counts = np.unique(values[is_far], return_counts=True)
    pairs = zip(where.tolist(), counts.tolist(), strict=True)
    return values[~is_far], tuple(sorted(pairs, key=lambda pair: -pair[1]))


def _day_and_pattern(file: Path, first: datetime | None) -> tuple[date, str]:
    """Production date of the file, and the pattern of its name; empty where it tells no date."""
    found = DATE_IN_NAME.search(file.name)
    named = _date_of(found[0]) if found else None
    if found and named and not NOT_IN_A_PATTERN.search(file.name):
        return named, file.name.replace(found[0], "{date}")
    moment = first or datetime.fromtimestamp(file.stat().st_mtime, UTC)
    return named or moment.date(), ""


def _date_of(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
