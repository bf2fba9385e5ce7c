"""The cache keeps what is used, names what to close, and forgets what the server refused."""

from __future__ import annotations

from proxy.sources.postgres_statement import Statement, StatementCache

KEY = ("SELECT 1", ())


def parsed(cache: StatementCache, sql: str, *oids: int) -> Statement:
    statement = cache.get((sql, oids))
    statement.is_parsed = True
    return statement


def test_the_same_key_is_the_same_statement() -> None:
    cache = StatementCache(2)
    assert cache.get(KEY) is cache.get(KEY)
    assert cache.get(("SELECT 1", (23,))) is not cache.get(KEY)


def test_least_recently_used_goes_first() -> None:
    cache = StatementCache(2)
    first, second = parsed(cache, "1"), parsed(cache, "2")
    parsed(cache, "1")
    third = parsed(cache, "3")
    assert cache.names_to_close() == [second.name]
    assert cache.names_to_close() == []
    assert cache.get(("1", ())) is first
    assert cache.get(("3", ())) is third


def test_names_are_never_used_again() -> None:
    cache = StatementCache(1)
    names = [parsed(cache, str(number)).name for number in range(5)]
    cache.names_to_close()
    assert len(set(names)) == 5


def test_a_statement_the_server_never_took_needs_no_close() -> None:
    cache = StatementCache(2)
    cache.forget(cache.get(KEY))
    assert cache.names_to_close() == []
    assert len(cache) == 0


def test_a_stale_statement_is_closed_and_made_anew() -> None:
    cache = StatementCache(2)
    stale = parsed(cache, "1")
    cache.forget(stale)
    assert cache.names_to_close() == [stale.name]
    assert cache.get(("1", ())) is not stale


def test_size_zero_makes_unnamed_statements() -> None:
    cache = StatementCache(0)
    statement = parsed(cache, "1")
    assert statement.name == ""
    assert not cache.get(("1", ())).is_parsed
    assert cache.names_to_close() == []


def test_a_description_is_known_for_its_formats_only() -> None:
    statement = Statement(KEY, "s1")
    assert not statement.knows_description(())
    statement.describe(None, (1,))
    assert statement.knows_description((1,))
    assert not statement.knows_description(())


def test_repr() -> None:
    assert repr(StatementCache(7)) == "<StatementCache 0 of 7>"
