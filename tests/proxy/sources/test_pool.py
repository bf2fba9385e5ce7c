"""Fairness, bounds, and that nothing is lost when a waiter gives up at the wrong moment."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import pytest

from proxy.faults import LimitFault, SourceFault
from proxy.sources.pool import Pool, PoolLimits


@dataclass(eq=False)
class Thing:
    number: int
    is_usable: bool = True
    was_aborted: bool = False

    def abort(self) -> None:
        self.was_aborted = True
        self.is_usable = False


@dataclass
class World:
    """A pool over things that open at once, or when `gate` is set, or not at all."""

    limits: PoolLimits = field(default_factory=lambda: PoolLimits(2, 3, 2_000))
    now: float = 0.0
    opened: list[Thing] = field(default_factory=list)
    refusals: int = 0
    gate: asyncio.Event | None = None

    def __post_init__(self) -> None:
        self.pool: Pool[Thing] = Pool(self.connect, self.limits, lambda: self.now)

    async def connect(self) -> Thing:
        if self.gate is not None:
            await self.gate.wait()
        if self.refusals:
            self.refusals -= 1
            raise SourceFault("unreachable", sqlstate="08006")
        thing = Thing(len(self.opened))
        self.opened.append(thing)
        return thing


async def soon(*awaitables: Awaitable[Thing]) -> list[asyncio.Task[Thing]]:
    """Start them in order, and let each reach its first wait."""
    tasks = []
    for awaitable in awaitables:
        tasks.append(asyncio.ensure_future(awaitable))
        await asyncio.sleep(0)
    return tasks


async def test_a_connection_is_used_again() -> None:
    world = World()
    first = await world.pool.acquire()
    world.pool.put_back(first)
    assert await world.pool.acquire() is first
    assert len(world.opened) == 1


async def test_repr_tells_the_state() -> None:
    world = World()
    held = [await world.pool.acquire() for _ in range(2)]
    (waiting,) = await soon(world.pool.acquire())
    assert repr(world.pool) == "<Pool idle=0 busy=2 opening=0 waiting=1 of=2>"
    assert world.pool.waiting == 1
    world.pool.put_back(held[0])
    assert await waiting is held[0]
    world.pool.put_back(held[1])
    assert repr(world.pool) == "<Pool idle=1 busy=1 opening=0 waiting=0 of=2>"


async def test_first_come_first_served_and_no_overtaking() -> None:
    world = World()
    held = [await world.pool.acquire() for _ in range(2)]
    tasks = await soon(*(world.pool.acquire() for _ in range(3)))
    served = []
    for index, task in enumerate(tasks):
        world.pool.put_back(held[0])
        # A newcomer in the very moment of the hand-over queues behind.
        assert world.pool.size == 2
        served.append(await task)
        assert all(not other.done() for other in tasks[index + 1 :])
    assert served == [held[0]] * 3


async def test_a_dropped_connection_gives_its_place_to_the_queue() -> None:
    world = World()
    held = [await world.pool.acquire() for _ in range(2)]
    (waiting,) = await soon(world.pool.acquire())
    world.pool.drop(held[0])
    renewed = await waiting
    assert held[0].was_aborted
    assert renewed.number == 2
    assert world.pool.size == 2


async def test_the_queue_is_bounded() -> None:
    world = World()
    for _ in range(2):
        await world.pool.acquire()
    tasks = await soon(*(world.pool.acquire() for _ in range(3)))
    with pytest.raises(LimitFault) as caught:
        await world.pool.acquire()
    assert caught.value.sqlstate == "53300"
    assert "waiters_max (3)" in (caught.value.detail or "")
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert world.pool.waiting == 0


async def test_owners_are_served_in_turn() -> None:
    world = World(PoolLimits(1, 1_000, 5_000))
    held = await world.pool.acquire("noisy")
    order: list[str] = []

    async def work(owner: str) -> Thing:
        thing = await world.pool.acquire(owner)
        order.append(owner)
        world.pool.put_back(thing)
        return thing

    noisy = await soon(*(work("noisy") for _ in range(900)))
    quiet = await soon(work("quiet"), work("quiet"), work("other"))
    world.pool.put_back(held)
    await asyncio.gather(*noisy, *quiet)

    assert order[:6] == ["noisy", "quiet", "other", "noisy", "quiet", "noisy"]
    assert len(order) == 903


async def test_a_full_queue_is_shared_too() -> None:
    world = World(PoolLimits(1, 4, 5_000))
    held = await world.pool.acquire("noisy")
    noisy = await soon(*(world.pool.acquire("noisy") for _ in range(4)))
    quiet = await soon(world.pool.acquire("quiet"), world.pool.acquire("quiet"))
    (late,) = await soon(world.pool.acquire("quiet"))

    refused = [task for task in (*noisy, *quiet, late) if task.done()]
    assert refused == [noisy[2], noisy[3], late]
    for task in refused:
        with pytest.raises(LimitFault) as caught:
            task.result()
        assert caught.value.sqlstate == "53300"
    assert world.pool.waiting == 4
    for task in (noisy[0], quiet[0], noisy[1], quiet[1]):
        world.pool.put_back(held)
        held = await task
    world.pool.put_back(held)
    assert repr(world.pool) == "<Pool idle=1 busy=0 opening=0 waiting=0 of=1>"


async def test_the_wait_is_bounded_and_names_its_limit() -> None:
    world = World(PoolLimits(1, 3, 30))
    held = await world.pool.acquire()
    with pytest.raises(LimitFault) as caught:
        await world.pool.acquire()
    assert caught.value.sqlstate == "53300"
    assert "wait_ms_max (30 ms)" in (caught.value.detail or "")
    world.pool.put_back(held)
    assert await world.pool.acquire() is held


async def test_a_failed_opening_frees_its_place() -> None:
    world = World(refusals=1)
    with pytest.raises(SourceFault):
        await world.pool.acquire()
    assert world.pool.size == 0
    assert (await world.pool.acquire()).number == 0


async def test_a_failed_opening_lets_the_next_try() -> None:
    world = World(PoolLimits(1, 3, 2_000), refusals=1)
    world.gate = asyncio.Event()
    opening, waiting = await soon(world.pool.acquire(), world.pool.acquire())
    world.gate.set()
    with pytest.raises(SourceFault):
        await opening
    assert (await waiting).number == 0


def put_back(world: World, thing: Thing) -> None:
    world.pool.put_back(thing)


def drop(world: World, thing: Thing) -> None:
    world.pool.drop(thing)


@pytest.mark.parametrize("free", [put_back, drop])
async def test_a_waiter_cancelled_when_served_passes_it_on(
    free: Callable[[World, Thing], None],
) -> None:
    """The hand-over and the cancellation happen in one turn of the loop."""
    world = World(PoolLimits(1, 3, 2_000))
    held = await world.pool.acquire()
    quitter, patient = await soon(world.pool.acquire(), world.pool.acquire())
    free(world, held)
    quitter.cancel()
    thing = await patient
    assert thing.is_usable
    with pytest.raises(asyncio.CancelledError):
        await quitter
    assert repr(world.pool) == "<Pool idle=0 busy=1 opening=0 waiting=0 of=1>"


async def test_a_cancelled_opening_frees_its_place() -> None:
    world = World(PoolLimits(1, 3, 2_000))
    world.gate = asyncio.Event()
    (opening,) = await soon(world.pool.acquire())
    opening.cancel()
    await asyncio.gather(opening, return_exceptions=True)
    assert world.pool.size == 0


async def test_dead_idle_connections_are_not_lent() -> None:
    world = World()
    first = await world.pool.acquire()
    world.pool.put_back(first)
    first.is_usable = False
    assert await world.pool.acquire() is not first
    assert world.pool.size == 1


async def test_an_unusable_connection_is_not_taken_back() -> None:
    world = World()
    first = await world.pool.acquire()
    first.is_usable = False
    world.pool.put_back(first)
    assert first.was_aborted
    assert world.pool.size == 0


async def test_idle_and_old_connections_expire() -> None:
    world = World(PoolLimits(2, 3, 2_000, idle_s_max=10, lifetime_s_max=100))
    idle, worn = await world.pool.acquire(), await world.pool.acquire()
    world.pool.put_back(idle)
    world.now = 9
    assert world.pool.discard_idle() == 0
    world.now = 11
    assert world.pool.discard_idle() == 1
    assert idle.was_aborted
    world.now = 101
    world.pool.put_back(worn)
    assert worn.was_aborted


async def test_close_refuses_waiters_and_aborts_the_borrowed() -> None:
    world = World(PoolLimits(1, 3, 2_000))
    held = await world.pool.acquire()
    (waiting,) = await soon(world.pool.acquire())
    world.pool.close()
    with pytest.raises(SourceFault):
        await waiting
    with pytest.raises(SourceFault):
        await world.pool.acquire()
    assert held.was_aborted
    world.pool.put_back(held)
    assert world.pool.size == 0


async def test_a_storm_keeps_the_bound() -> None:
    """Two hundred borrowers, some cancelled: never more than the limit, none lost."""
    world = World(PoolLimits(3, 1_000, 5_000))
    most = 0

    async def work(number: int) -> None:
        nonlocal most
        thing = await world.pool.acquire()
        most = max(most, world.pool.size)
        try:
            await asyncio.sleep(0.001 * (number % 3))
        finally:
            (world.pool.drop if number % 7 == 0 else world.pool.put_back)(thing)

    tasks = [asyncio.ensure_future(work(number)) for number in range(200)]
    for number in range(0, 200, 5):
        await asyncio.sleep(0)
        tasks[number].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert most <= 3
    assert world.pool.waiting == 0
    assert len(world.pool.busy) == 0


@pytest.mark.parametrize("limits", [(0, 1, 1), (1, -1, 1), (1, 1, 0)])
def test_senseless_limits_are_refused(limits: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="at least"):
        PoolLimits(*limits)


# Those who do not await


async def test_taking_now_waits_for_nothing() -> None:
    world = World()
    assert world.pool.take_now() is None, "none is open, and none is opened for it"
    thing = await world.pool.acquire()
    world.pool.put_back(thing)
    assert world.pool.take_now() is thing
    assert world.pool.take_now() is None
    world.pool.put_back(thing)
    world.pool.close()
    assert world.pool.take_now() is None


async def test_taking_now_overtakes_nobody() -> None:
    world = World()
    first, second = await world.pool.acquire(), await world.pool.acquire()
    (waiting,) = await soon(world.pool.acquire())
    world.pool.put_back(first)
    assert world.pool.take_now() is None
    assert await waiting is first
    world.pool.put_back(second)
    assert world.pool.take_now() is second


async def test_who_queues_up_is_served_in_turn() -> None:
    world = World()
    assert world.pool.queue_up() is None, "the pool can grow: no need to wait"
    first, _ = await world.pool.acquire(), await world.pool.acquire()
    early = world.pool.queue_up()
    (late,) = await soon(world.pool.acquire())
    assert early is not None
    world.pool.put_back(first)
    assert early.result() is first
    world.pool.put_back(first)
    assert await late is first


async def test_the_queue_is_bounded_for_all() -> None:
    world = World()
    await world.pool.acquire()
    await world.pool.acquire()
    assert all(world.pool.queue_up() is not None for _ in range(3))
    assert world.pool.queue_up() is None


async def test_who_leaves_passes_on_what_it_was_given() -> None:
    world = World()
    first, second = await world.pool.acquire(), await world.pool.acquire()
    gone, next_one = world.pool.queue_up(), world.pool.queue_up()
    assert gone is not None
    assert next_one is not None
    world.pool.put_back(first)
    world.pool.leave(gone)
    assert next_one.result() is first
    waiting = world.pool.queue_up()
    assert waiting is not None
    world.pool.leave(waiting)
    assert world.pool.waiting == 0
    # Given leave to open one, it gives the place back.
    opener, heir = world.pool.queue_up(), world.pool.queue_up()
    assert opener is not None
    assert heir is not None
    world.pool.drop(second)
    assert opener.result() is None
    world.pool.leave(opener)
    assert heir.result() is None


async def test_a_queue_that_takes_too_long_is_overdue() -> None:
    world = World()
    await world.pool.acquire()
    await world.pool.acquire()
    waiter = world.pool.queue_up()
    assert waiter is not None
    world.now = 1.9
    assert world.pool.overdue(waiter) is None
    world.now = 2.1
    fault = world.pool.overdue(waiter)
    assert isinstance(fault, LimitFault)
    assert fault.sqlstate == "53300"
    world.pool.leave(waiter)
    assert world.pool.overdue(waiter) is None
