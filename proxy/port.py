"""The clients' port: reserved for the workers, shared by them, handed over to a successor.

This file must not know what is served. Linux gives a new connection to one of all sockets that
listen on a port with SO_REUSEPORT, and one that waits in the queue of a socket which is closed is
reset. So a successor first asks the kernel for all new connections (SO_ATTACH_REUSEPORT_CBPF,
socket(7)); the predecessor then accepts what waits, and closes with an empty queue.
"""

from __future__ import annotations

import ctypes
import os
import socket
import struct
from pathlib import Path

SO_ATTACH_REUSEPORT_CBPF = 51
SO_DETACH_REUSEPORT_BPF = 68
"""asm-generic/socket.h; Python has no names for them."""

RETURN_CONSTANT = 0x06
"""BPF_RET | BPF_K (linux/bpf_common.h): the program's answer is the index of the socket."""

_STATE_LISTEN = "0A"
_TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))


def reserve(host: str, port: int, *, is_taken_over: bool = False) -> socket.socket:
    """A socket bound to the port that never listens, so that all workers can share it.

    `is_taken_over`: somebody serves there, and will leave. Raises OSError.
    """
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    if not is_taken_over:
        _refuse_taken(family, address)
    reserved = socket.socket(family, kind, protocol)
    try:
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        reserved.bind(address)
    except OSError:
        reserved.close()
        raise
    return reserved


def _refuse_taken(family: int, address: tuple[object, ...]) -> None:
    """SO_REUSEPORT would let two gates of one user share a port, and split the clients."""
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(address)


def listeners(port: int) -> int:
    """How many sockets listen on a port of this machine, on whatever address (proc(5))."""
    count = 0
    for table in _TABLES:
        lines = table.read_text().splitlines()[1:] if table.exists() else []
        for line in lines:
            _, local, _, state, *_ = line.split()
            count += state == _STATE_LISTEN and int(local.rpartition(":")[2], 16) == port
    return count


def prefer(descriptor: int, index: int) -> None:
    """Let socket number `index` of the port's, in the order of listening, have every new
    connection. Any of them can say so, by its file descriptor. Raises OSError."""
    program = ctypes.create_string_buffer(struct.pack("=HBBI", RETURN_CONSTANT, 0, 0, index))
    # struct sock_fprog: the number of instructions, and where they are (native alignment).
    pointer = struct.pack("@HP", 1, ctypes.addressof(program))
    _set(descriptor, SO_ATTACH_REUSEPORT_CBPF, pointer)


def share(descriptor: int) -> None:
    """Spread new connections over all sockets again. Raises OSError."""
    _set(descriptor, SO_DETACH_REUSEPORT_BPF, struct.pack("@i", 0))


def _set(descriptor: int, option: int, value: bytes) -> None:
    # A duplicate, for the event loop keeps its own socket.
    with socket.socket(fileno=os.dup(descriptor)) as listening:
        listening.setsockopt(socket.SOL_SOCKET, option, value)
