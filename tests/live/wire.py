"""A raw client: messages out, messages in, no driver between, for what drivers never send."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from proxy.wire import backend, frontend
from proxy.wire.backend import BackendMessage
from proxy.wire.batch import CopyBatch, RowBatch
from proxy.wire.protocol import ClientProtocol
from proxy.wire.startup import VERSION_3_0, Version

ANSWER_SECONDS_MAX = 20.0

Message = BackendMessage | RowBatch | CopyBatch


@dataclass
class RawClient:
    """One connection, authenticated with a cleartext password or trusted."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    protocol: ClientProtocol
    greeting: list[Message]

    @classmethod
    async def open(
        cls,
        address: tuple[str, int] | Path,
        parameters: dict[str, str],
        password: str = "",
        version: Version = VERSION_3_0,
    ) -> RawClient:
        """Connect and go through the start-up; `greeting` is what came up to ReadyForQuery."""
        if isinstance(address, Path):
            reader, writer = await asyncio.open_unix_connection(str(address))
        else:
            reader, writer = await asyncio.open_connection(*address)
        client = cls(reader, writer, ClientProtocol(), [])
        client.write(frontend.StartupMessage(version, parameters))
        while True:
            messages = await client.read_some()
            client.greeting += messages
            if any(isinstance(m, backend.AuthenticationCleartextPassword) for m in messages):
                client.write(frontend.PasswordMessage(password))
            if any(isinstance(m, backend.AuthenticationSASL) for m in messages):
                raise NotImplementedError("SCRAM")
            ending = (backend.ReadyForQuery, backend.ErrorResponse)
            if any(isinstance(message, ending) for message in messages):
                return client

    def write(self, *messages: frontend.FrontendMessage | bytes) -> None:
        """Send messages, or bytes as they are."""
        for message in messages:
            self.writer.write(message if isinstance(message, bytes) else message.encode())

    async def read_some(self) -> list[Message]:
        """What the next bytes complete; raises EOFError at the end."""
        async with asyncio.timeout(ANSWER_SECONDS_MAX):
            data = await self.reader.read(65536)
        if not data:
            raise EOFError
        return list(self.protocol.receive_data(data))

    async def converse(
        self, messages: Sequence[frontend.FrontendMessage | bytes], readies: int = 1
    ) -> list[Message]:
        """Send, and read up to the given number of ReadyForQuery, or the end."""
        self.write(*messages)
        found: list[Message] = []
        while sum(isinstance(message, backend.ReadyForQuery) for message in found) < readies:
            try:
                found += await self.read_some()
            except EOFError:
                break
        return found

    def close(self) -> None:
        """Cut."""
        self.writer.close()


def told(messages: Sequence[Message]) -> list[str]:
    """What a client can see of an answer, one line per message; OIDs of tables left out."""
    lines: list[str] = []
    rows: list[str] = []
    for message in messages:
        if isinstance(message, RowBatch):
            rows += [f"DataRow {row}" for row in message.rows()]
            continue
        if rows:
            lines += rows
            rows = []
        match message:
            case backend.ErrorResponse() | backend.NoticeResponse():
                kind = type(message).__name__
                position = message.fields.get("P", "")
                lines.append(
                    f"{kind} {message.fields['S']} {message.sqlstate} {message.message} {position}"
                )
            case backend.RowDescription():
                fields = [(f.name, f.type_oid, f.type_modifier, f.format) for f in message.fields]
                lines.append(f"RowDescription {fields}")
            case CopyBatch():
                lines += [f"CopyData {piece!r}" for piece in message.portions()]
            case _:
                lines.append(repr(message))
    return lines + rows
