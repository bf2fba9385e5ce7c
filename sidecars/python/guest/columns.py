"""Rows from the host as a DataFrame: columns of fixed-width values, read where they lie.

Where an operator's list has no pandas: a list of dictionaries, with Python's own types.

The form (`sidecars/python/columns.py` writes it): 4 bytes of length, little-endian, a JSON header,
then the buffers. This file must not know where they come from.

Types: smallint, integer and bigint become int64, Int64 with nulls; real and double precision
float64; boolean bool, or boolean with nulls; timestamp datetime64[us], with time zone the same in
UTC; date datetime64[s]; numeric Decimal, exactly; bytea bytes; everything else text.
"""

from __future__ import annotations

import datetime
import decimal
import importlib.util
import json
import struct
from typing import Any

_EPOCH = datetime.datetime(1970, 1, 1)
_PIECES = {
    "int": "<q",
    "float": "<d",
    "bool": "<?",
    "date": "<q",
    "timestamp": "<q",
    "moment": "<q",
}


def decode(content: bytes) -> Any:
    """The rows of a whole message."""
    length = int.from_bytes(content[:4], "little")
    header = json.loads(content[4 : 4 + length])
    rows, at = header["rows"], 4 + length
    parts = []
    for column in header["columns"]:
        buffers = []
        for size in column["buffers"]:
            buffers.append(memoryview(content)[at : at + size])
            at += size
        parts.append((column["name"], column["kind"], buffers))
    if importlib.util.find_spec("pandas") is None:
        values = [_plain(kind, rows, buffers) for _, kind, buffers in parts]
        names = [name for name, _, _ in parts]
        return [dict(zip(names, row, strict=True)) for row in zip(*values, strict=True)]
    return _frame(rows, parts)


def _plain(kind: str, rows: int, buffers: list[memoryview]) -> list[Any]:
    """One column as Python's own values."""
    found: list[Any]
    if kind in _PIECES:
        found = [one[0] for one in struct.iter_unpack(_PIECES[kind], buffers[1])]
        if kind in ("timestamp", "moment"):
            found = [_EPOCH + datetime.timedelta(microseconds=one) for one in found]
        elif kind == "date":
            found = [(_EPOCH + datetime.timedelta(seconds=one)).date() for one in found]
        if kind == "moment":
            found = [one.replace(tzinfo=datetime.UTC) for one in found]
    else:
        found = list(_pieces(buffers))
        if kind != "bytes":
            found = [piece.decode() for piece in found]
    nulls = bytes(buffers[0]) or bytes(rows)
    found = [None if null else one for one, null in zip(found, nulls, strict=True)]
    if kind == "numeric":
        found = [None if one is None else decimal.Decimal(one) for one in found]
    return found


def _pieces(buffers: list[memoryview]) -> Any:
    """Values of any length: ends as int64, then the bytes of all."""
    whole, begin = bytes(buffers[2]), 0
    for (end,) in struct.iter_unpack("<q", buffers[1]):
        yield whole[begin:end]
        begin = end


def _frame(rows: int, parts: list[tuple[str, str, list[memoryview]]]) -> Any:
    import numpy
    import pandas

    found = [_column(numpy, pandas, kind, rows, buffers) for _, kind, buffers in parts]
    frame = pandas.DataFrame(dict(enumerate(found)), index=pandas.RangeIndex(rows))
    frame.columns = [name for name, _, _ in parts]
    return frame


def _column(numpy: Any, pandas: Any, kind: str, rows: int, buffers: list[memoryview]) -> Any:
    """One column. The first buffer is one byte for each row, 1 for null; empty without nulls."""
    nulls = numpy.frombuffer(buffers[0], dtype=bool) if len(buffers[0]) else None
    if kind in ("text", "numeric", "bytes"):
        return _objects(numpy, pandas, kind, rows, buffers, nulls)
    if kind == "int":
        values = numpy.frombuffer(buffers[1], dtype="<i8")
        return values if nulls is None else pandas.arrays.IntegerArray(values.copy(), nulls.copy())
    if kind == "bool":
        values = numpy.frombuffer(buffers[1], dtype=bool)
        return values if nulls is None else pandas.arrays.BooleanArray(values.copy(), nulls.copy())
    if kind == "float":
        values = numpy.frombuffer(buffers[1], dtype="<f8")
        if nulls is not None:
            values = values.copy()
            values[nulls] = numpy.nan
        return values
    unit = "s" if kind == "date" else "us"
    moments = numpy.frombuffer(buffers[1], dtype="<i8").astype(f"datetime64[{unit}]")
    if nulls is not None:
        moments[nulls] = numpy.datetime64("NaT")
    series = pandas.Series(moments)
    return series.dt.tz_localize("UTC") if kind == "moment" else series


def _objects(
    numpy: Any, pandas: Any, kind: str, rows: int, buffers: list[memoryview], nulls: Any
) -> Any:
    pieces: list[Any] = list(_pieces(buffers))
    if kind != "bytes":
        pieces = [piece.decode() for piece in pieces]
    if kind == "numeric":
        is_null = [False] * rows if nulls is None else nulls.tolist()
        pairs = zip(pieces, is_null, strict=True)
        pieces = [None if null else decimal.Decimal(piece) for piece, null in pairs]
    elif nulls is not None:
        for index in numpy.flatnonzero(nulls).tolist():
            pieces[index] = None
    if kind == "text":
        return pandas.array(pieces, dtype="str")
    found = numpy.empty(rows, dtype=object)
    found[:] = pieces
    return found
