"""What may be typed, and which module it leads to."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from proxy.commands.language import language

COMMANDS = {
    "demo --port 1": "demo",
    "up": "serve",
    "gate -c x.yaml": "serve",
    "check --strict --json": "check",
    "policy test a.yaml b.yaml": "policy_test",
    "policy explain --as alice x": "policy_explain",
    "policy explain --claims - x": "policy_explain",
    "token --as alice": "token",
    "audit verify --anchors x": "audit_verify",
    "audit tail -n 3 -f": "audit_tail",
    "audit query saw a.b c --since 2026-01-01": "audit_query",
    "audit query denied --subject x": "audit_query",
    "catalog import postgresql://x --schema a --schema b": "catalog_import",
    "completion zsh": "completion",
}


@pytest.mark.parametrize("typed", COMMANDS)
def test_each_command_names_a_module_that_runs_it(typed: str) -> None:
    given = language({}).parse_args(typed.split())
    assert given.module == COMMANDS[typed]
    assert callable(importlib.import_module(f"proxy.commands.{given.module}").run)


def test_what_is_left_out_has_a_usual_value() -> None:
    given = language({"XDG_STATE_HOME": "/state"}).parse_args(["check"])
    assert given.configuration == Path("sallyport.yaml")
    assert given.state == Path("/state/sallyport/demo")
    assert (given.demo, given.strict, given.json) == (False, False, False)


@pytest.mark.parametrize(
    "typed",
    [
        "check -c x --demo",
        "audit tail --demo --directory x",
        "policy explain --as alice --claims x y",
        "policy explain y",
        "completion fish",
        "demo --port many",
        "up --demo",
    ],
)
def test_contradictions_are_refused(typed: str) -> None:
    with pytest.raises(SystemExit) as ended:
        language({}).parse_args(typed.split())
    assert ended.value.code == 2


def test_the_two_questions_to_the_log_are_told_apart() -> None:
    parser = language({})
    assert parser.parse_args("audit query saw a.b c".split()).question == "saw"
    assert parser.parse_args("audit query denied".split()).question == "denied"
