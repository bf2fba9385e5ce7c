"""A small HTTP listener for operators: a few paths, each answered by one function, GET only.

This file must not know what is told. It needs no authentication because it tells nothing that needs
one; it listens on loopback unless the configuration says otherwise.
"""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aiohttp import web

STOP_SECONDS_MAX = 1.0
"""For requests under way when it closes; a scrape can be repeated."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What one path says."""

    text: str
    status: int = 200
    content_type: str = "text/plain; charset=utf-8"


class Endpoint:
    """Listens until closed. `paths` are asked at each request."""

    def __init__(self, paths: Mapping[str, Callable[[], Awaitable[Answer]]]) -> None:
        self._paths = dict(paths)
        self._runner: web.AppRunner | None = None

    async def open(self, host: str, port: int) -> int:
        """Listen; returns the port. A successor may take the same port. Raises OSError."""
        from aiohttp import web  # it takes a while, and most gates have no such listener

        application = web.Application()
        for path, ask in self._paths.items():
            application.router.add_get(path, _answering(ask))
        self._runner = web.AppRunner(
            application, access_log=None, handle_signals=False, shutdown_timeout=STOP_SECONDS_MAX
        )
        await self._runner.setup()
        bound = _bound(host, port)
        await web.SockSite(self._runner, bound).start()
        return int(bound.getsockname()[1])

    async def close(self) -> None:
        """Stop listening. Safe to call twice."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None


def _answering(
    ask: Callable[[], Awaitable[Answer]],
) -> Callable[[web.Request], Awaitable[web.Response]]:
    from aiohttp import web

    async def answer(request: web.Request) -> web.Response:
        told = await ask()
        return web.Response(
            body=told.text.encode(),
            status=told.status,
            headers={"Content-Type": told.content_type, "Cache-Control": "no-store"},
        )

    return answer


def _bound(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        bound.bind(address)
    except OSError:
        bound.close()
        raise
    return bound
