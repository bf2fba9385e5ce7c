# ruff: noqa: RUF009 - `setting` returns a `dataclasses.field`, which ruff knows by that name only.
"""Every setting of `sallyport.yaml`: its name, type, default, bounds and meaning, once.

The reader, the JSON Schema and the reference table are all made from these classes, so they cannot
disagree. This file must not know YAML. A unit stands in each name that has one.

INVARIANT I13: nothing here turns policy, identity or the audit log off; a test reads all names.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from proxy.runtime.config_files import Files
from proxy.runtime.config_services import Mcp, Metrics, Python, Telemetry
from proxy.runtime.config_setting import setting

IDENTIFIER_BYTES_MAX = 63
"""PostgreSQL documentation, "Identifiers and Key Words"."""

Algorithm = Literal[
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"
]


@dataclass(frozen=True, slots=True)
class ListenTls:
    """What clients see of TLS."""

    certificate: Path = setting("PEM file with the server's certificate chain")
    key: Path = setting("PEM file with its private key")
    minimum_version: Literal["1.2", "1.3"] = setting("oldest TLS version accepted", default="1.2")


@dataclass(frozen=True, slots=True)
class Listen:
    """Where clients connect."""

    host: str = setting("address to listen on", default="127.0.0.1")
    port: int = setting("TCP port; 0: any free one", default=6432, minimum=0, maximum=65_535)
    tls: ListenTls | None = setting(
        "certificate for clients; required unless `host` is a loopback address", default=None
    )
    workers: int | None = setting(
        "processes behind the port; default: one per core", default=None, minimum=1, maximum=256
    )
    drain_seconds_max: float = setting(
        "time that running statements get when told to stop", default=30.0, minimum=0, maximum=3600
    )
    unready_seconds_min: float = setting(
        "time that `/ready` says no before that, for balancers to notice",
        default=0.0,
        minimum=0,
        maximum=600,
    )
    hand_over_seconds_max: float = setting(
        "time that sessions get to end by themselves when a successor has the port",
        default=3600.0,
        minimum=0,
        maximum=604_800,
    )


@dataclass(frozen=True, slots=True)
class Jwks:
    """Where an issuer's public keys come from: exactly one of `file` and `url`."""

    file: Path | None = setting("JSON Web Key Set as a file", default=None)
    url: str | None = setting("the same by https, or by http from a loopback host", default=None)
    cache_seconds: float = setting(
        "age at which the keys are read again", default=300.0, minimum=1, maximum=86_400
    )
    stale_seconds_max: float = setting(
        "age up to which old keys serve while new ones cannot be had",
        default=86_400.0,
        minimum=0,
        maximum=604_800,
    )
    unknown_key_seconds_min: float = setting(
        "shortest time between two reads caused by an unknown key id",
        default=30.0,
        minimum=1,
        maximum=3600,
    )

    def check(self) -> str | None:
        """What is wrong with the values together, None if nothing."""
        return _exactly_one(file=self.file, url=self.url)


@dataclass(frozen=True, slots=True)
class Issuer:
    """One identity provider."""

    issuer: str = setting("the `iss` of its tokens, compared exactly", minimum=1)
    audience: str = setting("the `aud` that its tokens must hold", minimum=1)
    jwks: Jwks = setting("its public keys")
    algorithms: tuple[Algorithm, ...] = setting(
        "signature algorithms accepted", default=("RS256", "PS256", "ES256", "EdDSA"), minimum=1
    )
    skew_seconds: float = setting(
        "difference of clocks tolerated", default=30.0, minimum=0, maximum=60
    )


@dataclass(frozen=True, slots=True)
class Oauth:
    """What a client that signs on by itself (SASL OAUTHBEARER) is told."""

    issuer: str = setting("the one of `issuers` where it gets its token", minimum=1)
    scope: str = setting("what it asks for there, separated by blanks", default="openid")


@dataclass(frozen=True, slots=True)
class Identity:
    """Who may be somebody."""

    issuers: tuple[Issuer, ...] = setting("identity providers", minimum=1, maximum=32)
    oauth: Oauth | None = setting(
        "sign-on by the client itself, for user names that begin with `oauth`", default=None
    )


@dataclass(frozen=True, slots=True)
class Password:
    """Where a source's password comes from, read at each connect: exactly one of the three."""

    file: Path | None = setting("file that holds it", default=None)
    environment: str | None = setting("environment variable that holds it", default=None)
    command: tuple[str, ...] | None = setting(
        "program and arguments that print it, run without a shell", default=None, minimum=1
    )

    def check(self) -> str | None:
        """What is wrong with the values together, None if nothing."""
        return _exactly_one(file=self.file, environment=self.environment, command=self.command)


@dataclass(frozen=True, slots=True)
class MaskKey:
    """Key material that a policy names under `keys:`, for `hash` and `noise` masks."""

    name: str = setting("how policies name it")
    file: Path | None = setting("file that holds it, 32 bytes or more", default=None)
    environment: str | None = setting("environment variable that holds it", default=None)

    def check(self) -> str | None:
        """What is wrong with the values together, None if nothing."""
        return _exactly_one(file=self.file, environment=self.environment)


@dataclass(frozen=True, slots=True)
class SourceTls:
    """How a source is reached."""

    mode: Literal["verify-full", "require", "disable"] = setting(
        "`verify-full`: encrypted, the name proven; `require`: encrypted only; `disable`: plain",
        default="verify-full",
    )
    certificate_authority: Path | None = setting(
        "PEM file of the authority; default: the system's", default=None
    )
    certificate: Path | None = setting("PEM file of our client certificate", default=None)
    key: Path | None = setting("PEM file of its private key", default=None)

    def check(self) -> str | None:
        """What is wrong with the values together, None if nothing."""
        if (self.certificate is None) != (self.key is None):
            return "`certificate` and `key` are given together"
        return None


@dataclass(frozen=True, slots=True)
class Pool:
    """Connections to one source, per worker process."""

    connections_max: int = setting("open connections", default=16, minimum=1, maximum=1000)
    waiting_max: int = setting(
        "statements that may wait for one", default=256, minimum=0, maximum=100_000
    )
    waiting_ms_max: int = setting(
        "longest wait for one", default=10_000, minimum=1, maximum=600_000
    )
    idle_seconds_max: float = setting(
        "age at which an unused one is closed", default=300.0, minimum=1, maximum=86_400
    )


@dataclass(frozen=True, slots=True)
class Source:
    """One database that statements may read."""

    name: str = setting("how policies name it", minimum=1, maximum=63)
    kind: Literal["postgres"] = setting("what it is")
    hosts: tuple[str, ...] = setting(
        "`host`, `host:port` or a socket directory, tried in order", minimum=1, maximum=16
    )
    database: str = setting("database name", minimum=1, maximum=63)
    user: str = setting(
        "login role: no superuser, no BYPASSRLS, owner of nothing", minimum=1, maximum=63
    )
    password: Password | None = setting("its password", default=None)
    tls: SourceTls = setting("encryption towards it", default=SourceTls())
    pooling: Literal["session", "transaction"] = setting(
        "`transaction` if a pooler in transaction mode stands before it", default="session"
    )
    pool: Pool = setting("our connections to it", default=Pool())
    connect_ms_max: int = setting(
        "longest time to connect and log in", default=10_000, minimum=1, maximum=600_000
    )
    statement_ms_max: int = setting(
        "run time of one statement there", default=60_000, minimum=1, maximum=86_400_000
    )


@dataclass(frozen=True, slots=True)
class Extension:
    """An extension of the sources that statements may use."""

    name: str = setting("as in CREATE EXTENSION; its reviewed names, if it has a review", minimum=1)
    schema: str = setting(
        "where the sources have it; nothing else may have operators there", default="public"
    )
    types: tuple[str, ...] = setting("further types that may be named", default=())
    functions: tuple[str, ...] = setting(
        "further functions that only read their arguments", default=()
    )
    operators: tuple[str, ...] = setting("further operators, `@@`", default=())
    total_operators: tuple[str, ...] = setting(
        "further operators with their types, `=(ltree,ltree)`, that raise on no value: the planner "
        "may try them on hidden ones",
        default=(),
    )


@dataclass(frozen=True, slots=True)
class Audit:
    """The audit log. It has no off."""

    directory: Path = setting("where the logs lie, one subdirectory per process")
    mode: Literal["strict", "fast"] = setting(
        "`strict`: on the device before a statement runs; `fast`: in the kernel before, on the "
        "device within 50 ms",
        default="strict",
    )
    redact_literals: bool = setting(
        "store SQL texts without their literals and comments", default=False
    )
    segment_bytes_max: int = setting(
        "size at which the next file begins",
        default=64 * 1024 * 1024,
        minimum=1024 * 1024,
        maximum=256 * 1024 * 1024,
    )


@dataclass(frozen=True, slots=True)
class Limits:
    """What one client, and one worker process, may use."""

    sessions_max: int = setting(
        "client sessions of one worker process", default=500, minimum=1, maximum=100_000
    )
    prepared_statements_max: int = setting(
        "named statements of a session", default=1000, minimum=1, maximum=100_000
    )
    portals_max: int = setting(
        "open portals and cursors of a session", default=100, minimum=1, maximum=10_000
    )
    authentication_seconds_max: float = setting(
        "from connection to first command", default=10.0, minimum=1, maximum=300
    )
    strangers_per_address_max: int = setting(
        "connections from one address that have not logged in, of one worker process",
        default=100,
        minimum=1,
        maximum=100_000,
    )
    statement_ms_max: int = setting(
        "run time of a statement; SET statement_timeout may only shorten it",
        default=300_000,
        minimum=1,
        maximum=86_400_000,
    )
    idle_seconds_max: float = setting(
        "silence outside a transaction", default=3600.0, minimum=1, maximum=604_800
    )
    idle_in_transaction_seconds_max: float = setting(
        "silence inside a transaction", default=60.0, minimum=1, maximum=86_400
    )
    inbound_bytes_max: int = setting(
        "unread bytes of a client before its socket waits",
        default=262_144,
        minimum=65_536,
        maximum=64 * 1024 * 1024,
    )
    outbound_bytes_max: int = setting(
        "unsent bytes to a client before its source waits",
        default=1_048_576,
        minimum=65_536,
        maximum=256 * 1024 * 1024,
    )


@dataclass(frozen=True, slots=True)
class Shadow:
    """The embedded Postgres that answers catalog questions. Disposable."""

    directory: Path | None = setting(
        "where its files lie; default: a temporary directory", default=None
    )
    classes_max: int = setting(
        "visibility classes kept, one database each", default=64, minimum=1, maximum=10_000
    )
    bytes_max: int = setting(
        "disk of all of them; the least recently used go",
        default=4 * 1024**3,
        minimum=64 * 1024**2,
    )
    major: Literal["auto", "16", "18"] = setting(
        "the PostgreSQL that clients meet; `auto`: 18 if every source is 17 or newer, else 16",
        default="auto",
    )


@dataclass(frozen=True, slots=True)
class Federation:
    """The embedded Postgres that merges what several sources sent, if there are several."""

    directory: Path | None = setting(
        "where its files lie; default: a temporary directory", default=None
    )
    connections_max: int = setting(
        "statements over several sources that one worker process runs at a time",
        default=16,
        minimum=1,
        maximum=90,
    )
    table_bytes_max: int = setting(
        "what one table of such a statement may bring, in bytes of its rows",
        default=1 << 30,
        minimum=1 << 20,
        maximum=1 << 40,
    )
    keys_max: int = setting(
        "keys of one table that may narrow what is asked of another source",
        default=10_000,
        minimum=0,
        maximum=1_000_000,
    )
    spill_bytes_max: int = setting(
        "temporary files of one such statement", default=8 << 30, minimum=1 << 20, maximum=1 << 40
    )


@dataclass(frozen=True, slots=True)
class StatePassword:
    """Where the state database's password comes from, read at each connect: one of the two."""

    file: Path | None = setting("file that holds it", default=None)
    environment: str | None = setting("environment variable that holds it", default=None)

    def check(self) -> str | None:
        """What is wrong with the values together, None if nothing."""
        return _exactly_one(file=self.file, environment=self.environment)


@dataclass(frozen=True, slots=True)
class State:
    """The database of access tokens, service accounts, stored claims and policy history."""

    directory: Path | None = setting(
        "where an embedded Postgres keeps it; belongs to it alone", default=None
    )
    dsn: str | None = setting(
        "connection string of a database of your own, without a password; no pooler between",
        default=None,
    )
    password: StatePassword | None = setting("the password that goes with `dsn`", default=None)
    silence_seconds_max: float = setting(
        "sessions by access token or service account end when it has not answered for so long",
        default=15.0,
        minimum=2,
        maximum=3600,
    )

    def check(self) -> str | None:
        """What is wrong with the values together, None if nothing."""
        if self.directory is not None and self.password is not None:
            return "`password` goes with `dsn`; the embedded database has its own"
        return _exactly_one(directory=self.directory, dsn=self.dsn)


@dataclass(frozen=True, slots=True)
class Log:
    """The operator's log, on standard error."""

    level: Literal["debug", "info", "warning", "error"] = setting(
        "least important line written", default="info"
    )
    format: Literal["json", "console"] = setting(
        "one JSON object per line, or for eyes", default="json"
    )


@dataclass(frozen=True, slots=True)
class Configuration:
    """A whole file. `version` is the SHA-256 of its bytes, `file` where it was read."""

    identity: Identity = setting("identity providers; the gate runs for nobody else")
    policies: tuple[Path, ...] = setting(
        "policy files, or directories of them; the gate runs without none", minimum=1
    )
    sources: tuple[Source | Files, ...] = setting(
        "databases, and folders of files", minimum=1, maximum=64
    )
    audit: Audit = setting("audit log")
    extensions: tuple[Extension, ...] = setting(
        "extensions that statements may use", default=(), maximum=64
    )
    mask_keys: tuple[MaskKey, ...] = setting("keys of masks", default=(), maximum=64)
    listen: Listen = setting("where clients connect", default=Listen())
    search_path: tuple[str, ...] = setting(
        "schemas that names without one mean, in order, until a session sets others",
        default=("$user", "public"),
        maximum=64,
    )
    limits: Limits = setting("limits", default=Limits())
    shadow: Shadow = setting("catalog server", default=Shadow())
    state: State | None = setting(
        "access tokens, service accounts, policy history; without it there are none", default=None
    )
    federation: Federation = setting("statements over several sources", default=Federation())
    log: Log = setting("operator's log", default=Log())
    metrics: Metrics | None = setting("figures and readiness, without encryption", default=None)
    telemetry: Telemetry | None = setting("traces; without it there are none", default=None)
    mcp: Mcp | None = setting("Model Context Protocol server", default=None)
    python: Python | None = setting("sandbox for agents' Python", default=None)
    file: Path = dataclasses.field(default=Path())
    version: str = ""

    def check(self) -> str | None:
        """What is wrong with the whole, if anything."""
        for name in self.search_path:
            if not 1 <= len(name.encode()) <= IDENTIFIER_BYTES_MAX:
                return f"a name of `search_path` has 1 to {IDENTIFIER_BYTES_MAX} bytes: {name!r}"
        return None

    @property
    def databases(self) -> tuple[Source, ...]:
        """The sources that are databases, in their order."""
        return tuple(one for one in self.sources if isinstance(one, Source))

    @property
    def folders(self) -> tuple[Files, ...]:
        """The sources that are folders of files, in their order."""
        return tuple(one for one in self.sources if isinstance(one, Files))

    @property
    def database(self) -> str:
        """The one virtual database that clients see: named as the first source's."""
        first = self.sources[0]
        return first.database if isinstance(first, Source) else first.name


def _exactly_one(**ways: object) -> str | None:
    given = [name for name, value in ways.items() if value is not None]
    if len(given) == 1:
        return None
    names = ", ".join(f"`{name}`" for name in ways)
    return f"exactly one of {names} is needed" + (f", not {len(given)}" if given else "")
