"""What `sallyport doctor` finds on this machine: disk, permissions, limits, certificates.

This file must not connect anywhere. Every function takes what it judges and returns findings.
"""

from __future__ import annotations

import datetime
import os
import resource
import shutil
import stat
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.x509 import Certificate

from proxy.commands.finding import Finding
from proxy.runtime.config import Configuration, ListenTls, ServiceTls, is_loopback

FREE_SEGMENTS_MIN = 4
"""Room for so many segments of the audit log: below it is a problem, for it refuses work when
full."""

FREE_BYTES_COMFORTABLE = 2 * 1024**3

EXPIRY_WARNING_DAYS = 21
"""Long enough to notice and to renew by hand."""

DESCRIPTORS_BESIDE = 100
"""Files of a worker that are neither clients nor sources: logs, sockets, libraries."""


def machine(configuration: Configuration, now: datetime.datetime) -> list[Finding]:
    """Everything that can be seen without asking anybody."""
    return [
        *audit_room(configuration.audit.directory, configuration.audit.segment_bytes_max),
        *secrets(secret_files(configuration)),
        *folders(configuration),
        *exposure(configuration),
        *descriptors(configuration, resource.getrlimit(resource.RLIMIT_NOFILE)[0]),
        *certificates(configuration, now),
    ]


def audit_room(directory: Path, segment_bytes: int) -> list[Finding]:
    """Whether the audit log can be written, and for how long."""
    subject = f"audit log {directory}"
    place = _nearest(directory)
    if not os.access(place, os.W_OK | os.X_OK):
        return [
            Finding(
                subject,
                "problem",
                f"{place} cannot be written by this user",
                f"make the folder for the gate's user: install -d -m 700 -o USER {directory}",
            )
        ]
    free = shutil.disk_usage(place).free
    text = f"{free / 1024**3:.1f} GiB free"
    advice = "free some, or move `audit.directory`; when it is full the gate refuses work (53100)"
    if free < FREE_SEGMENTS_MIN * segment_bytes:
        return [Finding(subject, "problem", text, advice)]
    if free < FREE_BYTES_COMFORTABLE:
        return [Finding(subject, "warning", text, advice)]
    return [Finding(subject, "ok", text)]


def folders(configuration: Configuration) -> list[Finding]:
    """Whether the embedded servers may write where the configuration puts them."""
    findings = []
    wanted = {
        "shadow.directory": configuration.shadow.directory,
        "federation.directory": configuration.federation.directory,
        "state.directory": None if configuration.state is None else configuration.state.directory,
    }
    for key, directory in wanted.items():
        if directory is None:
            continue
        place = _nearest(directory)
        if os.access(place, os.W_OK | os.X_OK):
            free = shutil.disk_usage(place).free / 1024**3
            findings.append(Finding(f"{key} {directory}", "ok", f"{free:.1f} GiB free"))
        else:
            advice = f"make it for the gate's user: install -d -m 700 -o USER {directory}"
            text = f"{place} cannot be written by this user"
            findings.append(Finding(f"{key} {directory}", "problem", text, advice))
    return findings


def exposure(configuration: Configuration) -> list[Finding]:
    """Who may ask for the figures, which have neither encryption nor passwords."""
    metrics = configuration.metrics
    if metrics is None:
        return [Finding("metrics", "warning", "nobody watches", "add a section `metrics: {}`")]
    if is_loopback(metrics.host):
        return [Finding("metrics", "ok", f"for this machine, port {metrics.port}")]
    advice = "let only Prometheus and balancers reach it: a firewall, a private network"
    return [Finding("metrics", "warning", f"for whoever reaches {metrics.host}", advice)]


def _nearest(directory: Path) -> Path:
    """The directory, or what there is of the way to it."""
    while not directory.exists() and directory != directory.parent:
        directory = directory.parent
    return directory


def secret_files(configuration: Configuration) -> list[Path]:
    """Files of the configuration that hold a secret."""
    found = [key.file for key in configuration.mask_keys]
    for source in configuration.databases:
        found.append(source.tls.key)
        if source.password is not None:
            found.append(source.password.file)
    found += [tls.key for _, tls in _served(configuration)]
    if configuration.state is not None and configuration.state.password is not None:
        found.append(configuration.state.password.file)
    if configuration.telemetry is not None:
        found += [one.file for one in configuration.telemetry.headers]
    return [path for path in found if path is not None]


def _served(configuration: Configuration) -> list[tuple[str, ListenTls | ServiceTls]]:
    """What clients see of TLS, by the section that says so."""
    mcp, python = configuration.mcp, configuration.python
    sections = (
        ("listen", configuration.listen.tls),
        ("mcp", mcp.tls if mcp else None),
        ("python", python.tls if python else None),
    )
    return [(name, tls) for name, tls in sections if tls is not None]


def secrets(files: Iterable[Path]) -> list[Finding]:
    """Who else may read what nobody should."""
    findings = []
    for path in files:
        subject = f"secret {path}"
        try:
            mode = stat.S_IMODE(path.stat().st_mode)
        except OSError as error:
            advice = "make it, readable by the gate's user alone"
            findings.append(Finding(subject, "problem", error.strerror or "unreadable", advice))
            continue
        advice = f"chmod 600 {path}"
        if mode & 0o007:
            findings.append(Finding(subject, "problem", "everybody may read it", advice))
        elif mode & 0o070:
            findings.append(Finding(subject, "warning", "its group may read it", advice))
        else:
            findings.append(Finding(subject, "ok", f"mode {mode:o}"))
    return findings


def descriptors(configuration: Configuration, limit: int) -> list[Finding]:
    """Whether a worker may open as many files as its sessions and sources need."""
    sessions = configuration.limits.sessions_max
    upstream = sum(source.pool.connections_max for source in configuration.databases)
    # A session that asks the catalog holds a link to the shadow beside its own socket.
    needed = 2 * sessions + upstream + DESCRIPTORS_BESIDE
    text = f"{limit} allowed, {needed} needed for {sessions} sessions of one worker"
    if limit == resource.RLIM_INFINITY or limit >= needed:
        return [Finding("open files", "ok", text)]
    advice = f"LimitNOFILE={needed} in the unit, `ulimit -n {needed}`, or lower limits.sessions_max"
    return [Finding("open files", "problem", text, advice)]


def certificates(configuration: Configuration, now: datetime.datetime) -> list[Finding]:
    """Those we show to clients and to sources: expiry, names, chain, key."""
    shown = [
        (f"{name}.tls.certificate", tls.certificate, tls.key, True)
        for name, tls in _served(configuration)
    ]
    for source in configuration.databases:
        if source.tls.certificate is not None and source.tls.key is not None:
            subject = f"source {source.name} client certificate"
            shown.append((subject, source.tls.certificate, source.tls.key, False))
    return [
        finding
        for subject, path, key, has_names in shown
        for finding in _certificate(subject, path, key, now, has_names=has_names)
    ]


def _certificate(
    subject: str, path: Path, key: Path, now: datetime.datetime, *, has_names: bool
) -> list[Finding]:
    try:
        chain = x509.load_pem_x509_certificates(path.read_bytes())
        private = serialization.load_pem_private_key(key.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        text = f"cannot be read: {type(error).__name__}"
        return [Finding(subject, "problem", text, "PEM files, the key without a passphrase")]
    first = chain[0]
    findings = [_expiry(subject, min(one.not_valid_after_utc for one in chain), now)]
    if _encoded(first.public_key()) != _encoded(private.public_key()):
        advice = "install the two files of one request together"
        findings.append(Finding(subject, "problem", "the key belongs to another one", advice))
    if not _is_chain(chain):
        advice = "put the server's own certificate first, then each one's issuer"
        findings.append(Finding(subject, "problem", "the chain is out of order", advice))
    if has_names:
        findings.append(_names(subject, first))
    return findings


def _expiry(subject: str, until: datetime.datetime, now: datetime.datetime) -> Finding:
    days = (until - now).days
    if until <= now:
        return Finding(subject, "problem", f"expired on {until:%Y-%m-%d}", "renew it")
    text = f"valid until {until:%Y-%m-%d}, {days} days"
    if days < EXPIRY_WARNING_DAYS:
        return Finding(subject, "warning", text, "renew it, and restart the gate")
    return Finding(subject, "ok", text)


def _names(subject: str, certificate: Certificate) -> Finding:
    """Clients compare the host name with subjectAltName only (RFC 9525 §2)."""
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        advice = "ask for a certificate with the name that clients connect to"
        return Finding(subject, "problem", "it names no host (subjectAltName)", advice)
    names = [str(one.value) for one in extension.value]
    return Finding(subject, "ok", f"names {', '.join(names)}")


def _is_chain(chain: Sequence[Certificate]) -> bool:
    for one, issuer in pairwise(chain):
        try:
            one.verify_directly_issued_by(issuer)
        except (ValueError, TypeError, InvalidSignature):
            return False
    return True


def _encoded(key: object) -> bytes:
    encode = getattr(key, "public_bytes")  # noqa: B009 - every kind of public key has it
    encoded: bytes = encode(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return encoded
