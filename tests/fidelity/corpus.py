"""The statements, as text: one file per kind under `corpus/`.

A statement ends with a semicolon at the end of a line; a line that starts with `--` is a comment.
One that starts with `--:` holds the arguments of the statement below, as Python literals; one that
starts with `--!` says why the gate answers it differently on purpose. This file must not know what is done with a statement.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from proxy.faults import Fault
from proxy.sql.parse import Kind, parse

Argument = str | int | float | bool | None | tuple[object, ...]
ARGUMENTS_MARK = "--:"
DESIGN_MARK = "--!"
DIRECTORY = Path(__file__).parent / "corpus"


@dataclass(frozen=True, slots=True)
class Query:
    """One statement of the corpus: its `kind` is the file's name, `line` where it starts.

    `design`: why a different answer is intended, else empty.
    """

    kind: str
    line: int
    text: str
    arguments: tuple[Argument, ...] = ()
    design: str = ""

    @property
    def one_line(self) -> str:
        """The text on one line, its white space collapsed: its name in lists."""
        return " ".join(self.text.split())

    @property
    def is_ordered(self) -> bool:
        """Whether the order of the rows is part of the answer."""
        return _is_ordered(self.text)


@cache
def _is_ordered(text: str) -> bool:
    try:
        (found,) = parse(text)
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
    arguments: tuple[Argument, ...] = ()
    design = ""
    start = 0
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not pending and line.startswith(ARGUMENTS_MARK):
            arguments = ast.literal_eval(f"({line.removeprefix(ARGUMENTS_MARK)},)")
            continue
        if not pending and line.startswith(DESIGN_MARK):
            design = line.removeprefix(DESIGN_MARK).strip()
            continue
        if not pending and (not line.strip() or line.startswith("--")):
            continue
        start = start if pending else number
        pending.append(line)
        if line.rstrip().endswith(";"):
            text = "\n".join(pending).rstrip().removesuffix(";")
            yield Query(kind, start, text, arguments, design)
            pending, arguments, design = [], (), ""
    if pending:
        raise ValueError(f"{path.name}:{start}: the statement has no end")
