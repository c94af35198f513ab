"""The one loader: plant.toml -> Plant, frozen and judged.

Everything that is wrong with a file is said at once, each problem with its key path, the value met
and what is allowed: `keys` says what a key may hold, `rules` what the keys must be to one another.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NoReturn

from config.keys import FILE
from config.rules import problems_of
from config.schema import read
from qc.errors import ConfigError, Where
from qc.plant import (
    Baseline,
    Batch,
    Columns,
    Gauge,
    Line,
    Operation,
    Plant,
    Policy,
    ShiftTimes,
)
from qc.spool import is_store_url, mirror_of


def load_plant(path: str | Path) -> Plant:
    """Read a plant's configuration.

    Relative folders in the file become absolute, relative to the file.

    Parameters
    ----------
    path : str or Path
        The plant.toml.

    Returns
    -------
    Plant

    Raises
    ------
    ConfigError
        If the file cannot be read, is not TOML, or says something that cannot be used. Its `what`
        has one line for each problem, and a last line with their number.
    """
    path = Path(path).expanduser()
    problems: list[str] = []
    file = read(_with_codes(parse(path), problems), FILE, "", problems)
    problems.extend(problems_of(file))
    if not problems:
        source = path.resolve()
        plant = _plant(file, source)
        problems.extend(_problems_of_folders(plant))
        if not problems:
            return plant
    raise refusal_of(problems, path)


def refusal_of(problems: Sequence[str], path: Path) -> ConfigError:
    """The error that says all problems of a file at once."""
    count = f"{len(problems)} problem{'s' if len(problems) > 1 else ''} in the configuration"
    return ConfigError(
        "\n".join([*problems, count]),
        Where(path=str(path)),
        "Mend the file; nothing has been read or written",
    )


def parse(path: Path) -> dict[str, Any]:
    """The tables of a TOML file; ConfigError where it is none."""
    try:
        # Some editors put a byte order mark first; it is no part of the text.
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        _refuse(path, "there is no such file", "Check the path, or draft one with `shiftmix init`")
    except OSError as error:
        _refuse(path, f"cannot be read: {error.strerror}", "Name a file that can be read")
    except UnicodeDecodeError as error:
        _refuse(path, f"is not UTF-8 text (byte {error.start})", "Save the file as UTF-8")
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"line (\d+)", str(error))
        lines = text.splitlines()
        met = lines[int(found[1]) - 1].strip() if found and int(found[1]) <= len(lines) else ""
        said = f"is not valid TOML: {error}" + (f": {met[:80]}" if met else "")
        _refuse(path, said, 'Mend that place; text needs quotes, such as name = "007"')


def _problems_of_folders(plant: Plant) -> Iterator[str]:
    if plant.storage == plant.readings:
        yield "plant.storage: must be another place than plant.readings"
    if plant.templates is not None and not Path(plant.templates).is_dir():
        yield f"report.templates: there is no folder {plant.templates}"


def _refuse(path: Path, said: str, remedy: str) -> NoReturn:
    raise ConfigError(f"the configuration {said}", Where(path=str(path)), remedy) from None


def _plant(file: Mapping[str, Any], source: Path) -> Plant:
    plant = dict(file["plant"])
    columns = {role: column or None for role, column in plant.pop("columns", {}).items()}
    plant |= file.get("report", {})
    urls = {key: plant[key] for key in ("storage", "readings") if is_store_url(plant[key])}
    spool = (source.parent / Path(plant.pop("spool", ".")).expanduser()).resolve()
    for folder in {"storage", "readings", "templates"} & plant.keys():
        plant[folder] = str((source.parent / Path(plant[folder]).expanduser()).resolve())
    plant |= {key: str(mirror_of(url, spool)) for key, url in urls.items()}
    return Plant(
        **{"pattern": None, **plant},
        columns=Columns(**columns),
        shifts=tuple(ShiftTimes(**shift) for shift in file["shift"]),
        lines=tuple(
            line_of(line, file.get("policy", {}), file.get("trend", {})) for line in file["line"]
        ),
        source=str(source),
        reaction=file.get("reaction", {}),
        operation=Operation(**file.get("operation", {})),
    )


def _with_codes(file: dict[str, Any], problems: list[str]) -> dict[str, Any]:
    """The file with the codes of its reaction plan whole.

    TOML reads `hold.exceeded = "…"`, without quotes around the code, as a table of a table.
    """
    plan = file.get("reaction")
    if not isinstance(plan, dict):
        return file
    whole: dict[str, Any] = {}
    for word, said in plan.items():
        codes = {word: said}
        if isinstance(said, dict):
            codes = {f"{word}.{rest}": words for rest, words in said.items()}
        problems.extend(f"reaction.{code}: stated twice" for code in codes if code in whole)
        whole |= codes
    return {**file, "reaction": whole}


def line_of(
    line: Mapping[str, Any],
    plant_policy: Mapping[str, Any],
    plant_trend: Mapping[str, Any] = MappingProxyType({}),
) -> Line:
    """The record of a line that has been judged, with what the plant states for all of them."""
    baseline = {**plant_trend, **line.get("trend", {})}.get("baseline")
    if "batches" in line:
        batches = tuple(Batch(f"batch {k + 1}") for k in range(line["batches"]))
    else:
        batches = tuple(Batch(**batch) for batch in line["batch"])
    return Line(
        name=line["name"],
        characteristic=line["characteristic"],
        unit=line["unit"],
        column=line["column"],
        batches=batches,
        gauge=Gauge(**line.get("gauge", {})),
        policy=lay_policy(plant_policy, line.get("policy", {})),
        spread=line.get("spread", "free"),
        baseline=None
        if baseline is None
        else Baseline(baseline["from"], baseline["to"], baseline["name"]),
    )


def lay_policy(plant: Mapping[str, Any], line: Mapping[str, Any]) -> Policy:
    """Lay the line's policy over the plant's.

    `min_posterior` and `max_misassigned_ppm` are two answers to one question: a line that gives
    the first has not kept the plant's second.
    """
    kept = dict(plant)
    if "min_posterior" in line:
        kept.pop("max_misassigned_ppm", None)
    return Policy(**{**kept, **line})
