"""Claim slots are values that compare by content."""

from __future__ import annotations

from proxy.sql.claim import ClaimSlot


def test_slots_are_values() -> None:
    assert ClaimSlot("sub", "text", 25) == ClaimSlot("sub", "text", 25)
    assert len({ClaimSlot("sub", "text", 25), ClaimSlot("sub", "text[]", 1009)}) == 2
