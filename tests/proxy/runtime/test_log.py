"""The operator's log: one line per decision, and no secret in any of them."""

from __future__ import annotations

import contextlib
import io
import json
import os
from typing import Any

import pytest
import structlog

from policies.secret import Secret
from proxy.runtime.log import REDACTED, Latency, configure, decision, drop_secrets, is_secret_key

TOKEN = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl"


def _line(**facts: Any) -> dict[str, Any]:
    stream = io.StringIO()
    configure("info", "json", stream)
    structlog.get_logger().info("event", **facts)
    [line] = stream.getvalue().splitlines()
    found = json.loads(line)
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize(
    "key",
    [
        "password",
        "PASSWORD",
        "db_password",
        "passwords",
        "token",
        "accessToken",
        "X-Api-Key",
        "authorization",
        "Set-Cookie",
        "client_secret",
        "secret_key",
        "privateKey",
        "jwt",
        "dsn",
    ],
)
def test_secret_keys(key: str) -> None:
    assert is_secret_key(key)
    assert _line(**{key: "hunter2"})[key] == REDACTED


@pytest.mark.parametrize(
    "key",
    ["subject", "key", "rows", "compass", "secretary", "tokenizer", "kid", "event", "primary_key"],
)
def test_other_keys(key: str) -> None:
    assert not is_secret_key(key)


def test_secrets_are_found_at_any_depth_and_in_texts() -> None:
    line = _line(
        request={"headers": [{"Authorization": "Bearer x"}], "path": "/a"},
        message=f"bad token {TOKEN} from client",
        holder=Secret("hunter2"),
        raw=b"hunter2",
    )
    assert line["request"] == {"headers": [{"Authorization": REDACTED}], "path": "/a"}
    assert line["message"] == f"bad token {REDACTED} from client"
    assert line["raw"] == "[7 bytes]"
    assert "hunter2" not in json.dumps(line)


def test_a_traceback_is_cleaned_too() -> None:
    stream = io.StringIO()
    configure("info", "json", stream)
    try:
        raise ValueError(f"cannot read {TOKEN}")
    except ValueError:
        structlog.get_logger().exception("failed")
    assert "ValueError" in stream.getvalue()
    assert TOKEN not in stream.getvalue()


def test_a_hostile_depth_ends() -> None:
    nested: Any = "x"
    for _ in range(10_000):
        nested = [nested]
    assert REDACTED in str(drop_secrets(None, "info", {"nested": nested}))


def test_the_decision_line_has_its_latency_budget() -> None:
    stream = io.StringIO()
    configure("info", "json", stream)
    latency = Latency(parse_ms=0.1, decide_ms=0.02, source_ms=1.5, relay_ms=0.38)
    decision(structlog.get_logger(), "refused", subject="alice", latency=latency, sqlstate="42501")
    line = json.loads(stream.getvalue())
    assert (line["event"], line["verdict"], line["subject"]) == ("decision", "refused", "alice")
    assert line["total_ms"] == pytest.approx(2.0)
    assert line["sqlstate"] == "42501"


def test_levels_and_the_console_form() -> None:
    stream = io.StringIO()
    configure("warning", "console", stream)
    logger = structlog.get_logger()
    logger.info("quiet")
    logger.warning("loud", password="hunter2")
    assert "quiet" not in stream.getvalue()
    assert "loud" in stream.getvalue()
    assert "hunter2" not in stream.getvalue()


def test_a_line_stays_one_line() -> None:
    stream = io.StringIO()
    configure("info", "json", stream)
    structlog.get_logger().info("a\nb", text="c\r\nd")
    assert len(stream.getvalue().splitlines()) == 1


def test_a_stream_that_is_closed_or_broken_fails_nobody() -> None:
    stream = io.StringIO()
    configure("info", "json", stream)
    stream.close()
    structlog.get_logger().error("lost")

    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w", buffering=1) as broken:
        configure("info", "console", broken)
        structlog.get_logger().error("lost")
        # What is left in the buffer would fail at close: nobody is left to read it.
        with contextlib.suppress(BrokenPipeError):
            broken.close()


def test_standard_error_is_the_one_of_the_moment(capsys: pytest.CaptureFixture[str]) -> None:
    with contextlib.redirect_stderr(io.StringIO()):
        configure("info", "json")
    structlog.get_logger().info("here")
    assert "here" in capsys.readouterr().err
