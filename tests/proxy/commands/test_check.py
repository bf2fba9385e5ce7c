"""Configuration, policy and role against a real server: each mistake with its file and line."""

from __future__ import annotations

import psycopg
import pytest

from tests.proxy.commands.conftest import DATABASE, GATE_PASSWORD, POLICY, Run, Workplace


def test_all_is_well(workplace: Workplace, sallyport: Run) -> None:
    ended = sallyport("check")
    assert (ended.code, ended.out) == (0, "")
    assert ended.err.endswith("problems: 0, warnings: 0\n")
    assert "policies ..." in ended.err  # progress


def test_a_configuration_that_is_wrong_ends_with_2(workplace: Workplace, sallyport: Run) -> None:
    workplace.configure(pooling="sometimes")
    ended = sallyport("check")
    assert ended.code == 2
    assert "sallyport.yaml:" in ended.out
    assert "pooling" in ended.out
    ended = sallyport("check", "--json")
    assert ended.code == 2
    assert ended.objects[0]["field"] == "sources[0].pooling"
    assert ended.objects[0]["line"] > 1


def test_no_configuration_ends_with_2(workplace: Workplace, sallyport: Run) -> None:
    ended = sallyport("check", "-c", "absent.yaml")
    assert ended.code == 2
    assert "absent.yaml" in ended.out


@pytest.mark.parametrize(
    ("written", "instead", "line", "told"),
    [
        ("region: visible", "regoin: visible", 10, 'column "regoin" does not exist'),
        ("shop.orders:", "shop.ordres:", 8, 'did you mean "shop.shop.orders"?'),
        ("email: {mask: email}", "email: {mask: eemail}", 12, "eemail"),
        ("region = claim('region')\n", "amount = claim('region')\n", 15, "own region"),
        ("shop.orders:", "other.shop.orders:", 8, 'no source called "other"'),
        ("shop.orders:", "shop.people:", 12, 'column "email" does not exist'),
    ],
)
def test_a_policy_that_does_not_fit_is_told_by_file_and_line(
    written: str, instead: str, line: int, told: str, workplace: Workplace, sallyport: Run
) -> None:
    policy = POLICY.partition("cases:")[0]
    assert written in policy
    workplace.policy.write_text(policy.replace(written, instead, 1))
    ended = sallyport("check")
    assert ended.code == 1
    assert any(one.startswith(f"policy.yaml:{line}: ") and told in one for one in ended.lines), (
        ended.out
    )


def test_a_table_that_the_role_may_not_read(workplace: Workplace, sallyport: Run) -> None:
    workplace.policy.write_text(
        POLICY.partition("cases:")[0]
        + "  shop.credentials:\n    columns: {token: visible, password: visible}\n"
        "    rules:\n      - grant: x\n        roles: [analyst]\n"
    )
    ended = sallyport("check", "--json")
    assert ended.code == 1
    (problem,) = ended.objects
    assert problem["message"] == "role shop_gate may not read shop.credentials"
    assert problem["file"] == "policy.yaml"
    assert problem["line"] > 17


def test_warnings_count_only_when_asked(workplace: Workplace, sallyport: Run) -> None:
    workplace.policy.write_text(POLICY.replace("      note: absent\n", "").replace("note", "id"))
    workplace.policy.write_text(workplace.policy.read_text().partition("cases:")[0])
    ended = sallyport("check")
    assert ended.code == 0
    assert ended.out.startswith("warning: ")
    assert "columns not listed, so hidden: note" in ended.out
    assert sallyport("check", "--strict").code == 1


def test_a_role_that_could_step_around_policy(workplace: Workplace, sallyport: Run) -> None:
    (workplace.directory / "password").write_text(workplace.server.password)
    workplace.configure(user="postgres")
    ended = sallyport("check", "--json")
    assert ended.code == 1
    messages = {one["message"]: one for one in ended.objects}
    assert messages["role postgres is a superuser"]["severity"] == "error"
    written = workplace.configuration.read_text().splitlines()
    line = messages["role postgres is a superuser"]["line"]
    assert written[line - 1].strip() == "user: postgres"
    assert messages["role postgres may write shop.orders: the gate only reads"]["severity"] == (
        "warning"
    )


def test_a_source_that_is_down_is_told_once_and_not_its_tables(
    workplace: Workplace, sallyport: Run
) -> None:
    workplace.configure(hosts=["127.0.0.1:1"])
    ended = sallyport("check", "--json")
    assert ended.code == 1
    (problem,) = ended.objects
    assert problem["rule"] == "source shop"
    assert "cannot be reached" in problem["message"]


def test_no_secret_is_told(workplace: Workplace, sallyport: Run) -> None:
    (workplace.directory / "password").write_text("a wrong password")
    ended = sallyport("check")
    assert ended.code == 1
    assert "password authentication failed" in ended.out
    for secret in ("a wrong password", GATE_PASSWORD):
        assert secret not in ended.out + ended.err


def test_checking_changes_nothing(workplace: Workplace, sallyport: Run) -> None:
    before = {path: path.read_bytes() for path in workplace.directory.iterdir() if path.is_file()}
    sallyport("check")
    assert {
        path: path.read_bytes() for path in workplace.directory.iterdir() if path.is_file()
    } == before
    assert list((workplace.directory / "audit").iterdir()) == []
    with psycopg.connect(workplace.server.dsn_of(DATABASE)) as connection:
        asked = "select count(*) from pg_stat_activity where usename = 'shop_gate'"
        assert connection.execute(asked.encode()).fetchone() == (0,)
