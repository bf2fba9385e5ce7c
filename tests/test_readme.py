"""README tells the truth: configuration keys, commands and files are as it says."""

from __future__ import annotations

import re
from pathlib import Path

from proxy.runtime.config import Row, document
from tests.clients.report import table

ROOT = Path(__file__).resolve().parent.parent
SECTION_TYPES = ("section", "list of section")


def configuration_rows() -> list[str]:
    """The reference table's lines; `python -m tests.test_readme` prints them for README."""
    header = ["| key | type | default | meaning |", "|---|---|---|---|"]
    return header + [row_text(row) for row in document() if row.type not in SECTION_TYPES]


def row_text(row: Row) -> str:
    return f"| `{row.key}` | {row.type} | {row.default} | {row.meaning} |"


def readme() -> str:
    return (ROOT / "README.md").read_text(encoding="utf-8")


def test_every_configuration_key_is_documented_as_it_is() -> None:
    assert "\n".join(configuration_rows()) in readme(), "print it by: python -m tests.test_readme"


def test_clients_are_listed_with_what_differs() -> None:
    assert "\n".join(table()) in readme(), "print it by: python -m tests.clients table"


def test_every_make_target_that_is_named_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"\bmake ([a-z]+)\b(?= )", readme())) | {"demo", "test"}
    assert named <= targets | {"are"}


def test_every_file_that_is_named_exists() -> None:
    for path in re.findall(r"`((?:policies|proxy|tests|bench)/[\w./-]+)`", readme()):
        assert (ROOT / path).exists(), f"README names {path}"


if __name__ == "__main__":
    print("\n".join(configuration_rows()))
