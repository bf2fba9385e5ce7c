"""The place of a claim in a guarded statement: a typed parameter after the client's own."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ClaimSlot:
    """`name` of the claim, `type_name` its Postgres type as printed (`text`, `bigint[]`), its
    OID."""

    name: str
    type_name: str
    type_oid: int
