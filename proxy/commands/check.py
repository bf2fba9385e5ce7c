"""`sallyport check`: configuration, policies and roles against the live sources, before they serve.

This file must not know how anything is checked: it asks each floor for its problems and gives all
of them one form, with file and line.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from policies.check import check
from policies.decide import PolicySet
from policies.errors import PolicyLoadError, Problem
from policies.load import load as load_policy
from policies.model import RelationKey
from proxy.commands.line_of import line_of
from proxy.commands.live import SourceView, look_at_sources
from proxy.commands.looking import configuration_file, is_demonstration
from proxy.commands.outcome import EXIT_OK, EXIT_PROBLEMS, EXIT_USAGE, give, give_json, tell
from proxy.demo.terminal import Progress
from proxy.runtime import log
from proxy.runtime.config import Configuration, ConfigurationError, load
from proxy.upkeep import live_schema


def run(arguments: argparse.Namespace) -> int:
    """Check and list what is wrong. Raises CommandError when there is nothing to look at."""
    file = configuration_file(arguments)
    try:
        configuration = load(file, is_demonstration=is_demonstration(arguments, file))
    except ConfigurationError as error:
        wrong = [
            Problem(str(one.file), one.line, one.message, field=one.field or None)
            for one in error.problems
        ]
        _report(wrong, arguments.json)
        return EXIT_USAGE
    log.configure("error", "console")
    problems = asyncio.run(problems_of(configuration))
    _report(problems, arguments.json)
    is_bad = any(arguments.strict or not problem.is_warning for problem in problems)
    return EXIT_PROBLEMS if is_bad else EXIT_OK


async def problems_of(configuration: Configuration) -> list[Problem]:
    """Everything that is wrong with policies and roles, warnings included. Never raises for it."""
    progress = Progress(sys.stderr)
    problems: list[Problem] = []
    policy: PolicySet | None = None
    try:
        with progress.step("policies"):
            policy, warnings = load_policy(configuration.policies)
        problems.extend(warnings)
    except PolicyLoadError as error:
        problems.extend(error.problems)
    keys = [] if policy is None else [*policy.tables, *policy.lookups]
    relations = [(key.source, key.schema, key.name) for key in keys]
    views = await look_at_sources(configuration, relations, progress)
    for index, view in enumerate(views):
        problems += _source_problems(configuration.file, index, view, policy)
    if policy is not None:
        problems += _policy_problems(policy, views)
    return problems


def _source_problems(
    file: Path, index: int, view: SourceView, policy: PolicySet | None
) -> list[Problem]:
    """What keeps the gate from using a source, and what its operator should know."""
    field = f"sources[{index}]"
    rule = f"source {view.name}"
    line = line_of(file, "sources", index)
    problems = [Problem(str(file), line, text, rule, field) for text in view.failures]
    if view.role is None:
        return problems
    field, line = f"{field}.user", line_of(file, "sources", index, "user")
    problems += [
        Problem(str(file), line, text, rule, field) for text in view.role.reasons_to_refuse()
    ]
    for schema, name in view.role.writable:
        text = f"role {view.role.role} may write {schema}.{name}: the gate only reads"
        problems.append(Problem(str(file), line, text, rule, field, is_warning=True))
    for schema, name in view.role.unreadable:
        table = policy and policy.tables.get(RelationKey(view.name, schema, name))
        text = f"role {view.role.role} may not read {schema}.{name}"
        if table:
            place = table.place
            problems.append(Problem(place.file, place.line, text, f"{schema}.{name}"))
        else:
            problems.append(Problem(str(file), line, text, rule, field))
    return problems


def _policy_problems(policy: PolicySet, views: Sequence[SourceView]) -> list[Problem]:
    """The policy against the schemas that could be read; of the others nothing can be said."""
    catalogs = [view.catalog for view in views if view.catalog is not None]
    unread = {view.name for view in views if view.catalog is None}
    known = {view.name for view in views}
    problems = check(policy, live_schema(catalogs)) if catalogs else []
    silent = {
        (table.place.file, table.place.line)
        for key, table in policy.tables.items()
        if key.source in unread or key.source not in known
    }
    # Without a line are lookups, and the policy as a whole: they may be about what was not read.
    problems = [
        one
        for one in problems
        if (one.file, one.line) not in silent and not (unread and one.line == 0)
    ]
    for key, table in policy.tables.items():
        if key.source not in known:
            text = f'the configuration has no source called "{key.source}"'
            rule = f"{key.schema}.{key.name}"
            problems.append(Problem(table.place.file, table.place.line, text, rule))
    return problems


def _report(problems: Sequence[Problem], is_json: bool) -> None:
    fatal = sum(not problem.is_warning for problem in problems)
    for problem in problems:
        if is_json:
            give_json(
                {
                    "severity": "warning" if problem.is_warning else "error",
                    "file": problem.file,
                    "line": problem.line,
                    "rule": problem.rule,
                    "field": problem.field,
                    "message": problem.message,
                    "suggestion": problem.suggestion,
                }
            )
        else:
            give(f"{'warning: ' if problem.is_warning else ''}{problem}")
    tell(f"problems: {fatal}, warnings: {len(problems) - fatal}")
