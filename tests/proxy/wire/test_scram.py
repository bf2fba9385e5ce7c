"""SCRAM: the vector of RFC 7677, both halves against each other, and what each refuses."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.wire import scram
from proxy.wire.errors import AuthenticationFailure, InvalidValue, ProtocolViolation, WireError
from proxy.wire.scram import SCRAM_SHA_256, SCRAM_SHA_256_PLUS, ScramClient, ScramServer
from proxy.wire.verifier import ScramVerifier

SALT = bytes(range(16))
CLIENT_NONCE = b"client nonce of 24 bytes"
SERVER_NONCE = b"server nonce of 24 bytes"
VERIFIER = ScramVerifier.derive("pencil", salt=SALT)
BINDING = b"certificate hash"


def client(password: str = "pencil", **options: object) -> ScramClient:
    return ScramClient(password, nonce=CLIENT_NONCE, **options)  # type: ignore[arg-type]


def server(verifier: ScramVerifier = VERIFIER, channel_binding: bytes | None = None) -> ScramServer:
    return ScramServer(verifier, nonce=SERVER_NONCE, channel_binding=channel_binding)


def run(left: ScramClient, right: ScramServer) -> None:
    """Run a whole exchange; an error of either half escapes."""
    mechanism = left.choose(right.mechanisms)
    challenge = right.first(mechanism, left.first())
    left.verify(right.final(left.final(challenge)))


# --- the vector of RFC 7677 §3 --------------------------------------------------------------------

RFC_CLIENT_FIRST = b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO"
RFC_SERVER_FIRST = (
    b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
)
RFC_CLIENT_FINAL = (
    b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
    b"p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
)
RFC_SERVER_FINAL = b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="


def test_the_rfc_vector_as_a_client() -> None:
    left = client()
    left.choose([SCRAM_SHA_256])
    left.first()
    # The vector's nonce and user are not what we would send, so they are put in by hand.
    left._nonce = "rOprNGfwEbeRWgbNEkqO"
    left._first_bare = RFC_CLIENT_FIRST[3:].decode()

    assert left.final(RFC_SERVER_FIRST) == RFC_CLIENT_FINAL
    left.verify(RFC_SERVER_FINAL)
    assert left.is_verified


def test_the_rfc_vector_as_a_server() -> None:
    salt = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
    right = server(ScramVerifier.derive("pencil", salt=salt))
    right._nonce = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"

    assert right.first(SCRAM_SHA_256, RFC_CLIENT_FIRST) == RFC_SERVER_FIRST
    assert right.final(RFC_CLIENT_FINAL) == RFC_SERVER_FINAL


# --- whole exchanges ------------------------------------------------------------------------------


@pytest.mark.parametrize("binding", [None, BINDING])
def test_both_halves_agree(binding: bytes | None) -> None:
    left = client(channel_binding=binding)
    run(left, server(channel_binding=binding))

    assert left.is_verified
    assert left.mechanism == (SCRAM_SHA_256_PLUS if binding else SCRAM_SHA_256)


@settings(max_examples=15)
@given(st.text(max_size=12))
def test_any_password_agrees_with_itself(password: str) -> None:
    left = client(password)
    run(left, server(ScramVerifier.derive(password, salt=SALT)))

    assert left.is_verified


def test_a_client_without_tls_meets_a_server_with_it() -> None:
    left = client()
    run(left, server(channel_binding=BINDING))

    assert left.mechanism == SCRAM_SHA_256


def test_every_failure_has_one_text() -> None:
    # A wrong password, an unknown user, the right password of a mock, a machine in the middle.
    mock = ScramVerifier.mock("nobody", bytes(32))
    halves = [
        (client("wrong"), server()),
        (client(), server(mock)),
        (client(), server(ScramVerifier(*_fields(VERIFIER), is_mock=True))),
        (client(channel_binding=b"another certificate"), server(channel_binding=BINDING)),
    ]
    for left, right in halves:
        with pytest.raises(AuthenticationFailure) as caught:
            run(left, right)
        assert caught.value.message == "password authentication failed"
        assert caught.value.sqlstate == "28P01"
        assert not left.is_verified


def _fields(verifier: ScramVerifier) -> tuple[bytes, int, bytes, bytes]:
    return verifier.salt, verifier.iterations, verifier.stored_key, verifier.server_key


# --- downgrades -----------------------------------------------------------------------------------


def test_an_offer_of_binding_that_was_removed_is_noticed_by_the_server() -> None:
    left, right = client(channel_binding=BINDING), server(channel_binding=BINDING)
    mechanism = left.choose([SCRAM_SHA_256])
    assert left.first().startswith(b"y,,")

    with pytest.raises(AuthenticationFailure, match="negotiation error"):
        right.first(mechanism, left.first())


def test_binding_can_be_required() -> None:
    with pytest.raises(AuthenticationFailure, match="binding is required"):
        client(channel_binding=BINDING, requires_binding=True).choose([SCRAM_SHA_256])
    with pytest.raises(AuthenticationFailure, match="binding is required"):
        client(requires_binding=True).choose([SCRAM_SHA_256_PLUS, SCRAM_SHA_256])


@pytest.mark.parametrize("offered", [[], ["OAUTHBEARER"], [SCRAM_SHA_256_PLUS]])
def test_a_client_needs_a_mechanism_it_speaks(offered: list[str]) -> None:
    with pytest.raises(AuthenticationFailure, match="no SASL mechanism"):
        client().choose(offered)


# --- a hostile server -----------------------------------------------------------------------------


def answered(server_first: bytes) -> ScramClient:
    left = client()
    left.choose([SCRAM_SHA_256])
    left.first()
    left.final(server_first)
    return left


NONCE = base64.b64encode(CLIENT_NONCE + SERVER_NONCE)


@pytest.mark.parametrize(
    ("server_first", "error"),
    [
        (b"", ProtocolViolation),
        (b"r=" + NONCE, ProtocolViolation),
        (b"r=" + NONCE + b",s=AAAAAAAAAAAAAAAA,i=", ProtocolViolation),
        (b"r=" + NONCE + b",s=AAAA!,i=4096", ProtocolViolation),
        (b"r=" + NONCE + b",s=AAA,i=4096", ProtocolViolation),
        (b"m=x,r=" + NONCE + b",s=AAAAAAAAAAAAAAAA,i=4096", ProtocolViolation),
        (b"\xff\xfe", ProtocolViolation),
        (b"r=stolen,s=AAAAAAAAAAAAAAAA,i=4096", AuthenticationFailure),
        (
            b"r=" + base64.b64encode(CLIENT_NONCE) + b",s=AAAAAAAAAAAAAAAA,i=4096",
            AuthenticationFailure,
        ),
        (b"r=" + NONCE + b",s=AAAAAAAAAAAAAAAA,i=1", AuthenticationFailure),
        (b"r=" + NONCE + b",s=AAAAAAAAAAAAAAAA,i=9999999999", AuthenticationFailure),
        (b"r=" + NONCE + b",s=AAAA,i=4096", AuthenticationFailure),
    ],
)
def test_a_bad_challenge_is_refused(server_first: bytes, error: type[WireError]) -> None:
    with pytest.raises(error):
        answered(server_first)


@pytest.mark.parametrize(
    ("server_final", "error"),
    [
        (b"v=" + base64.b64encode(bytes(32)), AuthenticationFailure),
        (b"v=", AuthenticationFailure),
        (b"e=other-error", AuthenticationFailure),
        (b"", ProtocolViolation),
        (b"v=!", ProtocolViolation),
        (b"x=1", ProtocolViolation),
    ],
)
def test_a_server_that_does_not_know_the_password_is_not_believed(
    server_final: bytes, error: type[WireError]
) -> None:
    left = answered(b"r=" + NONCE + b",s=AAAAAAAAAAAAAAAA,i=4096")

    with pytest.raises(error):
        left.verify(server_final)
    assert not left.is_verified


# --- a hostile client -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mechanism", "client_first", "error"),
    [
        ("PLAIN", b"n,,n=,r=abc", ProtocolViolation),
        (SCRAM_SHA_256_PLUS, b"p=tls-server-end-point,,n=,r=abc", ProtocolViolation),
        (SCRAM_SHA_256, None, ProtocolViolation),
        (SCRAM_SHA_256, b"", ProtocolViolation),
        (SCRAM_SHA_256, b"n,a=admin,n=,r=abc", ProtocolViolation),
        (SCRAM_SHA_256, b"n,,m=x,n=,r=abc", ProtocolViolation),
        (SCRAM_SHA_256, b"n,,n=,r=", ProtocolViolation),
        (SCRAM_SHA_256, b"n,,n=,r=a b", ProtocolViolation),
        (SCRAM_SHA_256, b"p=tls-server-end-point,,n=,r=abc", ProtocolViolation),
        (SCRAM_SHA_256, b"\xff\xff", ProtocolViolation),
    ],
)
def test_a_bad_first_message_is_refused(
    mechanism: str, client_first: bytes | None, error: type[WireError]
) -> None:
    with pytest.raises(error):
        server().first(mechanism, client_first)


@pytest.mark.parametrize(
    "client_first", [b"n,,n=,r=abc", b"y,,n=,r=abc", b"p=tls-unique,,n=,r=abc"]
)
def test_plus_needs_the_binding_we_speak(client_first: bytes) -> None:
    with pytest.raises(ProtocolViolation):
        server(channel_binding=BINDING).first(SCRAM_SHA_256_PLUS, client_first)


def test_users_beyond_ascii_and_extensions_are_read_over() -> None:
    first = server().first(SCRAM_SHA_256, "n,,n=jürgen,r=abc,x=1".encode())

    assert first.startswith(b"r=abc")


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace(b"c=biws", b"c=eSws"),  # "y,,"
        lambda text: text.replace(b",r=", b",r=x"),
        lambda text: text.replace(b",p=", b",x=1,p="),
    ],
)
def test_a_changed_final_message_is_refused(change: object) -> None:
    left, right = client(), server()
    final = left.final(right.first(left.choose(right.mechanisms), left.first()))

    with pytest.raises(AuthenticationFailure, match="password authentication failed"):
        right.final(change(final))  # type: ignore[operator]


@pytest.mark.parametrize(
    "final", [b"", b"c=biws,r=x", b"c=biws,r=x,p=AAAA", b"c=!,r=x,p=AAAA", b"\xff"]
)
def test_a_bad_final_message_is_refused(final: bytes) -> None:
    right = server()
    right.first(SCRAM_SHA_256, b"n,,n=,r=abc")

    with pytest.raises(ProtocolViolation, match="malformed SCRAM message"):
        right.final(final)


@given(st.binary(max_size=60), st.binary(max_size=60))
def test_garbage_is_one_of_two_documented_errors(first: bytes, final: bytes) -> None:
    right = server()
    outcome: object = None
    try:
        right.first(SCRAM_SHA_256, first)
        right.final(final)
    except (ProtocolViolation, AuthenticationFailure) as error:
        outcome = error

    assert outcome is not None


def test_short_nonces_are_refused() -> None:
    with pytest.raises(InvalidValue, match="at least 18 random bytes"):
        ScramClient("x", nonce=bytes(17))
    with pytest.raises(InvalidValue, match="at least 18 random bytes"):
        ScramServer(VERIFIER, nonce=bytes(17))


def test_nothing_secret_is_in_a_repr() -> None:
    left, right = client("hunter2"), server()
    run_first = right.first(left.choose(right.mechanisms), left.first())
    left.final(run_first)

    assert repr(left) == "ScramClient(SCRAM-SHA-256, verified=False)"
    assert repr(right) == "ScramServer(challenged)"
    assert scram.BINDING_TYPE == "tls-server-end-point"


# --- several verifiers ----------------------------------------------------------------------------


@pytest.mark.parametrize(("password", "number"), [("pencil", 0), ("eraser", 1)])
def test_any_of_several_passwords(password: str, number: int) -> None:
    other = ScramVerifier.derive("eraser", salt=SALT)
    right = ScramServer(VERIFIER, other, nonce=SERVER_NONCE)
    left = client(password)
    run(left, right)

    assert left.is_verified
    assert right.proven == number


def test_none_of_several_and_never_a_mock() -> None:
    mock = ScramVerifier.mock("user", bytes(32))
    stored = ScramVerifier.derive("pencil", salt=mock.salt)
    known = ScramVerifier(stored.salt, 4096, stored.stored_key, stored.server_key, is_mock=True)
    for password, verifiers in (("pen", (VERIFIER, VERIFIER)), ("pencil", (known, mock))):
        right = ScramServer(*verifiers, nonce=SERVER_NONCE)
        with pytest.raises(AuthenticationFailure):
            run(client(password), right)
        assert right.proven is None
