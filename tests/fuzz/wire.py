"""Noninterference over the wire: the same conversation with two gates, every message compared.

What `oracle` does with the guarded SQL alone, this does with everything around it: parameters in
both formats, statements prepared once and executed often, portals, cursors, COPY, binary results.
"""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections import Counter
from dataclasses import dataclass, field

import psycopg
from psycopg import pq

from proxy.catalog.shadow import SOURCE_MAJOR_OF_NEW
from proxy.wire import backend
from proxy.wire.frontend import Query
from tests.fuzz.conversation import WAYS, WITHOUT_PARAMETERS, Round, Seen, difference, rounds
from tests.fuzz.fixture import World, world
from tests.fuzz.gates import STATEMENT_MS_MAX, Gates, twin_gates
from tests.fuzz.generator import Generated
from tests.fuzz.oracle import unscaled
from tests.fuzz.parameters import Parametrised
from tests.fuzz.tally import Tally
from tests.live.wire import Message, RawClient
from tests.servers.postgres import Server

DIFFERENCES_MAX = 10
PROGRESS_SECONDS = 30.0
STATEMENTS_PER_WORLD = 1_500  # then new data, and another planner
TOLD_CHARACTERS_MAX = 2_000  # of one difference
_TIMEOUT = "57014"
_NUMBER = re.compile(r"(?<![\w.'-])\d+(?![\w.'])")  # whole numbers that stand alone
_NUMBERS = ("0", "1", "2", "7", "1.5", "99")


@dataclass
class WireTally(Tally):
    """`ways` counts accepted conversations by way, `over_several` those over several sources."""

    parameters: int = 0
    over_several: int = 0
    ways: Counter[str] = field(default_factory=Counter)

    def report(self, seed: int) -> str:
        """The figures as text."""
        refused = "; ".join(f"{n}× {text}" for text, n in self.refusals.most_common(8))
        lines = [
            f"{self.generated} conversations with two gates, last seed {seed}",
            f"accepted {self.accepted} ({self.accepted_share:.1%}), {self.over_several} of them over"
            f" several sources, {self.parameters} parameters,"
            f" {self.compared} compared with the reference",
            f"raised an error on both sides {self.errors}, timed out {self.timeouts}",
            "ways: " + ", ".join(f"{way} {n}" for way, n in self.ways.most_common()),
            f"refusals: {refused}",
            f"differences {len(self.differences)}",
        ]
        return "\n".join(lines)


class WireOracle:
    """A connection to each gate, and one to the left database to see what is SQL at all."""

    def __init__(self, made: World, gates: Gates, tally: WireTally) -> None:
        self.gates = gates
        self.tally = tally
        self._clients: list[RawClient] = []
        self._direct = psycopg.connect(made.left, autocommit=True)
        self._reference = psycopg.connect(made.reference, autocommit=True)
        for connection in (self._direct, self._reference):
            connection.execute("SET search_path = shop, pg_catalog")
            connection.execute("SET timezone = 'UTC'")
            connection.execute(f"SET statement_timeout = {STATEMENT_MS_MAX}")

    async def close(self) -> None:
        for client in self._clients:
            client.close()
        self._direct.close()
        self._reference.close()

    async def check(self, generator: Parametrised, source: random.Random) -> None:
        """Draw a statement and a way, and compare the answers."""
        way = source.choice(WAYS)
        generator.is_plain = way in WITHOUT_PARAMETERS
        one = generator.statement()
        parameters = tuple(generator.parameters)
        oids = [parameter.oid for parameter in parameters]
        probe = self._direct.pgconn.prepare(b"", one.sql.encode(), oids)
        if probe.status == pq.ExecStatus.FATAL_ERROR:  # the generator's slip
            return
        tally = self.tally
        tally.generated += 1
        tally.parameters += len(parameters)
        conversation = rounds(way, one.sql, parameters, source)
        left, right = await self._ask(conversation, is_ordered=one.is_ordered)
        if _TIMEOUT in left.sqlstates | right.sqlstates:
            tally.timeouts += 1
            return
        found = difference(left, right)
        if found:
            self._tell(f"{way}: {one.sql}\n  {parameters!r}\n  {found}")
        refused = [state for state in left.sqlstates if state[:2] in ("42", "0A", "54", "XX")]
        if refused:
            error = next(text for text in left.messages if "ErrorResponse" in text)
            tally.refusals[error[:120]] += 1
            return
        tally.accepted += 1
        tally.ways[way] += 1
        tally.over_several += self.gates.is_over_several(one.sql)
        tally.errors += bool(left.sqlstates)
        if way == "simple" and not left.sqlstates:
            self._compare_with_reference(one.sql, left)
            await self._ask_with_other_numbers(one, source)

    async def _ask_with_other_numbers(self, one: Generated, source: random.Random) -> None:
        """The same shape again: what the gate remembers of the first must not answer the second."""
        sql = _NUMBER.sub(lambda match: str(source.choice((*_NUMBERS, match[0]))), one.sql)
        probe = self._direct.pgconn.prepare(b"", sql.encode())
        if sql == one.sql or probe.status == pq.ExecStatus.FATAL_ERROR:
            return
        left, right = await self._ask([(Query(sql),)], is_ordered=one.is_ordered)
        found = "" if _TIMEOUT in left.sqlstates | right.sqlstates else difference(left, right)
        if found:
            self._tell(f"simple, second: {sql}\n  {found}")
        elif not left.sqlstates:
            self._compare_with_reference(sql, left)

    def _compare_with_reference(self, sql: str, seen: Seen) -> None:
        """The rows on a database that holds only what may be seen are the rows that the gate gave."""
        result = self._reference.pgconn.exec_params(sql.encode(), [])
        if result.status != pq.ExecStatus.TUPLES_OK:
            return  # another row of the visible ones raised first
        self.tally.compared += 1
        width = range(result.nfields)
        rows = (tuple(result.get_value(n, m) for m in width) for n in range(result.ntuples))
        if unscaled(tuple(rows)) != unscaled(seen.rows):
            self._tell(f"not the reference: {sql}\n  gate: {seen.rows[:3]!r}")

    def _tell(self, text: str) -> None:
        self.tally.differences.append(text)
        print(text[:TOLD_CHARACTERS_MAX], flush=True)

    async def _ask(self, conversation: list[Round], *, is_ordered: bool) -> tuple[Seen, Seen]:
        if not self._clients:
            self._clients = [await self._open(port) for port in (self.gates.left, self.gates.right)]
        answers: list[list[Message]] = [[], []]
        for messages in conversation:
            both = await asyncio.gather(*(client.converse(messages) for client in self._clients))
            for answer, more in zip(answers, both, strict=True):
                answer += more
        if any(not isinstance(answer[-1], backend.ReadyForQuery) for answer in answers):
            self._clients = []  # closed by a gate: the answers tell whether by both
        left, right = (Seen.of(answer, is_ordered=is_ordered) for answer in answers)
        return left, right

    async def _open(self, port: int) -> RawClient:
        gates = self.gates
        database = gates.left_database if port == gates.left else gates.right_database
        parameters = {"user": gates.user, "database": database, "search_path": "shop"}
        client = await RawClient.open(("127.0.0.1", port), parameters, gates.token)
        assert isinstance(client.greeting[-1], backend.ReadyForQuery), client.greeting[-1]
        return client


async def _run_world(
    server: Server,
    made: World,
    seed: int,
    tally: WireTally,
    *,
    statements: int,
    deadline: float,
    source_count: int,
) -> None:
    source = random.Random(seed)
    generator = Parametrised(source)
    generator.has_json = server.major >= 16
    generator.has_json_functions = server.major >= SOURCE_MAJOR_OF_NEW
    told = time.monotonic()
    async with twin_gates(server, made, seed, source_count) as gates:
        oracle = WireOracle(made, gates, tally)
        try:
            for _ in range(statements):
                if time.monotonic() > deadline or len(tally.differences) >= DIFFERENCES_MAX:
                    return
                await oracle.check(generator, source)
                if time.monotonic() - told > PROGRESS_SECONDS:
                    told = time.monotonic()
                    found = len(tally.differences)
                    print(f"  {tally.generated} conversations, {found} differences", flush=True)
        finally:
            await oracle.close()


def run(
    server: Server,
    seed: int,
    *,
    minutes: float,
    statements: int | None = None,
    source_count: int = 1,
) -> WireTally:
    """Worlds of following seeds until time is up, or one world with that many statements; the
    tables spread over `source_count` sources."""
    tally = WireTally()
    deadline = time.monotonic() + minutes * 60
    share = STATEMENTS_PER_WORLD if statements is None else statements
    while time.monotonic() < deadline and len(tally.differences) < DIFFERENCES_MAX:
        with world(server, seed) as made:
            work = _run_world(
                server, made, seed, tally,
                statements=share, deadline=deadline, source_count=source_count,
            )  # fmt: skip
            asyncio.run(work)
        if statements is not None:
            break
        seed += 1
    return tally
