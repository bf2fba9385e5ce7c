"""Rows and COPY data as they stand on the wire: a count, and whole frames side by side.

This file must not know what a column means. A relay writes `data` to the client as it is; only who
must look inside (a merge, a test) calls `rows`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Self

from proxy.wire.backend import CopyData, DataRow
from proxy.wire.buffer import HEADER, HEADER_BYTES

Row = tuple[bytes | None, ...]


@dataclass(frozen=True, slots=True)
class RowBatch:
    """`count` whole DataRow frames in `data`."""

    count: int
    data: bytes = field(repr=False)

    @classmethod
    def of(cls, rows: Iterable[Row]) -> Self:
        """Encode rows of column values (None is NULL)."""
        frames = [DataRow(row).encode() for row in rows]
        return cls(len(frames), b"".join(frames))

    def rows(self) -> Iterator[Row]:
        """Decode row by row; MalformedMessage for a row whose lengths do not add up."""
        return (DataRow.decode(body).values for body in _bodies(self.data))

    def encode(self) -> bytes:
        """Return the frames, as a message would."""
        return self.data


@dataclass(frozen=True, slots=True)
class CopyBatch:
    """`count` whole CopyData frames in `data`."""

    count: int
    data: bytes = field(repr=False)

    @classmethod
    def of(cls, portions: Iterable[bytes]) -> Self:
        """Encode portions of COPY data, one frame each."""
        frames = [CopyData(portion).encode() for portion in portions]
        return cls(len(frames), b"".join(frames))

    def portions(self) -> Iterator[bytes]:
        """Return what each frame holds."""
        return _bodies(self.data)

    def encode(self) -> bytes:
        """Return the frames, as a message would."""
        return self.data


@dataclass(frozen=True, slots=True)
class CsvBatch:
    """`count` whole rows in `data`, as `COPY … (FORMAT csv)` reads them."""

    count: int
    data: bytes = field(repr=False)


def _bodies(data: bytes) -> Iterator[bytes]:
    position = 0
    while position < len(data):
        _, length = HEADER.unpack_from(data, position)
        end = position + 1 + length
        yield data[position + HEADER_BYTES : end]
        position = end
