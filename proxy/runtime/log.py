"""The operator's log: structlog set-up, one line per decision, and a processor that drops secrets.

This is not the audit log: lines here may be lost, sampled or switched off, and hold no SQL text.
This file must not know sessions, policies or sources.

INVARIANT I8: no secret has a printable form. `drop_secrets` is the second lock behind the types
that own their redaction: it removes values by key name and anything shaped like a signed token.
"""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from io import TextIOBase
from typing import Any, Literal, TextIO, cast

import structlog

Level = Literal["debug", "info", "warning", "error"]
Format = Literal["json", "console"]
Verdict = Literal["allowed", "refused", "failed"]

REDACTED = "[redacted]"
# A nested value deeper than this is replaced, so that a hostile one cannot exhaust the stack.
NESTING_DEPTH_MAX = 8

_LEVEL_NUMBERS: Mapping[str, int] = {"debug": 10, "info": 20, "warning": 30, "error": 40}
_level_number = 0
"""The lowest that is written in this process; before `configure` all are."""

_SECRET_WORDS = frozenset(
    {
        "authorization",
        "cookie",
        "credential",
        "credentials",
        "dsn",
        "jwt",
        "passphrase",
        "passwd",
        "password",
        "secret",
        "token",
    }
)
_SECRET_PAIRS = frozenset({"private_key", "secret_key", "api_key", "access_key", "cancel_key"})
# A compact JWS: three base64url parts, the first a JSON object (RFC 7515 §7.1).
_SIGNED_TOKEN = re.compile(r"eyJ[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]{2,}(?:\.[A-Za-z0-9_-]*)?")


@dataclass(frozen=True, slots=True)
class Latency:
    """Where the time of one statement went, in milliseconds."""

    parse_ms: float = 0.0
    decide_ms: float = 0.0
    source_ms: float = 0.0
    relay_ms: float = 0.0

    @property
    def total_ms(self) -> float:
        return self.parse_ms + self.decide_ms + self.source_ms + self.relay_ms


class _Stream(TextIOBase):
    """Where lines go: `stream`, or whatever standard error is at the time of each line.

    A reader of the log that goes away (a closed pipe, a full disk) must not fail the work that the
    line tells of, so errors of the stream are dropped together with the line.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError, ValueError):
            (self._stream or sys.stderr).write(text)
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            (self._stream or sys.stderr).flush()


def configure(level: Level, format: Format, stream: TextIO | None = None) -> None:
    """Set up structlog for the whole process. `stream` defaults to standard error."""
    global _level_number
    _level_number = _LEVEL_NUMBERS[level]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer(sort_keys=True)
        if format == "json"
        else structlog.dev.ConsoleRenderer(colors=False)
    )
    tracebacks: list[structlog.typing.Processor] = (
        [structlog.processors.format_exc_info] if format == "json" else []
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *tracebacks,
            drop_secrets,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVEL_NUMBERS[level]),
        logger_factory=structlog.WriteLoggerFactory(file=cast(TextIO, _Stream(stream))),
        cache_logger_on_first_use=False,
    )


def tells(level: Level) -> bool:
    """Whether lines of that level are written: what is not need not be made."""
    return _LEVEL_NUMBERS[level] >= _level_number


def decision(
    logger: Any,
    verdict: Verdict,
    *,
    subject: str,
    latency: Latency,
    **facts: object,
) -> None:
    """Write the one line of a decision: who, verdict, where time went, `facts` (never SQL)."""
    logger.info(
        "decision",
        verdict=verdict,
        subject=subject,
        parse_ms=round(latency.parse_ms, 3),
        decide_ms=round(latency.decide_ms, 3),
        source_ms=round(latency.source_ms, 3),
        relay_ms=round(latency.relay_ms, 3),
        total_ms=round(latency.total_ms, 3),
        **facts,
    )


def drop_secrets(
    logger: Any, method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """structlog processor: values of secret keys, and signed tokens in texts, are replaced."""
    return {key: _clean(key, value, 0) for key, value in event.items()}


def is_secret_key(key: str) -> bool:
    """Whether a key names something that must not be printed (`db_password`, `X-Api-Key`, …)."""
    # camelCase to snake_case first: `accessToken` is as secret as `access_token`.
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", key).lower().replace("-", "_").replace(" ", "_")
    parts = snake.split("_")
    if snake in _SECRET_PAIRS or any(snake.endswith("_" + pair) for pair in _SECRET_PAIRS):
        return True
    return any(part.rstrip("s") in _SECRET_WORDS or part in _SECRET_WORDS for part in parts)


def _clean(key: str, value: object, depth: int) -> object:
    if is_secret_key(key):
        return REDACTED
    if depth > NESTING_DEPTH_MAX:
        return REDACTED
    match value:
        case str():
            return _SIGNED_TOKEN.sub(REDACTED, value) if "eyJ" in value else value
        case None | bool() | int() | float():
            return value
        case BaseException():
            # exc_info on the console path: rendered later by structlog itself.
            return value
        case Mapping():
            return {str(name): _clean(str(name), item, depth + 1) for name, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_clean("", item, depth + 1) for item in value]
        case bytes() | bytearray() | memoryview():
            return f"[{len(value)} bytes]"
        case _:
            return _clean("", str(value), depth + 1)
