"""Each call of a run fails once: readers see the old version or the new one, and the next run ends.

The default run tries some of them, by a seed; `make torture` tries every one.
"""

from __future__ import annotations

import errno
import random
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from qc.errors import ShiftmixError
from qc.findings import Finding
from qc.storage import load_published
from tests.faults.failing import watched
from tests.faults.small_site import Site, build, quick_folder, remembered, told, with_old_version

SOME = 40  # calls of each kind of site that fail in the default run
SEED = 7

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


class Sites:
    """Sites to spoil, with and without an older version, and what an undisturbed run makes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        bare = build(folder / "bare")
        old = bare.copied(folder / "old")
        with_old_version(old)
        self.first = {"bare": bare, "old": old}
        self.before = {kind: site.seen() for kind, site in self.first.items()}
        self.after: dict[str, dict[str, str] | None] = {}
        self.calls: dict[str, list[tuple[str, str]]] = {}
        for kind in self.first:
            site = self.fresh(kind)
            with watched(site.results) as calls:
                site.run()
            self.after[kind], self.calls[kind] = site.seen(), calls.made

    def fresh(self, kind: str) -> Site:
        place = self.folder / f"{kind}-{random.getrandbits(64):x}"
        return self.first[kind].copied(place)


@pytest.fixture(scope="module")
def sites() -> Iterator[Sites]:
    with quick_folder() as folder, remembered():
        yield Sites(folder)


@pytest.mark.parametrize("kind", ["bare", "old"])
@pytest.mark.parametrize(
    "every",
    [
        pytest.param(False, marks=pytest.mark.fault("H3", "I4")),
        pytest.param(True, marks=[pytest.mark.slow, pytest.mark.torture, pytest.mark.fault("H3")]),
    ],
    ids=["some", "every"],
)
def test_h3_i4_a_call_that_fails_leaves_the_old_version_or_the_new(
    sites: Sites, kind: str, every: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    total = len(sites.calls[kind])
    tries = range(1, total + 1)
    if not every:
        tries = _some(sites.calls[kind])
    ends = {"old": 0, "new": 0, "told": 0}
    for n in tries:
        number = (errno.ENOSPC, errno.EIO)[n % 2]
        ends[_one_failure(sites, kind, n, number)] += 1
    told(f"{kind}: {len(tries)} of {total} calls failed in turn: {ends}", capsys)
    assert ends["old"] > len(tries) / 2  # most calls come before the swap
    assert sum(ends.values()) == len(tries)


def _contents(seen: dict[str, str] | None) -> dict[str, str]:
    """Files by their names in any version, but for the pages."""
    assert seen is not None
    named = {re.sub(r"^\.\./[^/]+/", "", path): sha256 for path, sha256 in seen.items()}
    return {name: sha256 for name, sha256 in named.items() if not name.startswith("report/")}


def _findings(site: Site) -> tuple[Finding, ...]:
    record = load_published(site.plant.storage, site.shift.date, site.shift.name).record
    return (*record.findings, *(told for line in record.lines for told in line.findings))


def _some(calls: list[tuple[str, str]]) -> list[int]:
    """Numbers of some calls, each of another kind or file: most calls are small writes."""
    groups: dict[tuple[str, str], list[int]] = {}
    for n, (name, target) in enumerate(calls, 1):
        groups.setdefault((name, re.sub(r"\.?[0-9a-f]{8,}", "", target)), []).append(n)
    seeded = random.Random(SEED)
    chosen = seeded.sample(sorted(groups), SOME)
    return sorted(seeded.choice(groups[group]) for group in chosen)


def _one_failure(sites: Sites, kind: str, n: int, number: int) -> str:
    site = sites.fresh(kind)
    name, target = sites.calls[kind][n - 1]
    failed = f"call {n}, {name} of {target}, error {number}"
    remedy = "none is needed"
    with watched(site.results, n, number) as calls:
        try:
            site.run()
        except ShiftmixError as error:
            remedy = error.remedy
    assert remedy, failed
    assert len(calls.made) >= n, failed
    seen = site.seen()
    if seen == sites.before[kind]:
        end = "old"
    elif seen == sites.after[kind]:
        end = "new"
    else:  # what could not be read is told in a version of its own, whole
        end = "told"
        codes = {finding.code for finding in _findings(site)}
        assert codes & {"line.error", "shift.past_unreadable"}, failed
        assert name in ("open", "listdir"), failed  # a disk that cannot be written is no finding
        assert not target.endswith(".tmp"), failed
    site.run()
    if end == "told":  # what could be read then is carried on, and its pages say where it is
        assert _contents(site.seen()) == _contents(sites.after[kind]), f"the run after {failed}"
    else:
        assert site.seen() == sites.after[kind], f"the run after {failed}"
    return end
