"""Records as JSON: canonical text out, the same record back, floats exact.

Keys sorted, one space of indent, a newline at the end; what is infinite or no number is written as
a string, since JSON has no such numbers. A record is read by the annotations of its dataclass, and
strictly: a wrong type, an unknown key, or a missing one without a default is an error.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from datetime import date, datetime, time
from enum import Enum
from functools import cache
from types import UnionType
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

import numpy as np

from qc.errors import StorageError, Where

Record = TypeVar("Record")
Read = Callable[[Any], Any]

NOT_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def to_json(record: Any) -> bytes:
    """A dataclass record as canonical JSON."""
    # Through its own type once, so that a whole number in a field of floats is written as a
    # float: what is read back and written again must be the same text.
    return canonical(_plain(_typed(type(record), _plain(record))))


def canonical(content: Any) -> bytes:
    """Plain lists, dicts, texts and finite numbers as canonical JSON."""
    text = json.dumps(content, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False)
    return (text + "\n").encode()


def from_json(kind: type[Record], text: bytes, path: str, *, part: bool = False) -> Record:
    """The record of that kind; StorageError where the text is not one.

    Parameters
    ----------
    path : str
        Where the text was read, for the error.
    part : bool
        Whether `kind` names only a part of what the text holds; the other keys are passed over.
    """
    try:
        return cast("Record", _typed(kind, json.loads(text), part=part))
    except (ValueError, TypeError, KeyError) as error:
        raise StorageError(
            f"not a {kind.__name__}: {error}",
            Where(path),
            "Somebody changed this file, or another release wrote it: restore it from a backup",
        ) from error


def _plain(value: Any) -> Any:
    """A value as JSON knows it."""
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        return next(name for name, same in NOT_FINITE.items() if repr(same) == repr(value))
    return value


def _typed(kind: Any, value: Any, *, part: bool = False) -> Any:
    """A JSON value as the type that an annotation names."""
    return _reader(kind, part)(value)


@cache  # what an annotation asks for is found out once a type: records of a plant are many
def _reader(kind: Any, part: bool) -> Read:
    """What makes a JSON value the type that an annotation names."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        (inner,) = (other for other in arguments if other is not type(None))
        read = _reader(inner, part)
        return lambda value: None if value is None else read(value)
    if origin is dict:
        read = _reader(arguments[1], part)
        return lambda value: {key: read(entry) for key, entry in _of(dict, value).items()}
    if origin is tuple:
        return _tuple_reader(arguments, part)
    if origin is Literal:
        return lambda value: _one_of(arguments, value)
    if is_dataclass(kind):
        return _record_reader(kind, part)
    if kind is float:
        return _float
    if kind in (date, datetime, time):
        return lambda value: kind.fromisoformat(_of(str, value))
    if issubclass(kind, Enum):
        return cast("Read", kind)
    return lambda value: _of(kind, value)


def _tuple_reader(kinds: tuple[Any, ...], part: bool) -> Read:
    if kinds[1:] == (...,):
        read = _reader(kinds[0], part)
        return lambda value: tuple([read(entry) for entry in _of(list, value)])
    reads = [_reader(kind, part) for kind in kinds]
    return lambda value: tuple(
        [read(entry) for read, entry in zip(reads, _of(list, value), strict=True)]
    )


def _record_reader(kind: Any, part: bool) -> Read:
    reads = {name: _reader(hint, part) for name, hint in get_type_hints(kind).items()}

    def read(value: Any) -> Any:
        entries = _of(dict, value).items()
        return kind(
            **{name: reads[name](entry) for name, entry in entries if name in reads or not part}
        )

    return read


def _float(value: Any) -> float:
    number = NOT_FINITE.get(value, value) if isinstance(value, str) else value
    return float(number if isinstance(number, float) else _of(int, number))


def _one_of(allowed: tuple[Any, ...], value: Any) -> Any:
    if value not in allowed:
        raise TypeError(f"{value!r} is none of {allowed}")
    return value


def _of(kind: type[Any], value: Any) -> Any:
    if type(value) is not kind:
        raise TypeError(f"{value!r} is no {kind.__name__}")
    return value
