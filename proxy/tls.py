"""TLS between client and gate over memory buffers: ciphertext in, plaintext out, no socket in
sight.

One mechanism serves both ways in, SSLRequest and direct TLS, whose first bytes have already been
read when we learn of it (so the event loop's own start_tls cannot take over), and it costs less
memory per idle connection than the loop's (pitfall 27).

This file must not know the Postgres protocol, beyond the ALPN name that direct TLS demands
(PostgreSQL documentation, "SSL Session Encryption").
"""

from __future__ import annotations

import ssl
from contextlib import suppress
from pathlib import Path
from typing import Literal

from cryptography import x509

from proxy.faults import ConnectionFault

ALPN = "postgresql"
"""What a client of direct TLS must name, or another protocol could be tunnelled in."""

_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}

_PLAINTEXT_BYTES = 65536
"""Read size: a few TLS records of 16 KiB at once."""


def server_context(
    certificate: Path, key: Path, *, minimum_version: Literal["1.2", "1.3"] = "1.2"
) -> ssl.SSLContext:
    """A server context from PEM files (certificate chain, private key), for `minimum_version` of
    TLS and later.

    Raises OSError or ssl.SSLError when the files cannot be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = _VERSIONS[minimum_version]
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    context.set_alpn_protocols([ALPN])
    context.load_cert_chain(certificate, key)
    return context


def certificate_end(certificate: Path) -> float:
    """When the first to end of a PEM file's certificates does, in unix seconds.

    Raises OSError, ValueError for a file without any.
    """
    chain = x509.load_pem_x509_certificates(certificate.read_bytes())
    return min(one.not_valid_after_utc for one in chain).timestamp()


class TlsLayer:
    """The server's end of one TLS connection."""

    def __init__(self, context: ssl.SSLContext, *, is_direct: bool) -> None:
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._object = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._is_direct = is_direct
        self.is_established = False

    def receive(self, ciphertext: bytes) -> bytes:
        """Plaintext contained in what the client sent; empty while the handshake goes on.

        Raises ConnectionFault 08P01 for a failed handshake or a broken record; `outgoing` may then
        hold an alert that is still worth sending.
        """
        self._incoming.write(ciphertext)
        try:
            if not self.is_established:
                self._object.do_handshake()
                self._check_protocol()
                self.is_established = True
            return self._read()
        except ssl.SSLWantReadError:
            return b""
        except ssl.SSLError as error:
            raise ConnectionFault("TLS failed") from error

    def send(self, plaintext: bytes | bytearray | memoryview) -> None:
        """Encrypt `plaintext` into `outgoing`. Call it only once the handshake is over."""
        view = memoryview(plaintext)
        while view:
            view = view[self._object.write(view) :]

    def finish(self) -> None:
        """Put the close_notify alert into `outgoing` (RFC 8446 §6.1): without it the client takes
        the end of the connection for an attack; libpq then says that its cancel request failed."""
        with suppress(ssl.SSLError):  # the client's own alert is not waited for
            self._object.unwrap()

    def outgoing(self) -> bytes:
        """Ciphertext to put on the wire."""
        return self._outgoing.read()

    def _read(self) -> bytes:
        pieces = []
        try:
            while piece := self._object.read(_PLAINTEXT_BYTES):
                pieces.append(piece)
        except (ssl.SSLWantReadError, ssl.SSLZeroReturnError):
            pass
        return b"".join(pieces)

    def _check_protocol(self) -> None:
        """Direct TLS must name the protocol, so that no other service's client is misled
        (ALPACA)."""
        if self._is_direct and self._object.selected_alpn_protocol() != ALPN:
            raise ConnectionFault("received direct TLS connection request without ALPN")
