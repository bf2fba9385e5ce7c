"""The Streamable HTTP transport, and the OAuth 2.1 resource server before it.

This file must not know tools. A request needs `Authorization: Bearer` with a token of a configured
issuer and audience, verified by the same code as the gate's; without one the answer is 401 and
says where the metadata are (RFC 6750 §3, RFC 9728 §5.1). Then the gate verifies it again: the
caller's own token, of this very request, is what logs in there.

Gate and this server are one protected resource with one audience: a token for something else is
refused here, and a token for this reaches nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from mcp.server.auth.middleware.auth_context import AuthContextMiddleware
from mcp.server.auth.middleware.bearer_auth import BearerAuthBackend, RequireAuthMiddleware
from mcp.server.auth.provider import AccessToken
from mcp.server.lowlevel.server import Server
from mcp.server.streamable_http_manager import (
    StreamableHTTPASGIApp,
    StreamableHTTPSessionManager,
)
from mcp.server.transport_security import TransportSecuritySettings
from pydantic import AnyHttpUrl
from starlette.applications import Starlette
from starlette.authentication import AuthenticationError
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from policies.secret import Secret
from proxy.runtime.config import Mcp
from proxy.runtime.identity import TokenAuthenticator
from proxy.runtime.keys import KeysUnavailable
from proxy.runtime.trace_parent import trace_parent
from sidecars.mcp.gate import Caller, subject_of
from sidecars.mcp.tools import CallerUnknown, Context

METADATA_PATH = "/.well-known/oauth-protected-resource"
"""Before the resource's own path (RFC 9728 §3.1)."""

BODY_BYTES_MAX = 1024 * 1024
SESSIONS_MAX = 1_000
SESSION_IDLE_SECONDS_MAX = 1_800.0
RETRY_SECONDS = 5


class GateTokens:
    """The SDK's token verifier: accepts what the gate would accept."""

    def __init__(self, authenticator: TokenAuthenticator, *, is_local: bool) -> None:
        self._authenticator = authenticator
        self._is_local = is_local

    async def verify_token(self, token: str) -> AccessToken | None:
        """Who bears the token, None if it proves nobody.

        Raises AuthenticationError when that cannot be said now.
        """
        try:
            identity = await self._authenticator.admitted(token, is_local=self._is_local)
        except KeysUnavailable as error:
            raise AuthenticationError("signing keys are not available") from error
        if identity is None:
            return None
        return AccessToken(
            # The SDK's model prints its token; it needs none, the request has it (INVARIANT I8).
            token="",
            client_id=identity.actor or identity.subject,
            scopes=[],
            expires_at=int(identity.expires_at),
            subject=identity.subject,
            claims={"iss": identity.issuer},
        )


async def caller_of(context: Context) -> Caller:
    """Whose request it is. Raises CallerUnknown."""
    request = context.request
    if not isinstance(request, Request):
        raise CallerUnknown("the call came without a request")
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise CallerUnknown("the request has no bearer token")
    secret = Secret(token.strip())
    trace = trace_parent(request.headers.get("traceparent", "").strip())
    return Caller(secret, subject_of(secret), trace)


def application(
    server: Server[Any], settings: Mcp, issuers: Sequence[str], tokens: GateTokens
) -> ASGIApp:
    """The whole HTTP service. `issuers` are the authorization servers that clients are sent to."""
    parts = urlsplit(settings.url)
    path = parts.path.rstrip("/") or "/"
    metadata_path = METADATA_PATH + ("" if path == "/" else path)
    metadata_url = f"{parts.scheme}://{parts.netloc}{metadata_path}"
    sessions = StreamableHTTPSessionManager(
        server,
        security_settings=_transport_security(settings),
        session_idle_timeout=SESSION_IDLE_SECONDS_MAX,
        max_request_body_size=BODY_BYTES_MAX,
        max_sessions=SESSIONS_MAX,
    )
    protected = RequireAuthMiddleware(StreamableHTTPASGIApp(sessions), [], AnyHttpUrl(metadata_url))
    metadata = _metadata(settings, issuers)

    async def tell_metadata(request: Request) -> Response:
        return JSONResponse(metadata, headers={"Access-Control-Allow-Origin": "*"})

    async def tell_health(request: Request) -> Response:
        return PlainTextResponse("ok")

    return Starlette(
        routes=[
            Route(path, endpoint=protected),
            Route(metadata_path, endpoint=tell_metadata),
            Route("/health", endpoint=tell_health),
        ],
        middleware=[
            Middleware(
                AuthenticationMiddleware, backend=BearerAuthBackend(tokens), on_error=_later
            ),
            Middleware(AuthContextMiddleware),
        ],
        lifespan=lambda _: sessions.run(),
    )


def _metadata(settings: Mcp, issuers: Sequence[str]) -> dict[str, object]:
    """RFC 9728 §2. Issuers as they are configured: clients compare them exactly (RFC 8414 §3.3)."""
    metadata: dict[str, object] = {
        "resource": settings.url,
        "authorization_servers": [one for one in issuers if one.startswith(("https:", "http:"))],
        "bearer_methods_supported": ["header"],
        "resource_name": "Sallyport",
    }
    if settings.scopes:
        metadata["scopes_supported"] = list(settings.scopes)
    return metadata


def _transport_security(settings: Mcp) -> TransportSecuritySettings:
    """Which `Host` and `Origin` are ours: a page of the web must not reach a server on loopback by
    a name of its own (DNS rebinding)."""
    parts = urlsplit(settings.url)
    hosts = [parts.netloc, "127.0.0.1:*", "localhost:*", "[::1]:*"]
    origins = [f"{parts.scheme}://{parts.netloc}", "http://127.0.0.1:*", "http://localhost:*"]
    return TransportSecuritySettings(allowed_hosts=hosts, allowed_origins=origins)


def _later(connection: HTTPConnection, error: AuthenticationError) -> Response:
    """503 while no issuer's keys can be had: a 401 would send clients to sign in, in vain."""
    return PlainTextResponse(str(error), 503, {"Retry-After": str(RETRY_SECONDS)})
