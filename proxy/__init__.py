"""Sallyport's SQL gate: one SQL text in, one guarded plan out, its rows streamed back.

    wire/      Postgres protocol v3, both roles, sans-I/O
    sql/       text -> Statement -> Bound -> Rewritten -> Plan(Fragments): pure
    catalog/   what exists for a principal; a real Postgres answers pg_catalog
    sources/   a Fragment in, a stream of framed rows out
    runtime/   audit log, keys, configuration, embedded Postgres: shared with the sidecars
    gate.py    the one conductor that awaits; connection.py joins it to a client's socket

What may import what is a table in `tests/test_architecture.py`.
"""
