"""`sallyport doctor` as it is typed."""

from __future__ import annotations

from tests.proxy.commands.conftest import Run, Workplace
from tests.proxy.commands.test_doctor_neighbours import keys


def test_nothing_to_do(workplace: Workplace, sallyport: Run) -> None:
    (workplace.directory / "jwks.json").write_text(keys())
    (workplace.directory / "password").chmod(0o600)
    ended = sallyport("doctor", "--json")
    findings = ended.objects

    assert ended.code == 0, ended.out
    assert {one["level"] for one in findings} <= {"ok", "warning"}
    assert {one["subject"] for one in findings} >= {
        "open files",
        "issuer https://issuer.test",
        "clock of source shop",
        "policies and roles",
    }


def test_what_is_wrong_comes_with_advice(workplace: Workplace, sallyport: Run) -> None:
    (workplace.directory / "password").chmod(0o644)
    workplace.policy.write_text(workplace.policy.read_text().replace("amount:", "amuont:"))
    ended = sallyport("doctor")

    assert ended.code == 1
    assert "PROBLEM  secret" in ended.out
    assert "chmod 600" in ended.out
    assert "amuont" in ended.out
    assert "its keys:" in ended.out


def test_an_unreadable_configuration(workplace: Workplace, sallyport: Run) -> None:
    workplace.configuration.write_text("nonsense: 1\n")
    ended = sallyport("doctor")

    assert (ended.code, "nonsense" in ended.err) == (2, True)
