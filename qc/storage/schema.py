"""What a file's columns must be: exact types from an allow-list, no name missing, none twice."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.types as kinds

from qc.plant import Columns, Line, Plant
from qc.storage.paths import shown
from qc.storage.refusal import Refused

OUR_COLUMNS = (
    "batch",
    "posterior",
    "runner_up",
    "disposition",
    "is_ambiguous",
    "is_atypical",
    "conforming",
    "reason",
)
ITEM_COLUMN = "item_id"  # added to the items where the plant records no id
LINE_COLUMN = "line"
SHOWN_TYPE = 60  # characters of a type in a sentence
MAX_FIXED_BYTES = 128  # a value of a fixed-width binary column
OFFSET = re.compile(r"[+-]\d{2}:?\d{2}")


class WrongType(Refused):
    """A column has a type that cannot hold what the configuration says it holds.

    Parameters
    ----------
    column : str
        Its name.
    """

    def __init__(self, detail: str, remedy: str, column: str) -> None:
        super().__init__(detail, remedy)
        self.column = column


@dataclass(frozen=True, slots=True)
class Judged:
    """A schema that may be used.

    Attributes
    ----------
    kept : tuple of str
        The columns that are read, in the file's order.
    left_out : dict of str to str
        Columns that are not: name -> type.
    text : tuple of str
        Those of `kept` that hold text or bytes, to be read as dictionaries.
    """

    kept: tuple[str, ...]
    left_out: dict[str, str]
    text: tuple[str, ...]


def our_names(plant: Plant) -> tuple[str, ...]:
    """The names that our columns have in the published items of this plant."""
    return tuple(plant.column_prefix + name for name in OUR_COLUMNS)


def item_column(columns: Columns) -> str:
    """The column of the published items that names an item."""
    return columns.item or ITEM_COLUMN


def judge(schema: pa.Schema, plant: Plant, line: Line) -> Judged:
    """Judge a file's schema against the configuration.

    Raises
    ------
    Refused
        If a column is missing, there twice, of a type that cannot be used, or named like ours.
    """
    names = schema.names
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise Refused(f"more than one column is named {twice[0]!r}", "Write each column once")
    _judge_our_names(names, plant)
    columns = plant.columns
    wanted = {
        line.column: ("readings", is_number),
        columns.item: ("item ids", is_id),
        columns.measured_at: ("times", is_time),
        columns.lot: ("lots", is_id),
        columns.known_batch: ("known batches", is_id_or_nothing),
    }
    if plant.layout == "files" and columns.line is not None:
        wanted[columns.line] = ("line names", is_id)
    for name, (role, usable) in wanted.items():
        if name is None:
            continue
        if name not in names:
            raise _missing(name, role, names)
        if not usable(schema.field(name).type):
            raise _wrong_type(name, role, schema.field(name).type)
    types = {name: schema.field(name).type for name in names}
    kept = tuple(name for name in names if is_kept(types[name]))
    return Judged(
        kept=kept,
        left_out={name: type_name(types[name]) for name in names if name not in kept},
        text=tuple(name for name in kept if is_text(types[name]) or is_binary(types[name])),
    )


def is_text(kind: pa.DataType) -> bool:
    """Text, in any of its layouts."""
    if kinds.is_dictionary(kind):
        return is_text(kind.value_type)
    return bool(kinds.is_string(kind) or kinds.is_large_string(kind) or kinds.is_string_view(kind))


def is_binary(kind: pa.DataType) -> bool:
    """Bytes of variable length."""
    return bool(kinds.is_binary(kind) or kinds.is_large_binary(kind) or kinds.is_binary_view(kind))


def is_id(kind: pa.DataType) -> bool:
    """Text or whole numbers: what can name something exactly."""
    if kinds.is_dictionary(kind):
        return is_id(kind.value_type)
    return is_text(kind) or bool(kinds.is_integer(kind))


def is_id_or_nothing(kind: pa.DataType) -> bool:
    """As `is_id`; or the type that writers give to a column in which nothing is stated."""
    return bool(kinds.is_null(kind)) or is_id(kind)


def is_number(kind: pa.DataType) -> bool:
    """What a reading may be; float16 is not, it rounds to three digits."""
    return bool(
        kinds.is_float64(kind)
        or kinds.is_float32(kind)
        or kinds.is_integer(kind)
        or kinds.is_decimal(kind)
    )


def is_time(kind: pa.DataType) -> bool:
    """A timestamp, without a zone or with one that is known."""
    return bool(kinds.is_timestamp(kind)) and (kind.tz is None or _is_zone(kind.tz))


def is_kept(kind: pa.DataType) -> bool:
    """Whether a column of this type goes into the published items: flat types only."""
    if isinstance(kind, pa.BaseExtensionType):
        return False
    if kinds.is_dictionary(kind):
        return is_kept(kind.value_type)
    if kinds.is_timestamp(kind):
        return is_time(kind)
    if kinds.is_fixed_size_binary(kind):
        return bool(kind.byte_width <= MAX_FIXED_BYTES)
    flat = kinds.is_null(kind) or kinds.is_primitive(kind) or kinds.is_decimal(kind)
    return bool(flat or is_text(kind) or is_binary(kind))


def type_name(kind: pa.DataType) -> str:
    """A type as a short text that can be printed: those of a file may have names of its own."""
    name = shown(str(kind))
    return name if len(name) <= SHOWN_TYPE else f"{name[:SHOWN_TYPE]}..."


def _is_zone(name: str) -> bool:
    if OFFSET.fullmatch(name):
        return True
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return False
    return True


def _judge_our_names(names: list[str], plant: Plant) -> None:
    reserved = set(our_names(plant))
    if plant.columns.item is None:
        reserved.add(ITEM_COLUMN)
    if plant.columns.line not in (None, LINE_COLUMN):
        reserved.add(LINE_COLUMN)
    taken = [name for name in names if name in reserved]
    if not taken:
        return
    if taken[0] in (ITEM_COLUMN, LINE_COLUMN):
        remedy = f"Name the column under [plant.columns] in {plant.source}, or rename it"
    else:
        remedy = f"Set [plant] column_prefix in {plant.source}, such as 'shiftmix_'"
    raise Refused(f"column {taken[0]!r} has the name of one that is added to the items", remedy)


def _missing(name: str, role: str, names: list[str]) -> Refused:
    def plain(text: str) -> str:
        return re.sub(r"[\W_]+", "", text).casefold()

    alike = [other for other in names if plain(other) == plain(name)]
    alike = alike or difflib.get_close_matches(name, names, n=1)
    found = ", ".join(repr(other) for other in (alike or names[:8]))
    question = " (did you mean it?)" if alike else ""
    return Refused(
        f"no column {name!r} for the {role}; found {found}{question}",
        "Correct the name in the configuration or in the file",
    )


def _wrong_type(name: str, role: str, kind: pa.DataType) -> WrongType:
    remedies = {
        "readings": "Write it as float64",
        "times": "Write it as a timestamp with a time zone",
    }
    return WrongType(
        f"column {name!r} is of type {type_name(kind)}, which cannot hold {role}",
        remedies.get(role, "Write it as text"),
        name,
    )
