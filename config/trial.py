"""Another policy to try on past shifts: a whole plant.toml, or a short file of changes.

A short file states only what is to be different, under the keys of plant.toml, and is laid over
each line as it was configured when its shift was inspected:

    [policy]                 # for every line, also where a line had a value of its own
    min_posterior = 0.99

    [[line]]                 # for one line, over that
    name = "B"
    policy = { atypical_level = 1e-5 }
    batch = [{ name = "10.0", max_drift = 0.2 }]
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from config.keys import TRIAL
from config.loader import lay_policy, line_of, load_plant, parse, refusal_of
from config.rules import problems_of_line, problems_of_trial
from config.schema import read, shown
from qc.plant import Line, Plant

WHOLE = ("plant", "shift")  # tables that only a whole plant.toml has


@dataclass(frozen=True, slots=True)
class Trial:
    """What is tried.

    Attributes
    ----------
    source : str
        The file it was read from.
    plant : Plant or None
        A whole configuration, whose lines are taken by their names; None: changes only.
    policy : mapping
        Changes for every line.
    lines : mapping of str to mapping
        Changes for one line, by its name.
    """

    source: str
    plant: Plant | None
    policy: Mapping[str, Any]
    lines: Mapping[str, Mapping[str, Any]]

    def line(self, was: Line) -> Line:
        """The configuration to try on a line that was configured as `was`.

        Raises
        ------
        ConfigError
            If the whole configuration has no such line, or the changes do not go with what the
            line was.
        """
        if self.plant is not None:
            return self.plant.line(was.name)
        own = self.lines.get(was.name, {})
        changed = _as_read(was)
        place = f"line {shown(was.name)} → "
        problems = list(_unknown_batches(own, was, place))
        for batch in own.get("batch", ()):
            for known in changed["batch"]:
                if known["name"] == batch["name"]:
                    known.update(batch)
        if "spread" in own:
            changed["spread"] = own["spread"]
        policy = lay_policy(asdict(was.policy), self.policy)
        policy = lay_policy(asdict(policy), own.get("policy", {}))
        problems += problems_of_line(changed, place)
        if problems:
            raise refusal_of(problems, Path(self.source))
        return replace(line_of(changed, asdict(policy)), baseline=was.baseline)


def load_trial(path: str | Path, plant: Plant) -> Trial:
    """Read what to try.

    Parameters
    ----------
    path : str or Path
        A whole plant.toml, or a file of changes.
    plant : Plant
        As configured now: changes must name its lines and their batches.

    Raises
    ------
    ConfigError
        As `load_plant`: all that is wrong with the file, at once.
    """
    path = Path(path).expanduser()
    table = parse(path)
    if any(name in table for name in WHOLE):
        return Trial(str(path), load_plant(path), {}, {})
    problems: list[str] = []
    file = read(table, TRIAL, "", problems)
    problems.extend(problems_of_trial(file))
    if problems:
        raise refusal_of(problems, path)
    lines = {line["name"]: line for line in file.get("line", ())}
    known = {line.name: line for line in plant.lines}
    for name, own in lines.items():
        place = f"line {shown(name)} → "
        if name not in known:
            problems.append(f"{place}name: {plant.source} has only {', '.join(known)}")
        else:
            problems.extend(_unknown_batches(own, known[name], place))
    if problems:
        raise refusal_of(problems, path)
    return Trial(str(path), None, file.get("policy", {}), lines)


def _unknown_batches(own: Mapping[str, Any], line: Line, place: str) -> Iterator[str]:
    known = [batch.name for batch in line.batches]
    for batch in own.get("batch", ()):
        if batch["name"] not in known:
            yield f"{place}batch {shown(batch['name'])}: the line has only {', '.join(known)}"


def _as_read(line: Line) -> dict[str, Any]:
    """A line as its table was read; what was not stated is left out, its policy too."""

    def stated(record: Any) -> dict[str, Any]:
        return {name: value for name, value in asdict(record).items() if value not in (None, "")}

    return {
        "name": line.name,
        "characteristic": line.characteristic,
        "unit": line.unit,
        "column": line.column,
        "spread": line.spread,
        "gauge": stated(line.gauge),
        "batch": [stated(batch) for batch in line.batches],
    }
