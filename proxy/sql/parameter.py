"""Parameters where none can be given: a simple query and COPY bring no values along.

The shadow would infer a type for `$1` and describe the statement; the gate would then run it with a
value that nobody sent. PostgreSQL refuses it in analysis, and so does this file.

This file must not know protocols: the caller says which statements come without values.
"""

from __future__ import annotations

from proxy.faults import Fault
from proxy.sql import tree
from proxy.sql.parse import Statement

UNDEFINED_PARAMETER = "42P02"


def undefined(number: int, position: int | None = None) -> Fault:
    """PostgreSQL's answer to a parameter without a value (parse_param.c), 1-based `number`."""
    return Fault(
        f"there is no parameter ${number}", sqlstate=UNDEFINED_PARAMETER, position=position
    )


def refuse_parameters(statement: Statement) -> None:
    """Raise Fault 42P02 for the first parameter in the text, its position in `statement.text`."""
    # Most texts hold no dollar sign: they are not walked.
    if "$" not in statement.text or statement.node is None:
        return
    found = [one for one in tree.walk(statement.node) if one.DESCRIPTOR.name == "ParamRef"]
    if found:
        first = min(found, key=lambda one: one.location)
        raise undefined(first.number, statement.position(first.location))
