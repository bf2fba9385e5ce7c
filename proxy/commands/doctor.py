"""`sallyport doctor`: is everything around the gate as it should be, and if not, what to do.

This file must not know how anything is examined: this machine, the neighbours and the policies are
each asked by the module that knows them.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime
from collections.abc import Sequence

from proxy.commands.check import problems_of
from proxy.commands.doctor_machine import machine
from proxy.commands.doctor_neighbours import neighbours
from proxy.commands.finding import Finding
from proxy.commands.looking import configuration_file, is_demonstration
from proxy.commands.outcome import (
    EXIT_OK,
    EXIT_PROBLEMS,
    CommandError,
    give,
    give_json,
    tell,
)
from proxy.runtime import log
from proxy.runtime.config import Configuration, ConfigurationError, load

POLICIES = "policies and roles"

CLOSING_SECONDS = 0.1
"""In which TLS connections say good-bye to their sources, before the loop ends."""


def run(arguments: argparse.Namespace) -> int:
    """Examine and tell. Raises CommandError for a configuration that cannot be read."""
    file = configuration_file(arguments)
    try:
        configuration = load(file, is_demonstration=is_demonstration(arguments, file))
    except ConfigurationError as error:
        raise CommandError(str(error)) from error
    log.configure("error", "console")
    findings = asyncio.run(_examine(configuration))
    _report(findings, is_json=arguments.json)
    return EXIT_PROBLEMS if any(one.level == "problem" for one in findings) else EXIT_OK


async def _examine(configuration: Configuration) -> list[Finding]:
    now = datetime.datetime.now(datetime.UTC)
    findings = [
        Finding(f"configuration {configuration.file}", "ok", "it can be read"),
        *machine(configuration, now),
        *await neighbours(configuration),
        *await _policies(configuration),
    ]
    await asyncio.sleep(CLOSING_SECONDS)
    return findings


async def _policies(configuration: Configuration) -> list[Finding]:
    """What `sallyport check` finds, in one form with the rest."""
    problems = await problems_of(configuration)
    if not problems:
        return [Finding(POLICIES, "ok", "they fit the sources")]
    return [
        Finding(
            POLICIES,
            "warning" if one.is_warning else "problem",
            str(one),
            one.suggestion or "",
        )
        for one in problems
    ]


def _report(findings: Sequence[Finding], *, is_json: bool) -> None:
    for one in findings:
        if is_json:
            give_json(one.as_json())
        else:
            give(str(one))
    problems = sum(one.level == "problem" for one in findings)
    warnings = sum(one.level == "warning" for one in findings)
    tell(f"looked at {len(findings)}: {problems} problems, {warnings} warnings")
