"""Errors say what, where and what to do, and survive a trip between processes."""

import pickle

import pytest

from qc.errors import (
    ConfigError,
    FitError,
    PointerMoved,
    ReadingsError,
    ShiftmixError,
    StorageError,
    Where,
)

WHERE = Where(path="a.parquet", line="A", column="x", row=3, count=7)


@pytest.mark.parametrize(
    "kind", [ShiftmixError, ConfigError, FitError, PointerMoved, ReadingsError, StorageError]
)
def test_errors_survive_pickling(kind: type[ShiftmixError]) -> None:
    error = pickle.loads(pickle.dumps(kind("7 readings are text", WHERE, "Export numbers")))
    assert type(error) is kind
    assert error.where == WHERE
    assert error.remedy == "Export numbers"
    assert str(error) == (
        "7 readings are text (file a.parquet, line 'A', column 'x', row 3, count 7). Export numbers"
    )


def test_what_does_not_apply_is_not_said() -> None:
    assert str(FitError("no readings")) == "no readings"
