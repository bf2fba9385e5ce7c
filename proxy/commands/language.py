"""The command line as a language: every subcommand, its arguments, and help that teaches.

This file must not do anything that is asked for, nor import what does: each subcommand names the
module of this package that runs it, as text.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from proxy.commands.examples import EXAMPLES
from proxy.commands.grammar import (
    Subcommands,
    add_command,
    add_configuration,
    add_group,
    add_json,
    add_looking,
    add_state,
    epilog,
)
from proxy.commands.language_access import add_access
from proxy.demo.state import default_directory

PROGRAM: Final = "sallyport"


def language(environment: Mapping[str, str]) -> argparse.ArgumentParser:
    """The whole command line. `environment` gives the demonstration's default folder."""
    root = argparse.ArgumentParser(
        prog=PROGRAM,
        description="The gate between AI agents and your data.",
        epilog=epilog(
            "sallyport demo                                   look at it, on this machine\n"
            "sallyport catalog import --source main           begin a policy from a live schema\n"
            "sallyport check                                  is everything right, before it runs\n"
            "sallyport up                                     run it\n"
            "sallyport policy explain --demo --as alice 'select * from hr.employees'\n"
            "sallyport audit query saw hr.employees salary    who saw that column"
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = root.add_subparsers(title="commands", metavar="COMMAND", required=True)
    state = default_directory(environment)
    _demo(commands, state)
    _serve(commands)
    _check(commands, state)
    _doctor(commands, state)
    _deploy(commands)
    _policy(commands, state)
    add_access(commands, state)
    _audit(commands, state)
    _catalog(commands, state)
    _mcp(commands, state)
    _python(commands)
    _completion(commands)
    return root


def _demo(commands: Subcommands, state: Path) -> None:
    parser = add_command(
        commands,
        "demo",
        "demo",
        "the sample company behind the gate, on this machine",
        "Starts an embedded Postgres with the sample company and the gate before it, prints how to"
        " connect as three people and what each should see, and stays until Ctrl-C.",
        "sallyport demo\nsallyport demo --port 5999 --state /tmp/demo",
    )
    parser.add_argument(
        "--port", type=int, default=None, metavar="NUMBER", help="default: 15432, or a free one"
    )
    add_state(parser, state)


def _serve(commands: Subcommands) -> None:
    ending = (
        " SIGTERM or Ctrl-C drains and ends it, SIGHUP reads policies and schemas again, SIGUSR1"
        " logs in detail until SIGUSR2, SIGQUIT hands over to a successor. It refuses"
        " to run without an identity provider, a policy and an audit log; nothing turns that off."
    )
    up = add_command(
        commands,
        "up",
        "serve",
        "run everything that the configuration names",
        "Runs everything that the configuration names: the gate, and"
        " beside it the tools for agents and their Python, if there are sections `mcp` and"
        " `python`." + ending,
        "sallyport up\nsallyport up -c /etc/sallyport/sallyport.yaml",
    )
    gate = add_command(
        commands,
        "gate",
        "serve",
        "run the gate alone, as a container does",
        "Runs the SQL gate and nothing beside it, as a container does." + ending,
        "sallyport gate -c /etc/sallyport/sallyport.yaml",
    )
    up.set_defaults(has_sidecars=True)
    gate.set_defaults(has_sidecars=False)
    for parser in (up, gate):
        add_configuration(parser)
        parser.add_argument(
            "--take-over",
            type=int,
            metavar="PID",
            help="of the gate that serves this port now: it hands over once this one is ready, and"
            " keeps its sessions until they end",
        )


def _check(commands: Subcommands, state: Path) -> None:
    parser = add_command(
        commands,
        "check",
        "check",
        "configuration and policies against the live schemas",
        "Reads the configuration and the policies, connects to each source, and compares: does all"
        " that the policies name exist, with types that fit; may the gate use its database role."
        " Changes nothing.",
        "sallyport check\nsallyport check -c staging.yaml --json\nsallyport check --demo",
    )
    add_looking(parser, state)
    parser.add_argument("--strict", action="store_true", help="warnings count as problems")
    add_json(parser)


def _doctor(commands: Subcommands, state: Path) -> None:
    parser = add_command(
        commands,
        "doctor",
        "doctor",
        "is everything around the gate in order, and what to do",
        "Looks at clocks, certificates, signing keys, database roles, policies against schemas,"
        " room for the audit log, permissions of secrets, and limits of this machine; says what to"
        " do about each. Run it as the gate's user. Changes nothing.",
        "sallyport doctor\nsallyport doctor -c /etc/sallyport/sallyport.yaml --json\n"
        "sallyport doctor --demo",
    )
    add_looking(parser, state)
    add_json(parser)


def _deploy(commands: Subcommands) -> None:
    parser = add_command(
        commands,
        "deploy",
        "deploy",
        "example files for running it: compose, systemd, Prometheus, Grafana",
        "Without a name: which there are. With one: the file, to be copied and changed.",
        "sallyport deploy\nsallyport deploy compose.yaml > compose.yaml",
    )
    parser.add_argument("name", nargs="?", choices=tuple(EXAMPLES), metavar="FILE")


def _policy(commands: Subcommands, state: Path) -> None:
    group = add_group(
        commands,
        "policy",
        "test and explain policies",
        "sallyport policy test\nsallyport policy explain --demo --as alice 'table hr.employees'",
    )
    test = add_command(
        group,
        "test",
        "policy_test",
        "run the cases that stand beside the rules",
        "Runs the cases written beside the rules. Needs no source and no configuration when policy"
        " files are named.",
        "sallyport policy test\nsallyport policy test policies/*.yaml --json",
    )
    test.add_argument("files", type=Path, nargs="*", metavar="POLICY", help="instead of -c's")
    add_looking(test, state)
    add_json(test)
    past = add_command(
        group,
        "history",
        "policy_history",
        "which policies were loaded or refused, when, and which files had changed",
        "Lists every policy that a gate was offered, the newest first: when, accepted or refused"
        " and why, digests, and which files had changed, with their owners.",
        "sallyport policy history\nsallyport policy history -n 100 --json",
    )
    past.add_argument("-n", "--number", type=int, default=20, help="how many (default: 20)")
    add_looking(past, state)
    add_json(past)
    explain = add_command(
        group,
        "explain",
        "policy_explain",
        "what somebody gets for a statement, and why",
        "Tells which rules apply for one person and one statement, which filters and masks follow,"
        " the SQL that the source gets, and why something is hidden. Runs nothing. For operators:"
        " it speaks of what the person may not know.",
        "sallyport policy explain --demo --as alice 'select * from hr.employees'\n"
        "sallyport policy explain --claims bob.json 'select count(*) from sales.orders'\n"
        'echo \'{"sub": "bob", "roles": ["clerk"], "tenant": "acme"}\' \\\n'
        "  | sallyport policy explain --claims - 'table public.customers'",
    )
    explain.add_argument("statement", metavar="STATEMENT", help="one SQL statement")
    who = explain.add_mutually_exclusive_group(required=True)
    who.add_argument("--as", dest="name", metavar="NAME", help="a person of the demonstration")
    who.add_argument(
        "--claims", type=Path, metavar="FILE", help="a token's payload as JSON; - reads it here"
    )
    add_looking(explain, state)
    add_json(explain)


def _audit(commands: Subcommands, state: Path) -> None:
    group = add_group(
        commands,
        "audit",
        "read the audit log and prove that it is whole",
        "sallyport audit verify\nsallyport audit tail --follow\n"
        "sallyport audit query saw hr.employees salary --since 2026-01-01 --until 2026-03-31\n"
        "sallyport audit query denied --subject alice",
    )
    verify = add_command(
        group,
        "verify",
        "audit_verify",
        "is the log whole and untouched",
        "Reads every record and checks the chain of hashes: a changed bit, a removed, reordered or"
        " inserted record and a cut tail are found. A log that was rewritten as a whole is found by"
        " the anchors of an earlier run: keep its JSON on another machine.",
        "sallyport audit verify\nsallyport audit verify --json > anchors.json\n"
        "sallyport audit verify --anchors anchors.json",
    )
    verify.add_argument("--anchors", type=Path, metavar="FILE", help="JSON of an earlier run")
    tail = add_command(
        group,
        "tail",
        "audit_tail",
        "the last records, and those to come",
        "Prints the last records, all worker processes together.",
        "sallyport audit tail\nsallyport audit tail -n 100 --json\nsallyport audit tail --follow",
    )
    tail.add_argument("-n", "--number", type=int, default=20, help="how many (default: 20)")
    tail.add_argument("-f", "--follow", action="store_true", help="go on until Ctrl-C")
    for parser in (verify, tail, *_audit_query(group)):
        add_looking(parser, state).add_argument(
            "--directory", type=Path, help="look at the logs that lie here instead"
        )
        add_json(parser)


def _audit_query(commands: Subcommands) -> list[argparse.ArgumentParser]:
    group = add_group(
        commands,
        "query",
        "ask the log who saw what, and what was denied",
        "sallyport audit query saw hr.employees salary --since 2026-01-01 --until 2026-03-31\n"
        "sallyport audit query denied --subject alice --json",
    )
    saw = add_command(
        group,
        "saw",
        "audit_query",
        "who saw a column of a table, masked or clear",
        "Lists every statement that read the column: who, on whose behalf, when, masked by what or"
        " clear, how many rows. The table is `schema.name` or `source.schema.name`.",
        "sallyport audit query saw hr.employees salary --since 2026-01-01 --until 2026-03-31",
    )
    saw.add_argument("table", metavar="TABLE")
    saw.add_argument("column", metavar="COLUMN")
    denied = add_command(
        group,
        "denied",
        "audit_query",
        "what was refused, to whom and why",
        "Lists every refusal with its reason and the SQLSTATE that the client was told.",
        "sallyport audit query denied\n"
        "sallyport audit query denied --subject alice --since 2026-03-01T08:00",
    )
    saw.set_defaults(question="saw")
    denied.set_defaults(question="denied")
    for parser in (saw, denied):
        parser.add_argument("--subject", metavar="NAME", help="of this person only")
        parser.add_argument(
            "--since", metavar="WHEN", help="a date or a time, ISO 8601, UTC unless it says more"
        )
        parser.add_argument(
            "--until", metavar="WHEN", help="the same; a date includes the whole day"
        )
    return [saw, denied]


def _catalog(commands: Subcommands, state: Path) -> None:
    group = add_group(
        commands,
        "catalog",
        "look at what a source holds",
        "sallyport catalog import --source main --output policies/main.yaml",
    )
    parser = add_command(
        group,
        "import",
        "catalog_import",
        "begin a policy file from a live schema",
        "Reads tables, columns, GRANTs and row-level security policies of a source and writes a"
        " policy file to begin with: everything is denied, columns that look personal are marked"
        " with REVIEW, what the source grants stands beside each table as a comment. Give a"
        " connection string, or the name of a source of the configuration.",
        "sallyport catalog import --source main --output policies/main.yaml\n"
        "PGPASSWORD=… sallyport catalog import postgresql://me@db.example/shop --schema sales",
    )
    parser.add_argument(
        "dsn",
        nargs="?",
        metavar="DSN",
        help="PostgreSQL connection string without a password, or a folder",
    )
    parser.add_argument("--source", metavar="NAME", help="a source of the configuration")
    parser.add_argument("--name", help="how the policy calls the source (default: main)")
    parser.add_argument(
        "--schema", action="append", metavar="NAME", help="only this one; may be repeated"
    )
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="a new file")
    add_looking(parser, state)
    add_json(parser)


def _mcp(commands: Subcommands, state: Path) -> None:
    parser = add_command(
        commands,
        "mcp",
        "mcp",
        "tools for an agent (Model Context Protocol) over the gate",
        "Serves the tools describe, query and explain_policy. Without --http it speaks on standard"
        " input and output for one person, as desktop clients start it; the token is read again"
        " for each call. With --http it serves everybody who brings a token of the configuration's"
        " issuers, as its section `mcp` says.",
        "sallyport mcp --demo --as alice\n"
        "SALLYPORT_TOKEN=… sallyport mcp --gate postgresql://gate.example:6432/shop\n"
        "sallyport mcp --gate postgresql://gate.example/shop --token-file ~/.sallyport-token\n"
        "sallyport mcp --http -c /etc/sallyport/sallyport.yaml",
    )
    way = parser.add_mutually_exclusive_group(required=True)
    way.add_argument("--gate", metavar="URL", help="postgresql://host:port/database")
    way.add_argument("--demo", action="store_true", help="the demonstration's gate, with --as")
    way.add_argument("--http", action="store_true", help="serve HTTP, as -c says")
    parser.add_argument("--as", dest="name", metavar="NAME", help="a person of the demonstration")
    token = parser.add_mutually_exclusive_group()
    token.add_argument("--token-file", type=Path, metavar="FILE", help="holds the token")
    token.add_argument(
        "--token-environment",
        metavar="VARIABLE",
        default="SALLYPORT_TOKEN",
        help="holds the token (default: %(default)s)",
    )
    token.add_argument("--token-command", metavar="COMMAND", help="prints the token; no shell")
    add_configuration(parser)
    add_state(parser, state)


def _python(commands: Subcommands) -> None:
    parser = add_command(
        commands,
        "python",
        "python",
        "the sandbox for agents' Python",
        "Serves the sandbox in which agents' programs run: HTTP, as section `python` of the"
        " configuration says. The first start on a machine compiles the environment, which takes a"
        " minute.",
        "sallyport python -c /etc/sallyport/sallyport.yaml",
    )
    add_configuration(parser)


def _completion(commands: Subcommands) -> None:
    parser = add_command(
        commands,
        "completion",
        "completion",
        "completion for bash or zsh",
        "Prints a script that completes commands and options.",
        "source <(sallyport completion bash)    # in ~/.bashrc\nsource <(sallyport completion zsh)"
        "     # in ~/.zshrc",
    )
    parser.add_argument("shell", choices=("bash", "zsh"))
