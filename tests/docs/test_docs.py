"""The documentation against the product: snippets, commands, links, tables, figures."""

from __future__ import annotations

import importlib
import re
import shlex
import shutil
import subprocess
import textwrap
from dataclasses import MISSING, fields
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from typer.core import TyperGroup

import reports
from benchmarks import report_comparison
from config import EXAMPLE, HIDALGO, keys, load_plant, load_trial
from config.schema import Kind, Table
from flows.cli import app
from flows.one_shift import inspect
from qc import Fit, Mixture, Tally, fit_mixture
from qc.findings import CODES
from qc.mixture import fit_tally
from qc.plant import Batch, Columns, Gauge, Line, Plant, Policy
from qc.records import AuditRecord, LineRecord, RunOutcome
from qc.storage import load_published, read_published
from qc.storage.schema import OUR_COLUMNS
from reports.words import line_sentence
from tests.faults import marks, table

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
FENCE = re.compile(r"^ *```(\w*)\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
HIDALGO_DAY = date(1872, 1, 1)


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def table_below(page: str, heading: str) -> dict[str, list[str]]:
    """The first table below a heading: the cells of each row by its first cell."""
    after = text_of(page).split(f"\n{heading}\n", 1)[1]
    rows = re.search(r"(?:^\|.*\n)+", after, re.MULTILINE)
    assert rows, heading
    cells = [[c.strip() for c in row.strip("|").split(" | ")] for row in rows[0].splitlines()[2:]]
    return {row[0].strip("|` "): [c.strip("| ") for c in row[1:]] for row in cells}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what `make demo` leaves of the stamps."""
    folder = tmp_path_factory.mktemp("newcomer")
    site = folder / "demo" / "hidalgo"
    shutil.copytree(HIDALGO.parent / "readings", site / "readings")
    shutil.copyfile(HIDALGO, site / "plant.toml")
    plant = load_plant(site / "plant.toml")
    inspect(plant, plant.shifts_of(HIDALGO_DAY)[0])
    return folder


@pytest.fixture(scope="module")
def stamps(demo: Path) -> LineRecord:
    return load_published(demo / "demo/hidalgo/results", HIDALGO_DAY, "issue").record.lines[0]


@pytest.fixture(scope="module")
def thickness(demo: Path) -> np.ndarray[Any, Any]:
    items = read_published(demo / "demo/hidalgo/results", HIDALGO_DAY, "issue")
    return items["thickness_mm"].to_numpy()


@pytest.fixture(scope="module")
def fits(thickness: np.ndarray[Any, Any]) -> list[Fit]:
    tally = Tally.of(thickness, resolution=0.001)
    return [fit_tally(tally, k) for k in range(1, 8)]


# README.md


def test_readme_snippets_run(demo: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(demo)
    names: dict[str, Any] = {}
    snippets = [code for kind, code in FENCE.findall(text_of("README.md")) if kind == "python"]
    assert len(snippets) == 2
    for code in snippets:
        exec(compile(code, "README.md", "exec"), names)
    mixture, se = names["fit"].mixture, names["fit"].standard_errors
    assert np.abs(mixture.means[:, 0] - [1.0, 3.0]).max() < 4 * se.means.max()
    assert mixture.posterior([2.0])[0, 0] == pytest.approx(0.62, abs=0.05)
    assert len(names["held"]) == 260


def test_readme_example_is_small_with_062():
    mixture = Mixture.of([0.5, 0.5], [1.0, 3.0], [0.1**0.5, 0.3])
    assert round(float(mixture.posterior([2.0])[0, 0]), 2) == 0.62
    assert "with probability 0.62" in text_of("README.md")


def test_readme_names_every_column_and_command():
    columns = ", ".join(
        table_below("README.md", "Your columns are kept as they are. Ours stand beside them:")
    )
    assert set(re.findall(r"\w+", columns)) == {"line", *OUR_COLUMNS}
    commands = {name.split()[1] for name in table_below("README.md", "## Commands")}
    assert commands == set(command_line().commands)


# Commands and links


def command_line() -> TyperGroup:
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    return group


def commands_in(text: str) -> list[list[str]]:
    """Every `shiftmix ...` in code, split into words."""
    code = [block for _, block in FENCE.findall(text)]
    spans = re.findall(r"`([^`\n]+)`", FENCE.sub("", text))
    lines = [line.strip() for block in code for line in block.splitlines()]
    found = (re.search(r"(?:^|[\s/])shiftmix( .*)?$", line) for line in [*lines, *spans])
    return [shlex.split(match[1] or "", comments=True) for match in found if match]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_and_options_exist(page: Path):
    known = command_line().commands
    for words in commands_in(page.read_text(encoding="utf-8")):
        if not words or words[0].endswith(":") or not words[0].isalpha():
            continue  # the bare name, or a line that it printed
        assert words[0] in known, words
        command = known[words[0]]
        if isinstance(command, TyperGroup) and words[1:]:
            assert words[1] in command.commands, words
            command = command.commands[words[1]]
        options = {name for param in command.params for name in param.opts} | {"--help"}
        named = {word.split("=")[0] for word in words if word.startswith("-")}
        assert named <= options, words


def test_the_pages_do_name_commands():
    assert len(commands_in(text_of("README.md"))) > 12


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_resolve(page: Path):
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith("https://"):
            continue
        path, _, anchor = target.partition("#")
        other = page.parent / path if path else page
        assert other.exists(), target
        if anchor:
            heads = re.findall(r"^#+ (.+)$", other.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in {head.lower().replace(" ", "-") for head in heads}, target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_are_named_exist(page: Path):
    spans = re.findall(r"`([^`\n]+)`", FENCE.sub("", page.read_text(encoding="utf-8")))
    wings = ("qc/", "flows/", "reports/", "config/", "docs/", "tests/", ".ci/")
    for span in spans:
        if span.startswith(wings) and " " not in span:
            assert (ROOT / span).exists(), span


def test_architecture_names_every_module_of_the_figure():
    figure = text_of("ARCHITECTURE.md").split("## Floors")[1].split("## Import rules")[0]
    inside = FENCE.findall(figure)[0][1]
    modules = {
        p.stem for wing in ("flows", "qc", "reports", "config") for p in (ROOT / wing).rglob("*.py")
    }
    for floor in ("fit", "search", "starts", "identity", "attempt", "published", "one_shift"):
        assert floor in modules
        assert re.search(rf"\b{floor}\b", inside), floor
    mixture = {p.stem for p in (ROOT / "qc/mixture").glob("*.py")} - {"__init__"}
    inspection = {p.stem for p in (ROOT / "qc/inspection").glob("*.py")} - {"__init__"}
    for name in mixture | inspection:
        assert re.search(rf"\b{name}\b", inside), name


# docs/configuration.md

SECTIONS = {
    "## [plant]": (keys.PLANT, Plant),
    "## [plant.columns]": (keys.COLUMNS, Columns),
    "## [[shift]]": (keys.SHIFT, None),
    "## [policy]": (keys.POLICY, Policy),
    "## [trend]": (keys.TREND, None),
    "### baseline": (keys.BASELINE, None),
    "## [report]": (keys.REPORT, Plant),
    "## [[line]]": (keys.LINE, Line),
    "## gauge": (keys.GAUGE, Gauge),
    "## [[line.batch]]": (keys.BATCH, Batch),
}


@pytest.mark.parametrize("heading", SECTIONS)
def test_configuration_tables_are_those_of_the_loader(heading: str):
    schema, record = SECTIONS[heading]
    table = table_below("docs/configuration.md", heading)
    assert list(table) == list(schema)
    defaults = {f.name: f.default for f in fields(record)} if record else {}
    defaults = {name: None if value is MISSING else value for name, value in defaults.items()}
    for name, key in schema.items():
        allowed, default, meaning = table[name]
        words = {True: "a table", False: "one or more tables"}
        expected = (
            key.kind.allowed if isinstance(key.kind, Kind) else words[isinstance(key.kind, Table)]
        )
        assert allowed == expected, name
        assert (default == "required") == key.required, name
        assert meaning, name
        stated = None if default in ("none", "required") else default.strip("`")
        real = defaults.get(name)
        if isinstance(real, bool):
            assert stated == str(real).lower(), name
        elif isinstance(real, float | int):
            assert float(stated) == real, name
        elif isinstance(real, str):
            assert stated == f'"{real}"', name
        else:
            assert stated is None, name


def test_configuration_names_every_code_of_a_reaction_plan():
    table = table_below("docs/configuration.md", "## [reaction]")
    listed = {
        f"{word}.{rest}"
        for word, (codes,) in table.items()
        for rest in re.findall(r"`(\w+)`", codes)
    }
    assert listed == set(CODES)
    assert set(keys.REACTION) == {*CODES, *table}
    assert f"up to {keys.REACTION_LENGTH} characters" in text_of("docs/configuration.md")


# docs/past-shifts.md


def test_the_file_of_changes_is_one(tmp_path: Path):
    (code,) = [c for kind, c in FENCE.findall(text_of("docs/past-shifts.md")) if kind == "toml"]
    (tmp_path / "changes.toml").write_text(textwrap.dedent(code), encoding="utf-8")
    plant = load_plant(EXAMPLE)
    tried = load_trial(tmp_path / "changes.toml", plant).line(plant.line("B"))
    assert (tried.policy.min_posterior, tried.policy.max_misassigned_ppm) == (0.99, 20.0)
    assert [batch.max_drift for batch in tried.batches] == [0.1, 0.05, 0.12]


# docs/audit.md


def test_the_fields_of_a_run_are_those_that_are_recorded():
    table = table_below("docs/audit.md", "## The record of runs")
    assert list(table) == [field.name for field in fields(AuditRecord)]
    assert all(meaning for (meaning,) in table.values())
    words = ", ".join(f"`{outcome}`" for outcome in list(RunOutcome)[:-1])
    assert table["outcome"] == [f"{words} or `{RunOutcome.STOPPED}`"]


# docs/report.md


def report_code(kind: str) -> list[str]:
    found = FENCE.findall(text_of("docs/report.md"))
    return [textwrap.dedent(code) for language, code in found if language == kind]


def test_templates_of_the_page_on_reports(demo: Path):
    """The footer and the logo of the page, put where it says, are on every page of the stamps."""
    site = demo / "demo/hidalgo"
    (toml,) = report_code("toml")
    foot, logo = (code.strip() for code in report_code("html"))
    (site / "templates/partials").mkdir(parents=True)
    for name, code in {"foot": foot, "logo": logo}.items():
        assert f"`templates/partials/{name}.html`" in text_of("docs/report.md")
        (site / f"templates/partials/{name}.html").write_text(code, encoding="utf-8")
    config = site / "own.toml"
    config.write_text((site / "plant.toml").read_text(encoding="utf-8") + "\n" + toml, "utf-8")
    plant = load_plant(config)
    pages = reports.pages_of(
        *published_stamps(demo), templates=reports.load_templates(plant.templates)
    )
    assert set(pages) == {"index.html", "line-stamps.html", "hold-stamps.html"}
    for text in pages.values():
        assert foot in text
        # Pages leave out quotes that HTML does not ask for.
        assert logo.replace('"', "") in text.replace('"', "")
        sign = logo[-40:]
        assert text.index(sign) < text.index("<main") < text.index(foot)


def published_stamps(demo: Path) -> tuple[Any, Any]:
    published = load_published(demo / "demo/hidalgo/results", HIDALGO_DAY, "issue")
    return published.record, published.evidence


def test_the_recipe_for_the_hash_of_a_page(demo: Path):
    published = load_published(demo / "demo/hidalgo/results", HIDALGO_DAY, "issue")
    page = published.report.with_name("line-A.html")
    page.write_bytes(published.report.with_name("line-stamps.html").read_bytes())
    recipe = report_code("sh")[-1]
    assert "line-A.html" in recipe

    def summed() -> str:
        done = subprocess.run(recipe, shell=True, cwd=page.parent, check=True, capture_output=True)
        return done.stdout.decode().split()[0]

    stated = re.findall(r'<code id="page-sha256">([0-9a-f]{64})</code>', page.read_text("utf-8"))
    assert stated == [summed()]
    page.write_text(page.read_text("utf-8").replace("stamps", "Stamps", 1), "utf-8")
    assert stated != [summed()]
    page.unlink()


# docs/reference/report-comparison.md


def test_the_comparison_of_reports_is_made_from_tests_that_exist():
    page = text_of("docs/reference/report-comparison.md")
    assert page == "\n\n".join(part.strip("\n") for part in report_comparison.parts()) + "\n"
    gone = report_comparison.Feature(
        "x", ("no",) * 4, ("reports/test_pages_text.py::test_no_such",)
    )
    with pytest.raises(ValueError, match="there is no test reports/test_pages_text"):
        report_comparison.ours(gone)
    for link in re.findall(r"\]\(([^)]+)\)", page):
        assert (ROOT / "docs/reference" / link).is_file(), link


# docs/reference/faults.md


def test_the_page_of_faults_is_made_from_the_tests_that_hold_it(request: pytest.FixtureRequest):
    whole = not request.config.option.file_or_dir
    found = request.config.stash[marks.COLLECTED] if whole else marks.collect()
    page = text_of("docs/reference/faults.md")
    assert page == table.page(found), f"make it again: {table.MADE_BY}"
    assert not table.uncovered(found)
    codes = re.findall(r"^\| ([A-L]\d+)", page, re.MULTILINE)
    sizes = zip("ABCDEFGHIJKL", (16, 14, 12, 12, 7, 8, 8, 9, 9, 12, 10, 7), strict=True)
    assert codes == [f"{group}{n}" for group, size in sizes for n in range(1, size + 1)]
    assert set(found) <= set(codes)


# docs/method.md


def test_constants_of_the_method():
    table = table_below("docs/method.md", "## The numbers that decide")
    assert len(table) > 15
    for name, (value, _) in table.items():
        module, _, constant = name.rpartition(".")
        assert getattr(importlib.import_module(module), constant) == float(value), name


def test_rounding_example_of_the_method():
    truth = Mixture.of([0.6, 0.4], [10.0, 10.9], [0.2, 0.25])
    readings, _ = truth.sample(200_000, np.random.default_rng(1))
    rounded = np.round(np.round(readings / 0.3) * 0.3, 6)
    rows = {"grouped likelihood": 0.3, "density of the rounded readings": None}
    page = text_of("docs/method.md")
    for name, resolution in rows.items():
        mixture = fit_mixture(rounded, 2, resolution=resolution).mixture
        means = ", ".join(f"{mean:.3f}" for mean in mixture.means[:, 0])
        sds = ", ".join(f"{sd:.3f}" for sd in mixture.sds)
        assert f"| {name} | {mixture.weights[0]:.3f} | {means} | {sds} |" in page


# docs/hidalgo.md


def page_words() -> str:
    """The page as one line of words, without the marks of a quotation."""
    return re.sub(r"\s+(?:> )?", " ", text_of("docs/hidalgo.md"))


def test_stamps_verdict(stamps: LineRecord):
    assert stamps.fit is not None
    assert line_sentence(stamps) in page_words()
    assert str(stamps.verdict) == "suspect"
    assert f"within {int(stamps.fit.runner_up_nats)} nats" in page_words()
    assert stamps.fit.goodness_p < 0.001
    assert "p < 0.001" in page_words()
    assert f"effect size {stamps.fit.goodness_effect:.2f}" in page_words()
    assert f"are {stamps.fit.separation:.1f} pooled sds apart" in page_words()
    assert f"below {reports.trust.LEAST_SEPARATION:g} a characteristic" in page_words()


def test_stamps_batches(stamps: LineRecord):
    for batch in stamps.batches:
        row = (
            f"| {batch.name} | {batch.share:.1%} | {batch.mean:.4f} | {batch.sd:.5f} "
            f"| {batch.assigned} | {batch.expected:.1f} |"
        )
        assert row.replace("%", " %") in page_words()


def test_stamps_at_the_thin_end_go_to_the_thickest_paper(demo: Path):
    items = read_published(demo / "demo/hidalgo/results", HIDALGO_DAY, "issue")
    assigned = items[items["disposition"] == "assigned"].sort_values("thickness_mm")
    assert list(assigned["batch"].head(5)) == ["batch 3"] * 4 + ["batch 1"]
    assert items["thickness_mm"].sort_values().head(4).max() < 0.066
    assert "the four thinnest stamps of all are assigned to batch 3" in page_words()


def test_stamps_heaps(thickness: np.ndarray[Any, Any], fits: list[Fit]):
    ticks = np.rint(thickness * 1000).astype(int)

    def expected(readings: list[float]) -> np.ndarray[Any, Any]:
        return len(thickness) * np.exp(fits[2].mixture.log_density(readings, 0.001))

    table = table_below("docs/hidalgo.md", "neighbours:")
    assert len(table) == 9
    for reading, (count, by_fit) in table.items():
        assert int(count) == np.count_nonzero(ticks == round(float(reading) * 1000))
        assert float(by_fit) == round(float(expected([float(reading)])[0]), 1)
    thick = ticks[ticks >= 88]
    at_round = float(expected([tick / 1000 for tick in range(90, 140, 10)]).sum())
    words = (
        f"Of the {len(thick)} stamps of 0.088 mm and more, {np.count_nonzero(thick % 10 == 0)} are "
        f"at a multiple of 0.010 mm; the fit expects {at_round:.1f}."
    )
    assert words in page_words()


def test_stamps_number_of_batches(thickness: np.ndarray[Any, Any], fits: list[Fit]):
    best = min(fit.bic for fit in fits)
    rows = [
        f"| {k} | {fit.log_likelihood:.1f} | {fit.bic:.0f} "
        f"| {'best' if fit.bic == best else format(fit.bic - best, '.0f')} |"
        for k, fit in enumerate(fits, 1)
    ]
    assert [row for row in rows if row not in page_words()] == []
    assert f"four batches, by {fits[2].bic - fits[3].bic:.1f} over three" in page_words()
    fourth = fits[3].mixture
    assert (
        f"lies at {fourth.means[1, 0]:.4f} mm with an sd of {fourth.sds[1]:.4f} mm" in page_words()
    )
    plain = [fit_mixture(thickness, k).log_likelihood for k in (3, 4)]
    assert f"log-likelihood is {plain[0]:.1f} for three" in page_words()
    assert f"the search here finds {plain[1]:.1f}" in page_words()


# The pictures


def test_pictures_are_small_and_as_wide_as_promised():
    pictures = list((ROOT / "docs/images").glob("*.png"))
    made = re.findall(r'"([\w-]+\.png)"', text_of("docs/make_pictures.py"))
    assert sorted(picture.name for picture in pictures) == sorted(made)
    for picture in pictures:
        content = picture.read_bytes()
        assert content.startswith(b"\x89PNG")
        assert len(content) < 250_000
        assert int.from_bytes(content[16:20], "big") == 1200
