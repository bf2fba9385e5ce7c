"""Who a question is asked as: a person of the demonstration, or a token's payload from a file.

No signature is checked, because nobody is let in: the answer goes to the operator who asks.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from policies.claims import coerce
from policies.errors import PolicyError
from policies.identity import ClaimMapping, Identity
from proxy.commands.outcome import CommandError
from proxy.demo.principal import PRINCIPALS

PAYLOAD_BYTES_MAX: Final = 64 * 1024
"""Several times the longest token that the gate accepts."""

VALIDITY_SECONDS: Final = 3600.0
"""A payload that says nothing of its end is asked about as if it were fresh."""


def identity(arguments: argparse.Namespace, mapping: ClaimMapping, now: float) -> Identity:
    """Who `--as` or `--claims` means, by the policy's own mapping. `now` in unix seconds.

    Claims that a gate would look up in a table are taken from the payload by their own name. Raises
    CommandError.
    """
    found_payload = payload(arguments)
    found_payload.setdefault("iss", "policy explain")
    found_payload.setdefault("exp", now + VALIDITY_SECONDS)
    try:
        found = mapping.identify(found_payload)
        looked_up = {
            name: coerce(name, found_payload[name], source.type)
            for name, source in mapping.lookups.items()
            if name in found_payload
        }
        return found.with_claims(looked_up)
    except PolicyError as error:
        raise CommandError(f"the claims cannot be used: {error}") from error


def payload(arguments: argparse.Namespace) -> dict[str, object]:
    """The payload that `--as` or `--claims` means. Raises CommandError."""
    if arguments.name is not None:
        principal = PRINCIPALS.get(arguments.name)
        if principal is None:
            raise CommandError(
                f'nobody is called "{arguments.name}" in the demonstration; there are'
                f" {', '.join(PRINCIPALS)}. For others: --claims FILE"
            )
        return {"sub": principal.name, **principal.claims()}
    if isinstance(arguments.claims, Path):
        # Standard input can be read once.
        arguments.claims = dict(_read(arguments.claims))
    return dict(arguments.claims)


def _read(file: Path) -> Mapping[str, object]:
    """The JSON object of a file, or of standard input for `-`. Raises CommandError, OSError."""
    if str(file) == "-":
        text = sys.stdin.read(PAYLOAD_BYTES_MAX + 1)
    else:
        with file.open(encoding="utf-8", errors="replace") as stream:
            text = stream.read(PAYLOAD_BYTES_MAX + 1)
    if len(text) > PAYLOAD_BYTES_MAX:
        raise CommandError(f"{file}: larger than {PAYLOAD_BYTES_MAX} bytes")
    try:
        payload = json.loads(text)
    except (ValueError, RecursionError) as error:
        # The text itself is not shown: somebody may have given a token instead of its payload.
        place = f":{error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise CommandError(f"{file}{place}: not JSON; a token's payload is expected") from None
    if not isinstance(payload, dict):
        raise CommandError(f"{file}: not a JSON object; a token's payload is expected")
    return payload
