"""What differs at each client, as it is pinned in `differences.yaml`, and the table of it in README."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from textwrap import wrap

import yaml

from tests.clients.roster import CLIENTS

PINNED = Path(__file__).with_name("differences.yaml")
COLUMNS_MAX = 118


@dataclass(frozen=True, slots=True)
class Pinned:
    """`reasons` by key; for each client, the key of the reason why a step of it differs."""

    reasons: Mapping[str, str]
    clients: Mapping[str, Mapping[str, str]]

    def of(self, client: str) -> Mapping[str, str]:
        """Step to reason, of one client."""
        return self.clients.get(client, {})


@cache
def pinned() -> Pinned:
    """The file, read once."""
    read = yaml.safe_load(PINNED.read_text(encoding="utf-8"))
    return Pinned(read["reasons"], read["clients"])


def table() -> list[str]:
    """README's lines: the table of clients, then the reasons that it refers to by letter."""
    found = pinned()
    letters = {
        key: letter
        for key, letter in zip(found.reasons, "abcdefghijklmnopqrstuvwxyz", strict=False)
    }
    lines = ["| client | version | driven by | differs |", "|---|---|---|---|"]
    for client in CLIENTS:
        here = sorted({letters[key] for key in found.of(client.name).values()})
        lines.append(
            f"| {client.title} | {client.version} | {client.how} | {' '.join(here) or '–'} |"
        )
    lines.append("")
    for key, text in found.reasons.items():
        lines += wrap(f"- **{letters[key]}** {text}", COLUMNS_MAX, subsequent_indent="  ")
    return lines
