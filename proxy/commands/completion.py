"""`sallyport completion bash|zsh`: the shell's own completion, made from the argument parser."""

from __future__ import annotations

import argparse

from proxy.commands.output import EXIT_OK, Subparsers, say

_BASH = """_sallyport() {{
  local words="{top}"
  case "${{COMP_WORDS[1]}}" in
{cases}
  esac
  COMPREPLY=($(compgen -W "$words" -- "${{COMP_WORDS[COMP_CWORD]}}") \\
    $(compgen -f -- "${{COMP_WORDS[COMP_CWORD]}}"))
}}
complete -o filenames -F _sallyport sallyport"""


def add(subparsers: Subparsers) -> None:
    """Declare the subcommand; it describes all those declared before and after it."""
    parser = subparsers.add_parser(
        "completion",
        help="a completion script for the shell",
        description="Prints a completion script.",
        epilog='eval "$(sallyport completion bash)"',
    )
    parser.add_argument("shell", choices=("bash", "zsh"))
    parser.set_defaults(run=lambda arguments: _completion(arguments, subparsers))


def _completion(arguments: argparse.Namespace, subparsers: Subparsers) -> int:
    script = script_of(subparsers.choices)
    if arguments.shell == "zsh":
        script = "autoload -U +X bashcompinit && bashcompinit\n" + script
    say(script)
    return EXIT_OK


def script_of(choices: dict[str, argparse.ArgumentParser]) -> str:
    """The bash script for these subcommands."""
    cases = [
        f'    {name}) [ "$COMP_CWORD" -gt 1 ] && words="{" ".join(words_of(parser))}" ;;'
        for name, parser in choices.items()
    ]
    return _BASH.format(top=" ".join(choices), cases="\n".join(cases))


def words_of(parser: argparse.ArgumentParser) -> list[str]:
    """Options and nested subcommands of one parser, with those of the nested ones."""
    words: list[str] = []
    for action in parser._actions:
        words.extend(word for word in action.option_strings if word.startswith("--"))
        if isinstance(action.choices, dict):
            for name, nested in action.choices.items():
                words += [name, *words_of(nested)]
        elif action.choices is not None:
            words.extend(str(choice) for choice in action.choices)
    return list(dict.fromkeys(words))
