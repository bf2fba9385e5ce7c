"""`sallyport policy test` and `sallyport policy explain`: what the policy decides, and why."""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from pathlib import Path

from policies.case import run_cases
from policies.decide import PolicySet
from policies.errors import PolicyError, PolicyLoadError
from policies.identity import Identity
from policies.load import load as load_policy
from policies.model import RelationKey
from policies.record import explain
from proxy.commands.check import Findings, read_catalogs
from proxy.commands.output import (
    EXIT_FAILED,
    EXIT_OK,
    EXIT_REFUSED,
    Subparsers,
    complain,
    configuration_argument,
    json_argument,
    say,
    say_json,
)
from proxy.commands.rehearsal import Rehearsal, rehearse
from proxy.demo.principal import PRINCIPALS
from proxy.faults import Fault
from proxy.runtime.config import ConfigurationError, load

EXPLAIN_SECONDS = 3600.0
"""Validity of the identity that explain makes up; it is never shown to anybody."""


def add(subparsers: Subparsers) -> None:
    """Declare both."""
    parser = subparsers.add_parser("policy", help="test or explain the policy")
    nested = parser.add_subparsers(required=True, metavar="COMMAND")
    test = nested.add_parser(
        "test",
        help="run the cases written beside the rules",
        description="Runs the cases of policy files; needs no source. Exit code 1 if one fails.",
    )
    test.add_argument("files", nargs="+", type=Path, metavar="FILE", help="policy files or folders")
    json_argument(test)
    test.set_defaults(run=_test)
    explained = nested.add_parser(
        "explain",
        help="which rules answer a statement for a person, and the SQL that results",
        description="Explains a statement as one principal: the rules that apply, filters and "
        "masks by name, the guarded SQL of each source, and why something is hidden. For "
        "operators: it shows the text of rules.",
        epilog="sallyport policy explain --as alice --role analyst --claim 'regions=[\"emea\"]' "
        '"select * from sales.orders"',
    )
    configuration_argument(explained)
    explained.add_argument("--as", dest="principal", required=True, metavar="NAME")
    explained.add_argument(
        "--role", action="append", default=[], help="a role of theirs; may be repeated"
    )
    explained.add_argument(
        "--claim", action="append", default=[], metavar="NAME=JSON", help="a claim of the token"
    )
    explained.add_argument("statement", help="one query")
    json_argument(explained)
    explained.set_defaults(run=_explain)


def _test(arguments: argparse.Namespace) -> int:
    try:
        policy, warnings = load_policy(arguments.files)
    except PolicyLoadError as error:
        complain(str(error))
        return EXIT_REFUSED
    results = run_cases(policy)
    failed = [result for result in results if not result.has_passed]
    if arguments.json:
        say_json(
            {
                "cases": len(results),
                "failed": [
                    {"case": result.case.name, "differences": result.differences}
                    for result in failed
                ],
                "warnings": [str(warning) for warning in warnings],
            }
        )
    else:
        for result in failed:
            say(f"FAILED {result.case.place}: {result.case.name}")
            for difference in result.differences:
                say(f"       {difference}")
        say(f"{len(results) - len(failed)} of {len(results)} cases pass")
    return EXIT_FAILED if failed else EXIT_OK


def _explain(arguments: argparse.Namespace) -> int:
    try:
        configuration = load(arguments.configuration, is_demonstration=True)
        policy, _ = load_policy(configuration.policies)
        identity = _identity(policy, arguments)
    except (ConfigurationError, PolicyError, OSError, ValueError) as error:
        complain(str(error))
        return EXIT_REFUSED
    findings = Findings()
    catalogs = asyncio.run(read_catalogs(configuration, findings))
    for text in findings.errors:
        complain(text)
    try:
        rehearsal = rehearse(policy, catalogs, identity, arguments.statement)
    except Fault as fault:
        complain(f"{fault.message} ({fault.sqlstate})")
        _say_explanations(policy, identity, _mentioned(policy, arguments.statement), arguments)
        return EXIT_FAILED
    _say_rehearsal(policy, identity, rehearsal, arguments)
    return EXIT_OK


def _identity(policy: PolicySet, arguments: argparse.Namespace) -> Identity:
    """The identity of a token with these contents; a person of the demonstration by name alone."""
    payload: dict[str, object] = {
        "sub": arguments.principal,
        "exp": time.time() + EXPLAIN_SECONDS,
        "iss": "policy explain",
    }
    known = PRINCIPALS.get(arguments.principal)
    if known is not None and not arguments.role and not arguments.claim:
        payload.update(known.claims())
    for text in arguments.claim:
        name, equals, value = text.partition("=")
        if not equals:
            raise ValueError(f"--claim {text}: NAME=JSON is expected")
        payload[name] = json.loads(value)
    if arguments.role:
        payload["roles"] = arguments.role
    return policy.mapping.identify(payload)


def _mentioned(policy: PolicySet, statement: str) -> list[RelationKey]:
    """Tables of the policy whose name occurs in the text: what a refusal is probably about."""
    folded = statement.lower()
    return [key for key in policy.tables if key.name.lower() in folded]


def _say_rehearsal(
    policy: PolicySet, identity: Identity, rehearsal: Rehearsal, arguments: argparse.Namespace
) -> None:
    if not arguments.json:
        _say_explanations(policy, identity, rehearsal.relations, arguments)
        say(f"\nguarded SQL for source {rehearsal.source or '(any)'}:\n{rehearsal.sql}")
        return
    now = time.time()
    say_json(
        {
            "relations": [
                explain(policy, identity, key, now).to_json() for key in rehearsal.relations
            ],
            "source": rehearsal.source,
            "sql": rehearsal.sql,
        }
    )


def _say_explanations(
    policy: PolicySet,
    identity: Identity,
    keys: list[RelationKey],
    arguments: argparse.Namespace,
) -> None:
    if arguments.json:
        return
    for key in keys:
        for line in explain(policy, identity, key, time.time()).lines():
            say(line)
