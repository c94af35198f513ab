"""Files harmed at random: refused, harmless, or wrong without a word; and how often the last."""

from __future__ import annotations

import multiprocessing
import sys
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from config import load_plant
from tests.faults.hall import DAY, HEAD, LINE, table
from tests.faults.mutants import ARMS, Arm, Desk, original, run, told

SEED = 7
IN_DEFAULT_RUN = 500  # all arms together
IN_TORTURE = 100_002  # all arms together
MOST_SILENT = (
    0.05  # of mutants without checksums and manifest; FAULTS measured 4.3 % of the library
)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    (tmp_path / "plant.toml").write_text(HEAD + LINE.format(name="A"), encoding="utf-8")
    plant = load_plant(tmp_path / "plant.toml")
    folder = Path(plant.readings) / f"line=A/date={DAY}/shift=early"
    folder.mkdir(parents=True)
    return Desk(plant, plant.shift(DAY, "early"), folder)


def judge(arm: Arm, counts: Counter[str]) -> None:
    silent = sum(n for key, n in counts.items() if key.endswith(("wrong rows", "wrong values")))
    match arm:
        case "manifest":
            assert set(counts) == {"footer refused", "pages refused"}
        case "checksums":
            assert not [key for key in counts if key.startswith("pages wrong")]
            assert silent <= MOST_SILENT * counts.total()
        case "neither":
            assert silent <= 2 * MOST_SILENT * counts.total()


@pytest.mark.fault("A2", "A6", "A7", "A8", "A9")
@pytest.mark.parametrize("arm", ARMS)
def test_files_harmed_at_random(desk: Desk, arm: Arm) -> None:
    judge(arm, run(desk, arm, IN_DEFAULT_RUN // len(ARMS), SEED))


@pytest.mark.slow
@pytest.mark.torture
@pytest.mark.fault("A2", "A6", "A7", "A8", "A9")
@pytest.mark.parametrize("arm", ARMS)
def test_many_files_harmed_at_random(desk: Desk, arm: Arm) -> None:
    counts = run(desk, arm, IN_TORTURE // len(ARMS), SEED + 1)
    sys.stdout.write(f"\n{told(arm, counts)} (seed {SEED + 1})\n")
    judge(arm, counts)


def test_a_sound_file_is_read_in_every_arm(desk: Desk) -> None:
    for arm in ARMS:
        assert desk.read(original(arm)) is not None


@pytest.mark.fault("A6", "A10")
def test_no_byte_of_a_footer_can_end_the_process(desk: Desk) -> None:
    """In a child: pyarrow's metadata of some of these files end the process that asks for them.

    It is so where the statistics of a column are damaged that is not decoded, such as a nested one.
    """
    content = table(0, 40, wave=pa.array([["a", "b"]] * 40))
    sink = pa.BufferOutputStream()
    pq.write_table(content, sink, write_page_checksum=True, row_group_size=25)
    data = sink.getvalue().to_pybytes()
    assert desk.read(data) is not None
    start = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    child = multiprocessing.get_context("fork").Process(
        target=_read_all, args=(desk, data, range(start, len(data)))
    )
    child.start()
    child.join(120)
    assert child.exitcode == 0


def _read_all(desk: Desk, data: bytes, places: range) -> None:
    for at in places:
        desk.read(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
