"""Who is in."""

from __future__ import annotations

import pytest

from proxy.crowd import Crowd
from proxy.faults import ConnectionFault
from proxy.limits import SessionLimits


def crowd(connections_max: int = 10, strangers: int = 2) -> Crowd:
    return Crowd(
        SessionLimits(connections_max=connections_max, strangers_per_address_max=strangers)
    )


def test_strangers_of_one_address_are_few_and_others_come_in() -> None:
    found = crowd()
    found.enter(1, "a")
    found.enter(2, "a")
    with pytest.raises(ConnectionFault) as caught:
        found.enter(3, "a")
    assert caught.value.sqlstate == "53300"
    found.enter(4, "b")
    assert len(found) == 3


def test_who_logged_in_is_no_stranger() -> None:
    found = crowd()
    for client in range(8):
        found.enter(client, "a")
        found.know(client)
    assert len(found) == 8


def test_everybody_together_has_a_limit() -> None:
    found = crowd(connections_max=2)
    found.enter(1, "a")
    found.know(1)
    found.enter(2, "b")
    with pytest.raises(ConnectionFault, match="too many clients already"):
        found.enter(3, "c")
    found.leave(2)
    found.enter(3, "c")


def test_leaving_twice_or_without_having_come() -> None:
    found = crowd()
    found.leave(1)
    found.enter(1, "a")
    found.leave(1)
    found.leave(1)
    assert len(found) == 0
    found.enter(1, "a")
    found.enter(2, "a")
