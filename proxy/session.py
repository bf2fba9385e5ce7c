"""One client's session: who it is, its settings and its transaction; and tables of names with a
limit.

This file must not know sockets, sources, SQL trees or the wire, and nothing here waits.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from policies.identity import Identity
from proxy.faults import Fault, LimitFault
from proxy.limits import SessionLimits
from proxy.settings import OF_THE_TRANSACTION, Settings, checked, find
from proxy.transaction import Transaction

Entry = TypeVar("Entry")


@dataclass(slots=True)
class Session:
    """What is fixed when a client has been let in, and the two things that change.

    `database` and `user` are what the client called them in its startup packet: told back by
    `current_database()` and recorded, never used to decide. `peer` is its address for the records.
    """

    identity: Identity
    database: str
    user: str
    peer: str
    limits: SessionLimits
    settings: Settings
    transaction: Transaction = field(init=False)
    number: int = 0
    """The process id told to the client, which also names the session in records."""

    def __post_init__(self) -> None:
        self.transaction = Transaction(self.settings)

    def assign(self, name: str, value: str, *, is_local: bool) -> None:
        """SET and set_config. Raises the faults of `Settings.set`, and Fault 25001 for what must
        be said before the transaction reads."""
        key = name.lower()
        if key in OF_THE_TRANSACTION:
            self.transaction.check_mode(key, checked(find(key), value))
        self.settings.set(name, value, is_local=is_local)

    def statement_ms_max(self) -> int:
        """Run time that the next statement may take: the operator's limit or the client's lower
        one."""
        asked = self.settings.milliseconds("statement_timeout")
        limit = self.limits.statement_ms_max
        return min(asked, limit) if asked else limit


class NameTable(Generic[Entry]):
    """Entries by name, at most `entries_max` and the protocol's unnamed one, whose name is empty.

    `noun` names the entries in errors; the three SQLSTATEs are Postgres' own for the kind.
    """

    def __init__(
        self, noun: str, entries_max: int, *, missing_sqlstate: str, duplicate_sqlstate: str
    ) -> None:
        self._noun = noun
        self._entries_max = entries_max
        self._missing_sqlstate = missing_sqlstate
        self._duplicate_sqlstate = duplicate_sqlstate
        self._entries: dict[str, Entry] = {}

    def __iter__(self) -> Iterator[Entry]:
        return iter(tuple(self._entries.values()))

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, name: str) -> Entry | None:
        """The entry of that name, or None."""
        return self._entries.get(name)

    def get(self, name: str) -> Entry:
        """The entry of that name. Raises Fault with the kind's SQLSTATE when there is none."""
        entry = self._entries.get(name)
        if entry is None:
            raise Fault(self._missing_text(name), sqlstate=self._missing_sqlstate)
        return entry

    def add(self, name: str, entry: Entry) -> None:
        """Add a named entry, or replace the unnamed one. Raises Fault (duplicate), LimitFault
        53400."""
        if name and name in self._entries:
            # Postgres calls a portal a cursor here, and only here.
            noun = "cursor" if self._noun == "portal" else self._noun
            raise Fault(f'{noun} "{name}" already exists', sqlstate=self._duplicate_sqlstate)
        # The unnamed one is replaced all the time, and takes nobody's place.
        named = len(self._entries) - ("" in self._entries)
        if name and named >= self._entries_max:
            raise LimitFault(
                f"too many {self._noun}s: the limit is {self._entries_max}", sqlstate="53400"
            )
        self._entries[name] = entry

    def remove(self, name: str) -> Entry | None:
        """Take out the entry of that name, if there is one."""
        return self._entries.pop(name, None)

    def clear(self) -> None:
        """Forget all."""
        self._entries.clear()

    def _missing_text(self, name: str) -> str:
        if not name and self._noun == "prepared statement":
            return "unnamed prepared statement does not exist"
        return f'{self._noun} "{name}" does not exist'
