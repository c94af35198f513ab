"""New pages for published shifts: from results alone, as new versions, or not at all."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import reports
from config import load_plant
from flows.cli import app
from flows.one_shift import inspect
from flows.pages import make_pages
from qc.errors import ConfigError, StorageError
from qc.plant import Plant, Shift
from qc.storage import begin, discard, load_published, read_published
from qc.storage.published import current_version
from qc.storage.simulated import FIRST_DAY

EARLY = ("--date", str(FIRST_DAY), "--shift", "early")
FOOT = '<p>Springfield Works & Sons <svg width="9" height="9"><title>sign</title></svg></p>\n'


def shiftmix(*words: object) -> Result:
    return CliRunner().invoke(app, [*map(str, words)])


def told(*words: object) -> dict:  # type: ignore[type-arg]
    result = shiftmix("report", *words, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def with_templates(config: Path, **files: str) -> Path:
    """Give the plant templates of its own; returns their folder."""
    folder = config.parent / "templates"
    text = config.read_text(encoding="utf-8")
    if "\n[report]" not in text:
        text = text.replace(
            "[plant.columns]", '[report]\ntemplates = "templates"\n\n[plant.columns]'
        )
        config.write_text(text, encoding="utf-8")
    for name, content in files.items():
        path = folder / name.replace("__", "/").replace("_", ".", 1)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return folder


def home(plant: Plant, shift: Shift) -> Path:
    return Path(plant.storage) / f"date={shift.date}/shift={shift.name}"


def links_of(page: Path) -> list[Path]:
    hrefs = re.findall(r'href="([^"#]+)"', page.read_text(encoding="utf-8"))
    return [(page.parent / href).resolve() for href in hrefs]


@pytest.fixture
def config(published: Path) -> Path:
    """A published plant, whose readings are gone."""
    shutil.rmtree(published.parent / "readings")
    return published


@pytest.fixture
def plant(config: Path) -> Plant:
    return load_plant(config)


def test_equal_pages_make_no_version(config: Path, plant: Plant, early: Shift) -> None:
    before = sorted(path for path in Path(plant.storage).glob("date=*/**/*"))
    shifts = told("--config", config)["shifts"]
    assert [(one["date"], one["shift"]) for one in shifts] == [
        (str(FIRST_DAY), name) for name in ("early", "late", "night")
    ]
    assert not any(one["changed"] for one in shifts)
    assert sorted(path for path in Path(plant.storage).glob("date=*/**/*")) == before
    said = shiftmix("report", "--config", config, *EARLY)
    assert f"Springfield {FIRST_DAY} early: the pages are as published" in said.stdout


def test_own_templates_make_a_version_of_pages_alone(
    config: Path, plant: Plant, early: Shift
) -> None:
    items = read_published(plant.storage, early.date, early.name)
    base = current_version(plant.storage, early.date, early.name)
    with_templates(config, partials__foot_html=FOOT)
    (one,) = told("--config", config, *EARLY)["shifts"]
    assert one["changed"]
    now = current_version(plant.storage, early.date, early.name)
    assert now.version == one["version"] != base.version
    assert now.manifest.supersedes == base.version
    own = {path.relative_to(now.folder).as_posix() for path in now.folder.rglob("*.*")}
    pages = {"report/index.html"}
    pages |= {f"report/{kind}-{name}.html" for name in "ABC" for kind in ("line", "hold")}
    assert own == {*pages, "manifest.json", "run.json"}
    assert {entry.path for entry in now.manifest.files} == {
        *pages,
        "run.json",
        *(
            f"../{base.version}/{entry.path}"
            for entry in base.manifest.files
            if entry.path not in {*pages, "run.json"}
        ),
    }
    assert read_published(plant.storage, early.date, early.name).equals(items)
    loaded = load_published(plant.storage, early.date, early.name)
    assert loaded.record == base.record()
    for page in loaded.report.parent.iterdir():
        assert "Springfield Works & Sons" in page.read_text()
        links = links_of(page)
        assert {path.name for path in links} >= {"held.csv", "run.json"}
        assert all(path.exists() for path in links)
    index = Path(plant.storage) / "index.html"
    assert now.version in index.read_text()
    assert "Springfield Works" in index.read_text()


def test_templates_are_noted_and_any_change_is_a_version(
    config: Path, plant: Plant, early: Shift
) -> None:
    folder = with_templates(config, partials__foot_html=FOOT)
    content = FOOT.encode()
    expected = hashlib.sha256(b"partials/foot.html %d\n" % len(content) + content).hexdigest()
    versions = [told("--config", config, *EARLY)["shifts"][0] for _ in "12"]
    assert [one["changed"] for one in versions] == [True, False]
    now = current_version(plant.storage, early.date, early.name)
    assert now.manifest.templates_sha256 == expected
    assert expected[:12] in (now.folder / "report/index.html").read_text()
    (folder / "unused.html").write_text("nobody includes this")
    assert told("--config", config, *EARLY)["shifts"][0]["changed"]
    (folder / "notes.txt").write_text("no template")
    assert not told("--config", config, *EARLY)["shifts"][0]["changed"]
    # Without them, the pages are again what they were; the links lead to the first version.
    (folder / "partials/foot.html").unlink()
    (folder / "unused.html").unlink()
    assert told("--config", config, *EARLY)["shifts"][0]["changed"]
    last = current_version(plant.storage, early.date, early.name)
    assert last.manifest.templates_sha256 == ""
    assert last.entry("held.csv").path.startswith("../v0001-")


def test_an_inspection_after_new_pages_has_nothing_new(published: Path) -> None:
    plant = load_plant(published)
    early = plant.shift(FIRST_DAY, "early")
    with_templates(published, partials__foot_html=FOOT)
    own = load_plant(published)
    # The inspection itself makes pages alone, where only the templates are new.
    first = inspect(own, early).published
    assert first.changed
    assert {path.name for path in first.folder.iterdir()} == {"report", "manifest.json", "run.json"}
    assert not inspect(own, early).published.changed
    assert not told("--config", published, *EARLY)["shifts"][0]["changed"]
    # One line anew on top of it: the others are carried on from where they are.
    readings = Path(plant.readings) / f"line=B/date={early.date}/shift=early"
    late = Path(plant.readings) / f"line=B/date={early.date}/shift=late/part-00000.parquet"
    shutil.copyfile(late, readings / "part-00001.parquet")
    again = inspect(own, early, ["B"]).published
    assert again.changed
    items = read_published(plant.storage, early.date, early.name)
    assert set(items["line"]) == {"A", "B", "C"}


@pytest.mark.parametrize(
    "name", ["shift.json", "tallies.parquet", "held.parquet", "held.csv", "items", "manifest.json"]
)
def test_a_damaged_version_is_refused_by_name_and_stops_no_other(
    config: Path, plant: Plant, early: Shift, name: str
) -> None:
    folder = current_version(plant.storage, early.date, early.name).folder
    path = folder / (name if name != "items" else "items/line=B/part-00000.parquet")
    path.write_bytes(path.read_bytes()[:-3])
    with_templates(config, partials__foot_html=FOOT)
    result = shiftmix("report", "--config", config, "--date", FIRST_DAY, "--json")
    assert result.exit_code == 1
    said = json.loads(result.stdout)
    early_one, *others = said["shifts"]
    assert said["index_error"] is None
    index = (Path(plant.storage) / "index.html").read_text("utf-8")
    assert ("Cannot be read" in index) == (name in ("shift.json", "manifest.json"))
    assert str(path) in early_one["error"]
    assert early_one["version"] is None
    assert all(one["changed"] for one in others)
    assert json.loads((folder.parent / "current.json").read_bytes())["version"] == folder.name
    assert len(list(home(plant, early).glob("v*"))) == 1


def test_a_damaged_page_is_made_again(config: Path, plant: Plant, early: Shift) -> None:
    folder = current_version(plant.storage, early.date, early.name).folder
    page = folder / "report/line-B.html"
    whole = page.read_text()
    page.write_text(whole[:500])
    (one,) = told("--config", config, *EARLY)["shifts"]
    assert one["changed"]
    again = (Path(one["report"]).parent / "line-B.html").read_text()
    # The same but for where the files are, and so for its own hash.
    again = again.replace(f"../../{folder.name}/", "../").replace(f"../{folder.name}/", "")
    assert re.sub(r"[0-9a-f]{64}</code></p>", "", again) == re.sub(
        r"[0-9a-f]{64}</code></p>", "", whole
    )


FAILING = {
    "syntax": ("{# fine #}\n{% if %}", 2, "TemplateSyntaxError"),
    "undefined": ("one\ntwo\n{{ page.nothing_of_the_kind }}\n", 3, "UndefinedError"),
    "python": ("{{ 1 // 0 }}", 1, "ZeroDivisionError"),
    "not found": ('{% include "no/such.html" %}', 1, "TemplateNotFound"),
    "forbidden": ("\n{{ ''.__class__.__mro__ }}", 2, "SecurityError"),
}


@pytest.mark.parametrize("case", FAILING)
def test_a_template_that_fails_names_file_and_line_and_publishes_nothing(
    config: Path, plant: Plant, early: Shift, case: str
) -> None:
    text, number, kind = FAILING[case]
    folder = with_templates(config, partials__held_html=text)
    before = current_version(plant.storage, early.date, early.name)
    result = shiftmix("report", "--config", config, *EARLY)
    assert result.exit_code == 2
    assert f"the template fails in its line {number}: {kind}" in result.stderr
    assert str(folder / "partials/held.html") in result.stderr
    assert current_version(plant.storage, early.date, early.name).version == before.version
    assert [path.name for path in home(plant, early).glob("v*")] == [before.version]


def test_a_failing_template_of_the_index_stops_an_inspection_before_it_begins(
    published: Path,
) -> None:
    folder = with_templates(published, shifts_html="{{ nothing }}")
    plant = load_plant(published)
    with pytest.raises(ConfigError, match=r"line 1: UndefinedError.*shifts\.html") as caught:
        inspect(plant, plant.shift(FIRST_DAY, "late"))
    assert caught.value.where.path == str(folder / "shifts.html")


def test_a_page_without_its_hash_is_refused(config: Path) -> None:
    ours = (Path(reports.__file__).parent / "templates/base.html").read_text(encoding="utf-8")
    folder = with_templates(config, base_html=ours.replace(' id="page-sha256"', ""))
    result = shiftmix("report", "--config", config, *EARLY)
    assert result.exit_code == 2
    assert "without its own hash" in result.stderr
    assert str(folder) in result.stderr


def test_which_shifts_are_meant(config: Path) -> None:
    both = ("--date", FIRST_DAY, "--shift", "late", "--date", FIRST_DAY, "--shift", "early")
    pairs = told("--config", config, *both)["shifts"]
    assert [one["shift"] for one in pairs] == ["late", "early"]
    (night,) = told("--config", config, "--shift", "night")["shifts"]
    assert (night["date"], night["shift"]) == (str(FIRST_DAY), "night")
    uneven = shiftmix("report", "--config", config, "--date", FIRST_DAY, *both)
    assert uneven.exit_code == 2
    assert "3 dates and 2 shifts are named" in uneven.stderr
    for words in (("--date", "2020-01-01"), ("--date", "2020-01-01", "--shift", "early")):
        missing = shiftmix("report", "--config", config, *words)
        assert missing.exit_code == 1
        assert "published" in missing.output


def test_who_loses_the_race_starts_over(
    config: Path, plant: Plant, early: Shift, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_templates(config, partials__foot_html=FOOT)
    plant = load_plant(config)
    from flows import pages, reporting

    templates = reports.load_templates(plant.templates)
    tries = []

    def publish_pages(attempt, *args, **kwargs):  # type: ignore[no-untyped-def]
        tries.append(attempt.version)
        if len(tries) == 1:  # somebody else is faster, with the same templates
            monkeypatch.setattr(pages, "publish_pages", real)
            other = begin(plant, early)
            make_pages(other, templates, {})
        return real(attempt, *args, **kwargs)

    real = pages.publish_pages
    monkeypatch.setattr(pages, "publish_pages", publish_pages)
    (remade,) = reporting.remake(plant, [(early.date, early.name)]).shifts
    assert remade.published is not None
    assert not remade.published.changed  # what the other published says the same
    assert len(list(home(plant, early).glob("v*"))) == 2


def test_nothing_is_made_for_a_shift_that_is_not_published(plant: Plant, early: Shift) -> None:
    shutil.rmtree(home(plant, early))
    attempt = begin(plant, early)

    with pytest.raises(StorageError, match="nothing is published"):
        make_pages(attempt, reports.OURS, {})
    discard(attempt)
