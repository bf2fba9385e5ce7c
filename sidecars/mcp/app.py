"""The process: from its instructions to a server on standard input and output, or on HTTP.

Started by `sallyport mcp` as `python -m sidecars.mcp JSON`. This file must not know tools. No
secret is ever an argument: of a token only the place is told, and it is read anew for each call.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import structlog
import uvicorn
from mcp.server.stdio import stdio_server

from policies.identity import ClaimMapping
from proxy.runtime import log
from proxy.runtime.config import Configuration, ConfigurationError, Mcp, is_loopback, load
from proxy.runtime.credential import CredentialError, PasswordSource
from proxy.runtime.gate_address import AddressError, GateAddress, parse_address
from proxy.runtime.identity import TokenAuthenticator, TrustedIssuer
from sidecars.mcp.gate import Caller, subject_of
from sidecars.mcp.http import GateTokens, application, caller_of
from sidecars.mcp.limits import ToolLimits
from sidecars.mcp.sizes import Sizes
from sidecars.mcp.tools import CallerUnknown, Context, Tools, WhoCalls

EXIT_OK = 0
EXIT_USAGE = 2

GRACE_SECONDS = 10
"""For requests under way when told to end."""

_logger = structlog.get_logger("mcp")


@dataclass(frozen=True, slots=True)
class Instructions:
    """What the process is to do. With `configuration`: serve HTTP as its section `mcp` says.

    Otherwise speak on standard input and output for one person: to `gate`, with a token from
    exactly one of the three places.
    """

    configuration: str | None = None
    is_demonstration: bool = False
    gate: str | None = None
    token_file: str | None = None
    token_environment: str | None = None
    token_command: tuple[str, ...] | None = None
    limits: ToolLimits | None = None

    def as_json(self) -> str:
        """For the command line."""
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(text: str) -> Instructions:
        """Raises ValueError, TypeError."""
        content = json.loads(text)
        limits, command = content.pop("limits", None), content.pop("token_command", None)
        return Instructions(
            **content,
            token_command=tuple(command) if command else None,
            limits=ToolLimits(**limits) if limits else None,
        )


class Unusable(Exception):
    """The instructions cannot be followed; the message is for the operator."""


def main(arguments: Sequence[str]) -> int:
    """Run until standard input ends (stdio) or a signal comes (HTTP). Returns the exit code."""
    try:
        instructions = Instructions.from_json(arguments[0])
        if instructions.configuration is not None:
            asyncio.run(_serve_http(instructions))
        else:
            log.configure("warning", "console")
            asyncio.run(_serve_stdio(instructions))
    except (Unusable, ConfigurationError, OSError) as error:
        sys.stderr.write(f"sallyport mcp: {error}\n")
        return EXIT_USAGE
    except KeyboardInterrupt:
        pass
    return EXIT_OK


async def _serve_stdio(instructions: Instructions) -> None:
    address = _address(instructions.gate or "")
    server = Tools(
        address, instructions.limits or ToolLimits(), _bearer(instructions, address), Sizes()
    ).server()
    async with stdio_server() as (reading, writing):
        await server.run(reading, writing, server.create_initialization_options())


def _bearer(instructions: Instructions, address: GateAddress) -> WhoCalls:
    """The one caller of this process; the token is read again for each call, for it expires."""
    try:
        place = PasswordSource(
            Path(instructions.token_file) if instructions.token_file else None,
            instructions.token_environment,
            instructions.token_command,
        )
    except ValueError:
        raise Unusable("a token is needed from exactly one place") from None

    async def who_calls(context: Context) -> Caller:
        try:
            token = await place.read()
        except CredentialError as error:
            raise CallerUnknown(f"there is no token: {error}") from error
        return Caller(token, address.user or subject_of(token))

    return who_calls


def _address(text: str) -> GateAddress:
    try:
        return parse_address(text)
    except AddressError as error:
        raise Unusable(f"the gate's address {error}") from error


async def _serve_http(instructions: Instructions) -> None:
    configuration = load(
        Path(instructions.configuration or ""), is_demonstration=instructions.is_demonstration
    )
    settings = configuration.mcp
    if settings is None:
        raise Unusable("the configuration has no section `mcp`")
    log.configure(configuration.log.level, configuration.log.format)
    limits = ToolLimits(**asdict(settings.limits))
    server = Tools(_address(settings.gate), limits, caller_of, Sizes()).server()
    issuers = [one.issuer for one in configuration.identity.issuers]
    served = application(server, settings, issuers, _tokens(configuration, settings))
    tls = settings.tls
    http = uvicorn.Server(
        uvicorn.Config(
            served,
            log_config=None,
            access_log=False,
            server_header=False,
            ssl_certfile=None if tls is None else str(tls.certificate),
            ssl_keyfile=None if tls is None else str(tls.key),
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
    )
    with _bound(settings) as listening:
        sys.stderr.write(f"mcp: serving on {settings.host}:{listening.getsockname()[1]}\n")
        sys.stderr.flush()
        await http.serve(sockets=[listening])


def _tokens(configuration: Configuration, settings: Mcp) -> GateTokens:
    """The gate's own rules for tokens. No claims are mapped: here they decide nothing."""
    authenticator = TokenAuthenticator(
        [TrustedIssuer.configured(issuer) for issuer in configuration.identity.issuers],
        lambda: ClaimMapping({}),
    )
    return GateTokens(authenticator, is_local=is_loopback(settings.host))


def _bound(settings: Mcp) -> socket.socket:
    """A listening socket: the port is known, and open, when it is told. Raises OSError."""
    family, kind, protocol, _, address = socket.getaddrinfo(
        settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    bound = socket.socket(family, kind, protocol)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind(address)
    bound.listen()  # whoever connects before the server is up waits, and is not refused
    return bound
