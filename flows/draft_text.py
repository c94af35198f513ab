"""The draft of a plant.toml as text: every guess beside what it rests on, a TODO at every gap."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flows.draft import Draft, LineDraft

NOTE_AT = 32  # column of the notes beside the keys
MOST_FAR = 3  # far readings that are named before they are counted
UNITS = {
    "mm": "mm", "cm": "cm", "um": "µm", "m": "m", "in": "in", "l": "L", "ml": "mL", "g": "g",
    "kg": "kg", "mg": "mg", "n": "N", "nm": "Nm", "bar": "bar", "v": "V", "a": "A", "ohm": "Ω",
}  # fmt: skip


def draft_text(draft: Draft) -> str:
    """Write a plant.toml that can be used as it is."""
    return "\n".join(_lines(draft)) + "\n"


def _lines(draft: Draft) -> Iterator[str]:
    columns = draft.columns
    source = f"{_quoted(draft.file.name)}, {draft.profile.n_rows:,} rows"
    yield f"# Drafted by `shiftmix init` from {source}."
    yield "# It can be used as it is. Each TODO is something that only the plant knows."
    yield ""
    yield "[plant]"
    yield _beside('name = "My plant"', "TODO: the plant's name")
    zone = _quoted(columns.time_zone)
    yield _beside(f"time_zone = {zone}", 'TODO: the zone of its clock, such as "Europe/Berlin"')
    yield _beside('storage = "results"', "folder of the results, relative to this file")
    yield f"readings = {_quoted(draft.readings)}"
    yield 'layout = "files"'
    yield _beside(f"pattern = {_quoted(draft.pattern)}", "TODO: one file a day, named by its date")
    if draft.column_prefix:
        yield _beside(f'column_prefix = "{draft.column_prefix}"', "the file uses names of ours")
    yield ""
    yield "[plant.columns]"
    if columns.item is None:
        yield _beside('item = ""', "no column is unique: items are named by file and row")
    else:
        yield _beside(f"item = {_quoted(columns.item)}", "unique in every row")
    if columns.measured_at is not None:
        covered = f"{columns.first:%Y-%m-%d %H:%M} to {columns.last:%Y-%m-%d %H:%M}"
        yield _beside(f"measured_at = {_quoted(columns.measured_at)}", covered)
    if columns.line is not None:
        yield f"line = {_quoted(columns.line)}"
    if columns.lot is not None:
        yield f"lot = {_quoted(columns.lot)}"
    if columns.others:
        others = ", ".join(_quoted(name) for name in columns.others)
        yield f"# Other columns of numbers: {others}; `shiftmix init --column` drafts for one."
    yield ""
    yield _beside("[[shift]]", "TODO: the plant's shifts; this one is the whole day")
    yield 'name = "day"'
    yield 'start = "00:00"'
    yield 'end = "00:00"'
    for name in draft.unusable:
        yield ""
        yield f"# Line {_quoted(name)} is left out: it has no readings, or its name cannot be used"
        yield "# (1 to 64 letters, digits, '.', '_' or '-')."
    for line in draft.lines:
        yield from _line(line, columns.reading, named=columns.line is not None)


def _line(line: LineDraft, column: str, *, named: bool) -> Iterator[str]:
    unit = UNITS.get(column.rpartition("_")[2].lower(), "?")
    yield ""
    yield "[[line]]"
    yield (
        f"name = {_quoted(line.name)}"
        if named
        else _beside(f"name = {_quoted(line.name)}", "TODO: the line's name")
    )
    yield _beside(f"characteristic = {_quoted(column)}", "TODO: what is measured")
    yield _beside(f"unit = {_quoted(unit)}", "TODO: its unit")
    yield f"column = {_quoted(column)}"
    yield f"# {line.n:,} readings, from {line.low:.10g} to {line.high:.10g}"
    yield from _gauge(line)
    yield from _evidence(line)


def _gauge(line: LineDraft) -> Iterator[str]:
    for value, count in line.far[:MOST_FAR]:
        yield f'# {count:,} x {value:.10g}, far from all others: does it mean "no reading"?'
    if len(line.far) > MOST_FAR:
        yield f"# and {len(line.far) - MOST_FAR:,} more values far from all others"
    step = "TODO"
    if line.resolution is not None:
        step = repr(line.resolution) + (f", origin = {line.origin!r}" if line.origin else "")
        yield _beside(f"gauge = {{ resolution = {step} }}", "the step found in the data")
    sentinels = ", ".join(f"{value!r}" for value, _ in line.far[:MOST_FAR])
    marks = f", sentinels = [{sentinels}]" if sentinels else ""
    yield "# TODO: the range that the gauge can show, in the place of the above:"
    yield f"# gauge = {{ resolution = {step}, range = [TODO, TODO]{marks} }}"


def _evidence(line: LineDraft) -> Iterator[str]:
    best = line.best
    if best is None:
        yield _beside("batches = 1", "TODO: there are too few readings to count batches")
        return
    sample = f", by {line.sampled:,} of the readings" if line.sampled is not None else ""
    yield f"# Evidence for the number of batches (BIC, lower is better{sample}):"
    yield "#   K             BIC   above the best"
    for fit in line.fits:
        above = "best" if fit is best else f"+{fit.bic - best.bic:,.1f}"
        yield f"#   {fit.n_batches}  {fit.bic:>14,.1f}   {above}"
    yield _beside(f"batches = {best.n_batches}", "TODO: or name the sizes, in its place:")
    mixture = best.mixture
    for share, mean, sd in zip(mixture.weights, mixture.means[:, 0], mixture.sds, strict=True):
        yield "# [[line.batch]]"
        yield '# name = "TODO"'
        yield _beside(
            "# nominal = TODO", f"design target; this file's {100 * share:.1f} % near {mean:.6g}"
        )
        yield _beside("# usual_sd = TODO", f"this file's is {sd:.3g}")
        yield _beside("# lsl = TODO", "spec limits come from the drawing, never from data")
        yield "# usl = TODO"


def _beside(key: str, note: str) -> str:
    return f"{key:<{NOTE_AT - 2}}  # {note}"


def _quoted(text: str) -> str:
    """Write a TOML basic string; JSON's escapes are TOML's, but for one character."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
