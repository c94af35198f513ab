"""What has changed since the last shift, since when, and what to do, in words."""

from __future__ import annotations

from dataclasses import replace

import pytest

import reports
from qc.findings import Finding, Severity
from qc.records import LineOutcome, LineStatus, ShiftPast, Since
from reports.change import change_sentence, line_change, since_words, to_do, what_happened
from reports.shift_view import shift_page
from reports.words import gravest_first
from tests.reports import samples
from tests.reports.parsing import parse
from tests.reports.test_words import shift_of

OK, ACTION = LineStatus.OK, LineStatus.ACTION
NOT_ASSESSED, ERROR = LineStatus.NOT_ASSESSED, LineStatus.ERROR
DAY = samples.NIGHT.date


def past(**statuses: LineStatus) -> ShiftPast:
    lines = tuple(LineOutcome(name, status, 2, 100) for name, status in statuses.items())
    return ShiftPast(DAY, "early", lines, ())


@pytest.mark.parametrize(
    ("now", "before", "words"),
    [
        (
            {"A": ACTION, "B": ACTION, "C": OK, "D": OK},
            {"A": OK, "B": ERROR, "C": ACTION, "D": OK},
            "2 lines newly need action, 1 is OK again, compared with 2026-11-22 early.",
        ),
        (
            {"A": ERROR, "B": NOT_ASSESSED, "C": ACTION},
            {"A": OK, "B": ACTION, "C": ACTION},
            "1 line is newly in error, 1 is newly not assessed, compared with 2026-11-22 early.",
        ),
        (
            {"A": OK, "B": ACTION},
            {"A": OK},
            "No line's status has changed since 2026-11-22 early. 1 line was not inspected then.",
        ),
        (
            {"A": OK, "B": OK},
            {"A": ERROR, "B": ERROR},
            "2 lines are OK again, compared with 2026-11-22 early.",
        ),
    ],
)
def test_the_change_in_one_sentence(now, before, words):
    record = shift_of(*((name, status, 1) for name, status in now.items()))
    assert change_sentence(replace(record, past=past(**before))) == words
    assert words.split(".")[0] in reports.markdown(replace(record, past=past(**before)))
    assert change_sentence(record) == ""


def test_a_line_then_and_now():
    record = replace(shift_of(("A", ACTION, 100), ("B", OK, 0)), past=past(A=OK))
    a, b = record.lines
    assert line_change(record, a) == "was OK; held 2.00\u202f% → 50.0\u202f%"
    assert line_change(record, b) == "not inspected in the last shift"
    assert line_change(replace(record, past=None), a) == ""
    lost = replace(record, lines=(replace(a, status=ERROR),))
    assert line_change(lost, lost.lines[0]) == "was OK; held 2.00\u202f% → all"


@pytest.mark.parametrize(
    ("run", "words"),
    [
        (None, ""),
        (Since("A", "x.y", DAY, "night", 1), "new in this shift"),
        (Since("A", "x.y", DAY, "early", 3), "since 2026-11-22 early, 3 shifts"),
        (
            Since("A", "x.y", DAY, "early", 90, or_before=True),
            "since 2026-11-22 early or before, 90 shifts or more",
        ),
        (Since("A", "x.y", DAY, "night", 1, or_before=True), ""),  # nothing before could be read
    ],
)
def test_since_when(run, words):
    assert since_words(run) == words


def test_the_code_goes_before_its_first_word_and_the_plan_before_ours():
    finding = Finding("hold.exceeded", Severity.ACTION, "Said.", remedy="Ours.")
    assert to_do(finding).words == "Ours."
    assert to_do(finding, {"hold": "Theirs."}).words == "Theirs."
    assert to_do(finding, {"hold": "Theirs.", "hold.exceeded": "Exactly."}).words == "Exactly."
    assert to_do(finding, {"holds": "No.", "fit": "No."}).words == "Ours."
    assert [to_do(finding, plan).by_plan for plan in ({}, {"hold": "x"})] == [False, True]


def test_one_advice_for_two_findings_stands_once():
    record = shift_of(("A", ACTION, 0))
    findings = tuple(
        Finding(f"fit.{code}", Severity.ACTION, f"{code}.", remedy=code)
        for code in ("shape", "suspect", "one_more", "spike")
    )
    line = replace(record.lines[0], findings=findings)
    told = what_happened(replace(record, reaction={"fit": "Ring 230."}), line)
    assert [(one.sentence, one.to_do.words) for one in told] == [
        ("shape.", "Ring 230."),
        ("suspect.", ""),
        ("one_more.", ""),
        ("And 1 more.", ""),
    ]


def test_what_is_new_goes_before_what_has_stood_for_weeks():
    record = shift_of(("A", ACTION, 0))
    findings = [Finding(code, Severity.CAUTION, f"{code}.") for code in ("a.b", "c.d", "e.f")]
    findings.append(Finding("g.h", Severity.ACTION, "g.h."))
    runs = {"a.b": 27, "c.d": 1, "e.f": 2, "g.h": 90}
    since = {code: Since("A", code, DAY, "early", n) for code, n in runs.items()}
    assert [f.code for f in gravest_first(tuple(findings), since)] == ["g.h", "c.d", "e.f", "a.b"]
    past = ShiftPast(DAY, "early", (), tuple(since.values()))
    line = replace(record.lines[0], findings=tuple(findings))
    told = what_happened(replace(record, past=past), line)
    assert [one.sentence for one in told] == ["g.h.", "c.d.", "e.f.", "And 1 more."]


def test_the_page_and_its_twin_tell_the_same(tmp_path):
    record, evidence = samples.shift()
    page = parse(reports.write_report(tmp_path, record, evidence)[0])
    twin = reports.markdown(record).replace("\\", "")
    for text in (page.text, twin):
        assert "1 line newly needs action, 1 is OK again, compared with 2026-11-22 late." in text
        assert "Stop spindle 2 and call the setter on duty (tel. 117)." in text
        assert text.count("Quarantine the line's pallets and call quality, tel. 230.") == 2
        assert "since 2026-11-21 early, 6 shifts" in text
        assert "since 2026-10-24 early or before, 90 shifts or more" in text
        assert "held 0.31\u202f% → 0.17\u202f%" in text
    assert "Check the tool offset" not in twin  # ours, where the plan has words


def test_groups_fold_what_is_fine_unless_that_is_all():
    record, evidence = samples.shift()
    groups = shift_page(record, evidence).groups
    assert [(g.key, [row.name for row in g.rows], g.folded) for g in groups] == [
        ("act", ["D", "B"], False),
        ("unknown", ["E"], False),
        ("fine", ["A", "C"], True),
    ]
    held = sum(line.open_holds for line in record.lines if line.line.name in "AC")
    assert groups[-1].title == f"2 lines OK, {held} items of them on hold"
    fine = replace(record, lines=record.lines[:1])
    (group,) = shift_page(fine, evidence).groups
    assert (group.key, group.folded) == ("fine", False)


def test_provenance_names_configuration_and_software(tmp_path):
    record, evidence = samples.shift()
    page = parse(reports.write_report(tmp_path, record, evidence)[0])
    hrefs = [attrs.get("href") for _, attrs in page.tags]
    assert "../run.json" in hrefs
    whole = shift_page(record, evidence).provenance.config_sha256
    assert whole in page.text
    other = replace(record.lines[0], config_sha256="0" * 64)
    for changed in (
        replace(record, lines=(other, *record.lines[1:])),
        replace(record, reaction={}),
    ):
        assert shift_page(changed, evidence).provenance.config_sha256 != whole
    assert shift_page(record, evidence).provenance.config_sha256 == whole
