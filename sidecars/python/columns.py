"""Rows of a result as columns of fixed-width values, as `guest/columns.py` reads them.

Values keep their exact types across the border; nothing becomes JSON but the header. This file must
not know connections.
"""

from __future__ import annotations

import datetime
import json
import sys
from array import array
from collections.abc import Callable, Sequence
from typing import Any

KINDS = {
    **dict.fromkeys(("int2", "int4", "int8", "oid"), "int"),
    **dict.fromkeys(("float4", "float8"), "float"),
    "bool": "bool",
    "numeric": "numeric",
    "date": "date",
    "timestamp": "timestamp",
    "timestamptz": "moment",
    "bytea": "bytes",
}
"""By PostgreSQL's type names; every other type travels as text."""

_EPOCH = datetime.datetime(1970, 1, 1)
_EPOCH_UTC = _EPOCH.replace(tzinfo=datetime.UTC)
_EPOCH_DAY = _EPOCH.date()
_SECONDS_PER_DAY = 86_400
_MICROSECOND = datetime.timedelta(microseconds=1)


class TooLarge(Exception):
    """The result is larger than the run may have; the message is for the program."""


class Columns:
    """Collects rows, a batch at a time."""

    def __init__(self, names: Sequence[str], types: Sequence[str], bytes_max: int) -> None:
        self._names = tuple(names)
        self._kinds = [KINDS.get(one, "text") for one in types]
        self._parts: list[_Part] = [_PARTS[kind]() for kind in self._kinds]
        self._bytes_max = bytes_max
        self.rows = 0

    def add(self, rows: Sequence[Sequence[Any]]) -> None:
        """More rows. Raises TooLarge."""
        if not rows:
            return
        for part, values in zip(self._parts, zip(*rows, strict=True), strict=True):
            part.add(values)
        self.rows += len(rows)
        if self.size > self._bytes_max:
            raise TooLarge(
                f"the result is larger than {self._bytes_max} bytes: select fewer columns and rows,"
                " or aggregate in SQL"
            )

    @property
    def size(self) -> int:
        """Bytes so far."""
        return sum(part.size for part in self._parts)

    def encode(self) -> bytes:
        """The whole message."""
        buffers = [part.buffers(self.rows) for part in self._parts]
        columns = [
            {"name": name, "kind": kind, "buffers": [len(one) for one in own]}
            for name, kind, own in zip(self._names, self._kinds, buffers, strict=True)
        ]
        header = json.dumps({"rows": self.rows, "columns": columns}).encode()
        pieces = [len(header).to_bytes(4, "little"), header]
        return b"".join([*pieces, *(one for own in buffers for one in own)])


class _Part:
    """One column. `blank` stands where a value is null."""

    def __init__(self) -> None:
        self.nulls = bytearray()
        self.has_nulls = False

    def add(self, values: Sequence[Any]) -> None:
        """More values, None for null."""
        nulls = bytes([value is None for value in values])
        self.has_nulls = self.has_nulls or any(nulls)
        self.nulls += nulls
        self.extend(values)

    def extend(self, values: Sequence[Any]) -> None:
        """The values themselves."""
        raise NotImplementedError

    @property
    def size(self) -> int:
        """Bytes so far."""
        raise NotImplementedError

    def content(self) -> list[bytes]:
        """The buffers after that of the nulls."""
        raise NotImplementedError

    def buffers(self, rows: int) -> list[bytes]:
        """All buffers of `rows` values."""
        assert len(self.nulls) == rows
        return [bytes(self.nulls) if self.has_nulls else b"", *self.content()]


class _Fixed(_Part):
    def __init__(self, code: str, convert: Callable[[Any], Any] | None) -> None:
        super().__init__()
        self._values = array(code)
        self._convert = convert

    def extend(self, values: Sequence[Any]) -> None:
        convert = self._convert
        if convert is not None:
            self._values.extend([0 if one is None else convert(one) for one in values])
        else:
            self._values.extend([0 if one is None else one for one in values])

    @property
    def size(self) -> int:
        return len(self._values) * self._values.itemsize

    def content(self) -> list[bytes]:
        values = self._values
        if sys.byteorder == "big":
            values = array(values.typecode, values)
            values.byteswap()
        return [values.tobytes()]


class _Variable(_Part):
    def __init__(self, convert: Callable[[Any], bytes]) -> None:
        super().__init__()
        self._ends = array("q")
        self._whole = bytearray()
        self._convert = convert

    def extend(self, values: Sequence[Any]) -> None:
        convert, whole, ends = self._convert, self._whole, self._ends
        for one in values:
            if one is not None:
                whole += convert(one)
            ends.append(len(whole))

    @property
    def size(self) -> int:
        return len(self._ends) * self._ends.itemsize + len(self._whole)

    def content(self) -> list[bytes]:
        ends = self._ends
        if sys.byteorder == "big":
            ends = array("q", ends)
            ends.byteswap()
        return [ends.tobytes(), bytes(self._whole)]


def _text(value: Any) -> bytes:
    """A value of any other type as text: JSON for arrays, as the driver prints it elsewhere."""
    if isinstance(value, str):
        text = value
    elif isinstance(value, list | tuple):
        text = json.dumps(value, default=str)
    elif isinstance(value, datetime.time):
        text = value.isoformat()
    else:
        text = str(value)
    return text.encode("utf-8", "replace")


def _timestamp(value: datetime.datetime) -> int:
    return (value - _EPOCH) // _MICROSECOND


def _moment(value: datetime.datetime) -> int:
    return (value - _EPOCH_UTC) // _MICROSECOND


def _date(value: datetime.date) -> int:
    return (value - _EPOCH_DAY).days * _SECONDS_PER_DAY


_PARTS: dict[str, Callable[[], _Part]] = {
    "int": lambda: _Fixed("q", None),
    "float": lambda: _Fixed("d", None),
    "bool": lambda: _Fixed("B", None),
    "date": lambda: _Fixed("q", _date),
    "timestamp": lambda: _Fixed("q", _timestamp),
    "moment": lambda: _Fixed("q", _moment),
    "numeric": lambda: _Variable(lambda value: str(value).encode()),
    "bytes": lambda: _Variable(bytes),
    "text": lambda: _Variable(_text),
}
