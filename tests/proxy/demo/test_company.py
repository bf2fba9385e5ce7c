"""The sample company: whole, the same each time, with its stories, closed to writers."""

from __future__ import annotations

import asyncpg
import pytest

from policies.secret import Secret
from proxy.demo import company

from .conftest import LoadedCompany

ROWS_MIN = 290_000
ROWS_MAX = 350_000

# count and a sum that would change with any row: the same on every machine and version of Postgres.
FIGURES = {
    "select count(*) from sales.customers": 12_000,
    "select count(*) from sales.orders": 64_960,
    "select count(*) from sales.order_items": 148_443,
    "select count(*) from support.tickets": 16_453,
    "select count(*) from docs.documents": 4_003,
    "select count(*) from web.events": 30_000,
    "select count(*) from hr.employees": 600,
}


async def test_about_three_hundred_thousand_rows_in_named_steps(
    loaded_company: LoadedCompany,
) -> None:
    connection = await loaded_company.as_owner()
    try:
        tables = await connection.fetch(
            "select format('%I.%I', schemaname, tablename) as name from pg_tables"
            " where schemaname not in ('pg_catalog', 'information_schema')"
            " and tablename not like 'events\\_%'"
        )
        total = 0
        for table in tables:
            total += await connection.fetchval(f"select count(*) from {table['name']}")
    finally:
        await connection.close()
    assert ROWS_MIN < total < ROWS_MAX
    assert len(loaded_company.steps) == 8


@pytest.mark.parametrize("question", FIGURES)
async def test_figures_are_the_same_everywhere(
    loaded_company: LoadedCompany, question: str
) -> None:
    connection = await loaded_company.as_owner()
    try:
        assert await connection.fetchval(question) == FIGURES[question]
    finally:
        await connection.close()


@pytest.mark.parametrize(
    ("story", "holds"),
    [
        (
            "a total is the sum of its lines less the discount",
            "select not exists (select from sales.orders o join lateral (select sum(line_total) s"
            " from sales.order_items i where i.order_id = o.id) l on true"
            " where o.total <> round(l.s * (1 - o.discount), 2))",
        ),
        (
            "nobody orders before joining or after leaving",
            "select not exists (select from sales.orders o join sales.customers c"
            " on c.id = o.customer_id"
            " where o.placed_at < c.created_at or o.placed_at >= c.churned_on)",
        ),
        (
            "latin america leaves after the price rise",
            "select count(churned_on) > 0.2 * count(*) and min(churned_on) >= '2025-07-01'"
            " from sales.customers where region = 'latam' and churned_on >= '2025-07-01'"
            " or region = 'latam' and churned_on is null",
        ),
        (
            "one seller gives one customer what nobody else gets",
            "select count(distinct sold_by) = 1 and count(distinct customer_id) = 1"
            " and count(*) > 50 from sales.orders where discount >= 0.3",
        ),
        (
            "the petrel's battery fills the inbox from april 2026",
            "select count(*) filter (where topic = 'battery') > 0.25 * count(*)"
            " from support.tickets where opened_at >= '2026-04-01'",
        ),
        (
            "free text holds national ids that a mask on a column cannot reach",
            "select count(*) > 50 from support.tickets t join sales.customers c"
            " on c.id = t.customer_id where position(c.national_id in t.body) > 0",
        ),
        (
            "newcomers of grade four earn more than those who stayed",
            "select avg(salary) filter (where hired_on >= '2025-01-01')"
            " > 1.08 * avg(salary) filter (where hired_on < '2025-01-01')"
            " from hr.employees where grade = 4",
        ),
        (
            "below the heads everybody reports within the department",
            "select count(*) = 600 - 13 from hr.employees e join hr.employees m"
            " on m.id = e.manager_id and m.department_id = e.department_id where e.id > 13",
        ),
    ],
)
async def test_stories_hold(loaded_company: LoadedCompany, story: str, holds: str) -> None:
    connection = await loaded_company.as_owner()
    try:
        assert await connection.fetchval(holds) is True, story
    finally:
        await connection.close()


async def test_a_second_load_changes_nothing_but_the_password(
    loaded_company: LoadedCompany,
) -> None:
    steps: list[str] = []
    loaded = await company.load(
        loaded_company.cluster.connect,
        gate_password=loaded_company.gate_password,
        progress=steps.append,
    )
    assert not loaded
    assert steps == []


async def test_another_version_is_not_taken_for_this_one(
    loaded_company: LoadedCompany, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await company.is_loaded(loaded_company.cluster.connect)
    monkeypatch.setattr(company, "digest", lambda: "0" * 64)
    assert not await company.is_loaded(loaded_company.cluster.connect)


async def test_the_gate_reads_what_is_listed(loaded_company: LoadedCompany) -> None:
    connection = await loaded_company.as_gate()
    try:
        assert await connection.fetchval("select count(*) from hr.departments") == 12
        assert await connection.fetchval("select count(*) from sales.monthly_revenue") > 100
        assert await connection.fetchval("show default_transaction_read_only") == "on"
    finally:
        await connection.close()


@pytest.mark.parametrize(
    ("statement", "sqlstate"),
    [
        ("select * from hr.investigations", "42501"),
        ("select * from web.events_2025_first", "42501"),
        ("begin; set transaction read write; update hr.employees set salary = 0", "42501"),
        ("begin; set transaction read write; create temporary table t (a int)", "42501"),
        ("set role company_owner", "42501"),
        ("update hr.employees set salary = 0", "25006"),
        ("copy hr.departments to program 'true'", "42501"),
    ],
)
async def test_the_gate_cannot_do_more_than_read(
    loaded_company: LoadedCompany, statement: str, sqlstate: str
) -> None:
    connection = await loaded_company.as_gate()
    try:
        with pytest.raises(asyncpg.PostgresError) as refusal:
            await connection.execute(statement)
        assert refusal.value.sqlstate == sqlstate
    finally:
        await connection.close()


async def test_the_gates_account_is_nobody_special(loaded_company: LoadedCompany) -> None:
    connection = await loaded_company.as_owner()
    try:
        row = await connection.fetchrow(
            "select rolsuper, rolbypassrls, rolcreatedb, rolcreaterole, rolreplication,"
            " (select count(*) from pg_class where relowner = r.oid) as owned,"
            " (select count(*) from pg_auth_members where member = r.oid) as memberships"
            " from pg_roles r where rolname = $1",
            company.GATE_ROLE,
        )
    finally:
        await connection.close()
    assert row is not None
    assert not any(row.values())


async def test_a_wrong_password_is_refused(loaded_company: LoadedCompany) -> None:
    stranger = LoadedCompany(loaded_company.cluster, Secret("guess"), ())
    with pytest.raises(asyncpg.InvalidPasswordError):
        await stranger.as_gate()
