"""Who asks: the Identity, and how a verified token payload becomes one.

This file must not know signatures (`token.py`) or rules. The mapping from payload to identity is
part of the policy: JSON pointers (RFC 6901), declared types, defaults. A claim that comes from a
lookup table is only *declared* here; whoever fetches it adds it by `Identity.with_claims`. A claim
that is absent, null or an empty text is left out, and whatever needs it is denied; a claim of the
wrong type refuses the identity.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from types import MappingProxyType

from policies.claims import ClaimType, ClaimValue, coerce, is_empty
from policies.errors import ClaimRefused, TokenReason, TokenRefused

SUBJECT_CHARACTERS_MAX = 512
ROLES_MAX = 256
ROLE_CHARACTERS_MAX = 128


@dataclass(frozen=True)
class Identity:
    """A principal for the length of one session.

    `actor` is the agent that acts on behalf of `subject` (RFC 8693 `act.sub`), None when the
    subject acts itself. `claims` holds typed values; missing ones are absent. `expires_at` in unix
    seconds. `claims_digest`: see `digest`.
    """

    subject: str
    actor: str | None
    issuer: str
    roles: frozenset[str]
    claims: Mapping[str, ClaimValue] = field(repr=False)
    expires_at: float
    claims_digest: str
    sources: frozenset[str] | None = None

    @staticmethod
    def create(
        *,
        subject: str,
        issuer: str,
        roles: frozenset[str],
        claims: Mapping[str, ClaimValue],
        expires_at: float,
        actor: str | None = None,
    ) -> Identity:
        """An identity with its digest computed. `claims` values must have been through `coerce`."""
        present = {name: value for name, value in claims.items() if not is_empty(value)}
        identity = Identity(
            subject=subject,
            actor=actor,
            issuer=issuer,
            roles=roles,
            claims=MappingProxyType(present),
            expires_at=expires_at,
            claims_digest="",
        )
        return replace(identity, claims_digest=digest(identity))

    def with_claims(self, additional: Mapping[str, ClaimValue]) -> Identity:
        """The same principal with claims added that were fetched elsewhere.

        Raises ClaimRefused when one is present already: a lookup never overrides the token.
        """
        for name in additional:
            if name in self.claims:
                raise ClaimRefused(name, "present already, a lookup must not replace it")
        return Identity.create(
            subject=self.subject,
            actor=self.actor,
            issuer=self.issuer,
            roles=self.roles,
            claims={**self.claims, **additional},
            expires_at=self.expires_at,
        ).limited_to(self.sources)

    def limited_to(self, sources: frozenset[str] | None) -> Identity:
        """The same principal, who knows only what lies in `sources` and in those of before."""
        if sources is None:
            return self
        allowed = sources if self.sources is None else self.sources & sources
        narrowed = replace(self, sources=allowed)
        return replace(narrowed, claims_digest=digest(narrowed))


def digest(identity: Identity) -> str:
    """SHA-256, hexadecimal, over canonical JSON of who asks with which roles and claims.

    The audit log stores this instead of values. Expiry is left out: a renewed token is the same
    identity.
    """
    content: dict[str, object] = {
        "actor": identity.actor,
        "claims": {name: _canonical(value) for name, value in identity.claims.items()},
        "issuer": identity.issuer,
        "roles": sorted(identity.roles),
        "subject": identity.subject,
    }
    if identity.sources is not None:
        content["sources"] = sorted(identity.sources)
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def _canonical(value: ClaimValue) -> object:
    if isinstance(value, tuple):
        return [_canonical(element) for element in value]
    if isinstance(value, Decimal):
        return {"numeric": str(value.normalize())}
    return value


@dataclass(frozen=True, slots=True)
class ClaimLookup:
    """A claim read from a table when a session starts; declared here, fetched by the runtime.

    `sql` is the operator's own statement for `source`, with `$1…` bound to the identity fields or
    claims named in `parameters`. One column; one row, or any number for an array type; no row:
    missing. Or `stored` alone: the name under which the operator keeps the subject's value.
    """

    source: str
    sql: str
    parameters: tuple[str, ...]
    stored: str | None = None


@dataclass(frozen=True, slots=True)
class ClaimSource:
    """Where one claim comes from: `pointer` into the payload or a `lookup`, and its `default`."""

    type: ClaimType
    pointer: str | None = None
    default: ClaimValue = None
    lookup: ClaimLookup | None = None


@dataclass(frozen=True)
class ClaimMapping:
    """How a verified payload becomes an Identity.

    `claims` by name; `roles_pointer` to a list of text or one text of blank-separated roles;
    `default_roles` are added to every identity.
    """

    claims: Mapping[str, ClaimSource]
    roles_pointer: str = "/roles"
    default_roles: frozenset[str] = frozenset()

    @property
    def lookups(self) -> Mapping[str, ClaimSource]:
        """The claims that somebody has to fetch, by name."""
        return {name: source for name, source in self.claims.items() if source.lookup}

    def identify(self, payload: Mapping[str, object], skew_seconds: float = 0.0) -> Identity:
        """The identity of a payload whose signature and times have been verified.

        It expires `skew_seconds` after the token, as long as the token was accepted.

        Raises TokenRefused without a usable subject or expiry, ClaimRefused for a value of the
        wrong type.
        """
        subject = payload.get("sub")
        if not isinstance(subject, str) or not 0 < len(subject) <= SUBJECT_CHARACTERS_MAX:
            raise TokenRefused(TokenReason.SUBJECT, "the token names no usable subject")
        expires_at = payload.get("exp")
        if isinstance(expires_at, bool) or not isinstance(expires_at, int | float | Decimal):
            raise TokenRefused(TokenReason.EXPIRED, "the token has no expiry")
        return Identity.create(
            subject=subject,
            actor=_actor(payload),
            issuer=str(payload.get("iss", "")),
            roles=self._roles(payload),
            claims={
                name: self._claim(name, source, payload) for name, source in self.claims.items()
            },
            expires_at=float(expires_at) + skew_seconds,
        )

    def _claim(self, name: str, source: ClaimSource, payload: Mapping[str, object]) -> ClaimValue:
        if source.pointer is None:
            return None
        found = resolve_pointer(payload, source.pointer)
        if found is None:
            return source.default
        return coerce(name, found, source.type)

    def _roles(self, payload: Mapping[str, object]) -> frozenset[str]:
        found = resolve_pointer(payload, self.roles_pointer)
        if found is None:
            return self.default_roles
        names = found.split() if isinstance(found, str) else found
        if not isinstance(names, list) or len(names) > ROLES_MAX:
            raise ClaimRefused("roles", f"neither text nor a list of at most {ROLES_MAX} texts")
        for name in names:
            if not isinstance(name, str) or not 0 < len(name) <= ROLE_CHARACTERS_MAX:
                raise ClaimRefused("roles", "an element is not a usable text")
        return self.default_roles | frozenset(names)


def _actor(payload: Mapping[str, object]) -> str | None:
    """The current actor. RFC 8693 4.1: the outermost `act` acts; nested ones are history."""
    act = payload.get("act")
    if act is None:
        return None
    actor = act.get("sub") if isinstance(act, dict) else None
    if not isinstance(actor, str) or not 0 < len(actor) <= SUBJECT_CHARACTERS_MAX:
        raise TokenRefused(TokenReason.SUBJECT, "the token's act claim names no usable actor")
    return actor


def check_pointer(pointer: str) -> None:
    """Raise ValueError unless `pointer` is a JSON pointer (RFC 6901)."""
    if pointer and not pointer.startswith("/"):
        raise ValueError(f'a JSON pointer starts with "/": {pointer!r}')
    for position, character in enumerate(pointer):
        if character == "~" and pointer[position + 1 : position + 2] not in ("0", "1"):
            raise ValueError(f'in a JSON pointer "~" is followed by 0 or 1: {pointer!r}')


def resolve_pointer(document: object, pointer: str) -> object:
    """The value that a JSON pointer (RFC 6901) leads to; None when there is none."""
    check_pointer(pointer)
    current = document
    for part in pointer.split("/")[1:]:
        # Order matters (RFC 6901, 4): "~01" is "~1", not "/".
        step = part.replace("~1", "/").replace("~0", "~")
        if isinstance(current, Mapping):
            current = current.get(step)
        elif isinstance(current, list):
            is_index = step.isascii() and step.isdigit() and (step == "0" or step[0] != "0")
            if not is_index or len(step) > 9 or int(step) >= len(current):
                return None
            current = current[int(step)]
        else:
            return None
    return current
