"""AuditLog: what the gate and the sidecars call. Async front of one `Appender`.

This file must not know file formats. Two modes of one promise (INVARIANT I6):

    strict  a call returns when its record is on the device. Records that arrive during a sync go
            out together with the next one: one fdatasync per batch, whatever its size.
    fast    a call returns when its record is in the kernel; a sync follows within 50 ms. A crash of
            this process loses nothing, a crash of the machine at most that.

`post` is for who cannot wait: the record is written together with all others of this turn of the
event loop, and `then` is called once it is where the mode wants it. An outcome that was posted and
whose turn a crash cuts short is lost like one that never came about: its intent stands.

Theory of operation. `healthy` until a system call fails, then `failed`: intents, refusals and
openings are refused with an AuditFault (I5) while a probe tries every `PROBE_SECONDS`; what has
already happened (outcomes, closings) is kept in memory, up to a limit, and written first when the
disk is back, behind a Recovery record. Nothing restarts.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

import structlog

from proxy.faults import Fault
from proxy.runtime.audit.appender import Appender, encode
from proxy.runtime.audit.disk import Disk
from proxy.runtime.audit.events import Event, Recovery, TextForm, clear_text, redacted_text
from proxy.runtime.audit.frame import HEADER_BYTES
from proxy.runtime.tasks import spawn

Mode = Literal["strict", "fast"]

SEGMENT_BYTES_MAX_DEFAULT = 64 * 1024 * 1024
# Half of the 50 ms that `fast` promises; the other half is for the sync itself.
FAST_SYNC_DELAY_SECONDS = 0.025
# A device that takes longer than this for one sync counts as failed.
SYNC_SECONDS_MAX = 10.0
PROBE_SECONDS = 0.5
BATCH_RECORDS_MAX = 1024
BATCH_BYTES_MAX = 16 * 1024 * 1024
# More callers than this waiting for one disk: refuse instead of queueing (about 100 batches).
WAITING_RECORDS_MAX = 100_000
# Records kept while the disk is unusable: an outcome is some 400 bytes, so about 4 MB.
DEFERRED_RECORDS_MAX = 10_000
UNSYNCED_BYTES_MAX = 64 * 1024 * 1024

_DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})

Then = Callable[[int, "AuditFault | None"], None]
"""Called with the record's number, or with 0 and why there is none."""

_logger = structlog.get_logger("audit")
_Result = TypeVar("_Result")


class AuditFault(Fault):
    """The log cannot be written, so nothing new is allowed: 53100 disk full, otherwise 58030."""

    sqlstate = "58030"


@dataclass(slots=True)
class _Waiting:
    payload: bytes
    acknowledged: asyncio.Future[int]
    must_survive: bool


@dataclass(slots=True)
class _Posted:
    payload: bytes
    then: Then | None


class AuditLog:
    """The log of one process. Open with `AuditLog.open`, close with `close`; one event loop."""

    def __init__(
        self,
        appender: Appender,
        directory: Path,
        mode: Mode,
        *,
        redact_literals: bool,
        segment_bytes_max: int,
        clock: Callable[[], float],
        disk: Disk,
    ) -> None:
        self._appender = appender
        self._directory = directory
        self._mode = mode
        self._text = redacted_text if redact_literals else clear_text
        self._segment_bytes_max = segment_bytes_max
        self._clock = clock
        self._disk = disk
        # One thread: appends and syncs of `strict` never overtake each other.
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="audit")
        self._waiting: deque[_Waiting] = deque()
        self._deferred: deque[bytes] = deque()
        self._posted: list[_Posted] = []
        self._dropped = 0
        self._failure: OSError | None = None
        self._committing: asyncio.Task[None] | None = None
        self._syncing: asyncio.Task[None] | None = None
        self._probing: asyncio.Task[None] | None = None
        self._stuck: asyncio.Future[Any] | None = None
        self._is_closed = False

    @classmethod
    async def open(
        cls,
        directory: Path,
        mode: Mode,
        *,
        redact_literals: bool = False,
        process: str = "gate",
        segment_bytes_max: int = SEGMENT_BYTES_MAX_DEFAULT,
        clock: Callable[[], float] = time.time,
        disk: Disk | None = None,
    ) -> Self:
        """Open `directory/process`, which one process at a time may have, and go on with its chain.

        Inputs: `clock` in Unix seconds, `segment_bytes_max` after which the next segment begins.
        Raises AuditFault if the directory cannot be written or is in use.
        """
        disk = disk or Disk()
        place = directory / process
        try:
            appender = await asyncio.to_thread(Appender.open, place, disk)
        except BlockingIOError as error:
            raise AuditFault(f"audit directory is in use by another process: {place}") from error
        except OSError as error:
            raise _fault(error) from error
        log = cls(
            appender,
            place,
            mode,
            redact_literals=redact_literals,
            segment_bytes_max=max(segment_bytes_max, HEADER_BYTES),
            clock=clock,
            disk=disk,
        )
        if appender.recovered is not None:
            _logger.warning("audit log recovered", reason=appender.recovered.reason)
            try:
                await log.record(appender.recovered)
            except AuditFault:
                await log.close()
                raise
        return log

    @property
    def failure(self) -> str | None:
        """Why nothing can be written now, None while healthy."""
        return None if self._failure is None else str(self._failure)

    @property
    def unsynced_bytes(self) -> int:
        """Written, and not yet known to be on the device."""
        return self._appender.unsynced_bytes

    @property
    def waiting(self) -> int:
        """Records that wait to be written, or for a disk to be mended."""
        return len(self._waiting) + len(self._deferred)

    async def intent(self, event: Event) -> int:
        """Record what is about to happen; do it only after this returns.

        Returns the id for `outcome`.

        Raises AuditFault: then it must not happen.
        """
        return await self._write(event, must_survive=False)

    async def outcome(self, intent_id: int, event: Event) -> None:
        """Record how it ended. Never refused: on a failed disk it is kept and written later.

        A process that dies before leaves an intent without outcome, which `who_saw` shows as such.
        """
        await self._write(event, must_survive=True, intent_id=intent_id)

    async def refusal(self, event: Event) -> None:
        """Record a denial; tell it only after this returns. Raises AuditFault."""
        await self._write(event, must_survive=False)

    async def record(self, event: Event, *, must_survive: bool = False) -> int:
        """Record anything else: sessions, reloads. `must_survive` for what has already happened."""
        return await self._write(event, must_survive=must_survive)

    @property
    def text_form(self) -> TextForm:
        """How texts go into records here: clear or redacted."""
        return self._text

    def post(self, payload: bytes, then: Then | None) -> None:
        """Record `payload` (of a `Form`) with what else this turn of the loop brings.

        `then` None is for what has already happened: such a record is kept when the disk fails.
        """
        if not self._posted:
            asyncio.get_running_loop().call_soon(self._write_posted)
        self._posted.append(_Posted(payload, then))

    def _write_posted(self) -> None:
        posted, self._posted = self._posted, []
        if not posted:
            return
        if self._is_closed or self._failure is not None:
            self._turn_down(posted)
        elif self._mode == "strict":
            self._join_batch(posted)
        else:
            try:
                first = self._append([item.payload for item in posted])
            except OSError as error:
                self._fail(error)
                self._turn_down(posted)
                return
            for number, item in enumerate(posted, first):
                if item.then is not None:
                    item.then(number, None)

    def _turn_down(self, posted: list[_Posted]) -> None:
        for item in posted:
            try:
                if not self._is_closed:
                    self._refuse_or_defer(item.payload, item.then is None)
                elif item.then is not None:
                    raise AuditFault("audit log is closed")
            except AuditFault as fault:
                assert item.then is not None, "what has happened is never refused"
                item.then(0, fault)

    def _join_batch(self, posted: list[_Posted]) -> None:
        for item in posted:
            then = item.then
            acknowledged = asyncio.get_running_loop().create_future()
            if then is not None:
                acknowledged.add_done_callback(partial(_told, then))
            self._enqueue(_Waiting(item.payload, acknowledged, then is None))

    async def close(self) -> None:
        """Write and sync what is left, release the directory. Safe to call twice."""
        if self._is_closed:
            return
        self._write_posted()
        self._is_closed = True
        for task in (self._committing, self._syncing):
            if task is not None:
                await asyncio.wait([task])
        if self._probing is not None:
            self._probing.cancel()
            await asyncio.wait([self._probing])
        try:
            if self._failure is not None:
                await self._revive()
            await self._in_thread(self._appender.sync)
        except OSError as error:
            lost = len(self._deferred) + self._dropped
            _logger.error("audit log closed while failed", error=str(error), records_lost=lost)
        finally:
            is_stuck = self._stuck is not None and not self._stuck.done()
            self._executor.shutdown(wait=not is_stuck)
            if not is_stuck:
                self._appender.close()

    async def _write(
        self, event: Event, *, must_survive: bool, intent_id: int | None = None
    ) -> int:
        # Records keep their order: what was posted before this one goes before it.
        self._write_posted()
        payload = event.payload(self._clock(), self._text)
        if intent_id is not None:
            payload["unmapped"]["intent"] = intent_id
        try:
            encoded = encode(payload)
        except ValueError as error:
            raise AuditFault(f"audit record refused: {error}") from error
        if self._is_closed:
            raise AuditFault("audit log is closed")
        if self._failure is not None:
            return self._refuse_or_defer(encoded, must_survive)
        if self._mode == "fast":
            return self._write_through(encoded, must_survive)
        return await self._write_grouped(encoded, must_survive)

    def _refuse_or_defer(self, payload: bytes, must_survive: bool) -> int:
        assert self._failure is not None
        if not must_survive:
            raise _fault(self._failure)
        if len(self._deferred) < DEFERRED_RECORDS_MAX:
            self._deferred.append(payload)
        else:
            self._dropped += 1
        return 0

    def _write_through(self, payload: bytes, must_survive: bool) -> int:
        """`fast`: write(2) on the loop's own thread; a hop to another costs more than the call."""
        try:
            return self._append([payload])
        except OSError as error:
            self._fail(error)
            return self._refuse_or_defer(payload, must_survive)

    def _append(self, payloads: list[bytes]) -> int:
        """Write now, and have it synced soon. Raises OSError."""
        if self._appender.unsynced_bytes > UNSYNCED_BYTES_MAX:
            raise OSError(errno.EIO, "audit log: the device does not keep up")
        sequence = self._appender.append(payloads)
        if self._syncing is None:
            self._syncing = spawn(self._sync_soon(), "audit sync")
        return sequence

    async def _sync_soon(self) -> None:
        try:
            await asyncio.sleep(FAST_SYNC_DELAY_SECONDS)
            if self._failure is None:
                await self._in_thread(self._sync)
        except OSError as error:
            self._fail(error)
        finally:
            self._syncing = None
        is_behind = self._appender.written.count > self._appender.synced.count
        if is_behind and self._failure is None and not self._is_closed:
            self._syncing = spawn(self._sync_soon(), "audit sync")

    async def _write_grouped(self, payload: bytes, must_survive: bool) -> int:
        """`strict`: join the next batch and wait for its sync."""
        if len(self._waiting) >= WAITING_RECORDS_MAX and not must_survive:
            raise AuditFault("audit log has too many records waiting for the disk")
        waiting = _Waiting(payload, asyncio.get_running_loop().create_future(), must_survive)
        self._enqueue(waiting)
        return await waiting.acknowledged

    def _enqueue(self, waiting: _Waiting) -> None:
        self._waiting.append(waiting)
        if self._committing is None:
            self._committing = spawn(self._commit_all(), "audit commit")

    async def _commit_all(self) -> None:
        try:
            while self._waiting:
                batch = self._next_batch()
                try:
                    first = await self._in_thread(self._commit, [item.payload for item in batch])
                except OSError as error:
                    self._fail(error)
                    self._refuse([*batch, *self._waiting])
                    self._waiting.clear()
                    return
                except BaseException as error:
                    # A mistake of ours, or the loop's end: nobody may wait for ever.
                    self._fail(OSError(errno.EIO, f"audit log: {type(error).__name__}"))
                    self._refuse([*batch, *self._waiting])
                    self._waiting.clear()
                    raise
                for number, item in enumerate(batch, first):
                    # A caller may have been cancelled meanwhile; its record stands.
                    if not item.acknowledged.done():
                        item.acknowledged.set_result(number)
        finally:
            self._committing = None

    def _next_batch(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        size = 0
        while self._waiting and len(batch) < BATCH_RECORDS_MAX and size < BATCH_BYTES_MAX:
            batch.append(self._waiting.popleft())
            size += len(batch[-1].payload)
        return batch

    def _refuse(self, batch: list[_Waiting]) -> None:
        for item in batch:
            try:
                result = self._refuse_or_defer(item.payload, item.must_survive)
            except AuditFault as fault:
                if not item.acknowledged.done():
                    item.acknowledged.set_exception(fault)
            else:
                if not item.acknowledged.done():
                    item.acknowledged.set_result(result)

    def _commit(self, payloads: list[bytes]) -> int:
        """In the thread: one batch, written and synced, or not there at all."""
        first = self._appender.append(payloads)
        try:
            self._appender.sync()
        except OSError:
            self._appender.forget_unsynced()
            raise
        self._rotate_if_full()
        return first

    def _sync(self) -> None:
        self._appender.sync()
        self._rotate_if_full()

    def _rotate_if_full(self) -> None:
        is_full = self._appender.segment_length >= self._segment_bytes_max
        if is_full and not self._appender.rotate():
            # What was appended is safe where it is; the next sync tries again.
            _logger.warning("audit segment cannot be rotated", directory=str(self._directory))

    async def _in_thread(self, work: Callable[..., _Result], *arguments: object) -> _Result:
        """Run blocking work in the log's thread. A device that hangs counts as one that fails."""
        if self._stuck is not None and not self._stuck.done():
            raise OSError(errno.EIO, "audit log: the device does not answer")
        future = asyncio.get_running_loop().run_in_executor(self._executor, work, *arguments)
        try:
            async with asyncio.timeout(SYNC_SECONDS_MAX):
                return await asyncio.shield(future)
        except TimeoutError as error:
            self._stuck = future
            raise OSError(errno.EIO, "audit log: the device does not answer") from error

    def _fail(self, error: OSError) -> None:
        if self._failure is not None:
            return
        self._failure = error
        if self._probing is None and not self._is_closed:
            self._probing = spawn(self._probe(), "audit probe")
        _logger.error("audit log failed: new work is refused", error=str(error))

    async def _probe(self) -> None:
        """Try until the log can be written again."""
        try:
            while self._failure is not None:
                await asyncio.sleep(PROBE_SECONDS)
                with contextlib.suppress(OSError):
                    await self._revive()
        finally:
            self._probing = None

    async def _revive(self) -> None:
        """Mend the file, write what was kept, and be healthy again.

        Raises OSError if it is not time.
        """
        assert self._failure is not None
        dropped = self._dropped
        recovery = Recovery(
            reason=f"log was not writable: {self._failure}", records_dropped=dropped
        )
        payloads = [encode(recovery.payload(self._clock(), self._text))]
        # Again while outcomes keep arriving: they are written in order, and before anything new.
        while payloads or self._deferred:
            kept = len(self._deferred)
            payloads += list(self._deferred)
            await self._in_thread(self._mend, payloads)
            payloads = []
            for _ in range(kept):
                self._deferred.popleft()
        self._dropped -= dropped
        self._failure = None
        _logger.warning("audit log recovered", reason=recovery.reason)

    def _mend(self, payloads: list[bytes]) -> None:
        """In the thread: the file first, then what `fast` had acknowledged, then the payloads."""
        if not self._disk.has_room(self._directory):
            raise OSError(errno.ENOSPC, "audit log: too little room to go on")
        self._appender.recover()
        self._appender.sync()
        self._appender.append(payloads)
        try:
            self._appender.sync()
        except OSError:
            self._appender.forget_unsynced()
            raise


def _told(then: Then, acknowledged: asyncio.Future[int]) -> None:
    try:
        number = acknowledged.result()
    except AuditFault as fault:
        then(0, fault)
    else:
        then(number, None)


def _fault(error: OSError) -> AuditFault:
    """What the client is told: that the log is at fault and why by kind, never a path."""
    if error.errno in _DISK_FULL:
        return AuditFault(
            "audit log cannot be written: disk is full", sqlstate="53100", hint="Retry later."
        )
    return AuditFault("audit log cannot be written", hint="Retry later.")
