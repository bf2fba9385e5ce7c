"""Public keys of one identity provider: a JSON Web Key Set (RFC 7517) from a file or a URL, kept fresh.

This file must not know tokens or claims: it is asked for a key by key id and algorithm, and knows
which keys may serve which algorithm. It must never hold a private or a symmetric key: a set with
one is refused whole, because whoever publishes it could sign, or lets everyone sign.

Theory of operation. The set is read when first needed and again when older than `cache_seconds`. If
that fails the old one serves until it is `stale_seconds_max` old; after that nobody is let in. A
key id that the set has not means a rotation, or an attack that makes us fetch: it causes one read
at most every `unknown_key_seconds_min`, whoever asks. Reads never overlap.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import structlog
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt import PyJWK
from jwt.exceptions import PyJWTError

from policies.errors import TokenReason, TokenRefused
from proxy.faults import ConnectionFault
from proxy.runtime.config import Jwks, is_loopback

# A published set has 1 to 10 keys of about 1 kB (an RSA 4096 key with its certificate: 4 kB).
SET_BYTES_MAX = 256 * 1024
KEYS_MAX = 100
KEY_ID_CHARACTERS_MAX = 512
FETCH_SECONDS_MAX = 5.0
# NIST SP 800-131A: RSA below 2048 bits is disallowed.
RSA_BITS_MIN = 2048

# Which keys may serve an algorithm (RFC 7518 §3.1, RFC 8037 §3.1): key type, and curve if it has
# one.
_KEY_TYPES: dict[str, tuple[str, str | None]] = {
    "RS256": ("RSA", None),
    "RS384": ("RSA", None),
    "RS512": ("RSA", None),
    "PS256": ("RSA", None),
    "PS384": ("RSA", None),
    "PS512": ("RSA", None),
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "ES512": ("EC", "P-521"),
    "EdDSA": ("OKP", "Ed25519"),
}
# Members that only a private (RFC 7518 §6.2.2, §6.3.2) or a symmetric key (§6.4.1) has.
_PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})

_logger = structlog.get_logger("keys")


class KeySetError(Exception):
    """A key set could not be had or is unusable. The text holds no part of it."""


class KeysUnavailable(ConnectionFault):
    """No key set that is fresh enough: nobody can be let in now."""

    sqlstate = "57P03"


@dataclass(frozen=True, slots=True)
class _Held:
    keys: tuple[dict[str, Any], ...]
    read_at: float


class SigningKeys:
    """The keys of one issuer. Safe for many tasks of one event loop."""

    def __init__(self, location: Jwks, *, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` in seconds, monotonic. Raises ValueError for a URL that is not allowed."""
        if location.url is not None:
            check_url(location.url)
        self._location = location
        self._clock = clock
        self._lock = asyncio.Lock()
        self._held: _Held | None = None
        self._tried_at: float | None = None

    async def key_for(self, kid: str | None, algorithm: str) -> PyJWK:
        """The public key that a token's header names, fit for `algorithm`.

        A token without key id is served if exactly one key fits. Raises TokenRefused if there is no
        such key, KeysUnavailable if no set can be had.
        """
        if algorithm not in _KEY_TYPES:
            raise TokenRefused(TokenReason.ALGORITHM, "the signature algorithm is not allowed")
        if kid is not None and len(kid) > KEY_ID_CHARACTERS_MAX:
            raise TokenRefused(TokenReason.HEADER, "the key id is too long")
        held = self._held
        if held is None or self._age(held) >= self._location.cache_seconds:
            held = await self._renew(held)
        found = _select(held.keys, kid, algorithm)
        if found is None:
            held = await self._renew(held)
            found = _select(held.keys, kid, algorithm)
        if found is None:
            raise TokenRefused(TokenReason.UNKNOWN_KEY, "no published key fits the token's header")
        return found

    async def refresh(self) -> None:
        """Read the set now, as at start-up. Raises KeySetError."""
        async with self._lock:
            await self._read()

    def _age(self, held: _Held) -> float:
        return self._clock() - held.read_at

    async def _renew(self, seen: _Held | None) -> _Held:
        """A set newer than `seen` if one may be read now and can be; otherwise the one there is."""
        async with self._lock:
            if self._held is not seen and self._held is not None:
                # Another task read it while this one waited.
                return self._held
            now = self._clock()
            wait = self._location.unknown_key_seconds_min
            if self._tried_at is None or now - self._tried_at >= wait:
                try:
                    await self._read()
                except KeySetError as error:
                    _logger.warning("key set cannot be read", reason=str(error))
            held = self._held
            stale_max = max(self._location.stale_seconds_max, self._location.cache_seconds)
            if held is None or self._age(held) > stale_max:
                raise KeysUnavailable("signing keys are not available", hint="Retry later.")
            return held

    async def _read(self) -> None:
        self._tried_at = self._clock()
        if self._location.file is not None:
            content = await asyncio.to_thread(_read_file, self._location.file)
        else:
            assert self._location.url is not None
            content = await _fetch(self._location.url)
        self._held = _Held(parse_set(content), self._clock())


def check_url(url: str) -> None:
    """Raise ValueError unless keys may be fetched from `url`: https, or http from loopback."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    is_allowed = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))
    if not host or parts.username is not None or not is_allowed:
        raise ValueError("a key set's URL must be https, or http from a loopback host")


def parse_set(content: bytes) -> tuple[dict[str, Any], ...]:
    """The keys of a set, each usable for some signature. Raises KeySetError.

    Keys of unknown kinds or for encryption are left out (RFC 7517 §5 asks for that); a private or
    symmetric one refuses the set.
    """
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        raise KeySetError("not JSON") from None
    keys = found.get("keys") if isinstance(found, dict) else None
    if not isinstance(keys, list) or not all(isinstance(key, dict) for key in keys):
        raise KeySetError("not a JSON Web Key Set")
    if len(keys) > KEYS_MAX:
        raise KeySetError(f"more than {KEYS_MAX} keys")
    if any(_PRIVATE_MEMBERS & key.keys() for key in keys):
        raise KeySetError("a key in it is private or symmetric")
    usable = tuple(key for key in keys if _is_usable(key))
    if not usable:
        raise KeySetError("no usable key in it")
    return usable


def _is_usable(key: dict[str, Any]) -> bool:
    if key.get("use", "sig") != "sig" or "verify" not in key.get("key_ops", ["verify"]):
        return False
    algorithm = next((name for name in _KEY_TYPES if _fits(key, name)), None)
    return algorithm is not None and _construct(key, algorithm) is not None


def _fits(key: dict[str, Any], algorithm: str) -> bool:
    kind, curve = _KEY_TYPES[algorithm]
    is_declared = key.get("alg") in (None, algorithm)
    return is_declared and key.get("kty") == kind and (curve is None or key.get("crv") == curve)


def _select(keys: tuple[dict[str, Any], ...], kid: str | None, algorithm: str) -> PyJWK | None:
    """The one key that fits. Two that fit are none: a signature must not be tried out."""
    fitting = [key for key in keys if _fits(key, algorithm)]
    if kid is not None:
        fitting = [key for key in fitting if key.get("kid") == kid]
    return _construct(fitting[0], algorithm) if len(fitting) == 1 else None


def _construct(key: dict[str, Any], algorithm: str) -> PyJWK | None:
    try:
        built = PyJWK(key, algorithm)
    except (PyJWTError, ValueError, TypeError, KeyError):
        return None
    if isinstance(built.key, RSAPublicKey) and built.key.key_size < RSA_BITS_MIN:
        return None
    return built


def _read_file(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(SET_BYTES_MAX + 1)
    except OSError as error:
        raise KeySetError(f"file cannot be read: {error.strerror}") from None
    if len(content) > SET_BYTES_MAX:
        raise KeySetError(f"larger than {SET_BYTES_MAX} bytes")
    return content


async def _fetch(url: str) -> bytes:
    """One GET, without redirects, cookies or proxies of the environment."""
    timeout = aiohttp.ClientTimeout(total=FETCH_SECONDS_MAX)
    try:
        async with (
            aiohttp.ClientSession(
                timeout=timeout, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False
            ) as client,
            client.get(url, allow_redirects=False) as response,
        ):
            if response.status != 200:
                raise KeySetError(f"the server answered {response.status}")
            content = bytearray()
            # Counted while it comes, and after decompression: a length header may lie.
            async for chunk in response.content.iter_chunked(16 * 1024):
                content += chunk
                if len(content) > SET_BYTES_MAX:
                    raise KeySetError(f"larger than {SET_BYTES_MAX} bytes")
            return bytes(content)
    except TimeoutError:
        raise KeySetError(f"no answer within {FETCH_SECONDS_MAX:g} seconds") from None
    except aiohttp.ClientError as error:
        raise KeySetError(f"cannot be fetched: {type(error).__name__}") from None
