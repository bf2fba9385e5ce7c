"""The process: from a configuration's section `python` to a serving service.

Started by `sallyport python` and `sallyport up` as `python -m sidecars.python JSON`. This file must
not know requests.
"""

from __future__ import annotations

import asyncio
import json
import signal
import ssl
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path

from aiohttp import web

from policies.identity import ClaimMapping
from proxy.runtime import log
from proxy.runtime.audit import AuditFault, AuditLog
from proxy.runtime.config import Configuration, ConfigurationError, Python, is_loopback, load
from proxy.runtime.gate_address import AddressError, GateAddress, parse_address
from proxy.runtime.identity import TokenAuthenticator, TrustedIssuer
from sidecars.python import artifact
from sidecars.python.app import Service
from sidecars.python.limits import RunLimits
from sidecars.python.pool import Busy, Pool
from sidecars.python.runs import Runs

PREPARE = "--prepare"
EXIT_OK = 0
EXIT_USAGE = 2
END_SECONDS_MAX = 10.0
"""For requests under way when told to end."""


class Unusable(Exception):
    """The service cannot start; the message is for the operator."""


def main(arguments: Sequence[str]) -> int:
    """Serve until SIGINT or SIGTERM; `--prepare` only makes the environment ready on this machine.

    Returns the exit code.
    """
    try:
        if list(arguments) == [PREPARE]:
            artifact.prepare(tell=_tell)
            return EXIT_OK
        told = json.loads(arguments[0])
        configuration = load(
            Path(told["configuration"]), is_demonstration=told.get("is_demonstration", False)
        )
        log.configure(configuration.log.level, configuration.log.format)
        asyncio.run(_serve(configuration))
    except (
        Unusable,
        ConfigurationError,
        artifact.ArtifactError,
        AuditFault,
        Busy,
        OSError,
    ) as error:
        sys.stderr.write(f"sallyport python: {error}\n")
        return EXIT_USAGE
    return EXIT_OK


async def _serve(configuration: Configuration) -> None:
    settings = configuration.python
    if settings is None:
        raise Unusable("the configuration has no section `python`")
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    environment = await asyncio.to_thread(artifact.prepare, tell=_tell)
    async with opened(configuration, settings, environment) as port:
        _tell(f"serving on {settings.host}:{port}")
        await ended.wait()


@asynccontextmanager
async def opened(
    configuration: Configuration, settings: Python, environment: artifact.Environment
) -> AsyncIterator[int]:
    """A serving service; gives its port. Raises Unusable, AuditFault, Busy, OSError."""
    address = _address(settings.gate)
    audit = await AuditLog.open(
        configuration.audit.directory,
        configuration.audit.mode,
        redact_literals=configuration.audit.redact_literals,
        process="python",
        segment_bytes_max=configuration.audit.segment_bytes_max,
    )
    pool = Pool(environment, settings.workers_max, settings.workers_warm_max)
    try:
        await pool.open()
        async with _served(configuration, settings, environment, audit, pool, address) as port:
            yield port
    finally:
        await pool.close()
        await audit.close()


@asynccontextmanager
async def _served(
    configuration: Configuration,
    settings: Python,
    environment: artifact.Environment,
    audit: AuditLog,
    pool: Pool,
    address: GateAddress,
) -> AsyncIterator[int]:
    runs = Runs(
        pool,
        audit,
        address,
        runs_per_principal=settings.runs_per_principal_max,
        sessions_per_principal=settings.sessions_per_principal_max,
        session_idle_seconds=settings.session_idle_seconds_max,
    )
    # The gate's own rules for tokens. No claims are mapped: here they decide nothing.
    authenticator = TokenAuthenticator(
        [TrustedIssuer.configured(issuer) for issuer in configuration.identity.issuers],
        lambda: ClaimMapping({}),
    )
    about = {**environment.manifest, "walls": ["WebAssembly", *pool.walls]}
    most = RunLimits(
        **{name.removesuffix("_max"): value for name, value in asdict(settings.limits).items()}
    )
    service = Service(runs, authenticator, audit, about, most, is_local=is_loopback(settings.host))
    runner = web.AppRunner(
        service.application(),
        access_log=None,
        handler_cancellation=True,
        shutdown_timeout=END_SECONDS_MAX,
    )
    await runner.setup()
    try:
        site = web.TCPSite(
            runner,
            settings.host,
            settings.port,
            ssl_context=_tls(settings),
        )
        await site.start()
        yield runner.addresses[0][1]
    finally:
        await runs.close()
        await runner.cleanup()


def _tls(settings: Python) -> ssl.SSLContext | None:
    if settings.tls is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(settings.tls.certificate, settings.tls.key)
    return context


def _address(text: str) -> GateAddress:
    try:
        return parse_address(text)
    except AddressError as error:
        raise Unusable(f"python.gate {error}") from error


def _tell(text: str) -> None:
    sys.stderr.write(f"python: {text}\n")
    sys.stderr.flush()
