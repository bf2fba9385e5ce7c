"""What the gate and the reader of files say to each other: frames on two pipes.

A request is a length and a JSON object; an answer is a sequence of frames, each a kind, a length
and content. Both ends use this file, and it must not know either.

    gate -> reader   {"do": "tables"} · {"do": "read", …}
    reader -> gate   tables (once)  ·  rows… done  ·  fault (instead of the rest)
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

HEADER: Final = struct.Struct("!cI")
LENGTH: Final = struct.Struct("!I")
COUNT: Final = struct.Struct("!I")
"""In front of the content of ROWS: how many rows it holds."""

FRAME_BYTES_MAX: Final = 256 * 1024 * 1024
"""A batch of 2,048 rows of values of 100 kB each; a longer frame is a broken reader."""

READY: Final = b"H"
TABLES: Final = b"T"
ROWS: Final = b"R"
DONE: Final = b"Z"
FAULT: Final = b"E"


class Trouble(StrEnum):
    """Why the reader has no answer. The gate words what a client is told of it."""

    UNREADABLE = "unreadable"
    """Not a whole file of its format: corrupt, half-written, of another kind, or not a file."""
    SCHEMA = "schema"
    """Its columns are not those that the catalog knows."""
    VALUE = "value"
    """A value that its column's type cannot hold."""
    CHANGED = "changed"
    """It was written to while it was read."""
    MEMORY = "memory"
    """More memory or temporary space than configured."""
    TOO_LARGE = "too large"
    """Unpacked, it is larger than configured."""
    MISSING = "missing"
    """There is no file of the table any more."""
    BROKEN = "broken"
    """The reader itself failed."""


@dataclass(frozen=True, slots=True)
class FileColumn:
    """A column of a table of files.

    `type_name` is its Postgres type; `stored` what the file calls its type; `is_exact`: DuckDB
    holds its values as Postgres would, so conditions on it may be tried there.
    """

    name: str
    type_name: str
    stored: str
    is_exact: bool = True


@dataclass(frozen=True, slots=True)
class FileTable:
    """A table that a folder holds. `refused` are columns of types that nobody can carry, by name
    and type; `failure` says for the operator why the table cannot be offered at all. `within` a
    file of several tables, it is called `inner` there."""

    name: str
    format: str
    columns: tuple[FileColumn, ...] = ()
    refused: tuple[tuple[str, str], ...] = ()
    failure: str | None = None
    within: str = ""
    inner: str = ""

    @property
    def place(self) -> str:
        """What the folder calls it: a table of its own, or a file that holds several."""
        return self.within or self.name

    def problems(self) -> list[str]:
        """What of it cannot be offered, for the operator."""
        if self.failure is not None:
            return [f"table {self.name} {self.failure}"]
        return [f"column {name} of {self.name}: type {stored}" for name, stored in self.refused]

    def as_json(self) -> dict[str, object]:
        """For a frame."""
        return {
            "name": self.name,
            "format": self.format,
            "columns": [[c.name, c.type_name, c.stored, c.is_exact] for c in self.columns],
            "refused": [list(one) for one in self.refused],
            "failure": self.failure,
            "within": self.within,
            "inner": self.inner,
        }

    @staticmethod
    def from_json(content: dict[str, Any]) -> FileTable:
        """Raises KeyError, TypeError, ValueError."""
        return FileTable(
            str(content["name"]),
            str(content["format"]),
            tuple(
                FileColumn(str(name), str(type_name), str(stored), bool(is_exact))
                for name, type_name, stored, is_exact in content["columns"]
            ),
            tuple((str(name), str(stored)) for name, stored in content["refused"]),
            None if content["failure"] is None else str(content["failure"]),
            str(content["within"]),
            str(content["inner"]),
        )


def request(content: dict[str, object]) -> bytes:
    """A request as it is written."""
    text = json.dumps(content).encode()
    return LENGTH.pack(len(text)) + text


def frame(kind: bytes, content: bytes) -> bytes:
    """One frame of an answer."""
    return HEADER.pack(kind, len(content)) + content


def json_frame(kind: bytes, content: object) -> bytes:
    """One frame that holds JSON."""
    return frame(kind, json.dumps(content).encode())
