"""Runs one statement on both worlds and on the reference, and compares everything a client could
see."""

from __future__ import annotations

import random
import re
from collections import Counter
from dataclasses import dataclass, field

import psycopg
from psycopg import pq

from policies.claims import to_text
from proxy.faults import Fault, InternalFault
from proxy.sql import classify as classification
from proxy.sql import tree
from proxy.sql.classify import classify
from proxy.sql.identity import SessionFacts
from proxy.sql.parse import parse
from proxy.sql.pipeline import rewrite
from tests.fuzz.fixture import CLAIM_TYPES, CLAIMS, World
from tests.fuzz.tally import Tally

FACTS = SessionFacts(user="alice", database="fuzz", schemas=("shop", "public"))
# Rules that refuse whatever they are asked about do not accept their node type.
REFUSED_NODES = frozenset({"RangeTableSample"})
ACCEPTED_NODES = (classification._PLAIN | set(classification._RULES)) - REFUSED_NODES
STATEMENT_TIMEOUT_MS = 3_000
POISON = re.compile(r'"(?:S-|s-|z\d|x\d|Z\d|X\d)')  # how hidden values of the fixture begin
# The same plan space on both sides, another one for each statement: a leak shows in some plan only.
_PLANNER = ("enable_hashjoin", "enable_mergejoin", "enable_nestloop", "enable_seqscan",
"enable_sort",
            "enable_material", "enable_hashagg", "parallel")  # fmt: skip


_PARALLEL = (
    "SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0"
)


@dataclass(frozen=True)
class Answer:
    """What a client would see: rows as a multiset, or an error with every field but internals."""

    rows: tuple[tuple[bytes | None, ...], ...] = ()
    sqlstate: str = ""
    message: str = ""

    @property
    def is_timeout(self) -> bool:
        return self.sqlstate == "57014"


@dataclass
class TreeTally(Tally):
    """`nodes` counts tree node types of accepted statements: the coverage table."""

    fenced: int = 0
    reordered: int = 0
    nodes: Counter[str] = field(default_factory=Counter)


class Oracle:
    """Three open connections and the comparisons over them."""

    def __init__(self, world: World, tally: TreeTally) -> None:
        self.world = world
        self.tally = tally
        self.connections = [
            psycopg.connect(dsn, autocommit=True)
            for dsn in (world.left, world.right, world.reference)
        ]
        for connection in self.connections[:2]:
            connection.execute("SET search_path = pg_catalog")
        self.connections[2].execute("SET search_path = shop, pg_catalog")
        for connection in self.connections:
            connection.execute(f"SET statement_timeout = {STATEMENT_TIMEOUT_MS}")
            connection.execute("SET timezone = 'UTC'")

    def close(self) -> None:
        for connection in self.connections:
            connection.close()

    def check(self, sql: str, source: random.Random, *, is_ordered: bool = False) -> bool:
        """Whether the statement was accepted; differences go to the tally. Other databases' SQL is
        ours."""
        self.tally.generated += 1
        try:
            probe = self.run(2, sql, [], [], is_ordered=is_ordered)
            if probe.sqlstate[:2] in (
                "42",
                "0A",
            ):  # not a statement of PostgreSQL: the generator's slip
                self.tally.generated -= 1
                return False
            guarded = self._guard(sql)
        except InternalFault as fault:
            self.tally.differences.append(f"two locks disagree: {fault}\n  {sql}")
            return False
        except Fault as fault:
            self.tally.refusals[f"{fault.sqlstate} {fault.message}"] += 1
            return False
        self.tally.accepted += 1
        rewritten = guarded.rewritten
        self.tally.fenced += rewritten.fence_count > 0
        slots = rewritten.claim_slots
        values = [to_text(CLAIMS[slot.name], CLAIM_TYPES[slot.name]) for slot in slots]
        oids = [slot.type_oid for slot in slots]
        switched = [name for name in _PLANNER if source.random() < 0.2]
        self._plan_space(switched)
        left = self.run(0, rewritten.sql, values, oids, is_ordered=is_ordered)
        right = self.run(1, rewritten.sql, values, oids, is_ordered=is_ordered)
        self._compare(sql, rewritten.sql, left, right, probe)
        return True

    def _guard(self, sql: str):  # type: ignore[no-untyped-def]
        (statement,) = parse(sql)
        classified = classify(statement)
        names = {message.DESCRIPTOR.name for message in tree.walk(classified.query)}
        guarded = rewrite(
            classified, self.world.catalog, self.world.decide, facts=FACTS, parameter_oids=()
        )
        self.tally.nodes.update(names)
        return guarded

    def _plan_space(self, switched: list[str]) -> None:
        for connection in self.connections[:2]:
            connection.execute("RESET ALL")
            connection.execute("SET search_path = pg_catalog; SET timezone = 'UTC'")
            connection.execute(f"SET statement_timeout = {STATEMENT_TIMEOUT_MS}")
            for name in switched:
                connection.execute(_PARALLEL if name == "parallel" else f"SET {name} = off")

    def run(
        self, place: int, sql: str, values: list[str | None], oids: list[int], *, is_ordered: bool
    ) -> Answer:
        """One statement on one database, everything as text."""
        encoded = [None if value is None else value.encode() for value in values]
        result = self.connections[place].pgconn.exec_params(sql.encode(), encoded, oids)
        if result.status == pq.ExecStatus.FATAL_ERROR:
            state = (result.error_field(pq.DiagnosticField.SQLSTATE) or b"").decode()
            told = result.error_field(pq.DiagnosticField.MESSAGE_PRIMARY) or b""
            detail = result.error_field(pq.DiagnosticField.MESSAGE_DETAIL) or b""
            return Answer((), state, (told + b" " + detail).decode("utf-8", "replace"))
        rows = tuple(
            tuple(result.get_value(row, column) for column in range(result.nfields))
            for row in range(result.ntuples)
        )
        if not is_ordered:
            rows = tuple(sorted(rows, key=repr))
        return Answer(rows)

    def _compare(self, sql: str, guarded: str, left: Answer, right: Answer, probe: Answer) -> None:
        tally = self.tally
        if left.is_timeout or right.is_timeout or probe.is_timeout:
            tally.timeouts += 1
            return
        tally.errors += bool(left.sqlstate)
        if left != right and _is_order_only(left, right):
            tally.reordered += 1
        elif left != right:
            tally.differences.append(
                f"interference:\n  {sql}\n  guarded: {guarded}\n"
                f"  left:  {_shown(left)}\n  right: {_shown(right)}"
            )
        elif not left.sqlstate and not probe.sqlstate:
            tally.compared += 1
            if unscaled(left.rows) != unscaled(probe.rows):
                tally.differences.append(
                    f"not the reference:\n  {sql}\n  guarded: {guarded}\n"
                    f"  guarded gives:   {_shown(left)}\n  reference gives: {_shown(probe)}"
                )
        elif left.sqlstate == "0A000":  # an outer join that only the planner can judge
            tally.refusals[f"at the source: {left.message}"] += 1
        elif left.sqlstate and left.sqlstate[:2] not in ("22", "21", "23", "54", "53"):
            tally.differences.append(
                f"broken SQL ({left.sqlstate} {left.message}):\n  {sql}\n  guarded: {guarded}"
            )


def _is_order_only(left: Answer, right: Answer) -> bool:
    """The same error, told of another row, with nothing of a hidden row's shape in it.

    Which of several visible rows raises first depends on the plan, and plans may differ. The gate
    tells no value at all, so a client cannot see this; a hidden row's value would still be a leak.
    """
    if not left.sqlstate or left.sqlstate != right.sqlstate:
        return False
    return not any(POISON.search(answer.message) for answer in (left, right))


def unscaled(rows: tuple[tuple[bytes | None, ...], ...]) -> list[str]:
    """Rows without trailing zeros of decimals, sorted: which of 1.0 and 1.00 stands for both in a
    set operation is the plan's choice."""
    return sorted(re.sub(r"(\.\d*?)0+\b", r"\1", repr(row)) for row in rows)


def _shown(answer: Answer) -> str:
    if answer.sqlstate:
        return f"{answer.sqlstate} {answer.message}"
    return f"{len(answer.rows)} rows {answer.rows[:3]!r}"
