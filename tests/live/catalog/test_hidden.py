"""Goal: the catalog tells a principal nothing of what it may not see: no name, text, count or gap.

Method: two worlds with a gate each. In one the source is full of things that the clerk may not see,
each of which bears a mark, and other people have used the gate before; the source of the other
holds only what the clerk sees. The clerk asks both the 443 statements of the corpus and reads every
catalog relation that the gate allows, in text and in binary. Every answer must be the same, byte by
byte, numbers of objects included; and the mark must be nowhere.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from proxy.catalog import route
from proxy.catalog.shadow import MAJOR_NEW, MAJOR_OLD
from tests.live.catalog.asking import Reply, ask, oid_finder
from tests.live.catalog.stage import CLERKS_PART, COMPANY, HIDDEN, MARK, Stage, serving
from tests.live.wire import RawClient
from tests.proxy.catalog.queries import Entry, entries

Worlds = tuple[Stage, Stage]

# It tells of the very statement that reads it, with the time.
NOT_COMPARED = frozenset({"pg_cursors"})


@pytest_asyncio.fixture(scope="module", loop_scope="session", params=[MAJOR_OLD, MAJOR_NEW])
async def worlds(request: pytest.FixtureRequest) -> AsyncIterator[Worlds]:
    """The full world, in which all-seeing classes were built first, and the clerk's."""
    major = request.param
    async with serving(COMPANY + HIDDEN, major) as full, serving(CLERKS_PART, major) as small:
        for role in ("analyst", "stranger"):
            client = await full.client(role)
            reply = await ask(client, Entry(0, role, "SELECT count(*) FROM pg_class"))
            assert not reply.error
            client.close()
        yield full, small


async def test_marked_things_are_there(worlds: Worlds) -> None:
    """Or the tests below would prove nothing."""
    client = await worlds[0].client("analyst")
    text = "SELECT relname FROM pg_class UNION SELECT attname FROM pg_attribute"
    reply = await ask(client, Entry(0, "analyst", text))
    client.close()
    found = {row[0] for row in reply.rows}
    assert {b"zqtable", b"zqcolumn", b"zqview", b"zqmail"} <= found


async def test_the_corpus_is_answered_alike_in_both_worlds(worlds: Worlds) -> None:
    full, small = await clerks(worlds)
    everything = await worlds[0].client("analyst")
    hidden = await oid_finder(everything)
    own = await oid_finder(small)
    wrong: list[str] = []
    for entry in entries():
        # What it sees, and what it must not reach by number; most entries hold no number.
        for asked in {entry.with_oids(own), entry.with_oids(hidden)}:
            wrong += await differing(full, small, asked)
    for client in (full, small, everything):
        client.close()
    print("\n".join(wrong))
    assert wrong == []


async def test_every_catalog_relation_is_alike_in_both_worlds(worlds: Worlds) -> None:
    full, small = await clerks(worlds)
    wrong: list[str] = []
    asked = 0
    for schema, names in (
        ("pg_catalog", route.ALLOWED - NOT_COMPARED),
        ("information_schema", route.INFORMATION_SCHEMA_ALLOWED),
    ):
        for name in sorted(names):
            relation = f"{schema}.{name}"
            for text in (f"SELECT * FROM {relation}", f"SELECT count(*) FROM {relation}"):
                wrong += await differing(full, small, Entry(asked, relation, text))
                asked += 1
    text = "SELECT oid, xmin, xmax, cmin, age(xmin), ctid, tableoid, c::text FROM pg_class c"
    wrong += await differing(full, small, Entry(0, "system columns", text))
    full.close()
    small.close()
    print("\n".join(wrong))
    assert wrong == []
    assert asked > 300


async def test_names_that_are_hidden_and_absent_get_one_answer(worlds: Worlds) -> None:
    full, small = await clerks(worlds)
    wrong: list[str] = []
    for text in (
        "SELECT 'zqschema.zqtable'::regclass",
        "SELECT to_regclass('public.zqview')::oid",
        "SELECT 'public.zqmood'::regtype",
        "SELECT 'zqschema'::regnamespace",
        "SELECT 'zqrole'::regrole",
        "SELECT 'public.zqfunction'::regproc",
        "SELECT to_regrole('zqrole')::oid",
        "SELECT has_table_privilege('zqschema.zqtable', 'select')",
        "SELECT has_schema_privilege('zqschema', 'usage')",
        "SELECT has_column_privilege('public.customers', 'zqcolumn', 'select')",
        "SELECT pg_get_serial_sequence('zqschema.zqtable', 'zqid')",
        "SELECT pg_size_pretty(pg_total_relation_size('pg_catalog.pg_authid'))",
        "SELECT zqcolumn FROM public.customers",
        "SELECT * FROM zqschema.zqtable",
        "SELECT obj_description('zqschema.zqtable'::regclass)",
        "SELECT format_type(t, NULL) FROM generate_series(16384, 17384) t WHERE t IN"
        " (SELECT oid FROM pg_type)",
        "SELECT pg_get_userbyid(n::oid) FROM generate_series(16384, 16484) n",
        "SELECT pg_describe_object(1259, n::oid, 0) FROM generate_series(16384, 16584) n",
    ):
        one, other = await ask(full, Entry(0, "", text)), await ask(small, Entry(0, "", text))
        if one.data != other.data:
            wrong.append(f"{text}: {one} {other}")
    full.close()
    small.close()
    print("\n".join(wrong))
    assert wrong == []


async def clerks(worlds: Worlds) -> tuple[RawClient, RawClient]:
    return await worlds[0].client("clerk"), await worlds[1].client("clerk")


async def differing(full: RawClient, small: RawClient, entry: Entry) -> list[str]:
    """What is wrong with one entry, in text and in binary."""
    wrong = []
    for result_format in (0, 1):
        one = await ask(full, entry, result_format)
        other = await ask(small, entry, result_format)
        if MARK.encode() in one.data.lower():
            wrong.append(f"{entry.number} {entry.client} tells: {one}")
        if one.data != other.data:
            wrong.append(f"{entry.number} {entry.client} {result_format}: {apart(one, other)}")
    return wrong


def apart(one: Reply, other: Reply) -> str:
    rows = [row for row in one.rows if row not in other.rows][:2]
    more = [row for row in other.rows if row not in one.rows][:2]
    return f"{one.error} | {other.error} | {rows} | {more} | {one.columns == other.columns}"
