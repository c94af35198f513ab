"""Results of earlier releases, kept for good: read, verified and rendered again by this one."""

from __future__ import annotations

import json
import shutil
from datetime import date
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from config import load_plant
from flows.cli import app
from qc.storage import load_published, read_published
from qc.storage.verify import verify_shifts

KEPT = Path(__file__).parents[2] / "fixtures" / "published-0.1"
DAY, SHIFT = date(2026, 11, 20), "night"
LIMIT = 300_000  # bytes, so that the repository stays small


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """The configuration of a copy that a test may write to."""
    shutil.copytree(KEPT, tmp_path / "kept")
    return tmp_path / "kept" / "plant.toml"


def shiftmix(*words: object) -> Result:
    return CliRunner().invoke(app, [*map(str, words)])


def test_kept_results_are_small_and_as_they_were_published() -> None:
    """The hash is a constant: results that are kept for good are never made again."""
    files = [path for path in KEPT.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < LIMIT
    pointer = json.loads((KEPT / f"results/date={DAY}/shift={SHIFT}/current.json").read_bytes())
    assert pointer == {
        "version": "v0001-769a8a3d",
        "manifest_sha256": "0632723a9bcb192cedbf889a9f1fd7fb7ff09186e21cea7f2b54419326c5a4bd",
    }
    (one,) = verify_shifts(KEPT / "results")
    assert one.faults == ()


def test_kept_results_are_read() -> None:
    items = read_published(KEPT / "results", DAY, SHIFT)
    assert items["line"].value_counts().to_dict() == {"A": 240, "C": 240}
    assert (items["disposition"] == "assigned").sum() == 478
    assert (items["disposition"] == "ambiguous").sum() == 2
    a = items[items["line"] == "A"]
    assert a["batch"].value_counts().to_dict() == {"small": 131, "large": 109}
    assert a["volume_l"].sum() == pytest.approx(455.63, abs=1e-9)
    published = load_published(KEPT / "results", DAY, SHIFT)
    assert [line.line.name for line in published.record.lines] == ["A", "C"]
    assert [str(line.verdict) for line in published.record.lines] == ["good", "good"]
    assert len(published.evidence["A"].held) == 2


def test_kept_results_are_rendered_again(kept: Path) -> None:
    done = shiftmix("report", "-c", kept, "--json")
    assert done.exit_code == 0, done.output
    (one,) = json.loads(done.stdout)["shifts"]
    page = Path(one["report"]).read_text(encoding="utf-8")
    assert "night" in page
    assert "480" in page  # items of the shift
    plant = load_plant(kept)
    assert read_published(plant.storage, DAY, SHIFT).equals(
        read_published(KEPT / "results", DAY, SHIFT)
    )
    done = shiftmix("verify", "-c", kept)
    assert done.exit_code == 0, done.output


def test_what_was_held_then_is_listed_and_explained_by_name(kept: Path) -> None:
    done = shiftmix("dispositions", "list", "-c", kept, "--date", DAY, "--shift", SHIFT, "--json")
    assert done.exit_code == 0, done.output
    items = json.loads(done.stdout)["items"]
    assert len(items) == 2
    done = shiftmix("explain", "-c", kept, "--item", items[0]["item_id"], "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["item"]["disposition"] == "ambiguous"
    assert told["software"] == "shiftmix 0.1.0+6514165ec1e6"
