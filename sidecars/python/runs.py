"""Runs and sessions: who started what, how far it is, what came of it.

Every look-up takes the owner: another principal's run is as if it did not exist. This file must not
know HTTP.

Theory of operation. An intent is recorded, the run takes a worker, the program runs, the outcome
is recorded, the worker goes back. A session is a worker that is kept, with its instance and its
folder, for one principal's runs one after the other, until it is idle too long or something goes
wrong in it.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from policies.identity import Identity
from proxy.runtime.audit import AuditLog
from proxy.runtime.gate_address import GateAddress
from proxy.runtime.tasks import spawn
from sidecars.python import files
from sidecars.python.gate import Caller, Calls
from sidecars.python.limits import (
    EVENTS_MAX,
    FILES_KEPT_BYTES,
    RUN_KEPT_SECONDS,
    RUNS_KEPT,
    RunLimits,
)
from sidecars.python.pool import Busy, Pool, Program, Result, Worker
from sidecars.python.record import RunIntent, RunOutcome, principal_of

_CHANNELS = {1: "stdout", 2: "stderr"}

Owner = tuple[str, str, str]


def owner_of(identity: Identity) -> Owner:
    """Whose a run is: issuer, subject and acting agent, all three."""
    return (identity.issuer, identity.subject, identity.actor or "")


class NotFound(Exception):
    """There is no such run or session, or it is somebody else's: the same answer."""


class TooMany(Exception):
    """The principal has as much under way as is allowed; the message says what."""


@dataclass(frozen=True, slots=True)
class Request:
    """A run as it was asked for, checked."""

    code: str
    arguments: Mapping[str, Any]
    files: Mapping[str, bytes]
    limits: RunLimits
    session: str | None = None
    seed: int | None = None


@dataclass(slots=True)
class Run:
    """One run. `events` only grows, until `is_over`."""

    run_id: str
    owner: Owner
    session: str | None
    started: float = field(default_factory=time.monotonic)
    events: list[dict[str, Any]] = field(default_factory=list)
    texts: dict[str, list[str]] = field(default_factory=lambda: {"stdout": [], "stderr": []})
    files: dict[str, bytes] = field(default_factory=dict)
    result: Result | None = None
    duration_ms: float = 0.0
    output_bytes: int = 0
    news: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen."""
        return self.result is not None

    def tell(self, event: dict[str, Any]) -> None:
        """One more event for those who follow."""
        self.events.append(event)
        self.news.set()
        self.news = asyncio.Event()

    def emit(self, channel: int, text: str) -> None:
        """Output of the program. Text that adjoins text of the same channel becomes one event."""
        name = _CHANNELS[channel]
        self.texts[name].append(text)
        self.output_bytes += len(text.encode("utf-8", "replace"))
        last = self.events[-1] if self.events else {}
        is_full = len(self.events) >= EVENTS_MAX
        if is_full and last.get("event") == name:
            last["text"] += text
            self.tell_again()
        else:
            self.tell({"event": name, "text": text})

    def tell_again(self) -> None:
        """The last event has grown; whoever has it already misses the rest, which `GET` has."""
        self.news.set()
        self.news = asyncio.Event()

    def as_json(self) -> dict[str, Any]:
        """The whole, for an answer. Files by name and size; their contents are asked for."""
        content: dict[str, Any] = {
            "id": self.run_id,
            "session": self.session,
            "state": "ended" if self.is_over else "running",
            "stdout": "".join(self.texts["stdout"]),
            "stderr": "".join(self.texts["stderr"]),
        }
        if self.result is not None:
            content |= {
                "ok": not self.result.error,
                "error": _error(self.result),
                "result": _value(self.result),
                "files": [{"name": n, "bytes": len(c)} for n, c in self.files.items()],
                "duration_ms": round(self.duration_ms, 3),
            }
        return content


def _error(result: Result) -> dict[str, str] | None:
    if not result.error:
        return None
    return {"type": result.error[:200], "traceback": result.traceback}


def _value(result: Result) -> Any:
    """What the guest says its value is: its word, so only checked to be JSON."""
    try:
        return json.loads(result.value)
    except (ValueError, RecursionError):
        return None


@dataclass(slots=True)
class Session:
    """A worker kept for one principal. `used`: when its last run ended, in monotonic seconds."""

    session_id: str
    owner: Owner
    worker: Worker
    memory_bytes: int
    used: float
    alone: asyncio.Lock = field(default_factory=asyncio.Lock)
    is_over: bool = False


class Runs:
    """All runs and sessions of the service."""

    def __init__(
        self,
        pool: Pool,
        audit: AuditLog,
        gate: GateAddress,
        *,
        runs_per_principal: int,
        sessions_per_principal: int,
        session_idle_seconds: float,
    ) -> None:
        self._pool, self._audit, self._gate = pool, audit, gate
        self._runs_per_principal = runs_per_principal
        self._sessions_per_principal = sessions_per_principal
        self._session_idle_seconds = session_idle_seconds
        self._runs: OrderedDict[str, Run] = OrderedDict()
        self._sessions: dict[str, Session] = {}
        self._opening: Counter[Owner] = Counter()
        self._sweeping = spawn(self._sweep(), name="idle sessions")

    # Runs

    def find(self, identity: Identity, run_id: str) -> Run:
        """The principal's own run. Raises NotFound."""
        run = self._runs.get(run_id)
        if run is None or run.owner != owner_of(identity):
            raise NotFound(f"there is no run {run_id[:64]!r}")
        return run

    async def start(self, identity: Identity, caller: Caller, request: Request) -> Run:
        """Record the intent and begin. Raises TooMany, NotFound (its session), AuditFault."""
        owner = owner_of(identity)
        active = sum(1 for one in self._runs.values() if one.owner == owner and not one.is_over)
        if active >= self._runs_per_principal:
            raise TooMany(f"{active} runs of yours are under way, which is the most")
        session = None if request.session is None else self.session(identity, request.session)
        run = Run("run_" + secrets.token_hex(12), owner, request.session)
        self._runs[run.run_id] = run
        self._forget_old()
        intent = RunIntent(
            principal_of(identity),
            run.run_id,
            request.session,
            request.code,
            request.limits,
            {name: len(content) for name, content in request.files.items()},
        )
        try:
            intent_id = await self._audit.intent(intent)
        except BaseException:
            del self._runs[run.run_id]
            raise
        calls = Calls(self._gate, caller, request.limits)
        run.task = spawn(self._run(run, request, session, calls, intent_id), name=run.run_id)
        await asyncio.sleep(0)  # it has begun: a cancellation from here on is recorded as one
        return run

    async def _run(
        self, run: Run, request: Request, session: Session | None, calls: Calls, intent_id: int
    ) -> None:
        result = Result("Cancelled", "Cancelled: the run was cancelled\n", "null", False)
        try:
            if session is None:
                result = await self._in_fresh(run, request, calls)
            else:
                result = await self._in_session(run, request, session, calls)
        except Busy as error:
            result = Result("Busy", f"Busy: {error}\n", "null", True)
        except files.FileError as error:
            result = Result("FileError", f"FileError: {error}\n", "null", True)
        finally:
            run.duration_ms = (time.monotonic() - run.started) * 1000
            outcome = RunOutcome(
                run.run_id,
                result.error,
                run.duration_ms,
                run.output_bytes,
                calls.statements,
                calls.rows,
                {name: len(content) for name, content in run.files.items()},
            )
            try:
                await asyncio.shield(self._audit.outcome(intent_id, outcome))
            finally:
                run.result = result
                run.tell({"event": "ended", **run.as_json()})

    async def _in_fresh(self, run: Run, request: Request, calls: Calls) -> Result:
        worker = await self._pool.take()
        is_usable = False
        try:
            result = await self._in_worker(run, request, worker, calls, keep=False)
            is_usable = result.is_usable
            return result
        finally:
            await asyncio.shield(self._pool.give_back(worker, is_usable=is_usable))

    async def _in_session(
        self, run: Run, request: Request, session: Session, calls: Calls
    ) -> Result:
        async with session.alone:
            if session.is_over:
                return Result("SessionEnded", "SessionEnded: the session is over\n", "null", False)
            is_usable = False
            try:
                result = await self._in_worker(run, request, session.worker, calls, keep=True)
                is_usable = result.is_usable
                return result
            finally:
                session.used = time.monotonic()
                if not is_usable:
                    await asyncio.shield(self._end(session))

    async def _in_worker(
        self, run: Run, request: Request, worker: Worker, calls: Calls, *, keep: bool
    ) -> Result:
        before = await asyncio.to_thread(files.write, worker.work, request.files)
        program = Program(
            request.code, json.dumps(dict(request.arguments)), request.limits, request.seed, keep
        )
        result = await worker.run(program, run.emit, calls.answer)
        run.files = await asyncio.to_thread(files.changed, worker.work, before, request.limits)
        return result

    async def follow(self, run: Run) -> AsyncIterator[dict[str, Any]]:
        """All events from the first, those to come as they come."""
        told = 0
        while True:
            news = run.news
            while told < len(run.events):
                yield run.events[told]
                told += 1
            if run.is_over and told >= len(run.events):
                return
            await news.wait()

    async def cancel(self, run: Run) -> None:
        """End a run, by killing its worker. One that is over stays as it is."""
        if run.task is not None and not run.is_over:
            run.task.cancel()
            await asyncio.gather(run.task, return_exceptions=True)

    def _forget_old(self) -> None:
        """Finished runs go after a while, each principal's oldest first when there are too many."""
        now = time.monotonic()
        kept: Counter[Owner] = Counter()
        kept_bytes: Counter[Owner] = Counter()
        for run in list(reversed(self._runs.values())):
            if not run.is_over:
                continue
            kept[run.owner] += 1
            is_old = run.started + run.duration_ms / 1000 + RUN_KEPT_SECONDS < now
            if is_old or kept[run.owner] > RUNS_KEPT:
                del self._runs[run.run_id]
                continue
            kept_bytes[run.owner] += sum(map(len, run.files.values()))
            if kept_bytes[run.owner] > FILES_KEPT_BYTES:
                run.files = {}

    # Sessions

    def session(self, identity: Identity, session_id: str) -> Session:
        """The principal's own session. Raises NotFound."""
        session = self._sessions.get(session_id)
        if session is None or session.owner != owner_of(identity):
            raise NotFound(f"there is no session {session_id[:64]!r}: it is over, or never was")
        return session

    async def open_session(self, identity: Identity, limits: RunLimits) -> Session:
        """Raises TooMany, Busy."""
        owner = owner_of(identity)
        own = sum(1 for one in self._sessions.values() if one.owner == owner)
        if own + self._opening[owner] >= self._sessions_per_principal:
            raise TooMany(f"{own} sessions of yours are open, which is the most")
        self._opening[owner] += 1
        try:
            worker = await self._pool.take()
        finally:
            self._opening[owner] -= 1
        session_id = "ses_" + secrets.token_hex(12)
        session = Session(session_id, owner, worker, limits.memory_bytes, time.monotonic())
        self._sessions[session_id] = session
        return session

    async def close_session(self, session: Session) -> None:
        """End it; what runs in it is cancelled."""
        for run in list(self._runs.values()):
            if run.session == session.session_id:
                await self.cancel(run)
        await self._end(session)

    async def _end(self, session: Session) -> None:
        if not session.is_over:
            session.is_over = True
            self._sessions.pop(session.session_id, None)
            await self._pool.give_back(session.worker, is_usable=False)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(min(1.0, self._session_idle_seconds / 4))
            self._forget_old()
            oldest = time.monotonic() - self._session_idle_seconds
            for session in list(self._sessions.values()):
                if session.used < oldest and not session.alone.locked():
                    await self._end(session)

    async def close(self) -> None:
        """Cancel everything."""
        self._sweeping.cancel()
        for run in list(self._runs.values()):
            await self.cancel(run)
        for session in list(self._sessions.values()):
            await self._end(session)
        await asyncio.gather(self._sweeping, return_exceptions=True)
