"""``shiftmix fit``: one column of any file fitted, told as JSON or as a picture with a table."""

from __future__ import annotations

import json
import math
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from flows import terminal
from qc.errors import ReadingsError, Where
from qc.findings import Finding, Severity
from qc.mixture import Fit, Items, Tally, fit_items, fit_tally, tally_on_grid
from qc.storage.any_file import Column, read_column
from qc.wording import grouped

MARKS = {Severity.NOTE: "note", Severity.CAUTION: "caution", Severity.ACTION: "ACTION"}


@dataclass(frozen=True, slots=True, eq=False)
class ColumnFit:
    """A column with its fit.

    Attributes
    ----------
    tally : Tally
        Of very many continuous readings: mean and items of each fine cell.
    findings : tuple of Finding
        The fit's, after those about the column.
    """

    name: str
    column: Column
    tally: Tally
    fit: Fit
    findings: tuple[Finding, ...]

    @property
    def went_well(self) -> bool:
        """Whether there is an answer, and it is the best of its optimum."""
        return not self.fit.failed and self.fit.converged


def fit_column(
    path: Path, name: str, n_batches: int, *, resolution: float | None, background: bool
) -> ColumnFit:
    """Fit a mixture to a column of a Parquet or CSV file.

    Parameters
    ----------
    background : bool
        Add a component uniform over the range of the readings, for strays.

    Raises
    ------
    ReadingsError
        If the column cannot be read or holds no number.
    FitError
        If the call makes no sense, such as no batch at all.
    """
    column = read_column(path, name)
    if len(column.values) == 0:
        raise ReadingsError(
            f"none of its {grouped(column.n_rows)} rows holds a number",
            Where(path=str(path), column=name),
            "Name a column of readings",
        )
    if resolution is None and not background:
        items = Items.of(column.values)
        fit = None if items is None else fit_items(items, n_batches)
        if items is not None and fit is not None:
            return ColumnFit(name, column, items.cells, fit, (*_left_out(column), *fit.findings))
    tally, of_grid = (
        (Tally.of(column.values), ())
        if resolution is None
        else tally_on_grid(column.values, resolution=resolution)
    )
    span = (float(tally.values[0]), float(tally.values[-1])) if background else None
    fit = fit_tally(tally, n_batches, background=span)
    findings = (*_left_out(column), *of_grid, *fit.findings)
    return ColumnFit(name, column, tally, fit, findings)


def as_json(fitted: ColumnFit) -> str:
    """Tell the fit as one JSON object; what is not a number there is null."""
    fit = fitted.fit
    numbers: dict[str, Any] = {"weights": None, "means": None, "sds": None}
    errors: dict[str, Any] = dict(numbers)
    bic: float | None = None
    if not fit.failed:
        mixture, se, bic = fit.mixture, fit.standard_errors, fit.bic
        numbers = {
            "weights": _numbers(mixture.weights),
            "means": _numbers(mixture.means[:, 0]),
            "sds": _numbers(mixture.sds),
        }
        errors = {
            "weights": _numbers(se.weights),
            "means": _numbers(se.means),
            "sds": _numbers(se.sds),
        }
        if mixture.background is not None:
            at = mixture.background
            numbers["background"] = {"low": at.low, "high": at.high, "weight": at.weight}
    answer = {
        "n": int(fit.n),
        "k": fit.n_batches,
        **numbers,
        "log_likelihood": _number(fit.log_likelihood),
        "standard_errors": errors,
        "bic": _number(bic),
        "converged": bool(fit.converged),
        "gap": _number(fit.gap),
        "findings": [
            {"code": f.code, "severity": str(f.severity), "sentence": f.sentence}
            for f in fitted.findings
        ],
    }
    return json.dumps(answer, indent=2, ensure_ascii=False, allow_nan=False)


def as_text(fitted: ColumnFit) -> str:
    """Tell the fit as a picture and a table that fit the terminal."""
    fit = fitted.fit
    size = shutil.get_terminal_size()
    findings = [f"{MARKS[f.severity]}: {f.sentence}" for f in fitted.findings]
    table = [] if fit.failed else _table(fit)
    # The prompt takes the last line; a picture needs a dozen to be one.
    height = max(size.lines - len(table) - len(findings) - 4, 12)
    plain = not _can_print(terminal.UNICODE)
    picture = terminal.draw(
        fitted.tally,
        None if fit.failed else fit.mixture,
        width=size.columns - 1,
        height=height,
        ink=terminal.ASCII if plain else terminal.UNICODE,
        colour=sys.stdout.isatty(),
    )
    text = "\n".join([_title(fitted), picture, *table, *findings])
    return text.replace("±", "+-") if plain else text


def _title(fitted: ColumnFit) -> str:
    fit = fitted.fit
    batches = f"{fit.n_batches} {'batch' if fit.n_batches == 1 else 'batches'}"
    said = f"{fitted.name}: {grouped(len(fitted.column.values))} readings, {batches}"
    if fit.failed:
        return f"{said}, no fit"
    return f"{said}, log L {fit.log_likelihood:,.1f}, BIC {fit.bic:,.1f}"


def _table(fit: Fit) -> list[str]:
    mixture, se = fit.mixture, fit.standard_errors
    rows: list[tuple[str, ...]] = [("batch", "share", "mean", "sd")]
    rows += [
        (str(k + 1), *(with_error(*pair) for pair in pairs))
        for k, pairs in enumerate(
            zip(
                zip(mixture.weights, se.weights, strict=True),
                zip(mixture.means[:, 0], se.means, strict=True),
                zip(mixture.sds, se.sds, strict=True),
                strict=True,
            )
        )
    ]
    if mixture.background is not None:
        rows.append(("background", f"{mixture.background.weight:.3g}", "", ""))
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    return [
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def with_error(value: float, error: float) -> str:
    """Write a value with its standard error, to two digits of the error: ``1.0003 ± 0.0032``.

    Without an error (not identified, or fixed) it stands alone.
    """
    if not (math.isfinite(error) and error > 0):
        return f"{value:.6g}"
    decimals = max(1 - math.floor(math.log10(error)), 0)
    return f"{value:,.{decimals}f} ± {error:.{decimals}f}"


def _left_out(column: Column) -> tuple[Finding, ...]:
    left_out = {"null": column.n_null, "not finite": column.n_not_finite}
    return tuple(
        Finding(
            f"readings.{word.replace(' ', '_')}",
            Severity.NOTE,
            f"{grouped(count)} of {grouped(column.n_rows)} readings are {word} and left out.",
        )
        for word, count in left_out.items()
        if count
    )


def _can_print(ink: terminal.Ink) -> bool:
    try:
        f"{ink.steps}{ink.curve}±".encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True


def _numbers(values: ArrayLike) -> list[float | None]:
    return [_number(value) for value in np.asarray(values).tolist()]


def _number(value: float | None) -> float | None:
    """A number that JSON can say, or nothing."""
    return value if value is not None and math.isfinite(value) else None
