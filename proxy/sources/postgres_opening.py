"""The messages that make a portal out of a fragment and its arguments, and the answers they must
get.

It must not know sockets. INVARIANT I1: the only place of this source where a text other than our
own constants enters a message (COPY in `postgres_connection.py` is the other one), and it comes out
of a `Fragment`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from policies.claims import ClaimType, to_text
from proxy.faults import InternalFault, LimitFault, SourceFault
from proxy.sources.base import TEXT_FORMAT, Arguments
from proxy.sources.postgres_backend import PostgresBackend
from proxy.sources.postgres_portal import Portal
from proxy.sources.postgres_statement import Statement
from proxy.wire.backend import (
    BackendMessage,
    BindComplete,
    CloseComplete,
    ParseComplete,
    RowDescription,
)
from proxy.wire.frontend import PORTAL, STATEMENT, Bind, Close, Describe, Parse
from proxy.wire.limits import PARAMETERS_MAX

if TYPE_CHECKING:
    # A type only: the pipeline that makes fragments is no business of a source.
    from proxy.sql.plan import Fragment


class Opening:
    """The messages that make a portal, and the answers they must get."""

    def __init__(
        self,
        backend: PostgresBackend,
        fragment: Fragment,
        arguments: Arguments,
        result_formats: tuple[int, ...],
        portal: str,
    ) -> None:
        oids = fragment.parameter_oids + tuple(slot.type_oid for slot in fragment.claim_slots)
        values, formats = _parameters(fragment, arguments)
        if len(values) > PARAMETERS_MAX:
            raise LimitFault(f"more than {PARAMETERS_MAX} parameters")
        if len(oids) != len(values):
            raise InternalFault("a fragment and its arguments disagree in number")
        statement = backend.statements.get((fragment.sql, oids))
        self.result_formats = result_formats
        self.is_described = not statement.knows_description(result_formats)
        self.portal = Portal(
            portal,
            statement,
            None if self.is_described else statement.described,
            row_limit=fragment.row_limit,
            byte_limit=fragment.byte_limit,
        )
        parts: list[bytes] = []
        self.answers: list[type[BackendMessage]] = []
        for name in backend.statements.names_to_close():
            parts.append(Close(STATEMENT, name).encode())
            self.answers.append(CloseComplete)
        if not statement.is_parsed:
            parts.append(Parse(statement.name, fragment.sql, oids).encode())
            self.answers.append(ParseComplete)
        parts.append(Bind(portal, statement.name, formats, values, result_formats).encode())
        self.answers.append(BindComplete)
        if self.is_described:
            parts.append(Describe(PORTAL, portal).encode())
            self.answers.append(RowDescription)
        elif statement.described is not None:
            backend.conversation.channel.expect_columns(len(statement.described.fields))
        self.payload = b"".join(parts)
        self._backend = backend

    @classmethod
    def under_way(cls, backend: PostgresBackend, statement: Statement) -> Opening:
        """The same for a portal without limits that was bound and run already: what is left to
        read are the answers to Bind and Execute."""
        opened = cls.__new__(cls)
        opened.result_formats = statement.described_formats or ()
        opened.is_described = False
        opened.portal = Portal("", statement, statement.described)
        opened.answers = [BindComplete]
        opened.payload = b""
        opened._backend = backend
        return opened

    def demand_types(self, fragment: Fragment) -> None:
        """The client was told other types than these: never new ones silently (pitfall 24).

        Raises SourceFault 0A000.
        """
        if fragment.result_oids is None:
            return
        portal, wanted = self.portal, fragment.result_oids
        fields = () if portal.description is None else portal.description.fields
        given = [field.type_oid for field in fields]
        if len(given) != len(wanted) or any(
            w not in (0, g) for w, g in zip(wanted, given, strict=True)
        ):
            self._backend.statements.forget(portal.statement)
            raise SourceFault("cached plan must not change result type", sqlstate="0A000")
        portal.statement.accepted_oids = wanted


def _parameters(
    fragment: Fragment, arguments: Arguments
) -> tuple[tuple[bytes | None, ...], tuple[int, ...]]:
    """The client's values and formats, then the claims in text format."""
    if not fragment.claim_slots:
        return arguments.values, arguments.formats
    claims: list[bytes | None] = []
    for slot, value in zip(fragment.claim_slots, fragment.claim_values, strict=True):
        text = to_text(value, ClaimType.parse(slot.type_name))
        claims.append(None if text is None else text.encode())
    formats = arguments.format_of_each() + (TEXT_FORMAT,) * len(claims)
    return arguments.values + tuple(claims), formats
