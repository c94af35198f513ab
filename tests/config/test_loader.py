"""The loader: what a good file becomes, and what is said of a bad one."""

import os
import pickle
import tomllib
from dataclasses import fields
from datetime import date, time
from pathlib import Path

import pytest

from config import EXAMPLE, HIDALGO, load_plant
from qc.errors import ConfigError
from qc.plant import Baseline, Batch, Gauge, Policy, config_sha256

PLANT = """\
[plant]
name = "P"
time_zone = "Europe/Berlin"
storage = "results"
readings = "readings"
layout = "hive"
"""
SHIFT = '[[shift]]\nname = "day"\nstart = "06:00"\nend = "14:00"\n'
LINE = '[[line]]\nname = "A"\ncharacteristic = "volume"\nunit = "L"\ncolumn = "v"\n'
SMALL = '[[line.batch]]\nname = "small"\n'
LARGE = '[[line.batch]]\nname = "large"\n'
GOOD = PLANT + SHIFT + LINE + "batches = 2\n"
FILES = PLANT.replace('"hive"', '"files"')


def load(tmp_path: Path, text: str):
    path = tmp_path / "plant.toml"
    path.write_text(text, encoding="utf-8")
    return load_plant(path)


def problems(tmp_path: Path, text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    assert caught.value.where.path == str(tmp_path / "plant.toml")
    return caught.value.what.splitlines()[:-1]


def policy(statement: str) -> str:
    return GOOD + f"[line.policy]\n{statement}\n"


def gauge(content: str) -> str:
    return GOOD + f"gauge = {{ {content} }}\n"


def small(statements: str, more: str = "") -> str:
    return PLANT + SHIFT + LINE + SMALL + statements + "\n" + more


def named(name: str) -> str:
    return GOOD.replace('name = "A"', f"name = {name}")


# Each file has exactly one problem; its sentence must hold all of these words.
BAD = {
    "unknown key": (GOOD + "batchs = 2", ['line "A" → batchs', 'did you mean "batches"?']),
    "unknown section": (GOOD + "[polcy]\n", ["polcy", 'did you mean "policy"?']),
    "unknown, like none": (policy("zzz = 1"), ['line "A" → policy.zzz', "min_posterior"]),
    "unknown column role": (
        GOOD + "[plant.columns]\nitems = 'id'",
        ["plant.columns.items", "item"],
    ),
    "key that tears": (GOOD + '"a\\u2028b" = 1', [r'"a\u2028b": unknown key']),
    "missing": (GOOD.replace('unit = "L"\n', ""), ['line "A" → unit is missing']),
    "missing, nameless": (GOOD.replace('name = "A"\n', ""), ["line 1 → name is missing"]),
    "no shift": (PLANT + LINE + "batches = 2", ["shift is missing", "[[shift]]"]),
    "single brackets": (GOOD.replace("[[shift]]", "[shift]"), ["[[shift]]"]),
    "section is a value": ("policy = 3\n" + GOOD, ["policy = 3", "a table [policy]"]),
    "K = 0": (GOOD.replace("= 2", "= 0"), ['line "A" → batches = 0', "from 1 to 20"]),
    "K = -1": (GOOD.replace("= 2", "= -1"), ["batches = -1", "from 1 to 20"]),
    "K = 21": (GOOD.replace("= 2", "= 21"), ["batches = 21", "from 1 to 20"]),
    "K = 1e6": (GOOD.replace("= 2", "= 1e6"), ["batches = 1000000.0", "a whole number"]),
    "K = true": (GOOD.replace("= 2", "= true"), ["batches = true", "a whole number"]),
    "K is text": (GOOD.replace("= 2", '= "3"'), ['batches = "3"', "a whole number"]),
    "no K": (PLANT + SHIFT + LINE, ['line "A" → batches', "neither"]),
    "K twice": (GOOD + SMALL, ['line "A" → batches', "both"]),
    "21 batches": (
        PLANT + SHIFT + LINE + "".join(SMALL.replace("small", f"s{k}") for k in range(21)),
        ["21 tables", "at most 20"],
    ),
    "posterior 1.5": (
        policy("min_posterior = 1.5"),
        ['line "A" → policy.min_posterior = 1.5', "above 0.5 and below 1"],
    ),
    "posterior 1": (policy("min_posterior = 1"), ["policy.min_posterior = 1", "below 1"]),
    "posterior 0.5": (policy("min_posterior = 0.5"), ["policy.min_posterior = 0.5", "above 0.5"]),
    "posterior nan": (policy("min_posterior = nan"), ["min_posterior = nan", "a number"]),
    "posterior true": (policy("min_posterior = true"), ["min_posterior = true", "a number"]),
    "plant's policy": (GOOD + "[policy]\nmin_items = 0", ["policy.min_items = 0", "from 1"]),
    "atypical 0": (policy("atypical_level = 0.0"), ["atypical_level = 0.0", "above 0"]),
    "ppm 0": (policy("max_misassigned_ppm = 0"), ["max_misassigned_ppm = 0", "above 0"]),
    "window 0": (policy("fit_window = 0"), ["fit_window = 0", "from 1"]),
    "window 1.0": (policy("fit_window = 1.0"), ["fit_window = 1.0", "a whole number"]),
    "invalid share": (policy("max_invalid_share = 5"), ["max_invalid_share = 5", "at most 1"]),
    "anchor in quotes": (policy('anchor_known = "yes"'), ['anchor_known = "yes"', "true or false"]),
    "anchor 1": (policy("anchor_known = 1"), ["anchor_known = 1", "true or false"]),
    "anchor without a column": (
        policy("anchor_known = true"),
        ['line "A" → policy.anchor_known = true', "needs plant.columns.known_batch"],
    ),
    "held share": (policy("max_held_share = -0.1"), ["max_held_share = -0.1", "at least 0"]),
    "two promises": (
        policy("min_posterior = 0.9\nmax_misassigned_ppm = 100"),
        ['line "A" → policy', "min_posterior and max_misassigned_ppm"],
    ),
    "two promises, plant": (
        GOOD + "[policy]\nmin_posterior = 0.9\nmax_misassigned_ppm = 100",
        ["policy: states min_posterior and max_misassigned_ppm"],
    ),
    "resolution 0": (gauge("resolution = 0"), ['line "A" → gauge.resolution = 0', "above 0"]),
    "resolution inf": (gauge("resolution = inf"), ["gauge.resolution = inf", "a number"]),
    "range turned": (gauge("range = [2, 1]"), ["gauge.range = [2.0, 1.0]", "[lowest, highest]"]),
    "range of three": (gauge("range = [1, 2, 3]"), ["gauge.range = [1, 2, 3]", "2 finite numbers"]),
    "range is narrow": (gauge("resolution = 5, range = [1, 2]"), ["gauge.resolution", "smaller"]),
    "sentinel nan": (gauge("sentinels = [nan]"), ["gauge.sentinels", "finite numbers"]),
    "sentinel alone": (gauge("sentinels = 9.9"), ["gauge.sentinels = 9.9", "an array"]),
    "sentinel true": (gauge("sentinels = [true]"), ["gauge.sentinels = [true]"]),
    "limits turned": (
        small("lsl = 2\nusl = 1"),
        ['line "A" → batch "small" → lsl = 2', "below usl = 1"],
    ),
    "sd 0": (small("usual_sd = 0"), ['batch "small" → usual_sd = 0', "above 0"]),
    "fixed mean, no nominal": (
        small('fixed = "mean"'),
        ['batch "small" → fixed = "mean"', "needs a nominal"],
    ),
    "fixed sd, no sd": (
        small('nominal = 1\nfixed = "both"'),
        ['batch "small" → fixed = "both"', "usual_sd"],
    ),
    "fixed what": (small('nominal = 1\nfixed = "all"'), ["fixed", '"mean", "sd" or "both"']),
    "drift, no nominal": (small("max_drift = 1"), ['batch "small" → max_drift', "nominal"]),
    "nominal out of spec": (small("nominal = 3\nusl = 2"), ["nominal = 3", "above usl = 2"]),
    "nominal out of range": (
        gauge("range = [0, 1]").replace("batches = 2\n", "") + SMALL + "nominal = 3",
        ["nominal = 3", "[0.0, 1.0]"],
    ),
    "equal nominals": (
        small("nominal = 1", LARGE + "nominal = 1.0"),
        ['batches "small" and "large"', "nominal 1"],
    ),
    "window in window": (
        small("nominal = 1\nmax_drift = 0.1", LARGE + "nominal = 2\nmax_drift = 1.2"),
        ['batches "small" and "large"', "max_drift"],
    ),
    "batch twice": (small("", SMALL), ['line "A" → batch "small"', "already"]),
    "blank batch": (small("").replace('"small"', '" "'), ["batch", "printable"]),
    "batch of two lines": (small("").replace('"small"', r'"a\nb"'), [r'"a\nb"', "printable"]),
    "long batch": (small("").replace("small", "s" * 65), ["1 to 64"]),
    "name unquoted": (named("7"), ["line 1 → name = 7", "in quotes"]),
    "name with a path": (named('"../A"'), ['name = "../A"', "letters, digits"]),
    "name dot dot": (named('".."'), ['name = ".."']),
    "name ends in dot": (named('"A."'), ['name = "A."', "no '.' at its end"]),
    "name ends in line break": (named(r'"A\n"'), [r'name = "A\n"']),
    "name is a device": (named('"con"'), ['name = "con"', "device"]),
    "name is a device file": (named('"Nul.txt"'), ['name = "Nul.txt"', "device"]),
    "name is long": (named(f'"{"A" * 65}"'), ["1 to 64"]),
    "name is empty": (named('""'), ['line 1 → name = ""']),
    "name with umlaut": (named('"Ä"'), ['name = "Ä"']),
    "lines by case": (
        GOOD + LINE.replace('"A"', '"a"') + "batches = 2",
        ['line "a"', '"A" already', "case"],
    ),
    "shift twice": (PLANT + SHIFT + SHIFT + LINE + "batches = 2", ['shift "day"', "already"]),
    "shift's name": (GOOD.replace('"day"', '"early/late"'), ['"early/late"']),
    "24:00": (GOOD.replace("14:00", "24:00"), ['shift "day" → end = "24:00"', "23:59"]),
    "6:00": (GOOD.replace("06:00", "6:00"), ['start = "6:00"', "00:00"]),
    "time unquoted": (GOOD.replace('"06:00"', "06:00:00"), ['start = "06:00:00"', "in quotes"]),
    "zone": (
        GOOD.replace("Europe/Berlin", "Europe/Berln"),
        ["plant.time_zone", 'did you mean "Europe/Berlin"?'],
    ),
    "layout": (
        GOOD.replace('"hive"', '"hives"'),
        ['plant.layout = "hives"', '"hive" or "files"', 'did you mean "hive"?'],
    ),
    "storage URL": (GOOD.replace('"results"', '"s3://b/r"'), ["plant.storage", "object store"]),
    "storage password": (
        GOOD.replace('"results"', '"s3://key:secret@bucket/r"'),
        ["plant.storage", "no user or password"],
    ),
    "spool URL": (
        PLANT + 'spool = "s3://bucket/r"\n' + GOOD[len(PLANT) :],
        ["plant.spool", "no URL"],
    ),
    "readings URL": (GOOD.replace('"readings"', '"gs://b"'), ["plant.readings", "object store"]),
    "readings password": (
        GOOD.replace('"readings"', '"gs://key:secret@bucket/r"'),
        ["plant.readings", "no user or password"],
    ),
    "one place in a store": (
        GOOD.replace('"readings"', '"s3://bucket/r"').replace('"results"', '"s3://bucket/r/"'),
        ["plant.storage", "plant.readings"],
    ),
    "one folder": (GOOD.replace('"results"', '"./readings"'), ["plant.storage", "plant.readings"]),
    "prefix": (PLANT + 'column_prefix = "a-"\n' + GOOD[len(PLANT) :], ["plant.column_prefix"]),
    "hive pattern": (
        PLANT + 'pattern = "{date}.parquet"\n' + GOOD[len(PLANT) :],
        ["plant.pattern", "files"],
    ),
    "files, no pattern": (FILES + GOOD[len(PLANT) :], ["plant.pattern is missing"]),
    "column twice": (
        GOOD + '[plant.columns]\nlot = "item_id"',
        ['plant.columns.lot = "item_id"', "column of item"],
    ),
    "reading is the id": (
        GOOD.replace('column = "v"', 'column = "item_id"'),
        ['line "A" → column = "item_id"', "column of item"],
    ),
}


@pytest.mark.fault("E2", "E3", "F1", "F2", "F3")
@pytest.mark.parametrize(("text", "words"), BAD.values(), ids=BAD.keys())
def test_a_bad_file_is_refused_with_place_value_and_what_is_allowed(tmp_path, text, words):
    found = problems(tmp_path, text)
    assert len(found) == 1, found
    assert [word for word in words if word not in found[0]] == []


def test_the_file_that_the_bad_ones_are_made_from_is_good(tmp_path):
    plant = load(tmp_path, GOOD)
    assert plant.lines[0].batches == (Batch("batch 1"), Batch("batch 2"))
    assert plant.lines[0].policy == Policy()
    assert plant.lines[0].gauge == Gauge()


@pytest.mark.parametrize(
    ("pattern", "good"),
    [
        ("{date}/{shift}.parquet", True),
        ("in/{shift}-{date}.parquet", True),
        ("../{date}/{shift}.parquet", False),
        ("/data/{date}/{shift}.parquet", False),
        ("{date}/{shift}/{line}.parquet", False),
        ("{date!r}/{shift}.parquet", False),
        ("{date:%Y}/{shift}.parquet", False),
        ("{date.year}/{shift}.parquet", False),
        ("{0}/{shift}.parquet", False),
        ("{date}/{shift", False),
        ("{date}/{shift}/*.parquet", False),
        ("{date}\\\\{shift}.parquet", False),
        ("", False),
    ],
)
def test_pattern(tmp_path, pattern, good):
    text = FILES + f'pattern = "{pattern}"\n' + GOOD[len(PLANT) :]
    if good:
        assert load(tmp_path, text).pattern == pattern
    else:
        assert "plant.pattern" in problems(tmp_path, text)[0]


def test_a_pattern_must_tell_the_shifts_apart(tmp_path):
    two = SHIFT + SHIFT.replace("day", "night")
    text = FILES + 'pattern = "{date}.parquet"\n'
    assert load(tmp_path, text + GOOD[len(PLANT) :]).pattern == "{date}.parquet"
    (problem,) = problems(tmp_path, text + two + LINE + "batches = 2")
    assert "must hold {shift}" in problem


def test_files_of_several_lines_need_a_line_column(tmp_path):
    text = FILES + 'pattern = "{date}/{shift}.parquet"\n' + GOOD[len(PLANT) :]
    text += LINE.replace('"A"', '"B"') + "batches = 2\n"
    (problem,) = problems(tmp_path, text)
    assert "plant.columns.line is missing" in problem
    assert load(tmp_path, text + '[plant.columns]\nline = "machine"').columns.line == "machine"


@pytest.mark.fault("E3")
def test_all_problems_are_said_at_once_with_their_number(tmp_path):
    text = GOOD.replace("= 2", "= 0") + "zzz = 1\n[policy]\nmin_posterior = 1.5\nmin_items = 0\n"
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    *found, count = caught.value.what.splitlines()
    assert {problem.split(" = ")[0].split(":")[0] for problem in found} == {
        "policy.min_posterior",
        "policy.min_items",
        'line "A" → zzz',
        'line "A" → batches',
    }
    assert len(found) == 4
    assert count == "4 problems in the configuration"
    assert str(tmp_path / "plant.toml") in str(caught.value)
    again = pickle.loads(pickle.dumps(caught.value))
    assert (again.what, again.where) == (caught.value.what, caught.value.where)


@pytest.mark.fault("E1", "E5")
@pytest.mark.parametrize(
    ("text", "words"),
    [
        (GOOD.replace('name = "A"', "name = no"), ["line 12, column 8", "name = no"]),
        (GOOD.replace('name = "A"', "name = 007"), ["line 12", "name = 007"]),
        (GOOD + "batches = 3\n", ["line 17, column", "batches = 3"]),
        ("[plant\n", ["line 1"]),
        ('name = "', ["end of document"]),
    ],
)
def test_a_syntax_error_names_file_line_and_column(tmp_path, text, words):
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    said = str(caught.value)
    assert [word for word in [*words, "plant.toml", "quotes"] if word not in said] == []


@pytest.mark.fault("E1")
def test_a_file_that_cannot_be_read(tmp_path):
    with pytest.raises(ConfigError, match=r"no such file.*nowhere\.toml"):
        load_plant(tmp_path / "nowhere.toml")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_plant(tmp_path)
    (tmp_path / "latin.toml").write_bytes('name = "Ä"'.encode("latin-1"))
    with pytest.raises(ConfigError, match="not UTF-8"):
        load_plant(tmp_path / "latin.toml")


def test_a_byte_order_mark_does_no_harm(tmp_path):
    assert load(tmp_path, "\ufeff" + GOOD).name == "P"


@pytest.mark.fault("E5", "F5")
@pytest.mark.parametrize("name", ["007", "no", "1e3", "null", "A.b_c-d", "A" * 64])
def test_names_stay_strings(tmp_path, name):
    text = named(f'"{name}"').replace('"day"', f'"{name}"')
    plant = load(tmp_path, text)
    assert plant.lines[0].name == name
    assert plant.shifts[0].name == name


def test_folders_are_relative_to_the_file_wherever_one_works(tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "plant.toml").write_text(GOOD.replace('"readings"', '"/data/in"'))
    monkeypatch.chdir(tmp_path / "elsewhere")
    plant = load_plant("../plant.toml")
    assert plant.storage == os.path.realpath(tmp_path / "results")
    assert plant.readings == "/data/in"
    assert plant.source == os.path.realpath(tmp_path / "plant.toml")


@pytest.mark.parametrize(("spool", "place"), [("", "."), ('spool = "aside"\n', "aside")])
def test_results_in_an_object_store_have_a_mirror_beside_the_file(tmp_path, spool, place):
    text = GOOD.replace('"results"', '"s3://plant-results/hall/1"')
    plant = load(tmp_path, text.replace("storage =", f"{spool}storage =", 1))
    assert Path(plant.storage) == tmp_path / place / ".shiftmix-spool/s3+plant-results+hall+1"
    assert not list(tmp_path.rglob("s3*"))  # loading makes nothing
    assert plant.readings == os.path.realpath(tmp_path / "readings")


def test_readings_in_an_object_store_have_a_mirror_of_their_own(tmp_path):
    text = GOOD.replace('"results"', '"s3://plant/hall"').replace('"readings"', '"az://in/hall"')
    plant = load(tmp_path, text.replace("storage =", 'spool = "aside"\nstorage =', 1))
    spool = tmp_path / "aside" / ".shiftmix-spool"
    assert Path(plant.storage) == spool / "s3+plant+hall"
    assert Path(plant.readings) == spool / "az+in+hall"


def test_a_folder_of_templates_is_relative_to_the_file_and_has_to_be_there(tmp_path):
    text = f"{GOOD}\n[report]\ntemplates = 'own'\n"
    assert problems(tmp_path, text) == [f"report.templates: there is no folder {tmp_path / 'own'}"]
    (tmp_path / "own").mkdir()
    assert load(tmp_path, text).templates == str(tmp_path / "own")
    assert load(tmp_path, GOOD).templates is None


def test_a_lines_baseline_counts_in_the_place_of_the_plants(tmp_path):
    def stated(first: str, name: str) -> str:
        return f"baseline = {{ from = '{first}', to = '2026-11-20', name = '{name}' }}\n"

    plants = f"[trend]\n{stated('2026-11-01', 'usual')}"
    other = LINE.replace('"A"', '"B"') + f"batches = 2\n[line.trend]\n{stated('2026-11-09', 'own')}"
    plant = load(tmp_path, GOOD + other + plants)
    assert [line.baseline for line in plant.lines] == [
        Baseline(date(2026, 11, 1), date(2026, 11, 20), "usual"),
        Baseline(date(2026, 11, 9), date(2026, 11, 20), "own"),
    ]
    shift = plant.shifts_of(date(2026, 11, 21))[0]
    without = load(tmp_path, GOOD + other)
    hashes = [config_sha256(one, one.lines[0], shift) for one in (plant, without)]
    assert hashes[0] != hashes[1]
    assert config_sha256(without, without.lines[1], shift) == config_sha256(
        plant, plant.lines[1], shift
    )
    assert problems(tmp_path, f"{GOOD}[trend]\n{stated('2026-11-21', 'x')}") == [
        "trend.baseline: to = 2026-11-20 is before from = 2026-11-21"
    ]
    (no_day,) = problems(tmp_path, f"{GOOD}[trend]\n{stated('2026-02-30', 'x')}")
    assert 'must be a date in quotes, such as "2026-11-01"' in no_day


def test_every_value_arrives(tmp_path):
    text = (
        FILES
        + 'pattern = "{date}/{shift}.parquet"\ncolumn_prefix = "qc_"\n'
        + '[plant.columns]\nitem = ""\nmeasured_at = "t"\nline = "l"\nlot = "c"\n'
        + 'known_batch = "k"\n'
        + SHIFT
        + LINE
        + "gauge = { resolution = 1, origin = 0.5, range = [0, 9], sentinels = [99, -1] }\n"
        + SMALL
        + "nominal = 2\nmax_drift = 1\nusual_sd = 0.5\nlsl = 1\nusl = 3\n"
    )
    plant = load(tmp_path, text)
    assert (plant.layout, plant.column_prefix) == ("files", "qc_")
    columns = plant.columns
    assert (columns.item, columns.measured_at, columns.line) == (None, "t", "l")
    assert (columns.lot, columns.known_batch) == ("c", "k")
    assert plant.shifts[0].start == time(6)
    (line,) = plant.lines
    assert line.gauge == Gauge(1.0, 0.5, (0.0, 9.0), (99.0, -1.0))
    assert line.batches == (Batch("small", 2.0, 1.0, 0.5, 1.0, 3.0),)
    assert isinstance(line.gauge.resolution, float)
    assert isinstance(line.batches[0].nominal, float)


def test_known_items_may_inform_the_fit_where_there_are_any(tmp_path):
    assert not load(tmp_path, policy("anchor_known = false")).lines[0].policy.anchor_known
    text = policy("anchor_known = true").replace(
        "[[shift]]", '[plant.columns]\nknown_batch = "k"\n[[shift]]'
    )
    assert load(tmp_path, text).lines[0].policy.anchor_known


def test_a_line_overrides_the_plants_policy_key_by_key(tmp_path):
    text = (
        policy("fit_window = 3\nmax_held_share = 0.1") + "[policy]\nmin_items = 9\nfit_window = 2"
    )
    assert load(tmp_path, text).lines[0].policy == Policy(
        min_items=9, fit_window=3, max_held_share=0.1
    )


@pytest.mark.parametrize(
    ("of_plant", "of_line", "expected"),
    [
        ("max_misassigned_ppm = 100", "min_posterior = 0.9", (0.9, None)),
        ("min_posterior = 0.9", "max_misassigned_ppm = 100", (0.9, 100.0)),
        ("max_misassigned_ppm = 100", "", (0.95, 100.0)),
    ],
)
def test_the_lines_promise_replaces_the_plants(tmp_path, of_plant, of_line, expected):
    stated = load(tmp_path, policy(of_line) + f"[policy]\n{of_plant}\n").lines[0].policy
    assert (stated.min_posterior, stated.max_misassigned_ppm) == expected


def test_start_equal_to_end_is_a_day(tmp_path):
    plant = load(tmp_path, GOOD.replace("14:00", "06:00"))
    assert plant.shifts[0].start == plant.shifts[0].end


def test_springfield_is_the_plant_of_the_docs():
    plant = load_plant(EXAMPLE)
    assert [line.name for line in plant.lines] == ["A", "B", "C"]
    assert [shift.name for shift in plant.shifts] == ["early", "late", "night"]
    small, large = plant.line("A").batches
    assert small.usual_sd == pytest.approx(0.1**0.5, abs=1e-3)
    assert (small.nominal, large.nominal, large.usual_sd) == (1.0, 3.0, 0.3)
    assert [plant.line(name).policy.fit_window for name in "ABC"] == [3, 1, 1]
    for line in plant.lines:
        assert line.gauge.resolution <= min(batch.usual_sd for batch in line.batches) / 2


def test_the_example_states_the_defaults_it_explains():
    stated = tomllib.loads(EXAMPLE.read_text())["policy"]
    assert Policy(**stated) == Policy()
    commented = {"max_misassigned_ppm"}
    assert stated.keys() | commented == {field.name for field in fields(Policy)}


def test_hidalgo_is_configured_by_k_alone():
    plant = load_plant(HIDALGO)
    (line,) = plant.lines
    assert [batch.name for batch in line.batches] == ["batch 1", "batch 2", "batch 3"]
    assert (line.column, line.unit, line.gauge.resolution) == ("thickness_mm", "mm", 0.001)


def plan(statements: str) -> str:
    return GOOD + f"[reaction]\n{statements}\n"


def test_a_reaction_plan_by_code_and_by_first_word(tmp_path):
    text = '"hold.exceeded" = "Cage 3."\nfit = "Ring 230."\ntrend.drift = "Tell the setter."'
    assert load(tmp_path, plan(text)).reaction == {
        "hold.exceeded": "Cage 3.",
        "fit": "Ring 230.",
        "trend.drift": "Tell the setter.",
    }
    assert load(tmp_path, GOOD).reaction == {}


@pytest.mark.parametrize(
    ("statements", "said"),
    [
        ('hold.exceded = "x"', ['"hold.exceded": unknown key', 'did you mean "hold.exceeded"?']),
        ('fitt = "x"', ["reaction.fitt: unknown key", 'did you mean "fit"?']),
        ("hold = 3", ["reaction.hold = 3: must be text in quotes, 1 to 200"]),
        (f'hold = "{"x" * 201}"', ["must be text in quotes, 1 to 200"]),
        ('hold = ""', ["must be text in quotes, 1 to 200"]),
        ('"fit.shape" = "a"\nfit.shape = "b"', ["reaction.fit.shape: stated twice"]),
    ],
)
def test_a_wrong_reaction_plan_is_refused(tmp_path, statements, said):
    (problem,) = problems(tmp_path, plan(statements))
    for words in said:
        assert words in problem
