"""One reader of files from the outside: a process, its two pipes, and its end.

It must not know queries or policy. The process holds no credential, gets no environment of ours and
is killed, never asked, when its work is not wanted any more.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
import tempfile
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from proxy.faults import Fault, LimitFault, SourceFault
from proxy.files import frames
from proxy.files.frames import FileTable, Trouble

START_SECONDS_MAX: Final = 30.0
"""Importing DuckDB and Arrow takes a second on an idle machine."""

_ROOT: Final = Path(__file__).resolve().parent.parent.parent

_TOLD: Final = {
    Trouble.UNREADABLE: ("58030", "a file of it is not whole, or not of its format"),
    Trouble.SCHEMA: ("55000", "a file of it has other columns than the catalog knows"),
    Trouble.VALUE: ("22000", "a value does not fit the type of its column"),
    Trouble.CHANGED: ("40001", "a file of it changed while it was read"),
    Trouble.MISSING: ("58P01", "there is no file of it"),
    Trouble.TOO_LARGE: ("54000", "a file of it is larger unpacked than it may be"),
    Trouble.BROKEN: ("58000", "its reader failed"),
}


@dataclass(frozen=True, slots=True)
class ReaderOptions:
    """A folder and what each of its readers may use. `threads` of DuckDB; sizes in bytes."""

    name: str
    folder: Path
    memory_bytes_max: int
    temporary_bytes_max: int
    threads: int
    statement_seconds_max: float


class Reader:
    """A running reader; see `start`. One request at a time."""

    def __init__(
        self, options: ReaderOptions, process: asyncio.subprocess.Process, scratch: Path
    ) -> None:
        self._options = options
        self._process = process
        self._scratch = scratch
        self._is_busy = False
        self._is_usable = True

    def __repr__(self) -> str:
        return f"<Reader {self._options.name!r} pid={self._process.pid}>"

    @staticmethod
    async def start(options: ReaderOptions) -> Reader:
        """A reader that has locked its door. Raises SourceFault 08006."""
        scratch = Path(tempfile.mkdtemp(prefix="sallyport-files-"))
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "proxy.files",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            cwd=_ROOT,
            env={"HOME": str(scratch), "LC_ALL": "C.UTF-8"},
            start_new_session=True,  # the terminal's Ctrl-C is for the gate, which drains
        )
        reader = Reader(options, process, scratch)
        try:
            async with asyncio.timeout(START_SECONDS_MAX):
                await reader._send(
                    {
                        "root": str(options.folder),
                        "scratch": str(scratch),
                        "memory": options.memory_bytes_max,
                        "temporary": options.temporary_bytes_max,
                        "threads": options.threads,
                    }
                )
                kind, content = await reader._frame()
        except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
            reader.abort()
            raise SourceFault("the source is unreachable", sqlstate="08006") from error
        except BaseException:
            reader.abort()
            raise
        if kind != frames.READY:
            reader.abort()
            reason = RuntimeError(f"its reader refused to start: {content.decode()}")
            raise SourceFault("the source is unreachable", sqlstate="08006") from reason
        return reader

    @property
    def is_usable(self) -> bool:
        """Whether another request may be sent."""
        return self._is_usable and not self._is_busy and self.is_running

    @property
    def is_running(self) -> bool:
        """Whether its process has not ended yet."""
        return self._process.returncode is None

    def abort(self) -> None:
        """End it now, whatever it does."""
        self._is_usable = False
        with suppress(ProcessLookupError):
            self._process.kill()
        shutil.rmtree(self._scratch, ignore_errors=True)

    async def ended(self) -> None:
        """Wait until its process is gone and the pipes are closed, once it was aborted."""
        stdin = self._process.stdin
        assert stdin is not None, "a pipe was asked for"
        stdin.close()
        await self._process.wait()
        with suppress(OSError):
            await stdin.wait_closed()

    async def tables(self) -> list[FileTable]:
        """What the folder holds. Raises SourceFault, LimitFault."""
        async with aclosing(self._asked({"do": "tables"}, "")) as answers:
            async for kind, content in answers:
                if kind == frames.TABLES:
                    return [FileTable.from_json(one) for one in json.loads(content)]
        raise self._fault(Trouble.BROKEN, "")

    async def read(
        self, request: dict[str, object], table: str
    ) -> AsyncGenerator[tuple[int, bytes], None]:
        """Rows of a query as CSV, with their count; `table` is named in errors.

        Whoever stops early ends the reader. Raises SourceFault, LimitFault.
        """
        async with aclosing(self._asked({"do": "read", **request}, table)) as answers:
            async for kind, content in answers:
                if kind == frames.ROWS:
                    (count,) = frames.COUNT.unpack_from(content)
                    yield count, content[frames.COUNT.size :]

    async def _asked(
        self, request: dict[str, object], table: str
    ) -> AsyncGenerator[tuple[bytes, bytes], None]:
        assert self.is_usable, "one request at a time"
        self._is_busy = True
        is_whole = False
        try:
            await self._send(request)
            while True:
                kind, content = await self._frame()
                if kind == frames.FAULT:
                    is_whole = True
                    raise self._fault(Trouble(json.loads(content)["is"]), table)
                is_whole = kind in (frames.DONE, frames.TABLES)
                yield kind, content
                if is_whole:
                    return
        except (OSError, asyncio.IncompleteReadError, ValueError, KeyError) as error:
            # Killed by the kernel for its memory, most likely: its limits are hard.
            raise self._fault(Trouble.BROKEN, table) from error
        finally:
            self._is_busy = False
            if not is_whole:
                self.abort()

    async def _send(self, content: dict[str, Any]) -> None:
        stdin = self._process.stdin
        assert stdin is not None, "a pipe was asked for"
        stdin.write(frames.request(content))
        await stdin.drain()

    async def _frame(self) -> tuple[bytes, bytes]:
        stdout = self._process.stdout
        assert stdout is not None, "a pipe was asked for"
        async with asyncio.timeout(self._options.statement_seconds_max):
            kind, length = frames.HEADER.unpack(await stdout.readexactly(frames.HEADER.size))
            if length > frames.FRAME_BYTES_MAX:
                raise ValueError("a frame beyond its limit")
            return kind, await stdout.readexactly(length)

    def _fault(self, trouble: Trouble, table: str) -> Fault:
        """What a client is told: which source and table, and what kind of trouble; no value."""
        subject = f'source "{self._options.name}"' + (f", table {table}" if table else "")
        if trouble is Trouble.MEMORY:
            return LimitFault(
                f"{subject}: reading it needs more memory or temporary space than it may use",
                sqlstate="53200",
            )
        sqlstate, words = _TOLD[trouble]
        return SourceFault(f"{subject}: {words}", sqlstate=sqlstate)
