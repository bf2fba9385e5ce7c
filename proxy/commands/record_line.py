"""One record of the audit log as a line for eyes. Scripts get the record as it is."""

from __future__ import annotations

from typing import Final

from proxy.commands.moment import written
from proxy.runtime.audit import Record

TEXT_CHARACTERS_SHOWN: Final = 160
"""A statement's beginning is enough to know it by; `--json` has the whole."""


def line_of_record(record: Record) -> str:
    """Time, process and number, phase, who, and what matters most in this phase."""
    parts = [written(record.time), f"{record.process}#{record.sequence}", record.phase]
    if record.subject is not None:
        parts.append(person(record))
    parts += _particulars(record)
    return "  ".join(parts)


def person(record: Record) -> str:
    """Who acted, and through which agent."""
    subject = printable(record.subject or "nobody")
    return subject if record.agent is None else f"{subject} (through {printable(record.agent)})"


def statement(record: Record) -> str | None:
    """The statement on one line, its end left out if it is long; None without a stored text."""
    text = record.text
    if text is None:
        return None
    flat = printable(" ".join(text[: 4 * TEXT_CHARACTERS_SHOWN].split()))
    if len(flat) <= TEXT_CHARACTERS_SHOWN:
        return flat
    return flat[: TEXT_CHARACTERS_SHOWN - 1] + "…"


def printable(text: str) -> str:
    """The text without what a terminal would obey: clients chose it."""
    return "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in text)


def _particulars(record: Record) -> list[str]:
    facts = record.facts
    parts = []
    if record.phase == "outcome":
        unmapped = facts["unmapped"]
        parts.append(f"of #{unmapped.get('intent')}: {unmapped.get('rows')} rows")
    if facts.get("status_code"):
        parts.append(str(facts["status_code"]))
    if facts.get("status_detail"):
        parts.append(printable(str(facts["status_detail"])))
    text = statement(record)
    if text:
        parts.append(text)
    return parts
