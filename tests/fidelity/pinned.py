"""The list of what the gate refuses of the corpus: `refused.txt`, so that it grows knowingly only.

The reason is the gate's own words; a statement that is no longer refused must leave the list, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tests.fidelity.comparison import Finding, listing
from tests.fidelity.verdict import Judgement

PATH = Path(__file__).with_name("refused.txt")


def read() -> list[str]:
    """The pinned lines, sorted."""
    return PATH.read_text(encoding="utf-8").splitlines()


def found(findings: Sequence[Finding]) -> list[str]:
    """The lines that a run would pin."""
    return sorted(listing(findings, Judgement.REFUSED))


def write(findings: Sequence[Finding]) -> None:
    """Pin what a run found."""
    PATH.write_text("\n".join(found(findings)) + "\n", encoding="utf-8")
