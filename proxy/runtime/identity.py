"""From a bearer's token to an Identity, for every service that lets somebody in.

Joins what each know half of: the issuers of the configuration, their keys (`keys.py`), the
verification and the claim mapping of `policies/`. It must not know sockets, sessions or claims'
meaning.

INVARIANT I8: the token is wrapped at once and never part of a message. Whatever was wrong, the
fault says the same words; the reason is its cause, for the audit log.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from policies.claims import ClaimValue
from policies.errors import PolicyError, TokenReason, TokenRefused
from policies.identity import ClaimMapping, ClaimSource, Identity
from policies.secret import Secret
from policies.token import TokenRules, verify_token
from proxy.faults import ConnectionFault
from proxy.runtime.config import Issuer
from proxy.runtime.demonstration import is_demo_issuer
from proxy.runtime.keys import KeysUnavailable, SigningKeys

REFUSED = "authentication failed"

# Fetches the claims that the mapping declares as lookups, for an identity that has all others.
Lookup = Callable[[Identity, Mapping[str, ClaimSource]], Awaitable[Mapping[str, ClaimValue]]]

# Another issuer may still accept a token that one refuses for these.
_NOT_MINE = frozenset({TokenReason.UNKNOWN_KEY, TokenReason.ISSUER, TokenReason.ALGORITHM})


@dataclass(frozen=True, slots=True)
class TrustedIssuer:
    """One issuer: what its tokens must say and where its keys are."""

    rules: TokenRules
    keys: SigningKeys

    @staticmethod
    def configured(issuer: Issuer) -> TrustedIssuer:
        """From the configuration. Raises ValueError for a key set's URL that is not allowed."""
        rules = TokenRules(
            issuer=issuer.issuer,
            audiences=frozenset({issuer.audience}),
            algorithms=frozenset(issuer.algorithms),
            skew_seconds=issuer.skew_seconds,
        )
        # Only a configuration that the demonstration loaded can hold its issuer.
        marked = is_demo_issuer(issuer.issuer)
        return TrustedIssuer(rules, SigningKeys(issuer.jwks, is_demonstration=marked))


class TokenAuthenticator:
    """Turns tokens into identities. Safe for many tasks of one event loop."""

    def __init__(
        self,
        issuers: Sequence[TrustedIssuer],
        mapping: Callable[[], ClaimMapping],
        *,
        lookup: Lookup | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`mapping` gives the policy's current one. `clock` in Unix seconds.

        Without `lookup`, claims declared as lookups stay missing, and what needs them is denied.
        Raises ValueError without an issuer (INVARIANT I13).
        """
        if not issuers:
            raise ValueError("an authenticator needs at least one issuer")
        self._issuers = tuple(issuers)
        self._mapping = mapping
        self._lookup = lookup
        self._clock = clock

    def key_ages(self) -> dict[str, float]:
        """Seconds since each issuer's keys were read, for those that were."""
        ages = {one.rules.issuer: one.keys.age_seconds for one in self._issuers}
        return {issuer: age for issuer, age in ages.items() if age is not None}

    async def identify(self, token: str, *, is_local: bool) -> Identity:
        """The identity that a token proves; `is_local`: its bearer connects from this machine.

        Raises ConnectionFault 28P01 with the reason as its cause; KeysUnavailable (57P03).
        """
        try:
            payload = await self._verify(Secret(token), is_local=is_local)
            mapping = self._mapping()
            identity = mapping.identify(payload)
            identity = await with_lookups(identity, mapping, self._lookup)
        except PolicyError as error:
            raise ConnectionFault(REFUSED, sqlstate="28P01") from error
        return identity

    async def admitted(self, token: str, *, is_local: bool) -> Identity | None:
        """The same for services that tell a refusal in a protocol of their own: None.

        Raises KeysUnavailable: whether the token is good cannot be said now.
        """
        try:
            return await self.identify(token, is_local=is_local)
        except KeysUnavailable:
            raise
        except ConnectionFault:
            return None

    async def _verify(self, token: Secret[str], *, is_local: bool) -> Mapping[str, object]:
        """The payload by the first issuer that accepts; the most telling refusal otherwise."""
        refusal: TokenRefused | None = None
        for issuer in self._issuers:
            try:
                payload = await self._verify_with(issuer, token)
            except TokenRefused as refused:
                if refused.reason not in _NOT_MINE:
                    raise
                if refusal is None or refusal.reason is TokenReason.UNKNOWN_KEY:
                    refusal = refused
                continue
            if is_demo_issuer(issuer.rules.issuer) and not is_local:
                reason = "a token of the demonstration is valid on its own machine only"
                raise TokenRefused(TokenReason.ISSUER, reason)
            return payload
        assert refusal is not None
        raise refusal

    async def _verify_with(self, issuer: TrustedIssuer, token: Secret[str]) -> Mapping[str, object]:
        keys = await issuer.keys.current()
        try:
            return verify_token(token, keys, issuer.rules, self._clock())
        except TokenRefused as refused:
            if refused.reason is not TokenReason.UNKNOWN_KEY:
                raise
        keys = await issuer.keys.renewed(keys)
        return verify_token(token, keys, issuer.rules, self._clock())


async def with_lookups(
    identity: Identity, mapping: ClaimMapping, lookup: Lookup | None
) -> Identity:
    """The identity with the claims that its mapping declares as lookups, as far as they are found.

    Raises ClaimRefused.
    """
    if lookup is None or not mapping.lookups:
        return identity
    return identity.with_claims(await lookup(identity, mapping.lookups))
