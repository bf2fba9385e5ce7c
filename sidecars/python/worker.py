"""The process around one sandbox: `python -m sidecars.python.worker DESCRIPTOR JSON`.

It gets programs over one inherited socket and tells what they do, until that closes. It must not
know who they belong to, and has nothing to give away: no environment, no credentials, no network.
Whoever started it kills it when it does not answer.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sidecars.python import confine, frames
from sidecars.python.frames import FrameError
from sidecars.python.sandbox import (
    NATIVE_STACK_BYTES,
    CallFailed,
    Ended,
    Folders,
    Guest,
    LimitReached,
    Sandbox,
)

MODULE = "sidecars.python.worker"


class Worker:
    """Answers `run` messages one after the other. `keep` asks to go on with the last instance."""

    def __init__(self, connection: socket.socket, told: Mapping[str, str]) -> None:
        """`told`: the paths `native`, `stdlib` and `site`."""
        self._connection = connection
        self._sandbox = Sandbox(Path(told["native"]))
        self._stdlib, self._site = Path(told["stdlib"]), Path(told["site"])
        self._guest: Guest | None = None
        self._output_left = 0
        self._calls_left = 0

    def serve(self, walls: Sequence[str]) -> None:
        """Until the connection ends."""
        self._send({"ready": list(walls)})
        while True:
            try:
                message = frames.receive(self._connection)
            except FrameError:
                return
            ended = self._run(message)
            self._send(
                {
                    "ended": {
                        "error": ended.error,
                        "traceback": ended.traceback,
                        "value": ended.value,
                        "is_usable": ended.is_usable,
                        "memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
                    }
                }
            )

    def _run(self, message: Mapping[str, Any]) -> Ended:
        self._output_left = message["output_bytes"]
        self._calls_left = message["host_calls"]
        _limit_files(message["files_bytes"])
        if not message["keep"] or self._guest is None:
            self._guest = None  # its memory goes before that of the next one comes
            work, exchange = Path(message["work"]), Path(message["exchange"])
            folders = Folders(self._stdlib, self._site, work, exchange)
            memory = message["memory_bytes"]
            self._guest = Guest(self._sandbox, folders, memory, self._emit, self._call)
        ended = self._guest.run(
            message["code"],
            message["arguments"],
            message["wall_seconds"],
            message["cpu_seconds"],
            message["seed"],
        )
        if not ended.is_usable or not message["keep"]:
            self._guest = None
        return ended

    def _emit(self, channel: int, text: str) -> None:
        size = len(text.encode())
        if size > self._output_left:
            raise LimitReached("output_bytes")
        self._output_left -= size
        self._send({"out": [2 if channel == 2 else 1, text]})

    def _call(self, name: str, arguments: Mapping[str, Any]) -> str:
        if self._calls_left <= 0:
            raise LimitReached("host_calls")
        self._calls_left -= 1
        self._send({"call": name[:100], "arguments": arguments})
        try:
            answer = frames.receive(self._connection)
        except FrameError:
            raise LimitReached("wall_seconds") from None
        if "refused" in answer:
            raise CallFailed(str(answer["refused"]))
        return str(answer["answer"])

    def _send(self, message: Mapping[str, object]) -> None:
        try:
            content = frames.encode(message)
        except ValueError:
            raise CallFailed("the arguments of the call are too long") from None
        self._connection.sendall(content)


def _limit_files(size: int) -> None:
    """Of one file of this run; more answers EFBIG, for Python ignores the signal."""
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))


def main(arguments: Sequence[str]) -> int:
    """Serve until the socket closes. Returns the exit code."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    connection = socket.socket(fileno=int(arguments[0]))
    connection.settimeout(None)
    told = json.loads(arguments[1])
    walls = confine.confine()
    os.environ.clear()
    failed: list[BaseException] = []

    def serve() -> None:
        try:
            Worker(connection, told).serve(walls)
        except BaseException as error:
            failed.append(error)
            raise

    threading.stack_size(NATIVE_STACK_BYTES)
    serving = threading.Thread(target=serve)
    serving.start()
    serving.join()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
