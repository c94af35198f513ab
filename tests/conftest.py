"""What the whole suite shares: the list of its tests, as the catalogue of faults needs it."""

from __future__ import annotations

import pytest

from tests.faults.marks import COLLECTED, faults_of


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Note which tests hold which cases, before `-m` leaves any of them out."""
    config.stash[COLLECTED] = faults_of(items)
