"""The startup phase: untyped packets, versions, parameters, the answer to SSLRequest.

This file must not know which parameters a session allows, nor what TLS is; both roles are served.

Versions. Only major version 3 exists. 3.0 and 3.2 are spoken, 3.1 was never released ("reserved",
docs §54.2.3). Whoever asks for another minor version, or for a `_pq_.` option, is told the newest
version it can have and the options that are not known, and may go on or leave.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from proxy.wire.backend_start import NegotiateProtocolVersion
from proxy.wire.body import INVALID_ENCODING_SQLSTATE, UINT32
from proxy.wire.errors import ProtocolViolation, UnsupportedMessage
from proxy.wire.frontend_start import (
    CANCEL_REQUEST_CODE,
    GSSENC_REQUEST_CODE,
    SSL_REQUEST_CODE,
    CancelRequest,
    GSSENCRequest,
    SSLRequest,
    StartupMessage,
)
from proxy.wire.limits import CANCEL_KEY_BYTES_MAX, CANCEL_KEY_BYTES_MIN, STARTUP_PARAMETERS_MAX

Version = tuple[int, int]

VERSION_3_0: Final[Version] = (3, 0)
VERSION_3_2: Final[Version] = (3, 2)

# Names under this prefix are protocol options, not settings (docs §54.2.3).
PROTOCOL_OPTION_PREFIX: Final = "_pq_."

# A client that connects with `sslnegotiation=direct` opens with a TLS handshake record (docs
# §54.2.10, RFC 8446 §5.1). No startup packet of legal length begins with it.
TLS_HANDSHAKE_BYTE: Final = 0x16

StartupPacket = StartupMessage | SSLRequest | GSSENCRequest | CancelRequest


def is_direct_tls(first_bytes: bytes) -> bool:
    """Say whether a connection opens with TLS itself instead of a startup packet."""
    return first_bytes[:1] == bytes([TLS_HANDSHAKE_BYTE])


def decode_startup_packet(packet: bytes) -> StartupPacket:
    """Return the message in an untyped packet, given without its length field.

    Raises ProtocolViolation: 08P01 for a bad layout, 0A000 for an unknown protocol number (which is
    also what a client of another protocol, such as HTTP, runs into).
    """
    code = UINT32.unpack_from(packet)[0] if len(packet) >= 4 else 0
    if code == CANCEL_REQUEST_CODE:
        return _decode_cancel_request(packet)
    if code in (SSL_REQUEST_CODE, GSSENC_REQUEST_CODE):
        if len(packet) != 4:
            raise ProtocolViolation("invalid length of startup packet")
        return SSLRequest() if code == SSL_REQUEST_CODE else GSSENCRequest()
    version = (code >> 16, code & 0xFFFF)
    if version[0] != 3:
        raise UnsupportedMessage(
            f"unsupported frontend protocol {version[0]}.{version[1]}: server supports 3.0 to 3.2"
        )
    return StartupMessage(version, _decode_parameters(packet[4:]))


def _decode_cancel_request(packet: bytes) -> CancelRequest:
    key = packet[8:]
    if not CANCEL_KEY_BYTES_MIN <= len(key) <= CANCEL_KEY_BYTES_MAX:
        raise ProtocolViolation("invalid length of cancel request packet")
    return CancelRequest(int.from_bytes(packet[4:8], "big", signed=True), key)


def _decode_parameters(raw: bytes) -> Mapping[str, str]:
    """Read zero-terminated pairs up to an empty name, which must be the packet's last byte.

    A name that comes twice is refused: which of the two counts would depend on the reader.
    """
    if raw[-1:] != b"\0":
        raise _bad_layout()
    # Bound the work before the split makes a list of it.
    if raw.count(b"\0") > 2 * STARTUP_PARAMETERS_MAX + 1:
        raise ProtocolViolation(f"startup packet has more than {STARTUP_PARAMETERS_MAX} parameters")
    strings = raw[:-1].split(b"\0")
    # n pairs, each string terminated, leave an empty piece behind the last terminator.
    if strings.pop() != b"" or len(strings) % 2:
        raise _bad_layout()
    parameters: dict[str, str] = {}
    for raw_name, raw_value in zip(strings[::2], strings[1::2], strict=True):
        try:
            name, text = raw_name.decode(), raw_value.decode()
        except UnicodeDecodeError:
            raise ProtocolViolation(
                "startup packet contains text that is not UTF-8", INVALID_ENCODING_SQLSTATE
            ) from None
        if not name:
            raise _bad_layout()
        if name in parameters:
            raise ProtocolViolation("startup packet names a parameter twice")
        parameters[name] = text
    return MappingProxyType(parameters)


def _bad_layout() -> ProtocolViolation:
    return ProtocolViolation("invalid startup packet layout: expected terminator as last byte")


@dataclass(frozen=True, slots=True)
class Negotiated:
    """What a server makes of a StartupMessage.

    `version` is what both sides speak from here on; `parameters` are the settings asked for,
    without protocol options; `answer` is to be sent before the authentication request, if it is not
    None.
    """

    version: Version
    parameters: Mapping[str, str]
    answer: NegotiateProtocolVersion | None

    @property
    def allows_long_cancel_key(self) -> bool:
        """Whether the cancel key may have more than four bytes."""
        return self.version >= VERSION_3_2


def negotiate(message: StartupMessage) -> Negotiated:
    """Choose the version for a client, and report what of its wishes is not known.

    No `_pq_.` option is known here, so each is reported and none is kept.
    """
    assert message.version[0] == 3, "decode_startup_packet admits major version 3 only"
    version = VERSION_3_2 if message.version >= VERSION_3_2 else VERSION_3_0
    options = tuple(name for name in message.parameters if name.startswith(PROTOCOL_OPTION_PREFIX))
    settings = {name: text for name, text in message.parameters.items() if name not in options}
    answer = None
    if version != message.version or options:
        answer = NegotiateProtocolVersion(version, options)
    return Negotiated(version, MappingProxyType(settings), answer)


def accept_negotiation(asked: StartupMessage, answer: NegotiateProtocolVersion) -> Version:
    """Return the version a server offered to us as a client, having asked with `asked`.

    Raises ProtocolViolation for a version we did not offer or do not speak, and for options that we
    never asked for (libpq refuses the same, fe-protocol3.c).
    """
    if answer.version > asked.version:
        raise ProtocolViolation("the server asks for a newer protocol than was offered")
    if answer.version not in (VERSION_3_0, VERSION_3_2):
        raise ProtocolViolation("the server asks for a protocol version that is not spoken here")
    if not set(answer.unknown_options) <= asked.parameters.keys():
        raise ProtocolViolation("the server reports protocol options that were not sent")
    if answer.version == asked.version and not answer.unknown_options:
        raise ProtocolViolation("the server negotiates without a reason")
    return answer.version


def encryption_accepted(answer: bytes) -> bool:
    """Read what a server sent in answer to our SSLRequest: True to start TLS, False to go on in
    clear.

    Exactly one byte is expected. More bytes came before the handshake, unencrypted, and may have
    been injected (CVE-2021-23222); an error text before TLS is not to be believed (CVE-2024-10977).
    Raises ProtocolViolation for anything but a single `S` or `N`.
    """
    if answer == b"S":
        return True
    if answer == b"N":
        return False
    if answer[:1] in (b"S", b"N"):
        raise ProtocolViolation("received unencrypted data after SSL response")
    raise ProtocolViolation("received an invalid response to SSL negotiation")


def split_options(text: str) -> tuple[tuple[str, str], ...]:
    """Read the startup parameter `options` as settings in order: `-c name=value`, `--name=value`.

    Words are separated by white space, a backslash keeps the next character (PostgreSQL's
    pg_split_opts). In a name a dash stands for an underscore, as in PostgreSQL's ParseLongOption.
    Raises ProtocolViolation (42601, as Postgres does) for any other command-line switch.
    """
    settings: list[tuple[str, str]] = []
    words = iter(_words(text))
    for word in words:
        if word == "-c":
            setting = next(words, "")
        elif word.startswith(("-c", "--")):
            setting = word[2:]
        else:
            raise _bad_option()
        name, equals, setting_value = setting.partition("=")
        if not name or not equals:
            raise _bad_option()
        settings.append((name.replace("-", "_"), setting_value))
        if len(settings) > STARTUP_PARAMETERS_MAX:
            raise _bad_option()
    return tuple(settings)


def _words(text: str) -> list[str]:
    words: list[str] = []
    current: list[str] | None = None
    characters = iter(text)
    for character in characters:
        # The white space of C's isspace; Unicode's other spaces are ordinary characters to
        # Postgres.
        if character in " \t\n\r\v\f":
            if current is not None:
                words.append("".join(current))
            current = None
            continue
        if current is None:
            current = []
        current.append(next(characters, "") if character == "\\" else character)
    if current is not None:
        words.append("".join(current))
    return words


def _bad_option() -> ProtocolViolation:
    return ProtocolViolation("invalid command-line argument in startup options", "42601")
