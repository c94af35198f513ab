"""How a TOML table is judged against a declared one: unknown keys, missing keys, wrong values.

A `Kind` says in words what a value may be and tests it; a schema is a dict of `Key`. Reading never
stops at the first problem: it collects sentences, each with the key's path and the value met.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

HUGE = 1e300  # beyond this, squares and sums of readings leave float64


@dataclass(frozen=True, slots=True)
class Kind:
    """What a plain value may be.

    Attributes
    ----------
    allowed : str
        In words, to follow "must be".
    accepts : callable
        Whether a value of any TOML type is allowed.
    convert : callable
        From the accepted value to the one the records hold.
    choices : callable
        Known good values, for a suggestion.
    """

    allowed: str
    accepts: Callable[[Any], bool]
    convert: Callable[[Any], Any] = lambda value: value
    choices: Callable[[], Iterable[str]] = tuple


@dataclass(frozen=True, slots=True)
class Table:
    """A table, ``[name]``."""

    keys: Schema


@dataclass(frozen=True, slots=True)
class Tables:
    """One or more tables ``[[name]]``, told apart by the `name` that each of them states."""

    keys: Schema


@dataclass(frozen=True, slots=True)
class Key:
    """A key of a table: what it may hold and whether it has to be there."""

    kind: Kind | Table | Tables
    required: bool = False


Schema = Mapping[str, Key]


def number(
    *,
    above: float | None = None,
    at_least: float | None = None,
    below: float | None = None,
    at_most: float | None = None,
) -> Kind:
    """Accept a finite number within bounds; a whole one is welcome, true and false are not."""
    bounds = {"above": above, "at least": at_least, "below": below, "at most": at_most}
    words = " and ".join(f"{word} {bound:g}" for word, bound in bounds.items() if bound is not None)

    def accepts(value: Any) -> bool:
        return (
            _is_number(value)
            and (above is None or value > above)
            and (at_least is None or value >= at_least)
            and (below is None or value < below)
            and (at_most is None or value <= at_most)
        )

    return Kind(f"a number {words}" if words else "a finite number", accepts, float)


def whole(low: int, high: int) -> Kind:
    """Accept a whole number from `low` to `high`, written without a decimal point."""
    return Kind(
        f"a whole number from {low} to {high}",
        lambda value: (
            isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
        ),
    )


def numbers(count: int | None = None) -> Kind:
    """Accept an array of finite numbers, `count` of them where given."""
    return Kind(
        "an array of finite numbers" if count is None else f"an array of {count} finite numbers",
        lambda value: (
            isinstance(value, list)
            and count in (None, len(value))
            and all(_is_number(entry) for entry in value)
        ),
        lambda value: tuple(float(entry) for entry in value),
    )


def text(longest: int, *, empty: bool = False) -> Kind:
    """Accept printable text in quotes, without spaces around it."""
    shortest = 0 if empty else 1
    return Kind(
        f"text in quotes, {shortest} to {longest} printable characters, no space at either end",
        lambda value: (
            isinstance(value, str)
            and shortest <= len(value) <= longest
            and value.isprintable()
            and value == value.strip()
        ),
    )


def matching(pattern: str, allowed: str, convert: Callable[[str], Any] = str) -> Kind:
    """Accept text that matches a regular expression as a whole."""
    return Kind(
        allowed,
        lambda value: isinstance(value, str) and re.fullmatch(pattern, value) is not None,
        convert,
    )


def one_of(allowed: str, choices: Callable[[], Iterable[str]]) -> Kind:
    """Accept one of some known texts."""
    return Kind(
        allowed, lambda value: isinstance(value, str) and value in choices(), choices=choices
    )


def read(
    table: Mapping[str, Any], schema: Schema, place: str, problems: list[str]
) -> dict[str, Any]:
    """Judge a table; what is good comes back converted, what is not becomes a sentence.

    Parameters
    ----------
    table : mapping
        As tomllib gives it.
    schema : mapping of str to Key
        The keys it may have.
    place : str
        What to put before a key to name it, such as ``line "A" → policy.``
    problems : list of str
        Grows by one sentence for each problem.

    Returns
    -------
    dict
        The keys that are stated, None where the value is not valid.
    """
    for name in (name for name in table if name not in schema):
        known = f"; known here: {', '.join(schema)}"
        problems.append(f"{place}{shown_key(name)}: unknown key{_meant(name, schema) or known}")
    good: dict[str, Any] = {}
    for name, key in schema.items():
        if name in table:
            good[name] = _read_key(name, table[name], key.kind, place, problems)
        elif key.required:
            problems.append(f"{place}{name} is missing: must be {_allowed(name, key.kind)}")
    return good


def _read_key(
    name: str, value: Any, kind: Kind | Table | Tables, place: str, problems: list[str]
) -> Any:
    match kind:
        case Kind() if kind.accepts(value):
            return kind.convert(value)
        case Table(keys) if isinstance(value, dict):
            return read(value, keys, f"{place}{name}.", problems)
        case Tables(keys) if _is_tables(value):
            return [
                read(entry, keys, f"{place}{label(name, entry, index)} → ", problems)
                for index, entry in enumerate(value)
            ]
    meant = _meant(value, kind.choices()) if isinstance(kind, Kind) else ""
    problems.append(f"{place}{name} = {shown(value)}: must be {_allowed(name, kind)}{meant}")
    return None


def label(name: str, entry: Mapping[str, Any], index: int) -> str:
    """Name one of several tables: by its own name where it states one, else by its position."""
    own = entry.get("name")
    return f"{name} {shown(own)}" if isinstance(own, str) and own else f"{name} {index + 1}"


def shown(value: Any) -> str:
    """Write a value much as TOML does, on one line and short, without what may be a password."""
    written = json.dumps(value, ensure_ascii=False, default=str)
    if not written.isprintable():  # a line separator, say, would tear the message
        written = json.dumps(value, default=str)
    written = {"NaN": "nan", "Infinity": "inf", "-Infinity": "-inf"}.get(written, written)
    written = re.sub(r"://[^/\s\"]*@", "://...@", written)
    return written if len(written) <= 60 else f"{written[:57]}..."


def shown_key(name: str) -> str:
    """Write a key as TOML does: bare where it may be."""
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else shown(name)


def _allowed(name: str, kind: Kind | Table | Tables) -> str:
    match kind:
        case Table():
            return f"a table [{name}]"
        case Tables():
            return f"one or more tables [[{name}]] (double brackets)"
        case Kind(allowed=allowed):
            return allowed


def _meant(met: Any, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(str(met), list(known), n=1)
    return f'; did you mean "{close[0]}"?' if close else ""


def _is_number(value: Any) -> bool:
    # The comparison refuses NaN and infinities too.
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= HUGE


def _is_tables(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(v, dict) for v in value)
