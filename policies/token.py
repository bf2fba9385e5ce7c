"""A signed token becomes a verified payload. Nothing else in the project reads a token.

This file must not know claims' meaning (`identity.py`) or how keys are fetched. Key material and
the clock are arguments. The order of checks is part of the design: size, shape, algorithm by
allow-list, key by `kid`, signature, and only then what the payload says (RFC 7519, RFC 8725).

No message here contains any part of a token, not even its header: `TokenRefused.reason` says
enough.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import NoReturn

import jwt
from jwt.api_jws import PyJWS

from policies.errors import TokenReason, TokenRefused
from policies.keyset import ALGORITHMS, KeySet, VerificationKey
from policies.secret import Secret

TOKEN_BYTES_MAX = 8_192
SKEW_SECONDS_MAX = 60
KID_CHARACTERS_MAX = 256
_JSON_DEPTH_MAX = 32
# Headers that point to, or carry, a key of the sender's choice (RFC 7515, 4.1.2 to 4.1.6), and
# extensions that would have to be understood (4.1.11).
_REFUSED_HEADERS = frozenset({"jku", "jwk", "x5u", "x5c", "crit", "b64", "zip", "enc"})
_TOKEN_TYPES = frozenset({"jwt", "at+jwt", "application/at+jwt"})


@dataclass(frozen=True, slots=True)
class TokenRules:
    """What a token must say. `skew_seconds` ≤ 60; `age_seconds_max` from `iat`, None: only `exp`
    counts.
    """

    issuer: str
    audiences: frozenset[str]
    algorithms: frozenset[str] = frozenset({"RS256", "PS256", "ES256", "EdDSA"})
    skew_seconds: float = 30.0
    age_seconds_max: float | None = None

    def __post_init__(self) -> None:
        if not self.issuer or not self.audiences or "" in self.audiences:
            raise ValueError("a token rule needs an issuer and at least one audience")
        if not self.algorithms or not self.algorithms <= ALGORITHMS:
            raise ValueError(f"allowed algorithms: {', '.join(sorted(ALGORITHMS))}")
        if not 0 <= self.skew_seconds <= SKEW_SECONDS_MAX:
            raise ValueError(f"the clock skew is at most {SKEW_SECONDS_MAX} seconds")


def verify_token(
    token: Secret[str], keys: KeySet, rules: TokenRules, now: float
) -> Mapping[str, object]:
    """The payload of a token that `keys` verify and `rules` accept at `now` (unix seconds).

    Numbers with a fraction come as Decimal. Raises TokenRefused; with reason UNKNOWN_KEY fetching
    the keys again may help.
    """
    text = token.reveal()
    header_part, payload_part = _parts(text)
    header = _json_object(_decode(header_part))
    algorithm = _algorithm(header, rules)
    key = _key(header, algorithm, keys)
    _verify_signature(text, key, algorithm)
    payload = _json_object(_decode(payload_part))
    _check_names(payload, rules)
    _check_times(payload, rules, now)
    return payload


def key_id(token: Secret[str]) -> str | None:
    """The `kid` of a token that nobody has verified: only for choosing which keys to fetch."""
    header_part, _ = _parts(token.reveal())
    return _kid(_json_object(_decode(header_part)))


def _refuse(reason: TokenReason, message: str) -> NoReturn:
    raise TokenRefused(reason, message) from None


def _parts(text: str) -> tuple[str, str]:
    if len(text) > TOKEN_BYTES_MAX:
        _refuse(TokenReason.TOO_LARGE, f"a token is at most {TOKEN_BYTES_MAX} bytes")
    parts = text.split(".")
    if not text.isascii() or len(parts) != 3 or not all(parts):
        _refuse(TokenReason.MALFORMED, "not a signed token in compact form")
    return parts[0], parts[1]


def _decode(part: str) -> bytes:
    try:
        decoded = base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        _refuse(TokenReason.MALFORMED, "a part of the token is not base64url")
    if base64.urlsafe_b64encode(decoded).rstrip(b"=").decode() != part:
        _refuse(TokenReason.MALFORMED, "a part of the token is not canonical base64url")
    return decoded


def _json_object(text: bytes) -> dict[str, object]:
    if text.count(b"[") + text.count(b"{") > _JSON_DEPTH_MAX * 64:
        _refuse(TokenReason.MALFORMED, "a part of the token is nested too deeply")
    try:
        found = json.loads(
            text.decode("utf-8"),
            object_pairs_hook=_unique,
            parse_float=Decimal,
            parse_constant=_refuse_constant,
        )
    except (ValueError, RecursionError):
        _refuse(TokenReason.MALFORMED, "a part of the token is not JSON")
    if not isinstance(found, dict):
        _refuse(TokenReason.MALFORMED, "a part of the token is not a JSON object")
    return found


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    # RFC 8725, 2.6: two readers may take different ones of two equal keys.
    found = dict(pairs)
    if len(found) != len(pairs):
        _refuse(TokenReason.DUPLICATE_KEY, "the token has a duplicate key")
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError("NaN and infinities are not JSON")


def _algorithm(header: Mapping[str, object], rules: TokenRules) -> str:
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in rules.algorithms:
        _refuse(TokenReason.ALGORITHM, "the token's algorithm is not allowed")
    if not _REFUSED_HEADERS.isdisjoint(header):
        _refuse(TokenReason.HEADER, "the token's header carries a key or an extension")
    kind = header.get("typ", "JWT")
    if not isinstance(kind, str) or kind.lower() not in _TOKEN_TYPES:
        _refuse(TokenReason.HEADER, "the token is of another type")
    return algorithm


def _kid(header: Mapping[str, object]) -> str | None:
    kid = header.get("kid")
    if kid is not None and (not isinstance(kid, str) or not 0 < len(kid) <= KID_CHARACTERS_MAX):
        _refuse(TokenReason.HEADER, "the token's key id is not a usable text")
    return kid


def _key(header: Mapping[str, object], algorithm: str, keys: KeySet) -> VerificationKey:
    # The kid is compared, never used as a path or address.
    found = keys.find(_kid(header), algorithm)
    if found is None:
        _refuse(TokenReason.UNKNOWN_KEY, "no key of the issuer matches the token")
    return found


def _verify_signature(text: str, key: VerificationKey, algorithm: str) -> None:
    try:
        # Only the signature: the library's other checks use its own clock and lenient types.
        PyJWS(algorithms=[algorithm]).decode(text, key=key.public_key, algorithms=[algorithm])
    except (jwt.PyJWTError, ValueError, TypeError):
        _refuse(TokenReason.SIGNATURE, "the token's signature does not verify")


def _check_names(payload: Mapping[str, object], rules: TokenRules) -> None:
    if payload.get("iss") != rules.issuer:
        _refuse(TokenReason.ISSUER, "the token is from another issuer")
    audience = payload.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    if not all(isinstance(name, str) for name in audiences):
        _refuse(TokenReason.AUDIENCE, "the token's audience is not text")
    if rules.audiences.isdisjoint(audiences):
        _refuse(TokenReason.AUDIENCE, "the token is for another audience")
    subject = payload.get("sub")
    if not isinstance(subject, str) or not subject:
        _refuse(TokenReason.SUBJECT, "the token names no subject")


def _check_times(payload: Mapping[str, object], rules: TokenRules, now: float) -> None:
    expires_at = _instant(payload, "exp")
    if expires_at is None:
        _refuse(TokenReason.EXPIRED, "the token has no expiry")
    # RFC 7519, 4.1.4: at the instant itself it is expired.
    if now >= expires_at + rules.skew_seconds:
        _refuse(TokenReason.EXPIRED, "the token has expired")
    not_before = _instant(payload, "nbf")
    if not_before is not None and now < not_before - rules.skew_seconds:
        _refuse(TokenReason.NOT_YET_VALID, "the token is not valid yet")
    issued_at = _instant(payload, "iat")
    if issued_at is not None and now < issued_at - rules.skew_seconds:
        _refuse(TokenReason.ISSUED_IN_FUTURE, "the token was issued in the future")
    if rules.age_seconds_max is None:
        return
    if issued_at is None or now > issued_at + rules.age_seconds_max + rules.skew_seconds:
        _refuse(TokenReason.TOO_OLD, "the token is too old, or does not say when it was issued")


def _instant(payload: Mapping[str, object], name: str) -> float | None:
    value = payload.get(name)
    if value is None and name not in payload:
        return None
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        _refuse(TokenReason.MALFORMED, f"the token's {name} is not a number")
    # Four-digit years: what lies beyond is no date, and may not fit a float.
    if not 0 <= value <= 253_402_300_799:
        _refuse(TokenReason.MALFORMED, f"the token's {name} is out of range")
    return float(value)
