"""Findings: what an engineer must know of a line's shift, as a code, a severity and a sentence."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How much a finding asks of its reader."""

    NOTE = "note"  # good to know, nothing to do
    CAUTION = "caution"  # the figures stand, with this in mind
    ACTION = "action"  # somebody has to do something


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to know.

    Attributes
    ----------
    code : str
        Stable dotted name, such as ``fit.collapsed`` or ``batch.not_run``.
    severity : Severity
    sentence : str
        Plain words, with figures and unit; a full sentence.
    component : int or None
        Index of the mixture component (in order of the fit), or of the configured batch once the
        inspection has matched them; None where the finding is about the whole line.
    remedy : str
        What to do, where there is something to do.
    """

    code: str
    severity: Severity
    sentence: str
    component: int | None = None
    remedy: str = ""
