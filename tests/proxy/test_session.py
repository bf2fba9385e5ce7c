"""Sessions and their tables of names."""

from __future__ import annotations

import pytest

from policies.identity import Identity
from proxy.faults import Fault
from proxy.limits import SessionLimits
from proxy.session import NameTable, Session
from proxy.settings import Settings


def session(**limits: int) -> Session:
    identity = Identity.create(
        subject="alice", issuer="i", roles=frozenset(), claims={}, expires_at=100.0
    )
    return Session(identity, "shop", "alice", "peer", SessionLimits(**limits), Settings({}))


def test_a_client_may_only_shorten_the_statement_limit() -> None:
    found = session(statement_ms_max=5000)
    assert found.statement_ms_max() == 5000
    found.settings.set("statement_timeout", "1s", is_local=False)
    assert found.statement_ms_max() == 1000
    found.settings.set("statement_timeout", "1h", is_local=False)
    assert found.statement_ms_max() == 5000


def table(noun: str = "prepared statement", entries_max: int = 2) -> NameTable[int]:
    return NameTable(noun, entries_max, missing_sqlstate="26000", duplicate_sqlstate="42P05")


def test_named_entries_are_unique_and_the_unnamed_one_is_replaced() -> None:
    found = table()
    found.add("", 1)
    found.add("", 2)
    found.add("a", 3)
    with pytest.raises(Fault) as caught:
        found.add("a", 4)

    assert caught.value.sqlstate == "42P05"
    assert found.get("") == 2
    assert list(found) == [2, 3]


def test_tables_are_bounded() -> None:
    found = table()
    found.add("a", 1)
    found.add("b", 2)
    with pytest.raises(Fault) as caught:
        found.add("c", 3)
    assert caught.value.sqlstate == "53400"
    found.remove("a")
    found.add("c", 3)

    assert len(found) == 2


def test_the_unnamed_entry_takes_nobodys_place() -> None:
    found = table()
    found.add("", 1)
    found.add("a", 2)
    found.add("b", 3)
    with pytest.raises(Fault):
        found.add("c", 4)
    found.remove("")
    found.add("", 5)

    assert list(found) == [2, 3, 5]


def test_a_mode_of_the_transaction_ends_with_it() -> None:
    found = session()
    found.transaction.begin()
    found.assign("transaction_isolation", "Serializable", is_local=False)
    assert found.settings.show("transaction_isolation")[1] == "serializable"
    found.transaction.has_run = True
    with pytest.raises(Fault) as caught:
        found.assign("transaction_isolation", "read committed", is_local=False)
    assert caught.value.sqlstate == "25001"
    found.transaction.finish(is_committed=True)

    assert found.settings.show("transaction_isolation")[1] == "read committed"


@pytest.mark.parametrize(
    ("noun", "name", "text"),
    [
        ("prepared statement", "", "unnamed prepared statement does not exist"),
        ("prepared statement", "a", 'prepared statement "a" does not exist'),
        ("portal", "", 'portal "" does not exist'),
    ],
)
def test_missing_names_are_told_as_postgres_does(noun: str, name: str, text: str) -> None:
    with pytest.raises(Fault) as caught:
        table(noun).get(name)

    assert caught.value.message == text


def test_removing_and_finding_what_is_not_there() -> None:
    found = table()

    assert found.find("a") is None
    assert found.remove("a") is None
    found.add("a", 1)
    found.clear()
    assert len(found) == 0
