"""Which features of a quality report has who? Our column counts tests, and only those that exist.

    python -m benchmarks.report_comparison [--write]

Whoever renames or removes a test that stands here makes this command, and a test of the
documentation, fail.
"""

from __future__ import annotations

import argparse
import ast
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from benchmarks.page import table, write_page

ROOT = Path(__file__).parents[1]
SYSTEMS = ("Minitab", "JMP", "InfinityQS", "qcc")

HEAD = """\
# The report compared

Rows are features that quality engineers look for in such a report: **yes**, **partly**, **no**, or
**?** where it could not be verified. The columns of the others are from their public manuals and
source (Minitab and JMP help, the InfinityQS ProFicient FAQ, R qcc 3.0), as read in 2026; those of
the first three could not be tried out. Corrections are welcome.

The last column is ours. It is made from tests: a feature counts as there only if tests with the
named files hold it, and the number says how many. What we do not have says no."""
TAIL = """\
Cp and Cpk are left out on purpose: a mixed shift has no sequence within a batch to take the
within-batch sigma from, so the pages give Pp and Ppk. A gauge study is not made here; a plant that
has made one states the gauge's repeatability, and the pages keep a guard band. Made by

```sh
python -m benchmarks.report_comparison --write
```"""


@dataclass(frozen=True)
class Feature:
    """A row: what the other systems have, in the order of `SYSTEMS`, and the tests of ours."""

    name: str
    others: tuple[str, str, str, str]
    tests: tuple[str, ...] = ()
    part: str = ""  # where ours is a part only, which


PAGES, CHARTS = "reports/test_pages_text.py", "reports/test_charts.py"
CAPABILITY, TREND = "qc/inspection/test_capability.py", "qc/inspection/test_trend.py"
CHANGE = "reports/test_change.py"
LINE = "qc/inspection/test_line_inspection.py"

FEATURES = (
    Feature(
        "histogram with spec limits and nominals",
        ("yes", "yes", "yes", "yes"),
        (
            f"{CHARTS}::test_bars_and_edge_counts_are_all_the_items",
            f"{CHARTS}::test_every_curve_is_the_expected_count_of_a_bin",
        ),
    ),
    Feature(
        "overall performance, Pp and Ppk",
        ("yes", "yes", "yes", "yes"),
        (
            f"{CAPABILITY}::test_the_indices_are_the_textbook_s",
            f"{CAPABILITY}::test_one_limit_has_a_ppk_and_no_pp",
        ),
    ),
    Feature("potential capability, Cp and Cpk", ("yes", "yes", "yes", "yes")),
    Feature(
        "confidence intervals of the indices",
        ("yes", "yes", "?", "yes"),
        (
            f"{CAPABILITY}::test_the_intervals_of_one_batch_are_bissells_and_the_chi_squareds",
            f"{CAPABILITY}::test_the_intervals_cover_the_truth_in_mixed_shifts",
        ),
    ),
    Feature("Cpm, index against the target", ("yes", "yes", "?", "yes")),
    Feature(
        "expected share out of specification, never a rounded 0",
        ("yes", "yes", "yes", "partly: < 0.01 % prints as 0"),
        (
            "reports/test_formatting.py::test_ppm_is_never_rounded_to_nothing",
            "reports/test_formatting.py::test_a_probability_is_never_rounded_to_none_or_all",
        ),
    ),
    Feature(
        "individuals and moving range chart",
        ("yes", "yes", "yes", "yes"),
        (f"{TREND}::test_limits_of_a_series_worked_by_hand",),
    ),
    Feature("Xbar-R and Xbar-S charts", ("yes", "yes", "yes", "yes")),
    Feature(
        "EWMA",
        ("yes", "yes", "yes", "yes"),
        (f"{TREND}::test_variance_of_the_ewma_is_that_of_its_weights",),
    ),
    Feature("CUSUM", ("yes", "yes", "yes", "yes")),
    Feature(
        "run rules",
        ("yes: 8", "yes: 8", "yes", "yes: 8"),
        (
            f"{TREND}::test_nine_in_a_row_on_one_side_of_the_median_are_a_drift",
            f"{TREND}::test_more_charts_need_longer_runs",
        ),
        "rules 1 and 2, with EWMA",
    ),
    Feature(
        "false alarms of all charts together, promised and tested",
        ("?", "?", "?", "?"),
        (f"{TREND}::test_a_stable_line_has_findings_in_less_than_three_shifts_of_a_hundred",),
    ),
    Feature(
        "limits from between-shift spread, for large subgroups",
        ("yes", "yes", "yes", "no"),
        (f"{TREND}::test_a_stable_chart_leaves_its_limits_as_rarely_as_promised",),
    ),
    Feature(
        "limits frozen from a baseline",
        ("yes", "yes", "yes", "yes"),
        (
            f"{TREND}::test_limits_of_a_baseline_do_not_follow_the_line",
            f"{TREND}::test_a_line_that_settles_elsewhere_stays_a_finding_after_a_baseline",
        ),
    ),
    Feature(
        "shape of the distribution judged",
        ("yes", "yes", "yes", "no"),
        (
            "stats/test_verdicts.py::test_skewed_batches_are_found",
            "qc/inspection/test_diagnosis.py::test_heavy_tails_are_named",
        ),
    ),
    Feature(
        "mixture fit of one characteristic",
        ("no", "yes", "no", "no"),
        (
            "stats/test_grouped_recovery.py::test_grouped_readings_are_recovered",
            "stats/test_optimum.py::test_no_optimum_of_scikit_learn_is_higher",
        ),
    ),
    Feature(
        "batch and probability of each item kept",
        ("no", "yes", "no", "no"),
        (
            "flows/test_one_shift.py::test_every_row_is_accounted_for",
            "flows/test_explaining.py::test_the_figures_are_those_of_the_published_fit",
        ),
    ),
    Feature(
        "mixture that outliers do not move",
        ("no", "yes", "no", "no"),
        ("stats/test_strays.py::test_strays_beyond_20_sigma_do_not_move_the_batches",),
    ),
    Feature(
        "performance of each component of the mixture",
        ("no", "no: by hand", "partly: by tag", "no"),
        (f"{CAPABILITY}::test_the_intervals_cover_the_truth_in_mixed_shifts",),
    ),
    Feature("gauge study (R&R, ndc)", ("yes", "yes", "yes", "no")),
    Feature(
        "guard band at the spec limits",
        ("no", "no", "no", "no"),
        (f"{LINE}::test_a_guard_band_leaves_what_is_near_a_limit_unproven",),
    ),
    Feature(
        "traceability: files and rows by hash",
        ("partly", "partly", "yes", "no"),
        (
            f"{PAGES}::test_audit_shows_every_hash",
            f"{PAGES}::test_each_page_carries_its_own_hash_and_links_to_its_run",
            "flows/test_explaining.py::test_source_file_and_row",
        ),
    ),
    Feature(
        "reaction plan beside a finding",
        ("no", "no", "yes", "no"),
        (f"{CHANGE}::test_the_code_goes_before_its_first_word_and_the_plan_before_ours",),
    ),
    Feature(
        "missing shifts shown",
        ("no", "no", "yes", "no"),
        ("flows/test_index.py::test_the_calendar_names_what_nobody_published",),
    ),
    Feature(
        "list of items on hold",
        ("no", "no", "partly", "no"),
        (f"{PAGES}::test_held_items_are_listed_and_counted",),
    ),
    Feature(
        "unattended HTML, no script needed, no network, strict policy",
        ("no", "partly", "yes: dashboards", "partly: R Markdown"),
        (
            f"{PAGES}::test_policy_admits_the_one_style_sheet_and_a_constant_script_and_nothing_else",
            "browser/test_pages.py::test_pages_are_silent_and_ask_nobody",
            "browser/test_hostile.py::test_hostile_strings_stay_texts",
        ),
    ),
    Feature(
        "pages made again from stored results, in the plant's own templates",
        ("?", "?", "?", "partly: R Markdown"),
        (
            "flows/test_reporting.py::test_equal_pages_make_no_version",
            "flows/test_reporting.py::test_own_templates_make_a_version_of_pages_alone",
        ),
    ),
)


@cache
def tests_in(file: str) -> frozenset[str]:
    """Names of the test functions of a file below tests/; none where there is no such file."""
    path = ROOT / "tests" / file
    if not path.is_file():
        return frozenset()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef))


def ours(feature: Feature) -> str:
    """Our cell; ValueError where a test that it rests on is not there."""
    for test in feature.tests:
        file, _, name = test.partition("::")
        if name not in tests_in(file):
            raise ValueError(f"{feature.name}: there is no test {test}")
    if not feature.tests:
        return "no"
    files = {test.partition("::")[0] for test in feature.tests}
    links = ", ".join(f"[{Path(file).stem}](../../tests/{file})" for file in sorted(files))
    said = f"partly: {feature.part}" if feature.part else "yes"
    n = len(feature.tests)
    return f"{said}; {n} test{'s' if n > 1 else ''} in {links}"


def parts() -> tuple[str, str, str]:
    """The page."""
    rows = [(one.name, *one.others, ours(one)) for one in FEATURES]
    return HEAD, table(("feature", *SYSTEMS, "shiftmix"), rows), TAIL


def main() -> None:
    """Print or write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="write the page")
    if parser.parse_args().write:
        write_page("report-comparison", *parts())
    else:
        print(parts()[1])


if __name__ == "__main__":
    main()
