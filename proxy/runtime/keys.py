"""Public keys of one identity provider: its key set (RFC 7517) from a file or a URL, kept fresh.

This file must not know tokens or claims, nor what makes a key usable (`policies/keyset.py`): it
gets bytes, says how old they may be, and how often a stranger may make us look again.

Theory of operation. The set is read when first needed and again when older than `cache_seconds`. If
that fails the old one serves until it is `stale_seconds_max` old; after that nobody is let in. A
key id that the set has not means a rotation, or an attack that makes us fetch: it causes one read
at most every `unknown_key_seconds_min`, whoever asks. Reads never overlap.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import structlog

from policies.errors import TokenReason, TokenRefused
from policies.keyset import JWKS_BYTES_MAX, KeySet, VerificationKey
from proxy.faults import ConnectionFault
from proxy.runtime.config import Jwks, is_loopback
from proxy.runtime.demonstration import is_demo_key_id

FETCH_SECONDS_MAX = 5.0

_logger = structlog.get_logger("keys")


class KeySetError(Exception):
    """A key set could not be had or is unusable. The text holds no part of it."""


class KeysUnavailable(ConnectionFault):
    """No key set that is fresh enough: nobody can be let in now."""

    sqlstate = "57P03"


@dataclass(frozen=True, slots=True)
class _Held:
    keys: KeySet
    read_at: float


class SigningKeys:
    """The keys of one issuer. Safe for many tasks of one event loop."""

    def __init__(
        self,
        location: Jwks,
        *,
        is_demonstration: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`clock` in seconds, monotonic. The demonstration's keys serve only if asked for here.

        Raises ValueError for a URL that is not allowed.
        """
        if location.url is not None:
            check_url(location.url)
        self._location = location
        self._is_demonstration = is_demonstration
        self._clock = clock
        self._lock = asyncio.Lock()
        self._held: _Held | None = None
        self._tried_at: float | None = None

    @property
    def age_seconds(self) -> float | None:
        """Of the set that is in use; None before the first was read."""
        return None if self._held is None else self._age(self._held)

    async def current(self) -> KeySet:
        """The key set as it should be used now. Raises KeysUnavailable."""
        held = self._held
        if held is None or self._age(held) >= self._location.cache_seconds:
            held = await self._renew(held)
        return held.keys

    async def renewed(self, known: KeySet) -> KeySet:
        """A newer set than `known`, in which a token's key was not found, if one may be read now.

        Otherwise `known` itself, or what another task has read meanwhile. Raises KeysUnavailable.
        """
        held = self._held
        if held is not None and held.keys is not known:
            return held.keys
        return (await self._renew(held)).keys

    async def key_for(self, kid: str | None, algorithm: str) -> VerificationKey:
        """The key that a token's header names, fit for `algorithm`.

        Without a key id it is the only one that fits. Raises TokenRefused if there is none,
        KeysUnavailable if no set can be had.
        """
        keys = await self.current()
        found = keys.find(kid, algorithm)
        if found is None:
            found = (await self.renewed(keys)).find(kid, algorithm)
        if found is None:
            raise TokenRefused(TokenReason.UNKNOWN_KEY, "no key of the issuer matches the token")
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
            wait = self._location.unknown_key_seconds_min
            if self._tried_at is None or self._clock() - self._tried_at >= wait:
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
        try:
            keys = KeySet.from_jwks(content)
        except ValueError as error:
            raise KeySetError(str(error)) from None
        is_marked = any(is_demo_key_id(key.kid) for key in keys.keys)
        if is_marked and not self._is_demonstration:
            raise KeySetError("it holds a key of the demonstration, which anyone may have")
        self._held = _Held(keys, self._clock())


def check_url(url: str) -> None:
    """Raise ValueError unless keys may be fetched from `url`: https, or http from loopback."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    is_allowed = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))
    if not host or parts.username is not None or not is_allowed:
        raise ValueError("a key set's URL must be https, or http from a loopback host")


def _read_file(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            # One more than allowed: the parser refuses it by size.
            return file.read(JWKS_BYTES_MAX + 1)
    except OSError as error:
        raise KeySetError(f"file cannot be read: {error.strerror}") from None


async def _fetch(url: str) -> bytes:
    """One GET, without redirects, cookies or proxies of the environment."""
    import aiohttp  # a seventh of a worker's start, and key sets are often files

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
                if len(content) > JWKS_BYTES_MAX:
                    raise KeySetError(f"larger than {JWKS_BYTES_MAX} bytes")
            return bytes(content)
    except TimeoutError:
        raise KeySetError(f"no answer within {FETCH_SECONDS_MAX:g} seconds") from None
    except aiohttp.ClientError as error:
        raise KeySetError(f"cannot be fetched: {type(error).__name__}") from None
