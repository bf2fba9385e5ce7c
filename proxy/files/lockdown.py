"""What the reader gives up before it opens the first file: network, programs, other files, memory.

Three walls of the kernel around DuckDB's own (`engine.py`): system calls (seccomp-bpf), files
(Landlock) and resources (setrlimit). All need no privilege and cannot be taken back. It must not
know formats or queries.

Sources: Linux Documentation/userspace-api/seccomp_filter.rst and landlock.rst.
"""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import struct
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

DATA_BYTES_BESIDE: Final = 1 << 30
"""Python, Arrow and threads' stacks beside what DuckDB may use."""

_PR_SET_DUMPABLE: Final = 4
_PR_SET_NO_NEW_PRIVS: Final = 38
_PR_SET_SECCOMP: Final = 22
_SECCOMP_MODE_FILTER: Final = 2
_ALLOW: Final = 0x7FFF0000
_REFUSE: Final = 0x00050000 | 1  # SECCOMP_RET_ERRNO with EPERM
_X32_BIT: Final = 0x40000000

# Numbers of socket, connect, bind, listen, accept, accept4, sendto, sendmsg, execve, execveat,
# ptrace, process_vm_readv, process_vm_writev, io_uring_setup, io_uring_enter, open_by_handle_at,
# bpf, userfaultfd, perf_event_open, keyctl, add_key, request_key, mount, unshare, setns,
# kexec_load.
_SYSTEM_CALLS: Final = {
    "x86_64": (
        0xC000003E,
        (
            41, 42, 49, 50, 43, 288, 44, 46, 59, 322, 101, 310, 311, 425, 426, 304, 321, 323, 298,
            250, 248, 249, 165, 272, 308, 246,
        ),
    ),
    "aarch64": (
        0xC00000B7,
        (
            198, 203, 200, 201, 202, 242, 206, 211, 221, 281, 117, 270, 271, 425, 426, 265, 280,
            282, 241, 219, 217, 218, 40, 97, 268, 104,
        ),
    ),
}  # fmt: skip

_LANDLOCK_CREATE_RULESET: Final = 444
_LANDLOCK_ADD_RULE: Final = 445
_LANDLOCK_RESTRICT_SELF: Final = 446
_LANDLOCK_CREATE_RULESET_VERSION: Final = 1
_LANDLOCK_RULE_PATH_BENEATH: Final = 1
_READ: Final = 0b1100  # READ_FILE, READ_DIR
_ALL_OF_VERSION_1: Final = (1 << 13) - 1


class LockdownError(Exception):
    """A wall cannot be put up; the reader must not work without."""


def limit_resources(memory_bytes_max: int) -> None:
    """Bound what this process may take, whatever a file makes of its reader."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    size = memory_bytes_max + DATA_BYTES_BESIDE
    resource.setrlimit(resource.RLIMIT_DATA, (size, size))


def refuse_system_calls() -> None:
    """No socket, no other program, no look at other processes. Raises LockdownError."""
    known = _SYSTEM_CALLS.get(platform.machine())
    if known is None:
        raise LockdownError(f"no list of system calls for {platform.machine()}")
    library = ctypes.CDLL(None, use_errno=True)
    architecture, numbers = known
    program = _program(architecture, numbers)
    buffer = ctypes.create_string_buffer(program)
    head = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(buffer))
    if library.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0):
        raise LockdownError("prctl refused")
    if library.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        raise LockdownError("prctl refused")
    if library.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.c_char_p(head), 0, 0):
        raise LockdownError("the kernel takes no filter of system calls")


def _program(architecture: int, numbers: tuple[int, ...]) -> bytes:
    """Classic BPF over struct seccomp_data: the number at offset 0, the architecture at 4."""
    load, jump_equal, jump_at_least, answer = 0x20, 0x15, 0x35, 0x06
    last = len(numbers) + 5  # the line that refuses; jumps count from the following line

    def to_last(place: int) -> int:
        return last - place - 1

    lines = [
        (load, 0, 0, 4),
        (jump_equal, 0, to_last(1), architecture),
        (load, 0, 0, 0),
        (jump_at_least, to_last(3), 0, _X32_BIT),
        *((jump_equal, to_last(place), 0, one) for place, one in enumerate(numbers, 4)),
        (answer, 0, 0, _ALLOW),
        (answer, 0, 0, _REFUSE),
    ]
    return b"".join(struct.pack("HBBI", *line) for line in lines)


def confine_files(readable: Iterable[Path], writable: Iterable[Path]) -> bool:
    """From now on only these folders can be opened, by whatever path or link.

    Returns False where the kernel has no Landlock: then DuckDB's own list of folders stands alone.
    Raises LockdownError.
    """
    library = ctypes.CDLL(None, use_errno=True)
    version = library.syscall(
        _LANDLOCK_CREATE_RULESET, None, ctypes.c_size_t(0), _LANDLOCK_CREATE_RULESET_VERSION
    )
    if version < 1:
        return False
    handled = ctypes.create_string_buffer(struct.pack("Q", _ALL_OF_VERSION_1))
    rules = library.syscall(_LANDLOCK_CREATE_RULESET, handled, ctypes.c_size_t(8), 0)
    if rules < 0:
        raise LockdownError("the kernel takes no rules of files")
    try:
        for path in readable:
            _allow(library, rules, path, _READ)
        for path in writable:
            _allow(library, rules, path, _ALL_OF_VERSION_1)
        if library.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or library.syscall(
            _LANDLOCK_RESTRICT_SELF, rules, 0
        ):
            raise LockdownError("the kernel takes no rules of files")
    finally:
        os.close(rules)
    return True


def _allow(library: ctypes.CDLL, rules: int, path: Path, access: int) -> None:
    if not path.exists():
        return
    folder = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        rule = ctypes.create_string_buffer(struct.pack("=Qi", access, folder))
        if library.syscall(_LANDLOCK_ADD_RULE, rules, _LANDLOCK_RULE_PATH_BENEATH, rule, 0):
            raise LockdownError(f"the kernel takes no rule for {path}")
    finally:
        os.close(folder)


def libraries() -> list[Path]:
    """Where Python may still have to load a module or a time zone from."""
    found = [Path(sys.prefix), Path(sys.base_prefix), Path("/usr/share/zoneinfo")]
    own = Path(__file__).resolve().parent.parent
    return [*found, own]
