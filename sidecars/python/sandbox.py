"""The WebAssembly engine and one program's instance in it: used inside a worker process only.

An instance has no way out but the two functions of `guest/sandbox.wit` and the folders mounted for
it. It is made anew for each run, or kept for one session. This file must not know principals,
processes or HTTP.

Theory of operation. Interruption by epochs: a store may run until the engine's epoch moves, and a
watching thread moves it when the wall or processor time is over. Deep but legal recursion needs a
large stack: CPython measures its own stack in linear memory, and must see that end first.
"""

from __future__ import annotations

import ctypes
import json
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import wasmtime
from wasmtime import _ffi
from wasmtime.component import Component, Linker, Variant

STACK_BYTES = 64 * 1024 * 1024
NATIVE_STACK_BYTES = STACK_BYTES + 16 * 1024 * 1024
"""Of the thread that runs guests: the engine's stack lies in it."""

TICK_SECONDS = 0.01
INSTANCES_MAX = 2_000
TABLES_MAX = 2_000
TABLE_ELEMENTS_MAX = 1_000_000
MEMORIES_MAX = 4
TRAP_CHARACTERS_MAX = 300
INTERFACE = "sallyport:sandbox/host@1.0.0"

STDLIB, SITE, WORK, EXCHANGE = "stdlib", "1", "work", "exchange"
"""Names of the mounted folders; `1` is what the build tool calls the packages' folder."""


@dataclass(frozen=True, slots=True)
class Folders:
    """What a guest sees of the file system: `work` to write in, the others to read."""

    stdlib: Path
    site: Path
    work: Path
    exchange: Path


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended: `error` empty for success; `value` is JSON text."""

    error: str
    traceback: str
    value: str
    is_usable: bool = True
    """Whether the instance can run another program."""


class LimitReached(Exception):
    """Raised in a host function to end the program."""


def engine() -> wasmtime.Engine:
    """The one configuration: what is compiled with it loads only with it."""
    config = wasmtime.Config()
    config.wasm_component_model = True
    config.epoch_interruption = True
    config.memory_init_cow = True
    # The binding has no setter for this, and the stack must not be larger than it.
    setter = _ffi.dll.wasmtime_config_async_stack_size_set
    setter.argtypes, setter.restype = [ctypes.c_void_p, ctypes.c_uint64], None
    setter(ctypes.cast(config.ptr(), ctypes.c_void_p), STACK_BYTES + 2 * 1024 * 1024)
    config.max_wasm_stack = STACK_BYTES
    return wasmtime.Engine(config)


def compiled(wasm: Path) -> bytes:
    """The component as native code for this machine: half a minute of both cores."""
    return bytes(Component.from_file(engine(), str(wasm)).serialize())


class Watch:
    """Ends a program whose time is over, by moving the engine's epoch."""

    def __init__(self, moved: wasmtime.Engine) -> None:
        self._engine = moved
        self._wall: float | None = None
        self._cpu = 0.0
        self.reason = ""
        threading.Thread(target=self._run, name="watch", daemon=True).start()

    def begin(self, wall_seconds: float, cpu_seconds: float) -> None:
        """From now on."""
        self.reason = ""
        self._cpu = time.process_time() + cpu_seconds
        self._wall = time.monotonic() + wall_seconds

    def end(self) -> None:
        """The program ended by itself."""
        self._wall = None

    def _run(self) -> None:
        while True:
            time.sleep(TICK_SECONDS)
            wall = self._wall
            if wall is None:
                continue
            if time.monotonic() > wall:
                self.reason = "wall_seconds"
            elif time.process_time() > self._cpu:
                self.reason = "cpu_seconds"
            if self.reason:
                self._engine.increment_epoch()


class Guest:
    """One instance, with its memory. Not for two threads."""

    def __init__(
        self,
        sandbox: Sandbox,
        folders: Folders,
        memory_bytes: int,
        emit: Callable[[int, str], None],
        call: Callable[[str, Mapping[str, Any]], str],
    ) -> None:
        """`emit` gets what the program writes and may raise LimitReached; `call` answers its calls
        with JSON, raises CallFailed for a refusal."""
        self._sandbox = sandbox
        self._emit, self._call = emit, call
        store = wasmtime.Store(sandbox.engine)
        store.set_limits(
            memory_size=memory_bytes,
            table_elements=TABLE_ELEMENTS_MAX,
            instances=INSTANCES_MAX,
            tables=TABLES_MAX,
            memories=MEMORIES_MAX,
        )
        store.set_epoch_deadline(1)
        wasi = wasmtime.WasiConfig()
        for path, name in ((folders.stdlib, STDLIB), (folders.site, SITE)):
            wasi.preopen_dir(str(path), name, False)
        wasi.preopen_dir(str(folders.exchange), EXCHANGE, False)
        wasi.preopen_dir(str(folders.work), WORK, True)
        store.set_wasi(wasi)
        self._store = store
        linker = Linker(sandbox.engine)
        linker.add_wasip2()
        with linker.root() as root, root.add_instance(INTERFACE) as host:
            host.add_func("emit", self._on_emit)
            host.add_func("call", self._on_call)
        self._linker = linker
        self._instance = linker.instantiate(store, sandbox.component)

    def _on_emit(self, store: object, channel: int, text: str) -> None:
        self._emit(channel, text)

    def _on_call(self, store: object, name: str, arguments: str) -> Variant:
        try:
            content = json.loads(arguments)
            if not isinstance(content, dict):
                raise CallFailed("the arguments of a call must be a JSON object")
            return Variant("ok", self._call(name, content))
        except (CallFailed, ValueError, RecursionError) as error:
            told = str(error) if isinstance(error, CallFailed) else "the arguments are not JSON"
            return Variant("err", told)

    def run(
        self, code: str, arguments: str, wall_seconds: float, cpu_seconds: float, seed: int | None
    ) -> Ended:
        """Run one program. `seed` None: fresh randomness."""
        self._store.set_epoch_deadline(1)
        function = self._instance.get_func(self._store, "run")
        assert function is not None
        watch = self._sandbox.watch
        watch.begin(wall_seconds, cpu_seconds)
        try:
            outcome = function(
                self._store, code, arguments, secrets.randbits(63) if seed is None else seed
            )
        except LimitReached as reached:
            return _ended_by(str(reached))
        except (wasmtime.WasmtimeError, wasmtime.Trap) as error:
            return _trapped(str(error), watch.reason)
        finally:
            watch.end()
        return Ended(outcome.error, outcome.traceback, outcome.value)


class CallFailed(Exception):
    """A host call is refused; the message is for the program."""


class Sandbox:
    """One process's engine and the loaded environment."""

    def __init__(self, native: Path) -> None:
        """`native`: what `compiled` made, on this machine. Raises WasmtimeError."""
        self.engine = engine()
        self.component = Component.deserialize_file(self.engine, str(native))
        self.watch = Watch(self.engine)


def _ended_by(limit: str) -> Ended:
    return Ended(
        "LimitReached", f"LimitReached: {limit}: this limit of the run is used up\n", "null", False
    )


def _trapped(text: str, reason: str) -> Ended:
    """A program that the engine ended: its instance is of no further use."""
    if "wasm trap: interrupt" in text:
        return _ended_by(reason or "wall_seconds")
    if "call stack exhausted" in text:
        told = "RecursionError: the program's calls are nested too deep\n"
        return Ended("RecursionError", told, "null", False)
    what = (
        text.strip().splitlines()[-1][-TRAP_CHARACTERS_MAX:] if text.strip() else "no reason told"
    )
    told = f"SandboxTrap: the interpreter itself failed, and only this run with it: {what}\n"
    return Ended("SandboxTrap", told, "null", False)
