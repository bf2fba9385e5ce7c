"""Every way this package can fail, as one small tree.

    WireError                 base: message, SQLSTATE
     ├─ ProtocolViolation     08P01  the peer broke the protocol: tell it (FATAL) and close
     │   ├─ MalformedMessage  08P01, 22021, 42622  one body is wrong, its frame is intact and read:
     │   │                           a server may answer with ERROR and go on
     │   └─ UnsupportedMessage 0A000 legal in the protocol, refused by this package on purpose
     ├─ AuthenticationFailure 28P01  a SCRAM exchange that does not prove what it must
     ├─ InvalidValue          22P02, 22P03  a parameter value that its type does not allow
     └─ UnencodableMessage    XX000  our own mistake: a message that has no form on the wire

This file must not know who catches what. Texts never contain a peer's bytes beyond one type byte or
a number, so they may be logged and sent.
SQLSTATEs: PostgreSQL documentation, Appendix A.
"""

from __future__ import annotations


class WireError(Exception):
    """Base of the tree. `message`: lower case, no final period; `sqlstate`: five characters."""

    sqlstate = "XX000"

    def __init__(self, message: str, sqlstate: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        if sqlstate is not None:
            self.sqlstate = sqlstate


class ProtocolViolation(WireError):
    """The peer broke the protocol. The connection ends; nothing it sends later is read."""

    sqlstate = "08P01"
    is_fatal = True


class MalformedMessage(ProtocolViolation):
    """One message body is wrong, with the frame around it intact.

    `message_type` is the type byte. PostgreSQL answers such a body with ERROR and goes on (after an
    extended message, from the next Sync), so a server may call `next_event` again.
    """

    is_fatal = False

    def __init__(
        self, message: str, sqlstate: str | None = None, *, message_type: bytes = b""
    ) -> None:
        super().__init__(message, sqlstate)
        self.message_type = message_type


class UnsupportedMessage(ProtocolViolation):
    """A message of the protocol that is never accepted here (FunctionCall, replication, GSS, …)."""

    sqlstate = "0A000"


class AuthenticationFailure(WireError):
    """A SCRAM exchange failed. The text never says whether the user exists."""

    sqlstate = "28P01"


class InvalidValue(WireError):
    """A value in text or binary format that its type does not allow."""

    sqlstate = "22P02"


class UnencodableMessage(WireError):
    """A message built by this program that cannot be written, such as a string with a NUL."""
