"""What a source is allowed to run: the Fragment, and the Plan that holds it.

INVARIANT I1: a source accepts nothing but a `Fragment`; `Fragment(` is written in this file only
(a test greps for it). The constructors below take verified text, never a client's string.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from policies.claims import ClaimValue


@dataclass(frozen=True, slots=True)
class ClaimSlot:
    """A typed claim parameter of a fragment, numbered after the client's own.

    `name` of the claim, `type_name` its Postgres type as printed (`text`, `text[]`, `bigint`, …).
    """

    name: str
    type_name: str
    type_oid: int


@dataclass(frozen=True, slots=True)
class Fragment:
    """SQL for one source, made from a verified tree.

    `sql` is fully qualified text; `$1..$n` are the client's parameters with `parameter_oids`,
    `$n+1..` the claims in `claim_slots` order with `claim_values` (None: SQL NULL).
    `row_limit` and `byte_limit` are the policy's caps for this statement, None for none.
    """

    source: str
    sql: str
    parameter_oids: tuple[int, ...] = ()
    claim_slots: tuple[ClaimSlot, ...] = ()
    claim_values: tuple[ClaimValue, ...] = field(default=(), repr=False)
    result_oids: tuple[int, ...] | None = None
    copy_format: Literal["text", "csv", "binary"] | None = None
    row_limit: int | None = None
    byte_limit: int | None = None
