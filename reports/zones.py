"""The rule along the reading axis, in words: what becomes of an item, by its reading."""

from __future__ import annotations

import math
from dataclasses import replace

from qc.records import Disposition, LineRecord, Zone
from reports.formatting import Scale


def rule_of(record: LineRecord) -> tuple[Zone, ...]:
    """The record's zones with open ends; held neighbours of one disposition are one zone.

    The record ends its outer zones where readings were met; the rule goes on beyond.
    """
    if not record.zones:
        return ()
    joined: list[Zone] = []
    for zone in record.zones:
        if zone.disposition is not Disposition.ASSIGNED:
            zone = replace(zone, batch=None)
        last = joined[-1] if joined else None
        if last and (last.disposition, last.batch) == (zone.disposition, zone.batch):
            joined[-1] = replace(last, high=zone.high)
        else:
            joined.append(zone)
    joined[0] = replace(joined[0], low=-math.inf)
    joined[-1] = replace(joined[-1], high=math.inf)
    return tuple(joined)


def zone_words(record: LineRecord, disposition: Disposition, scale: Scale) -> str:
    """Which readings have that disposition: ``1.88 to 2.17 L and from 4.25 L up``."""
    spans = [
        words
        for zone in rule_of(record)
        if zone.disposition is disposition and (words := scale.readings_in(zone.low, zone.high))
    ]
    return " and ".join([", ".join(spans[:-1]), spans[-1]]) if len(spans) > 1 else "".join(spans)
