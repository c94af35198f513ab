"""What the keys of plant.toml must be to one another, once each of them is valid by itself.

A rule sees what is stated, with None for a value that was refused already, and yields one
sentence for each problem.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations
from typing import Any

from config.keys import MOST_BATCHES
from config.schema import label, shown

Read = dict[str, Any]


def problems_of(file: Read) -> Iterator[str]:
    """Find all that is wrong between the keys of a file that has been read."""
    plant: Read = file.get("plant") or {}
    shifts: list[Read] = file.get("shift") or []
    lines: list[Read] = file.get("line") or []
    yield from _input(plant, shifts, lines)
    yield from _input_columns(plant.get("columns") or {}, lines)
    yield from _names("shift", shifts, ignore_case=True)
    yield from _names("line", lines, ignore_case=True)
    columns = plant.get("columns") or {}
    yield from _policy(file.get("policy") or {}, columns, "policy")
    yield from _trend(file.get("trend") or {}, "trend")
    for index, line in enumerate(lines):
        yield from problems_of_line(line, f"{label('line', line, index)} → ", columns)


def problems_of_line(line: Read, place: str, columns: Read | None = None) -> Iterator[str]:
    """Find all that is wrong between the keys of one line; columns are judged where given."""
    yield from _policy(line.get("policy") or {}, columns, f"{place}policy")
    yield from _trend(line.get("trend") or {}, f"{place}trend")
    yield from _gauge(line.get("gauge") or {}, f"{place}gauge")
    yield from _batches(line, place)


def problems_of_trial(file: Read) -> Iterator[str]:
    """Find what is wrong between the keys of a file of changes, whatever they are made to."""
    yield from _policy(file.get("policy") or {}, None, "policy")
    lines: list[Read] = file.get("line") or []
    yield from _names("line", lines, ignore_case=True)
    for index, line in enumerate(lines):
        place = f"{label('line', line, index)} → "
        yield from _policy(line.get("policy") or {}, None, f"{place}policy")
        yield from _names("batch", line.get("batch") or [], ignore_case=False, place=place)


def _input(plant: Read, shifts: Sequence[Read], lines: Sequence[Read]) -> Iterator[str]:
    layout, pattern = plant.get("layout"), plant.get("pattern")
    if layout == "hive" and "pattern" in plant:
        yield 'plant.pattern is for layout = "files" only: leave it out'
    if layout != "files":
        return
    if "pattern" not in plant:
        yield 'plant.pattern is missing: layout = "files" needs it, e.g. "{date}/{shift}.parquet"'
    elif pattern is not None:
        wanted = ["{date}"] + (["{shift}"] if len(shifts) > 1 else [])
        for placeholder in wanted:
            if placeholder not in pattern:
                yield (
                    f"plant.pattern = {shown(pattern)}: must hold {placeholder}, or several shifts "
                    "would read the same file"
                )
    columns: Read = plant.get("columns") or {}
    if len(lines) > 1 and columns.get("line", "") == "":
        yield (
            'plant.columns.line is missing: layout = "files" needs the column that tells '
            f"{len(lines)} lines apart"
        )


def _input_columns(columns: Read, lines: Sequence[Read]) -> Iterator[str]:
    defaults = {"item": "item_id"}
    named = {role: column for role, column in {**defaults, **columns}.items() if column}
    for (role, column), (other, same) in combinations(named.items(), 2):
        if column == same:
            yield f"plant.columns.{other} = {shown(column)}: already the column of {role}"
    for index, line in enumerate(lines):
        for role, column in named.items():
            if line.get("column") == column:
                place = label("line", line, index)
                yield f"{place} → column = {shown(column)}: already the column of {role}"


def _names(
    kind: str, tables: Iterable[Read], *, ignore_case: bool, place: str = ""
) -> Iterator[str]:
    seen: dict[str, str] = {}
    for table in tables:
        name = table.get("name")
        if name is None:
            continue
        key = name.casefold() if ignore_case else name
        if key in seen:
            case = "" if name == seen[key] else " (some file systems do not tell case apart)"
            yield f"{place}{kind} {shown(name)}: there is a {kind} {shown(seen[key])} already{case}"
        seen.setdefault(key, name)


def _policy(policy: Read, columns: Read | None, place: str) -> Iterator[str]:
    if {"min_posterior", "max_misassigned_ppm"} <= policy.keys():
        yield f"{place}: states min_posterior and max_misassigned_ppm; keep the one that is to hold"
    if columns is None:
        return
    if policy.get("anchor_known") and columns.get("known_batch", "") == "":
        yield (
            f"{place}.anchor_known = true: needs plant.columns.known_batch, the column that states "
            "the true batch"
        )


def _trend(trend: Read, place: str) -> Iterator[str]:
    baseline: Read = trend.get("baseline") or {}
    first, last = baseline.get("from"), baseline.get("to")
    if first is not None and last is not None and last < first:
        yield f"{place}.baseline: to = {last} is before from = {first}"


def _gauge(gauge: Read, place: str) -> Iterator[str]:
    if gauge.get("range") is None:
        return
    low, high = gauge["range"]
    if not low < high:
        yield f"{place}.range = {shown([low, high])}: must be [lowest, highest]"
    elif (gauge.get("resolution") or 0) >= high - low:
        yield (
            f"{place}.resolution = {shown(gauge['resolution'])}: must be smaller than the width "
            f"of the range, {high - low:g}"
        )


def _batches(line: Read, place: str) -> Iterator[str]:
    stated = {"batches", "batch"} & line.keys()
    if len(stated) != 1:
        met = "both" if stated else "neither"
        yield (
            f"{place}batches: {met} of `batches = K` (1 to {MOST_BATCHES}) and [[line.batch]] "
            "tables stated, exactly one is needed"
        )
    batches: list[Read] = line.get("batch") or []
    if len(batches) > MOST_BATCHES:
        yield f"{place}batch: {len(batches)} tables, at most {MOST_BATCHES} can be told apart"
    yield from _names("batch", batches, ignore_case=False, place=place)
    span = (line.get("gauge") or {}).get("range")
    for index, batch in enumerate(batches):
        yield from _batch(batch, span, f"{place}{label('batch', batch, index)} → ")
    for one, other in combinations([b for b in batches if b.get("nominal") is not None], 2):
        pair = f"{place}batches {shown(one.get('name'))} and {shown(other.get('name'))}"
        if one["nominal"] == other["nominal"]:
            yield f"{pair}: both have nominal {one['nominal']:g}; their items cannot be told apart"
        elif _inside(one, other) or _inside(other, one):
            yield f"{pair}: one's nominal ± max_drift lies within the other's; lower a max_drift"


def _batch(batch: Read, span: tuple[float, float] | None, place: str) -> Iterator[str]:
    nominal, lsl, usl = batch.get("nominal"), batch.get("lsl"), batch.get("usl")
    if lsl is not None and usl is not None and not lsl < usl:
        yield f"{place}lsl = {lsl:g}: must be below usl = {usl:g}"
    elif nominal is not None:
        if lsl is not None and nominal < lsl:
            yield f"{place}nominal = {nominal:g}: lies below lsl = {lsl:g}"
        if usl is not None and nominal > usl:
            yield f"{place}nominal = {nominal:g}: lies above usl = {usl:g}"
    if "nominal" not in batch and "max_drift" in batch:
        yield f"{place}max_drift: needs a nominal to drift from"
    fixed = batch.get("fixed", "")
    if fixed in ("mean", "both") and nominal is None:
        yield f"{place}fixed = {shown(fixed)}: a fixed mean needs a nominal"
    if fixed in ("sd", "both") and (nominal is None or "usual_sd" not in batch):
        yield f"{place}fixed = {shown(fixed)}: a fixed sd needs a nominal and a usual_sd"
    if nominal is not None and span is not None and not span[0] <= nominal <= span[1]:
        yield f"{place}nominal = {nominal:g}: lies outside the gauge's range {shown(list(span))}"


def _inside(one: Read, other: Read) -> bool:
    """Whether the window of `one` lies within that of `other`."""
    mine, theirs = one.get("max_drift"), other.get("max_drift")
    if mine is None or theirs is None:
        return False
    return bool(abs(one["nominal"] - other["nominal"]) + mine <= theirs)
