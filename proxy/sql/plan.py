"""What a source is allowed to run: the Fragment, and the only functions that make one.

INVARIANT I1: a source accepts nothing but a `Fragment`; `Fragment(` is written in this file only
(a test holds it). The functions below take a `Verified` statement, never a client's string; the one
exception is `lookup_fragment`, whose text is the operator's, from the policy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from postgast import pg_query_pb2 as pb

from policies.claims import ClaimValue
from policies.identity import ClaimLookup
from proxy.faults import InternalFault, UnsupportedFault
from proxy.sql import tree
from proxy.sql.claim import ClaimSlot
from proxy.sql.copy_to import CopyOptions
from proxy.sql.verify import Verified

ClaimValues = Callable[[str], ClaimValue]


@dataclass(frozen=True, slots=True)
class FileSlot:
    """A parameter of a query over files: the fragment's `$number`, of type `type_oid` there.

    `kind` names the type that DuckDB gets. `is_pattern`: it is matched by LIKE.
    """

    number: int
    type_oid: int
    kind: str
    is_pattern: bool = False


@dataclass(frozen=True, slots=True)
class FileQuery:
    """A query in DuckDB's SQL that means what Postgres would mean; `$1…` are `slots` in order.

    `columns` are names and Postgres types of what it returns.
    """

    sql: str
    slots: tuple[FileSlot, ...]
    columns: tuple[tuple[str, str], ...]
    relations: tuple[tuple[str, str], ...]
    whole_sql: str = ""
    """Of a scan: the same without its conditions, for values that DuckDB might read otherwise."""

    def whole(self) -> FileQuery:
        """The scan of all rows."""
        return replace(self, sql=self.whole_sql, slots=())


@dataclass(frozen=True, slots=True)
class FileScan:
    """The rows of one relation that a fragment cannot do without, for the temporary `table`."""

    table: str
    query: FileQuery


@dataclass(frozen=True, slots=True)
class FilePlan:
    """How a fragment runs over files: all in DuckDB (`direct`), where each of its expressions means
    the same there; else its `scans` are loaded into a Postgres of the gate's, that runs
    `staged_sql`: the same statement over those tables."""

    direct: FileQuery | None
    scans: tuple[FileScan, ...]
    staged_sql: str


@dataclass(frozen=True, slots=True)
class Fragment:
    """SQL for one source, made from a verified tree.

    `sql` is fully qualified text; `$1..$n` are the client's parameters with `parameter_oids`,
    `$n+1..` the claims in `claim_slots` order with `claim_values` (None: SQL NULL).
    `result_oids` are the types that the answer must have, 0 for any; None: not checked.
    `row_limit` and `byte_limit` are the policy's caps for this statement, None for none.
    `leaves_nothing`: proven to leave no state in the connection that runs it (I12).
    `files` where the source holds files: what is asked of it instead of `sql`.
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
    leaves_nothing: bool = False
    files: FilePlan | None = None


def query_fragment(
    verified: Verified,
    source: str,
    claim_value: ClaimValues,
    *,
    parameter_oids: Sequence[int],
    result_oids: Sequence[int] | None = None,
    is_capped: bool = True,
    files: FilePlan | None = None,
) -> Fragment:
    """The fragment of a query for one identity: `claim_value` gives its claims by name.

    `is_capped` False: its rows are no answer yet, so the policy's caps are kept for what is.
    """
    rewritten = verified.rewritten
    if len(parameter_oids) != rewritten.parameter_count:
        raise InternalFault("a fragment's parameters are not those that were decided")
    row_limit, byte_limit = _limits(verified) if is_capped else (None, None)
    return Fragment(
        source=source,
        sql=rewritten.sql,
        parameter_oids=tuple(parameter_oids),
        claim_slots=rewritten.claim_slots,
        claim_values=tuple(claim_value(slot.name) for slot in rewritten.claim_slots),
        result_oids=None if result_oids is None else tuple(result_oids),
        row_limit=row_limit,
        byte_limit=byte_limit,
        leaves_nothing=verified.leaves_nothing,
        files=files,
    )


def staged_fragment(fragment: Fragment) -> Fragment:
    """What the fragment of a files source becomes once its scans are loaded."""
    if fragment.files is None:
        raise InternalFault("only what reads files is staged")
    return replace(fragment, sql=fragment.files.staged_sql, files=None)


def copy_fragment(verified: Verified, source: str, copy: CopyOptions) -> Fragment:
    """`COPY (guarded query) TO STDOUT` with the client's own, reviewed options.

    COPY takes no parameters (pitfall 12), so the statement was guarded with literals.
    """
    rewritten = verified.rewritten
    if rewritten.parameter_count or (rewritten.claim_slots and rewritten.claim_literals is None):
        raise InternalFault("COPY was guarded with parameters")
    text = copy_text(rewritten.sql, copy)
    row_limit, byte_limit = _limits(verified)
    return Fragment(
        source=source,
        sql=text,
        copy_format=copy.format,  # type: ignore[arg-type] # one of three, by classify
        row_limit=row_limit,
        byte_limit=byte_limit,
    )


def copy_text(query: str, copy: CopyOptions) -> str:
    """`COPY (query) TO STDOUT`. Raises InternalFault if it reads back as anything else."""
    # Of the text that was verified, not of the tree that was printed.
    verified_query = tree.parse_tree(query).stmts[0].stmt
    statement = pb.CopyStmt(query=verified_query, options=list(copy.options))
    text = tree.print_tree(statement)
    again = tree.parse_tree(text).stmts
    if len(again) != 1 or not tree.same_tree(tree.inner(again[0].stmt), statement):
        raise InternalFault("the printed COPY reads back as another statement")
    return text


def lookup_fragment(
    lookup: ClaimLookup,
    slots: Sequence[ClaimSlot],
    values: Sequence[ClaimValue],
    *,
    rows_max: int,
    bytes_max: int,
) -> Fragment:
    """The fragment that fetches a claim: the policy's own query, each of its rows as one JSON
    object.

    `slots` and `values` are bound to its `$1…`. No client's text comes in here, so nothing is
    guarded. Raises SyntaxFault; UnsupportedFault unless the text is exactly one query.
    """
    statements = tree.parse_tree(lookup.sql).stmts
    if len(statements) != 1 or tree.kind(statements[0].stmt) != "select_stmt":
        raise UnsupportedFault("a lookup is exactly one SELECT")
    name = "lookup"
    whole_row = pb.ColumnRef(fields=[tree.string(name), pb.Node(a_star=pb.A_Star())])
    as_json = pb.FuncCall(
        funcname=tree.name_list(("pg_catalog", "to_jsonb")),
        args=[pb.Node(column_ref=whole_row)],
        funcformat=pb.COERCE_EXPLICIT_CALL,
    )
    query = tree.select()
    query.target_list.append(tree.target(pb.Node(func_call=as_json)))
    query.from_clause.append(tree.subselect(tree.inner(statements[0].stmt), name))
    return Fragment(
        source=lookup.source,
        sql=tree.print_tree(query),
        claim_slots=tuple(slots),
        claim_values=tuple(values),
        row_limit=rows_max,
        byte_limit=bytes_max,
    )


def _limits(verified: Verified) -> tuple[int | None, int | None]:
    """The strictest caps of all relations that the statement reads."""
    decisions = [guarded.decision for guarded in verified.rewritten.guards]
    rows = [decision.row_limit for decision in decisions if decision.row_limit is not None]
    sizes = [decision.byte_limit for decision in decisions if decision.byte_limit is not None]
    return min(rows, default=None), min(sizes, default=None)
