"""`query` of a program: one statement through the SQL gate, as the person who started the run.

This file must not know runs. INVARIANT I8: the token leaves its `Secret` here, as the password of
one login, and never enters the sandbox. There is no other credential.
"""

from __future__ import annotations

import asyncio
import datetime
import decimal
import json
import ssl
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg

from policies.secret import Secret
from proxy.runtime.gate_address import GateAddress
from sidecars.python.columns import Columns, TooLarge
from sidecars.python.limits import RunLimits
from sidecars.python.pool import Refused

APPLICATION_NAME = "sallyport-python"
CONNECT_SECONDS_MAX = 15.0
BATCH_ROWS = 5_000
STATEMENT_CHARACTERS_MAX = 100_000
PARAMETERS_MAX = 100

_NOT_OFFERED = {
    "http": "http(...) is not available in this version: use query(sql, params) for data, or send"
    " files with the run",
}


@dataclass(slots=True)
class Caller:
    """Who started a run: the token as it came, and the name to log in with."""

    token: Secret[str] = field(repr=False)
    user: str


class Calls:
    """The host calls of one run. `statements` and `rows` count what was done."""

    def __init__(self, address: GateAddress, caller: Caller, limits: RunLimits) -> None:
        self._address, self._caller, self._limits = address, caller, limits
        self._ends = asyncio.get_running_loop().time() + limits.wall_seconds
        self.statements = 0
        self.rows = 0

    async def answer(self, name: str, arguments: Mapping[str, Any], exchange: Path) -> str:
        """JSON for the program. Raises Refused with what it should do instead."""
        if name in _NOT_OFFERED:
            raise Refused(_NOT_OFFERED[name])
        if name != "query":
            raise Refused(f"there is no call {name!r}; there is query(sql, params)")
        sql, params = arguments.get("sql"), arguments.get("params")
        if not isinstance(sql, str) or not isinstance(params, list):
            raise Refused("query(sql, params) needs a text and a list")
        if len(sql) > STATEMENT_CHARACTERS_MAX or len(params) > PARAMETERS_MAX:
            raise Refused(
                f"a statement has at most {STATEMENT_CHARACTERS_MAX} characters and"
                f" {PARAMETERS_MAX} parameters"
            )
        values = [parameter(one) for one in params]
        self.statements += 1
        remaining = self._ends - asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(max(remaining, 0)):
                columns = await self._rows(sql, values)
        except TimeoutError:
            raise Refused("the run's time was over before the statement ended") from None
        except TooLarge as error:
            raise Refused(str(error)) from None
        self.rows += columns.rows
        file = f"{self.statements}.columns"
        await asyncio.to_thread(_write, exchange, file, columns)
        return json.dumps({"file": file})

    async def _rows(self, sql: str, values: list[Any]) -> Columns:
        try:
            connection = await self._connect()
        except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise Refused(f"the gate refused the login: {error}") from None
        except (OSError, ssl.SSLError):
            raise Refused("the SQL gate cannot be reached now") from None
        try:
            return await self._fetch(connection, sql, values)
        except asyncpg.PostgresError as error:
            raise Refused(_told(error)) from None
        except (asyncpg.InterfaceError, ValueError, TypeError, OverflowError) as error:
            raise Refused(f"the statement or its parameters cannot be used: {error}") from None
        except OSError:
            raise Refused("the connection to the SQL gate broke") from None
        finally:
            connection.terminate()

    async def _connect(self) -> Any:
        return await asyncpg.connect(
            host=self._address.host,
            port=self._address.port,
            user=self._caller.user,
            password=self._caller.token.reveal(),
            database=self._address.database,
            ssl=self._address.tls_context() or False,
            timeout=CONNECT_SECONDS_MAX,
            server_settings={"application_name": APPLICATION_NAME},
        )

    async def _fetch(self, connection: Any, sql: str, values: list[Any]) -> Columns:
        statement = await connection.prepare(sql)
        attributes = statement.get_attributes()
        names, types = [one.name for one in attributes], [one.type.name for one in attributes]
        columns = Columns(names, types, self._limits.query_bytes)
        if not attributes:
            await statement.fetch(*values)
            return columns
        async with connection.transaction(readonly=True):
            cursor = await statement.cursor(*values)
            while rows := await cursor.fetch(BATCH_ROWS):
                columns.add(rows)
                if columns.rows > self._limits.query_rows:
                    raise TooLarge(
                        f"the result has more than {self._limits.query_rows} rows: aggregate in SQL"
                        " or add a LIMIT"
                    )
        return columns


def parameter(value: Any) -> Any:
    """A value as the driver wants it; `guest/calls.py` tags what JSON has no type for.

    Raises Refused.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, dict) and len(value) == 1:
        [(tag, content)] = value.items()
        try:
            if tag == "array":
                return [parameter(one) for one in content]
            return _TAGS[tag](content)
        except (KeyError, ValueError, TypeError, ArithmeticError, RecursionError):
            pass
    raise Refused("a parameter of query(sql, params) has a form that is not known")


_TAGS: dict[str, Any] = {
    "decimal": decimal.Decimal,
    "timestamp": datetime.datetime.fromisoformat,
    "date": datetime.date.fromisoformat,
    "uuid": uuid.UUID,
}


def _told(error: asyncpg.PostgresError) -> str:
    """The gate's own words, with its hint."""
    parts = [f"{error.sqlstate}: {error}"]
    parts += [
        f"{name}: {text}" for name in ("detail", "hint") if (text := getattr(error, name, None))
    ]
    return "\n".join(parts)


def _write(exchange: Path, file: str, columns: Columns) -> None:
    (exchange / file).write_bytes(columns.encode())
