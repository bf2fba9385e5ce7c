"""From the proof of a secret to an Identity: SCRAM exchanges and secrets in clear, one judgement.

This file must not know sockets, messages or rules. It joins the state database, the budgets of
wrong attempts and the claim mapping of the policy.

INVARIANT: whoever is not let in learns one sentence, whatever was wrong: an unknown name, a wrong
secret, a revoked or expired login, another network. All of them take the same steps: the budgets,
one look-up, and a whole exchange or comparison, against a verifier that no proof satisfies. The
reason is the fault's cause, for the audit log.
"""

from __future__ import annotations

import hmac
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Final

import structlog

from policies.errors import PolicyError
from policies.identity import ClaimMapping, Identity
from proxy.faults import ConnectionFault
from proxy.runtime.attempts import Attempts
from proxy.runtime.identity import REFUSED, Lookup, with_lookups
from proxy.runtime.state import login as logins
from proxy.runtime.state.database import StateDatabase, StateUnavailable
from proxy.runtime.state.login import IpAddress, KeptSecret, Kind, Login
from proxy.runtime.state.register import VALID_SECRETS_MAX
from proxy.runtime.state.secret_text import ITERATIONS, digest, public_id
from proxy.runtime.tasks import spawn
from proxy.wire.verifier import ScramVerifier

ISSUER: Final = "sallyport"
"""Of a login whose payload names none."""

_NO_DIGEST: Final = bytes(32)

_logger = structlog.get_logger("admission")


class LoginRefused(Exception):
    """Why somebody was not let in, for auditors."""


@dataclass(frozen=True, slots=True)
class Credential:
    """With what somebody was let in: `user` such as `token.tableau`, and the secret's public id."""

    user: str
    secret_id: str

    def __str__(self) -> str:
        return f"{self.user} {self.secret_id}"


@dataclass(frozen=True, slots=True)
class Admitted:
    """Somebody who was let in, and with what."""

    identity: Identity
    credential: Credential


@dataclass(frozen=True, slots=True)
class Challenge:
    """What a SCRAM exchange is held with. Always as many verifiers, real ones or mocks."""

    user: str
    address: IpAddress | None
    verifiers: tuple[ScramVerifier, ...] = field(repr=False)
    login: Login | None = field(repr=False)
    secrets: tuple[KeptSecret, ...] = field(repr=False)
    refusal: str | None = None


class Admission:
    """Lets in who proves a secret. Safe for many tasks of one event loop.

    `mapping` gives the policy's current one; `clock` in unix seconds.
    """

    def __init__(
        self,
        state: StateDatabase,
        mapping: Callable[[], ClaimMapping],
        attempts: Attempts,
        *,
        lookup: Lookup | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._state = state
        self._mapping = mapping
        self._attempts = attempts
        self._lookup = lookup
        self._clock = clock
        self._mock_key: bytes | None = None

    # SCRAM

    async def challenge(self, kind: Kind, name: str, address: IpAddress | None) -> Challenge:
        """What to ask a client that says it is `name`. Raises TooManyAttempts, StateUnavailable."""
        user = f"{kind.value}.{name}"
        self._attempts.check_address(address, user)
        mock = ScramVerifier.mock(user, await self._mocks(), iterations=ITERATIONS)
        login = await logins.find_by_name(self._state, kind, name)
        self._attempts.check_name(address, user, is_known=_was_here(login, address))
        if login is None:
            return Challenge(user, address, (mock,) * VALID_SECRETS_MAX, None, (), "unknown")
        # A refused login shows its own salt, as it always did, and no proof fits.
        mock = replace(mock, salt=login.salt)
        refusal = login.refusal(self._clock(), address)
        usable = login.usable_secrets(self._clock())[:VALID_SECRETS_MAX]
        if refusal is not None or not usable:
            reason = refusal or "it has no usable secret"
            return Challenge(user, address, (mock,) * VALID_SECRETS_MAX, login, (), reason)
        real = tuple(ScramVerifier.parse(one.verifier) for one in usable)
        verifiers = (*real, mock, mock)[:VALID_SECRETS_MAX]
        return Challenge(user, address, verifiers, login, usable)

    async def proven(self, challenge: Challenge, number: int) -> Admitted:
        """The exchange succeeded with verifier `number`. Raises ConnectionFault 28P01."""
        assert challenge.login is not None, "no proof fits a mock"
        secret = challenge.secrets[number]
        return await self._admit(challenge.login, secret, challenge.user, challenge.address)

    def refused(self, challenge: Challenge) -> ConnectionFault:
        """The exchange failed: what to raise, and one more wrong attempt."""
        self._attempts.failed(challenge.address, challenge.user)
        return _refused(challenge.user, challenge.refusal or "the proof is wrong")

    # In clear

    async def identify(self, text: str, address: IpAddress | None) -> Admitted:
        """Whoever sends this secret.

        Raises ConnectionFault 28P01, TooManyAttempts, StateUnavailable.
        """
        identifier = public_id(text)
        name = identifier or ""
        self._attempts.check_address(address, name)
        login = await logins.find_by_secret(self._state, name)
        self._attempts.check_name(address, name, is_known=_was_here(login, address))
        secret = None
        for one in () if login is None else login.secrets:
            secret = one if one.id == identifier else secret
        is_right = hmac.compare_digest(
            digest(text), _NO_DIGEST if secret is None else secret.digest
        )
        reason = _reason(login, secret, is_right, self._clock(), address)
        if login is None or secret is None or reason is not None:
            self._attempts.failed(address, name)
            raise _refused(f"secret {name or 'of another form'}", reason or "unknown")
        self._attempts.succeeded(address, name)
        return await self._admit(login, secret, f"{login.kind.value}.{login.name}", address)

    # Both

    async def _admit(
        self, login: Login, secret: KeptSecret, user: str, address: IpAddress | None
    ) -> Admitted:
        expires_at = min(login.expires_at, secret.expires_at)
        try:
            identity = self._mapping().identify(_payload(login, expires_at))
            identity = await with_lookups(identity, self._mapping(), self._lookup)
        except PolicyError as error:
            raise ConnectionFault(REFUSED, sqlstate="28P01") from error
        self._attempts.succeeded(address, user)
        spawn(self._note(login, address), name="last use")
        credential = Credential(f"{login.kind.value}.{login.name}", secret.id)
        return Admitted(identity.limited_to(login.sources), credential)

    async def _note(self, login: Login, address: IpAddress | None) -> None:
        try:
            await logins.note_use(self._state, login, address)
        except StateUnavailable:
            _logger.warning("last use not noted", user=login.name)

    async def _mocks(self) -> bytes:
        if self._mock_key is None:
            self._mock_key = await logins.mock_key(self._state)
        return self._mock_key


def _was_here(login: Login | None, address: IpAddress | None) -> bool:
    if login is None or address is None:
        return False
    return login.last_used_from == str(address)


def _reason(
    login: Login | None,
    secret: KeptSecret | None,
    is_right: bool,
    now: float,
    address: IpAddress | None,
) -> str | None:
    if login is None or secret is None:
        return "unknown"
    if not is_right:
        return "the secret is wrong"
    if secret not in login.usable_secrets(now):
        return "the secret was replaced, revoked or has expired"
    return login.refusal(now, address)


def _refused(who: str, reason: str) -> ConnectionFault:
    fault = ConnectionFault(REFUSED, sqlstate="28P01")
    fault.__cause__ = LoginRefused(f"{who}: {reason}")
    return fault


def _payload(login: Login, expires_at: float) -> Mapping[str, object]:
    content = json.loads(login.payload, parse_float=Decimal)
    return {"iss": ISSUER, **content, "sub": login.subject, "exp": expires_at}
