"""Goal: statements are type-checked without being run, catalog statements answered without a trace.

Method: one real shadow; what a statement would have changed is looked for afterwards.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from policies.model import VisibleColumn
from proxy.catalog import class_links
from proxy.catalog import shadow_class as module
from proxy.catalog.shadow import Shadow
from proxy.catalog.shadow_class import ShadowClass
from proxy.catalog.virtual import (
    ClassCatalog,
    Column,
    Relation,
    SourceCatalog,
    TypeDefinition,
    class_catalog,
)
from proxy.faults import Fault, LimitFault
from proxy.runtime.embedded import Cluster
from tests.proxy.catalog.conftest import everything, seeing

PUBLIC = ("public",)


@pytest.fixture
async def asked(shadow: Shadow, company: SourceCatalog) -> ShadowClass:
    return await shadow.class_for(everything(company))


def texts(rows: module.ShadowRows) -> list[tuple[str | None, ...]]:
    return [
        tuple(None if value is None else value.decode() for value in row)
        for batch in rows.batches
        for row in batch.rows()
    ]


# Describe


async def test_describe_gives_types_origins_and_parameters(asked: ShadowClass) -> None:
    described = await asked.describe(
        "SELECT o.id, amount, c.mood AS m, 1 + $1 AS n FROM sales.orders o JOIN customers c"
        " ON c.id = customer_id WHERE o.amount > $2",
        (),
        PUBLIC,
    )
    oids = await asked.oids()
    orders, customers = oids.relations["sales", "orders"], oids.relations["public", "customers"]
    assert described.fields is not None
    told = [(f.name, f.table_oid, f.column_number, f.type_modifier) for f in described.fields]
    assert told == [
        ("id", orders, 1, -1),
        ("amount", orders, 3, 786438),
        ("m", customers, 4, -1),
        ("n", 0, 0, -1),
    ]
    assert described.parameter_oids == (23, 1700)


async def test_describe_keeps_declared_parameter_types(asked: ShadowClass) -> None:
    described = await asked.describe("SELECT $1", (20,), PUBLIC)
    assert described.parameter_oids == (20,)


async def test_statement_without_result_has_no_fields(asked: ShadowClass) -> None:
    assert (await asked.describe("SET work_mem = '1MB'", (), PUBLIC)).fields is None
    assert (await asked.describe("SELECT", (), PUBLIC)).fields == ()


@pytest.mark.parametrize(
    ("sql", "sqlstate", "message", "position"),
    [
        ("SELECT idd FROM customers", "42703", 'column "idd" does not exist', 8),
        ("SELECT 1 FROM nothing", "42P01", 'relation "nothing" does not exist', 15),
        ("SELECT 'ü' = ano()", "42883", "function ano() does not exist", 14),
        ("SELECT id + name FROM customers", "42883",
         "operator does not exist: integer + character varying", 11),
        ("SELECT name FROM customers GROUP BY active", "42803",
         'column "customers.name" must appear in the GROUP BY clause or be used in an aggregate'
         " function", 8),
        ("SELECT 1; SELECT 2", "42601",
         "cannot insert multiple commands into a prepared statement", None),
    ],
)  # fmt: skip
async def test_errors_are_postgres_own(
    asked: ShadowClass, sql: str, sqlstate: str, message: str, position: int | None
) -> None:
    with pytest.raises(Fault) as caught:
        await asked.describe(sql, (), PUBLIC)
    assert caught.value.sqlstate == sqlstate
    assert caught.value.message == message
    assert caught.value.position == position


async def test_hidden_and_absent_give_the_same_error(
    shadow: Shadow, company: SourceCatalog
) -> None:
    few = await shadow.class_for(seeing(company, {"public.customers": ["id", "name"]}))

    async def fault(sql: str) -> list[object]:
        with pytest.raises(Fault) as caught:
            await few.describe(sql, (), PUBLIC)
        told = caught.value
        return [told.message, told.sqlstate, told.hint, told.detail, told.position]

    hidden, absent = await fault("SELECT 1 FROM salaries"), await fault("SELECT 1 FROM salariez")
    assert [str(part).replace("salariez", "salaries") for part in absent] == list(map(str, hidden))
    hidden, absent = (
        await fault("SELECT mail FROM customers"),
        await fault("SELECT mailz FROM customers"),
    )
    assert [str(part).replace("mailz", "mail") for part in absent] == list(map(str, hidden))


async def test_describe_follows_search_path_on_one_link(asked: ShadowClass) -> None:
    for path, is_found in (
        (PUBLIC, False),
        (("sales",), True),
        ((), False),
        (("x", "sales"), True),
    ):
        if is_found:
            await asked.describe("SELECT 1 FROM orders", (), path)
            continue
        with pytest.raises(Fault) as caught:
            await asked.describe("SELECT 1 FROM orders", (), path)
        assert caught.value.sqlstate == "42P01"


async def test_describe_executes_nothing(asked: ShadowClass) -> None:
    for sql in ("CREATE TABLE made (a int)", "DROP TABLE customers", "DO 'BEGIN END'",
                "SELECT set_config('search_path', 'hr', false)", "LISTEN x"):  # fmt: skip
        await asked.describe(sql, (), PUBLIC)
    assert texts(await asked.run("SELECT 1 FROM pg_class WHERE relname = 'made'")) == []
    assert texts(await asked.run("SELECT current_setting('search_path')")) == [("public",)]


async def test_descriptions_are_remembered(asked: ShadowClass) -> None:
    first = await asked.describe("SELECT 41", (), PUBLIC)
    assert await asked.describe("SELECT 41", (), PUBLIC) is first
    assert await asked.describe("SELECT 41", (), ("sales",)) is not first


# Run


async def test_run_takes_parameters_and_formats(asked: ShadowClass) -> None:
    rows = await asked.run(
        "SELECT $1 + 1, relname FROM pg_class WHERE relname = $2",
        [(41).to_bytes(4, "big"), b"customers"],
        [1, 0],
        [1, 0],
        parameter_oids=[23, 19],
    )
    assert rows.description is not None
    assert [field.format for field in rows.description.fields] == [1, 0]
    assert list(rows.batches[0].rows()) == [((42).to_bytes(4, "big"), b"customers")]
    assert rows.command_tag == "SELECT 1"


async def test_what_a_statement_sets_is_gone_after_it(asked: ShadowClass) -> None:
    await asked.run(
        "SELECT set_config('search_path', 'hr', false), set_config('statement_timeout', '0', false)"
    )
    for _ in range(class_links.ANSWERING_MAX + 1):
        told = await asked.run(
            "SELECT current_setting('search_path'), current_setting('statement_timeout'),"
            " current_setting('transaction_read_only')"
        )
        assert texts(told) == [("public", "10s", "on")]


async def test_copy_is_told_in_the_client_s_frames_and_counts_rows(asked: ShadowClass) -> None:
    sql = "COPY (SELECT g, current_schema() FROM generate_series(1, 2) g) TO STDOUT (FORMAT csv, HEADER)"
    rows = await asked.run(sql, is_copy=True)
    frames = b"".join(batch.data for batch in rows.batches)
    assert [chr(frame) for frame in (frames[0], frames[-5])] == ["H", "c"]
    assert [
        part for part in (b"g,current_schema\n", b"1,public\n", b"2,public\n") if part not in frames
    ] == []
    assert sum(batch.count for batch in rows.batches) == 2
    with pytest.raises(Fault, match="permission denied"):
        await asked.run("COPY (SELECT * FROM pg_authid) TO STDOUT", is_copy=True)
    assert texts(await asked.run("SELECT 1")) == [("1",)]


async def test_xml_is_typed_and_never_read(asked: ShadowClass) -> None:
    described = await asked.describe("SELECT xml '<not closed', xpath('/a', '<a/>')", (), PUBLIC)
    assert described.fields is not None
    assert [field.type_oid for field in described.fields] == [142, 143]


async def test_error_leaves_the_link_usable(asked: ShadowClass) -> None:
    for _ in range(3):
        with pytest.raises(Fault) as caught:
            await asked.run("SELECT 1/(relnatts - relnatts) FROM pg_class")
        assert caught.value.sqlstate == "22012"
        assert texts(await asked.run("SELECT 1")) == [("1",)]


async def test_bomb_ends_by_timeout(
    asked: ShadowClass, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = (await asked._wholly()).name
    superuser = await cluster.connect()
    await superuser.execute(f"ALTER ROLE {name} SET statement_timeout = '200ms'")
    asked.forget()
    with pytest.raises(Fault) as caught:
        await asked.run("SELECT count(*) FROM pg_proc a, pg_proc b, pg_proc c")
    assert caught.value.sqlstate == "57014"
    await superuser.execute(f"ALTER ROLE {name} SET statement_timeout = '5s'")
    await superuser.close()
    asked.forget()


async def test_huge_answer_is_refused(asked: ShadowClass, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RESULT_BYTES_MAX", 100_000)
    with pytest.raises(LimitFault):
        await asked.run("SELECT * FROM pg_proc")
    assert texts(await asked.run("SELECT 1")) == [("1",)]


# Links


async def test_many_at_once_share_few_links(asked: ShadowClass, cluster: Cluster) -> None:
    answers = await asyncio.gather(*(asked.run(f"SELECT {number}") for number in range(40)))
    assert [texts(rows) for rows in answers] == [[(str(number),)] for number in range(40)]
    assert len((await asked._wholly()).links.idle) <= class_links.ANSWERING_MAX


async def test_killed_backend_is_replaced_unseen(asked: ShadowClass, cluster: Cluster) -> None:
    await asked.run("SELECT 1")
    superuser = await cluster.connect()
    await superuser.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_get_activity(NULL) WHERE pid <> $1",
        await superuser.fetchval("SELECT pg_backend_pid()"),
    )
    await superuser.close()
    assert texts(await asked.run("SELECT 2")) == [("2",)]


async def test_worn_link_is_recycled(asked: ShadowClass, monkeypatch: pytest.MonkeyPatch) -> None:
    asked.forget()
    monkeypatch.setattr(class_links, "STATEMENTS_PER_LINK_MAX", 4)
    backends = [texts(await asked.run("SELECT pg_backend_pid()"))[0][0] for _ in range(6)]
    assert backends[0] == backends[1]
    assert len(set(backends)) >= 2


async def test_cancelled_question_closes_its_link_only(asked: ShadowClass) -> None:
    task = asyncio.ensure_future(asked.run("SELECT count(*) FROM pg_proc a, pg_proc b, pg_proc c"))
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert asked.users == 0
    assert texts(await asked.run("SELECT 3")) == [("3",)]


# Types and names


def one_table(columns: tuple[Column, ...], *types: TypeDefinition, name: str = "t") -> ClassCatalog:
    relation = Relation("main", "public", name, "r", columns)
    source = SourceCatalog("main", 160014, {relation.key: relation}, {t.oid: t for t in types})
    return class_catalog(
        [source], {relation.key: [VisibleColumn(column.name, None) for column in columns]}
    )


async def test_oids_of_enums_arrays_and_stand_ins_are_mapped(shadow: Shadow) -> None:
    mood = TypeDefinition(90_010, "public", "mood", "e", 90_011, labels=("a",))
    citext = TypeDefinition(90_020, "public", "citext", "b", 90_021, extension="citext")
    asked = await shadow.class_for(
        one_table(
            (
                Column("m", 90_010, "public.mood", 1),
                Column("ms", 90_011, "public.mood[]", 2, element_oid=90_010),
                Column("c", 90_020, "public.citext", 3),
                Column("cs", 90_021, "public.citext[]", 4, element_oid=90_020),
            ),
            mood,
            citext,
        )
    )
    described = await asked.describe("SELECT * FROM t WHERE m = $1", (), PUBLIC)
    oids = await asked.oids()
    assert described.fields is not None
    for field, source_oid in zip(described.fields, (90_010, 90_011, 90_020, 90_021), strict=True):
        assert oids.described["main", source_oid] == field.type_oid
    assert oids.described["main", 90_020] == 25
    assert oids.sources["main", described.parameter_oids[0]] == 90_010


@pytest.mark.parametrize(
    "name",
    ["select", 'quo"te', "dots.and.more", "new\nline", "back\\slash", "UPPER", " ", "$user", "é" * 31,
     "🙂" * 15, "'; DROP SCHEMA public; --", "%s %I $1"],
)  # fmt: skip
async def test_any_name_works(shadow: Shadow, name: str) -> None:
    columns = (Column(name, 23, "integer", 1, comment=name),)
    catalog = one_table(columns, name=name)
    asked = await shadow.class_for(catalog)
    quoted = '"' + name.replace('"', '""') + '"'
    described = await asked.describe(f"SELECT {quoted} FROM {quoted}", (), PUBLIC)
    assert described.fields is not None
    assert [field.name for field in described.fields] == [name]
    rows = await asked.run(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"
    )
    assert texts(rows) == [(name,)]


async def test_relation_kinds_are_told_and_bodies_are_not(
    asked: ShadowClass, shadow: Shadow, company: SourceCatalog
) -> None:
    rows = await asked.run(
        "SELECT relname, relkind FROM pg_class WHERE relname IN ('orders', 'mv', 'big_orders')"
        " ORDER BY 1"
    )
    assert texts(rows) == [("big_orders", "v"), ("mv", "m"), ("orders", "r")]
    body = texts(await asked.run("SELECT pg_get_viewdef('sales.big_orders'::regclass)"))
    assert "1000" not in str(body)
    foreign = replace(next(iter(company.relations.values())), kind="f")
    other = replace(company, relations={foreign.key: foreign})
    rows = await (await shadow.class_for(everything(other))).run(
        "SELECT relkind FROM pg_class WHERE relname = $1", [foreign.name.encode()]
    )
    assert texts(rows) == [("f",)]
