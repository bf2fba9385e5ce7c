"""Reaching a Postgres server: address, socket, TLS. Out comes a `Channel` that nobody has spoken
on.

It must not know users, passwords or statements.

Theory of operation. TLS is asked for with SSLRequest, and the server answers with one byte. That
byte must be the whole of what arrives before the handshake: more would be plain text smuggled in
front of the encrypted stream (CVE-2021-23222). A refusal (`N`) ends the attempt, for no mode falls
back to plain text.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import NamedTuple, TypeVar, cast

from proxy.sources.postgres_channel import Channel
from proxy.sources.postgres_options import Address, TlsMode, TlsOptions
from proxy.wire.channel_binding import tls_server_end_point
from proxy.wire.errors import InvalidValue, ProtocolViolation
from proxy.wire.frontend import SSLRequest
from proxy.wire.startup import encryption_accepted

# A dead peer is noticed within KEEPALIVE_IDLE + INTERVAL * COUNT = 60 s, also while a query runs
# silently.
KEEPALIVE_IDLE_SECONDS = 30
KEEPALIVE_INTERVAL_SECONDS = 10
KEEPALIVE_COUNT = 3


_ProtocolType = TypeVar("_ProtocolType", bound=asyncio.Protocol)


class DialError(Exception):
    """The server was not reached. The text is ours: it names the step, no address and no
    certificate content.
    """


class Dialled(NamedTuple):
    """An open channel, and the channel-binding data of its TLS session (None without TLS)."""

    channel: Channel
    channel_binding: bytes | None


def tls_context(options: TlsOptions) -> ssl.SSLContext | None:
    """Build the context once per source. Raises OSError or ssl.SSLError for unreadable files."""
    if options.mode is TlsMode.DISABLE:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if options.certificate_authority_file is not None:
        context.load_verify_locations(cafile=str(options.certificate_authority_file))
    elif options.mode is TlsMode.VERIFY_FULL:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    if options.mode is TlsMode.REQUIRE:
        # libpq's `require`: encryption against listeners, no proof of who answers. With a CA file
        # the chain is checked nevertheless, as libpq does.
        context.check_hostname = False
        has_authority = options.certificate_authority_file is not None
        context.verify_mode = ssl.CERT_REQUIRED if has_authority else ssl.CERT_NONE
    if options.client_certificate_file is not None:
        key_file = options.client_key_file
        context.load_cert_chain(options.client_certificate_file, key_file)
    return context


async def dial(
    address: Address,
    context: ssl.SSLContext | None,
    seconds_max: float,
    *,
    server_name: str | None = None,
) -> Dialled:
    """Open a channel to one address. Raises DialError.

    `server_name`: whom the certificate must name, when that is not the address's host.
    """
    try:
        async with asyncio.timeout(seconds_max):
            return await _dial(address, context, server_name or address.host)
    except ProtocolViolation as error:
        raise DialError(error.message) from None
    except TimeoutError:
        raise DialError(f"no answer within {seconds_max:g} s") from None
    except ssl.SSLCertVerificationError:
        raise DialError("the server's certificate was not accepted") from None
    except ssl.SSLError:
        raise DialError("the TLS handshake failed") from None
    except OSError as error:
        reason = error.strerror if error.errno and error.errno > 0 else None
        raise DialError(f"connection failed: {reason or type(error).__name__}") from None


async def _dial(address: Address, context: ssl.SSLContext | None, server_name: str) -> Dialled:
    # Over a Unix socket the server offers no TLS; the directory's owner is the proof.
    if address.is_unix_socket:
        return Dialled(await _open(address, Channel), None)
    if context is None:
        return Dialled(await _open(address, Channel), None)
    answer = await _open(address, _TlsAnswer)
    try:
        if not encryption_accepted(await answer.received):
            raise DialError("the server does not offer TLS")
        return await _upgrade(answer, context, server_name)
    except BaseException:
        answer.abort()
        raise


async def _upgrade(answer: _TlsAnswer, context: ssl.SSLContext, server_name: str) -> Dialled:
    assert answer.transport is not None
    channel = Channel()
    transport = await asyncio.get_running_loop().start_tls(
        answer.transport, channel, context, server_hostname=server_name
    )
    if transport is None:
        raise DialError("the TLS handshake failed")
    channel.connection_made(transport)
    return Dialled(channel, _channel_binding(channel))


async def _open(address: Address, make: Callable[[], _ProtocolType]) -> _ProtocolType:
    loop = asyncio.get_running_loop()
    if address.is_unix_socket:
        _, protocol = await loop.create_unix_connection(make, address.socket_path)
        return protocol
    transport, protocol = await loop.create_connection(make, address.host, address.port)
    tcp = transport.get_extra_info("socket")
    if tcp is not None:
        _keep_alive(tcp)
    return protocol


def _keep_alive(tcp: socket.socket) -> None:
    tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    tcp.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, amount in (
        ("TCP_KEEPIDLE", KEEPALIVE_IDLE_SECONDS),
        ("TCP_KEEPINTVL", KEEPALIVE_INTERVAL_SECONDS),
        ("TCP_KEEPCNT", KEEPALIVE_COUNT),
    ):
        # Not every system names them so; the switch above still holds there.
        if hasattr(socket, option):
            tcp.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), amount)


def _channel_binding(channel: Channel) -> bytes | None:
    """None for a certificate that defines no binding (Ed25519): SCRAM then runs without, as libpq's
    does.
    """
    tls = channel.get_extra_info("ssl_object")
    assert isinstance(tls, ssl.SSLObject | ssl.SSLSocket)
    certificate = tls.getpeercert(binary_form=True)
    if certificate is None:
        return None
    try:
        return tls_server_end_point(certificate)
    except InvalidValue:
        return None


class _TlsAnswer(asyncio.Protocol):
    """Sends SSLRequest and takes exactly one byte of answer."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.received: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.write(SSLRequest().encode())

    def data_received(self, data: bytes) -> None:
        if self.received.done():
            self.abort()
            return
        if self.transport is not None:
            # Nothing more is read in the clear.
            self.transport.pause_reading()
        self.received.set_result(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail("the server closed the connection")

    def abort(self) -> None:
        if self.transport is not None:
            self.transport.abort()

    def _fail(self, reason: str) -> None:
        if not self.received.done():
            self.received.set_exception(DialError(reason))
            # Marked as seen: the dialler may have been cancelled, and asyncio would complain.
            self.received.exception()
