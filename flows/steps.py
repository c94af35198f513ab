"""How far a run over many shifts is: a progress artifact that the run goes on without."""

from __future__ import annotations

from typing import Any

from prefect.artifacts import create_progress_artifact, update_progress_artifact

from flows.shown import Telling


class Steps:
    """The progress of a run over many things, one after the other.

    Parameters
    ----------
    total : int
    what : str
        What they are, in the plural.
    """

    def __init__(self, tell: Telling, total: int, what: str) -> None:
        self._tell, self._total, self._what = tell, total, what
        self._artifact: Any = None

    def show(self, done: int, now: str = "") -> None:
        """Tell that so many are done, and which one is at work."""
        if self._total:
            said = f"{done} of {self._total} {self._what}" + (f", now {now}" if now else "")
            self._tell("the run's progress", lambda: self._show(100.0 * done / self._total, said))

    def _show(self, share: float, said: str) -> None:
        if self._artifact is None:
            # Without a key: it belongs to this run, and is no page of its own.
            self._artifact = create_progress_artifact(share, description=said)
        else:
            update_progress_artifact(self._artifact, share, description=said)
