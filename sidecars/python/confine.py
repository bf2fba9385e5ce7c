"""The second wall: what a worker process gives up before it runs anybody's program.

Should somebody break out of the sandbox, they are in a process without environment, credentials,
network, other programs, and without new privileges. Linux only; elsewhere, or where a kernel
forbids it, a part is left out and told so by name. This file must not know the sandbox.

Sources: prctl(2), seccomp(2), unshare(2); numbers of system calls from the kernel's tables
(arch/x86/entry/syscalls/syscall_64.tbl, include/uapi/asm-generic/unistd.h).
"""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import struct

PR_SET_DUMPABLE = 4
PR_SET_NO_NEW_PRIVS = 38
PR_SET_SECCOMP = 22
SECCOMP_MODE_FILTER = 2
CLONE_NEWUSER, CLONE_NEWNET, CLONE_NEWIPC = 0x10000000, 0x40000000, 0x08000000
CLONE_THREAD = 0x00010000
OPEN_FILES_MAX = 256

EPERM, ENOSYS = 1, 38
ALLOW, ERRNO = 0x7FFF0000, 0x00050000
_LOAD, _EQUAL, _SET, _RETURN = 0x20, 0x15, 0x45, 0x06
_NUMBER_AT, _ARCHITECTURE_AT, _FIRST_ARGUMENT_AT = 0, 4, 16

# By machine: audit architecture, `clone`, `clone3`, and what nobody here has a use for.
_FORBIDDEN = (
    "socket socketpair connect bind listen accept accept4 execve execveat fork vfork ptrace"
    " process_vm_readv process_vm_writev mount umount2 pivot_root chroot unshare setns bpf"
    " perf_event_open userfaultfd keyctl add_key request_key init_module finit_module"
    " delete_module kexec_load open_by_handle_at name_to_handle_at io_uring_setup"
    " io_uring_enter io_uring_register setuid setgid"
).split()
_X86_64 = {
    "socket": 41, "connect": 42, "accept": 43, "bind": 49, "listen": 50, "socketpair": 53,
    "accept4": 288, "execve": 59, "execveat": 322, "fork": 57,
    "vfork": 58, "ptrace": 101, "process_vm_readv": 310, "process_vm_writev": 311, "mount": 165,
    "umount2": 166, "pivot_root": 155, "chroot": 161, "unshare": 272, "setns": 308, "bpf": 321,
    "perf_event_open": 298, "userfaultfd": 323, "keyctl": 250, "add_key": 248, "request_key": 249,
    "init_module": 175, "finit_module": 313, "delete_module": 176, "kexec_load": 246,
    "open_by_handle_at": 304, "name_to_handle_at": 303, "io_uring_setup": 425,
    "io_uring_enter": 426, "io_uring_register": 427, "setuid": 105, "setgid": 106,
    "clone": 56, "clone3": 435,
}  # fmt: skip
_AARCH64 = {
    "socket": 198, "connect": 203, "accept": 202, "bind": 200, "listen": 201, "socketpair": 199,
    "accept4": 242, "execve": 221, "execveat": 281, "ptrace": 117, "process_vm_readv": 270,
    "process_vm_writev": 271, "mount": 40, "umount2": 39, "pivot_root": 41, "chroot": 51,
    "unshare": 97, "setns": 268, "bpf": 280, "perf_event_open": 241, "userfaultfd": 282,
    "keyctl": 219, "add_key": 217, "request_key": 218, "init_module": 105, "finit_module": 273,
    "delete_module": 106, "kexec_load": 104, "open_by_handle_at": 265, "name_to_handle_at": 264,
    "io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427, "setuid": 146,
    "setgid": 144, "clone": 220, "clone3": 435,
}  # fmt: skip
MACHINES = {"x86_64": (0xC000003E, _X86_64), "aarch64": (0xC00000B7, _AARCH64)}


def confine() -> list[str]:
    """Give up what can be given up; returns the names of the walls that stand.

    Call it in a process of one thread, before anything foreign runs.
    """
    library = ctypes.CDLL(None, use_errno=True)
    standing = ["resource limits"]
    resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES_MAX, OPEN_FILES_MAX))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.umask(0o077)
    if not hasattr(library, "prctl"):
        return standing
    library.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
    if library.unshare(CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWIPC) == 0:
        standing.append("namespaces")
    if library.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0:
        standing.append("no new privileges")
    program = filter_program(platform.machine())
    if program is not None and _install(library, program):
        standing.append("system calls")
    return standing


def filter_program(machine: str) -> bytes | None:
    """The filter as classic BPF, None for a machine whose numbers are not known here.

    Another architecture's calls are refused as a whole. New processes are refused, threads are not:
    `clone3` says that it does not exist, after which the C library uses `clone`, whose flags can be
    read.
    """
    if machine not in MACHINES:
        return None
    architecture, numbers = MACHINES[machine]
    refuse, absent = ERRNO | EPERM, ERRNO | ENOSYS
    steps: list[tuple[int, int, int, int]] = [
        (_LOAD, 0, 0, _ARCHITECTURE_AT),
        (_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, refuse),
        (_LOAD, 0, 0, _NUMBER_AT),
        (_EQUAL, 0, 1, numbers["clone3"]),
        (_RETURN, 0, 0, absent),
    ]
    for name in _FORBIDDEN:
        number = numbers.get(name, -1)
        if number >= 0:
            steps += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, refuse)]
    steps += [
        (_EQUAL, 0, 3, numbers["clone"]),
        (_LOAD, 0, 0, _FIRST_ARGUMENT_AT),
        (_SET, 1, 0, CLONE_THREAD),
        (_RETURN, 0, 0, refuse),
        (_RETURN, 0, 0, ALLOW),
    ]
    return b"".join(struct.pack("=HBBI", *step) for step in steps)


def _install(library: ctypes.CDLL, program: bytes) -> bool:
    class Program(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ushort), ("steps", ctypes.c_void_p)]

    steps = ctypes.create_string_buffer(program, len(program))
    told = Program(len(program) // 8, ctypes.cast(steps, ctypes.c_void_p))
    answer: int = library.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(told), 0, 0)
    return answer == 0
