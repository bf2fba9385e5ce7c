"""Budgets of wrong attempts."""

from __future__ import annotations

import ipaddress

import pytest

from proxy.runtime import attempts
from proxy.runtime.attempts import ADDRESS_BURST_MAX, NAME_BURST_MAX, Attempts, TooManyAttempts

HERE = ipaddress.ip_address("192.0.2.1")
THERE = ipaddress.ip_address("192.0.2.2")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def is_let_try(
    found: Attempts, address: attempts.IpAddress | None, name: str, *, is_known: bool = False
) -> bool:
    try:
        found.check_address(address, name)
        found.check_name(address, name, is_known=is_known)
    except TooManyAttempts:
        return False
    return True


def test_an_address_runs_out_and_recovers_slowly(clock: Clock) -> None:
    found = Attempts(clock)
    for number in range(int(ADDRESS_BURST_MAX)):
        assert is_let_try(found, HERE, f"name{number}")
        found.failed(HERE, f"name{number}")
    assert not is_let_try(found, HERE, "another")
    assert is_let_try(found, THERE, "another")
    clock.now += 1.9
    assert not is_let_try(found, HERE, "another")
    clock.now += 0.2
    assert is_let_try(found, HERE, "another")
    clock.now += 1e6
    for _ in range(int(ADDRESS_BURST_MAX)):
        found.failed(HERE, "x")
    assert not is_let_try(found, HERE, "another")


def test_a_name_runs_out_for_strangers_only(clock: Clock) -> None:
    found = Attempts(clock)
    found.succeeded(HERE, "token.a")
    for number in range(int(NAME_BURST_MAX)):
        found.failed(ipaddress.ip_address(f"10.0.{number}.1"), "token.a")
    assert not is_let_try(found, THERE, "token.a")
    assert is_let_try(found, HERE, "token.a")
    assert is_let_try(found, THERE, "token.a", is_known=True)
    assert is_let_try(found, THERE, "token.b")


def test_who_was_let_in_is_tried_again_whatever_neighbours_do(clock: Clock) -> None:
    found = Attempts(clock)
    found.succeeded(HERE, "token.a")
    for _ in range(1000):
        found.failed(HERE, "token.b")
    assert is_let_try(found, HERE, "token.a")
    assert not is_let_try(found, HERE, "token.c")


def test_a_subscriber_of_ipv6_is_one_address(clock: Clock) -> None:
    found = Attempts(clock)
    for number in range(int(ADDRESS_BURST_MAX)):
        found.failed(ipaddress.ip_address(f"2001:db8::{number:x}"), f"n{number}")
    assert not is_let_try(found, ipaddress.ip_address("2001:db8::ffff:1"), "x")
    assert is_let_try(found, ipaddress.ip_address("2001:db8:0:1::1"), "x")


def test_memory_is_bounded(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "REMEMBERED_MAX", 3)
    found = Attempts(clock)
    for number in range(10):
        address = ipaddress.ip_address(number)
        found.failed(address, str(number))
        found.succeeded(address, str(number))
    assert len(found._addresses._buckets) == len(found._names._buckets) == 3
    assert len(found._welcome) == 3


def test_what_is_told() -> None:
    fault = TooManyAttempts()
    assert (fault.sqlstate, fault.message) == ("53400", "too many failed logins")


def test_a_unix_socket_is_an_address_of_its_own(clock: Clock) -> None:
    found = Attempts(clock)
    for _ in range(int(ADDRESS_BURST_MAX)):
        found.failed(None, "x")
    assert not is_let_try(found, None, "y")
    assert is_let_try(found, HERE, "y")
