"""The entry: runs one program text, and says how it ended.

What stands at the top of this module runs once, when the artifact is built; the memory that it
leaves is where every instance begins. This file must not know packages: `preload` does.
"""

from __future__ import annotations

import ast
import asyncio
import io
import json
import linecache
import os
import random
import sys
import tempfile
import time
import traceback
import types
from typing import Any

import wit_world
from wit_world import Outcome
from wit_world.imports import host

from sidecars.python.guest import calls, preload, refusals, values

NAME = "<program>"
WORK = "/work"
FLUSH_SECONDS = 0.1
FLUSH_CHARACTERS = 8_192
TRACEBACK_CHARACTERS_MAX = 20_000
FRAMES_MAX = 30
FRAMES_KEPT_MAX = 200
CAUSES_MAX = 20


class Loop(asyncio.SelectorEventLoop):
    """An event loop without the pipe to itself: no other thread could wake it."""

    def _make_self_pipe(self) -> None:
        self._ssock = self._csock = None

    def _close_self_pipe(self) -> None:
        pass

    def _write_to_self(self) -> None:
        pass


class Policy(asyncio.events._BaseDefaultEventLoopPolicy):  # type: ignore[name-defined,misc]
    """Makes `asyncio.run` use that loop."""

    _loop_factory = Loop


class Output(io.TextIOBase):
    """Standard output or error: what is written soon reaches the host, not at every call."""

    encoding = "utf-8"

    def __init__(self, channel: int) -> None:
        self._channel = channel
        self._pending: list[str] = []
        self._characters = 0
        self._flushed = float("-inf")

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        """Take text; returns its length."""
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        self._pending.append(text)
        self._characters += len(text)
        is_due = text.endswith("\n") and time.monotonic() - self._flushed > FLUSH_SECONDS
        if is_due or self._characters > FLUSH_CHARACTERS:
            self.flush()
        return len(text)

    def flush(self) -> None:
        """Hand over what is pending. A character that UTF-8 has not is replaced."""
        if self._pending:
            text = "".join(self._pending)
            self._pending, self._characters = [], 0
            host.emit(self._channel, text.encode("utf-8", "replace").decode("utf-8"))
        self._flushed = time.monotonic()


asyncio.events._set_event_loop_policy(Policy())  # type: ignore[attr-defined]
preload.everything()
refusals.install()
# Where the host mounts the standard library and the packages; this module itself is in memory.
sys.path[:] = ["/stdlib", "/1"]
_names: dict[str, Any] = {}


def _begin(arguments: str, seed: int) -> None:
    """A new program: fresh randomness, its folder, the names that it finds."""
    random.seed(seed)
    preload.seed(seed)
    sys.stdout, sys.stderr = Output(1), Output(2)
    sys.stdin = io.StringIO()
    os.chdir(WORK)
    tempfile.tempdir = WORK
    if not _names:
        module = types.ModuleType("__main__")
        sys.modules["__main__"] = module
        globals()["_names"] = module.__dict__
        module.__dict__.update(calls.OFFERED)
    _names["ARGUMENTS"] = json.loads(arguments)


def _execute(code: str) -> Any:
    """Run the text; the value of its last expression, None without one."""
    tree = ast.parse(code, NAME)
    last = None
    if tree.body and isinstance(tree.body[-1], ast.Expr):
        last = ast.Expression(tree.body.pop().value)  # type: ignore[attr-defined]
    exec(compile(tree, NAME, "exec"), _names)  # noqa: S102  this is what the sandbox is for
    return None if last is None else eval(compile(last, NAME, "eval"), _names)  # noqa: S307


def _own_frames_only(told: traceback.TracebackException | None) -> None:
    """Leave out what lies above and below the program's own lines, in causes too."""
    depth = 0
    while told is not None and depth < CAUSES_MAX:
        own = [frame for frame in told.stack if frame.filename == NAME]
        told.stack = traceback.StackSummary.from_list(own[-FRAMES_MAX:])
        told, depth = told.__cause__ or told.__context__, depth + 1


def _failed(error: BaseException) -> Outcome:
    """The outcome for an exception, with the lines of the program that led to it."""
    told = traceback.TracebackException.from_exception(error, limit=FRAMES_KEPT_MAX)
    _own_frames_only(told)
    text = "".join(told.format())
    if len(text) > TRACEBACK_CHARACTERS_MAX:
        text = (
            text[: TRACEBACK_CHARACTERS_MAX // 2] + "\n…\n" + text[-TRACEBACK_CHARACTERS_MAX // 2 :]
        )
    hint = refusals.hint(error)
    if hint:
        text += f"Hint: {hint}\n"
    return Outcome(type(error).__name__, text.encode("utf-8", "replace").decode("utf-8"), "null")


class WitWorld(wit_world.WitWorld):  # type: ignore[misc]
    """What the host calls."""

    def run(self, code: str, arguments: str, seed: int) -> Outcome:
        """See `sandbox.wit`."""
        linecache.cache[NAME] = (len(code), None, code.splitlines(True), NAME)
        try:
            _begin(arguments, seed)
            shown = values.shown(_execute(code))
            outcome = Outcome("", "", shown)
        except SystemExit as error:
            if error.code in (None, 0):
                outcome = Outcome("", "", "null")
            else:
                outcome = Outcome("SystemExit", f"SystemExit: {error.code}\n", "null")
        except BaseException as error:
            outcome = _failed(error)
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, Output):
                stream.flush()
        return outcome
