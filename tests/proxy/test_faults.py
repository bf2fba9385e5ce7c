"""The fault tree: every branch has its SQLSTATE, and positions shift with the text."""

from __future__ import annotations

import pytest

from proxy import faults
from proxy.faults import Fault


@pytest.mark.parametrize(
    ("kind", "sqlstate", "severity"),
    [
        (faults.SyntaxFault, "42601", "ERROR"),
        (faults.NotFoundFault, "42P01", "ERROR"),
        (faults.DeniedFault, "42501", "ERROR"),
        (faults.UnsupportedFault, "0A000", "ERROR"),
        (faults.ConnectionFault, "08P01", "FATAL"),
        (faults.LimitFault, "54000", "ERROR"),
        (faults.SourceFault, "58000", "ERROR"),
        (faults.InternalFault, "XX000", "ERROR"),
    ],
)
def test_each_branch_has_its_state(kind: type[Fault], sqlstate: str, severity: str) -> None:
    fault = kind("no")

    assert (fault.sqlstate, fault.severity, fault.message) == (sqlstate, severity, "no")
    assert kind("no", sqlstate="12345").sqlstate == "12345"


def test_a_position_moves_from_a_statement_to_the_whole_text() -> None:
    assert Fault("no", position=3).shifted(10).position == 13
    assert Fault("no").shifted(10).position is None


def test_an_override_does_not_change_the_class() -> None:
    faults.DeniedFault("no", sqlstate="28000")

    assert faults.DeniedFault("no").sqlstate == "42501"
