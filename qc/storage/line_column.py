"""Which rows of a file are a line's: by the column that names lines, or all of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from qc.plant import Line, Plant
from qc.records import Reject
from qc.storage import columns as convert
from qc.storage import parquet_file, schema
from qc.storage.opened import opened
from qc.storage.refusal import Refused, refusal
from qc.wording import grouped

Ints = NDArray[np.int64]

MAX_NAME_BYTES = 128
SHOWN_ID = 40  # characters of a text that is too long


class LineColumn:
    """The rows of a file that are of the line, by the column that names lines, if there is one.

    In a file of one line (its folder says which), a line column must agree with it in every row.

    Attributes
    ----------
    name : str
        Of the column.
    filters : bool
        Whether files hold rows of several lines.
    """

    def __init__(self, plant: Plant, line: Line) -> None:
        self.name = plant.columns.line or schema.LINE_COLUMN
        self._line = line.name
        self.filters = plant.layout == "files" and plant.columns.line is not None
        self._strays, self._first, self._met = 0, 0, ""

    def own(self, table: pa.Table, first_row: int) -> Ints:
        """Positions in a block of the rows that are the line's."""
        if self.name not in table.column_names:
            return np.arange(table.num_rows)
        column = table[self.name]
        is_ours = (
            convert.equal_to(column, self._line)
            if schema.is_id(column.type)
            else np.zeros(table.num_rows, np.bool_)
        )
        if self.filters:
            return np.flatnonzero(is_ours)
        strays = np.flatnonzero(~is_ours)
        if len(strays) and not self._strays:
            self._first = first_row + int(strays[0])
            self._met = repr(column[int(strays[0])].as_py())[:SHOWN_ID]
        self._strays += len(strays)
        return np.arange(table.num_rows)

    def judge(self) -> None:
        """Refuse the file if it has rows of another line than its folder says."""
        if self._strays:
            raise Refused(
                f"column {self.name!r} says {self._met} in row {self._first} "
                f"({grouped(self._strays)} rows disagree), but the file was delivered for line "
                f"{self._line!r}",
                "Put the file into the folder of its line, or correct the column",
            )


def line_counts(plant: Plant, path: str) -> dict[str | None, int] | Reject:
    """Rows of each line in a file with a line column (key None: no line recorded)."""
    column = plant.columns.line
    assert column is not None
    try:
        with opened(Path(plant.readings) / path) as source:
            kind = _only(parquet_file.open_parquet(source).schema_arrow, column)
            text = [column] if schema.is_text(kind) else []
            file = parquet_file.open_parquet(source, text)
            parquet_file.survey(source, [column], text)
            return _count(column, parquet_file.decode(file, [column])[column])
    except Exception as error:
        return refusal(path, error)


def footer_rows(path: Path) -> int:
    """Rows of a file by its footer; 0 where it cannot be read."""
    try:
        with opened(path) as source:
            return int(parquet_file.open_parquet(source).metadata.num_rows)
    except Exception:
        return 0


def _count(column: str, names: pa.ChunkedArray) -> dict[str | None, int]:
    if (convert.lengths_of(names) > MAX_NAME_BYTES).any():
        raise Refused(
            f"column {column!r} holds a name of more than {MAX_NAME_BYTES} bytes",
            "Correct the names of the lines",
        )
    counted = convert.texts_of(names).value_counts()
    return {entry["values"]: entry["counts"] for entry in counted.to_pylist()}


def _only(file_schema: pa.Schema, column: str) -> pa.DataType:
    """Type of the one column of that name that can hold names of lines."""
    found = file_schema.get_all_field_indices(column)
    if len(found) != 1 or not schema.is_id(file_schema.field(found[0]).type):
        raise Refused(f"no column {column!r} that holds names of lines", "Correct [plant.columns]")
    return file_schema.field(found[0]).type
