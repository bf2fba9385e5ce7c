"""The whole corpus against one pair, and what was found, as values and as text."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context

from tests.fidelity.corpus import Query
from tests.fidelity.pair import Pair
from tests.fidelity.reading import AsyncpgReader, Outcome, Way, libpq
from tests.fidelity.verdict import Judgement, Verdict, compare

STATEMENT_CHARACTERS_MAX = 400
NEWER = "newer"
"""The kind that only sources newer than the shadow understand: its error is a refusal."""

_OWN_TYPES = """
SELECT t.oid, n.nspname || '.' || t.typname
FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace WHERE t.oid >= 16384
"""
LIBPQ_WAYS = (Way.SIMPLE, Way.PREPARED, Way.COPY)


@dataclass(frozen=True, slots=True)
class Finding:
    """One statement, sent in one way. `is_answered`: the source gave no error."""

    query: Query
    way: Way
    verdict: Verdict
    is_answered: bool


async def compare_all(pair: Pair, queries: Sequence[Query]) -> list[Finding]:
    """Ask both ends everything, in every way."""
    # A process of its own: libpq waits for the gate, which runs here, without giving up the GIL.
    with ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn")) as pool:
        asked = asyncio.get_running_loop().run_in_executor(pool, _by_libpq, pair, queries)
        by_asyncpg = await _by_asyncpg(pair, queries)
        return await asked + by_asyncpg


def _by_libpq(pair: Pair, queries: Sequence[Query]) -> list[Finding]:
    findings = []
    with libpq(pair.direct) as direct, libpq(pair.gate) as gate:
        numbers = [_own_types(end.read(Way.SIMPLE, _OWN_TYPES)) for end in (direct, gate)]
        for query in queries:
            for way in LIBPQ_WAYS:
                wanted = direct.read(way, query.text, query.arguments)
                found = gate.read(way, query.text, query.arguments)
                verdict = _judged(query, wanted, found)
                if way is Way.PREPARED and verdict.judgement is not Judgement.EQUAL:
                    # Binary arrays and rows hold numbers of types, and each end has its own.
                    verdict = _judged(query, *map(_named, (wanted, found), numbers))
                findings.append(Finding(query, way, verdict, wanted.sqlstate is None))
    return findings


def _own_types(answer: Outcome) -> dict[bytes, bytes]:
    """Names of the source's own types by their number as it stands in binary values."""
    return {
        int(oid or b"").to_bytes(4, "big"): name or b"" for oid, name in answer.rows if oid and name
    }


def _named(answer: Outcome, names: dict[bytes, bytes]) -> Outcome:
    """The answer with those numbers exchanged for names: the gate has its catalog's own."""

    def exchanged(value: bytes | None) -> bytes | None:
        for number, name in names.items():
            value = value.replace(number, name) if value is not None else None
        return value

    return replace(answer, rows=tuple(tuple(map(exchanged, row)) for row in answer.rows))


async def _by_asyncpg(pair: Pair, queries: Sequence[Query]) -> list[Finding]:
    direct, gate = AsyncpgReader(pair.direct), AsyncpgReader(pair.gate)
    findings = []
    try:
        for query in queries:
            wanted = await direct.read(query.text, query.arguments)
            found = await gate.read(query.text, query.arguments)
            verdict = _judged(query, wanted, found)
            findings.append(Finding(query, Way.ASYNCPG, verdict, wanted.sqlstate is None))
    finally:
        await direct.close()
        await gate.close()
    return findings


def _judged(query: Query, direct: Outcome, gate: Outcome) -> Verdict:
    verdict = compare(direct, gate, is_ordered=query.is_ordered)
    if query.kind == NEWER and direct.sqlstate is None and gate.sqlstate is not None:
        return Verdict(Judgement.REFUSED, f"{gate.sqlstate} {gate.failure}")
    if verdict.judgement is Judgement.DIFFERENT and query.design:
        return Verdict(Judgement.DESIGNED, query.design)
    return verdict


def stale_designs(findings: Sequence[Finding]) -> list[str]:
    """Statements marked as different by design that no way of sending shows to be different."""
    shown = {one.query for one in findings if one.verdict.judgement is Judgement.DESIGNED}
    marked = {one.query for one in findings if one.query.design}
    return sorted(f"{query.kind}:{query.line}" for query in marked - shown)


def table(findings: Sequence[Finding]) -> str:
    """Counts by kind: a statement is as bad as the worst way of sending it; then by way."""
    worst: dict[Query, Judgement] = {}
    order = list(Judgement)
    for finding in findings:
        known = worst.get(finding.query, Judgement.EQUAL)
        worst[finding.query] = max(known, finding.verdict.judgement, key=order.index)
    by_kind = Counter((query.kind, judgement) for query, judgement in worst.items())
    by_way = Counter((finding.way.value, finding.verdict.judgement) for finding in findings)
    errors = {one.query for one in findings if one.way is Way.SIMPLE and not one.is_answered}
    kinds = sorted({query.kind for query in worst})
    total = Counter(("all statements", judgement) for judgement in worst.values())
    lines = [f"{'kind':28}" + "".join(f"{judgement:>11}" for judgement in Judgement)]
    for counts, names in (
        (by_kind, kinds),
        (total, ["all statements"]),
        (by_way, [way.value for way in Way]),
    ):
        for name in names:
            numbers = "".join(f"{counts[name, judgement]:11}" for judgement in Judgement)
            lines.append(f"{name:28}{numbers}")
    lines.append(f"statements that are errors at the source, too: {len(errors)}")
    return "\n".join(lines)


def listing(findings: Sequence[Finding], judgement: Judgement) -> list[str]:
    """One line per statement and reason of that judgement, with the ways in which it came."""
    ways: dict[tuple[Query, str], list[str]] = {}
    for finding in findings:
        if finding.verdict.judgement is judgement:
            key = (finding.query, " ".join(finding.verdict.reason.split()))
            ways.setdefault(key, []).append(finding.way.value)
    return [
        f"{query.kind} | {','.join(names)} | {reason} | {query.one_line[:STATEMENT_CHARACTERS_MAX]}"
        for (query, reason), names in ways.items()
    ]
