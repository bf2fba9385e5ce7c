"""Runs one attack on both databases under several planner settings, and judges what came back.

The judgement has five parts: no hidden byte in any row, error or notice; both databases give
byte-identical answers; a refusal has a SQLSTATE of the list and says the same of a hidden and of
an absent thing; with a running gate, an audit event and a session in sync (`tests/live`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import psycopg
from psycopg import pq

from policies.claims import to_text
from proxy.faults import Fault
from proxy.sql.classification.literals import is_well_formed_like_pattern
from proxy.sql.classify import Route, classify
from proxy.sql.identity import SessionFacts
from proxy.sql.parse import parse
from proxy.sql.pipeline import Guarded, catalog_sql, rewrite
from proxy.sql.plan import copy_fragment
from tests.attack.world import CANARY, CLAIM_TYPES, CLAIMS, World

FACTS = SessionFacts(user="alice", database="shop", schemas=("public",), backend_pid=7)
STATEMENT_TIMEOUT_MS = 10_000

# A leak shows in some plan only. Each entry is one session's settings, the same on both sides.
PLANS: dict[str, tuple[str, ...]] = {
    "default": (),
    "parallel": (
        "parallel_setup_cost = 0",
        "parallel_tuple_cost = 0",
        "min_parallel_table_scan_size = 0",
        "max_parallel_workers_per_gather = 2",
        "enable_indexscan = off",
        "enable_bitmapscan = off",
    ),
    "loops": ("enable_hashjoin = off", "enable_mergejoin = off", "enable_seqscan = off"),
    "sorted": ("enable_hashagg = off", "enable_hashjoin = off", "enable_nestloop = off"),
    "generic": ("plan_cache_mode = force_generic_plan",),
}


@dataclass(frozen=True)
class Answer:
    """What a client could see of one execution. Rows without ORDER BY are compared as a multiset."""

    rows: tuple[tuple[bytes | None, ...], ...] = ()
    sqlstate: str = ""
    message: str = ""
    notices: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        return repr(self.rows) + self.message + repr(self.notices)


@dataclass(frozen=True)
class Outcome:
    """`fault`: the gate refused. Otherwise `answers` of left and right by plan, and the SQL run."""

    fault: Fault | None = None
    sql: str = ""
    answers: dict[str, tuple[Answer, Answer]] = field(default_factory=dict)

    @property
    def leaks(self) -> list[str]:
        """Every difference between the databases, and every hidden byte, in words."""
        found = []
        if self.fault is not None:
            told = f"{self.fault.message} {self.fault.detail} {self.fault.hint}"
            return [f"refusal tells: {told}"] if CANARY in told else []
        for plan, (left, right) in self.answers.items():
            if left != right:
                found.append(f"{plan}: {_short(left)} | {_short(right)}")
            if CANARY in left.text or CANARY in right.text:
                found.append(f"{plan}: hidden bytes: {_short(left)} | {_short(right)}")
        return found

    @property
    def sqlstate(self) -> str:
        """The refusal's or the execution's SQLSTATE, empty for success."""
        if self.fault is not None:
            return self.fault.sqlstate
        return next(iter(self.answers.values()))[0].sqlstate

    @property
    def rows(self) -> tuple[tuple[bytes | None, ...], ...]:
        return next(iter(self.answers.values()))[0].rows


def _short(answer: Answer) -> str:
    if answer.sqlstate:
        return f"{answer.sqlstate} {answer.message}"
    return f"{len(answer.rows)} rows {answer.rows[:2]!r}"[:300]


class Oracle:
    """Open connections to both databases; `attack` runs one statement through the whole chain."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._connections = [
            psycopg.connect(dsn, autocommit=True) for dsn in (world.left, world.right)
        ]
        self._notices: list[str] = []
        for connection in self._connections:
            connection.add_notice_handler(
                lambda notice: self._notices.append(notice.message_primary or "")
            )

    def close(self) -> None:
        for connection in self._connections:
            connection.close()

    def attack(
        self,
        sql: str,
        *,
        parameters: Sequence[str | None] = (),
        parameter_oids: Sequence[int] = (),
        plans: Sequence[str] = tuple(PLANS),
    ) -> Outcome:
        """Guard one statement and, unless it is refused, run it on both databases."""
        try:
            guarded, text = self.guarded(sql, parameter_oids)
        except Fault as fault:
            return Outcome(fault=fault)
        assert guarded is not None
        for number in guarded.rewritten.pattern_parameters:  # as the gate does at Bind
            if not is_well_formed_like_pattern(parameters[number - 1] or ""):
                return Outcome(fault=Fault("ill-formed pattern", sqlstate="22025"))
        slots = guarded.rewritten.claim_slots
        is_copy = text.startswith("COPY")
        values = [*parameters] + [to_text(CLAIMS[s.name], CLAIM_TYPES[s.name]) for s in slots]
        oids = [*parameter_oids] + [slot.type_oid for slot in slots]
        if is_copy:
            values, oids = [], []
        answers = {}
        for plan in plans:
            self._settle(plan)
            runs = [self._run(place, text, values, oids) for place in (0, 1)]
            answers[plan] = (runs[0], runs[1])
        return Outcome(sql=text, answers=answers)

    def guarded(self, sql: str, parameter_oids: Sequence[int] = ()) -> tuple[Guarded, str]:
        """The guarded form and text of a statement.

        Raises: Fault, as the gate would tell it; one of SQLSTATE SHADO for a catalog statement.
        """
        statements = parse(sql)
        if len(statements) != 1:
            raise Fault("the attack is several statements", sqlstate="42601")
        classified = classify(statements[0])
        if classified.route is Route.CATALOG:
            catalog_sql(classified, FACTS)
            raise Fault("answered by the shadow", sqlstate="SHADO")
        literals = None
        if classified.copy is not None:
            literals = _claim_literal
        guarded = rewrite(
            classified,
            self.world.catalog,
            self.world.decide,
            facts=FACTS,
            parameter_oids=parameter_oids,
            claim_literals=literals,
        )
        if classified.copy is not None:
            return guarded, copy_fragment(guarded.verified, "main", classified.copy).sql
        return guarded, guarded.rewritten.sql

    def _settle(self, plan: str) -> None:
        settings = ["RESET ALL", "SET search_path = pg_catalog", "SET timezone = 'UTC'"]
        settings.append(f"SET statement_timeout = {STATEMENT_TIMEOUT_MS}")
        settings += [f"SET {setting}" for setting in PLANS[plan]]
        for connection in self._connections:
            connection.execute("; ".join(settings).encode())

    def _run(self, place: int, sql: str, values: list[str | None], oids: list[int]) -> Answer:
        """Through a prepared statement, so that a generic plan is possible."""
        self._notices.clear()
        connection = self._connections[place].pgconn
        encoded: list[bytes | bytearray | memoryview | None] = [
            None if value is None else value.encode() for value in values
        ]
        if sql.startswith("COPY"):
            return self._copy(place, sql)
        result = connection.prepare(b"attack", sql.encode(), oids)
        if result.status == pq.ExecStatus.COMMAND_OK:
            result = connection.exec_prepared(b"attack", encoded)  # type: ignore[arg-type] # None: NULL
            connection.exec_(b"DEALLOCATE attack")
        if result.status == pq.ExecStatus.FATAL_ERROR:
            fields = (
                result.error_field(name) or b""
                for name in (
                    pq.DiagnosticField.MESSAGE_PRIMARY,
                    pq.DiagnosticField.MESSAGE_DETAIL,
                    pq.DiagnosticField.MESSAGE_HINT,
                )
            )
            state = (result.error_field(pq.DiagnosticField.SQLSTATE) or b"").decode()
            return Answer((), state, b" ".join(fields).decode("utf-8", "replace"))
        width = range(result.nfields)
        rows = [
            tuple(result.get_value(row, column) for column in width)
            for row in range(result.ntuples)
        ]
        return Answer(tuple(sorted(rows, key=repr)), notices=tuple(self._notices))

    def _copy(self, place: int, sql: str) -> Answer:
        try:
            with self._connections[place].cursor().copy(sql.encode()) as copy:
                lines = tuple((bytes(block),) for block in copy)
        except psycopg.Error as error:
            told = f"{error.diag.message_primary} {error.diag.message_detail}"
            return Answer((), error.sqlstate or "", told)
        return Answer(tuple(sorted(lines)), notices=tuple(self._notices))


def _claim_literal(name: str, decision: object) -> str | None:
    return to_text(CLAIMS[name], CLAIM_TYPES[name])


@contextmanager
def oracle(world: World) -> Iterator[Oracle]:
    """An open oracle for the length of the block."""
    opened = Oracle(world)
    try:
        yield opened
    finally:
        opened.close()
