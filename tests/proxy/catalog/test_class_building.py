"""Goal: a part of a class is built as it is in the whole, and what cannot be built leaves nothing.

Method: two databases of the shared cluster, one with everything and one with some relations, to
which others are added; numbers are compared.
"""

from __future__ import annotations

import asyncpg
import pytest

from proxy.catalog import class_building
from proxy.catalog.class_building import build
from proxy.catalog.class_database import (
    class_name,
    draft_name,
    drop_class,
    ensure_class,
    ensure_draft,
    prepare_template,
)
from proxy.catalog.definition import definition
from proxy.catalog.shadow import Shadow
from proxy.catalog.virtual import SourceCatalog
from proxy.runtime.embedded import Cluster
from tests.proxy.catalog.conftest import DATABASE, everything

ORDERS = frozenset([("sales", "orders")])
VIEW = frozenset([("sales", "big_orders")])


async def test_a_draft_has_what_is_asked_for_numbered_as_in_the_whole(
    cluster: Cluster, shadow: Shadow, company: SourceCatalog
) -> None:
    template = await prepare_template(cluster, DATABASE)
    catalog = everything(company)
    whole = await ensure_class(cluster, catalog, template)
    first = await ensure_draft(cluster, catalog, template, ORDERS)
    both = await ensure_draft(cluster, catalog, template, ORDERS | VIEW)
    superuser = await cluster.connect()
    assert await drop_class(superuser, draft_name(class_name(catalog, template)))
    await superuser.close()
    assert set(first.relations) == ORDERS
    assert set(both.relations) == ORDERS | VIEW
    assert both.relations.items() <= whole.relations.items()
    assert (both.described, both.sources) == (whole.described, whole.sources)
    assert both.row_arrays.items() <= whole.row_arrays.items()


async def test_many_rows_are_written_in_parts(
    cluster: Cluster, shadow: Shadow, company: SourceCatalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(class_building, "ROWS_PER_STATEMENT", 3)
    template = await prepare_template(cluster, DATABASE)
    superuser = await cluster.connect()
    await superuser.execute(f"CREATE DATABASE t_parts TEMPLATE {template}")
    await build(cluster, "t_parts", definition(everything(company)))
    made = await cluster.connect("t_parts")
    count = "SELECT count(*) FROM pg_attribute WHERE attrelid = 'public.customers'::regclass"
    assert await made.fetchval(count + " AND attnum > 0") == 12
    with pytest.raises(asyncpg.UndefinedFileError):
        await made.fetch("SELECT * FROM public.customers")  # there is nothing to scan
    await made.close()
    await superuser.execute("DROP DATABASE t_parts")
    await superuser.close()
