"""The stamps' Parquet file holds the published data: known figures."""

from collections import Counter
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from config import HIDALGO, load_plant


@pytest.fixture
def stamps() -> pq.ParquetFile:
    plant = load_plant(HIDALGO)
    shift = plant.shift(date(1872, 1, 1), "issue")
    folder = Path(plant.readings, f"line={plant.lines[0].name}", f"date={shift.date}")
    (path,) = (folder / f"shift={shift.name}").iterdir()
    return pq.ParquetFile(path, page_checksum_verification=True)


def test_columns(stamps):
    assert dict(zip(stamps.schema_arrow.names, stamps.schema_arrow.types, strict=True)) == {
        "item_id": pa.string(),
        "thickness_mm": pa.float64(),
        "overprint_year": pa.string(),
    }


def test_figures(stamps):
    table = stamps.read().to_pydict()
    thickness = np.array(table["thickness_mm"])
    assert table["item_id"] == [str(number) for number in range(1, 486)]
    assert thickness.min() == 0.060
    assert thickness.max() == 0.131
    assert thickness.mean() == pytest.approx(0.08602, abs=1e-5)
    assert np.array_equal(thickness, np.round(thickness, 3))
    assert Counter(table["overprint_year"]) == {"1872": 289, "1873-1874": 196}
