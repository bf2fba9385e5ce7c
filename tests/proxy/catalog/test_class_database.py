"""Goal: a class database is complete or absent, built once however many ask, and found again.

Method: the shared cluster, asked by several at once; a crash is a half-made database left behind.
"""

from __future__ import annotations

import asyncio

from proxy.catalog.class_database import class_name, drop_class, ensure_class, prepare_template
from proxy.catalog.shadow import Shadow
from proxy.catalog.virtual import SourceCatalog
from proxy.runtime.embedded import Cluster
from tests.proxy.catalog.conftest import DATABASE, seeing


async def test_many_at_once_build_one_database(
    cluster: Cluster, shadow: Shadow, company: SourceCatalog
) -> None:
    template = await prepare_template(cluster, DATABASE)
    catalog = seeing(company, {"public.customers": ["uid"]})
    made = await asyncio.gather(*(ensure_class(cluster, catalog, template) for _ in range(5)))
    assert all(oids == made[0] for oids in made)
    assert set(made[0].relations) == {("public", "customers")}


async def test_half_made_database_is_made_again(
    cluster: Cluster, shadow: Shadow, company: SourceCatalog
) -> None:
    template = await prepare_template(cluster, DATABASE)
    catalog = seeing(company, {"public.customers": ["uid", "id"]})
    name = class_name(catalog, template)
    superuser = await cluster.connect()
    await superuser.execute(f"CREATE ROLE {name}")
    await superuser.execute(f"CREATE DATABASE new_{name}")
    oids = await ensure_class(cluster, catalog, template)
    assert oids.relations
    left = "SELECT count(*) FROM pg_database WHERE datname = $1"
    assert await superuser.fetchval(left, f"new_{name}") == 0
    await superuser.close()


async def test_database_in_use_is_left_alone(
    cluster: Cluster, shadow: Shadow, company: SourceCatalog
) -> None:
    template = await prepare_template(cluster, DATABASE)
    catalog = seeing(company, {"public.customers": ["tags"]})
    await ensure_class(cluster, catalog, template)
    name = class_name(catalog, template)
    superuser, user = await cluster.connect(), await cluster.connect(name)
    await drop_class(superuser, name)
    there = "SELECT count(*) FROM pg_database WHERE datname = $1"
    assert await superuser.fetchval(there, name) == 1
    await user.close()
    while await superuser.fetchval(there, name):
        await drop_class(superuser, name)
    assert not await superuser.fetchval("SELECT count(*) FROM pg_roles WHERE rolname = $1", name)
    await superuser.close()


async def test_several_that_drop_one_class_at_once_do_no_harm(
    cluster: Cluster, shadow: Shadow, company: SourceCatalog
) -> None:
    template = await prepare_template(cluster, DATABASE)
    admins = [await cluster.connect() for _ in range(4)]
    for column in ("id", "name", "uid"):
        catalog = seeing(company, {"public.customers": [column, "attrs"]})
        await ensure_class(cluster, catalog, template)
        name = class_name(catalog, template)
        told = await asyncio.gather(*(drop_class(admin, name) for admin in admins))
        assert any(told)
        left = "SELECT count(*) FROM pg_database WHERE datname = $1"
        assert await admins[0].fetchval(left, name) == 0
    for admin in admins:
        await admin.close()


async def test_no_trace_of_dropped_columns_or_gaps(
    cluster: Cluster, shadow: Shadow, company: SourceCatalog
) -> None:
    template = await prepare_template(cluster, DATABASE)
    catalog = seeing(company, {"public.customers": ["active", "name"]})
    await ensure_class(cluster, catalog, template)
    connection = await cluster.connect(class_name(catalog, template))
    rows = await connection.fetch(
        "SELECT attname, attnum FROM pg_attribute WHERE attrelid = 'public.customers'::regclass"
        " AND attnum > 0 ORDER BY attnum"
    )
    await connection.close()
    assert [tuple(row) for row in rows] == [("name", 1), ("active", 2)]
