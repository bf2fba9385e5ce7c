"""`sallyport audit verify`, `tail` and `query`: reading the audit log."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

from proxy.commands.output import (
    EXIT_FAILED,
    EXIT_OK,
    EXIT_REFUSED,
    Subparsers,
    complain,
    json_argument,
    moment,
    readable_time,
    say,
    say_json,
)
from proxy.runtime.audit import Record, denied, follow, verify, who_saw

FOLLOW_SECONDS = 0.5
"""Pause of `tail` when nothing is new."""


def add(subparsers: Subparsers) -> None:
    """Declare all three."""
    parser = subparsers.add_parser("audit", help="verify, follow or query the audit log")
    nested = parser.add_subparsers(required=True, metavar="COMMAND")
    verified = nested.add_parser(
        "verify",
        help="is the log intact",
        description="Walks every chain: a flipped bit, a removed, reordered or inserted record "
        "and a cut tail are found. Exit code 1 if anything is wrong.",
    )
    _directory(verified)
    json_argument(verified)
    verified.set_defaults(run=_verify)
    tail = nested.add_parser("tail", help="records as they are written, one JSON object per line")
    _directory(tail)
    tail.set_defaults(run=_tail)
    query = nested.add_parser(
        "query",
        help="who saw a column, or what was denied",
        epilog="sallyport audit query DIR --saw sales.customers.email --since 2026-01-01\n"
        "sallyport audit query DIR --denied --subject alice",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _directory(query)
    what = query.add_mutually_exclusive_group(required=True)
    what.add_argument("--saw", metavar="SCHEMA.TABLE.COLUMN", help="who read this column")
    what.add_argument("--denied", action="store_true", help="what was refused, to whom and why")
    query.add_argument("--subject", help="of this principal only (with --denied)")
    query.add_argument("--since", type=moment, help="from this date or time on")
    query.add_argument("--until", type=moment, help="before this date or time")
    json_argument(query)
    query.set_defaults(run=_query)


def _directory(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("directory", type=Path, help="audit.directory of the configuration")


def _verify(arguments: argparse.Namespace) -> int:
    try:
        report = verify(arguments.directory)
    except OSError as error:
        complain(str(error))
        return EXIT_REFUSED
    if arguments.json:
        say_json(
            {
                "is_intact": report.is_intact,
                "processes": [
                    {"process": one.process, "records": one.records, "segments": one.segments}
                    for one in report.processes
                ],
                "problems": [str(problem) for problem in report.problems],
            }
        )
    else:
        for one in report.processes:
            say(f"{one.process}: {one.records} records in {one.segments} segments")
            if one.anchor is not None:
                say(f"  note elsewhere: {one.anchor.count} {one.anchor.hash}")
        for problem in report.problems:
            say(f"WRONG {problem}")
        say("intact" if report.is_intact else "not intact")
    return EXIT_OK if report.is_intact else EXIT_FAILED


def _tail(arguments: argparse.Namespace) -> int:
    def wait() -> bool:
        time.sleep(FOLLOW_SECONDS)
        return True

    try:
        for record in follow(arguments.directory, wait, on_damage=complain):
            say(json.dumps(record.facts, ensure_ascii=False))
    except KeyboardInterrupt:
        return EXIT_OK
    except OSError as error:
        complain(str(error))
        return EXIT_REFUSED
    return EXIT_OK


def _query(arguments: argparse.Namespace) -> int:
    try:
        rows = _denials(arguments) if arguments.denied else _sightings(arguments)
    except (OSError, ValueError) as error:
        complain(str(error))
        return EXIT_REFUSED
    if arguments.json:
        say_json(rows)
        return EXIT_OK
    for row in rows:
        say("  ".join(str(value) for value in row.values() if value not in (None, "")))
    return EXIT_OK


def _denials(arguments: argparse.Namespace) -> list[dict[str, object]]:
    return [
        {
            "time": readable_time(one.record.time),
            "subject": one.record.subject,
            "sqlstate": one.sqlstate,
            "reason": one.reason,
            "text": _text(one.record),
        }
        for one in denied(
            arguments.directory,
            since=arguments.since,
            until=arguments.until,
            subject=arguments.subject,
            on_damage=complain,
        )
    ]


def _sightings(arguments: argparse.Namespace) -> list[dict[str, object]]:
    relation, _, column = arguments.saw.rpartition(".")
    if "." not in relation:
        raise ValueError("--saw takes SCHEMA.TABLE.COLUMN")
    return [
        {
            "time": readable_time(one.intent.time),
            "subject": one.intent.subject,
            "column": f"{one.relation}.{one.column}",
            "mask": one.mask or "clear",
            "rows": one.rows,
            "sqlstate": one.sqlstate,
            "text": _text(one.intent),
        }
        for one in who_saw(
            arguments.directory,
            relation,
            column,
            since=arguments.since,
            until=arguments.until,
            on_damage=complain,
        )
    ]


def _text(record: Record) -> str:
    found = record.facts.get("query_info", {}).get("query_string", {})
    return " ".join(str(found.get("text", "")).split())
