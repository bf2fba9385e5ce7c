"""What marks the demonstration's issuer and keys, so that nothing real ever trusts them.

This file must not know how tokens are made (`proxy/demo/issuer.py` does) or checked. Whoever loads
a configuration or a key set asks here, and refuses what is marked unless the demonstration itself
asked. Both marks count: an operator may copy the demonstration's key file under another issuer.
"""

from __future__ import annotations

from typing import Final

DEMO_ISSUER: Final = "https://demo.sallyport.invalid"
"""RFC 2606 reserves `.invalid`: no such host can ever exist."""

DEMO_KEY_PREFIX: Final = "sallyport-demo-"


def is_demo_issuer(issuer: str) -> bool:
    """Whether `issuer` is the demonstration's, however its letters and its end are written."""
    return issuer.strip().rstrip("/").casefold() == DEMO_ISSUER


def is_demo_key_id(key_id: str | None) -> bool:
    """Whether a key set's `kid` says that the demonstration made the key."""
    return key_id is not None and key_id.startswith(DEMO_KEY_PREFIX)
