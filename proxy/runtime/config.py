"""Configuration: `sallyport.yaml` to one frozen value, or an error that names file, line and field.

This file joins the reader (`config_yaml`, `config_build`) to the settings (`config_model`) and
holds the checks that need more than one of them. It must not know what policies or tokens mean.

INVARIANT I13: no key, flag or environment variable makes a configuration valid without an identity
provider, a policy file and an audit directory. No environment variable is read here at all.
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from proxy.runtime.config_build import Builder
from proxy.runtime.config_files import Files, Readers
from proxy.runtime.config_model import (
    Audit,
    Configuration,
    Identity,
    Issuer,
    Jwks,
    Limits,
    Listen,
    ListenTls,
    Log,
    Oauth,
    Password,
    Pool,
    Shadow,
    Source,
    SourceTls,
    State,
    StatePassword,
)
from proxy.runtime.config_schema import Row, document, schema
from proxy.runtime.config_services import (
    Mcp,
    McpLimits,
    Metrics,
    Python,
    PythonLimits,
    ServiceTls,
    Telemetry,
    TelemetryHeader,
)
from proxy.runtime.config_yaml import ConfigurationError, Problem, parse, read
from proxy.runtime.demonstration import is_demo_issuer

__all__ = [
    "Audit",
    "Configuration",
    "ConfigurationError",
    "Files",
    "Identity",
    "Issuer",
    "Jwks",
    "Limits",
    "Listen",
    "ListenTls",
    "Log",
    "Mcp",
    "McpLimits",
    "Metrics",
    "Oauth",
    "Password",
    "Pool",
    "Problem",
    "Python",
    "PythonLimits",
    "Readers",
    "Row",
    "ServiceTls",
    "Shadow",
    "Source",
    "SourceTls",
    "State",
    "StatePassword",
    "Telemetry",
    "TelemetryHeader",
    "document",
    "is_loopback",
    "load",
    "loads",
    "schema",
]

_Wrong = Callable[[str, str], None]
RESERVED_SOURCE = "merge"
"""The name of the merge engine among sources, as `proxy/sql/split.py` has it."""

_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")  # RFC 9110, 5.6.2 "Tokens"
_SOURCE_NAME = re.compile(r"[a-z_][a-z0-9_]*")


def load(path: Path, *, is_demonstration: bool = False) -> Configuration:
    """Read and check a configuration file.

    Relative paths in it are relative to its directory. The demonstration's issuer is refused unless
    the demonstration itself asks. Raises ConfigurationError with every problem.
    """
    return loads(read(path), path, is_demonstration=is_demonstration)


def loads(content: bytes, path: Path, *, is_demonstration: bool = False) -> Configuration:
    """The same from bytes; `path` is where they are from. Raises ConfigurationError."""
    builder = Builder(path)
    tree = parse(content, path)
    built = builder.build(Configuration, tree)
    if not builder.problems:
        _check(built, builder, is_demonstration=is_demonstration)
    if builder.problems:
        raise ConfigurationError(builder.problems)
    assert isinstance(built, Configuration)
    return replace(built, file=path, version=hashlib.sha256(content).hexdigest())


def is_loopback(host: str) -> bool:
    """Whether a host can only be this machine: `localhost` or a loopback address, no other name."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _check(configuration: Configuration, builder: Builder, *, is_demonstration: bool) -> None:
    def wrong(field: str, message: str) -> None:
        builder.problem(builder.lines.get(field, 0), field, message)

    listen = configuration.listen
    if listen.tls is None and not is_loopback(listen.host):
        field = "listen.host" if "listen.host" in builder.lines else "listen"
        message = "is not a loopback address: `listen.tls` is required, tokens never go in clear"
        wrong(field, message)
    if configuration.mcp is not None:
        _check_url(configuration.mcp.url, "mcp.url", wrong)
    for name, service in (("mcp", configuration.mcp), ("python", configuration.python)):
        if service is not None and service.tls is None and not is_loopback(service.host):
            field = f"{name}.host" if f"{name}.host" in builder.lines else name
            message = "is not a loopback address: `%s.tls` is required, tokens never go in clear"
            wrong(field, message % name)
    if configuration.telemetry is not None:
        _check_telemetry(configuration.telemetry, wrong)
    for index, issuer in enumerate(configuration.identity.issuers):
        _check_url(issuer.jwks.url, f"identity.issuers[{index}].jwks.url", wrong)
        if is_demo_issuer(issuer.issuer) and not is_demonstration:
            message = "is the demonstration's issuer, whose tokens anyone may make"
            wrong(f"identity.issuers[{index}].issuer", message)
    _check_unique(
        [issuer.issuer for issuer in configuration.identity.issuers], "identity.issuers", wrong
    )
    _check_oauth(configuration, wrong)
    if configuration.state is not None:
        _check_state(configuration.state, wrong)
        _check_apart(configuration.state, configuration, wrong)
    _check_unique([source.name for source in configuration.sources], "sources", wrong)
    for index, source in enumerate(configuration.sources):
        if not _SOURCE_NAME.fullmatch(source.name):
            wrong(f"sources[{index}].name", "must be lower-case letters, digits and underscores")
        if source.name == RESERVED_SOURCE:
            wrong(f"sources[{index}].name", "is the gate's own name for its merge engine")
        if isinstance(source, Files):
            _check_folder(source, index, wrong)
            continue
        for number, host in enumerate(source.hosts):
            _check_host(host, f"sources[{index}].hosts[{number}]", wrong)
    for field, path in _files(configuration):
        if not path.exists():
            wrong(field, f"there is no such file: {path}")


def _check_url(url: str | None, field: str, wrong: _Wrong) -> None:
    if url is None:
        return
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        is_usable = bool(host) and parts.username is None and parts.port != 0
    except ValueError:
        wrong(field, "is not a URL")
        return
    if not is_usable:
        wrong(field, "needs a host, and no user name or password")
    elif parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(host)):
        wrong(field, "must be https (http only from a loopback host)")


def _check_telemetry(telemetry: Telemetry, wrong: _Wrong) -> None:
    """Spans hold no secret and may go in clear within a network; keys of a collector may not."""
    _check_unique([one.name.lower() for one in telemetry.headers], "telemetry.headers", wrong)
    for index, one in enumerate(telemetry.headers):
        if not _HEADER_NAME.fullmatch(one.name):
            wrong(f"telemetry.headers[{index}].name", "is no name of a header")
    url = telemetry.url
    if telemetry.headers or not url.startswith("http://"):
        _check_url(url, "telemetry.url", wrong)
    else:
        _check_url(url.replace("http:", "https:", 1), "telemetry.url", wrong)


def _check_oauth(configuration: Configuration, wrong: _Wrong) -> None:
    oauth = configuration.identity.oauth
    known = [issuer.issuer for issuer in configuration.identity.issuers]
    if oauth is not None and oauth.issuer not in known:
        wrong("identity.oauth.issuer", "is none of `identity.issuers`: its tokens would be refused")


def _check_state(state: State, wrong: _Wrong) -> None:
    if state.dsn is None:
        return
    field = "state.dsn"
    try:
        parts = urlsplit(state.dsn)
        options = dict(parse_qsl(parts.query, strict_parsing=bool(parts.query)))
        host = parts.hostname or options.get("host", "")
        is_usable = parts.scheme in ("postgresql", "postgres") and parts.path not in ("", "/")
    except ValueError:
        is_usable = False
    if not is_usable:
        wrong(field, "must be postgresql://user@host:port/database?sslmode=verify-full")
    elif parts.password is not None or "password" in options:
        wrong(field, "must not hold a password: name its place in `state.password`")
    elif not (host.startswith("/") or is_loopback(host) or _is_encrypted(options)):
        wrong(field, "needs sslmode=verify-full: secrets' verifiers never cross a network in clear")


def _check_apart(state: State, configuration: Configuration, wrong: _Wrong) -> None:
    """What runs clients' SQL must have no way to the state: neither the shadow nor a source."""
    if state.directory is not None and state.directory == configuration.shadow.directory:
        wrong("state.directory", "is the shadow's, which runs what clients ask")
    if state.dsn is None:
        return
    parts = urlsplit(state.dsn)
    for source in configuration.databases:
        host = parts.hostname or dict(parse_qsl(parts.query)).get("host", "")
        is_there = any(one.rpartition(":")[0] == host or one == host for one in source.hosts)
        if is_there and parts.path.lstrip("/") == source.database:
            wrong("state.dsn", f"is the database of source {source.name!r}, which clients read")


def _is_encrypted(options: Mapping[str, str]) -> bool:
    return options.get("sslmode") in ("require", "verify-ca", "verify-full")


def _check_host(host: str, field: str, wrong: _Wrong) -> None:
    if host.startswith("/"):
        return
    try:
        parts = urlsplit(f"//{host}")
        is_usable = bool(parts.hostname) and parts.netloc == host and parts.username is None
        is_usable = is_usable and parts.port != 0
    except ValueError:
        is_usable = False
    if not is_usable:
        wrong(field, "must be `host`, `host:port`, `[address]:port` or a socket directory")


def _check_folder(source: Files, index: int, wrong: _Wrong) -> None:
    if not source.folder.is_dir():
        wrong(f"sources[{index}].folder", f"there is no such folder: {source.folder}")
    if source.schema is not None and not _SOURCE_NAME.fullmatch(source.schema):
        wrong(f"sources[{index}].schema", "must be lower-case letters, digits and underscores")


def _check_unique(names: list[str], field: str, wrong: _Wrong) -> None:
    for index, name in enumerate(names):
        if name in names[:index]:
            wrong(f"{field}[{index}]", f"{name!r} is there twice")


def _files(configuration: Configuration) -> Iterable[tuple[str, Path]]:
    """Files that must exist at start; passwords are read at each connect and may come later."""
    for index, policy in enumerate(configuration.policies):
        yield f"policies[{index}]", policy
    for index, issuer in enumerate(configuration.identity.issuers):
        if issuer.jwks.file is not None:
            yield f"identity.issuers[{index}].jwks.file", issuer.jwks.file
    for index, source in enumerate(configuration.sources):
        if isinstance(source, Files):
            continue
        for name in ("certificate_authority", "certificate", "key"):
            path = getattr(source.tls, name)
            if path is not None:
                yield f"sources[{index}].tls.{name}", path
    telemetry = configuration.telemetry
    if telemetry is not None and telemetry.certificate_authority is not None:
        yield "telemetry.certificate_authority", telemetry.certificate_authority
    mcp, python = configuration.mcp, configuration.python
    for name, tls in (
        ("listen", configuration.listen.tls),
        ("mcp", mcp.tls if mcp else None),
        ("python", python.tls if python else None),
    ):
        if tls is not None:
            yield f"{name}.tls.certificate", tls.certificate
            yield f"{name}.tls.key", tls.key
