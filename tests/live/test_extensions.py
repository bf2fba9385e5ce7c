"""Extensions that the operator trusts, asked directly and through a gate: types, functions and
operators of citext, hstore and pgvector, and one that has no review.

The shadow's own Postgres has pgvector and none of the others: stand-ins answer for those.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from tests.fidelity.comparison import Finding, compare_all
from tests.fidelity.corpus import Query
from tests.fidelity.pair import serving
from tests.fidelity.verdict import Judgement
from tests.servers import install, postgres

SCHEMA = """
CREATE EXTENSION citext; CREATE EXTENSION hstore; CREATE EXTENSION vector;
CREATE SCHEMA trade; CREATE SCHEMA app; CREATE EXTENSION ltree SCHEMA app;
CREATE TABLE docs (
    id int PRIMARY KEY, email citext, attrs hstore, place app.ltree,
    embedding vector(3), tags citext[], half halfvec(3)
);
INSERT INTO docs VALUES
    (1, 'Ann@x.org', 'a=>1, b=>2', 'top.science', '[1,2,3]', '{A,b}', '[1,2,3]'),
    (2, 'bob@X.org', 'a=>3', 'top.art.x', '[3,2,1]', '{c}', '[1,1,1]'),
    (3, 'ANN@y.org', NULL, 'top', '[0,0,1]', NULL, NULL), (4, NULL, 'b=>NULL', NULL, NULL, '{}', NULL);
CREATE ROLE gate LOGIN PASSWORD 'gate password';
GRANT USAGE ON SCHEMA public, trade, app TO gate;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO gate;
ANALYZE;
"""
EXTENSIONS = (
    {"name": "citext"},
    {"name": "hstore"},
    {"name": "vector"},
    {
        "name": "ltree",
        "schema": "app",
        "types": ["ltree", "lquery"],
        "functions": ["nlevel", "subpath"],
        "total_operators": ["=(ltree,ltree)", "<@(ltree,ltree)", "@>(ltree,ltree)"],
    },
)
EQUAL = (
    "SELECT id FROM docs WHERE email = 'ann@X.ORG'",
    "SELECT id, email FROM docs WHERE email <> 'ann@X.ORG' ORDER BY email",
    "SELECT email, count(*) FROM docs GROUP BY email ORDER BY 1",
    "SELECT max(email), min(email) FROM docs",
    "SELECT max(id), min(email::text) FROM docs",
    "SELECT id FROM docs WHERE email LIKE 'ANN%' ORDER BY id",
    "SELECT id FROM docs WHERE email LIKE 'ann\\_%' OR email ~ '^BOB' ORDER BY id",
    "SELECT id FROM docs WHERE email IN ('ann@x.org', 'none') ORDER BY id",
    "SELECT split_part(email, 'X', 2), strpos(email, 'X'), replace(email, 'X', '-') FROM docs ORDER BY id",
    "SELECT split_part('aXbxc', 'x', 1), strpos('aX', 'x'), replace('aXx', 'x', '-')",
    "SELECT 'abc'::citext = 'ABC', 'abc'::citext < 'B'::citext, 'a'::citext::text = 'A'",
    "SELECT id, tags::text, 'B' = ANY (tags), lower(email), length(email) FROM docs ORDER BY id",
    "SELECT DISTINCT lower(email) FROM docs ORDER BY 1",
    "SELECT a.id, b.id FROM docs a JOIN docs b ON a.email = lower(b.email)::citext ORDER BY 1, 2",
    "SELECT id, attrs -> 'a', attrs ? 'b', attrs @> 'a=>1' FROM docs ORDER BY id",
    "SELECT id FROM docs WHERE attrs @> 'a=>1'::hstore",
    "SELECT id FROM docs WHERE attrs ?& ARRAY['a', 'b'] OR attrs ?| '{zz}'",
    "SELECT id, akeys(attrs), avals(attrs), attrs -> ARRAY['b', 'a'] FROM docs ORDER BY id",
    "SELECT d.id, e.key, e.value FROM docs d, each(d.attrs) e ORDER BY 1, 2",
    "SELECT e.* FROM each('x=>1'::hstore) e",
    "SELECT key FROM docs, each(attrs) ORDER BY 1",
    "SELECT skeys(attrs) FROM docs WHERE id = 1 ORDER BY 1",
    "SELECT attrs || 'z=>9', attrs - 'a'::text, hstore_to_json(attrs), attrs::jsonb FROM docs ORDER BY id",
    "SELECT hstore(ARRAY['a', 'b'], ARRAY['1', '2']), hstore('k', 'v') -> 'k', %% 'a=>1'::hstore",
    "SELECT hstore(d) -> 'id' FROM docs d WHERE id = 1",
    "SELECT attrs, count(*) FROM docs GROUP BY attrs ORDER BY attrs",
    "SELECT count(DISTINCT attrs) FROM docs",
    "SELECT public.hstore_to_jsonb(attrs) FROM public.docs WHERE id = 2",
    "SELECT id, embedding <-> '[1,1,1]' FROM docs ORDER BY embedding <-> '[1,1,1]' LIMIT 2",
    "SELECT id, embedding <=> '[1,1,1]', embedding <#> '[1,1,1]', l2_distance(embedding, '[1,1,1]') FROM docs ORDER BY 1",
    "SELECT avg(embedding), sum(embedding), vector_dims(avg(embedding)) FROM docs",
    "SELECT avg(id), sum(id) FROM docs",
    "SELECT embedding + '[1,1,1]', embedding::vector(3), '[1,2]'::vector, embedding::real[] FROM docs ORDER BY id",
    "SELECT id FROM docs WHERE embedding = '[1,2,3]' OR half = '[1,1,1]' ORDER BY id",
    "SELECT id, half <-> '[0,0,0]', half::vector FROM docs ORDER BY 1",
    "SELECT id FROM docs WHERE embedding <-> '[1,2,3]' < 1",
    "SELECT id, nlevel(place), app.subpath(place, 0, 1) FROM docs ORDER BY id",
    "SELECT id FROM docs WHERE place <@ 'top.science' OR place = 'top' ORDER BY id",
    "SELECT 'a.b'::ltree, 'a.b'::app.ltree @> 'a.b.c'",
)
REFUSED = (
    "SELECT populate_record(NULL::docs, attrs) FROM docs",
    "SELECT populate_record(d, attrs) FROM docs d",
    "SELECT d #= attrs FROM docs d",
    "SELECT texticlike(email, 'x') FROM docs",
    "SELECT hstore_send(attrs) FROM docs",
    "SELECT lca(place, place) FROM docs",
    "SELECT id FROM docs WHERE place ~ 'top.*'",
    "SELECT id FROM docs WHERE place < 'top'",
    "SELECT 'top'::ltxtquery",
)


@pytest.fixture(scope="module")
def server() -> Iterator[postgres.Server]:
    """PostgreSQL 16 with contrib and pgvector."""
    install.postgres_with_vector(postgres.DEFAULT_MAJOR)
    with postgres.running(postgres.DEFAULT_MAJOR) as started:
        yield started


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def findings(server: postgres.Server) -> AsyncIterator[list[Finding]]:
    """Every statement, asked directly and through the gate, in every way."""
    texts = (*EQUAL, *REFUSED)
    queries = [Query("extensions", line, text) for line, text in enumerate(texts)]
    async with serving(server, SCHEMA, extensions=EXTENSIONS) as pair:
        yield await compare_all(pair, queries)


def test_what_is_trusted_answers_as_it_does_directly(findings: list[Finding]) -> None:
    unlike = [
        f"{one.way}: {one.verdict} {one.query.text}"
        for one in findings
        if one.query.text in EQUAL
        and (one.verdict.judgement is not Judgement.EQUAL or not one.is_answered)
    ]

    assert unlike == []


def test_what_is_not_trusted_is_refused(findings: list[Finding]) -> None:
    answered = [
        f"{one.way}: {one.is_answered} {one.verdict} {one.query.text}"
        for one in findings
        if one.query.text in REFUSED and one.verdict.judgement is Judgement.EQUAL
    ]

    assert answered == []
