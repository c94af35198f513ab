"""A hold list that people filled in: CSV as a spreadsheet saves it, or Parquet; cells as text.

No cell is judged here, and none is guessed at: what a column may hold is the inspection's matter.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import pyarrow as pa

from qc.errors import ReadingsError, Where
from qc.records import FilledRow
from qc.storage.any_file import CSV_SUFFIXES, DELIMITERS
from qc.storage.parquet_file import InMemory, decode, load, open_parquet
from qc.storage.refusal import Refused, refusal
from qc.storage.tables import without_guard

NEEDED = (
    "line",
    "item_id",
    "remeasured",
    "decided",
    "decided_batch",
    "authorised_by",
    "decided_on",
    "remark",
)
READING = "reading"  # tells the sheet of another shift, where it is there
AMENDING = ("amendment", "record")  # lists of an older release have neither
OPTIONAL = (READING, *AMENDING)
FIRST_ROW = 2  # as a spreadsheet counts: the names are row 1


@dataclass(frozen=True, slots=True)
class FilledSheet:
    """The rows of such a file, with the hash of what was read."""

    rows: tuple[FilledRow, ...]
    sha256: str


def read_filled(path: Path) -> FilledSheet:
    """Read a filled-in hold list.

    Raises
    ------
    ReadingsError
        If the file cannot be read, or lacks one of the columns.
    """
    try:
        data = load(path.resolve()).data  # the person names the file: a link is followed here
        is_csv = path.suffix.lower() in CSV_SUFFIXES
        rows = tuple(_csv_rows(data) if is_csv else _parquet_rows(data))
    except FileNotFoundError:
        raise ReadingsError("there is no such file", Where(str(path)), "Check the path") from None
    except UnicodeDecodeError as error:
        raise ReadingsError(
            f"not UTF-8: {error.reason} at byte {error.start}",
            Where(str(path)),
            "Save it from the spreadsheet as 'CSV UTF-8'",
        ) from error
    except (Refused, pa.ArrowException, OSError, csv.Error) as error:
        said = refusal(str(path), error)
        raise ReadingsError(said.detail, Where(str(path)), said.remedy) from error
    return FilledSheet(rows, hashlib.sha256(data).hexdigest())


def _csv_rows(data: bytes) -> Iterator[FilledRow]:
    text = data.decode("utf-8-sig")
    header = text.partition("\n")[0]
    delimiter = max(DELIMITERS, key=header.count)
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    names = [name.strip() for name in next(lines, [])]
    _judge_names(names)
    for row, cells in enumerate(lines, FIRST_ROW):
        if not any(cells):
            continue
        if len(cells) != len(names):
            raise Refused(
                f"row {row} has {len(cells)} cells, the header {len(names)}",
                "Save the sheet again, with every column",
            )
        content = dict(zip(names, map(without_guard, cells), strict=True))
        # Where the semicolon separates, the comma may be the decimal mark.
        yield _filled(row, content, decimal_comma=delimiter == ";")


def _parquet_rows(data: bytes) -> Iterator[FilledRow]:
    file = open_parquet(InMemory(data))
    names = file.schema_arrow.names
    _judge_names(names)
    wanted = [name for name in (*NEEDED, *OPTIONAL) if name in names]
    for row, content in enumerate(decode(file, wanted).to_pylist(), FIRST_ROW):
        yield _filled(row, {name: _text(value) for name, value in content.items()})


def _filled(row: int, content: dict[str, str], *, decimal_comma: bool = False) -> FilledRow:
    cells = {name: content.get(name, "") for name in (*NEEDED, *OPTIONAL)}
    # Ids stand exactly as they were recorded, also where they begin with a space.
    kept = ("line", "item_id", "remark")
    cells = {name: text if name in kept else text.strip() for name, text in cells.items()}
    if decimal_comma:
        for name in ("remeasured", READING):
            cells[name] = cells[name].replace(",", ".")
    return FilledRow(row=row, **cells)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime) and value.time() == time():
        value = value.date()
    return value.isoformat() if isinstance(value, date) else str(value)


def _judge_names(names: list[str]) -> None:
    missing = [name for name in NEEDED if name not in names]
    if missing:
        raise Refused(
            f"no column {', '.join(map(repr, missing))}; found {', '.join(map(repr, names[:20]))}",
            "Fill in the held.csv of the shift's report, and keep its columns",
        )
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise Refused(f"more than one column is named {twice[0]!r}", "Write each column once")
