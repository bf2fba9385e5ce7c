"""Goal: the source catalog says what the live server has, on each supported major.

Method: the fixture company on a real server, read back; drift is made by real DDL.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import asyncpg
import pytest

from policies.model import RelationKey
from proxy.catalog import introspect as module
from proxy.catalog.introspect import introspect, text_rules
from proxy.catalog.virtual import CatalogError, ForeignKey, Relation, TextRules
from tests.servers import postgres

FIXTURE = Path(__file__).with_name("fixture.sql").read_text()

MORE = '''
CREATE DOMAIN public.short_email AS public.email NOT NULL;
CREATE TABLE public.odd (
    "MiXed ""q""" text COLLATE "C",
    home public.addr,
    mails public.short_email[],
    whole public.customers,
    note text COLLATE public.loose,
    gone int
);
ALTER TABLE public.odd DROP COLUMN gone;
ALTER TABLE public.odd ADD COLUMN late public.short_email;
'''
LOOSE = "CREATE COLLATION public.loose (provider = icu, locale = 'und', deterministic = false);"


@pytest.fixture(params=[14, 16, 18])
async def connection(
    request: pytest.FixtureRequest, postgres_of: object
) -> AsyncIterator[asyncpg.Connection]:
    server: postgres.Server = postgres_of(request.param)  # type: ignore[operator]
    name = f"introspect_{request.param}"
    with server.database(name):
        made = await asyncpg.connect(
            host="127.0.0.1",
            port=server.port,
            user=postgres.USER,
            password=postgres.PASSWORD,
            database=name,
            ssl=False,
        )
        await made.execute(FIXTURE + LOOSE + MORE)
        yield made
        await made.close()


def key(schema: str, name: str) -> RelationKey:
    return RelationKey("main", schema, name)


async def test_company_is_read_back(connection: asyncpg.Connection) -> None:
    catalog = await introspect(connection, "main")

    kinds = {f"{k.schema}.{k.name}": r.kind for k, r in catalog.relations.items()}
    assert kinds == {
        "hr.salaries": "r",
        "public.customers": "r",
        "public.events": "p",
        "public.events_2025": "r",
        "public.odd": "r",
        "sales.big_orders": "v",
        "sales.mv": "m",
        "sales.order_items": "r",
        "sales.orders": "r",
    }
    customers = catalog.relations[key("public", "customers")]
    assert customers.primary_key == ("id",)
    assert customers.unique_keys == (("uid",),)
    assert customers.comment == "All customers"
    types = {column.name: column.type_name for column in customers.columns}
    assert types["email"] == "public.email"
    assert types["balance"] == "numeric(12,2)"
    orders = catalog.relations[key("sales", "orders")]
    total, identity = orders.column("total"), orders.column("id")
    assert total is not None
    assert identity is not None
    assert (total.generated, identity.identity, identity.not_null) == ("s", "a", True)
    expected = ForeignKey(
        "orders_customer_id_fkey", ("customer_id",), "public", "customers", ("id",), "a", "c"
    )
    assert orders.foreign_keys == (expected,)
    assert catalog.relations[key("public", "events_2025")].is_partition
    assert catalog.schema_comments["sales"] == "Sales mart"
    assert catalog.server_version == int(
        await connection.fetchval("SELECT current_setting('server_version_num')")
    )


async def test_types_collations_and_gaps(connection: asyncpg.Connection) -> None:
    catalog = await introspect(connection, "main")
    odd = catalog.relations[key("public", "odd")]
    columns = {column.name: column for column in odd.columns}

    assert list(columns) == ['MiXed "q"', "home", "mails", "whole", "note", "late"]
    assert [column.position for column in odd.columns] == [1, 2, 3, 4, 5, 7]
    assert (columns['MiXed "q"'].collation, columns['MiXed "q"'].is_deterministic) == ("C", True)
    assert (columns["note"].collation, columns["note"].is_deterministic) == ("loose", False)
    late = columns["late"]
    assert (late.type_kind, late.base_type_oid) == ("d", 25)
    by_name = {definition.name: definition for definition in catalog.types.values()}
    assert set(by_name) == {"mood", "addr", "email", "short_email", "customers"}
    assert by_name["mood"].labels == ("sad", "ok", "happy")
    assert [a.type_name for a in by_name["addr"].attributes] == ["text", "character varying(10)"]
    assert by_name["customers"].is_row_type
    assert by_name["short_email"].not_null
    assert columns["mails"].element_oid == by_name["short_email"].oid


async def test_fingerprint_follows_columns_only(connection: asyncpg.Connection) -> None:
    async def read() -> Relation:
        return (await introspect(connection, "main")).relations[key("hr", "salaries")]

    before = await read()
    await connection.execute("COMMENT ON TABLE hr.salaries IS 'pay'; ANALYZE hr.salaries")
    commented = await read()
    assert (commented.fingerprint, commented.comment) == (before.fingerprint, "pay")
    await connection.execute("ALTER TABLE hr.salaries ALTER ssn TYPE varchar(11)")
    retyped = await read()
    assert retyped.fingerprint != before.fingerprint
    await connection.execute("ALTER TABLE hr.salaries RENAME ssn TO national_id")
    assert (await read()).fingerprint != retyped.fingerprint


async def test_schemas_narrow_it(connection: asyncpg.Connection) -> None:
    catalog = await introspect(connection, "main", ["hr"])
    assert list(catalog.relations) == [key("hr", "salaries")]
    assert catalog.types == {}


async def test_too_many_relations_are_refused(
    connection: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RELATIONS_MAX", 3)
    with pytest.raises(CatalogError, match="more than 3 relations"):
        await introspect(connection, "main")


@pytest.mark.parametrize(("version", "major"), [(130_012, 13), (190_000, 19), (90_624, 9)])
def test_unsupported_versions_are_refused_by_number(version: int, major: int) -> None:
    with pytest.raises(CatalogError, match=rf"PostgreSQL {major}; supported are 14 to 18"):
        module._check_version("main", version)


C_UTF8 = {"datcollate": "C.UTF-8", "datctype": "C.UTF-8"}


@pytest.mark.parametrize(
    ("database", "collate", "ctype"),
    [
        # PostgreSQL 14 knows one provider and does not name it.
        ({"datcollate": "C", "datctype": "C"}, "C", "C"),
        ({"datcollate": "POSIX", "datctype": "POSIX"}, "C", "C"),
        ({"datcollate": "en_US.utf8", "datctype": "en_US.utf8"}, "en_US.UTF-8", "en_US.UTF-8"),
        ({"datlocprovider": "c", "datcollate": "de_DE.UTF8", "datctype": "C"}, "de_DE.UTF-8", "C"),
        ({"datlocprovider": "c", "datcollate": "en_US", "datctype": "en_US"}, "en_US", "en_US"),
        # By code point, as C orders; but what a letter is, C does not know.
        ({"datlocprovider": "c", **C_UTF8}, "C", "C.UTF-8"),
        ({"datcollate": "C.utf8", "datctype": "C.utf8"}, "C", "C.UTF-8"),
        ({"datlocprovider": "c", "datcollate": None, "datctype": None}, "C", "C"),
        # libc's columns are there for ICU and the built-in provider too, and say nothing.
        ({"datlocprovider": "i", "daticulocale": "und", **C_UTF8}, "icu:und", "icu:und"),
        ({"datlocprovider": "i", "datlocale": "de-AT", **C_UTF8}, "icu:de-AT", "icu:de-AT"),
        ({"datlocprovider": "b", "datlocale": "C", **C_UTF8}, "C", "C"),
        ({"datlocprovider": "b", "datlocale": "C.UTF-8", **C_UTF8}, "C", "builtin:C.UTF-8"),
        ({"datlocprovider": "b", "datlocale": "PG_UNICODE_FAST", **C_UTF8}, "C",
         "builtin:PG_UNICODE_FAST"),
    ],
)  # fmt: skip
def test_the_rules_of_texts_of_a_database(
    database: dict[str, str | None], collate: str, ctype: str
) -> None:
    assert text_rules(database) == TextRules(collate, ctype)


@pytest.mark.parametrize("major", postgres.MAJORS)
async def test_the_rules_of_texts_of_a_live_database(
    major: int, postgres_of: Callable[[int], postgres.Server]
) -> None:
    server = postgres_of(major)
    made = ["ENCODING UTF8 TEMPLATE template0", "LOCALE 'C.UTF-8'"]
    if major >= 17:
        made.append("LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8'")
    with server.connect() as admin:
        admin.execute(f"CREATE DATABASE rules_of_texts {' '.join(made)}".encode())
    try:
        connection = await asyncpg.connect(server.dsn_of("rules_of_texts", tls=False))
        found = (await introspect(connection, "main")).text_rules
        await connection.close()
    finally:
        with server.connect() as admin:
            admin.execute("DROP DATABASE rules_of_texts")
    assert found == TextRules("C", "builtin:C.UTF-8" if major >= 17 else "C.UTF-8")
