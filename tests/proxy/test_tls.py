"""The TLS layer against Python's own client side, over memory only."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Literal

import pytest

from proxy.faults import ConnectionFault
from proxy.tls import TlsLayer, server_context
from tests.servers.certificate import write


class Client:
    """The other end, over memory buffers."""

    def __init__(self, protocols: list[str], newest: ssl.TLSVersion | None = None) -> None:
        context = ssl.create_default_context()
        if newest is not None:
            context.maximum_version = newest
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if protocols:
            context.set_alpn_protocols(protocols)
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.end = context.wrap_bio(self.incoming, self.outgoing)

    def shake(self, layer: TlsLayer) -> None:
        while True:
            try:
                self.end.do_handshake()
            except ssl.SSLWantReadError:
                layer.receive(self.outgoing.read())
                self.incoming.write(layer.outgoing())
            else:
                layer.receive(self.outgoing.read())
                self.incoming.write(layer.outgoing())
                return


@pytest.fixture
def context(tmp_path: Path) -> ssl.SSLContext:
    return server_context(*write(tmp_path))


def test_bytes_both_ways(context: ssl.SSLContext) -> None:
    layer, client = TlsLayer(context, is_direct=False), Client([])
    client.shake(layer)
    assert layer.is_established
    client.end.write(b"x" * 100_000)
    assert layer.receive(client.outgoing.read()) == b"x" * 100_000
    layer.send(b"y" * 300_000)
    client.incoming.write(layer.outgoing())
    received = b""
    while len(received) < 300_000:
        received += client.end.read(65536)

    assert received == b"y" * 300_000


def test_the_end_is_announced(context: ssl.SSLContext) -> None:
    layer, client = TlsLayer(context, is_direct=False), Client([])
    client.shake(layer)
    layer.send(b"last words")
    layer.finish()
    client.incoming.write(layer.outgoing())
    client.incoming.write_eof()

    assert client.end.read(100) == b"last words"
    assert client.end.read(100) == b""  # without the alert: SSLEOFError


def test_any_split_of_the_ciphertext(context: ssl.SSLContext) -> None:
    layer, client = TlsLayer(context, is_direct=True), Client(["postgresql"])
    client.shake(layer)
    client.end.write(b"hello")
    ciphertext = client.outgoing.read()
    plaintext = b"".join(
        layer.receive(ciphertext[position : position + 1]) for position in range(len(ciphertext))
    )

    assert plaintext == b"hello"


@pytest.mark.parametrize("protocols", [[], ["http/1.1"]])
def test_direct_tls_without_the_protocol_is_refused(
    context: ssl.SSLContext, protocols: list[str]
) -> None:
    with pytest.raises(ConnectionFault):
        Client(protocols).shake(TlsLayer(context, is_direct=True))


def test_the_oldest_version_is_as_configured(tmp_path: Path) -> None:
    cases: tuple[tuple[Literal["1.2", "1.3"], bool], ...] = (("1.2", False), ("1.3", True))
    for minimum, is_refused in cases:
        context = server_context(*write(tmp_path), minimum_version=minimum)
        client = Client([], newest=ssl.TLSVersion.TLSv1_2)
        if is_refused:
            with pytest.raises(ConnectionFault):
                client.shake(TlsLayer(context, is_direct=False))
        else:
            client.shake(TlsLayer(context, is_direct=False))
            assert client.end.version() == "TLSv1.2"


def test_garbage_is_a_fault(context: ssl.SSLContext) -> None:
    with pytest.raises(ConnectionFault) as caught:
        TlsLayer(context, is_direct=False).receive(b"GET / HTTP/1.1\r\n\r\n")

    assert caught.value.message == "TLS failed"


def test_old_versions_are_off(context: ssl.SSLContext) -> None:
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
