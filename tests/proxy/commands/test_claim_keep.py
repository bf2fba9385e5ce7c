"""Claims that the operator keeps."""

from __future__ import annotations

from tests.proxy.commands.conftest import Run, Workplace


def test_set_listed_forgotten(kept: Workplace, sallyport: Run) -> None:
    assert sallyport("claim", "set", "alice", "tier", '"gold"').code == 0
    assert sallyport("claim", "set", "bob", "level", "3").code == 0
    (one,) = sallyport("claim", "list", "--subject", "alice", "--json").objects
    assert (one["name"], one["value"]) == ("tier", '"gold"')
    assert "@" in one["set_by"]
    assert "bob  level  3" in sallyport("claim", "list").out
    assert sallyport("claim", "unset", "bob", "level").code == 0
    ended = sallyport("claim", "unset", "bob", "level")
    assert (ended.code, "nothing is kept" in ended.err) == (1, True)


def test_a_value_is_json(kept: Workplace, sallyport: Run) -> None:
    ended = sallyport("claim", "set", "alice", "tier", "gold")
    assert ended.code == 2
    assert "not JSON" in ended.err
