"""Prepared statements of one connection: a cache keyed by text and parameter types, least recently
used first out.

It must not know sockets; it hands out names, and says which to close.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

from proxy.wire.backend import RowDescription

StatementKey = tuple[str, tuple[int, ...]]


@dataclass(slots=True)
class Statement:
    """One named statement at the server. `name` is empty for an unnamed one, which is parsed at
    each use.

    `described` holds the portal description for `described_formats`: the server refuses to run a
    prepared statement whose result type has changed, so the description stays true for as long as
    the statement lives.
    """

    key: StatementKey
    name: str
    is_parsed: bool = False
    described: RowDescription | None = None
    described_formats: tuple[int, ...] | None = field(default=None)
    accepted_oids: tuple[int, ...] | None = None
    """The result types that its description was last compared with, and met."""

    def knows_description(self, formats: tuple[int, ...]) -> bool:
        """True when a Describe would tell nothing new."""
        return self.described_formats == formats

    def describe(self, description: RowDescription | None, formats: tuple[int, ...]) -> None:
        """Remember the answer to a Describe; unnamed statements forget it with themselves."""
        self.described = description
        self.described_formats = formats


class StatementCache:
    """At most `size_max` named statements; 0 makes every statement unnamed."""

    def __init__(self, size_max: int) -> None:
        self._size_max = size_max
        self._statements: OrderedDict[StatementKey, Statement] = OrderedDict()
        self._count = 0
        self._to_close: list[str] = []

    def __len__(self) -> int:
        return len(self._statements)

    def __repr__(self) -> str:
        return f"<StatementCache {len(self)} of {self._size_max}>"

    def get(self, key: StatementKey) -> Statement:
        """The statement for the key, new ones not yet parsed."""
        statement = self._statements.get(key)
        if statement is not None:
            self._statements.move_to_end(key)
            return statement
        if self._size_max == 0:
            return Statement(key, "")
        self._count += 1
        statement = Statement(key, f"s{self._count}")
        self._statements[key] = statement
        return statement

    def peek(self, key: StatementKey) -> Statement | None:
        """The statement for the key, if it is known; it counts as used."""
        statement = self._statements.get(key)
        if statement is not None:
            self._statements.move_to_end(key)
        return statement

    def names_to_close(self) -> list[str]:
        """Names of statements dropped since the last call that the server still has."""
        while len(self._statements) > self._size_max:
            _, oldest = self._statements.popitem(last=False)
            self._note_dropped(oldest)
        names, self._to_close = self._to_close, []
        return names

    def forget(self, statement: Statement) -> None:
        """Drop a statement that the server did not take, or refuses to run again."""
        if self._statements.get(statement.key) is statement:
            del self._statements[statement.key]
            self._note_dropped(statement)

    def _note_dropped(self, statement: Statement) -> None:
        if statement.is_parsed:
            self._to_close.append(statement.name)
