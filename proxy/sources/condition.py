"""A source's error, edited before anyone sees it (INVARIANT I9).

It must not know connections. From a source's ErrorResponse only the SQLSTATE survives, and only if
its class is on the list below; the text is the condition's name from PostgreSQL's own table
(`condition.tsv`), so it can name no value, no hidden row, no column and no object. Message, Detail,
Hint, Position, Where, schema, table, column, type and constraint names are dropped: each of them
has been seen to carry a hidden value (`invalid input syntax for type integer: "secret"`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib import resources

from proxy.faults import SourceFault

# Classes whose condition an honest client can act upon, and whose name tells only what its own
# statement met. Not listed: 28 and 3D (the gate's own login at the source), F0 and XX (its
# internals), HV (foreign servers behind it), 0L, 0P, 2B, 38, 39, P0 (roles and procedural code that
# the client has no business with).
# fmt: off
TELLABLE_CLASSES = frozenset(
    (
        "08", "0A", "0B", "10", "20", "21", "22", "23", "24",
        "25", "26", "2D", "2F", "34", "3B", "3F", "40", "42",
        "44", "53", "54", "55", "57", "58", "72",
    )
)
# fmt: on
# What stands for every other condition: "system_error" of class 58, errors outside PostgreSQL
# itself.
SYSTEM_ERROR = "58000"
# A source that goes away is one condition for the client, whichever way it went (57P01, 57P02,
# 57P03, 57P05).
CONNECTION_FAILURE = "08006"
_GOES_AWAY = frozenset({"57P01", "57P02", "57P03", "57P05", "08003", "08P01"})

# A source's own text, where it may be told at all, is cut here: libpq's notices are shorter, and no
# one reads more.
MESSAGE_CHARACTERS_MAX = 1_000

_SQLSTATE = re.compile(r"[0-9A-Z]{5}\Z")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f]")

# Where PostgreSQL's usual wording differs from the condition's name, clients know the wording.
_WORDING = {
    "42501": "permission denied at the source",
    "57014": "canceling statement at the source",
    "22003": "value out of range",
    SYSTEM_ERROR: "the source could not run the statement",
    CONNECTION_FAILURE: "the connection to the source was lost",
}


@cache
def conditions() -> Mapping[str, str]:
    """SQLSTATE to condition name, from the table (PostgreSQL documentation, Appendix A)."""
    text = resources.files(__package__).joinpath("condition.tsv").read_text(encoding="ascii")
    rows = (line.split("\t") for line in text.splitlines() if not line.startswith("#"))
    return {sqlstate: name for sqlstate, name in rows}


def is_sqlstate(text: str | None) -> bool:
    """True for five upper-case letters or digits; a source that sends anything else is not
    PostgreSQL.
    """
    return text is not None and _SQLSTATE.match(text) is not None


def tellable_sqlstate(sqlstate: str | None) -> str:
    """The SQLSTATE a client may be told for the source's `sqlstate`."""
    if sqlstate is None or not is_sqlstate(sqlstate):
        return SYSTEM_ERROR
    if sqlstate in _GOES_AWAY:
        return CONNECTION_FAILURE
    if sqlstate[:2] not in TELLABLE_CLASSES:
        return SYSTEM_ERROR
    if sqlstate in conditions():
        return sqlstate
    # An unknown member of a known class (a later PostgreSQL, an extension): the class's own general
    # condition.
    general = f"{sqlstate[:2]}000"
    return general if general in conditions() else SYSTEM_ERROR


def edit_error(
    fields: Mapping[str, str], *, is_text_about_visible_data: bool = False
) -> SourceFault:
    """Turn the fields of an ErrorResponse (keys as on the wire: `C`, `M`, …) into what may be told.

    `is_text_about_visible_data` is the one considered exception: the guard has proved that nothing
    in this statement runs on a hidden row, so the primary message (never another field) speaks of
    visible data only. It is honoured for data exceptions (class 22) alone, where the message helps
    to mend the statement.
    """
    sqlstate = tellable_sqlstate(fields.get("C"))
    message = _WORDING.get(sqlstate) or conditions()[sqlstate].replace("_", " ")
    if is_text_about_visible_data and sqlstate.startswith("22") and fields.get("M"):
        message = _UNPRINTABLE.sub(" ", fields["M"])[:MESSAGE_CHARACTERS_MAX]
    return SourceFault(message, sqlstate=sqlstate)


def lost(reason: str | None = None) -> SourceFault:
    """The connection is gone. `reason` is a constant text of ours, told as detail."""
    return SourceFault(_WORDING[CONNECTION_FAILURE], sqlstate=CONNECTION_FAILURE, detail=reason)
