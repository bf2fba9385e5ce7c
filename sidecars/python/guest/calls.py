"""The functions that a program finds beside Python's own: `query`, `http`.

They are the only way out, each through a gate and as the person who started the run. This file
must not know credentials: there are none on this side.
"""

from __future__ import annotations

import datetime
import decimal
import json
import uuid
from typing import Any

from wit_world.imports import host

from sidecars.python.guest import columns

EXCHANGE = "/exchange"


class CallRefused(RuntimeError):
    """The host refused a call, or it failed there; the message says what to do instead."""


CallRefused.__module__ = "builtins"  # its name is all that a traceback should show


def query(sql: str, params: list[Any] | tuple[Any, ...] = ()) -> Any:
    """The rows of a SQL statement as a DataFrame: `query("select … where id = $1", [7])`.

    Tables, rows and columns are those that you may see. Raises CallRefused with the database's own
    message.
    """
    if not isinstance(sql, str):
        raise TypeError("query(sql, params): sql must be a text")
    if not isinstance(params, list | tuple):
        raise TypeError("query(sql, params): params must be a list, one value for each $1, $2 …")
    answer = _call("query", {"sql": sql, "params": [_parameter(one) for one in params]})
    with open(f"{EXCHANGE}/{answer['file']}", "rb") as file:
        return columns.decode(file.read())


def http(*arguments: Any, **named: Any) -> Any:
    """Raises CallRefused: not offered yet."""
    return _call("http", {})


def _call(name: str, arguments: dict[str, Any]) -> Any:
    try:
        return json.loads(host.call(name, json.dumps(arguments)))
    except Exception as error:
        told = getattr(error, "value", None)
        if not isinstance(told, str):
            raise
    raise CallRefused(told)


def _parameter(value: Any) -> Any:
    """A value as JSON; types that JSON has not are tagged."""
    if hasattr(value, "item") and not isinstance(value, str | bytes):  # a numpy scalar
        value = value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, decimal.Decimal):
        return {"decimal": str(value)}
    if isinstance(value, datetime.datetime):
        return {"timestamp": value.isoformat()}
    if isinstance(value, datetime.date):
        return {"date": value.isoformat()}
    if isinstance(value, uuid.UUID):
        return {"uuid": str(value)}
    if isinstance(value, list | tuple):
        return {"array": [_parameter(one) for one in value]}
    raise TypeError(
        f"query(sql, params): a value of type {type(value).__name__} cannot be a parameter; use"
        " None, bool, int, float, str, Decimal, date, datetime, UUID or a list of those"
    )


OFFERED = {"query": query, "http": http, "CallRefused": CallRefused}
