"""Every limit of one client session, named with its unit, with the reason for its value (I10).

This file must not know who enforces a limit. Limits of message framing are in `proxy/wire`, of SQL
text and tree depth in `proxy/sql`, of the upstream pool in `proxy/sources`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """Limits that an operator may change in the configuration's `limits` section."""

    connections_max: int = 500
    """Clients of one worker process; each holds about 100 kB idle, and two file descriptors."""

    strangers_per_address_max: int = 100
    """Clients from one address that have not logged in: a pool that opens all it has at once."""

    authentication_seconds_max: float = 10.0
    """From accept to ReadyForQuery; Postgres allows 60, which lets strangers hold slots for
    longer."""

    statement_ms_max: int = 300_000
    """Run time of a statement; SET statement_timeout may only shorten it."""

    idle_seconds_max: float = 3600.0
    """Silence outside a transaction before the session ends (57P05)."""

    idle_in_transaction_seconds_max: float = 60.0
    """Silence inside a transaction, which holds an upstream connection (25P03)."""

    prepared_statements_max: int = 1000
    """Named statements of a session; drivers cache 100 to 256."""

    portals_max: int = 100
    """Open portals and cursors of a session; each may hold an upstream portal."""

    name_bytes_max: int = 63
    """Statement, portal and savepoint names: NAMEDATALEN − 1, as for every Postgres identifier."""

    inbound_bytes_max: int = 262_144
    """Unread bytes of one client before its socket is no longer read (back-pressure)."""

    outbound_bytes_max: int = 1_048_576
    """Unsent bytes of one client before its source is no longer read (back-pressure)."""

    drain_seconds_max: float = 30.0
    """Time that running statements have to end once the worker was told to stop."""


OUTPUT_CHUNK_BYTES = 65_536
"""Small messages are gathered up to this size before they are written: one system call, one
record."""

HELD_BYTES_MAX = 33_554_432
"""Rows of all cursors WITH HOLD of one session; Postgres writes them to disk, here they lie in
memory, where a row costs some 50 bytes beside its own."""

INTERRUPT_GRACE_SECONDS = 3.0
"""How long a source may take to honour a cancel before its connection is thrown away."""

PARAMETERS_MAX = 60_000
"""Client parameters of one statement: the protocol's 65,535 less room for claims."""
