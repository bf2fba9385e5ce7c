"""The ways to prove who one is, over a scripted connection."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from policies.identity import Identity
from proxy.faults import ConnectionFault
from proxy.proof import AskedWhere, Invitation, Judges, Proven, prove
from proxy.runtime.identity import REFUSED
from proxy.runtime.state.admission import Admitted, Challenge, Credential
from proxy.runtime.state.login import IpAddress, Kind
from proxy.wire.backend import (
    AuthenticationCleartextPassword,
    AuthenticationSASL,
    AuthenticationSASLContinue,
    AuthenticationSASLFinal,
    BackendMessage,
)
from proxy.wire.errors import ProtocolViolation
from proxy.wire.frontend import FrontendMessage, PasswordMessage, SASLInitialResponse, SASLResponse
from proxy.wire.scram import ScramClient
from proxy.wire.verifier import ScramVerifier

ALICE = Identity.create(subject="alice", issuer="i", roles=frozenset(), claims={}, expires_at=1e12)
SECRET = "sallyport_aaaaaaaaaaaa_" + "b" * 52
VERIFIER = ScramVerifier.derive(SECRET, salt=bytes(16))
INVITATION = Invitation("https://login.example.com", "openid")


class Authenticator:
    async def identify(self, token: str, *, is_local: bool) -> Identity:
        if token != "good":
            raise ConnectionFault(REFUSED, sqlstate="28P01")
        return ALICE


@dataclass
class Admission:
    """Knows one secret; notes what it was asked."""

    asked: list[tuple[str, str, str]] = field(default_factory=list)

    async def challenge(self, kind: Kind, name: str, address: IpAddress | None) -> Challenge:
        self.asked.append((kind.value, name, str(address)))
        return Challenge(f"{kind.value}.{name}", address, (VERIFIER,) * 2, None, ())

    async def proven(self, challenge: Challenge, number: int) -> Admitted:
        return Admitted(ALICE, Credential(challenge.user, "id"))

    def refused(self, challenge: Challenge) -> ConnectionFault:
        self.asked.append(("refused", challenge.user, ""))
        fault = ConnectionFault(REFUSED, sqlstate="28P01")
        fault.__cause__ = ValueError("why")
        return fault

    async def identify(self, text: str, address: IpAddress | None) -> Admitted:
        self.asked.append(("clear", text, str(address)))
        return Admitted(ALICE, Credential("token.x", "id"))


class Client:
    """Answers each question by a function of it."""

    peer = "10.1.2.3:5"
    is_local = False

    def __init__(self, *answers: object, is_encrypted: bool = False) -> None:
        self.answers = list(answers)
        self.sent: list[BackendMessage] = []
        self.is_encrypted = is_encrypted

    def send(self, message: BackendMessage) -> None:
        self.sent.append(message)

    async def next_event(self, *, until: float | None = None) -> FrontendMessage:
        answer = self.answers.pop(0)
        return answer(self.sent[-1]) if callable(answer) else answer  # type: ignore[return-value]


def scram(password: str, binding: bytes | None = None) -> Sequence[object]:
    client = ScramClient(password, nonce=bytes(18), channel_binding=binding)

    def first(asked: AuthenticationSASL) -> SASLInitialResponse:
        mechanism = client.choose(asked.mechanisms)
        return SASLInitialResponse(mechanism, client.first())

    def last(asked: AuthenticationSASLContinue) -> SASLResponse:
        return SASLResponse(client.final(asked.data))

    return first, last


async def ask(client: Client, user: str, **judges: object) -> Proven:
    given = {"admission": Admission(), "invitation": INVITATION, **judges}
    found = Judges(Authenticator(), **given)  # type: ignore[arg-type]
    return await prove(client, found, user, 0.0)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("user", "way"),
    [
        ("alice", AuthenticationCleartextPassword()),
        ("tokenx", AuthenticationCleartextPassword()),
        ("token", AuthenticationCleartextPassword()),
        ("oauthx", AuthenticationCleartextPassword()),
        ("Token.x", AuthenticationCleartextPassword()),
        ("token.x", AuthenticationSASL(("SCRAM-SHA-256",))),
        ("token.", AuthenticationSASL(("SCRAM-SHA-256",))),
        ("service.x.y", AuthenticationSASL(("SCRAM-SHA-256",))),
        ("oauth", AuthenticationSASL(("OAUTHBEARER",))),
        ("oauth.alice", AuthenticationSASL(("OAUTHBEARER",))),
    ],
)
async def test_the_form_of_the_name_decides(user: str, way: BackendMessage) -> None:
    client = Client(SASLResponse(b""))
    with pytest.raises(ConnectionFault):
        await ask(client, user)
    assert client.sent == [way]


@pytest.mark.parametrize("user", ["token.x", "oauth", "service.y"])
async def test_without_configuration_every_name_is_asked_for_a_password(user: str) -> None:
    client = Client(PasswordMessage("good"))
    proven = await ask(client, user, admission=None, invitation=None)
    assert proven == Proven(ALICE)


async def test_a_password_is_a_jwt_or_an_access_token() -> None:
    admission = Admission()
    assert await ask(Client(PasswordMessage("good")), "x", admission=admission) == Proven(ALICE)
    assert admission.asked == []
    proven = await ask(Client(PasswordMessage(SECRET)), "x", admission=admission)
    assert proven.credential == Credential("token.x", "id")
    assert admission.asked == [("clear", SECRET, "10.1.2.3")]
    with pytest.raises(ConnectionFault, match=REFUSED):
        await ask(Client(PasswordMessage(SECRET)), "x", admission=None)


@pytest.mark.parametrize(
    ("is_encrypted", "mechanisms"),
    [(True, ("SCRAM-SHA-256-PLUS", "SCRAM-SHA-256")), (False, ("SCRAM-SHA-256",))],
)
async def test_scram(is_encrypted: bool, mechanisms: tuple[str, ...]) -> None:
    admission = Admission()
    binding = b"certificate" if is_encrypted else None
    client = Client(*scram(SECRET, binding), is_encrypted=is_encrypted)
    proven = await ask(client, "service.job.1", admission=admission, channel_binding=b"certificate")

    assert proven == Proven(ALICE, Credential("service.job.1", "id"))
    assert admission.asked == [("service", "job.1", "10.1.2.3")]
    assert client.sent[0] == AuthenticationSASL(mechanisms)
    assert isinstance(client.sent[-1], AuthenticationSASLFinal)


async def test_a_wrong_proof_or_a_machine_in_the_middle() -> None:
    wrong = Client(*scram("wrong"))
    middle = Client(*scram(SECRET, b"another certificate"), is_encrypted=True)
    for client in (wrong, middle):
        with pytest.raises(ConnectionFault) as caught:
            await ask(client, "token.x", channel_binding=b"certificate")
        assert (caught.value.message, str(caught.value.__cause__)) == (REFUSED, "why")
        assert not any(isinstance(message, AuthenticationSASLFinal) for message in client.sent)


async def test_garbage_instead_of_a_proof_counts_as_an_attempt() -> None:
    admission = Admission()
    garbage = SASLInitialResponse("SCRAM-SHA-256", b"garbage")
    with pytest.raises(ProtocolViolation):
        await ask(Client(garbage), "token.x", admission=admission)
    assert admission.asked[-1] == ("refused", "token.x", "")


async def test_a_token_of_the_provider() -> None:
    client = Client(SASLInitialResponse("OAUTHBEARER", b"n,,\x01auth=Bearer good\x01\x01"))
    assert await ask(client, "oauth") == Proven(ALICE)
    # libpq accepts nothing between its token and AuthenticationOk.
    assert client.sent == [AuthenticationSASL(("OAUTHBEARER",))]


@pytest.mark.parametrize(("token", "cause"), [(b"", AskedWhere), (b"Bearer bad", type(None))])
async def test_no_token_or_a_bad_one_is_told_where_to_go(token: bytes, cause: type) -> None:
    first = SASLInitialResponse("OAUTHBEARER", b"n,,\x01auth=" + token + b"\x01\x01")
    client = Client(first, SASLResponse(b"\x01"))
    with pytest.raises(ConnectionFault) as caught:
        await ask(client, "oauth")
    assert caught.value.sqlstate == "28P01"
    assert isinstance(caught.value.__cause__, cause)
    status = client.sent[-1]
    assert isinstance(status, AuthenticationSASLContinue)
    assert json.loads(status.data)["openid-configuration"].startswith(INVITATION.issuer)


@pytest.mark.parametrize(
    "answers",
    [
        (SASLInitialResponse("SCRAM-SHA-256", b"n,,n=,r=x"),),
        (SASLInitialResponse("OAUTHBEARER", b"garbage"),),
        (SASLInitialResponse("OAUTHBEARER", b"n,,\x01auth=\x01\x01"), SASLResponse(b"more")),
    ],
)
async def test_what_breaks_the_exchange(answers: tuple[FrontendMessage, ...]) -> None:
    with pytest.raises(ProtocolViolation):
        await ask(Client(*answers), "oauth")
