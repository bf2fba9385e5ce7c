"""How `token`, `service` and `claim` are called."""

from __future__ import annotations

import pytest

from proxy.commands.language import language

PARSER = language({})


@pytest.mark.parametrize(
    ("line", "module", "kind"),
    [
        ("token create x --claims f", "login_create", "token"),
        ("service create x --as alice", "login_create", "service"),
        ("token list", "login_list", "token"),
        ("service list --subject a", "login_list", "service"),
        ("token revoke x", "login_revoke", "token"),
        ("service revoke x", "login_revoke", "service"),
        ("service rotate x --overlap-hours 1", "login_rotate", "service"),
    ],
)
def test_words_lead_to_modules(line: str, module: str, kind: str) -> None:
    given = PARSER.parse_args(line.split())
    assert (given.module, given.kind) == (module, kind)


@pytest.mark.parametrize("line", ["token --as alice", "token"])
def test_the_demonstrations_own_tokens(line: str) -> None:
    assert PARSER.parse_args(line.split()).module == "token"


@pytest.mark.parametrize(
    "line",
    [
        "token create x",
        "token create --claims f",
        "token create x --claims f --as alice",
        "token rotate x",
        "service",
        "claim set alice tier",
    ],
)
def test_wrong_usage(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        PARSER.parse_args(line.split())
    capsys.readouterr()
