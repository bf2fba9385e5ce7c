"""An agent works with the company over stdio, as two people: what it finds, and how it fails."""

from __future__ import annotations

from collections.abc import AsyncIterator

import anyio
import pytest
import pytest_asyncio
from mcp import Client

from proxy.runtime.audit.query import records
from sidecars.mcp.app import Instructions
from sidecars.mcp.limits import ToolLimits
from tests.sidecars.mcp.agent import held, over_stdio, read, read_error
from tests.sidecars.mcp.conftest import ENDLESS, Company, until_endless


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def alice(sample: Company) -> AsyncIterator[Client]:
    server = over_stdio(Instructions(gate=sample.gate_url), sample.token("alice"))
    async with held(server) as client:
        yield client


async def test_tools_say_what_they_are_for(alice: Client) -> None:
    tools = {tool.name: tool for tool in (await alice.list_tools()).tools}

    assert set(tools) == {"describe", "query", "explain_policy"}
    for tool in tools.values():
        assert tool.annotations is not None
        assert tool.annotations.read_only_hint
        assert len(tool.description or "") > 100
    assert tools["query"].input_schema["required"] == ["sql"]
    assert "masked" in (alice.instructions or "")


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_two_people_see_two_companies(sample: Company, mode: str) -> None:
    seen = {}
    for name in ("alice", "carol"):
        instructions = Instructions(gate=sample.gate_url)
        async with over_stdio(instructions, sample.token(name), mode=mode) as client:
            overview = read(await client.call_tool("describe", {}))
            answer = read(
                await client.call_tool("query", {"sql": "select count(*) from sales.customers"})
            )
            seen[name] = (overview, answer["rows"])
    columns = {
        name: {table["name"]: table["columns"].split(", ") for table in overview["tables"]}
        for name, (overview, _) in seen.items()
    }

    assert seen["alice"][1] == [[4835]]
    assert seen["carol"][1] == [[12000]]
    assert "salary" not in columns["alice"]["hr.employees"]
    assert "salary" in columns["carol"]["hr.employees"]


async def test_a_table_in_full(alice: Client) -> None:
    asked = {"tables": ["sales.customers", "employees", "hr.salarys"]}
    answer = read(await alice.call_tool("describe", asked))

    customers, employees = answer["tables"]
    columns = {column["name"]: column for column in customers["columns"]}
    assert columns["email"]["masked"] == "email"
    assert "comment" in columns["churned_on"]
    assert "PRIMARY KEY (id)" in customers["keys"]
    assert "FOREIGN KEY (region) REFERENCES org.regions(code)" in customers["keys"]
    assert customers["visible_rows"] == 4835
    assert customers["rows_shown"] == "those that the rules admit"
    place = list(columns).index("email")
    assert len(customers["sample_rows"]) == 3
    assert all("***@" in row[place] for row in customers["sample_rows"])
    assert employees["name"] == "hr.employees"
    (missing,) = answer["tables_that_do_not_exist"]
    assert missing["name"] == "hr.salarys"


async def test_an_overview_can_be_searched(alice: Client) -> None:
    found = read(await alice.call_tool("describe", {"search": "ORDERS customer_id"}))
    nothing = read(await alice.call_tool("describe", {"search": "larkspur"}))

    assert "sales.orders" in [table["name"] for table in found["tables"]]
    assert nothing["tables"] == []
    assert "advice" in nothing


async def test_a_result_is_cut_and_says_so(alice: Client) -> None:
    sql = "select id, region from sales.customers order by id"
    two = read(await alice.call_tool("query", {"sql": sql, "max_rows": 2}))
    all_of_two = read(await alice.call_tool("query", {"sql": sql + " limit 2", "max_rows": 2}))
    many = read(await alice.call_tool("query", {"sql": sql, "max_rows": 100_000}))

    assert two["columns"] == ["id int4", "region text"]
    assert two["rows"] == [[2, "emea"], [9, "emea"]]
    assert two["truncated"]
    assert "2 rows" in two["truncated_because"]
    assert not all_of_two["truncated"]
    assert many["row_count"] == ToolLimits().rows_max


async def test_a_model_can_correct_itself(alice: Client) -> None:
    sql = "select nam from sales.customers limit 1"
    error = read_error(await alice.call_tool("query", {"sql": sql}))
    assert (error["sqlstate"], error["position"]) == ("42703", 8)
    assert error["near"].startswith("select >>>nam")
    (right, *_) = error["columns_that_exist"]["sales.customers"]
    answer = read(await alice.call_tool("query", {"sql": sql.replace("nam", right, 1)}))
    assert answer["row_count"] == 1

    error = read_error(await alice.call_tool("query", {"sql": "select * from customer"}))
    assert error["sqlstate"] == "42P01"
    assert "sales.customers" in error["tables_that_exist"][:3]


async def test_a_hidden_column_and_an_absent_one_are_the_same(alice: Client) -> None:
    told = []
    for column in ("salary", "sabary"):
        sql = f"select {column} from hr.employees"
        error = read_error(await alice.call_tool("query", {"sql": sql}))
        assert "salary" not in error["columns_that_exist"]["hr.employees"]
        told.append(str(error).replace(column, "…"))

    assert told[0] == told[1]


@pytest.mark.parametrize(
    ("sql", "sqlstate"),
    [
        ("delete from sales.orders", "42501"),
        ("select 1; select 2", "42601"),
        ("select pg_read_file('/etc/passwd')", None),
        ("copy sales.orders to stdout", None),
        ("set role postgres", None),
        ("select * from hr.salaries", "42P01"),
        ("explain analyze select 1", None),
    ],
)
async def test_what_is_refused(alice: Client, sql: str, sqlstate: str | None) -> None:
    error = read_error(await alice.call_tool("query", {"sql": sql}))

    assert error["message"]
    if sqlstate is not None:
        assert error["sqlstate"] == sqlstate


@pytest.mark.parametrize(
    ("tool", "arguments", "said"),
    [
        ("query", {}, "sql"),
        ("query", {"sql": "select 1", "limit": 5}, "limit"),
        ("query", {"sql": "select 1", "max_rows": 0}, "max_rows"),
        ("describe", {"tables": "sales.orders"}, "tables"),
        ("drop", {}, "drop"),
    ],
)
async def test_wrong_arguments_are_named(
    alice: Client, tool: str, arguments: dict[str, object], said: str
) -> None:
    error = read_error(await alice.call_tool(tool, arguments))

    assert said in str(error)


async def test_policy_is_explained(alice: Client) -> None:
    sql = "select email from sales.customers"
    answer = read(await alice.call_tool("explain_policy", {"sql": sql}))

    assert "sales.customers" in answer["policy"]
    assert "  column email: masked by email" in answer["policy"]
    error = read_error(await alice.call_tool("explain_policy", {"sql": "select x from web.events"}))
    assert error["near"].startswith("EXPLAIN POLICY select >>>x")


async def test_a_huge_statement_is_run_only_when_confirmed(sample: Company) -> None:
    instructions = Instructions(
        gate=sample.gate_url, limits=ToolLimits(unconfirmed_rows_max=20_000)
    )
    async with over_stdio(instructions, sample.token("alice")) as client:
        sql = "select count(*) from sales.orders"
        asked = read(await client.call_tool("query", {"sql": sql}))
        confirmed = read(await client.call_tool("query", {"sql": sql, "confirm": True}))
        small = read(await client.call_tool("query", {"sql": "select count(*) from org.regions"}))

    assert asked["needs_confirmation"]
    assert asked["estimate"] == {"sales.orders": {"visible_rows_at_least": 20_000}}
    assert "rows" not in asked
    assert confirmed["rows"] == [[26_876]]
    assert small["rows"] == [[4]]


async def test_an_expired_token_is_told_and_nothing_else(sample: Company) -> None:
    expired = sample.token("alice", lifetime_s=60, age_s=3600)
    async with over_stdio(Instructions(gate=sample.gate_url), expired) as client:
        error = read_error(await client.call_tool("describe", {}))

    assert error["sqlstate"] == "28P01"
    assert expired[:12] not in str(error)


async def test_a_gate_that_is_away_is_told(sample: Company) -> None:
    instructions = Instructions(gate="postgresql://127.0.0.1:1/company")
    async with over_stdio(instructions, sample.token("alice")) as client:
        error = read_error(await client.call_tool("describe", {}))

    assert "127.0.0.1:1 cannot be reached" in error["message"]


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_cancelled_call_cancels_the_statement(sample: Company, mode: str) -> None:
    source = await sample.source()
    instructions = Instructions(gate=sample.gate_url)
    try:
        async with over_stdio(instructions, sample.token("alice"), mode=mode) as client:
            async with anyio.create_task_group() as group:
                group.start_soon(client.call_tool, "query", {"sql": ENDLESS})
                await until_endless(source, is_running=True)
                group.cancel_scope.cancel()
            await until_endless(source, is_running=False)
            answer = read(await client.call_tool("query", {"sql": "select 1 as one"}))
    finally:
        await source.close()

    assert answer["rows"] == [[1]]


async def test_a_trace_of_the_call_is_that_of_the_statement(sample: Company, alice: Client) -> None:
    marker = "select 'traced' from sales.customers limit 1"
    parent = f"00-{'12' * 16}-{'34' * 8}-01"
    await alice.call_tool("query", {"sql": marker}, meta={"traceparent": parent})
    await alice.call_tool("query", {"sql": marker}, meta={"traceparent": "00-nonsense"})
    found = [
        one.trace_id
        for one in records(sample.state.audit)
        if one.phase == "intent" and "'traced'" in str(one.text)
    ]
    assert list(dict.fromkeys(found)) == ["12" * 16, None]
