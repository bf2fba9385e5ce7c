"""The HTTP service: who calls, what is asked for, one clear answer. This file must not know wasm.

`POST /runs`, `GET /runs/{id}`, `GET /runs/{id}/events`, `GET /runs/{id}/files/{name}`,
`DELETE /runs/{id}`, `POST /sessions`, `DELETE /sessions/{id}`, `GET /environment`, `GET /tool`,
`GET /health`. Every error is `{"error": {"code", "message"}}`.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import web

from policies.identity import Identity
from policies.secret import Secret
from proxy.runtime.audit import AuditFault, AuditLog, Refusal
from proxy.runtime.identity import TokenAuthenticator
from proxy.runtime.keys import KeysUnavailable
from sidecars.python import files
from sidecars.python.gate import Caller
from sidecars.python.limits import (
    CODE_BYTES_MAX,
    REQUEST_BYTES_MAX,
    LimitError,
    RunLimits,
    asked_for,
)
from sidecars.python.pool import Busy
from sidecars.python.record import principal_of
from sidecars.python.runs import NotFound, Request, Run, Runs, TooMany
from sidecars.python.schema import tool

RETRY_SECONDS = 5
SEED_MAX = 2**63 - 1
_KNOWN = frozenset(("code", "arguments", "files", "limits", "session", "seed", "stream"))

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_IDENTITY: web.RequestKey[Identity] = web.RequestKey("identity", Identity)
_TOKEN: web.RequestKey[Secret[str]] = web.RequestKey("token", Secret)


class Bad(ValueError):
    """The request is wrong; the message says what and how it should be."""


class Service:
    """Handlers of one service. `most`: the highest limits that callers may ask for."""

    def __init__(
        self,
        runs: Runs,
        authenticator: TokenAuthenticator,
        audit: AuditLog,
        environment: Mapping[str, Any],
        most: RunLimits,
        *,
        is_local: bool,
    ) -> None:
        """`environment`: what `GET /environment` tells; `is_local`: it listens on loopback only."""
        self._runs, self._authenticator, self._audit = runs, authenticator, audit
        self._environment, self._most, self._is_local = environment, most, is_local

    def application(self) -> web.Application:
        """The application with its routes."""
        served = web.Application(
            middlewares=[_told, self._known], client_max_size=REQUEST_BYTES_MAX
        )
        served.add_routes(
            [
                web.get("/health", self._health),
                web.get("/environment", self._tell_environment),
                web.get("/tool", self._tell_tool),
                web.post("/runs", self._start),
                web.get("/runs/{run}", self._tell_run),
                web.delete("/runs/{run}", self._cancel),
                web.get("/runs/{run}/events", self._events),
                web.get("/runs/{run}/files/{name:.+}", self._file),
                web.post("/sessions", self._open_session),
                web.delete("/sessions/{session}", self._close_session),
            ]
        )
        return served

    @web.middleware
    async def _known(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Nobody but a proven principal gets further than `/health`."""
        if request.path == "/health":
            return await handler(request)
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            return _unauthorized("a bearer token is needed")
        try:
            identity = await self._authenticator.admitted(token.strip(), is_local=self._is_local)
        except KeysUnavailable:
            return _error(503, "unavailable", "signing keys are not available now", RETRY_SECONDS)
        if identity is None:
            told = "the token is not accepted"
            await self._audit.refusal(Refusal("a token that proves nobody", "28P01", told))
            return _unauthorized(told)
        request[_IDENTITY] = identity
        request[_TOKEN] = Secret(token.strip())
        return await handler(request)

    async def _health(self, request: web.Request) -> web.Response:
        if self._audit.failure is not None:
            return _error(503, "unavailable", "the audit log cannot be written")
        return web.json_response({"state": "ready"})

    async def _tell_environment(self, request: web.Request) -> web.Response:
        return web.json_response(self._environment)

    async def _tell_tool(self, request: web.Request) -> web.Response:
        return web.json_response(tool(self._environment, self._most))

    async def _start(self, request: web.Request) -> web.Response:
        identity = request[_IDENTITY]
        content = await _body(request)
        asked = self._asked(content)
        caller = Caller(request[_TOKEN], identity.subject)
        try:
            run = await self._runs.start(identity, caller, asked)
        except TooMany as error:
            told = str(error)
            await self._audit.refusal(
                Refusal(told, "53300", told, principal=principal_of(identity))
            )
            raise
        if content.get("stream", False):
            answer = {"id": run.run_id, "state": "running", "events": f"/runs/{run.run_id}/events"}
            return web.json_response(answer, status=202)
        return await self._whole(run)

    async def _whole(self, run: Run) -> web.Response:
        """The answer when the run is over; a caller that goes away ends it."""
        assert run.task is not None
        try:
            await run.task
        finally:
            await self._runs.cancel(run)
        return web.json_response(run.as_json())

    def _asked(self, content: Mapping[str, Any]) -> Request:
        """The request checked. Raises Bad, LimitError, FileError."""
        unknown = sorted(content.keys() - _KNOWN)
        if unknown:
            raise Bad(
                f"{unknown[0][:80]!r} is not known here; there are: {', '.join(sorted(_KNOWN))}"
            )
        code = content.get("code")
        if not isinstance(code, str):
            raise Bad("code must be a text: the program")
        if len(code.encode("utf-8", "surrogatepass")) > CODE_BYTES_MAX:
            raise Bad(f"code has more than {CODE_BYTES_MAX} bytes: send data as files")
        if any("\ud800" <= one <= "\udfff" for one in code):
            raise Bad("code holds half of a surrogate pair, which is no character")
        wanted = content.get("limits", {})
        arguments = content.get("arguments", {})
        for name, value in (("limits", wanted), ("arguments", arguments)):
            if not isinstance(value, dict):
                raise Bad(f"{name} must be an object")
        session, seed = content.get("session"), content.get("seed")
        if session is not None and not isinstance(session, str):
            raise Bad("session must be the id of a session")
        is_number = isinstance(seed, int) and not isinstance(seed, bool)
        if seed is not None and not (is_number and 0 <= seed <= SEED_MAX):
            raise Bad(f"seed must be a whole number from 0 to {SEED_MAX}")
        if not isinstance(content.get("stream", False), bool):
            raise Bad("stream must be true or false")
        limits = asked_for(wanted, self._most)
        sent = files.checked(content.get("files", {}), limits)
        return Request(code, arguments, sent, limits, session, seed)

    def _run(self, request: web.Request) -> Run:
        return self._runs.find(request[_IDENTITY], request.match_info["run"])

    async def _tell_run(self, request: web.Request) -> web.Response:
        return web.json_response(self._run(request).as_json())

    async def _cancel(self, request: web.Request) -> web.Response:
        run = self._run(request)
        await self._runs.cancel(run)
        return web.json_response(run.as_json())

    async def _events(self, request: web.Request) -> web.StreamResponse:
        """Server-sent events: `stdout`, `stderr`, at last `ended` with the whole."""
        run = self._run(request)
        response = web.StreamResponse(
            headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"}
        )
        await response.prepare(request)
        async for event in self._runs.follow(run):
            text = f"event: {event['event']}\ndata: {json.dumps(event)}\n\n"
            await response.write(text.encode())
        await response.write_eof()
        return response

    async def _file(self, request: web.Request) -> web.Response:
        content = self._run(request).files.get(request.match_info["name"])
        if content is None:
            raise NotFound("the run has no such file")
        headers = {"X-Content-Type-Options": "nosniff", "Content-Disposition": "attachment"}
        return web.Response(body=content, content_type="application/octet-stream", headers=headers)

    async def _open_session(self, request: web.Request) -> web.Response:
        content = await _body(request)
        if content.keys() - {"limits"}:
            raise Bad("a session has nothing but limits")
        wanted = content.get("limits", {})
        if not isinstance(wanted, dict):
            raise Bad("limits must be an object")
        limits = asked_for(wanted, self._most)
        session = await self._runs.open_session(request[_IDENTITY], limits)
        return web.json_response({"id": session.session_id}, status=201)

    async def _close_session(self, request: web.Request) -> web.Response:
        session = self._runs.session(request[_IDENTITY], request.match_info["session"])
        await self._runs.close_session(session)
        return web.json_response({"id": session.session_id, "state": "ended"})


async def _body(request: web.Request) -> dict[str, Any]:
    """The JSON object of a request. Raises Bad."""
    try:
        content = json.loads(await request.read() or b"{}")
    except (ValueError, RecursionError):
        raise Bad("the request must be a JSON object") from None
    if not isinstance(content, dict):
        raise Bad("the request must be a JSON object")
    return content


@web.middleware
async def _told(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Each way to fail as one answer. Nothing of an unforeseen error is told."""
    try:
        return await handler(request)
    except (Bad, LimitError, files.FileError) as error:
        return _error(400, "bad_request", str(error))
    except NotFound as error:
        return _error(404, "not_found", str(error))
    except TooMany as error:
        return _error(429, "too_many", str(error), RETRY_SECONDS)
    except Busy as error:
        return _error(503, "busy", str(error), RETRY_SECONDS)
    except AuditFault:
        return _error(503, "unavailable", "the audit log cannot be written, so nothing is run")
    except web.HTTPRequestEntityTooLarge:
        return _error(413, "too_large", f"a request has at most {REQUEST_BYTES_MAX} bytes")
    except web.HTTPException as error:
        return _error(error.status, "not_found" if error.status == 404 else "refused", error.reason)


def _error(status: int, code: str, message: str, retry_seconds: int = 0) -> web.Response:
    headers = {"Retry-After": str(retry_seconds)} if retry_seconds else {}
    content = {"error": {"code": code, "message": message}}
    return web.json_response(content, status=status, headers=headers)


def _unauthorized(message: str) -> web.Response:
    response = _error(401, "unauthorized", message)
    response.headers["WWW-Authenticate"] = "Bearer"
    return response
