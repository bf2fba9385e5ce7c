"""The statements, as text: one file per kind under `corpus/`.

A statement ends with a semicolon at the end of a line; a line that starts with `--` is a comment.
This file must not know what is done with a statement.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from proxy.faults import Fault
from proxy.sql.parse import Kind, parse

DIRECTORY = Path(__file__).parent / "corpus"


@dataclass(frozen=True, slots=True)
class Query:
    """One statement of the corpus: its `kind` is the file's name, `line` where it starts."""

    kind: str
    line: int
    text: str

    @property
    def one_line(self) -> str:
        """The text on one line, its white space collapsed: its name in lists."""
        return " ".join(self.text.split())

    @property
    def is_ordered(self) -> bool:
        """Whether the order of the rows is part of the answer."""
        try:
            (found,) = parse(self.text)
        except Fault:
            return False
        return found.kind is Kind.QUERY and len(found.node.sort_clause) > 0


def read(kinds: Collection[str] = ()) -> list[Query]:
    """The corpus, or those `kinds` of it. Raises ValueError for a kind that has no file."""
    found = {path.stem: path for path in sorted(DIRECTORY.glob("*.sql"))}
    unknown = set(kinds) - found.keys()
    if unknown:
        raise ValueError(f"no such kind: {', '.join(sorted(unknown))}")
    return [query for kind in kinds or found for query in _split(kind, found[kind])]


def _split(kind: str, path: Path) -> Iterator[Query]:
    pending: list[str] = []
    start = 0
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not pending and (not line.strip() or line.startswith("--")):
            continue
        start = start if pending else number
        pending.append(line)
        if line.rstrip().endswith(";"):
            yield Query(kind, start, "\n".join(pending).rstrip().removesuffix(";"))
            pending = []
    if pending:
        raise ValueError(f"{path.name}:{start}: the statement has no end")
