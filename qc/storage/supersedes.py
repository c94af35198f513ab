"""What a version supersedes, and what it has that the version before it had not.

It is a function of two versions, so it stands in run.json and on the index of all shifts, and not
on a version's own pages: these say the same wherever the same input is inspected, be it for the
first time or after files came late.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from qc.records import LineStatus
from qc.storage.published import RUN, LineEntry, Manifest, PublishedVersion
from qc.wording import grouped

SUPERSEDES, CHANGED = "supersedes", "changed"  # keys of run.json


def change_between(before: Manifest, after: Manifest) -> str:
    """What is new in a version, such as ``2 files more, 1,204 items more``."""
    return ", ".join(_changes(before, after)) or "pages alone"


def change_told(version: PublishedVersion) -> str:
    """What a version has that the one before it had not, by its run.json; empty where unknown.

    Raises
    ------
    StorageError
        If run.json is damaged.
    """
    return str(json.loads(version.read_bytes(RUN)).get(CHANGED, ""))


def supersedes_told(version: PublishedVersion) -> str:
    """The same as a sentence that names the version before; empty for a shift's first version."""
    if version.manifest.supersedes is None:
        return ""
    changed = change_told(version)
    return f"Supersedes {version.manifest.supersedes}{f': {changed}' if changed else ''}."


def _changes(before: Manifest, after: Manifest) -> Iterator[str]:
    then, now = _files(before), _files(after)
    yield from _more_or_fewer(len(now.keys() - then.keys()), "file", "more")
    yield from _more_or_fewer(len(then.keys() - now.keys()), "file", "fewer")
    rewritten = sum(now[path] != then[path] for path in now.keys() & then.keys())
    yield from _more_or_fewer(rewritten, "file", "with other content")
    items = _items(after) - _items(before)
    yield from _more_or_fewer(abs(items), "item", "more" if items > 0 else "fewer")
    lines_then, lines_now = _lines(before), _lines(after)
    yield from _more_or_fewer(len(lines_now.keys() - lines_then.keys()), "line", "more")
    yield from _more_or_fewer(len(lines_then.keys() - lines_now.keys()), "line", "fewer")
    pairs = [(lines_then[name], lines_now[name]) for name in lines_now if name in lines_then]
    mended = sum(_failed(old) and not _failed(new) for old, new in pairs)
    yield from _more_or_fewer(mended, "line", "no longer in error")
    failed = sum(_failed(new) and not _failed(old) for old, new in pairs)
    yield from _more_or_fewer(failed, "line", "in error now")
    other = sum(old.config_sha256 != new.config_sha256 for old, new in pairs)
    yield from _more_or_fewer(other, "line", "by another configuration")
    if any(old.software != new.software for old, new in pairs):
        yield "other code"
    if any(old.dispositions != new.dispositions for old, new in pairs):
        yield "other decisions on held items"
    if then == now and any(_rests_on_others(old, new) for old, new in pairs):
        yield "other results of earlier shifts"


def _rests_on_others(old: LineEntry, new: LineEntry) -> bool:
    """Whether a line's input is another one; a line in error has no hash of it."""
    known = bool(old.input_sha256 and new.input_sha256)
    return known and old.input_sha256 != new.input_sha256


def _failed(line: LineEntry) -> bool:
    return line.status is LineStatus.ERROR


def _lines(manifest: Manifest) -> dict[str, LineEntry]:
    return {entry.line: entry for entry in manifest.lines}


def _files(manifest: Manifest) -> dict[str, str]:
    """The files that were read, with their hashes; one file may hold several lines."""
    return {file.path: file.sha256 for line in manifest.lines for file in line.inputs}


def _items(manifest: Manifest) -> int:
    wanted = {path for line in manifest.lines for path in line.items}
    return sum(entry.rows or 0 for entry in manifest.files if entry.path in wanted)


def _more_or_fewer(n: int, what: str, how: str) -> Iterator[str]:
    if n:
        yield f"{grouped(n)} {what if n == 1 else f'{what}s'} {how}"
