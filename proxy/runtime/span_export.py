"""Sends spans to a collector over HTTP, in the background, and never at the cost of the work.

This file must not know what spans are about.

Theory of operation. `add` puts spans into a bounded queue and returns; what finds no room is
dropped, and counted. One task sends batches: when there are enough, or every few seconds. A
collector that is away or overloaded is tried again, ever more slowly, with the same batch; one that
refuses a batch for good has it dropped (OpenTelemetry protocol, "OTLP/HTTP Response", "Retryable
Response Codes").
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import aiohttp
import structlog

from proxy.runtime.credential import CredentialError, PasswordSource
from proxy.runtime.span import CONTENT_TYPE, Attribute, Span, encoded, rejected

BATCH_SPANS_MAX = 512
BATCH_SECONDS = 2.0
"""How long spans wait for company."""

SEND_SECONDS_MAX = 10.0
RETRY_SECONDS_FIRST = 1.0
RETRY_SECONDS_MAX = 30.0
FAREWELL_SECONDS_MAX = 2.0
"""For what is still in the queue when the process ends."""

ANSWER_BYTES_MAX = 65_536
RETRYABLE = frozenset({429, 502, 503, 504})

_logger = structlog.get_logger("telemetry")


@dataclass(frozen=True, slots=True)
class Collector:
    """Where spans go: the whole `url`, `headers` whose values are secrets, and what they are of."""

    url: str
    resource: Mapping[str, Attribute]
    headers: Mapping[str, PasswordSource] = field(default_factory=dict, repr=False)
    tls: ssl.SSLContext | None = None


class SpanRefused(Exception):
    """The collector will never take it; the message says why, in words of ours."""


class CollectorAway(Exception):
    """It cannot be reached, or does not answer in time; the message names the kind of failure."""


class SpanExporter:
    """A queue of at most `spans_max`. `run` sends until cancelled, `close` sends what is left."""

    def __init__(self, collector: Collector, spans_max: int) -> None:
        self._collector = collector
        self._spans_max = spans_max
        self._queue: deque[Span] = deque()
        self._enough = asyncio.Event()
        self._is_failing = False
        self.sent = 0
        self.dropped = 0
        """For want of room."""
        self.refused = 0
        """By the collector."""

    def __repr__(self) -> str:
        return f"<SpanExporter waiting={self.waiting} sent={self.sent} dropped={self.dropped}>"

    @property
    def waiting(self) -> int:
        """Spans in the queue."""
        return len(self._queue)

    def add(self, spans: Sequence[Span]) -> None:
        """Take them, all or none. Never waits, never raises."""
        if len(self._queue) + len(spans) > self._spans_max:
            self.dropped += len(spans)
            return
        self._queue.extend(spans)
        if len(self._queue) >= BATCH_SPANS_MAX:
            self._enough.set()

    async def run(self) -> None:
        """Send batch after batch."""
        async with self._session() as session:
            while True:
                try:
                    async with asyncio.timeout(BATCH_SECONDS):
                        await self._enough.wait()
                except TimeoutError:
                    pass
                self._enough.clear()
                while self._queue:
                    await self._send_until_taken(session)

    async def close(self) -> None:
        """Try to send what is left, once, for a short while."""
        try:
            async with asyncio.timeout(FAREWELL_SECONDS_MAX), self._session() as session:
                while self._queue:
                    await self._send(session)
        except (TimeoutError, aiohttp.ClientError, CredentialError, OSError):
            self.dropped += len(self._queue)
            self._queue.clear()

    async def probe(self) -> None:
        """Send nothing, to see whether that would be taken. Raises SpanRefused, CollectorAway,
        CredentialError."""
        try:
            async with self._session() as session:
                await self._posted(session, encoded((), self._collector.resource))
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            # Their texts may hold the URL.
            raise CollectorAway(type(error).__name__) from error

    async def _send_until_taken(self, session: aiohttp.ClientSession) -> None:
        delay = RETRY_SECONDS_FIRST
        while True:
            try:
                await self._send(session)
            except (TimeoutError, aiohttp.ClientError, CredentialError, OSError) as error:
                if not self._is_failing:
                    # Its own text may hold the URL; what is wrong is told by kind.
                    _logger.warning("spans cannot be sent", reason=type(error).__name__)
                self._is_failing = True
                await asyncio.sleep(delay)
                delay = min(delay * 2, RETRY_SECONDS_MAX)
            else:
                if self._is_failing:
                    _logger.info("spans are sent again")
                self._is_failing = False
                return

    async def _send(self, session: aiohttp.ClientSession) -> None:
        """One batch. It leaves the queue when the collector has taken it, or never will."""
        batch = [self._queue[index] for index in range(min(len(self._queue), BATCH_SPANS_MAX))]
        try:
            missing = await self._posted(session, encoded(batch, self._collector.resource))
        except SpanRefused as refusal:
            _logger.warning("the collector refuses spans", reason=str(refusal))
            missing = len(batch)
        for _ in batch:
            self._queue.popleft()
        self.refused += missing
        self.sent += len(batch) - missing

    async def _posted(self, session: aiohttp.ClientSession, body: bytes) -> int:
        """How many it did not take. Raises SpanRefused, aiohttp.ClientError, TimeoutError, OSError,
        CredentialError."""
        headers = {"Content-Type": CONTENT_TYPE}
        for name, place in self._collector.headers.items():
            headers[name] = (await place.read()).reveal()
        async with session.post(
            self._collector.url,
            data=body,
            headers=headers,
            ssl=self._collector.tls or True,
            allow_redirects=False,
        ) as answer:
            if answer.status in RETRYABLE:
                answer.raise_for_status()
            if answer.status != 200:
                raise SpanRefused(f"HTTP status {answer.status}")
            told = await answer.content.read(ANSWER_BYTES_MAX)
        try:
            return rejected(told)
        except ValueError:
            return 0  # taken all the same; some answer in JSON, or not at all

    def _session(self) -> aiohttp.ClientSession:
        # No proxy, cookie or credential of the machine's comes in by itself.
        return aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=SEND_SECONDS_MAX),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
        )
