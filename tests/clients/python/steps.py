"""A transcript is a list of functions: each is a step, and what it returns is what the client was told.

One JSON object per line on standard output. An error is told by its class and SQLSTATE; its words
only where a step returns them, since the gate does not pass on the words of a source.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import sys
from collections.abc import Callable
from typing import Any

HOST, PORT = os.environ["PGHOST"], int(os.environ["PGPORT"])
USER, PASSWORD = os.environ["PGUSER"], os.environ["PGPASSWORD"]
DATABASE, CERTIFICATE = os.environ["PGDATABASE"], os.environ["PGSSLROOTCERT"]


def tell(step: str, outcome: object) -> None:
    """Write one line of the transcript."""
    print(json.dumps({"step": step, **_outcome(outcome)}, default=repr), flush=True)


def _outcome(outcome: object) -> dict[str, object]:
    if isinstance(outcome, Exception):
        return {"error": error(outcome)}
    return {"said": outcome}


def error(raised: BaseException) -> list[str]:
    """Class and SQLSTATE of an error, or its words where no SQLSTATE is to be found.

    Its words go to standard error, for who looks into a difference.
    """
    print(type(raised).__name__, raised, file=sys.stderr)
    cause = getattr(raised, "orig", None) or raised
    for name in ("sqlstate", "pgcode"):
        if state := getattr(cause, name, None):
            return [type(cause).__name__, str(state)]
    if cause.args and isinstance(cause.args[0], dict):  # pg8000: the fields of ErrorResponse
        return [type(cause).__name__, cause.args[0].get("C", "")]
    return [type(cause).__name__, str(cause)]


def failure(action: Callable[[], object]) -> list[str]:
    """What went wrong when `action` was called: for steps that must go on afterwards."""
    try:
        action()
    except Exception as raised:
        return error(raised)
    return ["no error"]


def steps_of(module: dict[str, Any]) -> list[Callable[[Any], Any]]:
    """The steps of a program: its functions in order, those without a leading underscore."""
    own = (value for value in module.values() if inspect.isfunction(value))
    return [f for f in own if f.__module__ == module["__name__"] and not f.__name__.startswith("_")]


def run(open_connection: Callable[[], Any], module: dict[str, Any]) -> None:
    """Connect, take each step, close. A step that raises is told; the next one is taken."""
    connection = open_connection()
    for step in steps_of(module):
        try:
            tell(step.__name__, step(connection))
        except Exception as raised:
            tell(step.__name__, raised)
    connection.close()
    tell("end", sys.version_info[0])


async def run_async(open_connection: Callable[[], Any], module: dict[str, Any]) -> None:
    """The same for coroutines."""
    connection = await open_connection()
    for step in steps_of(module):
        try:
            found = step(connection)
            tell(step.__name__, await found if inspect.isawaitable(found) else found)
        except (Exception, asyncio.CancelledError) as raised:
            tell(step.__name__, raised if isinstance(raised, Exception) else "cancelled")
    await connection.close()
    tell("end", sys.version_info[0])
