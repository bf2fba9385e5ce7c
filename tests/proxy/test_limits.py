"""Limits are named with a unit, bounded, and come from the configuration."""

from __future__ import annotations

import dataclasses

from proxy.assembly import session_limits
from proxy.limits import PARAMETERS_MAX, SessionLimits
from proxy.runtime.config_model import Limits
from proxy.wire.limits import PARAMETERS_MAX as PROTOCOL_PARAMETERS_MAX


def test_every_limit_is_positive_and_says_max() -> None:
    for field in dataclasses.fields(SessionLimits):
        assert field.name.endswith("_max")
        assert getattr(SessionLimits(), field.name) > 0


def test_claims_have_room_behind_the_clients_parameters() -> None:
    assert 0 < PARAMETERS_MAX < PROTOCOL_PARAMETERS_MAX


def test_the_configuration_reaches_the_session() -> None:
    class Configuration:
        limits = Limits(prepared_statements_max=7, idle_seconds_max=8.0, sessions_max=9)

        class listen:
            drain_seconds_max = 10.0

    found = session_limits(Configuration)  # type: ignore[arg-type]

    assert found.prepared_statements_max == 7
    assert found.idle_seconds_max == 8.0
    assert found.connections_max == 9
    assert found.drain_seconds_max == 10.0
