"""Claims that live in a table: fetched from a source while a client is let in.

The policy declares them (`ClaimLookup`): its own query, its parameters, the type. Whatever goes
wrong leaves the claim missing, and what needs it is denied; the operator's log names the claim and
the kind of failure, never a value (I8).

This file must not know tokens, sockets or the text of any statement.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from decimal import Decimal

import structlog

from policies.claims import (
    CLAIM_ELEMENTS_MAX,
    CLAIM_TEXT_BYTES_MAX,
    ClaimType,
    ClaimValue,
    coerce,
    is_empty,
)
from policies.errors import ClaimRefused
from policies.identity import ClaimSource, Identity
from proxy.faults import Fault, SourceFault
from proxy.runtime.state import claims as stored_claims
from proxy.runtime.state.database import StateDatabase
from proxy.runtime.tasks import spawn
from proxy.sources.base import Arguments, Source
from proxy.sql.claim import ClaimSlot
from proxy.sql.plan import Fragment, lookup_fragment

LOOKUP_SECONDS_MAX = 5.0
"""For each claim, the wait for a connection included: somebody waits to be let in."""

LOOKUP_BYTES_MAX = 64 * CLAIM_TEXT_BYTES_MAX
"""The answer for one claim, as JSON in frames."""

TEXT = ClaimType.parse("text")

_logger = structlog.get_logger("lookup")


class ClaimLookups:
    """Fetches what a policy declares as lookups. Safe for many tasks of one event loop.

    `sources` are those that sessions may use; `types` gives the types of the policy's claims;
    `state` holds the claims that the operator keeps.
    """

    def __init__(
        self,
        sources: Mapping[str, Source],
        types: Callable[[], Mapping[str, ClaimType]],
        *,
        seconds_max: float = LOOKUP_SECONDS_MAX,
        state: StateDatabase | None = None,
    ) -> None:
        self._state = state
        self._sources = sources
        self._types = types
        self._seconds_max = seconds_max

    async def __call__(
        self, identity: Identity, wanted: Mapping[str, ClaimSource]
    ) -> Mapping[str, ClaimValue]:
        """The claims of `wanted` that were found; the others are missing. Raises nothing."""
        types = self._types()
        found: dict[str, ClaimValue] = {}
        for name, declared in wanted.items():
            if declared.lookup is None:
                continue
            try:
                value = await self._fetch(identity, name, declared, types)
            except (Fault, ClaimRefused, ValueError, RecursionError, TimeoutError) as failure:
                _logger.warning(
                    "claim not looked up",
                    claim=name,
                    source=declared.lookup.source or "state",
                    reason=_kind_of(failure),
                )
                continue
            if not is_empty(value):
                found[name] = value
        return found

    async def _fetch(
        self,
        identity: Identity,
        name: str,
        declared: ClaimSource,
        types: Mapping[str, ClaimType],
    ) -> ClaimValue:
        """One claim's value, None where there is none."""
        lookup, type_ = declared.lookup, declared.type
        assert lookup is not None, "declared as a lookup"
        if lookup.stored is not None:
            return await self._stored(identity, name, lookup.stored, type_)
        slots = [_slot(parameter, types) for parameter in lookup.parameters]
        values = [_value(parameter, identity) for parameter in lookup.parameters]
        if any(is_empty(value) for value in values):
            return None
        fragment = lookup_fragment(
            lookup,
            slots,
            values,
            rows_max=CLAIM_ELEMENTS_MAX if type_.is_array else 1,
            bytes_max=LOOKUP_BYTES_MAX,
        )
        async with asyncio.timeout(self._seconds_max):
            rows = await self._rows(fragment)
        return _claim(name, type_, rows)

    async def _stored(
        self, identity: Identity, name: str, stored: str, type_: ClaimType
    ) -> ClaimValue:
        """A claim that the operator keeps in the state database."""
        if self._state is None:
            raise SourceFault("there is no state database", sqlstate="08006")
        found = await stored_claims.fetch(self._state, identity.subject, [stored])
        return coerce(name, found[stored], type_) if stored in found else None

    async def _rows(self, fragment: Fragment) -> list[bytes]:
        """The answer's rows, one JSON object each. Raises Fault: part of an answer is none."""
        source = self._sources.get(fragment.source)
        if source is None:
            raise SourceFault("the source is not configured", sqlstate="08006")
        connection = await source.acquire({})
        try:
            await connection.begin()  # read only
            stream = await connection.execute(fragment, Arguments())
            try:
                rows = [row[0] or b"{}" async for batch in stream for row in batch.rows()]
            finally:
                await stream.aclose()
            if stream.truncated:
                raise Fault("more than the claim can hold", sqlstate="54000")
            return rows
        finally:
            # Nobody waits for the reset, which ends the transaction, too.
            spawn(connection.release(), name=f"release {fragment.source}")


def _slot(parameter: str, types: Mapping[str, ClaimType]) -> ClaimSlot:
    type_ = TEXT if parameter in _FIELDS else types[parameter]
    return ClaimSlot(parameter, type_.name, type_.oid)


def _value(parameter: str, identity: Identity) -> ClaimValue:
    field = _FIELDS.get(parameter)
    return identity.claims.get(parameter) if field is None else field(identity)


_FIELDS: Mapping[str, Callable[[Identity], str | None]] = {
    "subject": lambda identity: identity.subject,
    "actor": lambda identity: identity.actor,
    "issuer": lambda identity: identity.issuer,
}


def _claim(name: str, type_: ClaimType, rows: list[bytes]) -> ClaimValue:
    """Rows as a claim: none is missing; several, or one that holds a list, are a list.

    Raises ClaimRefused, ValueError.
    """
    values = [_only(name, json.loads(row, parse_float=Decimal)) for row in rows]
    if not values or values == [None]:
        return None
    if type_.is_array and not (len(values) == 1 and isinstance(values[0], list)):
        return coerce(name, values, type_)
    return coerce(name, values[0], type_)


def _only(name: str, row: dict[str, object]) -> object:
    if len(row) != 1:
        raise ClaimRefused(name, "a lookup gives one column")
    (value,) = row.values()
    return value


def _kind_of(failure: Exception) -> str:
    """What failed, without any value: the text of a fault may quote one."""
    match failure:
        case Fault():
            return f"SQLSTATE {failure.sqlstate}"
        case ClaimRefused():
            return "the value is not of the declared type"
        case TimeoutError():
            return "timeout"
        case _:
            return type(failure).__name__
