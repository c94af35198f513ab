"""The hold list's round trip: out as CSV, filled in, back in, shown by the next version."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from threading import Barrier
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm
from typer.testing import CliRunner, Result

import flows.dispositions
import flows.settling
from config import load_plant
from flows.cli import app
from flows.dispositions import import_decisions
from flows.one_shift import inspect
from qc.plant import Plant, Shift
from qc.records import LineRecord
from qc.storage.dispositions import read_records
from qc.storage.published import PublishedVersion, current_version
from qc.storage.simulated import FIRST_DAY
from tests.flows.conftest import file_of

ROOT = Path(__file__).parents[2]
WHEN = ("--date", FIRST_DAY, "--shift", "late")
TODAY = f"{datetime.now(UTC):%Y-%m-%d}"
DONE = {"authorised_by": "M. Weber", "decided_on": TODAY}
Row = dict[str, str]


@pytest.fixture
def plant(published: Path) -> Plant:
    return load_plant(published)


@pytest.fixture
def late(plant: Plant) -> Shift:
    return plant.shift(FIRST_DAY, "late")


def shiftmix(*words: object) -> Result:
    return CliRunner().invoke(app, [*map(str, words)])


def imported(config: Path, file: Path, *words: object) -> Result:
    return shiftmix("dispositions", "import", file, "-c", config, *WHEN, *words)


def version_of(plant: Plant) -> PublishedVersion:
    return current_version(plant.storage, FIRST_DAY, "late")


def line_of(plant: Plant, name: str) -> LineRecord:
    return next(line for line in version_of(plant).record().lines if line.line.name == name)


def held_list(plant: Plant) -> list[Row]:
    with (version_of(plant).folder / "held.csv").open(newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def filled(plant: Plant, path: Path, fill: Callable[[int, Row], Row]) -> Path:
    """The published held.csv with what `fill` writes into each row."""
    rows = [{**row, **fill(at, row)} for at, row in enumerate(held_list(plant))]
    with path.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return path


def scrap(*which: int) -> Callable[[int, Row], Row]:
    return lambda at, _: {"decided": "scrap", **DONE} if at in which else {}


def test_round_trip(published: Path, plant: Plant, tmp_path: Path) -> None:
    before, old = version_of(plant), held_list(plant)
    assert {row["decided"] for row in old} == {""}
    of_a = [
        at for at, row in enumerate(old) if (row["line"], row["reason"]) == ("A", "batch in doubt")
    ]
    again, regraded = of_a[0], of_a[1]
    notes = {
        again: {"remeasured": "1.2", "decided": "release", "remark": "=HYPERLINK(1)", **DONE},
        regraded: {"decided": "regrade", "decided_batch": "small", **DONE},
        of_a[2]: {"remeasured": old[of_a[2]]["reading"], **DONE},
    }
    done = imported(published, filled(plant, tmp_path / "x.csv", lambda at, _: notes.get(at, {})))
    assert done.exit_code == 0, done.output
    assert f"{len(old)} items held, 2 decided on (1 regrade, 1 release)" in done.stdout
    assert "3 rows recorded" in done.stdout
    assert "note: 1 of the 2 items measured again is still in doubt" in done.stdout

    after, new = version_of(plant), held_list(plant)
    assert after.version != before.version
    assert [row["item_id"] for row in new] == [row["item_id"] for row in old]
    assert new[again]["remark"] == "'=HYPERLINK(1)"  # no cell starts a formula
    assert new[regraded]["decided_batch"] == "small"
    assert (new[of_a[2]]["decided"], new[of_a[2]]["remeasured_disposition"]) == ("", "ambiguous")
    # The same reading. Evaluated alone its sums run in another order than among others, and the
    # last bit may be another one.
    posterior = float(old[of_a[2]]["posterior"])
    assert float(new[of_a[2]]["remeasured_posterior"]) == pytest.approx(posterior, rel=1e-15, abs=0)

    # The new reading, by the published fit: cells of the gauge's width, weighed by the shares.
    fits = pd.read_parquet(after.folder / "fits.parquet")
    mean, sd, share = (fits[fits["line"] == "A"][n].to_numpy() for n in ("mean", "sd", "share"))
    chance = share * -np.diff(norm.sf((1.2 + np.array([[-0.005], [0.005]]) - mean) / sd), axis=0)[0]
    assert new[again]["remeasured_batch"] == "small"
    assert new[again]["remeasured_disposition"] == "assigned"
    expected = chance.max() / chance.sum()
    assert float(new[again]["remeasured_posterior"]) == pytest.approx(expected, abs=1e-3)

    # Nothing was copied, and nothing of the items has changed.
    entries = {entry.line: entry for entry in after.manifest.lines}
    assert all(path.startswith(f"../{before.version}/items/") for path in entries["A"].items)
    assert not (after.folder / "items").exists()
    assert (len(entries["A"].dispositions), entries["B"].dispositions) == (1, ())
    assert line_of(plant, "A").open_holds == line_of(plant, "A").counts.held - 2
    page = (after.folder / "report" / "line-A.html").read_text("utf-8")
    assert "2 decided on" in page
    assert "regrade to small" in page
    assert (after.folder / "report" / "hold-A.html").exists()
    root = (published.parent / "results" / "index.html").read_text("utf-8")
    assert after.version in root


def test_the_same_file_twice_changes_nothing(published: Path, plant: Plant, tmp_path: Path) -> None:
    file = filled(plant, tmp_path / "x.csv", scrap(0, 3))
    assert imported(published, file).exit_code == 0
    version = version_of(plant).version
    told = imported(published, file)
    assert told.exit_code == 0
    assert "This very file was imported before" in told.stdout
    assert "The published version shows them already." in told.stdout
    # The list of the new version says the same in other bytes.
    told = imported(published, version_of(plant).folder / "held.csv", "--json")
    said = json.loads(told.stdout)
    assert (said["recorded"], said["recorded_before"], said["new_version"]) == (0, 2, False)
    assert version_of(plant).version == version
    assert len(read_records(plant.storage, plant.shift(FIRST_DAY, "late"))) == 1


def test_a_file_with_a_fault_is_refused_whole(
    published: Path, plant: Plant, tmp_path: Path
) -> None:
    faults: dict[int, Row] = {
        0: {"decided": "scrap", **DONE},
        1: {"decided": "bin it", **DONE},
        2: {"decided": "scrap", **DONE, "authorised_by": ""},
        3: {"remeasured": "400", **DONE},
        4: {"item_id": "nobody", "decided": "scrap", **DONE},
        5: {"decided": "scrap", **DONE, "decided_on": "2099-01-01"},
    }
    before = version_of(plant).version
    file = filled(plant, tmp_path / "x.csv", lambda at, _: faults.get(at, {}))
    done = imported(published, file)
    assert (done.exit_code, done.stdout) == (1, "")
    assert "5 rows cannot be used" in done.stderr
    for row in (3, 4, 5, 6, 7):
        assert f"  row {row}: " in done.stderr
    assert "  row 2: " not in done.stderr
    told = json.loads(imported(published, file, "--json").stdout)
    assert [complaint["row"] for complaint in told["refused"]] == [3, 4, 5, 6, 7]
    assert told["recorded"] == 0
    assert version_of(plant).version == before
    assert read_records(plant.storage, plant.shift(FIRST_DAY, "late")) == ()
    empty = imported(published, filled(plant, tmp_path / "y.csv", lambda *_: {}))
    assert (empty.exit_code, "nothing is filled in" in empty.stderr) == (1, True)


def test_a_contradiction_is_refused(published: Path, plant: Plant, tmp_path: Path) -> None:
    assert imported(published, filled(plant, tmp_path / "x.csv", scrap(0))).exit_code == 0
    other = filled(plant, tmp_path / "y.csv", lambda at, _: {} if at else {"decided": "release"})
    done = imported(published, other)
    assert done.exit_code == 1
    assert "is recorded already, by 'M. Weber'" in done.stderr
    assert "decided scrap, not release" in done.stderr
    assert "if that was wrong, write into the column amendment why" in done.stderr


def amend(word: str, why: str, *which: int) -> Callable[[int, Row], Row]:
    told = {"decided": word, "authorised_by": "K. Ott", "decided_on": TODAY, "amendment": why}
    return lambda at, _: told if at in which else {}


def test_a_wrong_decision_is_amended(published: Path, plant: Plant, tmp_path: Path) -> None:
    """From a scrap to a release to a withdrawal, each beside what it was before."""
    assert imported(published, filled(plant, tmp_path / "x.csv", scrap(0, 1))).exit_code == 0
    late = plant.shift(FIRST_DAY, "late")
    (first,) = read_records(plant.storage, late)
    content = first.path.read_bytes()
    item = held_list(plant)[0]["item_id"]
    done = imported(published, filled(plant, tmp_path / "y.csv", amend("release", "wrong row", 0)))
    assert done.exit_code == 0, done.output
    assert "2 decided on (1 release, 1 scrap)" in done.stdout
    assert "1 row recorded" in done.stdout
    assert "1 row was recorded before." in done.stdout
    assert f"note: What was recorded of 1 item was amended: {item!r} (first scrap" in done.stdout
    row = held_list(plant)[0]
    assert (row["decided"], row["authorised_by"], row["amendment"]) == ("release", "K. Ott", "")
    assert row["amended"] == (
        f"scrap by M. Weber on {TODAY}; then release by K. Ott on {TODAY} because wrong row"
    )
    assert first.path.read_bytes() == content  # nothing is overwritten
    second = read_records(plant.storage, late)[1]
    assert second.record.decisions[0].replaces == first.name
    assert row["record"] == second.name

    # The list of who decided first says what holds no longer, and brings nothing back.
    told = imported(published, tmp_path / "x.csv").stdout
    assert "1 row of it says no longer what holds" in told
    assert held_list(plant)[0]["decided"] == "release"
    done = imported(published, filled(plant, tmp_path / "z.csv", amend("open", "look again", 0)))
    assert done.exit_code == 0, done.output
    assert "1 decided on (1 scrap)" in done.stdout
    row = held_list(plant)[0]
    assert (row["item_id"], row["decided"]) == (item, "")
    assert row["amended"].endswith(f"; then open by K. Ott on {TODAY} because look again")
    # That list, as it is, says nothing new; and the item may be decided on again.
    done = imported(published, version_of(plant).folder / "held.csv", "--json")
    assert json.loads(done.stdout)["recorded_before"] == 2
    assert imported(published, filled(plant, tmp_path / "w.csv", scrap(0))).exit_code == 0
    assert held_list(plant)[0]["decided"] == "scrap"

    text = shiftmix("dispositions", "list", "-c", published, *WHEN).stdout
    steps = [line for line in text.splitlines() if line.strip().startswith("amended: ")]
    assert [step.split("; recorded ")[0].strip() for step in steps] == [
        f"amended: was scrap (M. Weber, {TODAY}); release (K. Ott, {TODAY}) because wrong row",
        f"amended: was release (K. Ott, {TODAY}); open (K. Ott, {TODAY}) because look again",
    ]
    said = json.loads(shiftmix("dispositions", "list", "--json", "-c", published, *WHEN).stdout)
    (amended,) = [one for one in said["items"] if one["amended"]]
    history = [(one["decision"]["decided"], one["record"]) for one in amended["amended"]]
    names = [one.name for one in read_records(plant.storage, late)]
    assert history == list(zip(["scrap", "release", None, "scrap"], names, strict=True))
    page = (version_of(plant).folder / "report" / f"line-{row['line']}.html").read_text("utf-8")
    assert "What was amended of these items" in page
    assert "amended 2 times, was release" in page
    assert not inspect(plant, late).published.changed


def test_two_people_who_amend_the_same_item_at_once(
    plant: Plant, late: Shift, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both lists show the first decision: whoever is late has not seen the other's amendment."""
    first = filled(plant, tmp_path / "x.csv", scrap(0))
    assert not import_decisions(plant, late, first, datetime.now(UTC)).complaints
    words = ("release", "rework")
    files = [
        filled(plant, tmp_path / f"{word}.csv", amend(word, f"it is a {word}", 0)) for word in words
    ]
    barrier, real = Barrier(2), flows.dispositions.append_record
    calls: list[object] = []

    def together(*arguments: Any) -> Any:
        calls.append(arguments)
        if len(calls) <= 2:
            barrier.wait(timeout=30)
        return real(*arguments)

    monkeypatch.setattr(flows.dispositions, "append_record", together)
    with ThreadPoolExecutor(2) as pool:
        done = list(
            pool.map(lambda file: import_decisions(plant, late, file, datetime.now(UTC)), files)
        )
    assert len(calls) == 2
    (said,) = [complaint.what for one in done for complaint in one.complaints]
    assert "has other decisions than this list knows of" in said
    assert len(read_records(plant.storage, late)) == 2
    taken = words[[not one.complaints for one in done].index(True)]
    assert held_list(plant)[0]["decided"] == taken


def test_the_list(published: Path, plant: Plant, tmp_path: Path) -> None:
    assert imported(published, filled(plant, tmp_path / "x.csv", scrap(0))).exit_code == 0
    rows = held_list(plant)
    text = shiftmix("dispositions", "list", "-c", published, *WHEN).stdout
    assert f"{len(rows)} items held, 1 decided on (1 scrap), {len(rows) - 1} still open." in text
    for row in rows:
        assert row["item_id"] in text
    text = shiftmix("dispositions", "list", "--open", "-c", published, *WHEN).stdout
    assert rows[0]["item_id"] not in text
    assert rows[1]["item_id"] in text
    told = json.loads(shiftmix("dispositions", "list", "--json", "-c", published, *WHEN).stdout)
    assert [item["item_id"] for item in told["items"]] == [row["item_id"] for row in rows]
    assert (told["items"][0]["decided"], told["items"][0]["decided_on"]) == ("scrap", TODAY)
    assert told["all_published"] is True


@pytest.mark.parametrize(("first", "n_calls"), [("record", 3), ("version", 2)])
def test_two_people_at_once(
    first: str,
    n_calls: int,
    plant: Plant,
    late: Shift,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Both read the same state; whoever swaps second starts over, and nothing is lost."""
    files = [filled(plant, tmp_path / f"{at}.csv", scrap(at)) for at in (0, 1)]
    module, name = {
        "record": (flows.dispositions, "append_record"),
        "version": (flows.settling, "publish"),
    }[first]
    barrier, real, calls = Barrier(2), getattr(module, name), []

    def together(*arguments: Any) -> Any:
        calls.append(arguments)
        if len(calls) <= 2:
            barrier.wait(timeout=30)
        return real(*arguments)

    monkeypatch.setattr(module, name, together)
    before = version_of(plant).version
    with ThreadPoolExecutor(2) as pool:
        done = list(
            pool.map(lambda file: import_decisions(plant, late, file, datetime.now(UTC)), files)
        )
    assert [one.complaints for one in done] == [(), ()]
    # The late record is always judged again; the late version only if the first does not show it.
    assert n_calls <= len(calls) <= 3
    assert len(read_records(plant.storage, late)) == 2
    assert [row["decided"] for row in held_list(plant)[:3]] == ["scrap", "scrap", ""]
    assert version_of(plant).version != before
    attempts = [entry for entry in version_of(plant).folder.parent.iterdir() if entry.is_dir()]
    assert all((attempt / "manifest.json").exists() for attempt in attempts)


def test_two_people_who_contradict_each_other(
    plant: Plant, late: Shift, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("scrap", "release")
    files = [
        filled(plant, tmp_path / word, lambda at, _, w=word: {} if at else {"decided": w, **DONE})
        for word in words
    ]
    for file in files:
        file.rename(file.with_suffix(".csv"))
    barrier, real = Barrier(2), flows.dispositions.append_record
    calls: list[object] = []

    def together(*arguments: Any) -> Any:
        calls.append(arguments)
        if len(calls) <= 2:
            barrier.wait(timeout=30)
        return real(*arguments)

    monkeypatch.setattr(flows.dispositions, "append_record", together)
    with ThreadPoolExecutor(2) as pool:
        tasks = [
            pool.submit(import_decisions, plant, late, file.with_suffix(".csv"), datetime.now(UTC))
            for file in files
        ]
        refused = [bool(task.result().complaints) for task in tasks]
    assert sorted(refused) == [False, True]
    assert held_list(plant)[0]["decided"] == words[refused.index(False)]


def test_killed_between_the_record_and_the_version(
    published: Path, plant: Plant, late: Shift, tmp_path: Path
) -> None:
    file = filled(plant, tmp_path / "x.csv", scrap(0))
    before = version_of(plant).version
    code = (
        "import os, signal, sys, flows.dispositions as d\n"
        "d.settle_shift = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "from flows.cli import main; main()"
    )
    words = ["dispositions", "import", str(file), "-c", str(published), *map(str, WHEN)]
    killed = subprocess.run([sys.executable, "-c", code, *words], cwd=ROOT, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert version_of(plant).version == before
    told = shiftmix("dispositions", "list", "-c", published, *WHEN).stdout
    assert "Decisions are recorded that no version shows yet" in told
    # The next run shows it, whichever run that is.
    assert inspect(plant, late).published.changed
    assert held_list(plant)[0]["decided"] == "scrap"
    done = imported(published, file)
    assert (done.exit_code, "imported before" in done.stdout) == (0, True)


def test_an_import_after_such_a_death_publishes(
    plant: Plant, late: Shift, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = filled(plant, tmp_path / "x.csv", scrap(0))
    with monkeypatch.context() as patch:
        patch.setattr(flows.dispositions, "settle_shift", lambda *_: sys.exit("died"))
        with pytest.raises(SystemExit):
            import_decisions(plant, late, file, datetime.now(UTC))
    done = import_decisions(plant, late, file, datetime.now(UTC))
    assert (done.before is not None, done.changed) == (True, True)
    assert held_list(plant)[0]["decided"] == "scrap"


def test_late_data_keeps_the_decisions(
    published: Path, plant: Plant, late: Shift, tmp_path: Path
) -> None:
    rows = held_list(plant)
    of_a = [at for at, row in enumerate(rows) if row["line"] == "A"]
    notes = {of_a[0]: {}, of_a[1]: {}, of_a[2]: {"remeasured": "1.2"}}
    file = filled(
        plant,
        tmp_path / "x.csv",
        lambda at, _: {"decided": "rework", **DONE, **notes[at]} if at in notes else {},
    )
    assert imported(published, file).exit_code == 0
    gone, clear, kept = (rows[at]["item_id"] for at in of_a[:3])
    readings = file_of(plant, "A", late)
    frame = pd.read_parquet(readings)
    frame = frame[frame["item_id"] != gone]
    frame.loc[frame["item_id"] == clear, "volume_l"] = 3.0
    frame.to_parquet(readings, index=False)
    assert inspect(plant, late).published.changed

    now = {row["item_id"]: row for row in held_list(plant)}
    assert now[kept]["decided"] == "rework"
    assert now[kept]["remeasured_batch"] == "small"
    line = line_of(plant, "A")
    assert line.holds is not None
    assert line.holds.by_word == {"rework": 1}
    (told,) = [f.sentence for f in line.findings if f.code == "decided.not_held"]
    assert f"{gone!r} (rework by 'M. Weber' on {TODAY}; now no item of this line)" in told
    assert f"{clear!r} (rework by 'M. Weber' on {TODAY}; now assigned)" in told
    assert not inspect(plant, late).published.changed


def test_known_items_that_inform_the_fit_leave_new_readings_unjudged(
    published: Path, tmp_path: Path
) -> None:
    """The stored tally does not tell known items from the others, so the fit is another one."""
    text = published.read_text("utf-8")
    published.write_text(
        text.replace("anchor_known = false", "anchor_known = true"), encoding="utf-8"
    )
    plant = load_plant(published)
    assert plant.lines[0].policy.anchor_known
    inspect(plant, plant.shift(FIRST_DAY, "late"))
    of_a = [at for at, row in enumerate(held_list(plant)) if row["line"] == "A"]
    file = filled(
        plant, tmp_path / "x.csv", lambda at, _: {"remeasured": "1.2", **DONE} if at in of_a else {}
    )
    done = imported(published, file)
    assert done.exit_code == 0
    assert "caution: " in done.stdout
    assert f"{len(of_a)} items measured again could not be judged" in done.stdout
    assert {row["remeasured_disposition"] for row in held_list(plant)} == {""}
    assert [row["remeasured"] for row in held_list(plant)].count("1.2") == len(of_a)


def test_another_configuration_is_no_matter_of_an_import(
    published: Path, plant: Plant, tmp_path: Path
) -> None:
    """The version is made of what is published: a line that plant.toml lost since stays."""
    text = published.read_text("utf-8")
    start = text.index('[[line]]\nname = "C"')
    published.write_text(text[:start] + '[reaction]\nhold = "Call quality."\n', encoding="utf-8")
    smaller = load_plant(published)
    assert [line.name for line in smaller.lines] == ["A", "B"]
    assert imported(published, filled(plant, tmp_path / "x.csv", scrap(0))).exit_code == 0
    record = version_of(plant).record()
    assert [line.line.name for line in record.lines] == ["A", "B", "C"]
    assert (smaller.reaction, record.reaction) == ({"hold": "Call quality."}, {})


def test_nothing_published(published: Path, tmp_path: Path, plant: Plant) -> None:
    file = filled(plant, tmp_path / "x.csv", scrap(0))
    done = shiftmix(
        "dispositions", "import", file, "-c", published, "--date", "2026-11-19", "--shift", "late"
    )
    assert done.exit_code == 1
    assert "nothing is published for 2026-11-19 late" in done.stderr
