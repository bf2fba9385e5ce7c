"""The handshake over a scripted connection: what is asked, what is taken, what is refused."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from policies.identity import Identity
from proxy.cancel import CancelDesk
from proxy.connection import ClientConnection
from proxy.faults import ConnectionFault
from proxy.handshake import Reception, greet, welcome
from proxy.limits import SessionLimits
from proxy.proof import Judges
from proxy.runtime.identity import REFUSED
from proxy.wire.backend import (
    AuthenticationCleartextPassword,
    AuthenticationOk,
    BackendMessage,
    NegotiateProtocolVersion,
    ParameterStatus,
)
from proxy.wire.frontend import (
    CancelRequest,
    FrontendMessage,
    PasswordMessage,
    Query,
    StartupMessage,
)


class Script:
    """Stands for a ClientConnection: gives events, keeps what is sent."""

    def __init__(self, events: Sequence[FrontendMessage], **facts: bool) -> None:
        self.events = list(events)
        self.sent: list[BackendMessage] = []
        self.peer = "10.0.0.1:5"
        self.is_local = facts.get("is_local", True)
        self.is_encrypted = facts.get("is_encrypted", False)
        self.has_tls = facts.get("has_tls", False)

    async def next_event(self, *, until: float | None = None) -> FrontendMessage:
        return self.events.pop(0)

    def send(self, message: BackendMessage) -> None:
        self.sent.append(message)


class Doorkeeper:
    """Accepts one token."""

    async def identify(self, token: str, *, is_local: bool) -> Identity:
        if token != "good":
            raise ConnectionFault(REFUSED, sqlstate="28P01")
        return Identity.create(
            subject="alice", issuer="i", roles=frozenset(), claims={}, expires_at=1e12
        )


@pytest.fixture
def reception(tmp_path: Path) -> Reception:
    return Reception(
        judges=Judges(Doorkeeper()),
        recorder=None,  # type: ignore[arg-type] # whoever calls `welcome` records
        desk=CancelDesk(0, tmp_path, lambda: 0.0),
        limits=SessionLimits(),
        facts={"server_version": "16.10"},
    )


async def run(reception: Reception, script: Script) -> object:
    return await welcome(script, reception, 0.0)  # type: ignore[arg-type]


def startup(**parameters: str) -> StartupMessage:
    return StartupMessage((3, 0), {"user": "someone", "database": "shop", **parameters})


async def test_a_session_begins(reception: Reception) -> None:
    script = Script([startup(application_name="app"), PasswordMessage("good")])
    welcomed = await welcome(script, reception, 0.0)  # type: ignore[arg-type]

    assert welcomed is not None
    session = welcomed.session
    assert (session.identity.subject, session.user, session.database) == (
        "alice",
        "someone",
        "shop",
    )
    assert session.settings.get("application_name") == "app"
    assert not welcomed.has_long_cancel_key
    greet(script, session)  # type: ignore[arg-type]
    assert isinstance(script.sent[0], AuthenticationCleartextPassword)
    assert isinstance(script.sent[1], AuthenticationOk)
    told = {m.name: m.value for m in script.sent if isinstance(m, ParameterStatus)}
    # Who the client claimed to be counts for nothing.
    assert told["session_authorization"] == "alice"


async def test_versions_are_negotiated(reception: Reception) -> None:
    script = Script([StartupMessage((3, 9), {"user": "x", "_pq_.x": "1"}), PasswordMessage("good")])
    welcomed = await welcome(script, reception, 0.0)  # type: ignore[arg-type]

    assert welcomed is not None
    assert welcomed.has_long_cancel_key
    assert isinstance(script.sent[0], NegotiateProtocolVersion)


@pytest.mark.parametrize(
    ("facts", "is_asked"),
    [
        ({"is_local": True}, True),
        ({"is_local": False, "is_encrypted": True}, True),
        ({"is_local": False, "has_tls": True}, False),
        ({"is_local": False}, False),
    ],
)
async def test_a_token_is_asked_for_on_a_safe_channel_only(
    reception: Reception, facts: dict[str, bool], is_asked: bool
) -> None:
    script = Script([startup(), PasswordMessage("good")], **facts)
    if is_asked:
        assert await run(reception, script) is not None
        return
    with pytest.raises(ConnectionFault) as caught:
        await run(reception, script)

    assert caught.value.sqlstate == "28000"
    assert script.sent == []


@pytest.mark.parametrize(
    ("parameters", "sqlstate"),
    [
        ({"user": ""}, "28000"),
        ({"user": "x" * 200}, "28000"),
        ({"database": "x" * 200}, "28000"),
        ({"replication": "true"}, "0A000"),
        ({"role": "x"}, "42501"),
        ({"is_superuser": "on"}, "42501"),
        ({"DateStyle": "nonsense"}, "22023"),
        ({"nonsense": "x"}, "42704"),
    ],
)
async def test_refused_before_a_password_is_asked_for(
    reception: Reception, parameters: dict[str, str], sqlstate: str
) -> None:
    script = Script([startup(**parameters)])
    with pytest.raises(ConnectionFault) as caught:
        await run(reception, script)

    assert caught.value.sqlstate == sqlstate
    assert script.sent == []


async def test_a_wrong_token_and_no_token(reception: Reception) -> None:
    for answer in (PasswordMessage("bad"), Query("SELECT 1")):
        with pytest.raises(ConnectionFault) as caught:
            await run(reception, Script([startup(), answer]))
        assert caught.value.sqlstate in ("28P01", "08P01")


async def test_a_cancel_request_begins_no_session(reception: Reception) -> None:
    hits: list[int] = []
    key = reception.desk.issue(lambda: hits.append(1), is_long=True)
    script = Script([CancelRequest(key.process_id, key.secret)])

    assert await run(reception, script) is None
    assert hits == [1]


def test_the_script_stands_for_a_connection() -> None:
    used = ("next_event", "send", "peer", "is_local", "is_encrypted", "has_tls")

    assert all(hasattr(ClientConnection, name) for name in used)
