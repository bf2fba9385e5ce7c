"""SCRAM-SHA-256 and SCRAM-SHA-256-PLUS, client and server, as objects that turn text into text.

This file must not know frames, sockets or where verifiers are kept. Nonces are arguments: 18 or
more bytes from a secure source, fresh for each exchange.

Theory of operation (RFC 5802 §5). Four texts:

    client first    n,,n=,r=CLIENT                    header, user (empty: Postgres takes it from
                                                      the startup message), nonce
    server first    r=CLIENT+SERVER,s=SALT,i=ROUNDS
    client final    c=HEADER+BINDING,r=…,p=PROOF
    server final    v=SIGNATURE                       the server proves that it knows the verifier

Both proofs are HMACs over the first three texts. With -PLUS the client's `c=` covers a hash of the
certificate it sees, so a machine in the middle fails. A client that could bind but was not offered
it says so (`y`), and a server that did offer it then knows that its offer was removed. Each object
is good for one exchange, its methods in order; any failure is final.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Sequence
from typing import Final

from proxy.wire.errors import AuthenticationFailure, InvalidValue, ProtocolViolation
from proxy.wire.limits import SCRAM_NONCE_BYTES_MIN
from proxy.wire.verifier import KEY_BYTES, ScramVerifier, hmac_sha256, salted_password

SCRAM_SHA_256: Final = "SCRAM-SHA-256"
SCRAM_SHA_256_PLUS: Final = "SCRAM-SHA-256-PLUS"
BINDING_TYPE: Final = "tls-server-end-point"

# A nonce is printable ASCII without the comma (RFC 5802 §7).
_NONCE = r"[\x21-\x2b\x2d-\x7e]+"
_CLIENT_FIRST = re.compile(rf"(n|y|p=([A-Za-z0-9.-]+)),([^,]*),(n=([^,]*),r=({_NONCE}))(,.*)?")
_SERVER_FIRST = re.compile(rf"r=({_NONCE}),s=([A-Za-z0-9+/=]+),i=([0-9]{{1,10}})(,.*)?")
_CLIENT_FINAL = re.compile(rf"(c=([A-Za-z0-9+/=]+),r=({_NONCE})(?:,[^p].*)?),p=([A-Za-z0-9+/=]+)")


class ScramClient:
    """The client's half of one exchange.

    Args: `password`; `nonce`, random bytes; `channel_binding`, the data of
    `channel_binding.tls_server_end_point`, or None without TLS; `requires_binding` refuses a server
    that does not offer it.
    """

    __slots__ = (
        "_auth_message",
        "_binding",
        "_first_bare",
        "_header",
        "_nonce",
        "_password",
        "_requires_binding",
        "_server_key",
        "is_verified",
        "mechanism",
    )

    def __init__(
        self,
        password: str,
        *,
        nonce: bytes,
        channel_binding: bytes | None = None,
        requires_binding: bool = False,
    ) -> None:
        self._password = password
        self._nonce = _printable_nonce(nonce)
        self._binding = channel_binding
        self._requires_binding = requires_binding
        self._first_bare = ""
        self._header = ""
        self._auth_message = b""
        self._server_key = b""
        self.mechanism = ""
        # INVARIANT: True only after the server has proved that it knows the password. Whoever
        # accepts AuthenticationOk must look here first, or any server could skip its proof.
        self.is_verified = False

    def __repr__(self) -> str:
        return f"ScramClient({self.mechanism or 'no mechanism'}, verified={self.is_verified})"

    def choose(self, offered: Sequence[str]) -> str:
        """Choose the mechanism among those a server offers.

        Raises AuthenticationFailure if none is possible, or binding is required and not offered.
        """
        if self._binding is not None and SCRAM_SHA_256_PLUS in offered:
            self.mechanism = SCRAM_SHA_256_PLUS
            self._header = f"p={BINDING_TYPE},,"
        elif self._requires_binding:
            raise AuthenticationFailure("channel binding is required, and the server offers none")
        elif SCRAM_SHA_256 in offered:
            self.mechanism = SCRAM_SHA_256
            self._header = "n,," if self._binding is None else "y,,"
        else:
            raise AuthenticationFailure("the server offers no SASL mechanism that is spoken here")
        return self.mechanism

    def first(self) -> bytes:
        """Return the client-first-message, for SASLInitialResponse; `choose` comes before."""
        assert self.mechanism, "choose() comes before first()"
        self._first_bare = f"n=,r={self._nonce}"
        return (self._header + self._first_bare).encode()

    def final(self, server_first: bytes) -> bytes:
        """Return the client-final-message, for SASLResponse. Blocks while it hashes.

        Raises ProtocolViolation for a malformed challenge, AuthenticationFailure for a nonce that
        is not an extension of ours or for limits exceeded.
        """
        assert self._first_bare, "first() comes before final()"
        assert not self._auth_message, "an exchange runs once"
        match = _SERVER_FIRST.fullmatch(_text(server_first))
        if match is None:
            raise _malformed()
        nonce, salt, iterations = match[1], _base64(match[2]), int(match[3])
        if not nonce.startswith(self._nonce) or nonce == self._nonce:
            raise AuthenticationFailure("the server's SCRAM nonce does not extend ours")
        try:
            salted = salted_password(self._password, salt, iterations)
        except InvalidValue as error:
            raise AuthenticationFailure(error.message) from None
        header = self._header.encode()
        if self.mechanism == SCRAM_SHA_256_PLUS:
            assert self._binding is not None, "choose() takes -PLUS only with binding data"
            header += self._binding
        without_proof = f"c={base64.b64encode(header).decode()},r={nonce}".encode()
        self._auth_message = b",".join((self._first_bare.encode(), server_first, without_proof))
        client_key = hmac_sha256(salted, b"Client Key")
        stored_key = hashlib.sha256(client_key).digest()
        proof = _xor(client_key, hmac_sha256(stored_key, self._auth_message))
        self._server_key = hmac_sha256(salted, b"Server Key")
        return without_proof + b",p=" + base64.b64encode(proof)

    def verify(self, server_final: bytes) -> None:
        """Check the server's proof; AuthenticationFailure or ProtocolViolation if it is not one."""
        assert self._auth_message, "final() comes before verify()"
        text = _text(server_final)
        if text.startswith("e="):
            raise AuthenticationFailure("the server refused the SCRAM exchange")
        if not text.startswith("v="):
            raise _malformed()
        signature = _base64(text[2:].partition(",")[0])
        expected = hmac_sha256(self._server_key, self._auth_message)
        if not hmac.compare_digest(signature, expected):
            raise AuthenticationFailure("the server's SCRAM signature is wrong")
        self.is_verified = True


class ScramServer:
    """The server's half of one exchange.

    Args: `verifier`, a mock one for an unknown user; further `verifiers` of the same user with the
    same salt and iterations, any of which may be proven; `nonce`, random bytes; `channel_binding`,
    the data of our own certificate, or None without TLS. The failure of a mock verifier, a wrong
    proof and a wrong binding is one error with one text. `proven` is the number of the verifier
    that was proven.
    """

    __slots__ = (
        "_binding",
        "_first_bare",
        "_header",
        "_nonce",
        "_server_first",
        "_verifiers",
        "proven",
    )

    def __init__(
        self,
        verifier: ScramVerifier,
        *verifiers: ScramVerifier,
        nonce: bytes,
        channel_binding: bytes | None = None,
    ) -> None:
        for other in verifiers:
            is_same = (other.salt, other.iterations) == (verifier.salt, verifier.iterations)
            assert is_same, "the client is told one salt and one number of rounds"
        self._verifiers = (verifier, *verifiers)
        self.proven: int | None = None
        self._nonce = _printable_nonce(nonce)
        self._binding = channel_binding
        self._header = b""
        self._first_bare = ""
        self._server_first = b""

    def __repr__(self) -> str:
        return "ScramServer(challenged)" if self._server_first else "ScramServer()"

    @property
    def mechanisms(self) -> tuple[str, ...]:
        """What to offer in AuthenticationSASL."""
        if self._binding is None:
            return (SCRAM_SHA_256,)
        return (SCRAM_SHA_256_PLUS, SCRAM_SHA_256)

    def first(self, mechanism: str, client_first: bytes | None) -> bytes:
        """Return the server-first-message, for AuthenticationSASLContinue.

        Raises ProtocolViolation for a mechanism that was not offered or a message that does not
        parse; AuthenticationFailure when the client says our offer of binding never reached it.
        """
        assert not self._server_first, "an exchange runs once"
        if mechanism not in self.mechanisms:
            raise ProtocolViolation("client selected an invalid SASL authentication mechanism")
        match = _CLIENT_FIRST.fullmatch(_text(client_first or b""))
        # An authorization identity ("a=…") is not supported by Postgres either; an extension ("m=")
        # before the user is mandatory to understand and never parses.
        if match is None or match[3]:
            raise _malformed()
        flag, binding_type = match[1], match[2]
        if (mechanism == SCRAM_SHA_256_PLUS) != (binding_type is not None):
            raise ProtocolViolation("SCRAM channel binding flag does not fit the mechanism")
        if binding_type is not None and binding_type != BINDING_TYPE:
            raise ProtocolViolation("unsupported SCRAM channel-binding type")
        if flag == "y" and self._binding is not None:
            raise AuthenticationFailure("SCRAM channel binding negotiation error")
        self._header = f"{flag},,".encode()
        self._first_bare = match[4] + (match[7] or "")
        salt = base64.b64encode(self._verifiers[0].salt).decode()
        nonce = match[6] + self._nonce
        self._server_first = f"r={nonce},s={salt},i={self._verifiers[0].iterations}".encode()
        return self._server_first

    def final(self, client_final: bytes) -> bytes:
        """Check the client's proof and return the server-final-message, for
        AuthenticationSASLFinal.

        Raises AuthenticationFailure (28P01) when the password is not the user's, and
        ProtocolViolation for a message that does not parse.
        """
        assert self._server_first, "first() comes before final()"
        server_first, self._server_first = self._server_first, b""
        match = _CLIENT_FINAL.fullmatch(_text(client_final))
        if match is None:
            raise _malformed()
        proof = _base64(match[4])
        if len(proof) != KEY_BYTES:
            raise _malformed()
        auth_message = b",".join((self._first_bare.encode(), server_first, match[1].encode()))
        header = self._header
        if header.startswith(b"p="):
            assert self._binding is not None, "-PLUS is offered only with binding data"
            header += self._binding
        nonce = server_first.split(b",", 1)[0][2:]
        # All are computed before any decides, so that time does not tell which one failed.
        is_bound = hmac.compare_digest(_base64(match[2]), header)
        is_fresh = hmac.compare_digest(match[3].encode(), nonce)
        proven = None
        for number, verifier in enumerate(self._verifiers):
            if _proves(proof, verifier, auth_message):
                proven = number
        if proven is None or not (is_bound & is_fresh):
            raise AuthenticationFailure("password authentication failed")
        self.proven = proven
        server_signature = hmac_sha256(self._verifiers[proven].server_key, auth_message)
        return b"v=" + base64.b64encode(server_signature)


def _proves(proof: bytes, verifier: ScramVerifier, auth_message: bytes) -> bool:
    """Whether the client knows the password behind `verifier`; nobody knows that of a mock."""
    client_key = _xor(proof, hmac_sha256(verifier.stored_key, auth_message))
    is_proven = hmac.compare_digest(hashlib.sha256(client_key).digest(), verifier.stored_key)
    return is_proven & (not verifier.is_mock)


def _printable_nonce(nonce: bytes) -> str:
    if len(nonce) < SCRAM_NONCE_BYTES_MIN:
        raise InvalidValue(f"a SCRAM nonce needs at least {SCRAM_NONCE_BYTES_MIN} random bytes")
    return base64.b64encode(nonce).decode()


def _text(raw: bytes) -> str:
    """Read a SCRAM text. The patterns above admit more than ASCII only in the user, which some
    drivers send and Postgres ignores too, and in extensions."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise _malformed() from None


def _base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise _malformed() from None


def _xor(left: bytes, right: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(left, right, strict=True))


def _malformed() -> ProtocolViolation:
    return ProtocolViolation("malformed SCRAM message")
