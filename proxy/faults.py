"""Every way the gate refuses: a small tree of errors, each carrying what the client must be told.

    Fault                     base: SQLSTATE, message, and what may be told with it
     ├─ SyntaxFault           42601   text that does not parse, or exceeds a limit of its size
     ├─ NotFoundFault         42P01…  an object that does not exist *for this principal* (I7)
     ├─ DeniedFault           42501   policy forbids it
     ├─ UnsupportedFault      0A000   the gate does not do this (yet, or on purpose)
     ├─ ConnectionFault       08xxx, 28xxx, 57Pxx   session-level: the connection ends
     ├─ LimitFault            53xxx, 54xxx, 57014   a named limit was reached
     ├─ SourceFault           SQLSTATE of the source, text edited (I9)
     └─ InternalFault         XX000   two locks disagreed or an invariant broke: refused, recorded

This file must not know sockets, policies or SQL trees. `detail`, `hint` and `position` speak of the
client's own text and of visible objects only; the caller guarantees that, this file cannot check
it. SQLSTATEs: PostgreSQL documentation, Appendix A.
"""

from __future__ import annotations


class Fault(Exception):
    """One clear refusal.

    Args: `message` lowercase without final period (PostgreSQL Error Message Style Guide),
    `sqlstate` five characters, `position` 1-based character offset into the client's text.
    """

    sqlstate = "XX000"
    severity = "ERROR"

    def __init__(
        self,
        message: str,
        *,
        sqlstate: str | None = None,
        detail: str | None = None,
        hint: str | None = None,
        position: int | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        if sqlstate is not None:
            self.sqlstate = sqlstate
        self.detail = detail
        self.hint = hint
        self.position = position
        self.is_on_record = False
        """Whether the audit log has it already, as a refusal or as the outcome of a statement."""
        self.is_at_bind = False
        """Whether the server found it before the statement ran: wrong values, constants that fail.
        """

    def shifted(self, characters: int) -> Fault:
        """Move the position by `characters`: from one statement's text to the whole query
        string."""
        if self.position is not None:
            self.position += characters
        return self


class SyntaxFault(Fault):
    sqlstate = "42601"


class NotFoundFault(Fault):
    sqlstate = "42P01"


class DeniedFault(Fault):
    sqlstate = "42501"


class UnsupportedFault(Fault):
    sqlstate = "0A000"


class ConnectionFault(Fault):
    """Ends the session: told with severity FATAL, then the socket closes."""

    sqlstate = "08P01"
    severity = "FATAL"


class LimitFault(Fault):
    sqlstate = "54000"


class SourceFault(Fault):
    """A source's own error. Constructed only with a text that was checked or replaced (I9)."""

    sqlstate = "58000"


class InternalFault(Fault):
    """Two independent checks disagreed. The client learns only that; the audit log has the rest."""

    sqlstate = "XX000"
