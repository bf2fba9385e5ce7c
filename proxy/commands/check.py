"""`sallyport check`: would a gate start with this configuration, and what would it complain about.

Reads the configuration, the policies and the sources' schemas; changes and starts nothing.
"""

from __future__ import annotations

import argparse
import asyncio
from dataclasses import dataclass, field

from policies.case import run_cases
from policies.check import check
from policies.errors import PolicyLoadError
from policies.load import load as load_policy
from proxy import assembly
from proxy.catalog.virtual import CatalogError, SourceCatalog
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
from proxy.runtime.config import Configuration, ConfigurationError, load
from proxy.upkeep import live_schema
from proxy.worker import SchemaReader


@dataclass
class Findings:
    """What was found: `errors` would keep a gate from starting, `warnings` would not."""

    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    checked: list[str] = field(default_factory=list)


def add(subparsers: Subparsers) -> None:
    """Declare the subcommand."""
    parser = subparsers.add_parser(
        "check",
        help="the configuration and policies against the live sources",
        description="Reads the configuration, the policies and the schemas of all sources, and "
        "says everything that is wrong, with file and line.",
    )
    configuration_argument(parser)
    parser.add_argument(
        "--demonstration", action="store_true", help="accept the demonstration's issuer"
    )
    json_argument(parser)
    parser.set_defaults(run=_check)


def _check(arguments: argparse.Namespace) -> int:
    findings = Findings()
    try:
        configuration = load(arguments.configuration, is_demonstration=arguments.demonstration)
    except (ConfigurationError, OSError) as error:
        complain(str(error))
        return EXIT_REFUSED
    findings.checked.append(f"configuration {arguments.configuration}")
    asyncio.run(_check_policies(configuration, findings))
    if arguments.json:
        say_json(vars(findings))
    else:
        for text in findings.checked:
            say(f"ok       {text}")
        for text in findings.warnings:
            say(f"warning  {text}")
        for text in findings.errors:
            say(f"error    {text}")
    return EXIT_FAILED if findings.errors else EXIT_OK


async def _check_policies(configuration: Configuration, findings: Findings) -> None:
    try:
        policy, warnings = load_policy(configuration.policies)
    except PolicyLoadError as error:
        findings.errors.extend(str(problem) for problem in error.problems)
        return
    findings.checked.append(f"policy {policy.version[:12]}: {len(policy.tables)} tables")
    findings.warnings.extend(str(problem) for problem in warnings)
    catalogs = await read_catalogs(configuration, findings)
    if len(catalogs) == len(configuration.sources):
        for problem in check(policy, live_schema(catalogs)):
            (findings.warnings if problem.is_warning else findings.errors).append(str(problem))
    results = run_cases(policy)
    for result in results:
        findings.errors.extend(
            f"{result.case.place}: case {result.case.name}: {difference}"
            for difference in result.differences
        )
    if results:
        passed = sum(result.has_passed for result in results)
        findings.checked.append(f"cases: {passed} of {len(results)} pass")


async def read_catalogs(
    configuration: Configuration, findings: Findings
) -> tuple[SourceCatalog, ...]:
    """The schemas of all sources that can be read; the others become errors."""
    catalogs = []
    for source in configuration.sources:
        try:
            catalog = await SchemaReader(source.name, assembly.source_options(source))()
        except (CatalogError, OSError) as error:
            findings.errors.append(f"source {source.name}: {error}")
            continue
        catalogs.append(catalog)
        findings.checked.append(f"source {source.name}: {len(catalog.relations)} relations")
    return tuple(catalogs)
