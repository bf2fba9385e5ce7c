"""The client's transaction: a table of what happens in which state."""

from __future__ import annotations

import pytest

from proxy.faults import Fault
from proxy.settings import Settings
from proxy.transaction import Block, Transaction


@pytest.fixture
def transaction() -> Transaction:
    return Transaction(Settings({}))


def test_status_bytes(transaction: Transaction) -> None:
    assert transaction.status == b"I"
    transaction.enter_implicit()
    assert transaction.status == b"I"
    transaction.begin()
    assert transaction.status == b"T"
    transaction.fail()
    assert transaction.status == b"E"
    transaction.finish(is_committed=False)
    assert transaction.status == b"I"


def test_a_failed_block_is_left_by_rollback_to(transaction: Transaction) -> None:
    transaction.begin()
    transaction.savepoint("a")
    transaction.fail()
    with pytest.raises(Fault) as caught:
        transaction.check_usable()
    assert caught.value.sqlstate == "25P02"
    transaction.rollback_to("a")

    assert transaction.block is Block.OPEN
    assert transaction.savepoints == ["a"]


def test_the_newest_savepoint_of_a_name_counts(transaction: Transaction) -> None:
    transaction.begin()
    for name in ("a", "b", "a", "c"):
        transaction.savepoint(name)
    transaction.rollback_to("a")
    assert transaction.savepoints == ["a", "b", "a"]
    transaction.release("b")
    assert transaction.savepoints == ["a"]


@pytest.mark.parametrize("verb", ["savepoint", "release", "rollback_to"])
def test_savepoints_need_a_block(transaction: Transaction, verb: str) -> None:
    for is_implicit in (False, True):
        if is_implicit:
            transaction.enter_implicit()
        with pytest.raises(Fault) as caught:
            getattr(transaction, verb)("a")
        assert caught.value.sqlstate == "25P01"


@pytest.mark.parametrize("verb", ["release", "rollback_to"])
def test_unknown_savepoints(transaction: Transaction, verb: str) -> None:
    transaction.begin()
    with pytest.raises(Fault) as caught:
        getattr(transaction, verb)("a")

    assert caught.value.sqlstate == "3B001"


def test_begin_twice_is_a_warning_and_in_failure_an_error(transaction: Transaction) -> None:
    assert transaction.begin()
    assert not transaction.begin()
    transaction.fail()
    with pytest.raises(Fault):
        transaction.begin()


def test_an_error_outside_a_block_fails_nothing(transaction: Transaction) -> None:
    transaction.enter_implicit()
    transaction.fail()
    transaction.leave_implicit(is_committed=False)

    assert transaction.block is Block.IDLE


def test_a_block_survives_the_end_of_its_query(transaction: Transaction) -> None:
    transaction.enter_implicit()
    transaction.begin()
    transaction.leave_implicit(is_committed=True)

    assert transaction.block is Block.OPEN


def test_messages_of_a_pipeline_stay_alone_and_know_of_each_other(
    transaction: Transaction,
) -> None:
    assert transaction.is_alone
    transaction.enter_implicit(is_alone=True)
    assert (transaction.is_alone, transaction.has_piped) == (True, False)
    transaction.enter_implicit(is_alone=True)
    assert (transaction.is_alone, transaction.has_piped) == (True, True)
    transaction.enter_implicit()
    assert not transaction.is_alone
    transaction.leave_implicit(is_committed=True)
    assert transaction.is_alone


def test_a_failure_takes_settings_back_at_once() -> None:
    settings = Settings({})
    transaction = Transaction(settings)
    transaction.begin()
    settings.set("application_name", "kept", is_local=False)
    transaction.savepoint("a")
    settings.set("application_name", "lost", is_local=False)
    transaction.fail()

    assert settings.get("application_name") == "kept"
    transaction.rollback_to("a")
    transaction.release("a")
    transaction.finish(is_committed=True)
    assert settings.get("application_name") == "kept"


def test_a_failed_block_undoes_what_came_before_its_first_savepoint_too() -> None:
    settings = Settings({})
    transaction = Transaction(settings)
    transaction.begin()
    settings.set("application_name", "lost", is_local=False)
    transaction.fail()
    transaction.fail()
    transaction.finish(is_committed=False)

    assert settings.get("application_name") == ""
