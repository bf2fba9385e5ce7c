"""What a client reads through the gate equals what it reads directly, and the refused are known."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.fidelity import corpus, pinned
from tests.fidelity.comparison import Finding, compare_all, listing, stale_designs, table
from tests.fidelity.pair import serving
from tests.fidelity.verdict import Judgement
from tests.servers.postgres import Server

STATEMENTS_MIN = 1600
ANSWERED_SHARE_MIN = 0.8


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def findings(postgres_server: Server) -> AsyncIterator[list[Finding]]:
    """The whole corpus, asked once."""
    async with serving(postgres_server) as pair:
        yield await compare_all(pair, corpus.read())


async def test_nothing_is_different(findings: list[Finding]) -> None:
    different = listing(findings, Judgement.DIFFERENT)

    assert not different, "\n".join([table(findings), *different])


async def test_what_is_marked_as_intended_is_still_different(findings: list[Finding]) -> None:
    assert stale_designs(findings) == []


async def test_what_is_refused_is_the_pinned_list(findings: list[Finding]) -> None:
    assert pinned.found(findings) == pinned.read()


async def test_most_statements_are_answered_by_both(findings: list[Finding]) -> None:
    """Equal errors would make an empty corpus look perfect."""
    answered = [one for one in findings if one.is_answered]

    assert len(answered) > ANSWERED_SHARE_MIN * len(findings)


def test_corpus_is_large_and_without_repetitions() -> None:
    counted = Counter((query.one_line, query.arguments) for query in corpus.read())

    assert len(counted) >= STATEMENTS_MIN
    assert [text for text, times in counted.items() if times > 1] == []


def test_an_unknown_kind_is_an_error() -> None:
    with pytest.raises(ValueError, match="no such kind: nonsense"):
        corpus.read(["nonsense"])
