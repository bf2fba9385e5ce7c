"""What the sandbox has not got, said so that a program's author knows what to do instead.

None of this holds anybody back: there are no sockets, processes or foreign files beneath. It only
turns an odd failure into a sentence. This file must not know the host.
"""

from __future__ import annotations

import os
import sys
from typing import Any

_NO_INSTALLING = "packages cannot be installed here; the list is fixed (see below)"
_NO_NETWORK = "there is no network here; query(sql, params) reads data as you"
_NO_NATIVE = "there is no native code to call here; numpy and pandas are compiled in"
_NO_PROCESSES = "there are no processes and threads here; run the work in this program"
_NO_PLOTS = "draw with reportlab.graphics or PIL.ImageDraw, or put a chart into a workbook"
INSTEAD = {
    **dict.fromkeys(("pip", "ensurepip", "venv", "micropip"), _NO_INSTALLING),
    **dict.fromkeys(
        ("socket", "ssl", "_ssl", "_socket", "requests", "httpx", "urllib3"), _NO_NETWORK
    ),
    **dict.fromkeys(("psycopg", "psycopg2", "sqlalchemy", "asyncpg"), _NO_NETWORK),
    **dict.fromkeys(("ctypes", "_ctypes", "cffi", "mmap", "numba"), _NO_NATIVE),
    **dict.fromkeys(("multiprocessing", "_multiprocessing", "joblib", "fcntl"), _NO_PROCESSES),
    **dict.fromkeys(("matplotlib", "seaborn", "plotly", "altair", "tkinter"), _NO_PLOTS),
    **dict.fromkeys(("lzma", "_lzma", "bz2", "_bz2"), "use zlib, gzip or zipfile with deflate"),
    **dict.fromkeys(("xlsxwriter", "xlrd", "xlwt"), "use openpyxl for workbooks"),
    **dict.fromkeys(("fpdf", "weasyprint", "docx"), "use reportlab for documents (PDF)"),
    **dict.fromkeys(("polars", "pyarrow", "duckdb"), "use pandas or numpy"),
    **dict.fromkeys(("scipy", "sklearn", "statsmodels"), "use numpy and pandas"),
}


LIST = os.path.join(os.path.dirname(__file__), "packages.txt")
IO_ERROR = 29
"""EIO in WASI's numbering: what a write says that makes a file too large."""


class NotHere(OSError):
    """The sandbox has not got this; the message says what it has instead."""


NotHere.__module__ = "builtins"  # its name is all that a traceback should show
_PACKAGES: list[str] = []


def _refusing(what: str, instead: str) -> Any:
    def refuse(*arguments: Any, **named: Any) -> Any:
        raise NotHere(f"{what}: {instead}")

    return refuse


def install() -> None:
    """Replace what would fail oddly. Called once, when the artifact is built."""
    if os.path.exists(LIST):
        with open(LIST) as file:
            _PACKAGES[:] = file.read().splitlines()
    import subprocess
    import threading

    subprocess.Popen.__init__ = _refusing("subprocess", _NO_PROCESSES)  # type: ignore[method-assign]
    threading.Thread.start = _refusing("threading.Thread.start", _NO_PROCESSES)  # type: ignore[method-assign]
    for name in ("system", "popen", "fork", "execv", "execve", "spawnv", "posix_spawn", "kill"):
        setattr(os, name, _refusing(f"os.{name}", _NO_PROCESSES))
    socket = sys.modules.get("socket")
    if socket is not None:
        for name in ("create_connection", "create_server", "getaddrinfo", "gethostbyname"):
            setattr(socket, name, _refusing(f"socket.{name}", _NO_NETWORK))
        socket.socket.__init__ = _refusing("socket.socket", _NO_NETWORK)


def hint(error: BaseException) -> str | None:
    """One sentence for whoever wrote the program, None if the message says all there is."""
    if isinstance(error, ModuleNotFoundError) and error.name:
        top = error.name.partition(".")[0]
        reason = INSTEAD.get(top, f"{top} is not installed, and nothing can be installed here")
        listed = ", ".join(_PACKAGES) or "none"
        return f"{reason}. Packages here, beside the standard library: {listed}."
    if isinstance(error, FileNotFoundError | PermissionError):
        return (
            "files live in the current folder /work: those sent with the run, and what it writes."
        )
    if isinstance(error, OSError) and error.errno == IO_ERROR:
        return "a file may be as large as limits.files_bytes of the run allows."
    if isinstance(error, MemoryError):
        return (
            "the run's memory is used up; work in parts, or ask for more with limits.memory_bytes."
        )
    return None
