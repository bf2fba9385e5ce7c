"""Which gate is looked at, and that the demonstration's is accepted only where it lives."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from proxy.commands import looking
from proxy.commands.outcome import CommandError
from proxy.demo.issuer import DemoIssuer
from proxy.demo.state import State
from tests.proxy.commands.conftest import Workplace


def asked(**values: object) -> argparse.Namespace:
    usual = {"demo": False, "configuration": Path("sallyport.yaml"), "directory": None}
    return argparse.Namespace(**{**usual, "state": Path("state"), **values})


def write_demonstration(workplace: Workplace) -> State:
    """A demonstration's state directory, as far as a looking command needs it."""
    state = State(workplace.directory / "state")
    state.prepare()
    DemoIssuer.open(state.directory)
    text = workplace.configuration.read_text()
    text = text.replace("https://issuer.test", "https://demo.sallyport.invalid")
    text = text.replace("policy.yaml", str(workplace.policy))
    state.configuration.write_text(text)
    return state


def test_the_given_configuration_is_read(workplace: Workplace) -> None:
    assert looking.configuration(asked()).sources[0].name == "shop"


def test_every_problem_of_a_configuration_is_told(workplace: Workplace) -> None:
    workplace.configure(kind="mysql", pooling="sometimes")
    with pytest.raises(CommandError) as refused:
        looking.configuration(asked())
    assert refused.value.exit_code == 2
    assert str(refused.value).count("sallyport.yaml:") == 2


def test_the_demonstration_may_be_looked_at_but_only_where_it_lives(workplace: Workplace) -> None:
    state = write_demonstration(workplace)
    assert looking.configuration(asked(demo=True)).identity.issuers
    copied = workplace.directory / "copied.yaml"
    copied.write_text(state.configuration.read_text())
    with pytest.raises(CommandError) as refused:
        looking.configuration(asked(configuration=copied))
    assert "the demonstration's issuer" in str(refused.value)


def test_before_the_first_demonstration_there_is_nothing_to_look_at(workplace: Workplace) -> None:
    with pytest.raises(CommandError) as refused:
        looking.configuration_file(asked(demo=True))
    assert "sallyport demo" in str(refused.value)


def test_the_audit_directory_is_the_configured_or_the_given_one(workplace: Workplace) -> None:
    assert looking.audit_directory(asked()) == Path("audit")
    given = workplace.directory / "copy"
    with pytest.raises(CommandError):
        looking.audit_directory(asked(directory=given))
    given.mkdir()
    assert looking.audit_directory(asked(directory=given)) == given
