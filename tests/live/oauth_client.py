"""A program that connects by libpq 18's own OAUTHBEARER, in a process of its own.

    python -m tests.live.oauth_client INSTRUCTIONS

libpq asks its application for a token through a hook of the whole process (PostgreSQL documentation,
"OAuth Support in libpq", PQsetAuthDataHook), and insists on https unless PGOAUTHDEBUG says
otherwise, so this is no place for a test itself. The libpq is the one in psycopg's wheel. What became
of it is one JSON object on standard output.
"""

from __future__ import annotations

import ctypes
import json
import sys
from pathlib import Path

import psycopg
import psycopg_binary

from tests.live import device_flow

BEARER_TOKEN = 1
"""PQAUTHDATA_OAUTH_BEARER_TOKEN (libpq-fe.h)"""


class BearerRequest(ctypes.Structure):
    """PGoauthBearerRequest (libpq-fe.h)."""

    _fields_ = (
        ("openid_configuration", ctypes.c_char_p),
        ("scope", ctypes.c_char_p),
        ("async", ctypes.c_void_p),
        ("cleanup", ctypes.c_void_p),
        ("token", ctypes.c_char_p),
        ("user", ctypes.c_void_p),
    )


Hook = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_void_p, ctypes.POINTER(BearerRequest))


def libpq() -> ctypes.CDLL:
    """The library that psycopg has loaded."""
    folder = Path(psycopg_binary.__file__).parent.parent / "psycopg_binary.libs"
    (file,) = folder.glob("libpq-*.so*")
    return ctypes.CDLL(str(file))


def main(instructions: dict[str, str]) -> dict[str, object]:
    """Connect, and ask one question. `token` is handed over; without it a person signs in."""
    asked: list[dict[str, str]] = []
    kept: list[bytes] = []

    def hand_over(kind: int, _: int | None, request: object) -> int:
        if kind != BEARER_TOKEN:
            return 0
        wanted = request.contents  # type: ignore[attr-defined]
        discovery = (wanted.openid_configuration or b"").decode()
        scope = (wanted.scope or b"").decode()
        asked.append({"discovery": discovery, "scope": scope})
        text = instructions.get("token") or device_flow.token(
            discovery,
            scope,
            client="sallyport-psql",
            user=instructions["person"],
            password=instructions["password"],
        )
        kept.append(text.encode())  # libpq does not copy it
        wanted.token = kept[-1]
        return 1

    hook = Hook(hand_over)
    libpq().PQsetAuthDataHook(hook)
    try:
        with psycopg.connect(instructions["dsn"], connect_timeout=60) as connection:
            rows = connection.execute(instructions["statement"]).fetchall()
    except psycopg.OperationalError as error:
        return {"error": str(error), "asked": asked}
    return {"rows": rows, "asked": asked}


if __name__ == "__main__":
    print(json.dumps(main(json.loads(sys.argv[1]))))
