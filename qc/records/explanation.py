"""Why an item has its disposition: what was published of it, and what the fit says of its reading.

None stands for what cannot be said: an item without a valid reading has no odds.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from qc.plant import Shift
from qc.records.inputs import Reject
from qc.records.shifts import LineRecord


class SourceState(StrEnum):
    """What has become of a file of readings since it was read."""

    AS_READ = "as read"
    CHANGED = "changed"
    GONE = "gone"
    UNREADABLE = "not readable as configured now"


@dataclass(frozen=True, slots=True)
class ItemSource:
    """A file that the line's record lists, and where the item stands in it.

    Attributes
    ----------
    path : str
        Relative to the root of the readings.
    rows : tuple of int
        0-based rows with the item's id that were not rejected; of the file as it is now.
    """

    path: str
    rows: tuple[int, ...]
    state: SourceState


@dataclass(frozen=True, slots=True)
class PublishedItem:
    """An item as it was published; texts are exactly as recorded.

    Attributes
    ----------
    reading : float or None
        In the line's unit; None where it is null or not finite.
    """

    item_id: str
    reading: float | None
    disposition: str
    reason: str
    batch: str | None
    posterior: float | None
    runner_up: str | None
    is_ambiguous: bool
    is_atypical: bool
    conforming: bool | None


@dataclass(frozen=True, slots=True)
class BatchOdds:
    """What the fit says of one reading and one batch.

    Attributes
    ----------
    distance : float or None
        Reading less mean, in sds of the batch; None where the batch was not run.
    share : float
        Of the batch in the fit.
    posterior : float
        Averaged over the uncertainty of the fit, given that the item is of some batch.
    low, high : float or None
        95 % interval of the posterior at the fit: log odds -+ 1.96 standard errors. None with one
        batch, which has no odds.
    """

    batch: str
    ran: bool
    distance: float | None
    share: float
    posterior: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Reckoning:
    """What a fit and its rule say of one reading.

    Attributes
    ----------
    tail : float
        Largest two-sided tail probability under a batch that ran.
    nearest : str
        The batch that has it.
    is_stray : bool
        Whether a stray, or an unknown size, is more likely than any batch.
    threshold : float
        Chance from which on an item is assigned; above 1 where none may be.
    chance : float
        What is compared with it: the posterior, under a promise times the chance of no stray.
    batch, disposition, reason, posterior
        What the rule decides.
    """

    batches: tuple[BatchOdds, ...]
    tail: float
    nearest: str
    is_stray: bool
    threshold: float
    chance: float
    batch: str
    disposition: str
    reason: str
    posterior: float


@dataclass(frozen=True, slots=True)
class Explanation:
    """All that is told of one item.

    Attributes
    ----------
    version : str
        The published version; `made_by` is the one that first had this line.
    run : dict of str to str
        Who or what made `made_by`, when and where, as its run.json says; empty where that is gone.
    software, software_now : str
        The code that decided on the item, and the one that explains it.
    item : PublishedItem or None
        None where every row of it was rejected.
    rejects : tuple of Reject
        Its rows that could not be used.
    reckoning : Reckoning or None
        By a fit to the stored tallies; None without a valid reading or without a fit.
    agrees : bool or None
        Whether that fit gives what was published; None where there is nothing to compare.
    """

    plant: str
    time_zone: str
    shift: Shift
    version: str
    made_by: str
    run: dict[str, str]
    software: str
    software_now: str
    line: LineRecord
    item: PublishedItem | None
    rejects: tuple[Reject, ...]
    sources: tuple[ItemSource, ...]
    reckoning: Reckoning | None
    agrees: bool | None
