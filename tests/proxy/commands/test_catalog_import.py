"""From a real server to a policy to begin with; no connection string is ever printed."""

from __future__ import annotations

import pytest
import yaml

from tests.proxy.commands.conftest import GATE_PASSWORD, Run, Workplace


def test_a_connection_string(workplace: Workplace, sallyport: Run) -> None:
    ended = sallyport("catalog", "import", workplace.dsn)
    assert ended.code == 0
    content = yaml.safe_load(ended.out)
    assert content["source"] == "main"
    assert list(content["tables"]) == ["shop.orders", "shop.people", "shop.sales"]
    assert content["tables"]["shop.orders"]["columns"] == {
        "id": "visible",
        "region": "visible",
        "amount": "visible",
        "email": "absent",
        "note": "absent",
    }
    assert "at the source: SELECT (id, salary) to PUBLIC" in ended.out
    assert "small (restrictive, to PUBLIC): (amount < (1000)::numeric)" in ended.out
    assert "REVIEW shop.credentials" in ended.out
    assert ended.err.endswith("tables: 5, columns to review: 7\n")


def test_a_source_of_the_configuration_into_a_new_file(
    workplace: Workplace, sallyport: Run
) -> None:
    ended = sallyport("catalog", "import", "--source", "shop", "--output", "start.yaml")
    assert (ended.code, ended.out) == (0, "")
    written = (workplace.directory / "start.yaml").read_text()
    assert yaml.safe_load(written)["source"] == "shop"
    again = sallyport("catalog", "import", "--source", "shop", "--output", "start.yaml")
    assert again.code == 2
    assert "never written over" in again.err
    assert (workplace.directory / "start.yaml").read_text() == written


def test_only_some_schemas_under_another_name(workplace: Workplace, sallyport: Run) -> None:
    ended = sallyport("catalog", "import", workplace.dsn, "--name", "crm", "--schema", "shop")
    assert yaml.safe_load(ended.out)["source"] == "crm"
    ended = sallyport("catalog", "import", workplace.dsn, "--schema", "nothing")
    assert ended.code == 1
    assert "no table" in ended.err


def test_for_scripts(workplace: Workplace, sallyport: Run) -> None:
    told = {
        one["name"]: one for one in sallyport("catalog", "import", workplace.dsn, "--json").objects
    }
    assert set(told) == {"credentials", "orders", "people", "sales", "sales_2026"}
    assert told["sales_2026"]["is_partition"]
    columns = {one["name"]: one for one in told["orders"]["columns"]}
    assert columns["email"] == {"name": "email", "type": "text", "looks_like": "an e-mail address"}
    assert columns["amount"]["looks_like"] is None
    assert told["people"]["grants"] == [{"grantee": "PUBLIC", "columns": ["id", "salary"]}]
    assert [one["name"] for one in told["orders"]["row_security"]["policies"]] == [
        "everything",
        "small",
    ]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "one of the two"),
        (("postgresql://x", "--source", "shop"), "one of the two"),
        (("host=x password=hunter2",), "begins with postgresql://"),
        (("--source", "shpo"), 'no source is called "shpo"; there are shop'),
        (("postgresql://x", "--name", "Not A Name"), "--name"),
    ],
)
def test_wrong_usage(
    arguments: tuple[str, ...], told: str, workplace: Workplace, sallyport: Run
) -> None:
    ended = sallyport("catalog", "import", *arguments)
    assert (ended.code, ended.out) == (2, "")
    assert told in ended.err
    assert "hunter2" not in ended.err


def test_no_connection_string_and_no_password_is_ever_printed(
    workplace: Workplace, sallyport: Run
) -> None:
    port = workplace.server.port
    for dsn in (
        "postgresql://me:hunter2@127.0.0.1:1/db",
        f"postgresql://shop_gate:hunter2@127.0.0.1:{port}/db?sslmode=require",
        "postgresql://me:hunter2@127.0.0.1:notaport/db",
        "postgresql://me:hunter2@[broken/db",
        "postgresql://me@127.0.0.1:1/db?password=hunter2&sslmode=nonsense",
    ):
        ended = sallyport("catalog", "import", dsn)
        assert ended.code == 1, ended.err
        assert "sallyport: the source: " in ended.err
        assert "hunter2" not in ended.err + ended.out
    ended = sallyport("catalog", "import", "--source", "shop")
    assert GATE_PASSWORD not in ended.err + ended.out


def test_a_folder_of_files(workplace: Workplace, sallyport: Run) -> None:
    folder = workplace.directory / "files"
    (folder / "visits").mkdir(parents=True)
    (folder / "visits/1.csv").write_text("id,email,seconds\n1,a@x.test,1.5\n")
    ended = sallyport("catalog", "import", str(folder), "--name", "web")
    assert ended.code == 0
    content = yaml.safe_load(ended.out)
    assert content["source"] == "web"
    assert content["tables"]["web.visits"]["columns"] == {
        "id": "visible",
        "email": "absent",
        "seconds": "visible",
    }
    assert sallyport("catalog", "import", str(folder), "--name", "Not A Name").code == 2
