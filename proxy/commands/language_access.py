"""The part of the command line about who may log in: `token`, `service`, `claim`.

This file must not do anything that is asked for, as `language.py`, which calls it.
"""

from __future__ import annotations

import argparse
import textwrap
from pathlib import Path

from proxy.commands.grammar import (
    Subcommands,
    add_command,
    add_group,
    add_json,
    add_looking,
    add_state,
    epilog,
)

_BOUND = (
    " It is bound to a person: subject, roles and claims as a token of the identity provider would"
    " say them, read by the policy's own mapping at each login. The secret is shown once and kept"
    " as a hash; clients use it as the password, with SCRAM or in clear under TLS."
)


def add_access(commands: Subcommands, state: Path) -> None:
    """Add the three words."""
    _token(commands, state)
    _service(commands, state)
    _claim(commands, state)


def _token(commands: Subcommands, state: Path) -> None:
    parser = commands.add_parser(
        "token",
        help="access tokens of people; development tokens of the demonstration",
        description=textwrap.fill(
            "create, list and revoke keep access tokens for tools that cannot renew a JWT. With"
            " --as it prints a development token for a person of the demonstration, worth nothing"
            " elsewhere: every other configuration refuses its issuer and its keys.",
            88,
        ),
        epilog=epilog(
            "sallyport token create tableau --claims alice.json --days 90 --purpose dashboards\n"
            "sallyport token list\n"
            "sallyport token revoke tableau\n"
            "sallyport token --as alice                       the demonstration's own issuer\n"
            'PGPASSWORD="$(sallyport token --as bob)" psql -h 127.0.0.1 -p 15432 -U bob company\n'
            "sallyport token --as carol --agent claude --seconds 600"
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(module="token")
    parser.add_argument("--as", dest="name", metavar="NAME", help="a person of the demonstration")
    parser.add_argument("--agent", metavar="NAME", help="who acts on the person's behalf")
    parser.add_argument("--seconds", type=int, metavar="NUMBER", help="lifetime; default: 12 hours")
    add_state(parser, state)
    group = parser.add_subparsers(title="commands", metavar="COMMAND", required=False)
    create = _create(
        group,
        "a revocable token for one person's tool",
        "Makes an access token for a tool that cannot renew a JWT, such as a dashboard." + _BOUND,
        "sallyport token create tableau --claims alice.json --days 90 --purpose dashboards\n"
        "sallyport token create notebook --claims - --network 10.0.0.0/8 --source main < bob.json\n"
        "sallyport token create demo-bi --demo --as alice --days 1",
        days=30,
    )
    listed = _list(
        group, "access tokens and their last use", "sallyport token list --subject alice"
    )
    revoke = _revoke(group, "token", "sallyport token revoke tableau")
    for one in (create, listed, revoke):
        one.set_defaults(kind="token")
        add_looking(one, state)
        add_json(one)


def _service(commands: Subcommands, state: Path) -> None:
    group = add_group(
        commands,
        "service",
        "service accounts: programs that log in by themselves",
        "sallyport service create nightly --claims nightly.json\n"
        "sallyport service rotate nightly --overlap-hours 24\nsallyport service list",
    )
    create = _create(
        group,
        "an account for a program",
        "Makes a service account. Its secret can be replaced without a gap: see rotate." + _BOUND,
        "sallyport service create nightly --claims nightly.json --network 10.20.0.0/16",
        days=365,
    )
    rotate = add_command(
        group,
        "rotate",
        "login_rotate",
        "a new secret; the old one ends later",
        "Makes a further secret. The one before it goes on for the overlap, so that programs can be"
        " changed one after the other; one older than that ends now.",
        "sallyport service rotate nightly\nsallyport service rotate nightly --overlap-hours 0",
    )
    rotate.add_argument("name", metavar="NAME")
    rotate.add_argument(
        "--overlap-hours", type=float, default=24.0, metavar="NUMBER", help="default: 24"
    )
    _add_days(rotate, 365)
    listed = _list(group, "service accounts and their last use", "sallyport service list --json")
    revoke = _revoke(group, "service account", "sallyport service revoke nightly")
    for one in (create, rotate, listed, revoke):
        one.set_defaults(kind="service")
        add_looking(one, state)
        add_json(one)


def _create(
    group: Subcommands, summary: str, explanation: str, examples: str, *, days: int
) -> argparse.ArgumentParser:
    parser = add_command(group, "create", "login_create", summary, explanation, examples)
    parser.add_argument("login", metavar="NAME", help="lower-case letters, digits, - _ .")
    who = parser.add_mutually_exclusive_group(required=True)
    who.add_argument("--as", dest="name", metavar="NAME", help="a person of the demonstration")
    who.add_argument(
        "--claims", type=Path, metavar="FILE", help="a token's payload as JSON; - reads it here"
    )
    _add_days(parser, days)
    parser.add_argument("--purpose", default="", metavar="TEXT", help="what it is for")
    parser.add_argument(
        "--source", action="append", metavar="NAME", help="only this source; may be repeated"
    )
    parser.add_argument(
        "--network", action="append", metavar="CIDR", help="only from here; may be repeated"
    )
    return parser


def _add_days(parser: argparse.ArgumentParser, days: int) -> None:
    parser.add_argument(
        "--days", type=float, default=float(days), metavar="NUMBER", help=f"lifetime; {days}"
    )


def _list(group: Subcommands, summary: str, examples: str) -> argparse.ArgumentParser:
    parser = add_command(
        group,
        "list",
        "login_list",
        summary,
        "Lists names, whose they are, what they are bound to, when they end and when they were used"
        " last, and from where. No secret is shown: none is kept.",
        examples,
    )
    parser.add_argument("--subject", metavar="NAME", help="of this person only")
    return parser


def _revoke(group: Subcommands, noun: str, examples: str) -> argparse.ArgumentParser:
    parser = add_command(
        group,
        "revoke",
        "login_revoke",
        f"end a {noun} and its sessions",
        f"Ends a {noun} for good. Nobody gets in with it any more, and every gate ends the sessions"
        " that it opened within a second. Its name is never used again.",
        examples,
    )
    parser.add_argument("name", metavar="NAME")
    return parser


def _claim(commands: Subcommands, state: Path) -> None:
    group = add_group(
        commands,
        "claim",
        "claims that you keep, for policies with `lookup: {stored: NAME}`",
        "sallyport claim set alice clearance 3\nsallyport claim list --subject alice\n"
        "sallyport claim unset alice clearance",
    )
    put = add_command(
        group,
        "set",
        "claim_keep",
        "keep a value for a person",
        "Keeps a claim's value, which is JSON. It holds from the person's next login.",
        'sallyport claim set alice clearance 3\nsallyport claim set bob teams \'["red", "blue"]\'',
    )
    forget = add_command(
        group,
        "unset",
        "claim_keep",
        "forget a value",
        "Forgets a claim's value: from the next login whatever needs it is denied.",
        "sallyport claim unset alice clearance",
    )
    listed = add_command(
        group, "list", "claim_keep", "all values", "Lists what is kept.", "sallyport claim list"
    )
    for one in (put, forget):
        one.add_argument("subject", metavar="SUBJECT")
        one.add_argument("claim", metavar="NAME")
    put.add_argument("value", metavar="JSON")
    listed.add_argument("--subject", metavar="SUBJECT", help="of this person only")
    for one, act in ((put, "set"), (forget, "unset"), (listed, "list")):
        one.set_defaults(act=act)
        add_looking(one, state)
        add_json(one)
