"""From configuration to those who judge proofs of identity, and those who watch over sessions.

Translation only, as `assembly.py`. This file must not know sessions or statements, and starts
nothing.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from policies.identity import ClaimMapping
from proxy.proof import Invitation, Judges
from proxy.runtime.attempts import Attempts
from proxy.runtime.config import Configuration
from proxy.runtime.identity import Lookup, TokenAuthenticator, TrustedIssuer
from proxy.runtime.state.admission import Admission
from proxy.runtime.state.database import StateDatabase
from proxy.runtime.state.revocation import RevocationWatch
from proxy.wire.channel_binding import tls_server_end_point
from proxy.wire.errors import InvalidValue

_PEM_END: Final = "-----END CERTIFICATE-----"


def judges(
    configuration: Configuration,
    mapping: Callable[[], ClaimMapping],
    lookup: Lookup,
    state: StateDatabase | None,
) -> Judges:
    """Who may be somebody, by this configuration. Raises OSError for an unreadable certificate."""
    issuers = [TrustedIssuer.configured(issuer) for issuer in configuration.identity.issuers]
    oauth, tls = configuration.identity.oauth, configuration.listen.tls
    admission = None
    if state is not None:
        admission = Admission(state, mapping, Attempts(time.monotonic), lookup=lookup)
    authenticator = TokenAuthenticator(issuers, mapping, lookup=lookup)
    return Judges(
        authenticator=authenticator,
        key_ages=authenticator.key_ages,
        admission=admission,
        invitation=None if oauth is None else Invitation(oauth.issuer, oauth.scope),
        channel_binding=None if tls is None else channel_binding(tls.certificate),
    )


def watch(configuration: Configuration, state: StateDatabase | None) -> RevocationWatch | None:
    """Who ends sessions whose token is good no longer; None without a state database."""
    if state is None or configuration.state is None:
        return None
    return RevocationWatch(state, silence_seconds_max=configuration.state.silence_seconds_max)


def channel_binding(certificate: Path) -> bytes | None:
    """Binding data of the first certificate in a PEM file; None if its signature defines none."""
    first, end, _ = certificate.read_text(encoding="ascii", errors="replace").partition(_PEM_END)
    try:
        der = ssl.PEM_cert_to_DER_cert(first[first.find("-----BEGIN") :] + end)
        return tls_server_end_point(der)
    except (InvalidValue, ValueError):
        return None
