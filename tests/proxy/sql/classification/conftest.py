"""What every supported server says of its built-ins, read once for this folder's tests."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from proxy.sql.classification import Classification, classification, generate
from tests.proxy.sql.classification import regenerate
from tests.servers import postgres


@pytest.fixture(scope="session")
def snapshots(postgres_of: Callable[[int], postgres.Server]) -> list[generate.Snapshot]:
    """One snapshot per supported major."""
    return [regenerate.snapshot(major, postgres_of(major).dsn) for major in postgres.MAJORS]


@pytest.fixture(scope="session")
def known() -> Classification:
    """The committed allow-list."""
    return classification()
