"""`sallyport deploy`: the list, and a file as it is."""

from __future__ import annotations

import pytest

from proxy.commands.deploy import text_of
from proxy.commands.examples import EXAMPLES
from tests.proxy.commands.conftest import Run


def test_the_list(sallyport: Run) -> None:
    ended = sallyport("deploy")
    assert [line.split()[0] for line in ended.lines] == list(EXAMPLES)


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_file(sallyport: Run, name: str) -> None:
    ended = sallyport("deploy", name)
    assert (ended.code, ended.out) == (0, text_of(name))


def test_another_name(sallyport: Run) -> None:
    assert sallyport("deploy", "../pyproject.toml").code == 2
