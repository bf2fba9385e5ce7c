"""`sallyport policy test`: the cases beside the rules, run without any source."""

from __future__ import annotations

import argparse

from policies.case import CaseResult, run_cases
from policies.errors import PolicyLoadError
from policies.load import load as load_policy
from proxy.commands.looking import configuration
from proxy.commands.outcome import (
    EXIT_OK,
    EXIT_PROBLEMS,
    CommandError,
    give,
    give_json,
    tell,
)


def run(arguments: argparse.Namespace) -> int:
    """Run all cases. Raises CommandError for a policy that does not load, or that has no case."""
    files = tuple(arguments.files) or configuration(arguments).policies
    try:
        policy, _ = load_policy(files)
    except PolicyLoadError as error:
        raise CommandError(str(error), EXIT_PROBLEMS) from error
    results = run_cases(policy)
    if not results:
        raise CommandError("the policy has no cases: nothing was tested", EXIT_PROBLEMS)
    for result in results:
        if arguments.json:
            give_json(_as_json(result))
        else:
            _show(result)
    failed = sum(not result.has_passed for result in results)
    tell(f"cases: {len(results)}, failed: {failed}")
    return EXIT_PROBLEMS if failed else EXIT_OK


def _show(result: CaseResult) -> None:
    place = result.case.place
    if result.has_passed:
        give(f"ok      {result.case.name}")
        return
    give(f"FAILED  {result.case.name}  ({place.file}:{place.line})")
    for difference in result.differences:
        give(f"          {difference}")


def _as_json(result: CaseResult) -> dict[str, object]:
    return {
        "case": result.case.name,
        "file": result.case.place.file,
        "line": result.case.place.line,
        "table": str(result.case.key),
        "passed": result.has_passed,
        "differences": list(result.differences),
    }
