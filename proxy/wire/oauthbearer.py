"""SASL OAUTHBEARER (RFC 7628), the server's half, as libpq 18 speaks it: text in, text out.

This file must not know frames, sockets or what makes a token good.

    client first    n,,^Aauth=Bearer TOKEN^A^A        ^A: the byte 1; an empty `auth` is a question
    server error    {"status":"invalid_token", …}     where to get a token (RFC 7628 §3.2.2)
    client answer   ^A                                "I saw it"; then the server fails the exchange

(PostgreSQL documentation, "OAUTHBEARER Authentication"; RFC 7628 §3.1, §4.)
"""

from __future__ import annotations

import json
import re
from typing import Final

from proxy.wire.errors import ProtocolViolation

OAUTHBEARER: Final = "OAUTHBEARER"
ACKNOWLEDGEMENT: Final = b"\x01"
"""What a client sends after an error (RFC 7628 §3.2.3)."""
DISCOVERY_PATH: Final = "/.well-known/openid-configuration"

# The header is that of GS2 without channel binding (RFC 5801 §4); "y" says that a client could.
_CLIENT_FIRST: Final = re.compile(rb"[ny],([^,]*),\x01((?:[A-Za-z]+=[^\x00\x01]*\x01)*)\x01")
# b64token of RFC 6750 §2.1; the scheme's case does not matter (RFC 7235 §2.1).
_BEARER: Final = re.compile(r"[Bb][Ee][Aa][Rr][Ee][Rr] +([A-Za-z0-9._~+/-]+=*)")


def bearer_token(client_first: bytes | None) -> str | None:
    """The token in a client's first message; None when the client asks where to get one.

    Raises ProtocolViolation for anything else; its text holds nothing of the message.
    """
    match = _CLIENT_FIRST.fullmatch(client_first or b"")
    # An authorization identity would ask to be somebody else than the token says.
    if match is None or match[1]:
        raise _malformed()
    pairs = [pair.partition(b"=") for pair in match[2].split(b"\x01")[:-1]]
    values = [text for name, _, text in pairs if name == b"auth"]
    # RFC 7628 §3.1: unknown keys are ignored; `auth` comes once.
    if len(values) != 1:
        raise _malformed()
    if not values[0]:
        return None
    try:
        bearer = _BEARER.fullmatch(values[0].decode("ascii"))
    except UnicodeDecodeError:
        raise _malformed() from None
    if bearer is None:
        raise _malformed()
    return bearer[1]


def error_status(issuer: str, scope: str) -> bytes:
    """What a client without a good token is told: where to get one, and for which scope."""
    status = {
        "status": "invalid_token",
        "openid-configuration": issuer.rstrip("/") + DISCOVERY_PATH,
        "scope": scope,
    }
    return json.dumps(status).encode()


def _malformed() -> ProtocolViolation:
    return ProtocolViolation("malformed OAUTHBEARER message")
