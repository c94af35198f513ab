"""Secrets of the process and of addresses: in no page, record, log or message."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner, Result

from flows.cli import app
from tests.faults.small_site import Site, build

CANARY = "c4n4ry-5ecret"
SECRETS = (
    "SHIFTMIX_NOTIFY_URL",
    "PREFECT_API_AUTH_STRING",
    "PREFECT_API_KEY",
    "PREFECT_SERVER_API_AUTH_STRING",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
)
SHIFT = ("--date", "2026-11-20", "--shift", "early")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A site in a process whose environment is full of secrets."""
    for name in SECRETS:
        monkeypatch.setenv(name, f"https://hooks.example/{CANARY}-{name}")
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    return build(tmp_path / "site")


def shiftmix(*words: object) -> Result:
    return CliRunner().invoke(app, [*map(str, words)])


def told_anywhere(folder: Path, text: str) -> list[str]:
    """The files below a folder that hold a text, in their bytes or names."""
    return [
        str(path)
        for path in folder.rglob("*")
        if text in path.name or (path.is_file() and text.encode() in _content(path))
    ]


def _content(path: Path) -> bytes:
    """The bytes of a file, and the values of a table that it may hold compressed."""
    values = str(pq.read_table(path).to_pydict()) if path.suffix == ".parquet" else ""
    return path.read_bytes() + values.encode()


@pytest.mark.fault("E6")
def test_e6_secrets_of_the_environment_are_told_nowhere(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    config = site.folder / "plant.toml"
    (delivered,) = (site.folder / "readings").rglob("*.parquet")
    whole = delivered.read_bytes()
    with caplog.at_level(logging.DEBUG):
        said = [shiftmix("inspect", "-c", config, *SHIFT)]
        delivered.write_bytes(whole[: len(whole) // 2])
        said.append(shiftmix("inspect", "-c", config, *SHIFT))  # a line in error
        delivered.unlink()
        said.append(shiftmix("inspect", "-c", config, *SHIFT))  # nothing to read at all
        said += [
            shiftmix("report", "-c", config),
            shiftmix("verify", "-c", config, "--json"),
            shiftmix("explain", "-c", config, "--item", "no such item"),
        ]
    assert [one.exit_code for one in said] == [0, 1, 1, 0, 0, 1], [one.output for one in said]
    assert len(list((site.results / "audit").rglob("*.json"))) == 4
    assert told_anywhere(site.results, CANARY) == []
    assert CANARY not in "".join(one.output for one in said) + caplog.text


@pytest.mark.fault("E6")
@pytest.mark.parametrize(
    ("key", "address"),
    [
        ("reports_url", f"https://user:{CANARY}@qc.example/reports"),
        ("reports_url", f"https://{CANARY}@qc.example/"),
        ("reports_url", f"https://user:{CANARY}/more@qc.example/"),
        ("storage", f"s3://AKIA:{CANARY}@bucket/results"),
        ("readings", f"s3://AKIA:{CANARY}@bucket/readings"),
    ],
)
def test_e6_an_address_with_a_password_is_refused_and_not_repeated(
    site: Site, key: str, address: str
) -> None:
    config = site.folder / "plant.toml"
    lines = [
        line for line in config.read_text(encoding="utf-8").splitlines() if not line.startswith(key)
    ]
    at = "[operation]" if key == "reports_url" else "[plant]"
    lines.insert(lines.index(at) + 1, f'{key} = "{address}"')
    config.write_text("\n".join(lines), encoding="utf-8")
    done = shiftmix("inspect", "-c", config, *SHIFT)
    assert done.exit_code == 2
    assert f"{key} = " in done.output
    assert "://...@" in done.output
    assert CANARY not in done.output
    assert not site.results.exists()


def test_the_search_would_find_a_secret(site: Site) -> None:
    """The same search finds an item's id where it is published, compressed as it is."""
    (delivered,) = (site.folder / "readings").rglob("*.parquet")
    table = pq.read_table(delivered)
    at = table.column_names.index("item_id")
    ids = table["item_id"].to_pylist()
    table = table.set_column(at, "item_id", [[f"{name}-{CANARY}" for name in ids]])
    pq.write_table(table, delivered, write_page_checksum=True)
    assert shiftmix("inspect", "-c", site.folder / "plant.toml", *SHIFT).exit_code == 0
    found = told_anywhere(site.results, CANARY)
    assert [Path(path).name for path in found] == ["part-00000.parquet"]
