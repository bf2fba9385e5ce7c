"""The script in a real bash."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from proxy.commands.completion import chains, completion_script
from proxy.commands.language import language
from tests.proxy.commands.conftest import Run


def completed(*words: str) -> list[str]:
    """What bash offers for the last of `words`, by the real script in a real bash."""
    script = completion_script(language({}))
    ask = f'\nCOMP_WORDS=("$@"); COMP_CWORD={len(words) - 1}; _sallyport; echo "${{COMPREPLY[*]}}"'
    bash = shutil.which("bash")
    assert bash, "a shell that the script is for"
    ended = subprocess.run(
        [bash, "-euc", script + ask, "bash", *words], capture_output=True, text=True, check=False
    )
    # compgen ends with 1 where nothing fits; `set -e` would end the shell there.
    return ended.stdout.split()


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("sallyport po", ["policy"]),
        ("sallyport audit ", ["--help", "verify", "tail", "query"]),
        ("sallyport audit query s", ["saw"]),
        ("sallyport audit query saw shop.orders email --s", ["--subject", "--since", "--state"]),
        ("sallyport completion ", ["--help", "bash", "zsh"]),
        ("sallyport check --configuration up --str", ["--strict"]),
        ("sallyport up --de", []),
    ],
)
def test_bash_completes(typed: str, offered: list[str]) -> None:
    assert completed(*typed.split(" ")) == offered


def test_every_command_is_in_the_table() -> None:
    table = dict(chains(language({})))
    assert set(table[""]) >= {"demo", "up", "gate", "check", "policy", "token", "audit", "catalog"}
    assert set(table["policy explain"]) >= {"--as", "--claims", "--json"}
    assert "--json" not in table["up"]


def test_zsh_gets_the_same_function_by_its_own_emulation(sallyport: Run) -> None:
    bash, zsh = sallyport("completion", "bash"), sallyport("completion", "zsh")
    assert (bash.code, zsh.code) == (0, 0)
    assert zsh.out.endswith(bash.out)
    assert "bashcompinit" in zsh.out.splitlines()[0]
