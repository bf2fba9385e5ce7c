"""Cancel keys, and the way of a cancel request to the worker that holds the session.

A CancelRequest arrives on a fresh connection, so the kernel may hand it to any worker behind the
port. Each worker has a Unix datagram socket in the state directory (0700); the process id of a key
names the worker, who alone knows the secret.

This file must not know sessions or SQL: a key maps to a callback.

Theory of operation. Protocol 3.2 allows secrets of up to 256 bytes and gets `SECRET_BYTES` random
ones. A 3.0 client can hold only 4, so its 24 random bits of process id and 32 of secret are guarded
by a budget of wrong guesses per worker, refilled slowly: at that pace a guess needs millions of
years. Requests are answered by silence, right or wrong (PostgreSQL documentation, "Canceling
Requests in Progress"); comparison takes constant time (attack case 94).
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import os
import secrets
import socket
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

SECRET_BYTES = 32
"""Secret of a protocol 3.2 key: 256 bits, above the design's 128."""

SECRET_BYTES_OLD = 4
"""Secret of a protocol 3.0 key, fixed by its message format."""

WORKERS_MAX = 64
"""Worker numbers fit six bits of the process id, which stays positive in 31."""

_RANDOM_BITS = 24
_DATAGRAM_BYTES_MAX = 4 + 256

WRONG_GUESSES_PER_SECOND_MAX = 5.0
"""Refill of the budget; honest clients are wrong only when the session has just ended."""

WRONG_GUESSES_BURST_MAX = 50.0
"""Budget when nothing happened for a while: a pool closing all its sessions at once."""


@dataclass(frozen=True, slots=True)
class CancelKey:
    """What BackendKeyData tells. The secret has no printable form (I8)."""

    process_id: int
    secret: bytes = field(repr=False)


class CancelDesk:
    """Keys of this worker's sessions, and the post between workers.

    `worker` from 0 to WORKERS_MAX − 1, `directory` the shared state directory, `clock` seconds that
    never go back.
    """

    def __init__(self, worker: int, directory: Path, clock: Callable[[], float]) -> None:
        if not 0 <= worker < WORKERS_MAX:
            raise ValueError(f"worker number {worker} is not below {WORKERS_MAX}")
        self._worker = worker
        self._directory = directory
        self._clock = clock
        self._sessions: dict[int, tuple[CancelKey, Callable[[], None]]] = {}
        self._budget = WRONG_GUESSES_BURST_MAX
        self._budget_at = clock()
        self._socket: socket.socket | None = None

    def issue(self, cancel: Callable[[], None], *, is_long: bool) -> CancelKey:
        """A new key whose use calls `cancel`; `is_long` for protocol 3.2."""
        while True:
            process_id = (self._worker << _RANDOM_BITS) | secrets.randbits(_RANDOM_BITS)
            if process_id and process_id not in self._sessions:
                break
        size = SECRET_BYTES if is_long else SECRET_BYTES_OLD
        key = CancelKey(process_id, secrets.token_bytes(size))
        self._sessions[process_id] = (key, cancel)
        return key

    def withdraw(self, key: CancelKey) -> None:
        """The session ended: its key opens nothing any more."""
        self._sessions.pop(key.process_id, None)

    def request(self, process_id: int, secret: bytes) -> None:
        """Take a client's CancelRequest: act on it here, or post it to its worker. Never raises."""
        worker = (process_id >> _RANDOM_BITS) & (WORKERS_MAX - 1)
        if not self._has_budget():
            return
        if worker == self._worker:
            self._act(process_id, secret)
            return
        # Whether it was right is known over there only, so every posted request costs a guess here.
        self._budget -= 1
        self._post(worker, process_id, secret)

    def _act(self, process_id: int, secret: bytes) -> None:
        found = self._sessions.get(process_id)
        # A comparison is made in either case: time must not tell whether the process id exists.
        expected = found[0].secret if found else bytes(SECRET_BYTES)
        if hmac.compare_digest(expected, secret) and found is not None:
            found[1]()
        else:
            self._budget -= 1

    def _has_budget(self) -> bool:
        now = self._clock()
        earned = (now - self._budget_at) * WRONG_GUESSES_PER_SECOND_MAX
        self._budget = min(WRONG_GUESSES_BURST_MAX, self._budget + earned)
        self._budget_at = now
        return self._budget >= 1

    # The post

    def _path(self, worker: int) -> Path:
        return self._directory / f"cancel-{worker}.sock"

    def open(self) -> None:
        """Listen for other workers' posts. Raises OSError when the directory cannot be used."""
        path = self._path(self._worker)
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._socket.bind(os.fspath(path))
        path.chmod(stat.S_IRUSR | stat.S_IWUSR)
        asyncio.get_running_loop().add_reader(self._socket.fileno(), self._collect)

    def close(self) -> None:
        """Stop listening and remove the socket file."""
        if self._socket is None:
            return
        asyncio.get_running_loop().remove_reader(self._socket.fileno())
        self._socket.close()
        self._socket = None
        with contextlib.suppress(FileNotFoundError):
            self._path(self._worker).unlink()

    def _post(self, worker: int, process_id: int, secret: bytes) -> None:
        if self._socket is None:
            return
        body = process_id.to_bytes(4, "big") + secret
        # The worker may be gone, or its queue full: a cancel is best effort by the protocol's word.
        with contextlib.suppress(OSError):
            self._socket.sendto(body, os.fspath(self._path(worker)))

    def _collect(self) -> None:
        if self._socket is None:
            return
        with contextlib.suppress(BlockingIOError):
            body = self._socket.recv(_DATAGRAM_BYTES_MAX)
            if len(body) > SECRET_BYTES_OLD and self._has_budget():
                self._act(int.from_bytes(body[:4], "big"), body[4:])
