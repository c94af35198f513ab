"""Group E: what is wrong with plant.toml, and group F: names that would be paths."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from config import load_plant
from flows import one_shift
from flows.one_shift import inspect
from qc.errors import ConfigError, ShiftmixError, StorageError
from qc.plant import config_sha256
from qc.storage import discover, load_published
from tests.faults.hall import DAY, HEAD, LINE, SOUND, Hall, build, table, the_rules, write

CANARY = "hunter2-canary"


def refusal(tmp_path: Path, text: str) -> ConfigError:
    path = tmp_path / "plant.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as met:
        load_plant(path)
    assert str(path) in str(met.value)
    assert not (tmp_path / "results").exists()
    return met.value


GOOD = HEAD + LINE.format(name="A")


@pytest.mark.fault("E1")
def test_tabs_do_no_harm_and_a_torn_line_is_named(tmp_path: Path) -> None:
    (tmp_path / "plant.toml").write_text(GOOD.replace("\nname = ", "\n\tname\t=\t"))
    assert load_plant(tmp_path / "plant.toml").lines[0].name == "A"
    met = refusal(tmp_path, GOOD.replace('unit = "mm"', 'unit = "mm'))
    line = 1 + GOOD.splitlines().index('unit = "mm"')
    assert f"line {line}" in str(met)


@pytest.mark.fault("E2")
def test_a_misspelt_threshold_is_no_threshold(tmp_path: Path) -> None:
    met = refusal(tmp_path, GOOD.replace("min_items = 1000", "min_posteriour = 0.99"))
    assert 'policy.min_posteriour: unknown key; did you mean "min_posterior"?' in str(met)


@pytest.mark.fault("E5")
@pytest.mark.parametrize(
    "name", ["on", "no", "007", "1_000", "true", "null", "0x1F", "1e3", "2026-11-20"]
)
def test_names_are_text_in_quotes_or_no_names(tmp_path: Path, name: str) -> None:
    (tmp_path / "plant.toml").write_text(HEAD + LINE.format(name=name))
    plant = load_plant(tmp_path / "plant.toml")
    assert plant.lines[0].name == name
    folder = Path(plant.readings) / f"line={name}/date={DAY}/shift=early"
    folder.mkdir(parents=True)
    write(folder, table())
    assert discover(plant, plant.shift(DAY, "early")).by_line.keys() == {name}
    assert len(discover(plant, plant.shift(DAY, "early")).by_line[name]) == 1
    refusal(tmp_path, HEAD + LINE.format(name=name).replace(f'"{name}"', name))


@pytest.mark.fault("E5")
@pytest.mark.parametrize(
    "code",
    ["!!python/object/apply:os.system [id]", "{{ 7 * 7 }}", "$(id)", "%(x)s", "{0.__class__}"],
)
def test_no_text_of_the_file_is_ever_run(tmp_path: Path, code: str) -> None:
    refusal(tmp_path, HEAD + LINE.format(name=code))
    (tmp_path / "plant.toml").write_text(GOOD.replace('"Hall"', f"'{code}'"))
    assert load_plant(tmp_path / "plant.toml").name == code


SECRETS = {
    "storage": ('storage = "results"', f'storage = "s3://key:{CANARY}@bucket/x"'),
    "readings": ('readings = "readings"', f'readings = "https://u:{CANARY}@host/x"'),
    "reports": (
        "[policy]",
        f'[operation]\nreports_url = "https://user:{CANARY}@qc.example/"\n\n[policy]',
    ),
    "token": ("[policy]", f'[operation]\nreports_url = "https://{CANARY}@qc.example/"\n\n[policy]'),
}


@pytest.mark.fault("E6")
@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_in_an_address_is_refused_and_not_repeated(tmp_path: Path, name: str) -> None:
    met = refusal(tmp_path, GOOD.replace(*SECRETS[name]))
    assert "1 problem in the configuration" in str(met)
    assert CANARY not in str(met)
    assert CANARY not in repr(met)


@pytest.mark.fault("E6")
def test_comments_and_surroundings_are_nowhere_in_the_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHIFTMIX_TOKEN", CANARY)
    monkeypatch.setenv("PREFECT_API_AUTH_STRING", f"admin:{CANARY}")
    hall = build(tmp_path, {})
    path = Path(hall.plant.source)
    path.write_text(f"# password = {CANARY}\n" + path.read_text())
    inspect(load_plant(path), hall.shift)
    written = [one for one in Path(hall.plant.storage).rglob("*") if one.is_file()]
    assert len(written) > 5
    assert not [one for one in written if CANARY.encode() in one.read_bytes()]


@pytest.mark.fault("E7")
def test_a_file_that_changes_during_the_run_is_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hall = build(tmp_path, {})
    path = Path(hall.plant.source)
    path.write_text(path.read_text().replace("min_items = 1000", "min_items = 3"))
    plant = load_plant(path)
    read_line = one_shift.read_line

    def spoil(*args: object) -> object:
        path.write_text("this is [not TOML")
        return read_line(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(one_shift, "read_line", spoil)
    inspect(plant, hall.shift)
    (record,) = load_published(plant.storage, DAY, "early").record.lines
    assert record.line.policy.min_items == 3
    assert record.config_sha256 == config_sha256(plant, plant.lines[0], hall.shift)


@pytest.mark.fault("E4")
def test_a_line_that_nobody_configured_stops_no_other(tmp_path: Path) -> None:
    hall = build(tmp_path, {})
    stranger = hall.folder("L9")
    stranger.mkdir(parents=True)
    write(stranger, table())
    found = inspect(hall.plant, hall.shift).record.findings
    assert found[0].sentence == (
        "line 'L9' is in the data and not in plant.toml: 6 rows in 1 file not processed"
    )


# Group F

FOLDERS = [
    *("..%2F..%2Fx", "%2Fabs", "..", ".", "", "A ", "%00"),
    *("x" * 65, "a\nb", "\udcff\udcfe", "Å"),
]


@pytest.mark.fault("F1", "F2", "F3", "F4")
def test_folders_that_are_no_names_are_told_and_lead_nowhere(tmp_path: Path) -> None:
    outside = {path.name for path in tmp_path.parent.iterdir()}
    readings = tmp_path / "readings"
    readings.mkdir()
    for name in FOLDERS:
        folder = os.fsencode(readings) + b"/line=" + os.fsencode(name) + b"/date=2026-11-20"
        os.makedirs(folder + b"/shift=early")  # noqa: PTH103 - no Path can hold such bytes
    hall: Hall = build(tmp_path, {})
    the_rules(hall)
    found = hall.outcome.record.findings
    assert len(found) == len(FOLDERS)
    for one in found:
        assert "is no name of a line" in one.sentence
        assert one.sentence.isprintable()
        assert one.remedy
    assert {path.name for path in tmp_path.parent.iterdir()} == outside
    assert sorted(path.name for path in tmp_path.iterdir()) == ["plant.toml", "readings", "results"]


@pytest.mark.fault("F2")
@pytest.mark.parametrize("name", ["CON", "nul.txt", "A.", "a\\u0000b", "x" * 300, "a b", "a/b"])
def test_names_that_no_disk_should_have_are_refused(tmp_path: Path, name: str) -> None:
    assert "name = " in str(refusal(tmp_path, HEAD + LINE.format(name=name)))


@pytest.mark.fault("F3")
def test_lines_that_differ_by_case_alone_are_refused(tmp_path: Path) -> None:
    met = refusal(tmp_path, HEAD + LINE.format(name="L1") + LINE.format(name="l1"))
    assert "some file systems do not tell case apart" in str(met)


@pytest.mark.fault("F5")
def test_a_line_of_digits_stays_text(tmp_path: Path) -> None:
    hall = build(tmp_path, {"007": lambda folder: None})
    assert (hall.version().folder / "items/line=007/part-00000.parquet").is_file()
    assert hall.record("007").line.name == "007"


@pytest.mark.fault("F6")
@pytest.mark.parametrize("shift", ["../x", "night", "", "early/..", "early\x00"])
def test_a_shift_that_is_none_is_refused_before_anything_is_written(
    tmp_path: Path, shift: str
) -> None:
    (tmp_path / "plant.toml").write_text(GOOD, encoding="utf-8")
    plant = load_plant(tmp_path / "plant.toml")
    with pytest.raises(ConfigError, match="Name one of its shifts: early"):
        plant.shift(DAY, shift)
    with pytest.raises(ConfigError, match="Name one of its lines: A"):
        inspect(plant, plant.shift(DAY, "early"), ["../x"])
    with pytest.raises(ShiftmixError) as met:
        load_published(plant.storage, DAY, shift)
    assert isinstance(met.value, StorageError)
    assert not Path(plant.storage).exists()


@pytest.mark.fault("F8")
def test_results_are_not_for_everybody_and_nothing_is_left_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    for name in ("TMPDIR", "TEMP", "TMP"):
        monkeypatch.setenv(name, str(scratch))
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    old = os.umask(0)
    try:
        hall = build(tmp_path, {})
    finally:
        os.umask(old)
    assert list(scratch.iterdir()) == []
    for path in [Path(hall.plant.storage), *Path(hall.plant.storage).rglob("*")]:
        assert path.stat().st_mode & 0o027 == 0, path
    assert hall.items(SOUND)
