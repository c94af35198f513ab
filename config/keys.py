"""Every key that plant.toml may have, and what it may hold. A key is declared here or refused."""

from __future__ import annotations

import re
from datetime import date, time
from string import Formatter
from typing import Any, get_args
from zoneinfo import available_timezones

from config.schema import (
    Key,
    Kind,
    Schema,
    Table,
    Tables,
    matching,
    number,
    numbers,
    one_of,
    text,
    whole,
)
from qc.findings import CODES
from qc.plant import Layout, Runner, Spread
from qc.spool import is_store_url

MOST_BATCHES = 20
REACTION_LENGTH = 200  # characters of what to do about a finding: a sentence or two
# Names that become part of a path must be safe on every file system that may hold the results.
WINDOWS_DEVICES = re.compile(r"(CON|PRN|AUX|NUL|COM\d|LPT\d)(\..*)?", re.IGNORECASE)


def _is_path_name(value: Any) -> bool:
    return (
        isinstance(value, str)
        and re.fullmatch(r"[A-Za-z0-9._-]{0,63}[A-Za-z0-9_-]", value) is not None
        and WINDOWS_DEVICES.fullmatch(value) is None
    )


def _is_day(value: Any) -> bool:
    if not isinstance(value, str) or re.fullmatch(r"\d{4}-\d{2}-\d{2}", value) is None:
        return False
    try:
        date.fromisoformat(value)
    except ValueError:  # no such day
        return False
    return True


def _is_folder(value: Any) -> bool:
    return isinstance(value, str) and value.isprintable() and bool(value) and "://" not in value


def _is_pattern(value: Any) -> bool:
    if (
        not isinstance(value, str)
        or not value.isprintable()
        or re.search(r'[*?\[\]\\:"<>|]', value)
    ):
        return False
    try:
        fields = [field for _, *field in Formatter().parse(value) if field[0] is not None]
    except ValueError:  # unbalanced braces
        return False
    plain = all(field in (["date", "", None], ["shift", "", None]) for field in fields)
    return plain and all(part not in ("", ".", "..") for part in value.split("/"))


PATH_NAME = Kind(
    "a name in quotes of 1 to 64 letters, digits, '.', '_' or '-', with no '.' at its end, "
    "and no device name such as CON",
    _is_path_name,
)
FOLDER = Kind(
    "a folder in quotes, absolute or relative to this file (no URL of an object store)",
    _is_folder,
)
PLACE = Kind(
    "a folder in quotes, absolute or relative to this file, or the URL of a place in an object "
    'store, such as "s3://bucket/prefix", "gs://…" or "az://…", with no user or password',
    lambda value: _is_folder(value) or (isinstance(value, str) and is_store_url(value)),
)
PATTERN = Kind(
    'a path below the readings in quotes, such as "{date}/{shift}.parquet", with no placeholder '
    'but {date} and {shift}, no "..", no wildcard and no backslash',
    _is_pattern,
)
NAME = text(64)
COLUMN = text(128)
OPTIONAL_COLUMN = text(128, empty=True)  # "" says that the plant records nothing of the kind
TIME = matching(
    r"([01]\d|2[0-3]):[0-5]\d", 'a time in quotes from "00:00" to "23:59"', time.fromisoformat
)
DAY = Kind('a date in quotes, such as "2026-11-01"', _is_day, date.fromisoformat)
TIME_ZONE = one_of(
    'the name of a time zone in quotes, such as "Europe/Berlin"', available_timezones
)
LAYOUT = one_of('"hive" or "files"', lambda: get_args(Layout))
FIXED = one_of('"mean", "sd" or "both"', lambda: ("mean", "sd", "both"))
SPREAD = one_of('"free", "common" or "proportional"', lambda: get_args(Spread))
COLUMN_PREFIX = matching(
    r"[A-Za-z0-9_]{0,32}", "text in quotes of at most 32 letters, digits or underscores"
)
WEB_ADDRESS = matching(
    r"(https?://[^\s\"<>?#@]{1,200})?",
    'a web address in quotes that begins with "http://" or "https://", with no user or password',
)
RUNNER = one_of('"threads", "processes" or "dask"', lambda: get_args(Runner))
DASK_ADDRESS = matching(
    r"(tcp://[A-Za-z0-9.:\[\]_-]{1,200}:\d{1,5})?",
    'the address of a Dask scheduler in quotes, such as "tcp://host:8786"',
)
ANY_NUMBER = number()
POSITIVE = number(above=0)
YES_OR_NO = Kind("true or false, without quotes", lambda value: isinstance(value, bool))

COLUMNS: Schema = {
    "item": Key(OPTIONAL_COLUMN),
    "measured_at": Key(OPTIONAL_COLUMN),
    "line": Key(OPTIONAL_COLUMN),
    "lot": Key(OPTIONAL_COLUMN),
    "known_batch": Key(OPTIONAL_COLUMN),
}

PLANT: Schema = {
    "name": Key(NAME, required=True),
    "time_zone": Key(TIME_ZONE, required=True),
    "storage": Key(PLACE, required=True),
    "spool": Key(FOLDER),
    "readings": Key(PLACE, required=True),
    "layout": Key(LAYOUT, required=True),
    "pattern": Key(PATTERN),
    "column_prefix": Key(COLUMN_PREFIX),
    "columns": Key(Table(COLUMNS)),
}

SHIFT: Schema = {
    "name": Key(PATH_NAME, required=True),
    "start": Key(TIME, required=True),
    "end": Key(TIME, required=True),
}

POLICY: Schema = {
    "min_posterior": Key(number(above=0.5, below=1)),
    "max_misassigned_ppm": Key(number(above=0, below=1_000_000)),
    "atypical_level": Key(number(above=0, at_most=0.1)),
    "min_items": Key(whole(1, 1_000_000_000)),
    "fit_window": Key(whole(1, 1000)),
    "max_invalid_share": Key(number(at_least=0, at_most=1)),
    "max_held_share": Key(number(at_least=0, at_most=1)),
    "anchor_known": Key(YES_OR_NO),
    "unique_ids": Key(YES_OR_NO),
}

GAUGE: Schema = {
    "resolution": Key(POSITIVE),
    "origin": Key(ANY_NUMBER),
    "range": Key(numbers(2)),
    "sentinels": Key(numbers()),
    "repeatability": Key(POSITIVE),
}

BATCH: Schema = {
    "name": Key(NAME, required=True),
    "nominal": Key(ANY_NUMBER),
    "max_drift": Key(POSITIVE),
    "usual_sd": Key(POSITIVE),
    "lsl": Key(ANY_NUMBER),
    "usl": Key(ANY_NUMBER),
    "fixed": Key(FIXED),
}

BASELINE: Schema = {
    "from": Key(DAY, required=True),
    "to": Key(DAY, required=True),
    "name": Key(NAME, required=True),
}

TREND: Schema = {
    "baseline": Key(Table(BASELINE)),
}

LINE: Schema = {
    "name": Key(PATH_NAME, required=True),
    "characteristic": Key(NAME, required=True),
    "unit": Key(text(32), required=True),
    "column": Key(COLUMN, required=True),
    "gauge": Key(Table(GAUGE)),
    "policy": Key(Table(POLICY)),
    "trend": Key(Table(TREND)),
    "spread": Key(SPREAD),
    "batches": Key(whole(1, MOST_BATCHES)),
    "batch": Key(Tables(BATCH)),
}

REPORT: Schema = {
    "templates": Key(FOLDER),
}

OPERATION: Schema = {
    "settle_minutes": Key(whole(0, 1440)),
    "catch_up_days": Key(whole(0, 366)),
    "runs_at_once": Key(whole(1, 64)),
    "retention_days": Key(whole(1, 36_500)),
    "reports_url": Key(WEB_ADDRESS),
    "runner": Key(RUNNER),
    "workers": Key(whole(1, 1024)),
    "dask_address": Key(DASK_ADDRESS),
}

# What to do about a finding, by its code; its first word stands for all codes that begin with it.
REACTION: Schema = {
    code: Key(text(REACTION_LENGTH))
    for code in (*sorted({code.partition(".")[0] for code in CODES}), *CODES)
}

FILE: Schema = {
    "plant": Key(Table(PLANT), required=True),
    "shift": Key(Tables(SHIFT), required=True),
    "policy": Key(Table(POLICY)),
    "trend": Key(Table(TREND)),
    "report": Key(Table(REPORT)),
    "operation": Key(Table(OPERATION)),
    "reaction": Key(Table(REACTION)),
    "line": Key(Tables(LINE), required=True),
}

# A file of changes, for `shiftmix replay`: what a line may state anew.
TRIAL_LINE: Schema = {
    "name": Key(PATH_NAME, required=True),
    "policy": Key(Table(POLICY)),
    "spread": Key(SPREAD),
    "batch": Key(Tables(BATCH)),
}

TRIAL: Schema = {
    "policy": Key(Table(POLICY)),
    "line": Key(Tables(TRIAL_LINE)),
}
