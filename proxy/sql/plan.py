"""What a source is allowed to run: the Fragment, and the only functions that make one.

INVARIANT I1: a source accepts nothing but a `Fragment`; `Fragment(` is written in this file only
(a test holds it). The functions below take a `Verified` statement, never a client's string.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from postgast import pg_query_pb2 as pb

from policies.claims import ClaimValue
from proxy.faults import InternalFault
from proxy.sql import tree
from proxy.sql.claim import ClaimSlot
from proxy.sql.classify import CopyOptions
from proxy.sql.verify import Verified

ClaimValues = Callable[[str], ClaimValue]


@dataclass(frozen=True, slots=True)
class Fragment:
    """SQL for one source, made from a verified tree.

    `sql` is fully qualified text; `$1..$n` are the client's parameters with `parameter_oids`,
    `$n+1..` the claims in `claim_slots` order with `claim_values` (None: SQL NULL).
    `result_oids` are the types that the answer must have, 0 for any; None: not checked.
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


def query_fragment(
    verified: Verified,
    source: str,
    claim_value: ClaimValues,
    *,
    parameter_oids: Sequence[int],
    result_oids: Sequence[int] | None = None,
) -> Fragment:
    """The fragment of a query for one identity: `claim_value` gives its claims by name."""
    rewritten = verified.rewritten
    if len(parameter_oids) != rewritten.parameter_count:
        raise InternalFault("a fragment's parameters are not those that were decided")
    row_limit, byte_limit = _limits(verified)
    return Fragment(
        source=source,
        sql=rewritten.sql,
        parameter_oids=tuple(parameter_oids),
        claim_slots=rewritten.claim_slots,
        claim_values=tuple(claim_value(slot.name) for slot in rewritten.claim_slots),
        result_oids=None if result_oids is None else tuple(result_oids),
        row_limit=row_limit,
        byte_limit=byte_limit,
    )


def copy_fragment(verified: Verified, source: str, copy: CopyOptions) -> Fragment:
    """`COPY (guarded query) TO STDOUT` with the client's own, reviewed options.

    COPY takes no parameters (pitfall 12), so the statement was guarded with literals.
    """
    rewritten = verified.rewritten
    if rewritten.parameter_count or (rewritten.claim_slots and rewritten.claim_literals is None):
        raise InternalFault("COPY was guarded with parameters")
    statement = pb.CopyStmt(query=tree.wrap(rewritten.node), options=list(copy.options))
    text = tree.print_tree(statement)
    again = tree.parse_tree(text).stmts
    if len(again) != 1 or not tree.same_tree(tree.inner(again[0].stmt), statement):
        raise InternalFault("the printed COPY reads back as another statement")
    row_limit, byte_limit = _limits(verified)
    return Fragment(
        source=source,
        sql=text,
        copy_format=copy.format,  # type: ignore[arg-type] # one of three, by classify
        row_limit=row_limit,
        byte_limit=byte_limit,
    )


def _limits(verified: Verified) -> tuple[int | None, int | None]:
    """The strictest caps of all relations that the statement reads."""
    decisions = [guarded.decision for guarded in verified.rewritten.guards]
    rows = [decision.row_limit for decision in decisions if decision.row_limit is not None]
    sizes = [decision.byte_limit for decision in decisions if decision.byte_limit is not None]
    return min(rows, default=None), min(sizes, default=None)
