"""`sallyport audit query`: who saw a column, and what was denied."""

from __future__ import annotations

import argparse
from pathlib import Path

from proxy.commands import moment
from proxy.commands.looking import audit_directory
from proxy.commands.outcome import EXIT_OK, EXIT_PROBLEMS, CommandError, give, give_json, tell
from proxy.commands.record_line import person, printable, statement
from proxy.runtime.audit import Denial, Record, Sighting, denied, who_saw


def run(arguments: argparse.Namespace) -> int:
    """Answer the question. Returns 1 when a part of the log could not be read."""
    since, until = moment.beginning(arguments.since), moment.end(arguments.until)
    if since is not None and until is not None and since >= until:
        raise CommandError("--since is not before --until")
    directory = audit_directory(arguments)
    damages: list[str] = []
    ask = _saw if arguments.question == "saw" else _denied
    found = ask(arguments, directory, (since, until), damages)
    tell(f"found: {found}")
    for text in damages:
        tell(f"{text}: `sallyport audit verify` tells more")
    return EXIT_PROBLEMS if damages else EXIT_OK


Period = tuple[float | None, float | None]


def _saw(arguments: argparse.Namespace, directory: Path, period: Period, damages: list[str]) -> int:
    if arguments.table.count(".") not in (1, 2):
        raise CommandError("the table is given as schema.name, or source.schema.name")
    found = [
        one
        for one in who_saw(
            directory,
            arguments.table,
            arguments.column,
            since=period[0],
            until=period[1],
            on_damage=damages.append,
        )
        if arguments.subject in (None, one.intent.subject)
    ]
    for one in found:
        if arguments.json:
            give_json(_sighting_as_json(one))
        else:
            give(_sighting_line(one))
    return len(found)


def _denied(
    arguments: argparse.Namespace, directory: Path, period: Period, damages: list[str]
) -> int:
    number = 0
    for one in denied(
        directory,
        since=period[0],
        until=period[1],
        subject=arguments.subject,
        on_damage=damages.append,
    ):
        number += 1
        if arguments.json:
            give_json({**_who_and_what(one.record), "sqlstate": one.sqlstate, "reason": one.reason})
        else:
            give(_denial_line(one))
    return number


def _sighting_line(one: Sighting) -> str:
    shown = f"masked by {one.mask}" if one.mask else "clear"
    rows = "no outcome recorded" if one.rows is None else f"{one.rows} rows"
    parts = [moment.written(one.intent.time), person(one.intent), shown, rows]
    parts += [part for part in (one.sqlstate, statement(one.intent)) if part]
    return "  ".join(parts)


def _denial_line(one: Denial) -> str:
    parts = [moment.written(one.record.time), person(one.record), one.sqlstate]
    parts += [part for part in (printable(one.reason), statement(one.record)) if part]
    return "  ".join(parts)


def _sighting_as_json(one: Sighting) -> dict[str, object]:
    return {
        **_who_and_what(one.intent),
        "relation": one.relation,
        "column": one.column,
        "mask": one.mask,
        "rows": one.rows,
        "sqlstate": one.sqlstate,
    }


def _who_and_what(record: Record) -> dict[str, object]:
    return {
        "time": moment.written(record.time),
        "process": record.process,
        "sequence": record.sequence,
        "subject": record.subject,
        "agent": record.agent,
        "statement": record.text,
        "trace_id": record.trace_id,
    }
