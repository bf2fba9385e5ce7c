"""`sallyport completion`: scripts that complete commands and options, made from the language.

Both shells get the same table: what may follow each chain of subcommands. Where nothing of ours
fits, the shell completes file names.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Mapping
from typing import Final

from proxy.commands.language import PROGRAM, language
from proxy.commands.outcome import EXIT_OK, give

_FUNCTION: Final = f"""\
_{PROGRAM}() {{
    local word path="" index words=""
    # The chain of subcommands that has been typed: options and their values lead nowhere new.
    for ((index = 1; index < COMP_CWORD; index++)); do
        word="${{COMP_WORDS[index]}}"
        case "$path $word" in
@chains@
                path="$path $word" ;;
        esac
    done
    case "$path" in
@words@
    esac
    COMPREPLY=($(compgen -W "$words" -- "${{COMP_WORDS[COMP_CWORD]}}"))
}}
complete -o default -F _{PROGRAM} {PROGRAM}"""

_ZSH_HEADER: Final = "autoload -Uz bashcompinit && bashcompinit\n"
"""zsh ships an emulation of bash's completion; one function then serves both."""


def run(arguments: argparse.Namespace) -> int:
    """Print the script for `arguments.shell`."""
    script = completion_script(language(os.environ))
    give(_ZSH_HEADER + script if arguments.shell == "zsh" else script)
    return EXIT_OK


def completion_script(parser: argparse.ArgumentParser) -> str:
    """The function for bash. Every word in it comes from `parser`, none needs quoting."""
    table = dict(chains(parser))
    patterns = "|".join(f'" {chain}"' for chain in table if chain)
    cases = "\n".join(
        f'        "{" " + chain if chain else ""}") words="{" ".join(words)}" ;;'
        for chain, words in table.items()
    )
    return _FUNCTION.replace("@chains@", f"            {patterns})").replace("@words@", cases)


def chains(parser: argparse.ArgumentParser, chain: str = "") -> Iterator[tuple[str, list[str]]]:
    """Each chain of subcommands (`audit query saw`) with the words that may follow it."""
    words: list[str] = []
    below: list[tuple[str, argparse.ArgumentParser]] = []
    # argparse has no public way to walk a parser.
    for action in parser._actions:
        words += [option for option in action.option_strings if option.startswith("--")]
        if isinstance(action.choices, Mapping):
            below += action.choices.items()
            words += action.choices
        elif action.choices is not None and not action.option_strings:
            words += [str(choice) for choice in action.choices]
    yield chain, words
    for name, child in below:
        yield from chains(child, f"{chain} {name}".strip())
