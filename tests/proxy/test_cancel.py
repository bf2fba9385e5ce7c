"""Cancel keys: who may stop what, and how often a stranger may guess."""

from __future__ import annotations

import asyncio
import os
import stat
from pathlib import Path

import pytest

from proxy.cancel import (
    SECRET_BYTES,
    SECRET_BYTES_OLD,
    WORKERS_MAX,
    WRONG_GUESSES_BURST_MAX,
    CancelDesk,
    CancelKey,
)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def desk(tmp_path: Path, clock: Clock) -> CancelDesk:
    return CancelDesk(0, tmp_path, clock)


def test_keys_have_the_length_of_the_protocol(desk: CancelDesk) -> None:
    assert len(desk.issue(lambda: None, is_long=True).secret) == SECRET_BYTES
    assert len(desk.issue(lambda: None, is_long=False).secret) == SECRET_BYTES_OLD


def test_a_key_has_no_printable_secret(desk: CancelDesk) -> None:
    assert "secret" not in repr(desk.issue(lambda: None, is_long=True))


def test_only_the_right_key_cancels(desk: CancelDesk) -> None:
    hits: list[str] = []
    one = desk.issue(lambda: hits.append("one"), is_long=True)
    two = desk.issue(lambda: hits.append("two"), is_long=True)
    desk.request(one.process_id, two.secret)
    desk.request(one.process_id, one.secret[:-1])
    desk.request(one.process_id + 1, one.secret)
    assert hits == []
    desk.request(two.process_id, two.secret)
    assert hits == ["two"]
    desk.withdraw(two)
    desk.request(two.process_id, two.secret)

    assert hits == ["two"]


def test_guesses_are_rationed_and_the_ration_comes_back(desk: CancelDesk, clock: Clock) -> None:
    hits: list[int] = []
    key = desk.issue(lambda: hits.append(1), is_long=False)
    for _ in range(int(WRONG_GUESSES_BURST_MAX)):
        desk.request(key.process_id, bytes(4))
    desk.request(key.process_id, key.secret)
    assert hits == []  # out of budget: even the right one waits
    clock.now += 1.0
    desk.request(key.process_id, key.secret)

    assert hits == [1]


def test_right_requests_cost_nothing(desk: CancelDesk) -> None:
    hits: list[int] = []
    key = desk.issue(lambda: hits.append(1), is_long=True)
    for _ in range(500):
        desk.request(key.process_id, key.secret)

    assert len(hits) == 500


@pytest.mark.parametrize("worker", [-1, WORKERS_MAX])
def test_worker_numbers_fit_their_bits(tmp_path: Path, clock: Clock, worker: int) -> None:
    with pytest.raises(ValueError, match="worker"):
        CancelDesk(worker, tmp_path, clock)


async def test_a_request_is_posted_to_its_worker(tmp_path: Path, clock: Clock) -> None:
    mine, other = CancelDesk(0, tmp_path, clock), CancelDesk(63, tmp_path, clock)
    reached = asyncio.Event()
    for desk in (mine, other):
        desk.open()
    try:
        key = other.issue(reached.set, is_long=True)
        assert 0 < key.process_id < 2**31
        mine.request(key.process_id, bytes(SECRET_BYTES))
        mine.request(key.process_id, key.secret)
        async with asyncio.timeout(5):
            await reached.wait()
        assert stat.S_IMODE(os.stat(tmp_path / "cancel-63.sock").st_mode) == 0o600
    finally:
        for desk in (mine, other):
            desk.close()
    assert os.listdir(tmp_path) == []


async def test_a_lost_worker_costs_nothing(tmp_path: Path, clock: Clock) -> None:
    desk = CancelDesk(0, tmp_path, clock)
    desk.open()
    desk.request(CancelKey(5 << 24 | 1, b"").process_id, b"1234")
    desk.close()
    desk.close()
