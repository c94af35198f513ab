"""Why an item was held or assigned, in plain words and with its figures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from qc.plant import Line
from qc.records import (
    BatchOdds,
    Explanation,
    ItemSource,
    PublishedItem,
    Reckoning,
    Reject,
    SourceState,
    Verdict,
)
from qc.wording import THIN, plural
from reports.formatting import (
    NOTHING,
    Scale,
    probability,
    setting,
    shift_times,
    significant,
    visible,
)

HEADS = ("batch", "distance", "share", "posterior", "95 % interval")
HELD = ("ambiguous", "atypical", "unassessed")
CONFORMING = {True: "yes", False: "NO", None: "cannot be said"}
STATES = {
    SourceState.AS_READ: "the file is as it was read",
    SourceState.CHANGED: "the file has CHANGED since it was read: the row is that of today",
    SourceState.GONE: "the file is no longer there",
    SourceState.UNREADABLE: "the file cannot be searched as the columns are configured now",
}
NO_FIT = "Nothing is told of the batches: the line's shift has no fit."


def explained(told: Explanation) -> str:
    """All that is known of an item, as lines of text for a terminal."""
    return visible_lines([*_head(told), "", *_body(told), "", *_foot(told)])


def visible_lines(lines: list[str]) -> str:
    """Lines of text, with whatever cannot be seen in each of them made visible."""
    return "\n".join(visible(line) for line in lines)


def _head(told: Explanation) -> Iterator[str]:
    item, rejects = told.item, told.rejects
    name = item.item_id if item is not None else (rejects[0].item_id or "")
    yield f"Item {name}, line {told.line.line.name}, {told.plant}"
    yield f"{told.shift.name} shift, {shift_times(told.shift, told.time_zone)}"
    yield ""
    if item is None:
        yield "NOT AN ITEM: its rows were rejected."
        return
    word = {"assigned": "ASSIGNED", "invalid": "INVALID"}.get(item.disposition, "HELD")
    as_what = f": {item.disposition}" if item.disposition in HELD else ""
    why = "" if item.reason == "clear" else f" ({item.reason})"
    yield f"{word}{as_what}{why}."
    if told.agrees is False:
        yield "NOTE: this code does not reach the published decision again; see the last line."


def _body(told: Explanation) -> Iterator[str]:
    item, reckoned = told.item, told.reckoning
    if item is not None:
        scale = _scale(told)
        yield _reading(told.line.line, item, scale)
        if item.batch is not None:
            yield _batch(item)
        if reckoned is not None:
            yield ""
            yield from _odds(reckoned.batches)
        yield ""
        yield from _rules(told, item)
        if item.batch is not None:
            yield _conformity(told.line.line, item, scale)
    if told.rejects:
        yield from _rejected(told.rejects, item)


def _scale(told: Explanation) -> Scale:
    sds = [batch.sd for batch in told.line.batches if batch.sd is not None]
    return Scale.of(told.line.line.gauge, told.line.line.unit, min(sds, default=0.0))


def _reading(line: Line, item: PublishedItem, scale: Scale) -> str:
    if item.reading is None:
        return f"Its {line.characteristic} was recorded without a number: {item.reason}."
    return f"Its {line.characteristic} is {scale.reading(item.reading)}."


def _batch(item: PublishedItem) -> str:
    assert item.posterior is not None
    second = f"; second is {item.runner_up}" if item.runner_up else ""
    return f"Most likely batch: {item.batch}, posterior {_exact(item.posterior)}{second}."


def _odds(batches: tuple[BatchOdds, ...]) -> Iterator[str]:
    rows = [HEADS, *(_odds_row(batch) for batch in batches)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(HEADS))]
    for first, *cells in rows:
        aligned = (f"{cell:>{width}}" for cell, width in zip(cells, widths[1:], strict=True))
        yield "  ".join([f"  {first:<{widths[0]}}", *aligned])


def _odds_row(odds: BatchOdds) -> tuple[str, ...]:
    if odds.distance is None:
        return odds.batch, "not run", NOTHING, NOTHING, NOTHING
    interval = (
        NOTHING
        if odds.low is None or odds.high is None
        else f"{probability(odds.low)} to {probability(odds.high)}"
    )
    sign = "+" if odds.distance > 0 else ""
    distance = f"{sign}{significant(odds.distance)} sds"
    return (
        odds.batch,
        distance,
        probability(odds.share),
        probability(odds.posterior),
        interval,
    )


def _rules(told: Explanation, item: PublishedItem) -> Iterator[str]:
    """Each rule in the order of precedence, down to the one that fired."""
    yield "Rules, the first that holds decides:"
    invalid = item.disposition == "invalid"
    yield _rule("invalid", invalid, item.reason if invalid else "the reading is a measurement")
    if invalid:
        return
    unassessed = item.disposition == "unassessed"
    yield _rule("unassessed", unassessed, item.reason if unassessed else "the line has a fit")
    if unassessed:
        yield NO_FIT
        return
    reckoned = told.reckoning
    assert reckoned is not None or told.agrees is False
    if reckoned is None:
        yield f"  {item.disposition}: {item.reason}"
        return
    yield _rule("atypical", item.is_atypical, _atypical(told.line.line, reckoned))
    if item.disposition == "atypical":
        doubt = "it is" if item.is_ambiguous else "it is not"
        why = _ambiguous(told.line.line, item, reckoned)
        yield f"  (of the batches alone, {doubt} ambiguous: {why})"
        return
    yield _rule("ambiguous", item.is_ambiguous, _ambiguous(told.line.line, item, reckoned))
    if item.disposition == "assigned":
        yield _rule("assigned", True, f"to batch {item.batch}")


def _rule(name: str, holds: bool, why: str) -> str:
    return f"  {name:<10}  {'YES' if holds else 'no':<3}  {why}"


def _atypical(line: Line, reckoned: Reckoning) -> str:
    level = line.policy.atypical_level
    side = "below" if reckoned.tail < level else "not below"
    said = (
        f"largest tail probability {reckoned.tail:.2g}, under batch {reckoned.nearest}, is {side} "
        f"the level {level:g}"
    )
    return f"{said}; a stray is more likely than any batch" if reckoned.is_stray else said


def _ambiguous(line: Line, item: PublishedItem, reckoned: Reckoning) -> str:
    assert item.posterior is not None
    ppm = line.policy.max_misassigned_ppm
    whose = (
        "min_posterior" if ppm is None else f"Chow's for {ppm:g} ppm wrong batches among assigned"
    )
    if reckoned.threshold > 1:
        return f"no posterior is high enough ({whose})"
    if ppm is None:
        side = "below" if item.posterior < reckoned.threshold else "not below"
        threshold = setting(reckoned.threshold)
        return f"posterior {_exact(item.posterior)} is {side} the threshold {threshold} ({whose})"
    side = "below" if reckoned.chance < reckoned.threshold else "not below"
    return (
        f"posterior {_exact(item.posterior)}, with strays allowed for {_exact(reckoned.chance)}, "
        f"is {side} the threshold {_exact(reckoned.threshold)} ({whose})"
    )


def _exact(p: float) -> str:
    """A posterior that is compared to a threshold: its digits, not only its bound."""
    digits = f"{100 * p:.6g}"
    return probability(p) if digits in ("0", "100") else f"{digits}{THIN}%"


def _conformity(line: Line, item: PublishedItem, scale: Scale) -> str:
    batch = next(one for one in line.batches if one.name == item.batch)
    limits = [
        f"{name} {scale.reading(limit)}"
        for name, limit in (("LSL", batch.lsl), ("USL", batch.usl))
        if limit is not None
    ]
    against = f"{', '.join(limits)} of batch {batch.name}" if limits else "the batch has no limits"
    return f"Conforming: {CONFORMING[item.conforming]} ({against})."


def _rejected(rejects: tuple[Reject, ...], item: PublishedItem | None) -> Iterator[str]:
    if item is not None:
        yield "Other rows with its id were rejected:"
    for reject in rejects:
        row = "" if reject.row is None else f", row {reject.row}"
        yield f"  {reject.path}{row}: {reject.reason} ({reject.detail})"
        yield f"    {reject.remedy}"


def _foot(told: Explanation) -> Iterator[str]:
    record = told.line
    if record.fit is not None:
        ran = sum(batch.ran for batch in record.batches)
        shifts = ", ".join(f"{one.date} {one.shift}" for one in record.window)
        covers = f"this shift and {shifts}" if shifts else "this shift alone"
        doubt = (
            "; how many items are in a wrong batch is not promised"
            if record.verdict is Verdict.SUSPECT
            else ""
        )
        yield (
            f"Fit: {plural(record.fit.n_items, 'item')}, {ran} of "
            f"{plural(len(record.line.batches), 'batch', 'batches')} ran, over {covers}; "
            f"verdict {record.verdict}{doubt}."
        )
    for source in told.sources:
        yield _source(source)
    carried = "" if told.made_by == told.version else f", first in {told.made_by}"
    yield f"Version: {told.version}{carried}, by {told.software}"
    yield _run(told.run)
    yield f"Configuration: {record.config_sha256}"
    yield f"Input: {record.input_sha256}"
    if told.agrees is not None:
        yield _check(told)


def _run(run: Mapping[str, str]) -> str:
    """Who or what inspected the line, when and where."""
    if not run:
        return "Run: its run.json is not there any more"
    trigger = run.get("trigger", "an unnamed trigger")
    said = f"Run: {run.get('run_id', '')} of {run.get('started', 'an unknown time')}"
    by = f"by {run['user']}" if "user" in run else "by a user who was not recorded"
    flow = f", flow run {run['flow_run_id']}" if "flow_run_id" in run else ""
    where = f" on {run['host']}" if "host" in run else ""
    return f"{said}, {by}{where} ({trigger}{flow})".replace("Run:  of", "Run of")


def _source(source: ItemSource) -> str:
    rows = ", ".join(str(row) for row in source.rows)
    noun = "row" if len(source.rows) == 1 else "rows"
    place = f"{source.path}, {noun} {rows}" if rows else source.path
    return f"Source: {place} (counted from 0); {STATES[source.state]}"


def _check(told: Explanation) -> str:
    same_code = told.software == told.software_now
    code = "the same code" if same_code else f"another code version, {told.software_now}"
    if told.agrees:
        return f"Check: fitted again from the stored tallies, by {code}: the same answer."
    return (
        f"Check: fitted again from the stored tallies, by {code}: ANOTHER ANSWER than published. "
        "The distances, posteriors and tail above are those of today's fit."
    )
