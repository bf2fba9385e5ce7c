"""Rotating a service account's secret."""

from __future__ import annotations

from pathlib import Path

from tests.proxy.commands.conftest import Run, Workplace


def test_a_second_secret_beside_the_first(kept: Workplace, alice: Path, sallyport: Run) -> None:
    first = sallyport("service", "create", "job", "--claims", alice).out.strip()
    (rotated,) = sallyport("service", "rotate", "job", "--json").objects
    assert rotated["secret"] != first
    assert len(rotated["secrets"]) == 2
    (replaced,) = sallyport("service", "rotate", "job", "--overlap-hours", "0", "--json").objects
    assert len(replaced["secrets"]) == 1


def test_what_is_refused(kept: Workplace, alice: Path, sallyport: Run) -> None:
    sallyport("service", "create", "job", "--claims", alice)
    for arguments, told in (
        (("nobody",), 'no service "nobody"'),
        (("job", "--overlap-hours", "-1"), "no negative time"),
        (("job", "--days", "9999"), "lives between"),
    ):
        ended = sallyport("service", "rotate", *arguments)
        assert (ended.code, ended.out) == (2, "")
        assert told in ended.err
